package command

import (
	"context"
	"errors"
	"os/exec"
	"slices"
	"testing"
	"time"
)

func TestRun(t *testing.T) {
	for _, test := range []struct{ name, script, out, err string }{
		{"success", "echo hello; echo warning >&2", "hello\n", ""},
		{"the last line is the reason", "echo retrying >&2; echo refused >&2; echo >&2; exit 1", "", "refused"},
		{"gcloud's reason", "echo 'ERROR: (gcloud.projects) no permission' >&2; echo - details >&2; exit 1", "", "(gcloud.projects) no permission"},
		{"pulumi's and kubectl's reason", `printf 'reading\rerror: no stack\ndetails\n' >&2; exit 1`, "", "no stack"},
		{"no reason", "exit 3", "", "exit status 3"},
	} {
		out, err := New(func(line string) { t.Errorf("%s: a quick command reported %q", test.name, line) }).Run(t.Context(), "sh", "-c", test.script)
		if out != test.out || (err == nil) != (test.err == "") || err != nil && err.Error() != test.err {
			t.Errorf("%s: %q, %v, want %q, %s", test.name, out, err, test.out, test.err)
		}
		if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
			t.Errorf("%s: the exit status is lost", test.name)
		}
	}
	if _, err := New(nil).Run(t.Context(), "no-such-command"); !errors.Is(err, exec.ErrNotFound) {
		t.Errorf("a missing command: %v", err)
	}
}

// TestLogin: a login that waits for the user shows what to do while it waits. It does
// not wait for ever, although a child of its own keeps the output open.
func TestLogin(t *testing.T) {
	reported := make(chan string, 9)
	r := &Runner{report: func(line string) { reported <- line }, slow: 50 * time.Millisecond, limit: time.Second}
	start := time.Now()
	_, err := r.Run(t.Context(), "sh", "-c", "echo open https://login.example.com >&2; sleep 30 & sleep 0.2; echo code 1234 >&2; wait")
	const want = "sh did not end within 1s; it printed: open https://login.example.com / code 1234"
	if err == nil || err.Error() != want {
		t.Errorf("the error is %v, want %s", err, want)
	}
	close(reported)
	var lines []string
	for line := range reported {
		lines = append(lines, line)
	}
	if !slices.Equal(lines, []string{"open https://login.example.com", "code 1234"}) {
		t.Errorf("reported is %q", lines)
	}
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(100*time.Millisecond, cancel)
	if _, err := New(nil).Run(ctx, "sleep", "30"); !errors.Is(err, context.Canceled) {
		t.Errorf("interrupted: %v", err)
	}
	if took := time.Since(start); took > 10*time.Second {
		t.Errorf("it took %s", took)
	}
}
