//go:build linux

package stack

import (
	"errors"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"hello-timber/emulator/setup/checkout"
	"hello-timber/emulator/setup/checkout/checkouttest"
	"hello-timber/emulator/setup/machine"
)

func TestLocalConfig(t *testing.T) {
	const project = "config:\n  gcp:project: hello-timber-local\n"
	for name, tt := range map[string]struct{ from, want string }{
		"no project":      {"# c\nconfig:\n  a: 1\n", "# c\n" + project + "  a: 1\n"},
		"another project": {"config:\n  gcp:project: my-own\n  a: 1\n", project + "  a: 1\n"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := localConfig(tt.from, "local"); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestMakeStacks(t *testing.T) {
	c := checkouttest.New(t)
	checkouttest.Write(t, filepath.Join(c.Root, "Pulumi.dev.yaml"), "config:\n  a: 1\n")
	fake := filepath.Join(c.Root, "fake")
	checkouttest.Write(t, filepath.Join(fake, "pulumi"), "#!/bin/sh\ncat \"$PASSPHRASE\" > \"$0.$5\"\n")
	if err := os.Chmod(filepath.Join(fake, "pulumi"), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", fake+":/usr/bin:/bin")
	t.Setenv("PASSPHRASE", c.Home("passphrase"))
	var all sync.WaitGroup
	for _, stack := range []string{"local-a", "local-b", "local-c"} {
		all.Go(func() {
			if err := Make(t.Context(), c, stack, "dev"); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	want, err := os.ReadFile(c.Home("passphrase"))
	if err != nil {
		t.Fatal(err)
	}
	for _, stack := range []string{"local-a", "local-b", "local-c"} {
		if got, err := os.ReadFile(filepath.Join(fake, "pulumi."+stack)); err != nil || string(got) != string(want) {
			t.Errorf("%s was made with passphrase %q, %v, want %q", stack, got, err, want)
		}
	}
}

// What another key encrypts is left out and named, because pulumi would only say that
// its authentication failed: secrets of the stack that a new one starts from, and those
// of a config file that is older than .emulator.
func TestSecretsOfAnotherKey(t *testing.T) {
	c := checkouttest.New(t)
	fake := filepath.Join(c.Root, "fake")
	checkouttest.Write(t, filepath.Join(fake, "pulumi"), "#!/bin/sh\n")
	if err := os.Chmod(filepath.Join(fake, "pulumi"), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", fake+":/usr/bin:/bin")
	const rest = "config:\n  gcp:project: hello-timber-local\n  t:environment:\n    GREETING: hello\n  # kept\n  t:list:\n    - a\n  t:replicas: \"3\"\n"
	const secrets = "config:\n  gcp:project: mine\n  t:environment:\n    TOKEN:\n      secure: v1:a+/=\n    GREETING: hello\n    ns.a:\n      secure: v1:b\n  # kept\n" +
		"  t:list:\n    - a\n    - secure: v1:c\n  t:others:\n    A:\n      secure: v1:d\n  t:pullSecret:\n    secure: v1:e\n  t:replicas: \"3\"\n"
	for name, text := range map[string]string{
		"Pulumi.dev.yaml":   "secretsprovider: gcpkms://k\nencryptedkey: abc\n" + secrets,
		"Pulumi.local.yaml": "encryptionsalt: v1:x\n" + strings.Replace(secrets, "mine", "hello-timber-local", 1),
	} {
		if err := errors.Join(os.RemoveAll(c.Home("passphrase")), os.RemoveAll(filepath.Join(c.Root, "Pulumi.local.yaml"))); err != nil {
			t.Fatal(err)
		}
		checkouttest.Write(t, filepath.Join(c.Root, name), text)
		said := checkouttest.Captured(t, &os.Stderr, func() error { return Make(t.Context(), c, "local", "dev") })
		if got, err := os.ReadFile(filepath.Join(c.Root, "Pulumi.local.yaml")); err != nil || string(got) != rest {
			t.Errorf("from %s, the config is %q, %v, want %q", name, got, err, rest)
		}
		for _, path := range []string{"t:environment.TOKEN", `t:environment["ns.a"]`, "t:list", "t:others.A", "t:pullSecret"} {
			if want := " && pulumi config set --secret --path '" + path + "' --stack local"; !strings.Contains(said, want) {
				t.Errorf("from %s, %q is not in %s", name, want, said)
			}
		}
		said = checkouttest.Captured(t, &os.Stderr, func() error { return Make(t.Context(), c, "local", "dev") })
		if strings.Contains(said, "secret") {
			t.Errorf("the second time it says %s", said)
		}
	}
}

// The command in the error of a service that does not answer works as it is printed.
func TestPodsCommand(t *testing.T) {
	root := filepath.Join(t.TempDir(), "it's a 100% checkout")
	fake := filepath.Join(t.TempDir(), "bin")
	for name, script := range map[string]string{
		"make":    `[ "$PWD" = "$ROOT" ] && [ "$*" = "-s env STACK=local-x" ] && echo "export PULUMI_STACK=local-x"`,
		"pulumi":  `[ "$PULUMI_STACK $*" = "local-x stack output kubectl" ] && echo "gcloud get-credentials"`,
		"gcloud":  `[ "$*" = get-credentials ] && touch "$ROOT/kubeconfig"`,
		"kubectl": `[ -e "$ROOT/kubeconfig" ] && echo "ran $*"`,
	} {
		checkouttest.Write(t, filepath.Join(fake, name), "#!/bin/sh\n"+script+"\n")
		if err := os.Chmod(filepath.Join(fake, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.MkdirAll(root, 0o755); err != nil {
		t.Fatal(err)
	}
	shell := exec.Command("sh", "-c", podsCommand(checkout.Checkout{Root: root}, "local-x"))
	shell.Dir = "/"
	shell.Env = []string{"PATH=" + fake + ":/usr/bin:/bin", "ROOT=" + root}
	if got, err := shell.CombinedOutput(); err != nil || string(got) != "ran get pods --all-namespaces\n" {
		t.Errorf("%v, %s", err, got)
	}
}

// What printEnv prints survives a shell, and Pulumi's reading of the backend's URL,
// whatever the folder is called.
func TestPrintEnv(t *testing.T) {
	for _, name := range []string{"plain", `it's $HOME "here"`, "100% #1?", `back\slash&;`, "tab\tand ünïcode"} {
		t.Run(name, func(t *testing.T) {
			c := checkout.Checkout{Root: filepath.Join(t.TempDir(), name), Path: os.Getenv("PATH")}
			printed := checkouttest.Captured(t, &os.Stdout, func() error { return PrintEnv(t.Context(), c, "local") })
			shell := exec.Command("sh", "-c", `eval "$(cat)"; printf '%s\n%s' "$PULUMI_HOME" "$PULUMI_BACKEND_URL"`)
			shell.Stdin = strings.NewReader(printed)
			got, err := shell.Output()
			if err != nil {
				t.Fatal(err)
			}
			home, backend, _ := strings.Cut(string(got), "\n")
			if home != c.Home("pulumi") {
				t.Errorf("PULUMI_HOME is %q, want %q", home, c.Home("pulumi"))
			}
			if u, err := url.Parse(backend); err != nil || u.Path != c.Home("state") || u.RawQuery != "" {
				t.Errorf("PULUMI_BACKEND_URL is %q, which leads to %v, %v, want %q", backend, u, err, c.Home("state"))
			}
		})
	}
}

// A /tmp where nothing may be started is no problem.
func TestGoEnvironment(t *testing.T) {
	c := checkouttest.New(t)
	t.Setenv("GOTMPDIR", "")
	variables := Env(t.Context(), c, "local")
	if _, set := variables["GOTMPDIR"]; set == machine.StartsPrograms(os.TempDir()) {
		t.Errorf("GOTMPDIR is %q, and programs in %s can be started: %v", variables["GOTMPDIR"], os.TempDir(), !set)
	}
	mounts, err := os.ReadFile("/proc/mounts")
	if err != nil {
		t.Fatal(err)
	}
	mount := regexp.MustCompile(`(?m)^\S+ (\S+) \S+ \S*\bnoexec\b`).FindSubmatch(mounts)
	if mount == nil {
		t.Skip("nothing is mounted noexec on this machine")
	}
	t.Setenv("TMPDIR", string(mount[1]))
	if got, want := Env(t.Context(), c, "local")["GOTMPDIR"], filepath.Join(c.Root, "bin", "tmp"); got != want {
		t.Errorf("with a noexec TMPDIR, GOTMPDIR is %q, want %q", got, want)
	}
}

// Make decides how everything is compiled, and the emulator's environment passes that on:
// with other flags, what make compiled would be compiled again in the first update. A
// user's own flags go before.
func TestFlags(t *testing.T) {
	const few, many = "-buildvcs=false -trimpath '-gcflags=all=-dwarf=false -c=1' -ldflags=-s", "-buildvcs=false -trimpath '-gcflags=all=-dwarf=false' -ldflags=-s"
	for name, tt := range map[string]struct{ cores, flags, gogc, want string }{
		"two cores":   {"2", "", "", few + " 400 off"},
		"four cores":  {"4", "", "", few + " 400 off"},
		"eight cores": {"8", "", "", many + " 400 off"},
		"own":         {"2", "-race", "50", "-race 50 off"},
	} {
		t.Run(name, func(t *testing.T) {
			fake := t.TempDir()
			if err := os.WriteFile(filepath.Join(fake, "nproc"), []byte("#!/bin/sh\necho "+tt.cores), 0o700); err != nil {
				t.Fatal(err)
			}
			cmd := exec.Command("make", "--silent", "--no-print-directory", "-C", "../../..", "--eval", `flags: ; echo "$$GOFLAGS $$GOGC $$GOWORK"`, "flags")
			cmd.Env = []string{"PATH=" + fake + ":" + os.Getenv("PATH")}
			if tt.flags != "" {
				cmd.Env = append(cmd.Env, "GOFLAGS="+tt.flags, "GOGC="+tt.gogc)
			}
			if out, err := cmd.CombinedOutput(); err != nil || string(out) != tt.want+"\n" {
				t.Errorf("make compiles with %q, %v, want %q", out, err, tt.want)
			}
		})
	}
	for _, name := range []string{"CGO_ENABLED", "GOFLAGS", "GOGC", "GOWORK"} {
		t.Setenv(name, "as make has it")
		if got := Env(t.Context(), checkouttest.New(t), "local")[name]; got != "as make has it" {
			t.Errorf("%s is %q after make set it", name, got)
		}
	}
}
