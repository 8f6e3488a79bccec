//go:build linux

package main

import (
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"hello-timber/emulator/setup/checkout/checkouttest"
)

// TestMain is the command itself where a test starts it.
func TestMain(m *testing.M) {
	if os.Getenv("TEST_STARTS") == "setup" {
		main()
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// setup starts the command in a clone.
func setup(t *testing.T, clone string, args ...string) (string, error) {
	t.Helper()
	command := exec.Command(os.Args[0], args...)
	command.Dir, command.Env = clone, append(os.Environ(), "TEST_STARTS=setup")
	out, err := command.CombinedOutput()
	return string(out), err
}

// A command gets the environment and its arguments as they are, and so does a shell, whatever
// the folder is called. Pulumi decodes the backend's URL.
func TestEnvironment(t *testing.T) {
	t.Setenv("PULUMI_CONFIG_PASSPHRASE", "of another stack")
	const script = `printf '%s\n' "$PULUMI_HOME" "$PULUMI_BACKEND_URL" "$PULUMI_STACK" "${PULUMI_CONFIG_PASSPHRASE-unset}" "$1"; exit 3`
	for _, name := range []string{"plain", `it's $HOME "here"`, "100% #1?", `back\slash&;`, "tab\tand ünïcode"} {
		t.Run(name, func(t *testing.T) {
			clone := filepath.Join(t.TempDir(), name)
			checkouttest.Write(t, filepath.Join(clone, "emulator", "go.mod"), "")
			got, err := setup(t, filepath.Join(clone, "emulator"), "env", "local-x", "--", "sh", "-c", script, "sh", "-- a 'b'")
			lines := strings.Split(got, "\n")
			if err == nil || err.Error() != "exit status 3" || len(lines) != 6 {
				t.Fatalf("%v, %s", err, got)
			}
			if lines[0] != filepath.Join(clone, ".emulator", "pulumi") || lines[2] != "local-x" || lines[3] != "unset" || lines[4] != "-- a 'b'" {
				t.Errorf("the command got %q", lines)
			}
			if u, err := url.Parse(lines[1]); err != nil || u.Path != filepath.Join(clone, ".emulator", "state") || u.RawQuery != "" {
				t.Errorf("PULUMI_BACKEND_URL is %q, which leads to %v, %v", lines[1], u, err)
			}
			printed, err := setup(t, clone, "env", "local-x")
			if err != nil {
				t.Fatal(err)
			}
			shell := exec.Command("sh", "-c", `eval "$(cat)"; `+script, "sh", "-- a 'b'")
			shell.Stdin = strings.NewReader(printed)
			if out, _ := shell.Output(); string(out) != got {
				t.Errorf("a shell has %q, and a command %q", out, got)
			}
		})
	}
}

func TestMistakes(t *testing.T) {
	clone := t.TempDir()
	if out, err := setup(t, clone, "doctor"); err == nil || !strings.Contains(out, "not in a clone") {
		t.Errorf("outside of a clone: %v, %s", err, out)
	}
	checkouttest.Write(t, filepath.Join(clone, "emulator", "go.mod"), "")
	if out, err := setup(t, clone, "up"); err == nil || !strings.HasPrefix(out, "usage: setup run STACK -- COMMAND") {
		t.Errorf("an unknown command: %v, %s", err, out)
	}
	for _, command := range []string{"env", "run", "stack"} {
		if out, err := setup(t, clone, command, "local/../../x"); err == nil || !strings.HasPrefix(out, `STACK: "local/../../x" is not a stack's name`) {
			t.Errorf("a path in place of a stack's name: %v, %s", err, out)
		}
	}
}
