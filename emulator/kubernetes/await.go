package kubernetes

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic/dynamicinformer"
	"k8s.io/client-go/tools/cache"
)

// progress is how far an object is at one moment.
type progress struct {
	ready   bool
	settle  time.Duration // how long it must stay ready to count as such
	failed  bool          // waiting longer will not help
	summary string        // one line
	reasons []string      // what keeps it, in plain words, the most telling first
	crashed *corev1.Pod   // a pod whose log may tell more
}

// awaited are the kinds that are waited for: what to watch, and how to tell
// how far an object is that was written as it is given. A Namespace is Active
// as soon as it is made.
var awaited = map[schema.GroupKind]struct {
	watch []schema.GroupVersionResource
	look  func(ctx context.Context, c *cluster, written *unstructured.Unstructured) (progress, error)
}{
	{Group: "apps", Kind: "Deployment"}: {look: lookAtDeployment, watch: []schema.GroupVersionResource{
		appsv1.SchemeGroupVersion.WithResource("deployments"), appsv1.SchemeGroupVersion.WithResource("replicasets"),
		corev1.SchemeGroupVersion.WithResource("pods")}},
	{Kind: "Service"}: {look: lookAtService, watch: []schema.GroupVersionResource{
		corev1.SchemeGroupVersion.WithResource("services"), discoveryv1.SchemeGroupVersion.WithResource("endpointslices")}},
}

// watch tells when anything of these kinds changes in a namespace. That it
// tells is all: what is there now, the server says best.
func (c *cluster) watch(ctx context.Context, namespace string, kinds ...schema.GroupVersionResource) (<-chan struct{}, error) {
	factory := dynamicinformer.NewFilteredDynamicSharedInformerFactory(c.dynamic, 0, namespace, nil)
	changed := make(chan struct{}, 1)
	tell := func(any) {
		select {
		case changed <- struct{}{}:
		default: // told already
		}
	}
	for _, kind := range kinds {
		handler := cache.ResourceEventHandlerFuncs{AddFunc: tell, UpdateFunc: func(_, now any) { tell(now) }, DeleteFunc: tell}
		if _, err := factory.ForResource(kind).Informer().AddEventHandler(handler); err != nil {
			return nil, err
		}
	}
	factory.Start(ctx.Done())
	// What changes before the watch stands would be missed; but who may not watch need not wait for ever.
	soon, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	factory.WaitForCacheSync(soon.Done())
	return changed, nil
}

// await waits until what was written works. It returns the object as it is
// then, and reasons if it does not work, the first of which is a headline.
func (c *cluster) await(ctx context.Context, written *unstructured.Unstructured, say func(string)) (*unstructured.Unstructured, []string) {
	kind, ok := awaited[written.GroupVersionKind().GroupKind()]
	if !ok {
		return written, nil
	}
	began, readySince, shown := time.Now(), time.Time{}, ""
	changed, err := c.watch(ctx, written.GetNamespace(), kind.watch...)
	if err != nil {
		return written, []string{fmt.Sprintf("'%s' cannot be watched: %v", written.GetName(), err)}
	}
	now := progress{}
	for {
		next, err := kind.look(ctx, c, written)
		if err == nil {
			now = next
		} else if ctx.Err() == nil {
			now = progress{summary: "no word from the API server", reasons: []string{oneLine(err).Error()}}
		}
		line := now.summary
		if len(now.reasons) > 0 {
			line += ": " + strings.Join(now.reasons, "; ")
		}
		if line != shown && ctx.Err() == nil {
			shown = line
			say(line)
		}
		if now.failed {
			return c.latest(written), c.explain(fmt.Sprintf("'%s' failed to become Ready", written.GetName()), now)
		}
		pause := 5 * time.Second // for news that no watch brings: events, an API server that is back
		if !now.ready {
			readySince = time.Time{}
		} else if readySince.IsZero() {
			readySince = time.Now()
		}
		if now.ready {
			if pause = now.settle - time.Since(readySince); pause <= 0 {
				say("")
				return c.latest(written), nil
			}
		}
		select {
		case <-ctx.Done():
			why := fmt.Sprintf("'%s' timed out waiting to be Ready after %s", written.GetName(), time.Since(began).Round(time.Second))
			if errors.Is(ctx.Err(), context.Canceled) {
				why = fmt.Sprintf("Resource operation was cancelled for '%s'", written.GetName())
			}
			return c.latest(written), c.explain(why, now)
		case <-changed:
			time.Sleep(100 * time.Millisecond) // changes come in bursts
		case <-time.After(pause):
		}
	}
}

