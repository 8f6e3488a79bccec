//go:build e2e

package e2e

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// Rows about the service: its users should not notice.

// through sets a key to each of some values, and updates each time.
func (s *stack) through(t *testing.T, key string, values ...string) {
	t.Helper()
	for _, value := range values {
		s.set(t, key, value)
		s.up(t)
	}
}

func rollouts(t *testing.T, s *stack) {
	s.healthy(t)
	s.unnoticed(t, func() {
		for range 5 {
			s.through(t, "imageVersion", "v2", "v1")
		}
	})
}

func scaling(t *testing.T, s *stack) {
	s.normal["replicas"] = "1"
	s.healthy(t)
	s.unnoticed(t, func() { s.through(t, "replicas", "3", "1") })
}

// withinBudget does something to a healthy stack, unnoticed by its users.
func (s *stack) withinBudget(t *testing.T, do func()) {
	t.Helper()
	s.healthy(t)
	s.unnoticed(t, func() { s.respectsBudget(t, do) })
	s.clean = true
}

func nodeDrained(t *testing.T, s *stack) {
	s.withinBudget(t, func() {
		node := s.pods(t)[0].node
		s.kubectl(t, "drain", node, "--ignore-daemonsets", "--delete-emptydir-data")
		s.full(t)
		s.kubectl(t, "uncordon", node)
	})
}

func poolResized(t *testing.T, s *stack) {
	s.withinBudget(t, func() {
		for _, nodes := range []string{"4", "3"} {
			s.through(t, "nodes", nodes)
			if ready := s.readyNodes(t); fmt.Sprint(len(ready)) != nodes {
				t.Errorf("ready nodes: %q, want %s", ready, nodes)
			}
		}
	})
	s.previewIsEmpty(t)
}

func nodesRenewed(t *testing.T, s *stack) {
	var old []string
	s.withinBudget(t, func() {
		old = s.readyNodes(t)
		s.through(t, "machineType", "e2-medium")
	})
	s.normal["machineType"] = "e2-medium" // or the next row would replace them again
	for _, node := range s.readyNodes(t) {
		if slices.Contains(old, node) {
			t.Errorf("node %s was not replaced", node)
		}
	}
	s.previewIsEmpty(t)
}

// lossy does something to one pod, and waits until that is over and the stack has
// three ready pods again. Requests may fail only between the two, and only as many
// as that pod's share of them, with some for chance.
func (s *stack) lossy(t *testing.T, do func(victim pod) (over func() bool)) {
	t.Helper()
	s.healthy(t)
	load := startLoad(s.url, s.perSecond, []string{v1})
	time.Sleep(time.Second)
	victim := s.pods(t)[rand.IntN(3)]
	began := time.Now()
	over := do(victim)
	eventually(t, "full strength", func() bool { return over() && len(s.ready(t)) == 3 })
	restored := time.Now()
	time.Sleep(time.Second)
	load.stop()
	failed, sent := load.failures(), load.sent(began, restored)
	for _, r := range failed {
		if r.Timestamp.Before(began.Add(-patience)) || r.Timestamp.After(restored) {
			t.Errorf("a request failed that was sent %s after the fault, which was over after %s: %s", r.Timestamp.Sub(began), restored.Sub(began), r.Error)
		}
	}
	if len(failed) > sent/2 {
		t.Errorf("more failed than one pod of three can have got: %s", load)
	}
	lost := time.Duration(0)
	if len(failed) > 0 {
		lost = failed[len(failed)-1].Timestamp.Sub(began)
	}
	s.note("%d of %d failed, the last %.1f s after it, full strength after %.1f s", len(failed), len(load.results), max(0, lost.Seconds()), restored.Sub(began).Seconds())
}

// killed ends a process by a signal. A Go program ends with exit code 2 and a dump of all
// stacks on SIGQUIT, as after a panic.
func killed(signal string) func(*testing.T, *stack) {
	return func(t *testing.T, s *stack) {
		s.lossy(t, func(p pod) func() bool {
			s.run(t, "docker", "exec", p.node, "sh", "-c", "kill -s "+signal+" "+p.process())
			return func() bool {
				return slices.ContainsFunc(s.pods(t), func(now pod) bool { return now.name == p.name && now.restarts > p.restarts })
			}
		})
	}
}

func podDeleted(t *testing.T, s *stack) {
	s.healthy(t)
	s.unnoticed(t, func() {
		for range 3 {
			s.kubectl(t, s.namespace(), "delete", "pod", s.pods(t)[0].name)
			s.full(t)
		}
	})
}

