package kubernetes

import (
	"context"
	"regexp"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
)

// urn is a resource's, from what follows kubernetes: in its type.
func urn(typ, name string) resource.URN {
	return resource.URN("urn:pulumi:dev::hello-timber::kubernetes:" + typ + "::" + name)
}

func TestCheck(t *testing.T) {
	auto := map[string]any{"name": "timber-00000000", "namespace": "shop", "annotations": map[string]any{autonamed: "true"}}
	for _, test := range []struct {
		name       string
		typ        string
		olds, news map[string]any
		autonaming *plugin.AutonamingOptions
		want       string // pattern of name, namespace and annotation
		fails      string
	}{
		{name: "named, cluster-scoped", typ: "core/v1:Namespace", news: map[string]any{"metadata": map[string]any{"name": "shop"}}, want: `^v1 Namespace shop  $`},
		{name: "autonamed", typ: "apps/v1:Deployment", news: map[string]any{}, want: `^apps/v1 Deployment timber-[0-9a-f]{8} shop true$`},
		{name: "namespace given", typ: "core/v1:Service", news: map[string]any{"metadata": map[string]any{"name": "a", "namespace": "b"}}, want: `^v1 Service a b $`},
		{name: "name kept", typ: "apps/v1:Deployment", olds: map[string]any{"metadata": auto}, news: map[string]any{}, want: ` timber-00000000 shop true$`},
		{name: "name no longer chosen", typ: "apps/v1:Deployment", olds: map[string]any{"metadata": map[string]any{"name": "chosen"}}, news: map[string]any{}, want: ` timber-[0-9a-f]{8} shop true$`},
		{name: "name proposed", typ: "apps/v1:Deployment", news: map[string]any{}, autonaming: &plugin.AutonamingOptions{ProposedName: "mine"}, want: ` mine shop true$`},
		{name: "name refused", typ: "apps/v1:Deployment", news: map[string]any{}, autonaming: &plugin.AutonamingOptions{Mode: plugin.AutonamingModeDisabled}, fails: "autonaming is disabled"},
		{name: "name not known yet", typ: "apps/v1:Deployment", news: map[string]any{"metadata": map[string]any{"name": unknown}}, want: `Deployment  shop $`},
		{name: "generateName", typ: "apps/v1:Deployment", news: map[string]any{"metadata": map[string]any{"generateName": "x-"}}, fails: "generateName"},
		{name: "list", typ: "core/v1:PodList", news: map[string]any{}, fails: "the emulator has no kubernetes:core/v1:PodList"},
		{name: "patch", typ: "core/v1:NamespacePatch", news: map[string]any{}, fails: "the emulator has no kubernetes:core/v1:NamespacePatch"},
		{name: "Helm", typ: "helm.sh/v3:Release", news: map[string]any{}, fails: `the emulator has no kubernetes:helm.sh/v3:Release: no matches for kind "Release" in version "helm.sh/v3"`},
	} {
		response, err := fake(t).Check(context.Background(), plugin.CheckRequest{URN: urn(test.typ, "timber"), Type: urn(test.typ, "timber").Type(),
			Olds: properties(test.olds), News: properties(test.news), RandomSeed: []byte("seed"), Autonaming: test.autonaming})
		if test.fails != "" {
			if err == nil || !strings.Contains(err.Error(), test.fails) {
				t.Errorf("%s: %v; want %q", test.name, err, test.fails)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", test.name, err)
			continue
		}
		p, metadata := response.Properties, object(response.Properties, "metadata")
		got := strings.Join([]string{text(p, "apiVersion"), text(p, "kind"), text(metadata, "name"), text(metadata, "namespace"),
			text(object(metadata, "annotations"), autonamed)}, " ")
		if !regexp.MustCompile(test.want).MatchString(got) {
			t.Errorf("%s: %q; want %q", test.name, got, test.want)
		}
	}
}

// TestCheckUnreachable sees to it that a preview does not move an object out of
// its namespace when the cluster is down.
func TestCheckUnreachable(t *testing.T) {
	p := New(nil)
	if _, err := p.Configure(context.Background(), plugin.ConfigureRequest{Inputs: properties(map[string]any{"kubeconfig": kubeconfig("http://127.0.0.1:1")})}); err != nil {
		t.Fatal(err)
	}
	u := urn("core/v1:Service", "timber")
	response, err := p.Check(context.Background(), plugin.CheckRequest{URN: u, Type: u.Type(), News: properties(map[string]any{"metadata": map[string]any{"name": "a"}}),
		Olds: properties(map[string]any{"metadata": map[string]any{"name": "a", "namespace": "shop"}})})
	if namespace := text(object(response.Properties, "metadata"), "namespace"); err != nil || namespace != "shop" {
		t.Errorf("namespace %q, %v; want shop", namespace, err)
	}
}
