package kubernetes

import (
	"reflect"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

func TestProject(t *testing.T) {
	list := func(items ...any) []any { return items }
	type m = map[string]any
	for _, test := range []struct {
		name               string
		live, inputs, want m
	}{
		{"defaults and status", m{"spec": m{"replicas": 1.0, "strategy": m{}}, "status": m{}}, m{"spec": m{"replicas": 1.0}}, m{"spec": m{"replicas": 1.0}}},
		{"changed", m{"spec": m{"replicas": 5.0}}, m{"spec": m{"replicas": 1.0}}, m{"spec": m{"replicas": 5.0}}},
		{"removed", m{"spec": m{}}, m{"spec": m{"replicas": 1.0}}, m{"spec": m{}}},
		{"empty is left out by the server", m{"spec": m{}}, m{"spec": m{"hostNetwork": false, "nodeSelector": m{}, "volumes": list(), "x": "", "y": nil}},
			m{"spec": m{"hostNetwork": false, "nodeSelector": m{}, "volumes": list(), "x": "", "y": nil}}},
		{"same quantity", m{"limits": m{"cpu": "500m"}}, m{"limits": m{"cpu": "0.5"}}, m{"limits": m{"cpu": "0.5"}}},
		{"other quantity", m{"limits": m{"cpu": "600m"}}, m{"limits": m{"cpu": "0.5"}}, m{"limits": m{"cpu": "600m"}}},
		{"a label is no quantity", m{"labels": m{"version": "1.1"}}, m{"labels": m{"version": "1.10"}}, m{"labels": m{"version": "1.1"}}},
		{"list of objects, one by another", m{"c": list(m{"image": "b", "tty": true}, m{"image": "sidecar"})}, m{"c": list(m{"image": "a"})}, m{"c": list(m{"image": "b"})}},
		{"list of values, one added", m{"args": list("a", "b")}, m{"args": list("a")}, m{"args": list("a", "b")}},
		{"list, one removed", m{"args": list("a")}, m{"args": list("a", "b")}, m{"args": list("a")}},
		{"another shape", m{"port": 80.0}, m{"port": "http"}, m{"port": 80.0}},
	} {
		if got := project(test.live, test.inputs, false); !reflect.DeepEqual(got, test.want) {
			t.Errorf("%s: %v; want %v", test.name, got, test.want)
		}
	}
}

func TestReadable(t *testing.T) {
	live := &unstructured.Unstructured{Object: map[string]any{"kind": "Secret", "data": map[string]any{"k": "aHVzaA=="}}}
	inputs := map[string]any{"kind": "Secret", "stringData": map[string]any{"k": "hush"}}
	if got := project(readable(live, inputs), inputs, false); !reflect.DeepEqual(got, inputs) {
		t.Errorf("%v; want %v", got, inputs)
	}
}

func TestImported(t *testing.T) {
	live := &unstructured.Unstructured{Object: map[string]any{"kind": "Deployment", "status": map[string]any{}, "spec": map[string]any{"replicas": int64(1)},
		"metadata": map[string]any{"name": "timber", "uid": "u", "resourceVersion": "1", "generation": int64(1), "creationTimestamp": "now",
			"annotations": map[string]any{"deployment.kubernetes.io/revision": "1", "mine": "x"}}}}
	want := map[string]any{"kind": "Deployment", "spec": map[string]any{"replicas": int64(1)},
		"metadata": map[string]any{"name": "timber", "annotations": map[string]any{"mine": "x"}}}
	if got := imported(live); !reflect.DeepEqual(got, want) {
		t.Errorf("%v; want %v", got, want)
	}
}
