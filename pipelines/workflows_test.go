package main

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"
)

// The repository's own workflows and actions keep the rules below.
func TestWorkflows(t *testing.T) {
	for file, text := range filesOf(t, 2, "../.github/workflows/*", "../.github/actions/*/*") {
		for _, mistake := range checkWorkflow(text) {
			t.Errorf("%s: %s", file, mistake)
		}
		for _, mistake := range checkTargets(t, string(text)) {
			t.Errorf("%s: %s", file, mistake)
		}
	}
}

// filesOf reads the files of some patterns, of which there must be at least so many.
func filesOf(t *testing.T, least int, patterns ...string) map[string][]byte {
	t.Helper()
	texts := map[string][]byte{}
	for _, pattern := range patterns {
		found, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range found {
			if texts[file], err = os.ReadFile(file); err != nil {
				t.Fatal(err)
			}
		}
	}
	if len(texts) < least {
		t.Fatalf("of %q there are only %d files", patterns, len(texts))
	}
	return texts
}

// Every rule is kept because breaking it is found.
func TestWorkflowMistakes(t *testing.T) {
	const good = `
on: {pull_request: }
permissions: {contents: read}
jobs:
  test:
    timeout-minutes: 5
    permissions: {contents: read, id-token: write}
    steps:
      - uses: actions/checkout@3d3c42e5aac5ba805825da76410c181273ba90b1 # v7.0.1
        with: {persist-credentials: false}
      - run: make test
        env: {TITLE: "${{ github.event.pull_request.title }}"}
  deploy:
    timeout-minutes: 5
    concurrency: {group: "stack-${{ inputs.stack }}", cancel-in-progress: false}
    steps:
      - run: make deploy
`
	if mistakes := checkWorkflow([]byte(good)); len(mistakes) > 0 {
		t.Fatalf("a good workflow is refused: %q", mistakes)
	}
	for want, edit := range map[string][2]string{
		"line 2: pull_request_target":                  {"{pull_request: }", "{pull_request_target: }"},
		"line 2: workflow_run":                         {"{pull_request: }", "[push, workflow_run]"},
		"contents: write; top-level permissions may":   {"permissions: {contents: read}\n", "permissions: {contents: write}\n"},
		"line 3: permissions must be listed":           {"permissions: {contents: read}\n", "permissions: write-all\n"},
		"no top-level permissions":                     {"permissions: {contents: read}\n", "\n"},
		"line 7: contents: write":                      {"{contents: read, id", "{contents: write, id"},
		"line 7: permissions must be listed":           {"{contents: read, id-token: write}", "read-all"},
		"line 9: actions/checkout@v7":                  {"@3d3c42e5aac5ba805825da76410c181273ba90b1", "@v7"},
		"line 9: actions/checkout@3d3c42e":             {"@3d3c42e5aac5ba805825da76410c181273ba90b1", "@3d3c42e"},
		"no comment with its version":                  {" # v7.0.1", ""},
		"line 10: a checkout must not leave its token": {"persist-credentials: false", "fetch-depth: 0"},
		"line 10: allow-unsafe-pr-checkout":            {"persist-credentials: false", "persist-credentials: false, allow-unsafe-pr-checkout: true"},
		"line 10: credentials_json":                    {"persist-credentials: false", "persist-credentials: false, credentials_json: x"},
		"line 11: an expression inside run":            {"make test", `echo "${{ github.event.pull_request.title }}"`},
		"line 6: job test has no timeout-minutes":      {"    timeout-minutes: 5\n    permissions", "    permissions"},
		"job deploy may be cancelled":                  {"cancel-in-progress: false", "cancel-in-progress: true"},
		"job deploy may be":                            {`"stack-${{ inputs.stack }}"`, "deploys"},
		"job deploy may":                               {`    concurrency: {group: "stack-${{ inputs.stack }}", cancel-in-progress: false}` + "\n", ""},
		"yaml:":                                        {"jobs:", "jobs"},
	} {
		bad := strings.Replace(good, edit[0], edit[1], 1)
		if bad == good {
			t.Fatalf("%q is not in the good workflow", edit[0])
		}
		if mistakes := checkWorkflow([]byte(bad)); !strings.Contains(strings.Join(mistakes, "\n"), want) {
			t.Errorf("found %q, want %q", mistakes, want)
		}
	}
}

