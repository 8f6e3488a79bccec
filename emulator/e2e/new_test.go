//go:build e2e

package e2e

import (
	"context"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// projectOfOnesOwn makes a project of one's own of the repository, as `pulumi new` does,
// and deploys other services with it, which have nothing in common with timber.
func projectOfOnesOwn(t *testing.T, s *stack) {
	repository := root()
	// With its last stack gone, the folder still belongs to the project.
	if err := os.RemoveAll(filepath.Join(home(), "state", ".pulumi", "stacks", "shop")); err != nil {
		t.Fatal(err)
	}
	s.sweep(t) // it is created below, as a person does
	s.keys = "shop"

	// What a clone has; the CLI itself would copy all that is in a folder, the emulator's home too.
	template := filepath.Join(t.TempDir(), "hello-timber")
	s.run(t, "sh", "-ec", `mkdir "$2"; cd "$1"; git ls-files -z --cached --others --exclude-standard | tar -c --null --ignore-failed-read -T - | tar -x -C "$2"`, "sh", repository, template)
	s.folder = filepath.Join(t.TempDir(), "shop")
	if err := os.Mkdir(s.folder, 0o755); err != nil {
		t.Fatal(err)
	}
	greeting := s.pulumi(t, "new", "--generate-only", template, "--name=shop", "--description=A shop", "--yes")
	project := readFile(t, filepath.Join(s.folder, "Pulumi.yaml"))
	for text, there := range map[string]bool{"name: shop\n": true, "description: A shop\n": true, "livenessPath:": true, "\ntemplate:": false, "quickstart": false} {
		if strings.Contains(project, text) != there {
			t.Errorf("Pulumi.yaml has %q: %v\n%s", text, !there, project)
		}
	}

	t.Log("the environments that came with it")
	s.run(t, "cp", "Pulumi.dev.yaml", s.configFile())
	s.pulumi(t, "stack", "init", s.name)
	s.pulumi(t, "config", "set", "gcp:project", s.project())
	_, err := s.try("pulumi", "preview")
	if err == nil {
		t.Fatal("config of hello-timber is taken for the shop's")
	}
	rename := regexp.MustCompile(`perl .*Pulumi\.`)
	fix, printed := rename.FindString(said(err)), rename.FindString(greeting)
	if fix == "" || fix != strings.Replace(printed, "PROJECT", "shop", 1) {
		t.Fatalf("the fix is %q, and pulumi new prints %q:\n%v", fix, printed, err)
	}
	s.run(t, "sh", "-c", fix+"*.yaml")
	if shown := s.pulumi(t, "preview", "--diff"); !strings.Contains(shown, "kubernetes:apps/v1:Deployment: (create)") {
		t.Errorf("the preview does not create a Deployment:\n%s", shown)
	}
	s.pulumi(t, "config", "set", "--config-file=Pulumi.dev.yaml", "imageVersion", "v7")
	s.run(t, "go", "test", "-vet=off", "./stacks/...", "./pipelines/...")

	t.Log("another service, in a network of one's own")
	s.python(t)
	s.run(t, "find", "app", "-mindepth", "1", "!", "-name", ".dockerignore", "-delete") // what keeps files out of the image stays
	s.run(t, "cp", "-r", filepath.Join(repository, "emulator/e2e/testdata/greeter")+"/.", "app")
	writeFile(t, filepath.Join(s.folder, "app", "Dockerfile"), blockOf(t, filepath.Join(repository, "docs/your-service.md"), "dockerfile"))
	s.set(t, "service", "greeter", "port", "3000", "livenessPath", "/health", "readinessPath", "/health", "replicas", "1", "nodes", "1", "maxNodes", "2",
		"network", "my-network", "subnetwork", "my-subnet", "secondaryRanges", "pods,services", "controlPlaneRange", "10.9.0.16/28")
	s.pulumi(t, "config", "set", "--path", "environment.GREETING", oak)
	s.pulumi(t, "config", "set", "--path", "environment.TZ", "Asia/Kolkata")
	s.up(t)
	s.previewIsEmpty(t)
	answers(t, s.url, oak+"\n")
	answers(t, s.url+"/needs", "certificates found, time zone +0530, 7 bytes in /tmp\n")
	if image := s.output(t, "image"); !strings.Contains(image, "/greeter@sha256:") {
		t.Errorf("the greeter's image is %s", image)
	}

	t.Log("at an address that is reserved")
	reserved := regexp.MustCompile(`[0-9]+$`).ReplaceAllString(s.url, "250")
	s.set(t, "address", strings.TrimPrefix(reserved, "http://"))
	if s.up(t); s.url != reserved {
		t.Errorf("the URL is %s, want %s", s.url, reserved)
	}
	answers(t, s.url, oak+"\n")

	t.Log("what is set with --secret becomes secret")
	s.pulumi(t, "config", "set", "--path", "--secret", "environment.GREETING", elm)
	s.up(t)
	answers(t, s.url, elm+"\n")
	if state := s.pulumi(t, "stack", "export"); strings.Contains(state, "hello, elm") {
		t.Error("the secret is in the state")
	}
	if object := s.kubectl(t, "--namespace=shop-"+s.name, "get", "deployments,replicasets,pods", "--output=yaml"); strings.Contains(object, "hello, elm") {
		t.Error("the secret is in the pods' description")
	}

	t.Log("slow to start, on a port below 1024, with a database outside of the cluster")
	// Under another name it is another Service, created before the old one is deleted.
	s.set(t, "address", "", "service", "visits", "port", "80", "startupSeconds", "60", "egress", "true")
	s.pulumi(t, "config", "set", "--path", "environment.SLOW", "20")
	s.pulumi(t, "config", "set", "--path", "environment.DATABASE", s.database(t))
	s.up(t)
	answers(t, s.url+"/visits", "counted True\n")
}

// Greetings that Kubernetes would change, if it saw them as they are.
const (
	oak = "hello, oak: US$$5 $(PORT) $HOME"
	elm = "hello, elm: US$$5 $(PORT) $HOME"
)

// python gets the image that the document's example starts from: if there is a registry,
// from there, else from Debian's packages, with what the published image has, too.
func (s *stack) python(t *testing.T) {
	t.Helper()
	const image = "python:3-slim"
	if _, err := s.try("docker", "image", "inspect", image); err == nil {
		return
	}
	if _, err := s.try("docker", "pull", "--platform=linux/amd64", image); err == nil {
		return
	}
	folder := t.TempDir()
	const dockerfile = "FROM debian:trixie-slim\nRUN apt-get update && apt-get install --yes --no-install-recommends ca-certificates python3 tzdata\n"
	writeFile(t, filepath.Join(folder, "Dockerfile"), dockerfile)
	s.run(t, "env", "BUILDX_BUILDER=default", "docker", "build", "--network=host", "--label=hello-timber.image=python", "--tag="+image, folder)
}

// blockOf returns the only block of a language in a document.
func blockOf(t *testing.T, path, language string) string {
	t.Helper()
	blocks := regexp.MustCompile("(?ms)^```"+language+"\n(.*?)^```$").FindAllStringSubmatch(readFile(t, path), -1)
	if len(blocks) != 1 {
		t.Fatalf("%s has %d blocks of %s, want one", path, len(blocks), language)
	}
	return blocks[0][1]
}

// database starts etcd, which the node's image has, and returns its address, at which
// pods reach it if they may open connections.
func (s *stack) database(t *testing.T) string {
	t.Helper()
	gateway := s.run(t, "docker", "network", "inspect", s.listed(t, "network ls --quiet")[0], "--format={{(index .IPAM.Config 0).Gateway}}")
	image := strings.TrimSpace(readFile(t, filepath.Join(home(), "node-image")))
	id := s.run(t, "docker", "run", "--detach", "--publish="+gateway+"::2379", "--entrypoint=etcd", image,
		"--listen-client-urls=http://0.0.0.0:2379", "--advertise-client-urls=http://"+gateway+":2379", "--unsafe-no-fsync")
	t.Cleanup(func() {
		if _, err := s.start(context.Background(), s.folder, "docker", "rm", "--force", "--volumes", id); err != nil {
			t.Error(err)
		}
	})
	return s.run(t, "docker", "port", id, "2379")
}
