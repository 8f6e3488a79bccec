package e2e

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestAdopt deploys to a cluster and a registry that already exist, as the
// README describes it: those of another stack, which are here an office's.
func TestAdopt(t *testing.T) {
	t.Parallel()
	office := newStack(t, "e2e-office")
	office.pulumi(t, "up", "--yes", "--skip-preview")
	kubeconfig := filepath.Join(t.TempDir(), "kubeconfig")
	office.opens(t, kubeconfig)
	registry := office.repository(t)

	// What a killed run left is on a cluster that is gone.
	s := newStack(t, "e2e-adopt", "PULUMI_K8S_DELETE_UNREACHABLE=true")
	docker := t.TempDir()
	s.env = append(s.env, "DOCKER_CONFIG="+docker)
	t.Cleanup(func() {
		// The engine keeps what it built, and make clean knows Google's names only.
		if _, err := s.start(context.Background(), s.folder, "sh", "-c", "docker image ls --quiet --filter=reference="+registry+"/hello-timber-"+s.name+" | sort -u | xargs --no-run-if-empty docker image rm --force"); err != nil {
			t.Error(err)
		}
	})
	s.pulumi(t, "config", "rm", "gcp:project") // it takes none
	set := func(key, value string) {
		t.Helper()
		s.pulumi(t, "config", "set", key, value)
	}
	refused := func(lines ...string) {
		t.Helper()
		_, err := s.try("pulumi", "up", "--yes", "--skip-preview")
		for _, line := range lines {
			if err == nil || !strings.Contains(said(err), line) {
				t.Errorf("up ended with %v, want %q", err, line)
			}
		}
	}

	set("kubeconfig", kubeconfig)
	refused("context is not set, but kubeconfig, context and registry belong together. Fix: pulumi config set context CONTEXT --stack e2e-adopt",
		"registry is not set")
	set("context", "home")
	set("registry", registry)
	refused("context: home is not in kubeconfig " + kubeconfig + ", which has office. Fix: pulumi config set context office --stack e2e-adopt")
	set("context", "office")
	set("kubeconfig", kubeconfig+"-gone")
	refused("kubeconfig " + kubeconfig + "-gone cannot be read: no such file or directory. Fix: pulumi config set kubeconfig")
	set("kubeconfig", office.unreachable(t, kubeconfig))
	refused("The cluster of context office cannot be reached: The connection to the server 127.0.0.1:1 was refused", "kubectl --kubeconfig")
	set("kubeconfig", kubeconfig)
	if made := s.resources(t); len(made) > 0 {
		t.Errorf("refused, it made %q", made)
	}

	t.Log("a registry that refuses")
	refused("image "+registry+"/hello-timber-"+s.name+":v1: push: no basic auth credentials", "docker login")
	token, err := os.ReadFile(filepath.Join(s.home, "google", "token"))
	if err != nil {
		t.Fatal(err)
	}
	s.run(t, "docker", "login", "--username=oauth2accesstoken", "--password="+strings.TrimSpace(string(token)), registry)
	login, err := os.ReadFile(filepath.Join(docker, "config.json"))
	if err != nil {
		t.Fatal(err)
	}
	s.pulumi(t, "config", "set", "--plaintext", "pullSecret", string(login))
	// A preview, because an update's history keeps its config.
	if _, err := s.try("pulumi", "preview"); err == nil || !strings.Contains(said(err), "pullSecret is not encrypted in the configuration. Fix: pulumi config get pullSecret --stack e2e-adopt | pulumi config set --secret pullSecret --stack e2e-adopt") {
		t.Errorf("a login in clear text: the preview ended with %v", err)
	}
	s.pulumi(t, "config", "set", "--secret", "pullSecret", string(login))

	t.Log("up")
	url := s.up(t)
	answers(t, url, v1)
	for _, made := range s.resources(t) {
		if strings.HasPrefix(made, "gcp:") {
			t.Errorf("it made %s", made)
		}
	}
	if image := s.pulumi(t, "stack", "output", "image"); !strings.HasPrefix(image, registry+"/hello-timber-"+s.name+"@sha256:") {
		t.Errorf("the image is %s, want one of %s", image, registry)
	}
	s.stateHoldsNoSecret(t)

	t.Log("scale and update")
	set("replicas", "3")
	if changes, want := s.preview(t), []string{"kubernetes:apps/v1:Deployment spec.replicas"}; !slices.Equal(changes, want) {
		t.Errorf("the preview changes %q, want %q", changes, want)
	}
	set("imageVersion", "v2")
	answers(t, s.up(t), v2)
	s.run(t, "sh", "-c", s.pulumi(t, "stack", "output", "kubectl"))
	if pods := s.ready(t, "--kubeconfig="+kubeconfig, "pods", "--namespace=hello-timber-e2e-adopt"); len(pods) != 3 {
		t.Errorf("the pods %q are ready, want three", pods)
	}

	t.Log("the same context leads to another cluster")
	old := filepath.Join(t.TempDir(), "old")
	s.run(t, "cp", kubeconfig, old)
	annex := newStack(t, "e2e-annex")
	annex.pulumi(t, "up", "--yes", "--skip-preview")
	annex.opens(t, kubeconfig)
	if changes := s.preview(t); !slices.Contains(changes, "kubernetes:apps/v1:Deployment replace") {
		t.Errorf("the preview changes %q, want everything created again", changes)
	}
	url = s.up(t)
	answers(t, url, v2)
	// As the README says.
	if pods := s.ready(t, "--kubeconfig="+old, "pods", "--namespace=hello-timber-e2e-adopt"); len(pods) != 3 {
		t.Errorf("on the old cluster, the pods %q are ready, want three", pods)
	}
	s.kubectl(t, "--kubeconfig="+old, "delete", "namespace", "hello-timber-e2e-adopt")

	s.pulumi(t, "destroy", "--yes", "--skip-preview")
	if left := s.kubectl(t, "--kubeconfig="+kubeconfig, "get", "namespaces", "--output=name"); strings.Contains(left, "e2e-adopt") {
		t.Errorf("destroyed, there are still %s", left)
	}
	answers(t, office.pulumi(t, "stack", "output", "url"), v1)
}

