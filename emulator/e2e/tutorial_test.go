// Package e2e runs the tutorial from the first command to the last, the way a
// person would: with pulumi, kubectl and HTTP requests. `make test` sets the
// environment and runs it; it uses stacks of its own, named e2e…, so that a stack that
// is up on this machine stays as it is.
//
// First come, one after the other, the tests that count lost requests: next to other
// clusters, a small machine loses some by itself. Then come the others, as many at the
// same time as there are processors.
package e2e

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

// The tutorial's bytes.
const (
	v1 = `{"timber": "so delicious"}`
	v2 = `{"timber": "so delicious", "why": "because logging shouldn't be hard"}`
)

func TestTutorial(t *testing.T) {
	s := newStack(t, "e2e")
	namespace := "--namespace=hello-timber-" + s.name
	var url string

	var table strings.Builder
	t.Cleanup(func() { fmt.Printf("\n%s\n", table.String()) })
	row := func(what string, do func(t *testing.T)) {
		started, verdict := time.Now(), "ok"
		if !t.Run(what, do) {
			verdict = "FAILED"
			defer t.FailNow()
		}
		fmt.Fprintf(&table, "%-6s %6.1f s  %s\n", verdict, time.Since(started).Seconds(), what)
	}

	row("1-5 up: a cluster of three nodes, image, deployment, service", func(t *testing.T) {
		s.pulumi(t, "up", "--yes", "--skip-preview")
		url = s.pulumi(t, "stack", "output", "url")
	})
	row("1-5 a preview right after shows no change", s.previewIsEmpty)
	row("2 kubectl shows three nodes ready", func(t *testing.T) {
		s.run(t, "sh", "-c", s.pulumi(t, "stack", "output", "kubectl"))
		if ready := s.ready(t, "nodes"); len(ready) != 3 {
			t.Errorf("ready nodes: %q, want three", ready)
		}
	})
	row("3 the image is deployed by its digest", func(t *testing.T) {
		image := s.pulumi(t, "stack", "output", "image")
		if !strings.Contains(image, "-docker.pkg.dev/hello-timber-"+s.name+"/") || !strings.Contains(image, "@sha256:") {
			t.Errorf("image %q is no digest in the stack's own registry", image)
		}
		deployed := s.kubectl(t, namespace, "get", "deployments", "--output=jsonpath={.items[*].spec.template.spec.containers[*].image}")
		if deployed != image {
			t.Errorf("the deployment runs %q, want %q", deployed, image)
		}
	})
	row("4 one pod is ready", func(t *testing.T) {
		if ready := s.ready(t, "pods", namespace); len(ready) != 1 {
			t.Errorf("ready pods: %q, want one", ready)
		}
	})
	row("6 /index answers like the tutorial's v1", func(t *testing.T) { answers(t, url, v1) })
	row("the state holds no secret in clear text", s.stateHoldsNoSecret)

	row("7 a preview of three replicas shows one changed property", func(t *testing.T) {
		s.pulumi(t, "config", "set", "replicas", "3")
		changes := s.preview(t)
		if want := []string{"kubernetes:apps/v1:Deployment spec.replicas"}; !slices.Equal(changes, want) {
			t.Errorf("the preview changes %q, want %q", changes, want)
		}
	})
	row("7 up to three replicas: no request fails", func(t *testing.T) {
		underLoad(t, url, []string{v1}, func() { s.pulumi(t, "up", "--yes", "--skip-preview") })
	})
	row("7 three pods share the requests", func(t *testing.T) {
		if pods := podsAnswering(t, url); len(pods) != 3 {
			t.Errorf("pods that answered: %q, want three", pods)
		}
	})
	row("7 a preview right after shows no change", s.previewIsEmpty)
	row("a deleted pod comes back", func(t *testing.T) {
		old := s.ready(t, "pods", namespace)
		s.kubectl(t, namespace, "delete", "pod", old[0])
		eventually(t, "three pods ready, without "+old[0], func() bool {
			ready := s.ready(t, "pods", namespace)
			return len(ready) == 3 && !slices.Contains(ready, old[0])
		})
	})

	row("8 a preview of v2 shows the image and the pod template", func(t *testing.T) {
		s.pulumi(t, "config", "set", "imageVersion", "v2")
		image, template := 0, 0
		for _, change := range s.preview(t) {
			switch {
			case strings.HasPrefix(change, "docker:index/image:Image "):
				image++
			case strings.HasPrefix(change, "kubernetes:apps/v1:Deployment spec.template."):
				template++
			default:
				t.Errorf("the preview also changes %s", change)
			}
		}
		if image == 0 || template == 0 {
			t.Errorf("the preview changes %d properties of the image and %d of the pod template, want some of each", image, template)
		}
	})
	row("8 rolling update to v2: no request fails", func(t *testing.T) {
		underLoad(t, url, []string{v1, v2}, func() { s.pulumi(t, "up", "--yes", "--skip-preview") })
	})
	row("8 a preview right after shows no change", s.previewIsEmpty)
	row("9 /index answers like the tutorial's v2", func(t *testing.T) { answers(t, url, v2) })
	row("9 a second up changes nothing", func(t *testing.T) {
		s.pulumi(t, "up", "--yes", "--skip-preview", "--expect-no-changes")
	})
	row("9 a refresh finds nothing changed", func(t *testing.T) {
		s.pulumi(t, "refresh", "--yes", "--skip-preview", "--expect-no-changes")
	})
	row("9 the state holds no secret in clear text", s.stateHoldsNoSecret)

	row("10 a protected stack refuses to be destroyed and keeps answering", func(t *testing.T) {
		protect := func(on string) {
			s.pulumi(t, "config", "set", "deletionProtection", on)
			s.pulumi(t, "up", "--yes", "--skip-preview")
		}
		protect("true")
		defer protect("false")
		if _, err := s.try("pulumi", "destroy", "--yes"); err == nil || !strings.Contains(said(err), "cannot be deleted") {
			t.Errorf("destroy ended with %v", err)
		}
		answers(t, url, v2)
	})
	row("10 destroy", func(t *testing.T) { s.pulumi(t, "destroy", "--yes") })
	row("10 nothing is left: no container, volume or address", func(t *testing.T) {
		if left := s.machines(t); len(left) > 0 {
			t.Errorf("left behind: %q", left)
		}
		if s.network(t) == "" && onLocalNetwork(t, url) {
			t.Errorf("left behind: an address in the network of %s", url)
		}
	})
}

