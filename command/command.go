// Package command runs programs of this machine for what they print.
package command

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"sync"
	"time"
)

// Runner runs commands.
type Runner struct {
	report      func(line string)
	slow, limit time.Duration
}

// New returns a Runner that ends every command after three minutes. Whatever a
// command prints to its standard error is passed to report line by line once it
// has been running for two seconds: it may be a login that waits for the user.
func New(report func(line string)) *Runner {
	return &Runner{report: report, slow: 2 * time.Second, limit: 3 * time.Minute}
}

// Run returns the standard output of a command. Its error is the last line that
// the command printed to standard error, or the reason why it did not run. For a
// command that does not end, it is everything that the command printed.
func (r *Runner) Run(ctx context.Context, name string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, r.limit)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	// The command's own children keep its output open even when it has been killed.
	cmd.WaitDelay = time.Second
	printed := &transcript{report: r.report}
	cmd.Stderr = printed
	timer := time.AfterFunc(r.slow, printed.follow)
	defer timer.Stop()

	out, err := cmd.Output()
	if err == nil {
		return string(out), nil
	}
	lines := printed.lines()
	switch {
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		said := "it printed nothing"
		if len(lines) > 0 {
			said = "it printed: " + strings.Join(lines, " / ")
		}
		return "", fmt.Errorf("%s did not end within %s; %s", name, r.limit, said)
	case ctx.Err() != nil:
		return "", ctx.Err()
	case len(lines) > 0:
		return "", errors.New(lines[len(lines)-1])
	}
	return "", err
}

// transcript keeps what is written to it and, once followed, reports whole lines.
type transcript struct {
	report func(string)

	mu       sync.Mutex
	text     strings.Builder
	followed bool
	reported int // bytes of text
}

func (t *transcript) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.text.Write(p)
	t.reportLines()
	return len(p), nil
}

func (t *transcript) follow() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.followed = true
	t.reportLines()
}

func (t *transcript) reportLines() {
	if !t.followed {
		return
	}
	for {
		line, _, whole := strings.Cut(t.text.String()[t.reported:], "\n")
		if !whole {
			return
		}
		t.reported += len(line) + 1
		if line = strings.TrimSpace(line); line != "" {
			t.report(line)
		}
	}
}

// lines returns all lines so far that are not empty.
func (t *transcript) lines() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	var lines []string
	for line := range strings.Lines(t.text.String()) {
		if line = strings.TrimSpace(line); line != "" {
			lines = append(lines, line)
		}
	}
	return lines
}
