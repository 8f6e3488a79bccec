//go:build e2e

package e2e

import (
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"
)

// begin starts a command and returns when it has said something.
func (s *stack) begin(t *testing.T, says, name string, args ...string) *process {
	t.Helper()
	p := &process{Cmd: exec.Command(name, args...), says: says, said: make(chan struct{})}
	p.Env, p.Dir, p.Stdout, p.Stderr = s.env, s.folder, p, p
	p.WaitDelay = 5 * time.Second // the plugins of a killed one hold its output open
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	select {
	case <-p.said:
	case <-time.After(3 * time.Minute):
		t.Errorf("%s %s never said %q", name, strings.Join(args, " "), says)
		p.end(t, os.Kill)
		t.FailNow()
	}
	return p
}

// process is a command that runs.
type process struct {
	*exec.Cmd
	says string
	said chan struct{}

	mutex  sync.Mutex
	output strings.Builder
}

func (p *process) Write(text []byte) (int, error) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	before := strings.Contains(p.output.String(), p.says)
	p.output.Write(text)
	if !before && strings.Contains(p.output.String(), p.says) {
		close(p.said)
	}
	return len(text), nil
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
	p.mutex.Lock()
	defer p.mutex.Unlock()
	return err != nil, p.output.String()
}
