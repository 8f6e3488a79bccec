package workload

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	corev1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/core/v1"

	"hello-timber/stacks/config"
)

// TestPods: whatever the number of pods, Kubernetes gives up before Pulumi does, so that
// the error has a reason; every step of a rollout has the time that pods may take to start;
// and the quota never keeps a rollout's pods from starting: while the old ones end, there
// are as many new ones, and those that a rollout adds.
func TestPods(t *testing.T) {
	for pods := 1; pods <= 100; pods++ {
		for i := range 4 {
			more, ready := i%2 == 1, []int{settleSeconds, googleReady}[i/2]
			r := &registration{Args: &Args{MoreNodes: more, Service: config.Service{Replicas: pods, StartupSeconds: 60}}, readySeconds: ready}
			progress, timeout := time.Duration(r.progressSeconds())*time.Second, r.rolloutTimeout()
			steps := min(pods, 4)
			if progress < 150*time.Second || timeout <= progress || timeout < time.Duration(steps)*time.Minute {
				t.Errorf("%d pods: Kubernetes waits %s for the next pod, Pulumi %s for %d steps of a minute", pods, progress, timeout, steps)
			}
		}
		if needed := 2*pods + (pods+3)/4; podQuota(pods) < needed || podQuota(pods) > 3*needed && pods > 8 {
			t.Errorf("%d pods: the quota is %d, a rollout needs %d", pods, podQuota(pods), needed)
		}
	}
	if podQuota(1) != podQuota(3) { // the tutorial's change of replicas changes nothing else
		t.Errorf("1 pod has the quota %d, 3 have %d", podQuota(1), podQuota(3))
	}
}

func TestURL(t *testing.T) {
	ptr := func(s string) *string { return &s }
	status := func(ingress ...corev1.LoadBalancerIngress) *corev1.ServiceStatus {
		return &corev1.ServiceStatus{LoadBalancer: &corev1.LoadBalancerStatus{Ingress: ingress}}
	}
	for _, test := range []struct {
		name   string
		status *corev1.ServiceStatus
		want   string
	}{
		{"no status", nil, ""},
		{"no load balancer", &corev1.ServiceStatus{}, ""},
		{"no ingress", status(), ""},
		{"empty address", status(corev1.LoadBalancerIngress{Ip: ptr("")}), ""},
		{"IP address", status(corev1.LoadBalancerIngress{Ip: ptr("192.0.2.80")}), "http://192.0.2.80"},
		{"IPv6 address", status(corev1.LoadBalancerIngress{Ip: ptr("2001:db8::80")}), "http://[2001:db8::80]"},
		{"host name", status(corev1.LoadBalancerIngress{Hostname: ptr("lb.example.com")}), "http://lb.example.com"},
		{"the second has one", status(corev1.LoadBalancerIngress{}, corev1.LoadBalancerIngress{Ip: ptr("192.0.2.81")}), "http://192.0.2.81"},
	} {
		if got := url(test.status); got != test.want {
			t.Errorf("%s: url is %q, want %q", test.name, got, test.want)
		}
	}
}

// TestGlobal: with these classes, the policy admits Google's load balancers only.
func TestGlobal(t *testing.T) {
	for class, want := range map[string]bool{
		"gke-l7-global-external-managed": true, "gke-l7-global-external-managed-mc": true, "gke-l7-gxlb": true, "gke-l7-gxlb-mc": true,
		"gke-l7-regional-external-managed": false, "gke-l7-rilb": false, "traefik": false,
	} {
		if got := (&Gateway{Class: class}).global(); got != want {
			t.Errorf("%s: %t", class, got)
		}
	}
}

// TestPodsSay: what the newest pod says is found, or why it is not.
func TestPodsSay(t *testing.T) {
	const path = "/api/v1/namespaces/timber-dev"
	answers := map[string]string{
		path + "/pods": `{"items": [{"metadata": {"name": "old", "creationTimestamp": "2026-11-28T10:00:00Z"}}, {"metadata": {"name": "new", "creationTimestamp": "2026-11-29T10:00:00Z"}},
			{"metadata": {"name": "older", "creationTimestamp": "2026-11-27T10:00:00Z"}}]}`,
		path + "/events?fieldSelector=type%3DWarning": `{"items": [{"reason": "Unhealthy", "message": "Readiness probe failed: HTTP probe failed with statuscode: 500", "involvedObject": {"kind": "Pod", "name": "new"}},
			{"reason": "BackOff", "message": "another pod's", "involvedObject": {"kind": "Pod", "name": "old"}},
			{"reason": "FailedCreate", "message": "exceeded quota", "involvedObject": {"kind": "ReplicaSet", "name": "newer"}}]}`,
		path + "/pods/new/log?tailLines=10&limitBytes=10000": "\x1b[31mthe database <{%is%}> gone\r\n",
	}
	r := &registration{Args: &Args{Namespace: "timber-dev", Ask: func(path string) (string, error) {
		if answer, ok := answers[path]; ok {
			return answer, nil
		}
		return "", errors.New("Error from server (BadRequest): " + path)
	}}}
	const all = "Pod new:\nUnhealthy: Readiness probe failed: HTTP probe failed with statuscode: 500\nFailedCreate: exceeded quota\nThe end of its log:\n\ufffd[31mthe database < {%is%}> gone"
	if got := r.podsSay(); got != all {
		t.Errorf("got\n%s\nwant\n%s", got, all)
	}
	for _, missing := range []string{path + "/pods/new/log?tailLines=10&limitBytes=10000", path + "/pods"} {
		delete(answers, missing)
		if got := r.podsSay(); !strings.Contains(got, "Error from server (BadRequest): "+missing) {
			t.Errorf("without %s: %s", missing, got)
		}
	}
}

// TestComplete: the rollout before is not taken for this one.
func TestComplete(t *testing.T) {
	const done = `{"metadata": {"generation": 3}, "spec": {"replicas": 2}, "status": {"observedGeneration": 3, "replicas": 2, "updatedReplicas": 2, "availableReplicas": 2}}`
	for name, before := range map[string]string{
		"done": done, "not yet observed": strings.Replace(done, `observedGeneration": 3`, `observedGeneration": 2`, 1), "old pods": strings.Replace(done, `"replicas": 2, "up`, `"replicas": 3, "up`, 1),
		"not all are new": strings.ReplaceAll(done, `updatedReplicas": 2`, `updatedReplicas": 1`), "not all are ready": strings.Replace(done, `availableReplicas": 2`, `availableReplicas": 1`, 1),
	} {
		for _, ends := range []bool{true, false} {
			synctest.Test(t, func(t *testing.T) {
				asked := 0
				r := &registration{Args: &Args{Namespace: "timber-dev", Service: config.Service{Replicas: 2}, Ask: func(path string) (string, error) {
					switch asked++; {
					case path != "/apis/apps/v1/namespaces/timber-dev/deployments/timber-1":
						return `{"items": []}`, nil
					case ends && asked > 3:
						return done, nil
					}
					return before, nil
				}}}
				if err := r.complete("timber-dev/timber-1"); (err == nil) != (ends || before == done) || before != done && asked < 4 {
					t.Errorf("%s, ends: %t: asked %d times, %v", name, ends, asked, err)
				}
			})
		}
	}
}