// Only a job that does nothing but release a tag may write to the repository.
func TestReleaseMayWrite(t *testing.T) {
	const good = `
on: {push: {tags: ["v*"]}}
permissions: {contents: read}
jobs:
  release:
    timeout-minutes: 5
    permissions: {contents: write}
    steps:
      - run: make release
`
	if mistakes := checkWorkflow([]byte(good)); len(mistakes) > 0 {
		t.Fatalf("a good workflow is refused: %q", mistakes)
	}
	for old, new := range map[string]string{
		`{push: {tags: ["v*"]}}`: `{push: {branches: [main]}}`,
		`{tags: ["v*"]}}`:        `{tags: ["v*"], branches: [main]}}`,
		`["v*"]}}`:               `["v*"]}, pull_request: }`,
		"make release":           "make test",
		"- run: make release":    "- run: make release\n      - run: make test",
	} {
		bad := strings.Replace(good, old, new, 1)
		if mistakes := checkWorkflow([]byte(bad)); !strings.Contains(strings.Join(mistakes, "\n"), "line 7: contents: write") {
			t.Errorf("with %s found %q", new, mistakes)
		}
	}
}

var (
	pinned  = regexp.MustCompile(`^[\w.-]+/[\w./-]+@[0-9a-f]{40}$`)
	version = regexp.MustCompile(`^# v\d+\.\d+\.\d+$`)
	// mayWrite are the only things that a job may write, and only where it says so.
	mayWrite = []string{"attestations", "id-token", "issues", "pull-requests"}
)

// checkWorkflow lists how a workflow or a composite action breaks the rules that
// keep strangers' code from credentials and credentials from doing much.
func checkWorkflow(text []byte) []string {
	var document yaml.Node
	if err := yaml.Unmarshal(text, &document); err != nil {
		return []string{err.Error()}
	}
	root := document.Content[0]
	var mistakes []string
	complain := func(n *yaml.Node, format string, args ...any) {
		mistakes = append(mistakes, fmt.Sprintf("line %d: ", n.Line)+fmt.Sprintf(format, args...))
	}
	permissions := func(n *yaml.Node, mayWrite []string, rule string) {
		if n.Kind != yaml.MappingNode {
			complain(n, "permissions must be listed, not %s", n.Value)
			return
		}
		for i := 0; i < len(n.Content); i += 2 {
			what, access := n.Content[i].Value, n.Content[i+1].Value
			if access != "read" && access != "none" && !slices.Contains(mayWrite, what) {
				complain(n, "%s: %s; %s", what, access, rule)
			}
		}
	}

	if jobs := at(root, "jobs"); jobs != nil {
		on := at(root, "on")
		for _, n := range append([]*yaml.Node{on}, on.Content...) {
			if n.Value == "pull_request_target" || n.Value == "workflow_run" {
				complain(n, "%s gives the code of strangers the rights of this repository", n.Value)
			}
		}
		if top := at(root, "permissions"); top == nil {
			complain(root, "there are no top-level permissions")
		} else {
			permissions(top, nil, "top-level permissions may only read")
		}
		for i := 0; i < len(jobs.Content); i += 2 {
			name, job := jobs.Content[i].Value, resolve(jobs.Content[i+1])
			if p := at(job, "permissions"); p != nil {
				may := mayWrite
				if onTags(on) && releases(job) {
					may = append(slices.Clone(may), "contents")
				}
				permissions(p, may, "a job may write only "+strings.Join(may, ", "))
			}
			if at(job, "uses") == nil && at(job, "timeout-minutes") == nil {
				complain(job, "job %s has no timeout-minutes", name)
			}
			for _, step := range steps(job) {
				if run := at(step, "run"); run == nil || !strings.Contains(run.Value, "make deploy") && !strings.Contains(run.Value, "make destroy") {
					continue
				}
				group, cancel := at(job, "concurrency", "group"), at(job, "concurrency", "cancel-in-progress")
				if group == nil || !strings.HasPrefix(group.Value, "stack-") || cancel == nil || cancel.Value != "false" {
					complain(job, "job %s may be cancelled in the middle of an update, or run beside another", name)
				}
			}
		}
	}
	walk(root, func(key string, value *yaml.Node) {
		switch key {
		case "uses":
			if strings.HasPrefix(value.Value, "./") {
				break
			}
			if !pinned.MatchString(value.Value) {
				complain(value, "%s is not pinned by its full commit", value.Value)
			} else if !version.MatchString(value.LineComment) {
				complain(value, "%s has no comment with its version", value.Value)
			}
		case "run":
			if strings.Contains(value.Value, "${{") {
				complain(value, "an expression inside run, where its value becomes code; pass it in env")
			}
		case "allow-unsafe-pr-checkout", "credentials_json":
			complain(value, "%s is never needed", key)
		}
	})
	for _, step := range steps(root) {
		if uses := at(step, "uses"); uses != nil && strings.HasPrefix(uses.Value, "actions/checkout@") {
			if keep := at(step, "with", "persist-credentials"); keep == nil || keep.Value != "false" {
				complain(cmp.Or(at(step, "with"), step), "a checkout must not leave its token: persist-credentials: false")
			}
		}
	}
	return mistakes
}

