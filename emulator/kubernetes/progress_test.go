package kubernetes

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
)

// read turns a manifest into an object of its type.
func read[T any](manifest map[string]any) *T {
	text, err := json.Marshal(manifest)
	if err != nil {
		panic(err)
	}
	result := new(T)
	if err := json.Unmarshal(text, result); err != nil {
		panic(err)
	}
	return result
}

// workload is the Deployment timber, its new ReplicaSet and its old one.
func workload(changes ...any) []runtime.Object {
	d := read[appsv1.Deployment](deployment(changes...))
	d.UID = "deployment"
	if d.Annotations == nil {
		d.Annotations = map[string]string{}
	}
	d.Annotations["deployment.kubernetes.io/revision"] = "2"
	set := func(revision string) *appsv1.ReplicaSet {
		return &appsv1.ReplicaSet{ObjectMeta: metav1.ObjectMeta{Name: "timber-" + revision, Namespace: "shop", UID: types.UID("set-" + revision),
			Labels: map[string]string{"app": "timber"}, Annotations: map[string]string{"deployment.kubernetes.io/revision": revision},
			OwnerReferences: []metav1.OwnerReference{*metav1.NewControllerRef(d, appsv1.SchemeGroupVersion.WithKind("Deployment"))}}}
	}
	return []runtime.Object{d, set("1"), set("2")}
}

// pod belongs to the ReplicaSet of a revision; status is as the API has it.
func pod(name, revision string, status map[string]any) *corev1.Pod {
	owner := &appsv1.ReplicaSet{ObjectMeta: metav1.ObjectMeta{Name: "timber-" + revision, UID: types.UID("set-" + revision)}}
	p := read[corev1.Pod](map[string]any{"status": status})
	p.ObjectMeta = metav1.ObjectMeta{Name: name, Namespace: "shop", UID: types.UID(name), Labels: map[string]string{"app": "timber"},
		OwnerReferences: []metav1.OwnerReference{*metav1.NewControllerRef(owner, appsv1.SchemeGroupVersion.WithKind("ReplicaSet"))}}
	return p
}

func TestDeployment(t *testing.T) {
	type m = map[string]any
	status := func(updated, all, available float64, conditions ...any) []any {
		return []any{"spec/replicas", 3.0, "status/updatedReplicas", updated, "status/replicas", all, "status/availableReplicas", available, "status/conditions", conditions}
	}
	done := []any{m{"type": "Available", "status": "True"}, m{"type": "Progressing", "status": "True", "reason": "NewReplicaSetAvailable"}}
	under := []any{m{"type": "Available", "status": "True"}, m{"type": "Progressing", "status": "True", "reason": "ReplicaSetUpdated"}}
	late := m{"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded", "message": "too long", "lastUpdateTime": "2026-01-01T00:00:00Z"}
	waiting := func(reason, message string) m {
		return m{"containerStatuses": []any{m{"name": "timber", "state": m{"waiting": m{"reason": reason, "message": message}}}}}
	}
	warning := func(pod, message string, second int) *corev1.Event {
		return &corev1.Event{ObjectMeta: metav1.ObjectMeta{Name: message, Namespace: "shop"}, Type: "Warning", Reason: "Unhealthy", Message: message,
			InvolvedObject: corev1.ObjectReference{UID: types.UID(pod)}, LastTimestamp: metav1.NewTime(time.Unix(int64(second), 0))}
	}
	for _, test := range []struct {
		name    string
		before  []any // how the write found it
		now     []any
		others  []runtime.Object
		ready   bool
		failed  bool
		summary string
		reasons []string
	}{
		{name: "done", now: status(3, 3, 3, done...), ready: true},
		{name: "not noticed", now: append(status(3, 3, 3, done...), "metadata/generation", 2.0, "status/observedGeneration", 1.0), summary: "[1/2] waiting for the new ReplicaSet"},
		{name: "scaled to nothing", now: append(status(0, 0, 0, done...), "spec/replicas", 0.0), ready: true},
		{name: "new ones starting", now: status(1, 4, 3, under...), summary: "[1/2] 1 of 3 new pods are there"},
		{name: "old ones going", now: status(3, 4, 4, under...), summary: "[2/2] 1 old pods left"},
		{name: "image missing", now: status(3, 3, 0, under...), summary: "[2/2] 0 of 3 pods available",
			others: []runtime.Object{
				pod("a", "2", waiting("ImagePullBackOff", "Back-off pulling image \"x\": ErrImagePull: rpc error: code = NotFound desc = x: not found")),
				pod("b", "2", waiting("ImagePullBackOff", "Back-off pulling image \"x\": ErrImagePull: rpc error: code = NotFound desc = x: not found")),
				pod("c", "2", waiting("ContainerCreating", ""))},
			reasons: []string{`pod a: ImagePullBackOff: Back-off pulling image "x": ErrImagePull: x: not found`}},
		{name: "an old pod does not count", now: status(3, 4, 2, under...), summary: "[2/2] 2 of 3 pods available",
			others: []runtime.Object{pod("a", "1", waiting("CrashLoopBackOff", ""))}},
		{name: "no room", now: status(3, 3, 2, under...), summary: "[2/2] 2 of 3 pods available",
			others:  []runtime.Object{pod("a", "2", m{"conditions": []any{m{"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/3 nodes are available"}}})},
			reasons: []string{"pod a: Unschedulable: 0/3 nodes are available"}},
		{name: "crashing", now: status(3, 3, 2, under...), summary: "[2/2] 2 of 3 pods available",
			others: []runtime.Object{pod("a", "2", m{"containerStatuses": []any{m{"name": "timber", "state": m{"waiting": m{"reason": "CrashLoopBackOff", "message": "back-off"}},
				"lastState": m{"terminated": m{"exitCode": 3.0, "reason": "Error"}}}}})},
			reasons: []string{"pod a: CrashLoopBackOff: exit code 3 (Error)"}},
		{name: "never ready", now: status(3, 3, 2, under...), summary: "[2/2] 2 of 3 pods available",
			others: []runtime.Object{pod("a", "2", m{"containerStatuses": []any{m{"name": "timber", "state": m{"running": m{}}}}}),
				warning("a", "Readiness probe failed: HTTP probe failed with statuscode: 503", 2), warning("a", "Startup probe failed", 1), warning("b", "another pod's", 3)},
			reasons: []string{"pod a: Unhealthy: Readiness probe failed: HTTP probe failed with statuscode: 503"}},
		{name: "pods refused", now: status(0, 3, 3, m{"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": "violates PodSecurity"}),
			summary: "[1/2] 0 of 3 new pods are there", reasons: []string{"FailedCreate: violates PodSecurity"}},
		{name: "too late", now: status(3, 3, 2, late), failed: true, summary: "[2/2] 2 of 3 pods available", reasons: []string{"ProgressDeadlineExceeded: too long"}},
		{name: "too late before", before: status(3, 3, 2, late), now: status(3, 3, 2, late), summary: "[2/2] 2 of 3 pods available"},
	} {
		c, err := fake(t, append(workload(test.now...), test.others...)...).connect()
		if err != nil {
			t.Fatal(err)
		}
		p, err := lookAtDeployment(context.Background(), c, &unstructured.Unstructured{Object: deployment(test.before...)})
		if err != nil {
			t.Fatalf("%s: %v", test.name, err)
		}
		if p.ready != test.ready || p.failed != test.failed || p.summary != test.summary || !slices.Equal(p.reasons, test.reasons) {
			t.Errorf("%s: %+v", test.name, p)
		}
		if crashing := strings.Contains(strings.Join(test.reasons, " "), "exit code"); crashing != (p.crashed != nil) {
			t.Errorf("%s: crashed %v", test.name, p.crashed)
		}
	}
}

