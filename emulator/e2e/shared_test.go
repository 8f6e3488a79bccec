//go:build e2e

package e2e

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// sharedName is the stack that the tutorial creates. For rows about Kubernetes, its
// cluster and its registry are existing ones, which an office uses for many stacks.
const sharedName = "e2e-tutorial"

// office is what a stack needs to use an existing cluster and registry.
type office struct {
	cluster, registry        string
	kubeconfig, dockerConfig string
}

// shared is the tutorial's stack, created at the first call.
func (r *runner) shared(t *testing.T) *stack {
	t.Helper()
	r.sharing.Lock()
	defer r.sharing.Unlock()
	if r.failed {
		t.Fatal("the shared cluster could not be created; see the row before")
	}
	if r.common != nil {
		return r.common
	}
	r.failed = true
	s := newStack(t, sharedName, options{owner: r.t, folder: root()})
	if !s.followBlock(t, tutorialBlocks(t)[create][0]) {
		t.FailNow()
	}
	s.updated(t)
	s.office = s.open(t, r.t.TempDir())
	r.t.Cleanup(func() { // the engine keeps what it built, and make clean knows Google's names only
		script := "docker image ls --quiet --filter=reference='" + s.office.registry + "/*' | sort -u | xargs --no-run-if-empty docker image rm --force"
		if out, err := exec.Command("sh", "-c", script).CombinedOutput(); err != nil {
			r.t.Errorf("%v: %s", err, out)
		}
	})
	r.common, r.failed = s, false
	return s
}

// open writes into a folder what others need to use the stack's cluster and registry.
func (s *stack) open(t *testing.T, folder string) office {
	t.Helper()
	port := s.registryPort(t)
	o := office{cluster: s.cluster, registry: "127.0.0.1:" + port + "/" + s.project() + "/" + s.project(),
		kubeconfig: filepath.Join(folder, "office"), dockerConfig: filepath.Join(folder, "docker")}
	s.writeKubeconfig(t, o.kubeconfig)
	s.login(t, o.dockerConfig, "127.0.0.1:"+port)
	for _, node := range s.containers(t, "node") {
		// Nodes speak plain HTTP with the registry. Under the first name they have their own
		// login, as on Google Cloud, under the second none.
		s.run(t, "docker", "exec", node, "sh", "-ec", `cd /etc/containerd/certs.d
mkdir -p 127.0.0.1:`+port+` localhost:`+port+`
cp *-docker.pkg.dev/hosts.toml 127.0.0.1:`+port+`
sed /uthorization/d *-docker.pkg.dev/hosts.toml > localhost:`+port+`/hosts.toml`)
	}
	return o
}

// writeKubeconfig writes a kubeconfig with one context, office, for the stack's cluster.
func (s *stack) writeKubeconfig(t *testing.T, path string) {
	t.Helper()
	ca := base64.StdEncoding.EncodeToString([]byte(s.run(t, "docker", "exec", s.cluster, "cat", "/etc/kubernetes/pki/ca.crt") + "\n"))
	address := s.run(t, "docker", "inspect", "--format={{range .NetworkSettings.Networks}}{{.IPAMConfig.IPv4Address}}{{end}}", s.cluster)
	text := fmt.Sprintf(`{"apiVersion": "v1", "kind": "Config", "current-context": "office",
 "clusters": [{"name": "office", "cluster": {"server": "https://%s", "certificate-authority-data": %q}}],
 "users": [{"name": "owner", "user": {"token": %q}}],
 "contexts": [{"name": "office", "context": {"cluster": "office", "user": "owner"}}]}`, address, ca, token(t))
	writeFile(t, path, text)
}

// login writes what docker login writes.
func (s *stack) login(t *testing.T, folder, registry string) (config string) {
	t.Helper()
	auth := map[string]string{"auth": base64.StdEncoding.EncodeToString([]byte("oauth2accesstoken:" + token(t)))}
	text, err := json.Marshal(map[string]any{"auths": map[string]any{registry: auth}})
	if err == nil {
		err = os.MkdirAll(folder, 0o700)
	}
	if err == nil {
		err = os.WriteFile(filepath.Join(folder, "config.json"), text, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// registryPort is where this machine reaches the registry.
func (s *stack) registryPort(t *testing.T) string {
	t.Helper()
	registries := registries()
	if len(registries) != 1 {
		t.Fatalf("there are the registries %q, want one", registries)
	}
	_, port, _ := strings.Cut(s.run(t, "docker", "port", registries[0], "5000"), ":")
	return port
}

// newShared is a stack of the shared cluster, with nothing on it.
func newShared(t *testing.T, common *stack, name string) *stack {
	t.Helper()
	o := common.office
	s := newStack(t, name, options{env: []string{"KUBECONFIG=" + o.kubeconfig, "DOCKER_CONFIG=" + o.dockerConfig}})
	s.office, s.cluster, s.accessible, s.existing = o, o.cluster, o.cluster, true
	s.normal = map[string]string{"kubeconfig": o.kubeconfig, "context": "office", "registry": o.registry, "gcp:project": "", "image": "",
		"replicas": "3", "imageVersion": "v1", "startupSeconds": "5", "deletionProtection": "false"}
	s.restore(t)
	client := s.kube(t)
	t.Cleanup(func() {
		// It ends by itself, while other rows run.
		_ = client.CoreV1().Namespaces().Delete(interrupted, s.project(), metav1.DeleteOptions{})
	})
	return s
}
