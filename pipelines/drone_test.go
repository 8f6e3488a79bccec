package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"
)

// dronePipeline is what Drone's documentation allows in a pipeline of an exec
// runner, as far as it is used here: https://docs.drone.io/pipeline/exec/overview
type dronePipeline struct {
	Kind, Type, Name string
	Platform         struct{ OS, Arch string }
	Node             map[string]string
	Concurrency      struct{ Limit int }
	Trigger          struct{ Event, Branch, Cron []string }
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
		"may not be dev":                {"[push], branch: [main]", "[pull_request]"},
		"no runner reaches prod":        {"[make test]", "[make summary STACKS=prod]"},
		"no runner is prod":             {"{identity: dev}", "{identity: prod}"},
		"no runner is watch":            {"{identity: dev}", "{identity: watch}"},
		"event promote":                 {"[push], branch: [main]", "[promote]"},
		"each open an issue":            {"[make test]", "[make issue]"},
		"whatever image":                {"make deploy STACK=dev", "make -s image STACK=dev"},
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
		if slices.Contains(names, p.Name) {
			mistakes = append(mistakes, "there is another pipeline "+p.Name)
		}
		for _, name := range p.DependsOn {
			if !slices.Contains(names, name) {
				mistakes = append(mistakes, "depends_on: there is no pipeline "+name+" before "+p.Name)
			}
		}
		names = append(names, p.Name)
		for _, mistake := range slices.Concat(p.checkTrigger(), p.checkSteps()) {
			mistakes = append(mistakes, "pipeline "+p.Name+": "+mistake)
		}
	}
}

// checkTrigger lists what is wrong with where and when a pipeline runs.
func (p dronePipeline) checkTrigger() (mistakes []string) {
	complain := func(format string, args ...any) { mistakes = append(mistakes, fmt.Sprintf(format, args...)) }
	if p.Kind != "pipeline" || p.Type != "exec" || p.Node["identity"] == "" {
		complain("kind %q, type %q, identity %q, want pipeline, exec, and any", p.Kind, p.Type, p.Node["identity"])
	}
	if p.Platform.OS != "linux" || p.Platform.Arch != "amd64" {
		complain("platform %v, want linux on amd64", p.Platform)
	}
	if len(p.Trigger.Event) == 0 {
		complain("no event triggers it, so that every one would")
	}
	for _, event := range p.Trigger.Event {
		if !slices.Contains([]string{"cron", "pull_request", "push"}, event) {
			complain("event %s: it is another road to what only main may do", event)
		}
	}
	// Every writer can use each runner, and watch reads prod's state.
	if identity := p.Node["identity"]; !slices.Contains([]string{"none", "preview", "dev", "staging"}, identity) {
		complain("no runner is %s", identity)
	}
	if slices.Contains(p.Trigger.Event, "pull_request") && !slices.Contains([]string{"none", "preview"}, p.Node["identity"]) {
		complain("a pull request may not be %s", p.Node["identity"])
	}
	// A pull request's branch is also pushed, and would be tested twice.
	if slices.Contains(p.Trigger.Event, "push") && !slices.Equal(p.Trigger.Branch, []string{"main"}) {
		complain("a push must be only of main")
	}
	return mistakes
}

// checkSteps lists what is wrong with a pipeline's steps.
func (p dronePipeline) checkSteps() (mistakes []string) {
	complain := func(format string, args ...any) { mistakes = append(mistakes, fmt.Sprintf(format, args...)) }
	if len(p.Steps) == 0 {
		complain("no steps")
	}
	for _, step := range p.Steps {
		commands := strings.Join(step.Commands, "\n")
		if step.Name == "" || commands == "" {
			complain("a step has no name or no commands")
		}
		if strings.Contains(commands, "prod") {
			complain("no runner reaches prod")
		}
		if strings.Contains(commands, "make -s image") && !strings.Contains(commands, "COMMIT=") {
			complain("it takes whatever image runs by now, not its commit's")
		}
		if strings.Contains(commands, "make issue") && p.Concurrency.Limit != 1 {
			complain("two runs at once would each open an issue")
		}
		if !strings.Contains(commands, "make deploy") {
			continue
		}
		if p.Concurrency.Limit != 1 {
			complain("may run beside another update")
		}
		if slices.Contains(p.Trigger.Event, "pull_request") {
			complain("a pull request may not deploy")
		}
	}
	return mistakes
}
