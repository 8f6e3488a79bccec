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
	if _, err := l.update(); err == nil {
		t.Fatal("the update succeeds although no pod gets ready")
	}
	if image, ok := l.outputs()["image"]; ok {
		t.Errorf("no rollout was complete, and the output image is %v", image)
	}
	l.cloud.fail = ""
	l.up("the first complete rollout")
	first := l.outputs()["image"]

	newVersion := setting{key{name: "imageVersion"}, "v2"}
	for typ, network := range map[string]string{typeDeployment: "198.51.100.0/24", typeService: "203.0.113.0/24"} {
		l.cloud.fail = typ
		l.choose(newVersion, setting{key{name: "allowedNetworks"}, network}) // which is the Service's
		if _, err := l.update(); err == nil || !strings.Contains(err.Error(), "injected") {
			t.Fatalf("the update ends with %v", err)
		}
		if image := l.outputs()["image"]; image != first {
			t.Errorf("after a failure of %s, the output image is %v, want %v", typ, image, first)
		}
	}
	l.cloud.fail = ""
	l.up("repeated")
	if image := l.outputs()["image"]; image == first {
		t.Errorf("after the update, the output image is still %v", image)
	}
	l.choose()
	l.up("undone")
	if image := l.outputs()["image"]; image != first {
		t.Errorf("undone, the output image is %v, want %v", image, first)
	}
}

// TestRepair: pipelines/ keeps an image that the stack has built by leaving its resource
// out of the update. Nothing is built then, whatever app/ and the config say.
func TestRepair(t *testing.T) {
	t.Parallel()
	l := newLife(t, "dev")
	l.up("the first update")
	image := l.outputs()["image"]
	for _, r := range l.snapshot.Resources {
		if r.Type == typeImage {
			l.options = engine.UpdateOptions{Excludes: deploy.NewUrnTargets([]string{string(r.URN)}), Refresh: true}
		}
	}
	l.choose(setting{key{name: "imageVersion"}, "v2"}, setting{key{name: "replicas"}, "2"})
	changes, err := l.update()
	if err != nil {
		t.Fatal(err)
	}
	if text := strings.Join(changes, "\n"); !strings.Contains(text, "update "+typeDeployment) || strings.Contains(text, typeImage) {
		t.Errorf("the repair changes\n%s", text)
	}
	if now := l.outputs()["image"]; now != image {
		t.Errorf("the repaired stack runs %v, want %v", now, image)
	}
	l.up("a preview of the repair")
	l.options = engine.UpdateOptions{}
	l.up("an ordinary update")
	if now := l.outputs()["image"]; now == image {
		t.Errorf("after an ordinary update, the stack still runs %v", now)
	}
}
