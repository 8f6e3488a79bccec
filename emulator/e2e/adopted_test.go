//go:build e2e

package e2e

import (
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// adopted deploys to a cluster and a registry that already exist, as docs/your-service.md
// describes it, with a login that the nodes do not have.
func adopted(t *testing.T, s *stack) {
	o := s.office
	port := s.registryPort(t)
	registry := strings.Replace(o.registry, "127.0.0.1", "localhost", 1)
	kubeconfig := filepath.Join(t.TempDir(), "kubeconfig")
	s.deployer(t, o.kubeconfig, kubeconfig)
	docker := t.TempDir()
	s.env = append(s.env, "DOCKER_CONFIG="+docker, "KUBECONFIG="+kubeconfig)
	refused := func(lines ...string) {
		t.Helper()
		s.fails(t, lines, "pulumi", "up", "--yes", "--skip-preview")
		if made := s.resources(t); slices.Contains(made, "kubernetes:apps/v1:Deployment") {
			t.Errorf("refused, it made %q", made)
		}
	}
	unreachable := filepath.Join(t.TempDir(), "kubeconfig")
	writeFile(t, unreachable, regexp.MustCompile(`https://[^"]+`).ReplaceAllString(readFile(t, kubeconfig), "https://127.0.0.1:1"))
	s.set(t, "kubeconfig", unreachable, "registry", registry, "replicas", "1")
	refused("The cluster of context office cannot be reached: The connection to the server 127.0.0.1:1 was refused", "kubectl --kubeconfig")
	s.set(t, "kubeconfig", kubeconfig)
	owner := "--kubeconfig=" + o.kubeconfig
	s.kubectl(t, owner, "create", "namespace", s.project())
	s.kubectl(t, owner, "create", "configmap", "of-others", s.namespace())
	refused("namespace: " + s.project() + " already exists on the cluster of context office")
	s.kubectl(t, owner, "get", "configmap", "of-others", s.namespace())
	s.kubectl(t, owner, "delete", "namespace", s.project())
	refused("image " + registry + "/" + s.project() + ":v1: push: no basic auth credentials")
	s.pulumi(t, "config", "set", "--secret", "pullSecret", s.login(t, docker, "localhost:"+port))

	t.Log("up")
	s.up(t)
	s.previewIsEmpty(t)
	answers(t, s.url+"/index", v1)
	for _, made := range s.resources(t) {
		if strings.HasPrefix(made, "gcp:") {
			t.Errorf("it made %s", made)
		}
	}
	if image := s.output(t, "image"); !strings.HasPrefix(image, registry+"/"+s.project()+"@sha256:") {
		t.Errorf("the image is %s, want one of %s", image, registry)
	}
	s.stateHoldsNoSecret(t)
	s.run(t, "sh", "-c", s.output(t, "kubectl"))
	if pods := s.kubectl(t, "get", "pods", s.namespace(), "--output=name"); pods == "" {
		t.Error("kubectl shows no pods")
	}

	t.Log("the same context leads to another cluster")
	other := newStack(t, s.name+"b", options{})
	other.set(t, "nodes", "1")
	other.up(t)
	s.deployer(t, other.open(t, t.TempDir()).kubeconfig, kubeconfig)
	if shown := s.pulumi(t, "preview", "--diff"); !strings.Contains(shown, "kubernetes:apps/v1:Deployment: (replace)") {
		t.Errorf("the preview does not create everything again:\n%s", shown)
	}
	s.up(t)
	answers(t, s.url+"/index", v1)
	if len(s.ready(t)) != 1 {
		t.Error("on the old cluster no pod is ready any more; docs/your-service.md says that the service stays there")
	}
	s.cluster = other.cluster
	s.pulumi(t, "destroy", "--yes", "--skip-preview")
	namespaces, err := s.kube(t).CoreV1().Namespaces().List(interrupted, metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, namespace := range namespaces.Items {
		if namespace.Name == s.project() {
			t.Error("destroyed, its namespace is still there")
		}
	}
	answers(t, other.url+"/index", v1)
}

// deployer writes a kubeconfig of one who has the rights that docs/your-service.md lists,
// with the context office.
func (s *stack) deployer(t *testing.T, owner, path string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "role.yaml")
	writeFile(t, file, blockOf(t, filepath.Join(root(), "docs", "your-service.md"), "yaml"))
	kubectl := func(args ...string) string {
		t.Helper()
		return s.kubectl(t, append([]string{"--kubeconfig=" + owner}, args...)...)
	}
	kubectl("apply", "--filename="+file)
	kubectl("create", "serviceaccount", s.name, "--namespace=default")
	kubectl("create", "clusterrolebinding", s.name, "--clusterrole=hello-timber", "--serviceaccount=default:"+s.name)
	login := kubectl("create", "token", s.name, "--namespace=default", "--duration=8h")
	writeFile(t, path, strings.Replace(readFile(t, owner), token(t), login, 1))
}