// elsewhere reports whether three ready pods are on other nodes than this one.
func (s *stack) elsewhere(t *testing.T, node string) bool {
	t.Helper()
	return len(slices.DeleteFunc(s.ready(t), func(p pod) bool { return p.node == node })) == 3
}

// nodeDead: the load balancer's address is on no node, so that any of them may die.
func nodeDead(t *testing.T, s *stack) {
	var lost string
	s.lossy(t, func(p pod) func() bool {
		lost = p.node
		s.run(t, "docker", "kill", lost)
		return func() bool { return s.elsewhere(t, lost) }
	})
	s.run(t, "docker", "start", lost)
	eventually(t, "three ready nodes again", func() bool { return len(s.readyNodes(t)) == 3 })
	// To the cluster it is a new one, with other addresses for its pods.
	s.unnoticed(t, func() {
		s.onlyOn(t, lost, func() {
			s.kubectl(t, s.namespace(), "delete", "pod", s.pods(t)[0].name)
			s.full(t)
		})
	})
	s.clean = true
}

// onlyOn does something while new pods can go to one node only.
func (s *stack) onlyOn(t *testing.T, node string, do func()) {
	t.Helper()
	for _, other := range s.readyNodes(t) {
		if other != node {
			s.kubectl(t, "cordon", other)
			defer s.kubectl(t, "uncordon", other)
		}
	}
	do()
}

// kubeletHangs: for Kubernetes that node is lost, but its pods still answer.
func kubeletHangs(t *testing.T, s *stack) {
	s.healthy(t)
	lost := s.pods(t)[0].node
	kubelet := func(signal string) { s.run(t, "docker", "exec", lost, "pkill", "-"+signal, "-x", "kubelet") }
	s.unnoticed(t, func() {
		kubelet("STOP")
		eventually(t, "three ready pods on other nodes", func() bool { return s.elsewhere(t, lost) })
		kubelet("CONT")
		s.full(t)
	})
	eventually(t, "three ready nodes again", func() bool { return len(s.readyNodes(t)) == 3 })
	s.clean = true
}

// attacks runs the service's own tests of a container. An adopter's service has none.
func attacks(t *testing.T, s *stack) {
	if _, err := os.Stat(filepath.Join(root(), "app", "container_test.go")); err == nil {
		s.run(t, "go", "-C", filepath.Join(root(), "app"), "test", "-vet=off", "-tags", "e2e", "-count", "1", "-run", "TestAttacksOnContainer", ".")
	}
}

// registryUnreachable: what runs has its image, and what has to pull it waits.
func registryUnreachable(t *testing.T, s *stack) {
	s.healthy(t)
	registry := registries()[0]
	s.run(t, "docker", "stop", registry)
	stopped := true
	start := func() {
		if stopped {
			s.run(t, "docker", "start", registry)
			stopped = false
		}
	}
	defer start()
	s.unnoticed(t, func() {
		s.kubectl(t, s.namespace(), "delete", "pod", s.pods(t)[0].name)
		s.full(t) // from the image that the node has

		// A node without the image, because it forgets it.
		victim := s.pods(t)[0]
		s.onlyOn(t, victim.node, func() {
			s.run(t, "docker", "exec", victim.node, "sh", "-c", "ctr --namespace k8s.io images ls --quiet | grep timber-tutorial | xargs ctr --namespace k8s.io images rm --sync")
			s.kubectl(t, s.namespace(), "delete", "pod", victim.name)
			eventually(t, "a pod that cannot pull its image", func() bool {
				return slices.ContainsFunc(s.pods(t), func(p pod) bool {
					return slices.ContainsFunc(p.status.ContainerStatuses, func(c corev1.ContainerStatus) bool {
						return c.State.Waiting != nil && strings.Contains(c.State.Waiting.Reason, "Pull")
					})
				})
			})
			start()
			s.full(t)
		})
	})
	s.clean = true
}

// containersRestarted restarts what the engine would restart. The engine itself stays,
// because others may use it.
func containersRestarted(t *testing.T, s *stack) {
	s.healthy(t)
	began := time.Now()
	s.run(t, "docker", append([]string{"restart", "--time=0"}, slices.Concat(s.containers(t, "control-plane"), s.containers(t, "node"), registries())...)...)
	eventually(t, "an answer", func() bool {
		_, body, err := get(fresh, s.url+"/index")
		return err == nil && body == v1
	})
	s.note("answers again after %s", since(began))
	s.full(t)
	s.previewIsEmpty(t)
}