// onTags tells whether nothing but a pushed tag starts a workflow.
func onTags(on *yaml.Node) bool {
	push := at(on, "push")
	return push != nil && len(on.Content) == 2 && len(push.Content) == 2 && at(push, "tags") != nil
}

// releases tells whether a job has nothing to run but make release.
func releases(job *yaml.Node) bool {
	var commands []string
	for _, step := range steps(job) {
		if run := at(step, "run"); run != nil {
			commands = append(commands, run.Value)
		}
	}
	return slices.Equal(commands, []string{"make release"})
}

// at returns the value at a path of keys, or nil.
func at(n *yaml.Node, path ...string) *yaml.Node {
	for _, key := range path {
		var found *yaml.Node
		if n = resolve(n); n.Kind == yaml.MappingNode {
			for i := 0; i < len(n.Content); i += 2 {
				if n.Content[i].Value == key {
					found = resolve(n.Content[i+1])
				}
			}
		}
		if n = found; n == nil {
			return nil
		}
	}
	return n
}

func resolve(n *yaml.Node) *yaml.Node {
	if n.Kind == yaml.AliasNode {
		return n.Alias
	}
	return n
}

// walk visits every key with its value.
func walk(n *yaml.Node, visit func(key string, value *yaml.Node)) {
	for i, child := range n.Content {
		if n.Kind == yaml.MappingNode && i%2 == 1 {
			visit(n.Content[i-1].Value, resolve(child))
		}
		walk(child, visit)
	}
}

// steps lists every step below a node.
func steps(n *yaml.Node) []*yaml.Node {
	var list []*yaml.Node
	walk(n, func(key string, value *yaml.Node) {
		if key == "steps" {
			list = append(list, value.Content...)
		}
	})
	return list
}

var (
	makeTarget  = regexp.MustCompile(`\bmake (?:-\S+ )*([a-z]+)`)
	declaration = regexp.MustCompile(`(?m)^([a-z]+):`)
)

// checkTargets lists the make targets that a text calls and the Makefile does not have.
func checkTargets(t *testing.T, text string) []string {
	t.Helper()
	makefile, err := os.ReadFile("../Makefile")
	if err != nil {
		t.Fatal(err)
	}
	var targets, mistakes []string
	for _, m := range declaration.FindAllStringSubmatch(string(makefile), -1) {
		targets = append(targets, m[1])
	}
	for line := range strings.Lines(text) {
		if strings.HasPrefix(strings.TrimSpace(line), "#") {
			continue
		}
		for _, m := range makeTarget.FindAllStringSubmatch(line, -1) {
			if !slices.Contains(targets, m[1]) {
				mistakes = append(mistakes, "the Makefile has no target "+m[1])
			}
		}
	}
	return mistakes
}

// dronePipeline is what Drone's documentation allows in a pipeline of an exec
// runner, as far as it is used here: https://docs.drone.io/pipeline/exec/overview
type dronePipeline struct {
	Kind, Type, Name string
	Platform         struct{ OS, Arch string }
	Node             map[string]string
	Concurrency      struct{ Limit int }
	Trigger          struct{ Event, Branch, Target, Cron []string }
	DependsOn        []string `yaml:"depends_on"`
	Steps            []struct {
		Name        string
		Commands    []string
		Environment map[string]droneValue
		When        struct{ Status []string }
	}
}

