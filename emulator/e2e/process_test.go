//go:build e2e

package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// process is a command that runs.
type process struct {
	*exec.Cmd
	output string // the file of all that it says
}

// begin starts a command and returns when it has said something.
func (s *stack) begin(t *testing.T, says, name string, args ...string) *process {
	t.Helper()
	p := &process{exec.Command(name, args...), filepath.Join(t.TempDir(), "output")}
	output, err := os.Create(p.output)
	if err != nil {
		t.Fatal(err)
	}
	defer output.Close()
	p.Env, p.Dir, p.Stdout, p.Stderr = s.env, s.folder, output, output
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Process.Kill() }) // unless it has ended
	eventually(t, name+" says "+says, func() bool { return strings.Contains(readFile(t, p.output), says) })
	return p
}

// end sends the process a signal, unless that is nil, waits until it has ended,
// and returns whether it failed and all that it said.
func (p *process) end(t *testing.T, signal os.Signal) (failed bool, output string) {
	t.Helper()
	if signal != nil {
		if err := p.Process.Signal(signal); err != nil {
			t.Fatal(err)
		}
	}
	err := p.Wait()
	return err != nil, readFile(t, p.output)
}
