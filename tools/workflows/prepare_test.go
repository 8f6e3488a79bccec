package main

import (
	"cmp"
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"
)

// checkedOut is what the jobs read of the repository before a stand-in takes over.
var checkedOut = []string{"Makefile", ".github", "pipelines/deploy/testdata"}

// prepare copies the repository into a folder, with a version to release, and adds to each
// job what GitHub does around it and act does not: approvals, locks and permissions.
func (r *run) prepare(t *testing.T, folder string, s scenario) {
	t.Helper()
	for _, name := range checkedOut {
		if err := copyTree(filepath.Join("..", "..", name), filepath.Join(folder, name)); err != nil {
			t.Fatal(err)
		}
	}
	sums := fmt.Sprintf("%x  pulumi-v1.2.3-linux-x64.tar.gz\n", sha256.Sum256(cli()))
	for name, text := range map[string]string{"CHANGELOG.md": "## [1.2.0] - 2026-11-26\n\n- A note\n", "pipelines/google.env": places, "pipelines/plugins.sums": sums} {
		if err := errors.Join(os.MkdirAll(filepath.Dir(filepath.Join(folder, name)), 0o700), os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	workflows, err := filepath.Glob(filepath.Join(folder, ".github", "workflows", "*.yml"))
	if err != nil || len(workflows) == 0 {
		t.Fatalf("there are no workflows: %v", err)
	}
	for i, path := range workflows {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		// act does not know repository_id. The event has the same number.
		edited := strings.ReplaceAll(string(text), "github.repository_id", "github.event.repository.id")
		if s.edit != nil {
			edited = s.edit(filepath.Base(path), edited)
		}
		var workflow map[string]any
		if err := yaml.Unmarshal([]byte(edited), &workflow); err != nil {
			t.Fatal(err)
		}
		for name, job := range workflow["jobs"].(map[string]any) {
			place := fmt.Sprintf("%02d.%05d", i, strings.Index(edited, "\n  "+name+":"))
			r.order[fmt.Sprint(workflow["name"], "/", name)] = place
			if job := job.(map[string]any); job["steps"] != nil {
				surround(job, workflow["permissions"])
			} else if filepath.Base(path) == s.file {
				r.order[name] = place
			}
		}
		if text, err = yaml.Marshal(workflow); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// surround adds a first and a last step to a job.
func surround(job map[string]any, permissions any) {
	if own, ok := job["permissions"]; ok {
		permissions = own
	}
	environment, group := named(job["environment"], "name"), named(job["concurrency"], "group")
	begin := map[string]any{"name": "begin", "run": "github begin", "env": map[string]any{
		"RUNNER": fmt.Sprint(named(job["runs-on"], "group")), "ENVIRONMENT": environment, "GROUP": group, "MAY": list(permissions),
	}}
	end := map[string]any{"name": "end", "if": "always()", "run": "github end", "env": map[string]any{
		"GROUP": group, "STATUS": "${{ job.status }}", "URL": named(job["environment"], "url"),
	}}
	job["runs-on"] = label     // whatever label or group a project writes
	delete(job, "concurrency") // act ignores it, and does not know all of its keys
	job["steps"] = slices.Concat([]any{begin}, job["steps"].([]any), []any{end})
}

// named is a value of a mapping, or what is written instead of its name or group.
func named(value any, key string) any {
	if mapping, ok := value.(map[string]any); ok {
		return cmp.Or(mapping[key], any(""))
	}
	if value == nil || key == "url" {
		return ""
	}
	return value
}

// list writes permissions in one line.
func list(permissions any) string {
	granted, _ := permissions.(map[string]any)
	var words []string
	for _, name := range slices.Sorted(maps.Keys(granted)) {
		words = append(words, fmt.Sprint(name, ":", granted[name]))
	}
	return strings.Join(words, " ")
}
