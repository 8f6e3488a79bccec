package run

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The CLI never selects a stack, and an interrupted one ends by itself.
func TestCLI(t *testing.T) {
	// The signal may come before the next command starts, so none is longer than a tenth of a second.
	install(t, "echo \"$@\" $PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION\n[ \"$4\" = up ] || exit 0\nset waiting\ntrap 'echo interrupted; set done' INT\n"+
		"echo ready >&2\nfor _ in $(seq 90); do [ \"$1\" = done ] || sleep 0.1; done\necho ended\n")
	out, _, code, err := cli{}.Run(t.Context(), ".", nil, nil, nil, []string{"PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION=false"}, "stack", "select", "--stack", "prod")
	if out != "--non-interactive stack --stack prod true\n" || code != 0 || err != nil {
		t.Errorf("got %q, %d, %v", out, code, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ready := writer(func(text string) {
		if strings.Contains(text, "ready") {
			cancel()
		}
	})
	out, _, _, err = cli{}.Run(ctx, ".", nil, nil, []io.Writer{ready}, nil, "--stack", "prod", "up")
	if strings.Count(out, "interrupted") != 1 || !strings.HasSuffix(out, "ended\n") || err == nil {
		t.Errorf("got %q, %v", out, err)
	}
}

// The log has no credential. What the program reads of the output is whole.
func TestLog(t *testing.T) {
	install(t, "echo password=hunter2\necho token=hunter2 >&2\n")
	var out, complaints strings.Builder
	whole, _, _, err := cli{}.Run(t.Context(), ".", nil, []io.Writer{&out}, []io.Writer{&complaints}, nil, "up")
	if log := out.String() + complaints.String(); log != "password=[secret]\ntoken=[secret]\n" || whole != "password=hunter2\n" || err != nil {
		t.Errorf("the log has %q, the output %q, %v", log, whole, err)
	}
}

// install has a shell script in pulumi's place.
func install(t *testing.T, script string) {
	t.Helper()
	tools := t.TempDir()
	if err := os.WriteFile(filepath.Join(tools, "pulumi"), []byte("#!/bin/sh\n"+script), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", tools+":"+os.Getenv("PATH"))
}

// writer is a function that takes what is written.
type writer func(text string)

func (w writer) Write(text []byte) (int, error) {
	w(string(text))
	return len(text), nil
}
