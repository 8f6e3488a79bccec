//go:build linux

package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

const stack = "urn:pulumi:s::p::"

// TestLongestChain: data, explicit dependencies and the provider keep a resource
// waiting; what runs beside does not count.
func TestLongestChain(t *testing.T) {
	cluster, image, provider, pods := stack+"gcp:container/cluster:Cluster::a", stack+"docker:index/image:Image::b", stack+"pulumi:providers:kubernetes::c", stack+"kubernetes:apps/v1:Deployment::d"
	resources := []resource{
		{URN: cluster}, {URN: image},
		{URN: provider, PropertyDependencies: map[string][]string{"kubeconfig": {cluster}}},
		{URN: pods, Dependencies: []string{image}, Provider: provider + "::id"},
	}
	spans := []span{
		{urn: cluster, end: 5 * time.Second},
		{urn: image, end: 3 * time.Second},
		{urn: provider, start: 6 * time.Second, end: 7 * time.Second},
		{urn: pods, start: 9 * time.Second, end: 11 * time.Second}, // two seconds late
	}
	length, names := longestChain(spans, resources)
	if want := []string{"Cluster 5.0 s", "kubernetes 1.0 s", "Deployment 2.0 s"}; length != 8*time.Second || !slices.Equal(names, want) {
		t.Errorf("longest chain is %s %q, want 8s %q", length, names, want)
	}
}

func TestRead(t *testing.T) {
	spans, complaints := read(strings.NewReader(`warning: no JSON
{"resourcePreEvent": {"metadata": {"op": "create", "urn": "a", "type": "t"}}}
{"resourcePreEvent": {"metadata": {"op": "create", "urn": "b", "type": "t"}}}
{"resOutputsEvent": {"metadata": {"op": "create", "urn": "b", "type": "t"}}}
{"diagnosticEvent": {"severity": "error", "message": "quota"}}
`))
	if len(spans) != 2 || !spans[0].end.IsZero() || spans[1].end.IsZero() || spans[0].urn != "a" || spans[1].urn != "b" {
		t.Errorf("spans are %+v", spans)
	}
	if !slices.Equal(complaints, []string{"quota"}) {
		t.Errorf("complaints are %q", complaints)
	}
}

func TestWatch(t *testing.T) {
	b := &bench{ctx: t.Context(), root: t.TempDir(), env: os.Environ()}
	out, used, err := measured(b.command("sh", "-c", `i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done; sleep 0.3; echo done`))
	if err != nil || out != "done" {
		t.Fatalf("%q, %v", out, err)
	}
	if used.cpu == 0 || used.wall <= used.kind["others"] || used.peak == 0 {
		t.Errorf("used %+v", used)
	}
	if _, _, err := measured(b.command("sh", "-c", "echo reason >&2; exit 3")); err == nil || !strings.Contains(err.Error(), "reason") {
		t.Errorf("the error is %v", err)
	}
}

func TestReplaceTable(t *testing.T) {
	path := filepath.Join(t.TempDir(), "benchmarks.md")
	for i, test := range []struct{ text, want string }{
		{"before\n" + begin + "old\n" + end + "after\n", "before\n" + begin + "new\n" + end + "after\n"},
		{"no place\n", ""},
	} {
		if err := os.WriteFile(path, []byte(test.text), 0o644); err != nil {
			t.Fatal(err)
		}
		err := replaceTable(path, "new\n")
		got, _ := os.ReadFile(path)
		if (err == nil) != (test.want != "") || test.want != "" && string(got) != test.want {
			t.Errorf("%d: %q, %v", i, got, err)
		}
	}
}

// TestDocument: the figures have their place, and the edits that the loop makes theirs.
func TestPlaces(t *testing.T) {
	text, err := os.ReadFile("../../docs/benchmarks.md")
	if err != nil || !strings.Contains(string(text), begin) || !strings.Contains(string(text), end) {
		t.Errorf("docs/benchmarks.md has no place for the table: %v", err)
	}
	copied := t.TempDir()
	if out, err := exec.Command("cp", "-r", "../../stacks", "../../app", copied).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for _, e := range slices.Concat(loopEdits, imageEdits) {
		if e.path != "" {
			if err := edit(filepath.Join(copied, e.path), e.pattern, e.with); err != nil {
				t.Error(err)
			}
		}
	}
}