func TestService(t *testing.T) {
	type m = map[string]any
	yes, no := true, false
	ready := discoveryv1.Endpoint{Conditions: discoveryv1.EndpointConditions{Ready: &yes}}
	pending := discoveryv1.Endpoint{Conditions: discoveryv1.EndpointConditions{Ready: &no}}
	leaving := discoveryv1.Endpoint{Conditions: discoveryv1.EndpointConditions{Ready: &no, Terminating: &yes}}
	balancer := m{"type": "LoadBalancer", "clusterIP": "10.0.0.1", "selector": m{"app": "timber"}}
	address := m{"loadBalancer": m{"ingress": []any{m{"ip": "192.0.2.1"}}}}
	for _, test := range []struct {
		name         string
		spec, status m
		endpoints    []discoveryv1.Endpoint
		ready        bool
		settle       time.Duration
		summary      string
		reasons      int
	}{
		{"works", balancer, address, []discoveryv1.Endpoint{ready, leaving}, true, time.Second, "[3/3]", 0},
		{"no address", balancer, m{}, []discoveryv1.Endpoint{ready}, false, time.Second, "[2/3]", 1},
		{"a pod is not ready", balancer, address, []discoveryv1.Endpoint{ready, pending}, false, time.Second, "[1/3]", 1},
		{"no pods, no address", balancer, m{}, nil, false, 10 * time.Second, "[1/3]", 2},
		{"no pods", balancer, address, nil, true, 10 * time.Second, "[1/3]", 1},
		{"inside only", m{"clusterIP": "10.0.0.1", "selector": m{"app": "timber"}}, m{}, []discoveryv1.Endpoint{ready}, true, time.Second, "[3/3]", 0},
		{"headless", m{"clusterIP": "None", "selector": m{"app": "timber"}}, m{}, nil, true, time.Second, "[3/3]", 0},
		{"no selector", m{"clusterIP": "10.0.0.1"}, m{}, nil, true, time.Second, "[3/3]", 0},
	} {
		manifest := m{"metadata": m{"name": "timber", "namespace": "shop"}, "spec": test.spec, "status": test.status}
		slice := &discoveryv1.EndpointSlice{ObjectMeta: metav1.ObjectMeta{Name: "timber-x", Namespace: "shop",
			Labels: map[string]string{discoveryv1.LabelServiceName: "timber"}}, Endpoints: test.endpoints}
		c, err := fake(t, read[corev1.Service](manifest), slice).connect()
		if err != nil {
			t.Fatal(err)
		}
		p, err := lookAtService(context.Background(), c, &unstructured.Unstructured{Object: manifest})
		if err != nil {
			t.Fatalf("%s: %v", test.name, err)
		}
		if p.ready != test.ready || p.settle != test.settle || !strings.HasPrefix(p.summary, test.summary) || len(p.reasons) != test.reasons {
			t.Errorf("%s: %+v", test.name, p)
		}
	}
}
