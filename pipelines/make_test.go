package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// makeIt runs make in the repository's folder with a go that prints its arguments
// and the variables that the program reads.
func makeIt(t *testing.T, env []string, args ...string) (string, error) {
	t.Helper()
	tools := t.TempDir()
	script := "#!/bin/sh\necho \"go $*\"\nfor name in STACK STACKS IMAGE BACKEND CONFIRM TAG DOWNLOAD DOWNLOAD_MIRROR; do eval \"[ -z \\${$name+x} ] || printf '%s=[%s]\\n' $name \\\"\\$$name\\\"\"; done\n"
	if err := os.WriteFile(filepath.Join(tools, "go"), []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	command := exec.Command("make", append([]string{"-C", "..", "--silent", "--no-print-directory"}, args...)...)
	command.Env = append([]string{"PATH=" + tools + ":" + os.Getenv("PATH"), "GOTMPDIR=" + tools}, env...)
	out, err := command.CombinedOutput()
	return string(out), err
}

var pipelineTargets = []string{"deploy", "preview", "cost", "image", "verify", "notes", "release", "version", "settings", "destroy", "summary", "comment", "drift", "issue"}

// Each target is one command, and what a person types reaches it as it is: neither
// make nor a shell expands it, whether it comes as an argument or from the environment.
func TestMakeExpandsNothing(t *testing.T) {
	pwned := filepath.Join(t.TempDir(), "pwned")
	for i, attack := range []string{
		"$(shell id > " + pwned + ")", "x&&id>" + pwned + "&&true", "`id>" + pwned + "`", "$(id>" + pwned + ")", "local$(shell id > " + pwned + ")", `";id>` + pwned + `;"`, "'; id > " + pwned + "; '",
	} {
		var variables []string
		want := ""
		for _, name := range []string{"STACK", "STACKS", "IMAGE", "BACKEND", "CONFIRM", "TAG", "DOWNLOAD", "DOWNLOAD_MIRROR"} {
			variables = append(variables, name+"="+attack)
			want += name + "=[" + attack + "]\n"
		}
		// Every target with the first, which is make's own; the first target with every one.
		for _, target := range pipelineTargets[:map[bool]int{true: len(pipelineTargets), false: 1}[i == 0]] {
			if out, err := makeIt(t, nil, append([]string{target}, variables...)...); err != nil || out != "go run ./pipelines "+target+"\n"+want {
				t.Errorf("make %s %q: %v\n%s", target, variables, err, out)
			}
		}
		if out, err := makeIt(t, variables, "deploy"); err != nil || out != "go run ./pipelines deploy\n"+want {
			t.Errorf("%q in the environment: %v\n%s", variables, err, out)
		}
		// The targets of this machine refuse it or pass it on.
		for _, target := range []string{"up", "down", "env", "doctor"} {
			_, _ = makeIt(t, nil, "-n", target, "STACK="+attack)
		}
		if _, err := os.Stat(pwned); err == nil {
			t.Fatalf("%s was executed", attack)
		}
	}
}

// An image that is given and empty is not one that is not given.
func TestMakePassesEmptiness(t *testing.T) {
	for _, tt := range []struct {
		args []string
		want string
	}{
		{[]string{"deploy", "STACK=prod", "IMAGE="}, "STACK=[prod]\nIMAGE=[]\n"},
		{[]string{"deploy", "STACK=prod"}, "STACK=[prod]\n"},
		{[]string{"deploy"}, "STACK=[local]\n"},
		{[]string{"summary", "STACKS=dev staging"}, "STACK=[local]\nSTACKS=[dev staging]\n"},
	} {
		if out, err := makeIt(t, nil, tt.args...); err != nil || out != "go run ./pipelines "+tt.args[0]+"\n"+tt.want {
			t.Errorf("make %q: %v\n%s", tt.args, err, out)
		}
	}
}

// make up and make down are for this machine only.
func TestMakeLocal(t *testing.T) {
	for _, target := range []string{"up", "down"} {
		if out, err := makeIt(t, nil, "-n", target, "STACK=prod"); err == nil || !strings.Contains(out, "STACK=prod") {
			t.Errorf("make %s STACK=prod: %v\n%s", target, err, out)
		}
	}
}
