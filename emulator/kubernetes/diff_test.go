package kubernetes

import (
	"context"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
)

// deployment is a manifest; each of changes is a path and its value.
func deployment(changes ...any) map[string]any {
	m := map[string]any{
		"apiVersion": "apps/v1", "kind": "Deployment",
		"metadata": map[string]any{"name": "timber", "namespace": "shop"},
		"spec": map[string]any{
			"replicas": 1.0,
			"selector": map[string]any{"matchLabels": map[string]any{"app": "timber"}},
			"template": map[string]any{
				"metadata": map[string]any{"labels": map[string]any{"app": "timber"}},
				"spec": map[string]any{"containers": []any{map[string]any{"name": "timber", "image": "timber@sha256:1",
					"resources": map[string]any{"limits": map[string]any{"cpu": "0.5"}}}}}}},
	}
	for i := 0; i < len(changes); i += 2 {
		at, keys := m, strings.Split(changes[i].(string), "/")
		for _, key := range keys[:len(keys)-1] {
			if at[key] == nil {
				at[key] = map[string]any{}
			}
			at = at[key].(map[string]any)
		}
		at[keys[len(keys)-1]] = changes[i+1]
	}
	return m
}

func TestDiff(t *testing.T) {
	auto := []any{"metadata/annotations", map[string]any{autonamed: "true"}}
	config := map[string]any{"apiVersion": "v1", "kind": "ConfigMap", "metadata": map[string]any{"name": "a"}, "data": map[string]any{"k": "1"}}
	edited := maps.Clone(config)
	edited["data"] = map[string]any{"k": "2"}
	for _, test := range []struct {
		name       string
		olds, news map[string]any
		want       []string // path and kind of each change, ! for a replacement
		deletes    bool     // before it replaces
	}{
		{"nothing", deployment(), deployment(), nil, false},
		{"replicas", deployment(), deployment("spec/replicas", 3.0), []string{"spec.replicas update"}, false},
		{"image", deployment(), deployment("spec/template/spec/containers", []any{map[string]any{"name": "timber", "image": unknown,
			"resources": map[string]any{"limits": map[string]any{"cpu": "0.5"}}}}), []string{"spec.template.spec.containers[0].image update"}, false},
		{"label added", deployment(), deployment("metadata/labels", map[string]any{"app.kubernetes.io/version": "v2"}), []string{"metadata.labels add"}, false},
		{"field removed", deployment("spec/paused", true), deployment(), []string{"spec.paused delete"}, false},
		{"selector, named", deployment(), deployment("spec/selector/matchLabels/app", "x"), []string{"spec.selector.matchLabels.app update-replace"}, true},
		{"selector, autonamed", deployment(auto...), deployment(append(auto, "spec/selector/matchLabels/more", "x")...), []string{"spec.selector.matchLabels.more add-replace"}, false},
		{"name", deployment(), deployment("metadata/name", "other"), []string{"metadata.name update-replace"}, false},
		{"namespace", deployment(), deployment("metadata/namespace", "other"), []string{"metadata.namespace update-replace"}, false},
		{"version", deployment("apiVersion", "apps/v1beta2"), deployment(), []string{"apiVersion update"}, false},
		{"group", deployment("apiVersion", "extensions/v1beta1"), deployment(), []string{"apiVersion update-replace"}, true},
		{"config", config, edited, []string{"data.k update-replace"}, true},
	} {
		diff, err := New(nil).Diff(context.Background(), plugin.DiffRequest{OldInputs: properties(test.olds), NewInputs: properties(test.news)})
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for path, change := range diff.DetailedDiff {
			got = append(got, path+" "+change.Kind.String())
		}
		if !slices.Equal(got, test.want) || diff.DeleteBeforeReplace != test.deletes || (diff.Changes == plugin.DiffSome) != (test.want != nil) {
			t.Errorf("%s: %q, deletes first: %v; want %q, %v", test.name, got, diff.DeleteBeforeReplace, test.want, test.deletes)
		}
	}
}
