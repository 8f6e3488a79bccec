//go:build e2e

package e2e

import (
	"bufio"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"hello-timber/emulator/traffic"
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

func nodeDrained(t *testing.T, s *stack) {
	s.healthy(t)
	s.unnoticed(t, func() {
		s.respectsBudget(t, func() {
			node := s.pods(t)[0].node
			s.kubectl(t, "drain", node, "--ignore-daemonsets", "--delete-emptydir-data")
			s.full(t)
			s.kubectl(t, "uncordon", node)
		})
	})
	s.clean = true
}

func poolResized(t *testing.T, s *stack) {
	s.healthy(t)
	s.unnoticed(t, func() {
		s.respectsBudget(t, func() {
			for _, nodes := range []string{"4", "3"} {
				s.through(t, "nodes", nodes)
				if ready := s.readyNodes(t); fmt.Sprint(len(ready)) != nodes {
					t.Errorf("ready nodes: %q, want %s", ready, nodes)
				}
			}
		})
	})
	s.previewIsEmpty(t)
	s.clean = true
}

func nodesRenewed(t *testing.T, s *stack) {
	s.healthy(t)
	old := s.readyNodes(t)
	s.unnoticed(t, func() {
		s.respectsBudget(t, func() { s.through(t, "machineType", "e2-medium") })
	})
	for _, node := range s.readyNodes(t) {
		if slices.Contains(old, node) {
			t.Errorf("node %s was not replaced", node)
		}
	}
	s.previewIsEmpty(t)
	s.normal["machineType"] = "e2-medium" // or the next row would replace them again
	s.clean = true
}

// lossy does something to one pod, and waits until that is over and the stack has
// three ready pods again. Requests may fail only between the two, and only as many
// as that pod's share of them, with some for chance.
func (s *stack) lossy(t *testing.T, do func(victim pod) (over func() bool)) {
	t.Helper()
	s.healthy(t)
	load := traffic.Start(s.url, s.perSecond, []string{v1})
	time.Sleep(time.Second)
	victim := s.pods(t)[rand.IntN(3)]
	began := time.Now()
	over := do(victim)
	eventually(t, "full strength", func() bool { return over() && len(s.ready(t)) == 3 })
	restored := time.Now()
	time.Sleep(time.Second)
	load.Stop()
	failed, sent := load.Failures(), load.Sent(began, restored)
	for _, r := range failed {
		if r.Timestamp.Before(began.Add(-traffic.Patience)) || r.Timestamp.After(restored) {
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
	s.note("%d of %d failed, the last %.1f s after it, full strength after %.1f s", len(failed), len(load.Results), max(0, lost.Seconds()), restored.Sub(began).Seconds())
}

// restarted sends signals to the process of a pod, and returns what reports whether
// it has started again.
func (s *stack) restarted(t *testing.T, p pod, signals ...string) func() bool {
	t.Helper()
	before := s.podNamed(t, p.name).restarts
	s.signal(t, p, signals...)
	return func() bool { return s.podNamed(t, p.name).restarts != before }
}

func podKilled(t *testing.T, s *stack) {
	s.lossy(t, func(p pod) func() bool { return s.restarted(t, p, "KILL") })
}

// A Go program ends with exit code 2 and a dump of all stacks on SIGQUIT, as after a panic.
func containerCrashed(t *testing.T, s *stack) {
	s.lossy(t, func(p pod) func() bool { return s.restarted(t, p, "QUIT") })
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

// A request whose header is half sent when its pod gets its signal to stop is answered.
func signals(t *testing.T, s *stack) {
	s.healthy(t)
	conn, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://")+":80")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	answer := bufio.NewReader(conn)
	ask := func(text string) *http.Response {
		if _, err := io.WriteString(conn, text); err != nil {
			t.Fatal(err)
		}
		response, err := http.ReadResponse(answer, nil)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(response.Body)
		if err != nil || response.StatusCode != http.StatusOK || string(body) != v1 {
			t.Errorf("answered %d %q, %v", response.StatusCode, body, err)
		}
		return response
	}
	const request = "GET /index HTTP/1.1\r\nHost: timber\r\n\r\n"
	name := ask(request).Header.Get("X-Pod")
	victim := s.podNamed(t, name)
	if _, err := io.WriteString(conn, request[:20]); err != nil {
		t.Fatal(err)
	}
	over := s.restarted(t, victim, "TERM")
	time.Sleep(time.Second) // the header must be whole within five seconds of its first byte
	if !ask(request[20:]).Close {
		t.Error("the connection was not closed with the last answer")
	}
	ended := func(want int32) {
		t.Helper()
		eventually(t, "the container restarted", over)
		if last := s.podNamed(t, name).status.ContainerStatuses[0].LastTerminationState.Terminated; last == nil || last.ExitCode != want {
			t.Errorf("the process ended with %v, want exit code %d", last, want)
		}
		s.full(t)
	}
	ended(0)
	// A second signal ends the process without the drain.
	over = s.restarted(t, s.podNamed(t, name), "TERM", "TERM")
	ended(1)
}

// hostileHTTP is a sample, through the cluster, of what the service's own tests do at length.
func hostileHTTP(t *testing.T, s *stack) {
	s.healthy(t)
	s.unnoticed(t, func() {
		for name, request := range map[string]string{
			"a giant header":  "GET /index HTTP/1.1\r\nHost: timber\r\nX-A: " + strings.Repeat("a", 1<<20) + "\r\n\r\n",
			"garbage":         strings.Repeat("\x16\x03\x01\x02\x00", 1000) + "\r\n\r\n",
			"an endless body": "POST /index HTTP/1.1\r\nHost: timber\r\nTransfer-Encoding: chunked\r\n\r\nff\r\n",
			"half a header":   "GET /index HT",
		} {
			conn, err := net.DialTimeout("tcp", strings.TrimPrefix(s.url, "http://")+":80", traffic.Patience)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			_ = conn.SetDeadline(time.Now().Add(time.Minute))
			_, _ = io.WriteString(conn, request) // the server may close before it has read all
			response, err := http.ReadResponse(bufio.NewReader(conn), nil)
			if err == nil && (response.StatusCode < 400 || response.StatusCode > 499) {
				t.Errorf("%s is answered %s", name, response.Status)
			}
		}
	})
	for _, p := range s.pods(t) {
		if p.restarts > 0 {
			t.Errorf("pod %s was restarted: %v", p.name, p.status.ContainerStatuses[0].LastTerminationState.Terminated)
		}
	}
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
	registry := s.registries()[0]
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
	s.run(t, "docker", append([]string{"restart", "--time=0"}, slices.Concat(s.containers(t, "control-plane"), s.containers(t, "node"), s.registries())...)...)
	eventually(t, "an answer", func() bool {
		_, body, err := get(fresh, s.url)
		return err == nil && body == v1
	})
	s.note("answers again after %s", since(began))
	s.full(t)
	s.previewIsEmpty(t)
}
