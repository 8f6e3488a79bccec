package e2e

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"hello-timber/emulator/traffic"
)

// Rows of the table faults about the service: its users should not notice.

// unnoticed does something to a healthy stack without a request that fails.
func (l *lab) unnoticed(t *testing.T, do func()) {
	t.Helper()
	began := time.Now()
	load := underLoad(t, l.url, []string{v1, v2}, do)
	l.note("%d of %d failed, %s", len(load.Failures()), len(load.Results), since(began))
}

// through sets a key to each of some values, and again from the first, and updates each time.
func (l *lab) through(t *testing.T, times int, key string, values ...string) {
	t.Helper()
	for range times {
		for _, value := range values {
			l.set(t, key, value)
			l.up(t)
		}
	}
}

func rollouts(t *testing.T, l *lab) {
	l.healthy(t)
	l.unnoticed(t, func() { l.through(t, times(5), "imageVersion", "v2", "v1") })
}

func scaling(t *testing.T, l *lab) {
	l.healthy(t)
	l.through(t, 1, "replicas", "1")
	l.unnoticed(t, func() { l.through(t, times(5), "replicas", "3", "1") })
}

func nodeDrained(t *testing.T, l *lab) {
	l.healthy(t)
	l.unnoticed(t, func() {
		l.respectsBudget(t, func() {
			nodes := l.ready(t, "nodes")
			for i := range times(len(nodes)) {
				l.kubectl(t, "drain", nodes[i], "--ignore-daemonsets", "--delete-emptydir-data")
				l.full(t)
				l.kubectl(t, "uncordon", nodes[i])
			}
		})
	})
}

func poolResized(t *testing.T, l *lab) {
	l.healthy(t)
	l.unnoticed(t, func() {
		l.respectsBudget(t, func() {
			for _, nodes := range []string{"4", "3"} {
				l.set(t, "nodes", nodes)
				l.up(t)
				if ready := l.ready(t, "nodes"); fmt.Sprint(len(ready)) != nodes {
					t.Errorf("ready nodes: %q, want %s", ready, nodes)
				}
			}
		})
	})
}

func nodesRenewed(t *testing.T, l *lab) {
	l.healthy(t)
	old := l.ready(t, "nodes")
	l.unnoticed(t, func() {
		l.respectsBudget(t, func() {
			l.set(t, "machineType", "e2-medium")
			l.up(t)
		})
	})
	for _, node := range l.ready(t, "nodes") {
		if slices.Contains(old, node) {
			t.Errorf("node %s was not replaced", node)
		}
	}
}

// lossy does something to one pod, and waits until that is over and the stack has
// three ready pods again. Requests may fail only between the two, and only as many
// as that pod's share of them, with some for chance.
func (l *lab) lossy(t *testing.T, do func(victim pod) (over func() bool)) {
	t.Helper()
	l.healthy(t)
	load := traffic.Start(l.url, traffic.PerSecond, []string{v1})
	time.Sleep(time.Second)
	victim := l.pods(t)[rand.IntN(3)]
	began := time.Now()
	over := do(victim)
	eventually(t, "full strength", func() bool { return over() && len(l.ready(t, "pods", l.namespace())) == 3 })
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
	l.note("%d of %d failed, the last %.1f s after it, full strength after %.1f s", len(failed), len(load.Results), max(0, lost.Seconds()), restored.Sub(began).Seconds())
}

// container returns part of the status of a pod's container.
func (l *lab) container(t *testing.T, p pod, field string) string {
	t.Helper()
	return l.kubectl(t, l.namespace(), "get", "pod", p.name, "--output=jsonpath={.status.containerStatuses[0]."+field+"}")
}

// restarted sends signals to the process of a pod, and returns what reports whether
// it has started again.
func (l *lab) restarted(t *testing.T, p pod, signals ...string) func() bool {
	t.Helper()
	before := l.container(t, p, "restartCount")
	l.signal(t, p, signals...)
	return func() bool { return l.container(t, p, "restartCount") != before }
}

func podKilled(t *testing.T, l *lab) {
	for range times(5) {
		l.lossy(t, func(p pod) func() bool { return l.restarted(t, p, "KILL") })
	}
}

