//go:build e2e

package e2e

import (
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// strangers are pods of another namespace, one on each node, that serve on a port.
const strangers = `
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: stranger, namespace: default}
spec:
  selector: {matchLabels: {app: stranger}}
  template:
    metadata: {labels: {app: stranger}}
    spec:
      containers:
      - name: busybox
        image: emulator/pause:1
        imagePullPolicy: Never
        command: [/bin/busybox, nc, -ll, -p, "7000", -e, /bin/busybox, echo, welcome]
      - name: more
        image: emulator/pause:1
        imagePullPolicy: Never
        command: [/bin/busybox, sleep, "3600"]
---
apiVersion: v1
kind: Service
metadata: {name: stranger, namespace: default}
spec:
  selector: {app: stranger}
  ports: [{port: 80, targetPort: 7000}]
`

// hasty is a pod in the service's namespace that calls a stranger with its first breath.
const hasty = `
apiVersion: v1
kind: Pod
metadata: {name: hasty}
spec:
  restartPolicy: Never
  securityContext: {runAsNonRoot: true, runAsUser: 65532, seccompProfile: {type: RuntimeDefault}}
  containers:
  - name: busybox
    image: emulator/pause:1
    imagePullPolicy: Never
    command: [/bin/busybox, sh, -c, "for i in 1 2 3 4 5 6 7 8; do /bin/busybox timeout 1 /bin/busybox nc STRANGER 7000 < /dev/null; done; echo done"]
    securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}
    resources: {requests: {cpu: 10m, memory: 16Mi}, limits: {memory: 16Mi}}
`

// inside runs busybox in the network of a pod's container and returns what it
// printed, standard error too, and whether it succeeded.
func (s *stack) inside(t *testing.T, p pod, args ...string) (string, bool) {
	t.Helper()
	script := "pid=" + p.process() + " && exec nsenter --net=/proc/$pid/ns/net busybox \"$@\""
	command := exec.CommandContext(interrupted, "docker", append([]string{"exec", p.node, "sh", "-c", script, "sh"}, args...)...)
	out, err := command.CombinedOutput()
	return strings.TrimSpace(string(out)), err == nil
}

// connects asserts that a pod can, or cannot, open a connection. A port that answers
// "refused" was reached: what a policy forbids gets no answer at all.
func (s *stack) connects(t *testing.T, from pod, ip, port string, want bool) {
	t.Helper()
	out, ok := s.inside(t, from, "timeout", "3", "busybox", "nc", "-w", "2", ip, port)
	reached := ok || strings.Contains(out, "refused")
	if reached != want {
		t.Errorf("%s connects to %s:%s: %t (%s), want %t", from.name, ip, port, reached, out, want)
	}
}

// resolves asserts that a pod can, or cannot, resolve a name with cluster DNS.
func (s *stack) resolves(t *testing.T, from pod, name, address string, want bool) {
	t.Helper()
	out, ok := s.inside(t, from, "timeout", "5", "busybox", "nslookup", "-type=a", name, "10.96.0.10")
	if found := ok && strings.Contains(out, address); found != want {
		t.Errorf("%s resolves %s to %s: %t, want %t:\n%s", from.name, name, address, found, want, out)
	}
}

// network is what pods can reach: names, each other, and nothing that the program's
// policies forbid.
func network(t *testing.T, s *stack) {
	s.normal["replicas"] = "1"
	s.healthy(t)
	namespace := s.project()
	s.apply(t, "default", strangers)
	t.Cleanup(func() {
		_ = s.kube(t).AppsV1().DaemonSets("default").Delete(interrupted, "stranger", metav1.DeleteOptions{})
	})
	var others []pod
	eventually(t, "a stranger on each of three nodes", func() bool {
		others = slices.DeleteFunc(s.podsIn(t, "default", "app=stranger"), func(p pod) bool { return !p.ready })
		return len(others) == 3
	})

	t.Run("cluster DNS runs at its usual place", func(t *testing.T) {
		eventually(t, "CoreDNS is ready", func() bool {
			return slices.ContainsFunc(s.podsIn(t, "kube-system", "k8s-app=kube-dns"), func(p pod) bool { return p.ready })
		})
		missing, err := s.kube(t).CoreV1().Events("").List(interrupted, metav1.ListOptions{FieldSelector: "reason=MissingClusterDNS"})
		if err != nil || len(missing.Items) > 0 {
			t.Errorf("kubelets miss it: %v, %v", missing.Items, err)
		}
		conf := s.kubectl(t, "--namespace=default", "exec", others[0].name, "--container=busybox", "--", "/bin/busybox", "cat", "/etc/resolv.conf")
		if !strings.Contains(conf, "nameserver 10.96.0.10") || !strings.Contains(conf, "search default.svc.cluster.local") {
			t.Errorf("resolv.conf: %s", conf)
		}
	})
	t.Run("pods resolve Services, and what the host resolves", func(t *testing.T) {
		s.resolves(t, others[0], "kubernetes.default.svc.cluster.local", "10.96.0.1", true)
		stranger, err := s.kube(t).CoreV1().Services("default").Get(interrupted, "stranger", metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		s.resolves(t, others[0], "stranger.default.svc.cluster.local", stranger.Spec.ClusterIP, true)
		// Docker's resolver, which asks the host's for all other names, knows the nodes by name.
		node, err := s.kube(t).CoreV1().Nodes().Get(interrupted, others[1].node, metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		s.resolves(t, others[0], others[1].node, node.Status.Addresses[0].Address, true)
	})

	service := s.pods(t)[0]
	const port = "8080"
	t.Run("a stranger reaches the service's port and nothing else", func(t *testing.T) {
		s.listen(t, service, "7001")
		for _, other := range others { // on the same node, and on others
			s.connects(t, other, service.ip, port, true)
			s.connects(t, other, service.ip, "7001", false)
			s.connects(t, other, service.ip, "7002", false)
		}
		s.connects(t, service, "127.0.0.1", "7001", true) // it does listen
	})
	t.Run("the service's pod opens no connection", func(t *testing.T) { s.egress(t, service, others, false) })
	t.Run("not even in its first second", func(t *testing.T) {
		s.apply(t, namespace, strings.ReplaceAll(hasty, "STRANGER", others[0].ip))
		eventually(t, "hasty has tried", func() bool {
			// Not at the end: what the last try says may come later.
			return strings.Contains(s.kubectl(t, "--namespace="+namespace, "logs", "hasty", "--ignore-errors"), "done")
		})
		if said := s.kubectl(t, "--namespace="+namespace, "logs", "hasty"); strings.Contains(said, "welcome") {
			t.Errorf("it reached a stranger:\n%s", said)
		}
		s.kubectl(t, "--namespace="+namespace, "delete", "pod", "hasty")
	})
	t.Run("only the allowed networks reach the service", func(t *testing.T) {
		s.set(t, "allowedNetworks", "203.0.113.0/24") // reserved for documentation
		s.up(t)
		eventually(t, "no answer", func() bool { _, _, err := get(fresh, s.url+"/index"); return err != nil })
		s.set(t, "allowedNetworks", "203.0.113.0/24,0.0.0.0/1,128.0.0.0/1")
		s.up(t)
		eventually(t, "an answer", func() bool { _, body, err := get(fresh, s.url+"/index"); return err == nil && body == v1 })
		s.set(t, "allowedNetworks", "")
	})
	t.Run("with egress it does, and no request fails meanwhile", func(t *testing.T) {
		s.set(t, "egress", "true")
		s.underLoad(t, []string{v1}, func() { s.up(t) })
		s.full(t)
		s.egress(t, s.pods(t)[0], others, true)
	})
}

// egress asserts that the service's pod can, or cannot, open connections and resolve names.
func (s *stack) egress(t *testing.T, service pod, others []pod, want bool) {
	t.Helper()
	for _, other := range others {
		s.connects(t, service, other.ip, "7000", want)
	}
	s.connects(t, service, "10.96.0.1", "443", want)
	s.resolves(t, service, "kubernetes.default.svc.cluster.local", "10.96.0.1", want)
}

// listen opens a port in a pod's network until the test ends.
func (s *stack) listen(t *testing.T, p pod, port string) {
	t.Helper()
	if out, ok := s.inside(t, p, "sh", "-c", "busybox nc -ll -p "+port+" -e busybox true > /dev/null 2>&1 & sleep 0.5"); !ok {
		t.Fatalf("listen on %s: %s", port, out)
	}
}

// apply creates or changes objects in a namespace.
func (s *stack) apply(t *testing.T, namespace, objects string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "objects.yaml")
	writeFile(t, file, objects)
	s.kubectl(t, "--namespace="+namespace, "apply", "--filename="+file)
}
