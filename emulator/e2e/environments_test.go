package e2e

import (
	"context"
	"slices"
	"strings"
	"testing"
)

// TestEnvironments takes a version from staging to prod, as the README describes it:
// built once, rolled back by its digest, promoted by its digest.
func TestEnvironments(t *testing.T) {
	staging := newEnvironment(t, "staging")
	if _, err := staging.try("pulumi", "up", "--yes", "--skip-preview"); err == nil || !strings.Contains(said(err), "pulumi config set authorizedNetworks") {
		t.Fatalf("up without saying who may reach the control plane ended with %v", err)
	}
	staging.pulumi(t, "config", "set", "authorizedNetworks", "203.0.113.0/24")
	staging.pulumi(t, "config", "set", "owner", "team-timber")
	url := staging.up(t)
	answers(t, url, v1)
	staging.score(t)

	t.Log("update")
	first := staging.pulumi(t, "stack", "output", "image")
	staging.pulumi(t, "config", "set", "imageVersion", "v2")
	underLoad(t, url, []string{v1, v2}, func() { staging.up(t) })
	answers(t, url, v2)
	second := staging.pulumi(t, "stack", "output", "image")

	t.Log("rollback")
	// Where one finds what ran before: newest first is not sure, so that this takes the other.
	ran := strings.Fields(staging.kubectl(t, staging.namespace(), "get", "replicasets", "--output=jsonpath={.items[*].spec.template.spec.containers[*].image}"))
	slices.Sort(ran)
	if want := sorted(first, second); !slices.Equal(ran, want) {
		t.Errorf("the replica sets name %q, want %q", ran, want)
	}
	staging.pulumi(t, "config", "set", "image", first)
	for _, change := range staging.preview(t) {
		if change != "docker:index/image:Image delete" && !strings.HasPrefix(change, "kubernetes:apps/v1:Deployment spec.template.") {
			t.Errorf("a rollback also changes %s", change)
		}
	}
	underLoad(t, url, []string{v1, v2}, func() { staging.up(t) })
	answers(t, url, v1)
	staging.pulumi(t, "config", "rm", "image")
	staging.up(t) // the same bytes under a tag that exists: immutable tags allow that
	answers(t, url, v2)
	if again := staging.pulumi(t, "stack", "output", "image"); again != second {
		t.Errorf("built again, %s is %s", second, again)
	}

	t.Log("promotion")
	prod := newEnvironment(t, "prod")
	prod.pulumi(t, "config", "set", "authorizedNetworks", "203.0.113.0/24")
	prod.pulumi(t, "config", "set", "image", second)
	url = prod.up(t)
	answers(t, url, v2)
	prod.score(t)
	if got := prod.kubectl(t, prod.namespace(), "get", "deployments", "--output=jsonpath={.items[*].spec.template.spec.containers[*].image}"); got != second {
		t.Errorf("prod runs %s, want %s", got, second)
	}

	zones := strings.Fields(prod.kubectl(t, "get", "nodes", `--output=jsonpath={.items[*].metadata.labels.topology\.kubernetes\.io/zone}`))
	slices.Sort(zones)
	if want := []string{"europe-west1-b", "europe-west1-c", "europe-west1-d"}; !slices.Equal(zones, want) {
		t.Errorf("prod has nodes in %q, want %q", zones, want)
	}
	nodes := strings.Fields(prod.kubectl(t, prod.namespace(), "get", "pods", "--output=jsonpath={.items[*].spec.nodeName}"))
	if slices.Sort(nodes); len(slices.Compact(nodes)) != 3 {
		t.Errorf("prod's pods are on %q, want three nodes", nodes)
	}
	t.Log("a node is drained, as for an upgrade")
	underLoad(t, url, []string{v2}, func() { prod.kubectl(t, "drain", nodes[0], "--ignore-daemonsets", "--delete-emptydir-data") })

	had := prod.resources(t)
	if _, err := prod.try("pulumi", "destroy", "--yes", "--skip-preview"); err == nil || !strings.Contains(said(err), "cannot be deleted") {
		t.Errorf("destroying prod ended with %v", err)
	}
	if has := prod.resources(t); !slices.Equal(has, had) {
		t.Errorf("the refused destroy deleted resources: %q are left of %q", has, had)
	}
	answers(t, url, v2)
}

// environment is a stack with the config of one in the repository.
type environment struct{ *stack }

func newEnvironment(t *testing.T, name string) environment {
	t.Helper()
	e := environment{newStackFrom(t, "e2e-"+name, name)}
	t.Cleanup(func() { // before the stack is destroyed
		for _, args := range [][]string{{"config", "set", "deletionProtection", "false"}, {"up", "--yes", "--skip-preview"}} {
			if _, err := e.start(context.Background(), e.folder, "pulumi", args...); err != nil {
				t.Error(err)
			}
		}
	})
	return e
}

func (e environment) namespace() string { return "--namespace=hello-timber-" + e.name }

// score asks kube-score about what is on the cluster.
func (e environment) score(t *testing.T) {
	t.Helper()
	e.run(t, "sh", "-c", e.pulumi(t, "stack", "output", "kubectl"))
	scoreObjects(t, []byte(e.kubectl(t, e.namespace(), "get", scored, "--output=yaml")))
}

func sorted(list ...string) []string {
	slices.Sort(list)
	return list
}
