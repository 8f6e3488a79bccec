package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
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
		Environment map[string]any
		When        struct{ Status []string }
	}
}

func TestDrone(t *testing.T) {
	text := read(t, "../.drone.yml")
	for _, mistake := range append(checkDrone([]byte(text)), checkTargets(t, text)...) {
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
		"event [tags]":                  {"[pull_request]", "[tags]"},
		"no event":                      {"trigger: {event: [pull_request]}", "trigger: {}"},
		"no commands":                   {"commands: [make test]", "commands: []"},
		"beside another update":         {"concurrency: {limit: 1}\n", ""},
		"a pull request may not deploy": {"[push], branch: [main]", "[pull_request]"},
		"only of main":                  {", branch: [main]", ""},
		"may not be dev":                {"[push], branch: [main]", "[pull_request]"},
		"no runner reaches prod":        {"[make test]", "[make summary STACKS=prod]"},
		"no runner is prod":             {"{identity: dev}", "{identity: prod}"},
		"no runner is watch":            {"{identity: dev}", "{identity: watch}"},
		"event [promote]":               {"[push], branch: [main]", "[promote]"},
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
		for mistake, made := range p.mistakes() {
			if made {
				mistakes = append(mistakes, "pipeline "+p.Name+": "+mistake)
			}
		}
	}
}

// mistakes are what can be wrong with where and when a pipeline runs, and with its steps.
func (p dronePipeline) mistakes() map[string]bool {
	var all []string
	incomplete, secrets := len(p.Steps) == 0, false
	for _, step := range p.Steps {
		all = append(all, step.Commands...)
		incomplete = incomplete || step.Name == "" || len(step.Commands) == 0
		for _, value := range step.Environment {
			secret, ok := value.(map[string]any)
			secrets = secrets || ok && (len(secret) != 1 || secret["from_secret"] == nil)
		}
	}
	commands, identity, events := strings.Join(all, "\n"), p.Node["identity"], p.Trigger.Event
	pull, deploys, alone := slices.Contains(events, "pull_request"), strings.Contains(commands, "make deploy"), p.Concurrency.Limit == 1
	not := func(value string, list ...string) bool { return !slices.Contains(list, value) }
	return map[string]bool{
		fmt.Sprintf("kind %q, type %q, want pipeline, exec", p.Kind, p.Type): p.Kind != "pipeline" || p.Type != "exec",
		fmt.Sprintf("platform %v, want linux on amd64", p.Platform):          p.Platform.OS != "linux" || p.Platform.Arch != "amd64",
		"no event triggers it, so that every one would":                      len(events) == 0,
		fmt.Sprintf("event %v: it is another road to what only main may do", events): slices.ContainsFunc(events, func(event string) bool {
			return not(event, "cron", "pull_request", "push")
		}),
		// Every writer can use each runner, and watch reads prod's state.
		"no runner is " + identity:              not(identity, "none", "preview", "dev", "staging"),
		"a pull request may not be " + identity: pull && not(identity, "none", "preview"),
		// A pull request's branch is also pushed, and would be tested twice.
		"a push must be only of main":                      slices.Contains(events, "push") && !slices.Equal(p.Trigger.Branch, []string{"main"}),
		"no steps, or one has no name or no commands":      incomplete,
		"an environment variable is a text or from_secret": secrets,
		"no runner reaches prod":                           strings.Contains(commands, "prod"),
		"it takes whatever image runs by now, not its commit's": slices.ContainsFunc(all, func(command string) bool {
			return strings.Contains(command, "make -s image") && !strings.Contains(command, "COMMIT=")
		}),
		"two runs at once would each open an issue": strings.Contains(commands, "make issue") && !alone,
		"may run beside another update":             deploys && !alone,
		"a pull request may not deploy":             deploys && pull,
	}
}