// opens writes a kubeconfig with one context, office, for the stack's cluster, and with
// the rights that docs/environments.md lists. It also configures the nodes to speak plain
// HTTP with the registry, under the name by which this machine knows it.
func (s *stack) opens(t *testing.T, kubeconfig string) {
	t.Helper()
	if err := os.Remove(kubeconfig); err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	s.run(t, "env", "KUBECONFIG="+kubeconfig, "sh", "-c", s.pulumi(t, "stack", "output", "kubectl"))
	s.kubectl(t, "--kubeconfig="+kubeconfig, "config", "rename-context", s.kubectl(t, "--kubeconfig="+kubeconfig, "config", "current-context"), "office")
	host, _, _ := strings.Cut(s.repository(t), "/")
	for node := range strings.FieldsSeq(s.kubectl(t, "--kubeconfig="+kubeconfig, "get", "nodes", "--output=jsonpath={.items[*].metadata.name}")) {
		s.run(t, "docker", "exec", node, "sh", "-c", "cd /etc/containerd/certs.d && mkdir -p "+host+" && sed /uthorization/d *-docker.pkg.dev/hosts.toml > "+host+"/hosts.toml")
	}
	document, err := os.ReadFile(filepath.Join(s.folder, "docs", "environments.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, role, _ := strings.Cut(string(document), "```yaml\n")
	role, _, _ = strings.Cut(role, "```")
	file := filepath.Join(t.TempDir(), "role.yaml")
	if err := os.WriteFile(file, []byte(role), 0o600); err != nil {
		t.Fatal(err)
	}
	kubectl := func(args ...string) string {
		return s.kubectl(t, append([]string{"--kubeconfig=" + kubeconfig}, args...)...)
	}
	kubectl("apply", "--filename="+file)
	kubectl("create", "serviceaccount", "deployer", "--namespace=default")
	kubectl("create", "clusterrolebinding", "deployer", "--clusterrole=hello-timber", "--serviceaccount=default:deployer")
	token := kubectl("create", "token", "deployer", "--namespace=default", "--duration=8h")
	kubectl("config", "set-credentials", "deployer", "--token="+token)
	kubectl("config", "set-context", "office", "--user=deployer")
}

// repository is the stack's as this machine reaches it.
func (s *stack) repository(t *testing.T) string {
	t.Helper()
	container := s.run(t, "docker", "ps", "--quiet", "--filter=label=hello-timber.emulator="+s.home, "--filter=label=hello-timber.role=registry")
	return s.run(t, "docker", "port", container, "5000") + "/hello-timber-" + s.name + "/hello-timber-" + s.name
}

// unreachable is a copy of a kubeconfig whose cluster does not answer.
func (s *stack) unreachable(t *testing.T, kubeconfig string) (path string) {
	t.Helper()
	text, err := os.ReadFile(kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	path = filepath.Join(t.TempDir(), "kubeconfig")
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	cluster := s.kubectl(t, "--kubeconfig="+path, "config", "view", "--output=jsonpath={.clusters[0].name}")
	s.kubectl(t, "--kubeconfig="+path, "config", "set-cluster", cluster, "--server=https://127.0.0.1:1")
	return path
}
