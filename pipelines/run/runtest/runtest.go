// Package runtest runs the pipelines' commands in tests: in a folder with the config files of
// some stacks, with a Pulumi CLI that only answers. Programs that tests put on PATH are shell
// scripts.
package runtest

import (
	"context"
	"errors"
	"flag"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/auto"

	"hello-timber/pipelines/cost"
	"hello-timber/pipelines/run"
)

// Command is one of the pipelines' commands.
type Command = func(context.Context, *run.Pipeline) error

// Runner runs commands with these variables, on stacks of testdata.
type Runner struct {
	*testing.T
	Pulumi *Pulumi
	Folder string
	Env    map[string]string
}

// New makes a runner, with more variables.
func New(t *testing.T, env ...string) *Runner {
	t.Helper()
	t.Setenv("LOCAL", "local e2e")
	prices, _ := files.ReadFile("testdata/prices.csv")
	cost.Fix(string(prices))
	Script(t, t.TempDir(), "pulumi", "echo v3.250.0")
	official, err := auto.NewPulumiCommand(nil)
	if err != nil {
		t.Fatal(err)
	}
	r := &Runner{t, &Pulumi{PulumiCommand: official, t: t, Stacks: stacks()}, t.TempDir(), map[string]string{}}
	for name := range r.Pulumi.Stacks {
		r.Write("Pulumi."+name+".yaml", "config: {}\n")
	}
	r.Write("Pulumi.yaml", "name: hello-timber\nruntime: go\n")
	r.Write(run.GoogleFile, "BACKEND=\nIMAGES=\n")
	r.Write(run.SumsFile, "")
	r.Set("COMMIT=0123456789", "GITHUB_RUN_ID=12345678901", "GITHUB_SERVER_URL=https://github.com", "GITHUB_REPOSITORY=o/r")
	r.Set(env...)
	return r
}

func stacks() map[string]*Stack {
	running, ready := map[string]any{"image": ImageV1, "url": "http://203.0.113.1/index"}, StateWith(ImageV1, ImageV1, "", "")
	return map[string]*Stack{
		"dev":     {Events: "dev.events", Outputs: running, State: StateWith(ImageV1, ImageV1, "", ImageV1)},
		"staging": {Events: "staging.events", Outputs: running, State: ready, Head: "0123456789"},
		"prod":    {Events: "prod.events", Outputs: running, State: ready},
		"drifted": {Events: "drifted.events", Outputs: running,
			State: `{"resources": [{"urn": "urn:pulumi:drifted::p::kubernetes:core/v1:Secret::environment", "type": "kubernetes:core/v1:Secret"}]}`},
		"refused":   {Events: "refused.events", Complaint: "error: preview failed\n", State: ready},
		"fresh":     {Events: "dev.events", Outputs: map[string]any{}, State: `{}`},
		"updating":  {Events: "staging.events", State: `{"resources": [{}], "pending_operations": [{}]}`},
		"odd":       {Events: "staging.events", State: StateWith("timber:v1", "", "", "")},
		"forbidden": {Events: "staging.events", Unreadable: "error: could not read the state: 403 Forbidden\n"},
	}
}

// Set sets variables, or unsets those whose value is "-".
func (r *Runner) Set(env ...string) { set(r.Env, env) }

func set(variables map[string]string, env []string) {
	for _, variable := range env {
		name, value, _ := strings.Cut(variable, "=")
		if variables[name] = value; value == "-" {
			delete(variables, name)
		}
	}
}

// Pipeline is a run with more variables, which writes there.
func (r *Runner) Pipeline(out, log *strings.Builder, env ...string) *run.Pipeline {
	variables := maps.Clone(r.Env)
	set(variables, env)
	return &run.Pipeline{Folder: r.Folder, Out: out, Log: log, Pulumi: r.Pulumi,
		Lookup: func(name string) (string, bool) { value, ok := variables[name]; return value, ok },
		Pause:  func(context.Context, time.Duration) error { return nil }}
}

// Run runs a command, with more variables.
func (r *Runner) Run(command Command, env ...string) (out, log string, err error) {
	r.Helper()
	var stdout, stderr strings.Builder
	err = command(r.Context(), r.Pipeline(&stdout, &stderr, env...))
	return stdout.String(), stderr.String(), err
}

// Try runs a command whose error must say a text, or which must succeed if that is empty.
func (r *Runner) Try(what, want string, command Command, env ...string) (out, log string) {
	r.Helper()
	out, log, err := r.Run(command, env...)
	if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
		r.Errorf("%s: got %v, want %q, and in the log\n%s", what, err, want, log)
	}
	return out, log
}

// Reports runs a command that succeeds, and returns what it hands to later steps.
func (r *Runner) Reports(command Command, env ...string) string {
	r.Helper()
	file := filepath.Join(r.TempDir(), "outputs")
	if _, log, err := r.Run(command, append(env, "GITHUB_OUTPUT="+file)...); err != nil {
		r.Fatal(err, log)
	}
	return Read(r.T, file)
}

// Called reports whether pulumi was called so, with all of these in one call.
func (r *Runner) Called(command string, parts ...string) bool { return r.Count(command, parts...) > 0 }

// Count is how often pulumi was called so.
func (r *Runner) Count(command string, parts ...string) (n int) {
	for _, call := range r.Pulumi.Calls {
		all := strings.HasPrefix(call, command+" ")
		for _, part := range parts {
			all = all && strings.Contains(call, part)
		}
		if all {
			n++
		}
	}
	return n
}

// Write writes a file of the repository.
func (r *Runner) Write(name, text string) {
	r.Helper()
	Write(r.T, filepath.Join(r.Folder, name), text)
}

// Budget writes the key into a stack's config file.
func (r *Runner) Budget(stack, value string) {
	r.Helper()
	r.Write("Pulumi."+stack+".yaml", "config:\n  hello-timber:budget: "+value+"\n")
}

// Write writes a file and makes its folder.
func Write(t *testing.T, path, text string) {
	t.Helper()
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte(text), 0o600)); err != nil {
		t.Fatal(err)
	}
}

// Read reads a file.
func Read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

var update = flag.Bool("update", false, "rewrite the golden files")

// Golden compares a text with a file in testdata.
func Golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name+".golden.md")
	if *update {
		Write(t, path, got)
	}
	if got != Read(t, path) {
		t.Errorf("got\n%s\nwant %s. If the new text is right: go test ./pipelines/summary ./pipelines/deploy -update", got, path)
	}
}

// Script writes a program into a folder, which becomes the first of the PATH.
func Script(t *testing.T, folder, name, text string) {
	t.Helper()
	path := filepath.Join(folder, name)
	Write(t, path, "#!/bin/sh\n"+text+"\n")
	if err := os.Chmod(path, 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", folder+":"+os.Getenv("PATH"))
}
