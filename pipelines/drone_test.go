package main

import (
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"

	"hello-timber/pipelines/run/runtest"
)

// dronePipeline is what Drone's documentation allows in a pipeline of an exec
// runner, as far as it is used here: https://docs.drone.io/pipeline/exec/overview
type dronePipeline struct {
	Kind, Type, Name string
	Node             map[string]string
	Concurrency      struct{ Limit int }
	Trigger          struct{ Event, Branch, Cron []string }
	DependsOn        []string `yaml:"depends_on"`
	Steps            []struct {
		Name        string
		Commands    []string
		Environment map[string]struct {
			Secret string `yaml:"from_secret"`
		}
		When struct{ Status []string }
	}
}

// Each pipeline is what it is here, in Drone's own fields and no others. Every writer can use
// each runner, so none is one of prod, nor watch, which reads prod's state.
func TestDrone(t *testing.T) {
	text := runtest.Read(t, "../.drone.yml")
	for _, mistake := range checkTargets(t, text) {
		t.Error(mistake)
	}
	want := map[string]string{ // a pull request's branch is also pushed: only main's pushes are built
		"test":    "none [pull_request] [] 0 []: make version, make lint, make test, make e2e, make vulnerabilities",
		"preview": "preview [pull_request] [] 0 []: dependabot/*) exit, make summary, dependabot/*) exit with GITHUB_TOKEN, make comment with GITHUB_TOKEN",
		"main":    "none [push] [main] 0 []: make lint, make test, make e2e, make vulnerabilities",
		"dev":     "dev [push] [main] 1 [main]: make deploy",
		"staging": "staging [push] [main] 1 [dev]: make -s image, make deploy",
		"drift":   "preview [cron] [] 1 []: make issue with GITHUB_TOKEN", // two at once would each open an issue
	}
	decoder := yaml.NewDecoder(strings.NewReader(text))
	decoder.KnownFields(true)
	for {
		var p dronePipeline
		if err := decoder.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		var commands []string
		for _, step := range p.Steps {
			for _, command := range step.Commands {
				command = regexp.MustCompile(`dependabot/\*\) exit|make (-s )?\w+`).FindString(command)
				for name := range step.Environment {
					command += " with " + name
				}
				commands = append(commands, command)
			}
		}
		got := fmt.Sprint(p.Node["identity"], " ", p.Trigger.Event, " ", p.Trigger.Branch, " ", p.Concurrency.Limit, " ", p.DependsOn, ": ", strings.Join(commands, ", "))
		if got != want[p.Name] || p.Kind != "pipeline" || p.Type != "exec" {
			t.Errorf("the %s %s, %s, is\n%s\nwant\n%s", p.Kind, p.Name, p.Type, got, want[p.Name])
		}
		delete(want, p.Name)
	}
	if len(want) > 0 || regexp.MustCompile(`(?m)^[^#\n]*\b(prod|watch)\b`).MatchString(text) || strings.Count(text, "make -s image STACK=dev COMMIT=") != strings.Count(text, "make -s image") {
		t.Errorf("without %q, with prod or watch, or with whatever image runs by now", want)
	}
}
