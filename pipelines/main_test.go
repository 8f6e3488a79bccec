package main

import (
	"strings"
	"testing"

	"hello-timber/pipelines/run"
	"hello-timber/pipelines/run/runtest"
)

// What a person or a workflow passes is checked before anything is started.
func TestNames(t *testing.T) {
	attack := "$(shell id > /tmp/pwned)"
	for _, tt := range []struct{ command, env, want string }{
		{"deploy", "STACK=" + attack, "STACK: "},
		{"deploy", "STACK=x&&id", "STACK: "},
		{"deploy", "STACK=--help", "STACK: "},
		{"deploy", "STACK=../prod", "STACK: "},
		{"deploy", "STACK=Prod", "STACK: "},
		{"deploy", "STACK=acme/hello-timber/dev", "Fix: pulumi org set-default acme. The stack is then dev"},
		{"deploy", "STACK=acme/$(id)/dev", "Fix: export STACK=dev"},
		{"summary", "STACKS=dev acme/staging", "Fix: pulumi org set-default acme. The stack is then staging"},
		{"deploy", "STACK=-", "STACK: "},
		{"summary", "STACKS=dev;id", "STACKS: "},
		{"summary", "STACKS= ", "names no stack"},
		{"summary", "STACKS=dev dev", "twice"},
		{"summary", "STACKS=dev e2e-dev", "and others"},
		{"drift", "STACKS=`id`", "STACKS: "},
		{"image", "STACK=dev\nprod", "STACK: "},
		{"verify", "IMAGE=" + runtest.ImageV1 + " --help", "IMAGE: "},
		{"verify", "IMAGE=timber:v1", "IMAGE: "},
		{"version", "BASE=--output=/etc/passwd", "BASE: "},
		{"comment", "PULL_REQUEST=7/../8", "PULL_REQUEST: "},
		{"settings", "GITHUB_REPOSITORY=o/r/../x", "GITHUB_REPOSITORY: "},
	} {
		r := runtest.New(t)
		_, _, err := r.Run(commands[tt.command], tt.env)
		if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), "Fix: ") || len(r.Pulumi.Calls) > 0 {
			t.Errorf("%s %s: got %v, want %q and a fix, or pulumi was started: %q", tt.command, tt.env, err, tt.want, r.Pulumi.Calls)
		}
	}
	for _, args := range [][]string{nil, {"propose"}, {"deploy", "prod"}} {
		if err := start(t.Context(), &run.Pipeline{}, args); err == nil || !strings.HasPrefix(err.Error(), "usage: ") {
			t.Errorf("%q: got %v", args, err)
		}
	}
}

// What a stack's program prints is no command to GitHub's runner: not in the text, nor in the
// error that ends the log.
func TestStopCommands(t *testing.T) {
	const printed, stop = "::set-output name=image::evil", "::stop-commands::"
	tokens := map[string]bool{}
	for _, command := range []string{"summary", "deploy", "image"} {
		r := runtest.New(t, "STACK=dev", "GITHUB_ACTIONS=true", "COMMIT=-")
		r.Pulumi.Stacks["dev"].Events, r.Pulumi.Stacks["dev"].Complaint = `{"diagnosticEvent": {"severity": "error", "message": "x\n`+printed+`"}}`+"\n", "error: failed\n"
		var text strings.Builder // of both streams, as the runner reads them
		code := status(t.Context(), r.Pipeline(&text, &text), []string{command})
		first, rest, _ := strings.Cut(text.String(), "\n")
		token, stopped := strings.CutPrefix(first, stop)
		if stopped != (command != "image") || stopped && (code != 1 || !strings.Contains(rest, "\n"+printed) || !strings.HasSuffix(rest, "\n::"+token+"::\n")) {
			t.Errorf("%s: status %d, and printed\n%s", command, code, text.String())
		}
		if tokens[token] || stopped && len(token) < 20 {
			t.Errorf("%s: the token is %q", command, token)
		}
		tokens[token] = true
	}
}
