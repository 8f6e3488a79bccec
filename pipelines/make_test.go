package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"hello-timber/pipelines/run/runtest"
)

// typed are the names of what people type, from the Makefile.
func typed(t *testing.T) []string {
	t.Helper()
	return strings.Fields(regexp.MustCompile(`(?m)^TYPED = (.+)$`).FindStringSubmatch(runtest.Read(t, "../Makefile"))[1])
}

// makeIt runs make in the repository's folder with a go that prints its arguments
// and what people type.
func makeIt(t *testing.T, env []string, args ...string) (string, error) {
	t.Helper()
	tools := t.TempDir()
	runtest.Script(t, tools, "go", "echo \"go $*\"\nfor name in "+strings.Join(typed(t), " ")+"; do eval \"[ -z \\${$name+x} ] || printf '%s=[%s]\\n' $name \\\"\\$$name\\\"\"; done")
	command := exec.Command("make", append([]string{"-C", "..", "--silent", "--no-print-directory"}, args...)...)
	command.Env = append([]string{"PATH=" + os.Getenv("PATH"), "GOTMPDIR=" + tools}, env...)
	out, err := command.CombinedOutput()
	return string(out), err
}

// Each target is one command, and what a person types reaches it as it is: neither
// make nor a shell expands it, whether it comes as an argument or from the environment.
func TestMakeExpandsNothing(t *testing.T) {
	pwned := filepath.Join(t.TempDir(), "pwned")
	for i, attack := range []string{
		"$(shell id > " + pwned + ")", "x&&id>" + pwned + "&&true", "`id>" + pwned + "`", "$(id>" + pwned + ")", "local$(shell id > " + pwned + ")", `";id>` + pwned + `;"`, "'; id > " + pwned + "; '",
	} {
		var variables []string
		want := ""
		for _, name := range typed(t) {
			variables = append(variables, name+"="+attack)
			want += name + "=[" + attack + "]\n"
		}
		// Every target with the first, which is make's own; one with every one.
		for target := range commands {
			if i > 0 && target != "deploy" {
				continue
			}
			if out, err := makeIt(t, nil, append([]string{target}, variables...)...); err != nil || out != "go run ./pipelines "+target+"\n"+want {
				t.Errorf("make %s %q: %v\n%s", target, variables, err, out)
			}
		}
		if out, err := makeIt(t, variables, "deploy"); err != nil || out != "go run ./pipelines deploy\n"+want {
			t.Errorf("%q in the environment: %v\n%s", variables, err, out)
		}
		// The targets of this machine refuse it or pass it on: it is in no command.
		for _, target := range []string{"up", "down", "env", "doctor", "e2e"} {
			if out, err := makeIt(t, nil, append([]string{"-n", target}, variables...)...); err == nil && strings.Contains(out, attack) {
				t.Errorf("make %s %q: %s", target, variables, out)
			}
		}
		if _, err := os.Stat(pwned); err == nil {
			t.Fatalf("%s was executed", attack)
		}
	}
}

// Whatever this program reads from its environment is listed as typed, unless a CI
// system sets it.
func TestTypedNames(t *testing.T) {
	names := typed(t)
	reads := regexp.MustCompile(`p\.(?:Env|Lookup|Named|AppendTo)\("([A-Z_]+)"`)
	found := 0
	for file, text := range filesOf(t, 10, "*/*.go") {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		for _, name := range reads.FindAllStringSubmatch(string(text), -1) {
			found++
			byCI := strings.HasPrefix(name[1], "DRONE_") || strings.HasPrefix(name[1], "GITHUB_") && name[1] != "GITHUB_REPOSITORY"
			if !byCI && !slices.Contains(names, name[1]) {
				t.Errorf("%s reads %s, which is not in the Makefile's TYPED", file, name[1])
			}
		}
	}
	if found < 10 {
		t.Errorf("only %d names are read", found)
	}
}

// An image that is given and empty is not one that is not given.
func TestMakePassesEmptiness(t *testing.T) {
	for _, tt := range []struct {
		args []string
		want string
	}{
		{[]string{"deploy", "STACK=prod", "IMAGE="}, "STACK=[prod]\nFROM=[dev]\nIMAGE=[]\n"},
		{[]string{"deploy", "STACK=prod"}, "STACK=[prod]\nFROM=[dev]\n"},
		{[]string{"deploy"}, "STACK=[local]\nFROM=[dev]\n"},
		{[]string{"summary", "STACKS=dev staging"}, "STACK=[local]\nSTACKS=[dev staging]\nFROM=[dev]\n"},
	} {
		if out, err := makeIt(t, nil, tt.args...); err != nil || out != "go run ./pipelines "+tt.args[0]+"\n"+tt.want {
			t.Errorf("make %q: %v\n%s", tt.args, err, out)
		}
	}
}

// make up and make down are for this machine only, and nothing that is typed makes a stack
// of Google Cloud one of this machine: the emulator would get its state.
func TestMakeLocal(t *testing.T) {
	for _, target := range []string{"up", "down"} {
		for _, env := range []string{"X=", "LOCAL=prod", "MAKEFLAGS=LOCAL=prod"} {
			if out, err := makeIt(t, []string{env}, "-n", target, "STACK=prod", "LOCAL=prod"); err == nil || !strings.Contains(out, "STACK=prod") {
				t.Errorf("%s make %s STACK=prod: %v\n%s", env, target, err, out)
			}
		}
	}
}
