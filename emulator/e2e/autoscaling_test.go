//go:build e2e

package e2e

import (
	"path/filepath"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// busily keeps the service busy: as it is, it would need thousands of requests a second.
// What keeps it busy is no part of an answer: a loaded machine does that later, or leaves
// it out, and no request waits for it.
const busily = `package main

import (
	"net/http"
	"sync/atomic"
)

var busy atomic.Bool

func busily(answer http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if busy.CompareAndSwap(false, true) {
			go func() {
				for range 30_000_000 {
				}
				busy.Store(false)
			}()
		}
		answer(w, r)
	}
}
`

// scaleDownVariable makes Kubernetes wait less than five minutes, in case the load comes
// back, before it removes pods: only these tests set it.
const scaleDownVariable = "EMULATOR_SCALE_DOWN"

// autoscaling: the number of pods follows the load up and down. No request is
// lost, and what the autoscaler does is neither a change nor drift. The stack is protected;
// without its key the autoscaler is deleted all the same.
func autoscaling(t *testing.T, s *stack) {
	s.normal["replicas"], s.normal["maxReplicas"], s.normal["deletionProtection"] = "1", "3", "true"
	s.restore(t)
	program := s.copy(t)
	program.run(t, "sh", "-ec", `sed -i 's/text("application.json", index(version))/busily(&)/' app/handler.go; grep -q busily app/handler.go`)
	writeFile(t, filepath.Join(program.folder, "app", "busily.go"), busily)
	program.up(t)
	most := 0
	pods := func() int {
		now := len(s.ready(t))
		most = max(most, now)
		return now
	}
	// While a pod starts, the Deployment is not as it was deployed. The autoscaler counts every 15 s.
	settle := func() {
		last, since := 0, time.Now()
		eventually(t, "more than one pod, all ready, and as many as half a minute ago", func() bool {
			if now := pods(); now != last || now != len(s.pods(t)) {
				last, since = now, time.Now()
			}
			return last > 1 && time.Since(since) > 30*time.Second
		})
	}
	program.underLoad(t, []string{v1, v2}, func() {
		settle()
		s.note("%d pods under load", most)
		program.isAsDeployed(t)

		t.Log("an update keeps the autoscaler's number of pods")
		program.set(t, "imageVersion", "v2")
		program.up(t)
		if now := pods(); now == 1 {
			t.Errorf("%d pods are ready after an update under load, want more", now)
		}
		settle()
		program.isAsDeployed(t)
	})

	t.Log("fewer pods without load")
	began := time.Now()
	eventually(t, "one pod", func() bool { return pods() == 1 })
	s.note("one pod %s after the load", since(began))
	program.isAsDeployed(t)

	t.Log("a fixed number again, in the two steps of docs/environments.md")
	twoPods := func() bool { return pods() == 2 }
	program.set(t, "replicas", "2", "maxReplicas", "2")
	program.up(t)
	eventually(t, "two pods", twoPods)
	program.set(t, "maxReplicas", "")
	program.up(t)
	eventually(t, "two pods without the autoscaler", twoPods)
	left, err := s.kube(t).AutoscalingV2().HorizontalPodAutoscalers(s.project()).List(interrupted, metav1.ListOptions{})
	if err != nil || len(left.Items) > 0 {
		t.Errorf("%d autoscalers are left, %v", len(left.Items), err)
	}
}
