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
// command prints to its standard error is passed to report, if there is one, line by line
// once it has been running for two seconds: it may be a login that waits for the user.
func New(report func(line string)) *Runner {
	return &Runner{report: report, slow: 2 * time.Second, limit: 3 * time.Minute}
}

// Run returns the standard output of a command. Its error is the command's own error
// message, or the reason why it did not run, and wraps what os/exec returns. For a
// command that does not end, it is everything that the command printed.
func (r *Runner) Run(ctx context.Context, name string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, r.limit)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	// The command's own children keep its output open even when it has been killed.
	cmd.WaitDelay = time.Second
	printed := &transcript{}
	cmd.Stderr = printed
	timer := time.AfterFunc(r.slow, func() { printed.add("", r.report) })
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
		return "", failure{reason(lines), err}
	}
	return "", err
}

// failure is what a command says of its own error.
type failure struct {
	reason string
	error
}

func (f failure) Error() string { return f.reason }
func (f failure) Unwrap() error { return f.error }

// reason returns the line that has a command's error: gcloud and pulumi mark it, and
// print explanations below. Others end with it.
func reason(lines []string) string {
	for _, line := range lines {
		if _, reason, found := strings.Cut(line, "ERROR: "); found {
			return reason
		}
		if reason, found := strings.CutPrefix(line, "error: "); found {
			return reason
		}
	}
	return lines[len(lines)-1]
}

// transcript keeps what is written to it and, once followed, reports whole lines.
type transcript struct {
	mu       sync.Mutex
	text     string
	report   func(line string)
	reported int // bytes of text
}

func (t *transcript) Write(p []byte) (int, error) {
	t.add(string(p), nil)
	return len(p), nil
}

func (t *transcript) add(text string, report func(line string)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.text += text
	if report != nil {
		t.report = report
	}
	if end := strings.LastIndex(t.text, "\n") + 1; t.report != nil && end > t.reported {
		for _, line := range split(t.text[t.reported:end]) {
			t.report(line)
		}
		t.reported = end
	}
}

// lines returns all lines so far.
func (t *transcript) lines() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return split(t.text)
}

// split returns the lines of a text that are not empty. Progress ends in a carriage return.
func split(text string) []string {
	var lines []string
	for _, line := range strings.FieldsFunc(text, func(r rune) bool { return r == '\n' || r == '\r' }) {
		if line = strings.TrimSpace(line); line != "" {
			lines = append(lines, line)
		}
	}
	return lines
}
