package plan

import (
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/apitype"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"

	"hello-timber/pipelines/run"
)

// Whatever the engine sends, the program reads it.
func TestSteps(t *testing.T) {
	state := &apitype.StepEventStateMetadata{Custom: true, Inputs: map[string]any{"a": "one"}, Outputs: map[string]any{"b": "two"}}
	r := &Recorder{}
	for _, step := range []apitype.StepEventMetadata{
		{Op: apitype.OpCreate, URN: "urn:pulumi:s::p::a:b:C::new without state", Old: state},
		{Op: apitype.OpDelete, URN: "urn:pulumi:s::p::a:b:C::old without state", New: state},
		{Op: apitype.OpUpdate, URN: "no urn", New: state, Diffs: []string{"a", "[", "b[7].c"}},
		{Op: apitype.OpUpdate, URN: ""},
		{Op: apitype.OpCreate, URN: "urn:pulumi:s::p::pulumi:providers:kubernetes::default-cluster", New: state},
		{Op: apitype.OpCreate, URN: "urn:pulumi:s::p::pulumi:providers:gcp::default_7_38_0", New: state},
		{Op: apitype.OpCreate, URN: "urn:pulumi:s::p::pulumi:providers:gcp::default", New: state},
		{Op: apitype.OpUpdate, URN: "urn:pulumi:s::p::pulumi:providers:gcp::default_7_38_1", New: state, Diffs: []string{"containerCustomEndpoint"}},
		{Op: apitype.OpSame, URN: "urn:pulumi:s::p::a:b:C::same", New: state},
		{Op: apitype.OpDeleteReplaced, URN: "urn:pulumi:s::p::a:b:C::replaced", Old: state},
		{Op: apitype.OpReplace, URN: "urn:pulumi:s::p::a:b:C::replaced", Old: state, New: state},
		{Op: apitype.OpDeleteReplaced, URN: "urn:pulumi:s::p::a:b:C::left by a replacement before", Old: state},
	} {
		r.step(step)
	}
	r.leftOver()
	var got []string
	for _, c := range r.Plan.Changes {
		got = append(got, string(c.Op)+" "+c.Name)
	}
	if want := "created new without state, deleted old without state, changed no urn, created default-cluster, changed default_7_38_1, replaced replaced, deleted left by a replacement before"; strings.Join(got, ", ") != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// Only the engine's and the providers' own notes are left out, whatever a key is called.
func TestLeaves(t *testing.T) {
	var paths []string
	leaves(nil, map[string]any{"__inputs": "x", "data": map[string]any{"__inputs": "x", "__main__.py": "x"}, "spec": map[string]any{"egress": []any{map[string]any{}}, "ingress": []any{}}, "__defaults": []any{"name"}, "nodes": []any{map[string]any{"__defaults": []any{}, "n": 3}}},
		func(path string, _ any) { paths = append(paths, path) })
	if want := `data.__inputs, data["__main__.py"], nodes[0].n, spec.egress[0], spec.ingress`; strings.Join(paths, ", ") != want {
		t.Errorf("got %q, want %s", paths, want)
	}
}

// A property's path says what its value is, also where Pulumi does not know.
func TestMaskPaths(t *testing.T) {
	for path, shown := range map[string]bool{
		"registry.password": false, `data["api_key"]`: false, "env[0].TOKEN": false, "clientSecret": false, "credentials": false,
		"spec.secretName": true, "volumes[0].secret.items": true, "registry.username": true,
	} {
		if got := show(path, "hunter2"); (got == `"hunter2"`) != shown || !shown && got != run.Hidden {
			t.Errorf("%s shows %q", path, got)
		}
	}
	if got := show("command[0]", "--token hunter2"); strings.Contains(got, "hunter2") {
		t.Errorf("what looks like a credential shows %q", got)
	}
	secret := hideIn(&apitype.StepEventStateMetadata{Inputs: map[string]any{"data": map[string]any{resource.SigKey: resource.SecretSig, "value": "hunter2"}}})
	if got := value(secret, "data.user", true); got != run.Hidden {
		t.Errorf("below a secret is %q", got)
	}
	if got := show("automountServiceAccountToken", true); got != "true" {
		t.Errorf("a setting shows %q", got)
	}
}
