package command

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

func runner(slow, limit time.Duration) (r *Runner, reported func() []string) {
	var mu sync.Mutex
	var lines []string
	r = New(func(line string) {
		mu.Lock()
		defer mu.Unlock()
		lines = append(lines, line)
	})
	r.slow, r.limit = slow, limit
	return r, func() []string {
		mu.Lock()
		defer mu.Unlock()
		return slices.Clone(lines)
	}
}

func TestRun(t *testing.T) {
	for _, test := range []struct{ name, script, out, err string }{
		{"success", "echo hello; echo warning >&2", "hello\n", ""},
		{"the last line is the reason", "echo retrying >&2; echo refused >&2; echo >&2; exit 1", "", "refused"},
		{"no reason", "exit 3", "", "exit status 3"},
	} {
		r, reported := runner(time.Minute, time.Minute)
		out, err := r.Run(t.Context(), "sh", "-c", test.script)
		if out != test.out || (err == nil) != (test.err == "") || err != nil && err.Error() != test.err {
			t.Errorf("%s: %q, %v, want %q, %s", test.name, out, err, test.out, test.err)
		}
		if lines := reported(); len(lines) > 0 {
			t.Errorf("%s: a quick command reported %q", test.name, lines)
		}
	}
	r, _ := runner(time.Minute, time.Minute)
	if _, err := r.Run(t.Context(), "no-such-command"); err == nil || !strings.Contains(err.Error(), "not found") {
		t.Errorf("a missing command: %v", err)
	}
}

// TestLogin: a login that waits for the user shows what to do while it waits. It does
// not wait for ever, although a child of its own keeps the output open.
func TestLogin(t *testing.T) {
	r, reported := runner(50*time.Millisecond, 2*time.Second)
	start := time.Now()
	_, err := r.Run(t.Context(), "sh", "-c", "echo open https://login.example.com >&2; sleep 30 & echo code 1234 >&2; wait")
	const want = "sh did not end within 2s; it printed: open https://login.example.com / code 1234"
	if err == nil || err.Error() != want {
		t.Errorf("the error is %v, want %s", err, want)
	}
	if lines := reported(); !slices.Equal(lines, []string{"open https://login.example.com", "code 1234"}) {
		t.Errorf("reported is %q", lines)
	}
	if took := time.Since(start); took > 10*time.Second {
		t.Errorf("it took %s", took)
	}
}

func TestInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(100*time.Millisecond, cancel)
	r, _ := runner(time.Minute, time.Minute)
	start := time.Now()
	if _, err := r.Run(ctx, "sleep", "30"); !errors.Is(err, context.Canceled) {
		t.Errorf("the error is %v", err)
	}
	if took := time.Since(start); took > 10*time.Second {
		t.Errorf("it took %s", took)
	}
}