// droneValue is a text, or the name of a secret.
type droneValue struct {
	Text       string
	FromSecret string `yaml:"from_secret"`
}

func (v *droneValue) UnmarshalYAML(n *yaml.Node) error {
	if n.Kind == yaml.ScalarNode {
		return n.Decode(&v.Text)
	}
	if len(n.Content) != 2 || n.Content[0].Value != "from_secret" {
		return fmt.Errorf("line %d: an environment variable is a text or from_secret", n.Line)
	}
	return n.Content[1].Decode(&v.FromSecret)
}

func TestDrone(t *testing.T) {
	text, err := os.ReadFile("../.drone.yml")
	if err != nil {
		t.Fatal(err)
	}
	for _, mistake := range append(checkDrone(text), checkTargets(t, string(text))...) {
		t.Error(mistake)
	}
}

func TestDroneMistakes(t *testing.T) {
	const good = `
kind: pipeline
type: exec
name: test
platform: {os: linux, arch: amd64}
node: {identity: none}
trigger: {event: [pull_request]}
steps:
  - name: test
    commands: [make test]
    environment: {TOKEN: {from_secret: token}, PLAIN: text}
---
kind: pipeline
type: exec
name: dev
platform: {os: linux, arch: amd64}
node: {identity: dev}
concurrency: {limit: 1}
trigger: {event: [push], branch: [main]}
depends_on: [test]
steps:
  - name: deploy
    commands: [make deploy STACK=dev]
`
	if mistakes := checkDrone([]byte(good)); len(mistakes) > 0 {
		t.Fatalf("a good file is refused: %q", mistakes)
	}
	for want, edit := range map[string][2]string{
		"field step not found":          {"steps:", "step:"},
		"field branches not found":      {"branch:", "branches:"},
		"from_secret":                   {"{from_secret: token}", "{secret: token}"},
		"kind":                          {"kind: pipeline", "kind: workflow"},
		"platform":                      {"os: linux", "os: windows"},
		"no pipeline other":             {"depends_on: [test]", "depends_on: [other]"},
		"another pipeline test":         {"name: dev", "name: test"},
		"event tags":                    {"[pull_request]", "[tags]"},
		"no event":                      {"trigger: {event: [pull_request]}", "trigger: {}"},
		"no commands":                   {"commands: [make test]", "commands: []"},
		"beside another update":         {"concurrency: {limit: 1}\n", ""},
		"a pull request may not deploy": {"[push], branch: [main]", "[pull_request]"},
		"only of main":                  {", branch: [main]", ""},
	} {
		bad := strings.Replace(good, edit[0], edit[1], 1)
		if bad == good {
			t.Fatalf("%q is not in the good file", edit[0])
		}
		if mistakes := checkDrone([]byte(bad)); !strings.Contains(strings.Join(mistakes, "\n"), want) {
			t.Errorf("found %q, want %q", mistakes, want)
		}
	}
}

// checkDrone lists what is wrong with a .drone.yml.
func checkDrone(text []byte) []string {
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	decoder.KnownFields(true)
	var mistakes, names []string
	for {
		var p dronePipeline
		if err := decoder.Decode(&p); errors.Is(err, io.EOF) {
			return mistakes
		} else if err != nil {
			return append(mistakes, err.Error())
		}
		complain := func(format string, args ...any) {
			mistakes = append(mistakes, fmt.Sprintf("pipeline %s: ", p.Name)+fmt.Sprintf(format, args...))
		}
		if p.Kind != "pipeline" || p.Type != "exec" || p.Node["identity"] == "" {
			complain("kind %q, type %q, identity %q, want pipeline, exec, and any", p.Kind, p.Type, p.Node["identity"])
		}
		if p.Platform.OS != "linux" || p.Platform.Arch != "amd64" {
			complain("platform %v, want linux on amd64", p.Platform)
		}
		if slices.Contains(names, p.Name) {
			complain("there is another pipeline %s", p.Name)
		}
		for _, name := range p.DependsOn {
			if !slices.Contains(names, name) {
				complain("depends_on: there is no pipeline %s before it", name)
			}
		}
		names = append(names, p.Name)
		if len(p.Trigger.Event) == 0 {
			complain("no event triggers it, so that every one would")
		}
		for _, event := range p.Trigger.Event {
			if !slices.Contains([]string{"cron", "custom", "promote", "pull_request", "push", "rollback", "tag"}, event) {
				complain("Drone has no event %s", event)
			}
		}
		for _, step := range p.Steps {
			if step.Name == "" || len(step.Commands) == 0 {
				complain("a step has no name or no commands")
			}
			if !strings.Contains(strings.Join(step.Commands, "\n"), "make deploy") {
				continue
			}
			if p.Concurrency.Limit != 1 {
				complain("may run beside another update")
			}
			if slices.Contains(p.Trigger.Event, "pull_request") {
				complain("a pull request may not deploy")
			}
			if slices.Contains(p.Trigger.Event, "push") && !slices.Equal(p.Trigger.Branch, []string{"main"}) {
				complain("deploys a push, which must be only of main")
			}
		}
		if len(p.Steps) == 0 {
			complain("no steps")
		}
	}
}