// A Go program ends with exit code 2 and a dump of all stacks on SIGQUIT, as after a panic.
func containerCrashed(t *testing.T, l *lab) {
	for range times(5) {
		l.lossy(t, func(p pod) func() bool { return l.restarted(t, p, "QUIT") })
	}
}

func podDeleted(t *testing.T, l *lab) {
	l.healthy(t)
	l.unnoticed(t, func() {
		for range times(10) {
			l.kubectl(t, l.namespace(), "delete", "pod", l.pods(t)[0].name)
			l.full(t)
		}
	})
}

// elsewhere reports whether three ready pods are on other nodes than this one.
func (l *lab) elsewhere(t *testing.T, node string) bool {
	t.Helper()
	ready, n := l.ready(t, "pods", l.namespace()), 0
	for _, p := range l.pods(t) {
		if p.node != node && slices.Contains(ready, p.name) {
			n++
		}
	}
	return n == 3
}

// nodeDead: the load balancer's address is on no node, so that any of them may die.
func nodeDead(t *testing.T, l *lab) {
	var lost string
	l.lossy(t, func(p pod) func() bool {
		lost = p.node
		l.run(t, "docker", "kill", lost)
		return func() bool { return l.elsewhere(t, lost) }
	})
	l.run(t, "docker", "start", lost)
	eventually(t, "three ready nodes again", func() bool { return len(l.ready(t, "nodes")) == 3 })
	// To the cluster it is a new one, with other addresses for its pods.
	l.unnoticed(t, func() {
		l.onlyOn(t, lost, func() {
			l.kubectl(t, l.namespace(), "delete", "pod", l.pods(t)[0].name)
			l.full(t)
		})
	})
}

// onlyOn does something while new pods can go to one node only.
func (l *lab) onlyOn(t *testing.T, node string, do func()) {
	t.Helper()
	for _, other := range l.ready(t, "nodes") {
		if other != node {
			l.kubectl(t, "cordon", other)
			defer l.kubectl(t, "uncordon", other)
		}
	}
	do()
}

// kubeletHangs: for Kubernetes that node is lost, but its pods still answer.
func kubeletHangs(t *testing.T, l *lab) {
	l.healthy(t)
	lost := l.pods(t)[0].node
	kubelet := func(signal string) { l.run(t, "docker", "exec", lost, "pkill", "-"+signal, "-x", "kubelet") }
	l.unnoticed(t, func() {
		kubelet("STOP")
		eventually(t, "three ready pods on other nodes", func() bool { return l.elsewhere(t, lost) })
		kubelet("CONT")
		l.full(t)
	})
}

// A request whose header is half sent when its pod gets its signal to stop is answered.
func signals(t *testing.T, l *lab) {
	l.healthy(t)
	conn, err := net.Dial("tcp", strings.TrimPrefix(l.url, "http://")+":80")
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
	pods := l.pods(t)
	at := slices.IndexFunc(pods, func(p pod) bool { return p.name == name })
	if at < 0 {
		t.Fatalf("pod %q answered, there are %v", name, pods)
	}
	if _, err := io.WriteString(conn, request[:20]); err != nil {
		t.Fatal(err)
	}
	over := l.restarted(t, pods[at], "TERM")
	time.Sleep(time.Second) // the header must be whole within five seconds of its first byte
	if !ask(request[20:]).Close {
		t.Error("the connection was not closed with the last answer")
	}
	ended := func(want string) {
		t.Helper()
		eventually(t, "the container restarted", over)
		if code := l.container(t, pods[at], "lastState.terminated.exitCode"); code != want {
			t.Errorf("the process ended with %s, want %s", code, want)
		}
		l.full(t)
	}
	ended("0")
	// A second signal ends the process without the drain.
	pods[at] = l.pods(t)[at]
	over = l.restarted(t, pods[at], "TERM", "TERM")
	ended("1")
}

