package kubernetes

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
)

// lookAtDeployment tells how far the rollout is that the write began.
func lookAtDeployment(ctx context.Context, c *cluster, written *unstructured.Unstructured) (progress, error) {
	var before appsv1.Deployment
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(written.Object, &before); err != nil {
		return progress{}, err
	}
	d, err := c.typed.AppsV1().Deployments(before.Namespace).Get(ctx, before.Name, metav1.GetOptions{})
	if err != nil {
		return progress{}, err
	}
	p := progress{summary: "[1/2] waiting for the new ReplicaSet"}
	if d.Status.ObservedGeneration < d.Generation {
		return p, nil
	}
	want, s, rollout := int32(1), d.Status, condition(d, appsv1.DeploymentProgressing)
	if d.Spec.Replicas != nil {
		want = *d.Spec.Replicas
	}
	if s.UpdatedReplicas == want && s.Replicas == want && s.AvailableReplicas == want &&
		rollout.Reason == "NewReplicaSetAvailable" && condition(d, appsv1.DeploymentAvailable).Status == corev1.ConditionTrue {
		return progress{ready: true}, nil
	}
	p.summary = fmt.Sprintf("[1/2] %d of %d new pods are there", s.UpdatedReplicas, want)
	if s.UpdatedReplicas == want {
		p.summary = fmt.Sprintf("[2/2] %d of %d pods available", min(s.AvailableReplicas, want), want)
	}
	if s.UpdatedReplicas == want && s.AvailableReplicas >= want {
		p.summary = fmt.Sprintf("[2/2] %d old pods left", s.Replicas-want)
	}
	if p.reasons, p.crashed, err = c.podReasons(ctx, d); err != nil {
		return progress{}, err
	}
	if c := condition(d, appsv1.DeploymentReplicaFailure); c.Status == corev1.ConditionTrue {
		p.reasons = append(p.reasons, c.Reason+": "+c.Message)
	}
	// The official provider sits out its timeout, but when Kubernetes' own deadline has passed the reasons are as good as
	// they get. A verdict from before the write says nothing about it.
	verdict := condition(&before, appsv1.DeploymentProgressing).LastUpdateTime
	if rollout.Reason == "ProgressDeadlineExceeded" && !rollout.LastUpdateTime.Equal(&verdict) {
		p.failed = true
		p.reasons = append(p.reasons, "ProgressDeadlineExceeded: "+rollout.Message)
	}
	return p, nil
}

func condition(d *appsv1.Deployment, kind appsv1.DeploymentConditionType) appsv1.DeploymentCondition {
	for _, c := range d.Status.Conditions {
		if c.Type == kind {
			return c
		}
	}
	return appsv1.DeploymentCondition{}
}

// podReasons says what keeps the newest pods of a Deployment from being ready,
// each reason once, and names a pod that crashed.
func (c *cluster) podReasons(ctx context.Context, d *appsv1.Deployment) (reasons []string, crashed *corev1.Pod, err error) {
	const revision = "deployment.kubernetes.io/revision"
	selected := metav1.ListOptions{LabelSelector: metav1.FormatLabelSelector(d.Spec.Selector)}
	sets, err := c.typed.AppsV1().ReplicaSets(d.Namespace).List(ctx, selected)
	if err != nil {
		return nil, nil, err
	}
	pods, err := c.typed.CoreV1().Pods(d.Namespace).List(ctx, selected)
	if err != nil {
		return nil, nil, err
	}
	warnings, err := c.typed.CoreV1().Events(d.Namespace).List(ctx, metav1.ListOptions{FieldSelector: "type=Warning"})
	if err != nil {
		return nil, nil, err
	}
	seen := map[string]bool{"": true}
	for _, set := range sets.Items {
		for _, pod := range pods.Items {
			newest := metav1.IsControlledBy(&set, d) && set.Annotations[revision] == d.Annotations[revision]
			if !newest || !metav1.IsControlledBy(&pod, &set) || pod.DeletionTimestamp != nil {
				continue
			}
			reason, crash := podReason(&pod, warnings.Items)
			if crash {
				crashed = &pod
			}
			if !seen[reason] {
				seen[reason] = true
				reasons = append(reasons, fmt.Sprintf("pod %s: %s", pod.Name, reason))
			}
		}
	}
	return reasons, crashed, nil
}

