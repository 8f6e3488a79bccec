package e2e

import (
	"context"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestNew makes a project of one's own of the repository, as `pulumi new` does, and
// deploys other services with it, which have nothing in common with timber.
func TestNew(t *testing.T) {
	t.Parallel()
	s := emulated(t, "e2e-new")
	repository := s.folder
	s.folder = t.TempDir()
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(s.folder, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("Pulumi.yaml", "name: shop\nruntime: go\n")
	s.remove(t) // what a killed run left
	// With its last stack gone, the folder still belongs to the project.
	if err := os.RemoveAll(filepath.Join(s.home, "state", ".pulumi", "stacks", "shop")); err != nil {
		t.Fatal(err)
	}

	// What a clone has; the CLI itself would copy all that is in a folder, the emulator's home too.
	template := filepath.Join(t.TempDir(), "hello-timber")
	s.run(t, "sh", "-ec", `mkdir "$2"; cd "$1"; git ls-files -z --cached --others --exclude-standard | tar -c --null --ignore-failed-read -T - | tar -x -C "$2"`, "sh", repository, template)
	s.folder = filepath.Join(t.TempDir(), "shop")
	if err := os.Mkdir(s.folder, 0o755); err != nil {
		t.Fatal(err)
	}
	greeting := s.pulumi(t, "new", template, "--name=shop", "--description=A shop", "--yes", "--stack="+s.name,
		"--config=gcp:project=hello-timber-"+s.name, "--config=authorizedNetworks=203.0.113.0/24", "--config=deletionProtection=false")
	t.Cleanup(func() { s.remove(t) })
	if !strings.Contains(greeting, "make up") {
		t.Errorf("pulumi new does not print the next steps:\n%s", greeting)
	}
	project, err := os.ReadFile(filepath.Join(s.folder, "Pulumi.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	for text, there := range map[string]bool{"name: shop\n": true, "description: A shop\n": true, "livenessPath:": true, "\ntemplate:": false, "quickstart": false} {
		if strings.Contains(string(project), text) != there {
			t.Errorf("Pulumi.yaml has %q: %v\n%s", text, !there, project)
		}
	}
	if changes := s.preview(t); !slices.Contains(changes, "kubernetes:apps/v1:Deployment create") {
		t.Errorf("the preview changes %q, want a Deployment", changes)
	}

	t.Log("the environments that came with it")
	const dev = "Pulumi.e2e-dev-of-shop.yaml"
	s.run(t, "cp", "Pulumi.dev.yaml", dev)
	s.pulumi(t, "config", "set", "--config-file="+dev, "gcp:project", "hello-timber-"+s.name)
	_, err = s.try("pulumi", "preview", "--config-file="+dev)
	if err == nil {
		t.Fatal("config of hello-timber is taken for the shop's")
	}
	fix := regexp.MustCompile(`Fix: (perl .*) Pulumi\.e2e-new\.yaml`).FindStringSubmatch(said(err))
	if fix == nil {
		t.Fatal(err)
	}
	s.run(t, "sh", "-c", fix[1]+" "+dev)
	s.pulumi(t, "preview", "--config-file="+dev)

	t.Log("another service")
	s.run(t, "rm", "-r", "app")
	s.run(t, "cp", "-r", filepath.Join(repository, "emulator/e2e/testdata/greeter"), "app")
	s.run(t, "perl", "-pi", "-e", `s/"timber-tutorial"/"greeter"/`, "stacks/deploy.go")
	for key, value := range map[string]string{"port": "3000", "livenessPath": "/health", "readinessPath": "/health", "replicas": "1"} {
		s.pulumi(t, "config", "set", key, value)
	}
	s.pulumi(t, "config", "set", "--path", "environment.GREETING", "hello, oak")
	url := s.up(t)
	says(t, url, "hello, oak\n")
	if image := s.pulumi(t, "stack", "output", "image"); !strings.Contains(image, "/greeter@sha256:") {
		t.Errorf("the greeter's image is %s", image)
	}

	t.Log("what is set with --secret becomes secret")
	s.pulumi(t, "config", "set", "--path", "--secret", "environment.GREETING", "hello, elm")
	url = s.up(t)
	says(t, url, "hello, elm\n")
	if state := s.pulumi(t, "stack", "export"); strings.Contains(state, "elm") {
		t.Error("the secret is in the state")
	}
	s.run(t, "sh", "-c", s.pulumi(t, "stack", "output", "kubectl"))
	if object := s.kubectl(t, "--namespace=shop-e2e-new", "get", "deployments,replicasets,pods", "--output=yaml"); strings.Contains(object, "elm") {
		t.Error("the secret is in the pods' description")
	}

	t.Log("a third service: slow to start, with a database outside of the cluster")
	s.run(t, "rm", "-r", "app")
	s.run(t, "cp", "-r", filepath.Join(repository, "emulator/e2e/testdata/visits"), "app")
	s.run(t, "perl", "-pi", "-e", `s/"greeter"/"visits"/`, "stacks/deploy.go")
	s.pulumi(t, "config", "rm", "--path", "environment.GREETING")
	for key, value := range map[string]string{"port": "9000", "livenessPath": "/healthz", "readinessPath": "/healthz", "startupSeconds": "60", "egress": "true"} {
		s.pulumi(t, "config", "set", key, value)
	}
	s.pulumi(t, "config", "set", "--path", "environment.DATABASE", s.database(t))
	url = s.up(t)
	says(t, url, "counted true\n")
	s.pulumi(t, "destroy", "--yes", "--skip-preview")
}

// database starts etcd, which the node's image has, and returns its address, at which
// pods reach it if they may open connections.
func (s *stack) database(t *testing.T) string {
	t.Helper()
	gateway := s.run(t, "docker", "network", "inspect", s.network(t), "--format={{(index .IPAM.Config 0).Gateway}}")
	image, err := os.ReadFile(filepath.Join(s.home, "node-image"))
	if err != nil {
		t.Fatal(err)
	}
	id := s.run(t, "docker", "run", "--detach", "--publish="+gateway+"::2379", "--entrypoint=etcd", strings.TrimSpace(string(image)),
		"--listen-client-urls=http://0.0.0.0:2379", "--advertise-client-urls=http://"+gateway+":2379", "--unsafe-no-fsync")
	t.Cleanup(func() {
		if _, err := s.start(context.Background(), s.folder, "docker", "rm", "--force", "--volumes", id); err != nil {
			t.Error(err)
		}
	})
	return s.run(t, "docker", "port", id, "2379")
}

// says asks for a URL's page, on a new connection.
func says(t *testing.T, url, want string) {
	t.Helper()
	answer, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if body, err := io.ReadAll(answer.Body); err != nil || string(body) != want {
		t.Errorf("%s answers %q (%v), want %q", url, body, err, want)
	}
}