// latest is written as the server has it now or, if that cannot be told any
// more, as it was.
func (c *cluster) latest(written *unstructured.Unstructured) *unstructured.Unstructured {
	// The time for waiting may be up.
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	client, _, err := c.resource(written)
	if err != nil {
		return written
	}
	if live, err := client.Get(ctx, written.GetName(), metav1.GetOptions{}); err == nil {
		return live
	}
	return written
}

// explain is the headline, the reasons, and the last words of a pod that
// crashed.
func (c *cluster) explain(headline string, p progress) []string {
	reasons := append([]string{headline}, p.reasons...)
	if len(p.reasons) == 0 {
		reasons = append(reasons, p.summary)
	}
	if p.crashed == nil {
		return reasons
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	one := int64(1)
	options := &corev1.PodLogOptions{Previous: true, TailLines: &one}
	log, err := c.typed.CoreV1().Pods(p.crashed.Namespace).GetLogs(p.crashed.Name, options).DoRaw(ctx)
	if err != nil {
		log = []byte(fmt.Sprintf("(cannot be read: %v)", oneLine(err)))
	}
	return append(reasons, fmt.Sprintf("last line of the log of pod %s: %s", p.crashed.Name, strings.TrimSpace(string(log))))
}

// delete deletes an object and waits until it is gone.
func (c *cluster) delete(ctx context.Context, obj *unstructured.Unstructured, say func(string)) error {
	client, mapping, err := c.resource(obj)
	if meta.IsNoMatchError(err) {
		return nil
	}
	if err != nil {
		return err
	}
	changed, err := c.watch(ctx, obj.GetNamespace(), mapping.Resource)
	if err != nil {
		return err
	}
	foreground := metav1.DeletePropagationForeground
	if err := client.Delete(ctx, obj.GetName(), metav1.DeleteOptions{PropagationPolicy: &foreground}); err != nil && !apierrors.IsNotFound(err) {
		return oneLine(err)
	}
	waiting, shown := "it is being deleted", ""
	for {
		live, err := client.Get(ctx, obj.GetName(), metav1.GetOptions{})
		// One that is not being deleted is somebody's new one of the same name.
		if apierrors.IsNotFound(err) || err == nil && live.GetDeletionTimestamp() == nil {
			say("")
			return nil
		}
		if err == nil {
			waiting = lingering(live)
		} else if ctx.Err() == nil {
			waiting = "the API server does not answer: " + oneLine(err).Error()
		}
		if waiting != shown {
			shown = waiting
			say(waiting)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("it is not gone yet: %s", waiting)
		case <-changed:
		case <-time.After(5 * time.Second):
		}
	}
}

// lingering says what keeps an object that is being deleted.
func lingering(live *unstructured.Unstructured) string {
	waiting := "it is being deleted"
	if finalizers := live.GetFinalizers(); len(finalizers) > 0 {
		waiting = "waiting for its finalizers: " + strings.Join(finalizers, ", ")
	}
	conditions, _, _ := unstructured.NestedSlice(live.Object, "status", "conditions")
	for _, condition := range conditions {
		if c, ok := condition.(map[string]any); ok && live.GetKind() == "Namespace" && c["status"] == "True" {
			waiting = fmt.Sprint(c["message"])
		}
	}
	return waiting
}
