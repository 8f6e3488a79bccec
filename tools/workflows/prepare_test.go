package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"
)

// checkedOut is what the jobs read of the repository before a stand-in takes over.
var checkedOut = []string{"Makefile", "go.mod", "go.sum", ".github"}

// prepare copies the repository into a folder, with a version to release, and adds to each
// job what GitHub does around it and act does not: approvals, locks and permissions.
func (r *run) prepare(t *testing.T, folder string, s scenario) {
	t.Helper()
	for _, name := range checkedOut {
		if err := copyTree(filepath.Join("..", "..", name), filepath.Join(folder, name)); err != nil {
			t.Fatal(err)
		}
	}
	for name, text := range map[string]string{"CHANGELOG.md": "## [1.2.0] - 2026-11-26\n\n- A note\n", "pipelines/google.env": places, "pipelines/plugins.sums": ""} {
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
		var document yaml.Node
		if err := yaml.Unmarshal([]byte(edited), &document); err != nil {
			t.Fatal(err)
		}
		r.surround(document.Content[0], fmt.Sprintf("%02d", i), filepath.Base(path) == s.file)
		if text, err = yaml.Marshal(&document); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// surround adds a first and a last step to each job of a workflow.
func (r *run) surround(workflow *yaml.Node, place string, starts bool) {
	jobs := at(workflow, "jobs")
	for i := 0; i < len(jobs.Content); i += 2 {
		name, job := jobs.Content[i].Value, jobs.Content[i+1]
		here := fmt.Sprintf("%s.%02d", place, i)
		r.order[at(workflow, "name").Value+"/"+name] = here
		steps := at(job, "steps")
		if steps == nil {
			if starts {
				r.order[name] = here
			}
			continue
		}
		permissions := at(job, "permissions")
		if permissions == nil {
			permissions = at(workflow, "permissions")
		}
		environment := scalar(at(job, "environment"), "name")
		begin := map[string]any{"name": "begin", "run": "github begin", "env": map[string]string{
			"RUNNER": at(job, "runs-on").Value, "ENVIRONMENT": environment,
			"GROUP": scalar(at(job, "concurrency"), "group"), "MAY": list(permissions),
		}}
		end := map[string]any{"name": "end", "if": "always()", "run": "github end", "env": map[string]string{
			"GROUP": scalar(at(job, "concurrency"), "group"), "STATUS": "${{ job.status }}", "URL": value(at(at(job, "environment"), "url")),
		}}
		remove(job, "concurrency") // act ignores it, and does not know all of its keys
		steps.Content = append(append([]*yaml.Node{encode(begin)}, steps.Content...), encode(end))
	}
}

// at is the value of a key, or nil.
func at(n *yaml.Node, key string) *yaml.Node {
	if n == nil || n.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			if n = n.Content[i+1]; n.Kind == yaml.AliasNode {
				n = n.Alias
			}
			return n
		}
	}
	return nil
}

// remove takes a key out of a mapping.
func remove(n *yaml.Node, key string) {
	for i := 0; i < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			n.Content = slices.Delete(n.Content, i, i+2)
			return
		}
	}
}

// value is a scalar's, or empty.
func value(n *yaml.Node) string {
	if n == nil {
		return ""
	}
	return n.Value
}

// scalar is a value that may also be written as the only key of a mapping.
func scalar(n *yaml.Node, key string) string {
	if inner := at(n, key); inner != nil {
		n = inner
	}
	return value(n)
}

// list writes permissions in one line.
func list(permissions *yaml.Node) string {
	var words []string
	for i := 0; i < len(permissions.Content); i += 2 {
		words = append(words, permissions.Content[i].Value+":"+permissions.Content[i+1].Value)
	}
	return strings.Join(words, " ")
}

func encode(v any) *yaml.Node {
	n := &yaml.Node{}
	if err := n.Encode(v); err != nil {
		panic(err) // of maps of strings
	}
	return n
}