func hostileHTTP(t *testing.T, l *lab) {
	l.healthy(t)
	before, address := l.pods(t), strings.TrimPrefix(l.url, "http://")+":80"
	dial := func() net.Conn {
		conn, err := net.DialTimeout("tcp", address, traffic.Patience)
		if err != nil {
			t.Fatal(err)
		}
		return conn
	}
	// refused sends something and wants a status of 4xx or the end of the connection.
	refused := func(name, request string) {
		conn := dial()
		defer conn.Close()
		_ = conn.SetDeadline(time.Now().Add(time.Minute))
		_, _ = io.WriteString(conn, request) // the server may close before it has read all
		response, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err == nil && (response.StatusCode < 400 || response.StatusCode > 499) {
			t.Errorf("%s is answered %s", name, response.Status)
		}
	}
	l.unnoticed(t, func() {
		for range times(10) {
			// Ten thousand connections that ask for nothing, at most a few thousand a
			// second: as fast as a machine can, they would be an attack on its kernel.
			var idle []net.Conn
			for range 10_000 {
				idle = append(idle, dial())
				time.Sleep(200 * time.Microsecond)
			}
			for range 50 { // slowloris
				conn := dial()
				idle = append(idle, conn)
				_, _ = io.WriteString(conn, "GET /index HTTP/1.1\r\nHost: timber\r\nX-A: ")
			}
			for name, request := range map[string]string{
				"a giant header":  "GET /index HTTP/1.1\r\nHost: timber\r\nX-A: " + strings.Repeat("a", 1<<20) + "\r\n\r\n",
				"a giant path":    "GET /" + strings.Repeat("a", 1<<20) + " HTTP/1.1\r\nHost: timber\r\n\r\n",
				"many headers":    "GET /index HTTP/1.1\r\nHost: timber\r\n" + strings.Repeat("A: b\r\n", 100_000) + "\r\n",
				"garbage":         strings.Repeat("\x16\x03\x01\x02\x00", 1000) + "\r\n\r\n",
				"HTTP/2":          "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00",
				"an endless body": "POST /index HTTP/1.1\r\nHost: timber\r\nTransfer-Encoding: chunked\r\n\r\nff\r\n",
				"half a header":   "GET /index HT",
			} {
				refused(name, request)
			}
			for range 500 {
				fuzzed := make([]byte, rand.IntN(40))
				for i := range fuzzed {
					fuzzed[i] = byte(rand.IntN(256))
				}
				method := []string{"GET", "POST", "PUT", "TRACE", "CONNECT", "timber", string(fuzzed)}[rand.IntN(7)]
				refused(fmt.Sprintf("method %q with path %q", method, fuzzed), method+" /-"+string(fuzzed)+" HTTP/1.1\r\nHost: timber\r\nConnection: close\r\n\r\n")
			}
			for _, conn := range idle {
				conn.Close()
			}
		}
	})
	l.survived(t, before)
}

// survived checks that the pods are those from before, and stay within their memory.
func (l *lab) survived(t *testing.T, before []pod) {
	t.Helper()
	peak, limit := 0.0, 64.0*(1<<20)
	for _, p := range l.pods(t) {
		if !slices.Contains(before, p) {
			t.Errorf("pod %s is another, or its container is: %s", p.name, l.container(t, p, "lastState.terminated.reason"))
		}
		peak = max(peak, l.memory(t, p))
	}
	if peak == 0 || peak > limit {
		t.Errorf("the pods use up to %.0f bytes of memory, the limit is %.0f", peak, limit)
	}
	l.note("up to %.0f MiB of 64", peak/(1<<20))
}

// memory returns how many bytes a pod uses, by its kubelet.
func (l *lab) memory(t *testing.T, p pod) float64 {
	t.Helper()
	var summary struct {
		Pods []struct {
			PodRef struct{ Name string }
			Memory struct{ WorkingSetBytes float64 }
		}
	}
	if err := json.Unmarshal([]byte(l.kubectl(t, "get", "--raw", "/api/v1/nodes/"+p.node+"/proxy/stats/summary")), &summary); err != nil {
		t.Fatal(err)
	}
	for _, measured := range summary.Pods {
		if measured.PodRef.Name == p.name {
			return measured.Memory.WorkingSetBytes
		}
	}
	return 0
}

