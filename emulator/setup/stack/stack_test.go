//go:build linux

package stack

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"hello-timber/emulator/setup/checkout"
	"hello-timber/emulator/setup/checkout/checkouttest"
	"hello-timber/emulator/setup/progress"
)

// Stacks are made one after the other, with one passphrase. Each gets a project of its own.
func TestMakeStacks(t *testing.T) {
	c := checkouttest.New(t)
	checkouttest.Write(t, filepath.Join(c.Root, "Pulumi.dev.yaml"), "config:\n  a: 1\n")
	fake := checkouttest.Programs(t, map[string]string{"pulumi": `cat "$PASSPHRASE" > "$0.$5"`})
	t.Setenv("PASSPHRASE", c.Home("passphrase"))
	unlock, err := c.Lock(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	waits, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if err := Name("local").Make(waits, c, &progress.Report{}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a stack is made next to another: %v", err)
	}
	unlock()
	t.Setenv("FROM", "../dev")
	if err := Name("local").Make(t.Context(), c, &progress.Report{}); err == nil || !strings.Contains(err.Error(), `FROM: "../dev" is not a stack's name`) {
		t.Errorf("a stack starts from a path: %v", err)
	}
	checkouttest.Write(t, filepath.Join(c.Root, "Pulumi.office.yaml"), "config:\n  t:kubeconfig: /home/me/.kube/config\n")
	t.Setenv("FROM", "office")
	if err := Name("local").Make(t.Context(), c, &progress.Report{}); err == nil || !strings.Contains(err.Error(), "stack office runs on an existing cluster") {
		t.Errorf("from a stack of an existing cluster: %v", err)
	}
	t.Setenv("FROM", "")
	var all sync.WaitGroup
	for _, stack := range []string{"local-a", "local-b", "local-c"} {
		all.Go(func() {
			if err := Name(stack).Make(t.Context(), c, &progress.Report{}); err != nil {
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
		config, err := os.ReadFile(Name(stack).config(c))
		if want := "config:\n  gcp:project: hello-timber-" + stack + "\n  a: 1\n"; err != nil || string(config) != want {
			t.Errorf("%s has the config %q, %v, want %q", stack, config, err, want)
		}
	}
}

// What another key encrypts is left out and named, because pulumi would only say that
// its authentication failed: secrets of the stack that a new one starts from, and those
// of a config file that is older than .emulator.
func TestSecretsOfAnotherKey(t *testing.T) {
	c := checkouttest.New(t)
	checkouttest.Programs(t, map[string]string{"pulumi": ""})
	const rest = "config:\n  gcp:project: hello-timber-local\n  t:environment:\n    GREETING: hello\n  # kept\n  t:replicas: \"3\"\n"
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
		said := checkouttest.Captured(t, &os.Stderr, func() error { return Name("local").Make(t.Context(), c, &progress.Report{}) })
		if got, err := os.ReadFile(filepath.Join(c.Root, "Pulumi.local.yaml")); err != nil || string(got) != rest {
			t.Errorf("from %s, the config is %q, %v, want %q", name, got, err, rest)
		}
		for _, path := range []string{"t:environment.TOKEN", `t:environment["ns.a"]`, "t:list", "t:others.A", "t:pullSecret"} {
			if want := " && pulumi config set --secret --path '" + path + "' --stack local"; !strings.Contains(said, want) {
				t.Errorf("from %s, %q is not in %s", name, want, said)
			}
		}
		said = checkouttest.Captured(t, &os.Stderr, func() error { return Name("local").Make(t.Context(), c, &progress.Report{}) })
		if strings.Contains(said, "secret") {
			t.Errorf("the second time it says %s", said)
		}
	}
}

// The command in the error of a service that does not answer works as it is printed.
func TestPodsCommand(t *testing.T) {
	root := filepath.Join(t.TempDir(), "it's a 100% checkout")
	checkouttest.Programs(t, map[string]string{
		"make":    `[ "$PWD" = "$ROOT" ] && [ "$*" = "-s env STACK=local-x" ] && echo "export PULUMI_STACK=local-x"`,
		"pulumi":  `[ "$PULUMI_STACK $*" = "local-x stack output kubectl" ] && echo "gcloud get-credentials"`,
		"gcloud":  `[ "$*" = get-credentials ] && touch "$ROOT/kubeconfig"`,
		"kubectl": `[ -e "$ROOT/kubeconfig" ] && echo "ran $*"`,
	})
	if err := os.MkdirAll(root, 0o755); err != nil {
		t.Fatal(err)
	}
	shell := exec.Command("sh", "-c", Name("local-x").podsCommand(checkout.Checkout{Root: root}))
	shell.Dir = "/"
	shell.Env = append(os.Environ(), "ROOT="+root)
	if got, err := shell.CombinedOutput(); err != nil || string(got) != "ran get pods --all-namespaces\n" {
		t.Errorf("%v, %s", err, got)
	}
}

// The config files of this machine's stacks go, and no others.
func TestClean(t *testing.T) {
	c := checkouttest.New(t)
	fake := checkouttest.Programs(t, map[string]string{"docker": `[ "$1 $2 $3" = "image ls --quiet" ] && echo a; [ "$*" = "image rm --force a" ] && touch "$0.removed"; exit 0`})
	t.Setenv("LOCAL", "local e2e")
	for _, stack := range []string{"local", "local-2", "e2e-x", "dev"} {
		checkouttest.Write(t, filepath.Join(c.Root, "Pulumi."+stack+".yaml"), "")
	}
	if err := Clean(t.Context(), c, &progress.Report{}); err != nil {
		t.Fatal(err)
	}
	if left, err := filepath.Glob(filepath.Join(c.Root, "*")); err != nil || len(left) != 1 || filepath.Base(left[0]) != "Pulumi.dev.yaml" {
		t.Errorf("left are %q, %v, want Pulumi.dev.yaml", left, err)
	}
	if !checkout.Exists(filepath.Join(fake, "docker.removed")) {
		t.Error("the image is left")
	}
}