// A stack of this machine meets the emulator and no other, any other meets what
// the environment says.
func TestMake(t *testing.T) {
	for _, tt := range []struct {
		args       string
		want, lack []string
	}{
		{"deploy STACK=prod BACKEND=gs://acme- IMAGE=x@sha256:1", []string{"PULUMI_STACK=prod PULUMI_BACKEND_URL=gs://acme-prod", "cp Pulumi.prod.yaml", "pulumi up --yes --config-file bin/config/prod.yaml", "--expect-no-changes"}, []string{".emulator"}},
		{"deploy STACK=dev", []string{"PULUMI_STACK=dev", "pulumi up --yes"}, []string{".emulator", "BACKEND", "--config"}},
		{"deploy", []string{".emulator/bin/setup build", ".emulator/bin/setup env local"}, []string{"PULUMI_STACK="}},
		{"drift STACKS=staging_prod", []string{"PULUMI_STACK=staging", "PULUMI_STACK=prod", "--refresh", "pulumi config refresh"}, []string{".emulator", "pulumi up", "pulumi refresh"}},
		{"summary STACKS=staging_local-2 IMAGE=deployed", []string{"PULUMI_STACK=staging", ".emulator/bin/setup env local-2"}, []string{"pulumi up"}},
		{"preview STACK=prod", []string{"pulumi preview --diff"}, []string{".emulator"}},
		{"doctor STACK=dev", []string{"PULUMI_STACK=dev", "go run ./doctor"}, []string{".emulator"}},
		{"doctor", []string{".emulator/bin/setup doctor"}, []string{"go run ./doctor"}},
		{"release TAG=v1.2.0", []string{`go run ./pipelines notes "$TAG"`, "gh release create", "--verify-tag"}, []string{".emulator", "pulumi"}},
		{"destroy STACK=prod", []string{`"$CONFIRM" = "$STACK"`, "PULUMI_STACK=prod", "pulumi destroy"}, []string{".emulator", "--skip-preview"}},
	} {
		args := []string{"-C", "..", "-n"}
		for arg := range strings.FieldsSeq(tt.args) {
			args = append(args, strings.ReplaceAll(arg, "_", " "))
		}
		command := exec.Command("make", args...)
		command.Env = []string{"PATH=" + os.Getenv("PATH")}
		out, err := command.CombinedOutput()
		if err != nil {
			t.Fatalf("make %s: %v\n%s", tt.args, err, out)
		}
		for _, want := range tt.want {
			if !strings.Contains(string(out), want) {
				t.Errorf("make %s does not do %q:\n%s", tt.args, want, out)
			}
		}
		for _, lack := range tt.lack {
			if strings.Contains(string(out), lack) {
				t.Errorf("make %s does %q:\n%s", tt.args, lack, out)
			}
		}
	}
	// And for what is not of this machine there is no make up.
	for _, target := range []string{"up", "down"} {
		command := exec.Command("make", "-C", "..", "-n", target, "STACK=prod")
		if out, err := command.CombinedOutput(); err == nil || !strings.Contains(string(out), "STACK=prod") {
			t.Errorf("make %s STACK=prod ended with %v:\n%s", target, err, out)
		}
	}
}