// manyClients: the limit of a pod's memory ends its container if it does not hold.
func manyClients(t *testing.T, l *lab) {
	l.healthy(t)
	l.through(t, 1, "replicas", "1")
	eventually(t, "one pod", func() bool { return len(l.pods(t)) == 1 })
	before := l.pods(t)
	for _, clients := range []int{100, 1000, 5000} {
		load := traffic.Keep(strings.TrimPrefix(l.url, "http://")+":80", clients, time.Duration(times(10))*time.Second, v1)
		if len(load.Failures) > 0 || load.Reopened > 0 {
			t.Errorf("%d clients: %s, %d had to connect again", clients, load, load.Reopened)
		}
		l.note("%d clients: %.0f requests/s, %d failed", clients, load.Rate(), len(load.Failures))
	}
	l.survived(t, before)
}

// registry is the container that answers for Artifact Registry.
func (l *lab) registry(t *testing.T) string {
	t.Helper()
	return l.containers(t, "registry")[0]
}

// containers names those of the emulator's that play a role, of this stack's cluster where it has a part in one.
func (l *lab) containers(t *testing.T, role string) []string {
	t.Helper()
	args := []string{"ps", "--all", "--format={{.Names}}", "--filter=label=hello-timber.emulator=" + l.home, "--filter=label=hello-timber.role=" + role}
	if role != "registry" {
		args = append(args, "--filter=label=hello-timber.cluster="+l.pulumi(t, "stack", "output", "cluster"))
	}
	return strings.Fields(l.run(t, "docker", args...))
}

// registryUnreachable: what runs has its image, and what has to pull it waits.
func registryUnreachable(t *testing.T, l *lab) {
	l.healthy(t)
	registry := l.registry(t)
	l.run(t, "docker", "stop", registry)
	stopped := true
	start := func() {
		if stopped {
			l.run(t, "docker", "start", registry)
			stopped = false
		}
	}
	defer start()
	l.unnoticed(t, func() {
		l.kubectl(t, l.namespace(), "delete", "pod", l.pods(t)[0].name)
		l.full(t) // from the image that the node has

		// A node without the image, because it forgets it.
		victim := l.pods(t)[0]
		l.onlyOn(t, victim.node, func() {
			l.run(t, "docker", "exec", victim.node, "sh", "-c", "ctr --namespace k8s.io images ls --quiet | grep timber-tutorial | xargs ctr --namespace k8s.io images rm --sync")
			l.kubectl(t, l.namespace(), "delete", "pod", victim.name)
			eventually(t, "a pod that cannot pull its image", func() bool {
				return strings.Contains(l.kubectl(t, l.namespace(), "get", "pods", "--output=jsonpath={.items[*].status.containerStatuses[*].state.waiting.reason}"), "Pull")
			})
			start()
			l.full(t)
		})
	})
}

// engineRestarted: in the short version the cluster's containers alone restart, as
// the engine would restart them, because others may use the engine.
func engineRestarted(t *testing.T, l *lab) {
	l.healthy(t)
	began := time.Now()
	if testing.Short() {
		containers := slices.Concat(l.containers(t, "control-plane"), l.containers(t, "node"), l.containers(t, "registry"))
		l.run(t, "docker", append([]string{"restart", "--time=0"}, containers...)...)
	} else {
		restartEngine(t, l)
	}
	eventually(t, "an answer", func() bool {
		_, body, err := get(fresh, l.url)
		return err == nil && body == v1
	})
	l.note("answers again after %s", since(began))
	l.full(t)
	l.previewIsEmpty(t)
	l.healthy(t)
}

// restartEngine stops the Docker engine and starts it again: by the system's
// services where it is one, else by the command that it runs with.
func restartEngine(t *testing.T, l *lab) {
	t.Helper()
	if exec.Command("systemctl", "is-active", "--quiet", "docker").Run() == nil {
		l.run(t, "systemctl", "restart", "docker")
		return
	}
	pid := l.run(t, "cat", "/var/run/docker.pid")
	command := strings.Fields(strings.ReplaceAll(l.run(t, "cat", "/proc/"+pid+"/cmdline"), "\x00", " "))
	l.run(t, "kill", pid)
	eventually(t, "the engine stopped", func() bool { return exec.Command("kill", "-0", pid).Run() != nil })
	l.run(t, "setsid", append([]string{"--fork", "sh", "-c", `exec "$@" > /dev/null 2>&1 < /dev/null`, "sh"}, command...)...)
	eventually(t, "the engine answers", func() bool { return exec.Command("docker", "version").Run() == nil })
}