// podReason says why a pod is not ready, "" if nothing is wrong yet, and
// whether a container of it crashed.
func podReason(pod *corev1.Pod, warnings []corev1.Event) (reason string, crash bool) {
	for _, c := range pod.Status.Conditions {
		if c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue {
			return "", false
		}
		if c.Type == corev1.PodScheduled && c.Status == corev1.ConditionFalse {
			return c.Reason + ": " + c.Message, false
		}
	}
	for _, c := range slices.Concat(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses) {
		waiting, ended := c.State.Waiting, c.State.Terminated
		if waiting != nil && ended == nil {
			ended = c.LastTerminationState.Terminated
		}
		switch {
		case waiting != nil && ended != nil:
			return fmt.Sprintf("%s: exit code %d (%s)", waiting.Reason, ended.ExitCode, ended.Reason), true
		case ended != nil && ended.ExitCode != 0:
			return fmt.Sprintf("exit code %d (%s)", ended.ExitCode, ended.Reason), false
		case waiting != nil && waiting.Reason != "ContainerCreating" && waiting.Reason != "PodInitializing":
			return waiting.Reason + ": " + plain(waiting.Message), false
		}
	}
	// A probe that fails or a volume that does not mount is told by events alone.
	newest := time.Time{}
	for _, e := range warnings {
		if e.Reason == "MissingClusterDNS" {
			continue // true of every pod: the emulator's clusters have no DNS
		}
		at := e.LastTimestamp.Time
		if at.IsZero() {
			at = e.EventTime.Time
		}
		if e.InvolvedObject.UID == pod.UID && !at.Before(newest) {
			newest, reason = at, e.Reason+": "+plain(e.Message)
		}
	}
	return reason, false
}

var noise = regexp.MustCompile(`rpc error: code = \w+ desc = `)

// plain is a kubelet's message on one line, without its gRPC.
func plain(message string) string {
	return strings.Join(strings.Fields(noise.ReplaceAllString(message, "")), " ")
}

// lookAtService tells whether a Service has the address it is to have and
// leads to pods.
func lookAtService(ctx context.Context, c *cluster, written *unstructured.Unstructured) (progress, error) {
	s, err := c.typed.CoreV1().Services(written.GetNamespace()).Get(ctx, written.GetName(), metav1.GetOptions{})
	if err != nil {
		return progress{}, err
	}
	selected := metav1.ListOptions{LabelSelector: discoveryv1.LabelServiceName + "=" + s.Name}
	list, err := c.typed.DiscoveryV1().EndpointSlices(s.Namespace).List(ctx, selected)
	if err != nil {
		return progress{}, err
	}
	ready, pending := 0, 0
	for _, slice := range list.Items {
		for _, e := range slice.Endpoints {
			if c := e.Conditions; c.Ready == nil || *c.Ready {
				ready++
			} else if c.Terminating == nil || !*c.Terminating {
				pending++
			}
		}
	}
	// The official provider waits ten seconds after the last change of the endpoints. Here, kube-proxy has made its rules
	// within one. None at all are given the ten, as there, since the pods may yet come.
	p := progress{ready: true, settle: time.Second, summary: "[3/3] letting the endpoints settle"}
	if s.Spec.Type == corev1.ServiceTypeLoadBalancer && len(s.Status.LoadBalancer.Ingress) == 0 {
		p.ready, p.summary = false, "[2/3] Attempting to allocate IP address to Service"
		p.reasons = []string{"Service was not allocated an IP address"}
	}
	if len(s.Spec.Selector) == 0 || s.Spec.ClusterIP == corev1.ClusterIPNone || s.Spec.Type == corev1.ServiceTypeExternalName {
		return p, nil
	}
	switch {
	case pending > 0:
		p.ready, p.summary = false, "[1/3] Finding Pods to direct traffic to"
		p.reasons = append(p.reasons, fmt.Sprintf("%d of the %d Pods that the Service selects are not ready", pending, ready+pending))
	case ready == 0:
		p.settle, p.summary = 10*time.Second, "[1/3] Finding Pods to direct traffic to"
		p.reasons = append(p.reasons, "Service does not target any Pods. Field '.spec.selector' may not match labels on any Pods")
	}
	return p, nil
}