// Mistakes in the config are refused together, before anything is made.
func TestBadConfig(t *testing.T) {
	t.Parallel()
	s := newStack(t, "e2e-config")
	for key, value := range map[string]string{
		"replicas": "010", "imageVersion": "1.10", "location": "europe-west1-x", "nodes": "0", "machineType": "t2a-standard-1", "gcp:project": "Hello",
	} {
		s.pulumi(t, "config", "set", key, value)
	}
	_, err := s.try("pulumi", "up", "--yes", "--skip-preview")
	if err == nil {
		t.Fatal("up with a bad config went through")
	}
	for _, want := range []string{"replicas", "010", "imageVersion", "1.10", "location", "europe-west1-x", "nodes", "machineType", "t2a-standard-1", "gcp:project", "Hello", "pulumi config set"} {
		if !strings.Contains(said(err), want) {
			t.Errorf("the error does not mention %q:\n%v", want, err)
		}
	}
	if state := s.pulumi(t, "stack", "export"); strings.Contains(state, "gcp:") {
		t.Errorf("something was registered:\n%s", state)
	}
}

// What the emulator does not have is refused by name, before anything is made.
func TestUnknownIsRefused(t *testing.T) {
	t.Parallel()
	s := newStack(t, "e2e-unknown")
	s.folder = t.TempDir()
	for name, from := range map[string]string{"go.mod": "../../go.mod", "go.sum": "../../go.sum", "main.go": "testdata/unknown.go", "Pulumi.yaml": "testdata/Pulumi.yaml", "Pulumi.e2e-unknown.yaml": "../../Pulumi.e2e-unknown.yaml"} {
		text, err := os.ReadFile(from)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(s.folder+"/"+name, text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for ask, want := range map[string]string{
		"resource": "the emulator has no gcp:compute/network:Network",
		"property": "the emulator's gcp:container/cluster:Cluster has no property addonsConfig.noSuchAddon",
	} {
		s.pulumi(t, "config", "set", "ask", ask)
		if _, err := s.try("pulumi", "preview"); err == nil || !strings.Contains(said(err), want) {
			t.Errorf("asked for an unknown %s, the preview ended with %v, want %q", ask, err, want)
		}
	}
}

// eventually waits for a condition for as long as a loaded machine may need.
func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(2 * time.Minute); !condition(); time.Sleep(250 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("still not: %s", what)
		}
	}
}
