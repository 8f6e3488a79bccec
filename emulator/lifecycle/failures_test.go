package lifecycle

import (
	"strings"
	"testing"

	"github.com/pulumi/pulumi/pkg/v3/engine"
	"github.com/pulumi/pulumi/pkg/v3/resource/deploy"
)

// TestFailedUpdate: the stack's outputs never have what is not served.
func TestFailedUpdate(t *testing.T) {
	t.Parallel()
	l := newLife(t, "dev")
	l.cloud.fail = typeDeployment
	const way = "To return to the image that ran before: make deploy STACK=dev IMAGE=deployed"
	if _, err := l.update(); err == nil || !strings.Contains(err.Error(), "The cluster knows 0 pods") || strings.Contains(err.Error(), way) {
		t.Fatalf("no pod gets ready, and the update ends with %v", err)
	}
	l.runs("no rollout was complete", nil, true)
	l.cloud.fail = ""
	l.up("the first complete rollout")
	first := l.image()

	for typ, network := range map[string]string{typeDeployment: "198.51.100.0/24", typeService: "203.0.113.0/24"} {
		l.cloud.fail = typ
		l.choose(set("imageVersion", "v2"), set("allowedNetworks", network)) // which is the Service's
		if _, err := l.update(); err == nil || !strings.Contains(err.Error(), "injected") || strings.Contains(err.Error(), way) != (typ == typeDeployment) {
			t.Fatalf("the update ends with %v", err)
		}
		l.runs("after a failure of "+typ, first, true)
	}
	l.cloud.fail = ""
	l.up("repeated")
	l.runs("repeated", first, false)
	l.choose()
	l.up("undone")
	l.runs("undone", first, true)
}

// TestNamespaceOfOthers: what is there before the stack is not taken over, in a move to
// another cluster either.
func TestNamespaceOfOthers(t *testing.T) {
	for context, says := range map[string]string{
		"taken": "namespace: hello-timber-prod already exists on the cluster of context taken, and stack prod did not create it. Fix: choose another name for the stack, and so for its namespace: " +
			"pulumi stack rename NAME --stack prod; or, if a killed update of this stack left it empty (kubectl --kubeconfig " + home + "/kubeconfig --context taken get all --namespace hello-timber-prod): " +
			"kubectl --kubeconfig " + home + "/kubeconfig --context taken delete namespace hello-timber-prod; or, if the state was lost: docs/operations.md",
		"silent": "The cluster of context silent does not answer whether it has namespace hello-timber-prod: Unable to connect to the server. Fix: ",
	} {
		t.Run(context, func(t *testing.T) {
			t.Parallel()
			l := begin(t, "existing")
			l.own[prefix+"deletionProtection"] = "false"
			refused := func(what string, preview bool) {
				t.Helper()
				l.choose(set("context", context))
				if _, err := l.run(engine.Update, preview); err == nil || !strings.Contains(err.Error(), says) {
					t.Errorf("%s, preview: %t: it ends with %v", what, preview, err)
				}
				for id := range l.cloud.exists {
					if strings.Contains(string(id), "Namespace "+context) {
						t.Errorf("%s, preview: %t: it has %s", what, preview, id)
					}
				}
			}
			refused("a new stack", true)
			refused("a new stack", false)
			l.choose()
			l.up("on a cluster without it")
			refused("moved", true)
			refused("moved", false)
		})
	}
}

// TestRepair: pipelines/ keeps an image that the stack has built by leaving its resource
// out of the update. Nothing is built then, whatever app/ and the config say.
func TestRepair(t *testing.T) {
	t.Parallel()
	l := newLife(t, "dev")
	l.up("the first update")
	image := l.image()
	for _, r := range l.snapshot.Resources {
		if r.Type == typeImage {
			l.options = engine.UpdateOptions{Excludes: deploy.NewUrnTargets([]string{string(r.URN)}), Refresh: true}
		}
	}
	l.choose(set("imageVersion", "v2"), set("replicas", "2"))
	changes, err := l.update()
	if err != nil {
		t.Fatal(err)
	}
	if text := strings.Join(changes, "\n"); !strings.Contains(text, "update "+typeDeployment) || strings.Contains(text, typeImage) {
		t.Errorf("the repair changes\n%s", text)
	}
	l.runs("repaired", image, true)
	l.up("a preview of the repair")
	l.options = engine.UpdateOptions{}
	l.up("an ordinary update")
	l.runs("an ordinary update", image, false)
}
