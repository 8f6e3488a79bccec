//go:build linux

package main

import (
	"context"
	"errors"
	"flag"
	"io"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/mod/modfile"
	"golang.org/x/mod/semver"
)

func newCheckout(t *testing.T) checkout {
	c := checkout{root: t.TempDir(), path: os.Getenv("PATH"), stack: "local", from: "dev"}
	for _, folder := range []string{"bin", "logs", "stamps", "tmp"} {
		if err := os.MkdirAll(c.home(folder), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return c
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o644)); err != nil {
		t.Fatal(err)
	}
}

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

func TestPinnedGolang(t *testing.T) {
	c, pinned := newCheckout(t), "golang:1.26@sha256:"+strings.Repeat("0", 64)
	if got := c.pinnedGolang(); got != golang {
		t.Errorf("without app/Dockerfile: %s", got)
	}
	for dockerfile, want := range map[string]string{
		"FROM python:3-slim\n":           golang,
		"FROM golang:1.26 AS build\n":    golang,
		"FROM " + pinned + " AS build\n": pinned,
		"ARG GO_IMAGE=pinned\nFROM --platform=$BUILDPLATFORM " + pinned + " AS pinned\n": pinned,
	} {
		write(t, filepath.Join(c.root, "app", "Dockerfile"), dockerfile)
		if got := c.pinnedGolang(); got != want {
			t.Errorf("with %q: %s", dockerfile, got)
		}
	}
}

func TestModuleVersion(t *testing.T) {
	gomod := filepath.Join(t.TempDir(), "go.mod")
	write(t, gomod, "module m\n\nrequire (\n\tk8s.io/api v0.34.3\n\tk8s.io/kubernetes v1.34.3 // indirect\n)\nrequire a.b/c v1.0.0\n")
	for module, want := range map[string]string{"k8s.io/kubernetes": "v1.34.3", "a.b/c": "v1.0.0", "a.b/d": ""} {
		got, err := moduleVersion(t.Context(), gomod, module)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("%s: got %q, %v, want %q", module, got, err, want)
		}
	}
}

func TestFresh(t *testing.T) {
	c := newCheckout(t)
	p := &program{name: "p", output: c.home("bin", "p"), sources: []string{"src"}, linker: "-x"}
	source := filepath.Join(c.root, "src", "a.go")
	write(t, source, "package a")
	path, digest, err := c.stamp(p)
	if err != nil {
		t.Fatal(err)
	}
	write(t, path, digest)
	if c.fresh(p) {
		t.Error("fresh without its binary")
	}
	write(t, p.output, "binary")
	if !c.fresh(p) {
		t.Error("not fresh right after it was built")
	}
	for what, change := range map[string]func(){
		"another flag":    func() { p.linker = "-y" },
		"another content": func() { write(t, source, "package b") },
		"another file":    func() { write(t, source+"2", "") },
		"executable":      func() { os.Chmod(source, 0o755) },
	} {
		_, before, _ := c.stamp(p)
		change()
		if _, after, _ := c.stamp(p); after == before {
			t.Errorf("%s: still fresh", what)
		}
	}
	_, before, _ := c.stamp(p)
	write(t, filepath.Join(c.root, "src", "a_test.go"), "package a")
	write(t, filepath.Join(c.root, "src", "testdata", "a"), "a")
	if _, after, _ := c.stamp(p); after != before {
		t.Error("a test makes it stale")
	}
}

// A binary is built again when one of its packages changes, and only then.
func TestEmulatorSources(t *testing.T) {
	const module = "hello-timber/emulator"
	list, err := exec.Command("go", "-C", "..", "list", "-deps", "-f", `{{with .Module}}{{if eq .Path "`+module+`"}}{{$.ImportPath}}{{end}}{{end}}`, ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"emulator/go.mod", "emulator/go.sum"}
	for path := range strings.FieldsSeq(string(list)) {
		if path == module {
			path += "/main.go"
		}
		want = append(want, strings.TrimPrefix(path, "hello-timber/"))
	}
	slices.Sort(want)
	if got := slices.Sorted(slices.Values(emulatorSources)); !slices.Equal(got, want) {
		t.Errorf("emulatorSources are %q, the binary is made of %q", got, want)
	}
}

var update = flag.Bool("update", false, "raise each module to the newest version that one of the go.mod files requires")

// What two of the programs need is compiled once, if they need the same versions. The
// provider does not compile with another Pulumi than its own.
func TestModulesAgree(t *testing.T) {
	folders := []string{"../..", "..", "../hyperkube", "../network", "../kubernetes"}
	for changed := true; changed; {
		required, newest := map[string]map[string]string{}, map[string]string{}
		for _, folder := range folders {
			text, err := os.ReadFile(filepath.Join(folder, "go.mod"))
			if err != nil {
				t.Fatal(err)
			}
			file, err := modfile.Parse(folder, text, nil)
			if err != nil {
				t.Fatal(err)
			}
			required[folder] = map[string]string{}
			for _, r := range file.Require {
				if folder == "../kubernetes" && strings.HasPrefix(r.Mod.Path, "github.com/pulumi/") {
					continue
				}
				required[folder][r.Mod.Path] = r.Mod.Version
				if semver.Compare(r.Mod.Version, newest[r.Mod.Path]) > 0 {
					newest[r.Mod.Path] = r.Mod.Version
				}
			}
		}
		changed = false
		for folder, versions := range required {
			edit := []string{"-C", folder, "mod", "edit"}
			for path, version := range versions {
				if version != newest[path] {
					edit = append(edit, "-require="+path+"@"+newest[path])
				}
			}
			switch {
			case len(edit) == 4:
			case !*update:
				t.Errorf("%s requires older modules than the others. Fix: go -C emulator test ./setup -run TestModulesAgree -update, or in emulator/setup: go %s", folder, strings.Join(edit, " "))
			default:
				changed = true
				for _, args := range [][]string{edit, {"-C", folder, "mod", "tidy"}} {
					if out, err := exec.Command("go", args...).CombinedOutput(); err != nil {
						t.Fatalf("go %s: %v\n%s", strings.Join(args, " "), err, out)
					}
				}
			}
		}
	}
}

// The program asks for a plugin of its SDK's version, and the provider's module
// brings one version only.
func TestProviderVersion(t *testing.T) {
	const sdk = "github.com/pulumi/pulumi-kubernetes/sdk/v4"
	asked, err := moduleVersion(t.Context(), "../../go.mod", sdk)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := moduleVersion(t.Context(), "../kubernetes/go.mod", sdk); err != nil || got != asked {
		t.Errorf("emulator/kubernetes is the provider %s (%v), the program asks for %s", got, err, asked)
	}
	// Make does not see the module that replaces the SDK, because no program is in it. Go
	// repeats this test when a file changes that it has read.
	if _, err := (checkout{root: "../.."}).digest([]string{"emulator/kubernetes/sdk"}); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("go", "-C", "../kubernetes/sdk", "test", "./go/kubernetes").CombinedOutput(); err != nil {
		t.Errorf("the part of the SDK that is replaced: %v\n%s", err, out)
	}
}

// A package is the work of the first program that needs it, whichever is listed first.
// What is downloaded is no work.
func TestQueue(t *testing.T) {
	q := newQueue()
	first, second, third := &program{cold: 1000}, &program{cold: 700}, &program{cold: 500}
	q.programs = []*program{first, second, third}
	works := func(want ...int64) {
		t.Helper()
		for i, p := range q.programs {
			if got := p.work.Load(); got != want[i] {
				t.Errorf("program %d has the work %d, want %d", i+1, got, want[i])
			}
		}
	}
	for _, p := range q.programs {
		p.work.Store(unlisted)
	}
	q.fetch(first)
	q.list(second, map[string]listed{"a": {"v1", 100}, "b": {"v1", 20}})
	works(unlisted, linkWork+120, unlisted)
	q.list(first, map[string]listed{"a": {"v1", 100}, "b": {"v2", 30}})
	works(linkWork+130, linkWork+20, unlisted) // the third may still be downloaded
	q.fetch(third)
	works(linkWork+130, linkWork+20, 500)
	q.list(third, nil)
	works(linkWork+130, linkWork+20, 0)
}

// The compiler's processor time is known while it runs.
func TestCPUTime(t *testing.T) {
	for range 1 << 28 {
		runtime.KeepAlive(t)
	}
	if used := cpuTime(os.Getpid()); used < 10*time.Millisecond || used > time.Hour {
		t.Errorf("this process used %s", used)
	}
	if used := cpuTime(-1); used != 0 {
		t.Errorf("no process used %s", used)
	}
}

func TestRunSteps(t *testing.T) {
	c := newCheckout(t)
	var mutex sync.Mutex
	var order []string
	note := func(name string) func(context.Context, *progress) error {
		return func(context.Context, *progress) error {
			mutex.Lock()
			defer mutex.Unlock()
			order = append(order, name)
			return nil
		}
	}
	steps := []step{
		{name: "c", needs: []string{"b", "not a step of this build"}, run: note("c")},
		{name: "b", needs: []string{"a"}, run: note("b")},
		{name: "a", run: note("a")},
	}
	if err := runSteps(t.Context(), c, steps); err != nil || !slices.Equal(order, []string{"a", "b", "c"}) {
		t.Errorf("ran %q with %v, want a, b, c", order, err)
	}
}

func TestFailedStep(t *testing.T) {
	c := newCheckout(t)
	err := runSteps(t.Context(), c, []step{
		{name: "slow", run: func(ctx context.Context, p *progress) error {
			return p.run(c.command(ctx, "", "sleep", "60"), nil)
		}},
		{name: "never", needs: []string{"broken"}, run: func(context.Context, *progress) error {
			t.Error("ran after what it needs failed")
			return nil
		}},
		{name: "broken", run: func(ctx context.Context, p *progress) error {
			return p.run(c.command(ctx, "", "sh", "-c", "echo what went wrong >&2; exit 3"), nil)
		}},
	})
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{"broken", "exit status 3", "what went wrong", c.home("logs", "broken.log")} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error does not say %q: %v", want, err)
		}
	}
}

func TestLink(t *testing.T) {
	c := newCheckout(t)
	c.path, c.plugins = "/nowhere", t.TempDir()
	write(t, filepath.Join(c.root, "go.mod"), "module m\n\nrequire (\n\tgithub.com/pulumi/pulumi-gcp/sdk/v7 v7.38.0\n\tgithub.com/pulumi/pulumi-kubernetes/sdk/v4 v4.25.0\n\tgithub.com/pulumi/pulumi/sdk/v3 v3.250.0\n)\n")
	for range 2 {
		if err := c.link(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
	}
	write(t, c.home("bin", "emulator"), "the emulator")
	for _, link := range []string{c.home("bin", "gcloud"), c.home("bin", "pulumi-language-go"), c.home("pulumi", "plugins", "resource-gcp-v7.38.0", "pulumi-resource-gcp")} {
		if text, err := os.ReadFile(link); err != nil || string(text) != "the emulator" {
			t.Errorf("%s leads to %q, %v", link, text, err)
		}
	}
	if entries, err := os.ReadDir(c.home("pulumi", "plugins")); err != nil || len(entries) != 2 {
		t.Errorf("plugins: %v, %v", entries, err)
	}

	// The user's own Kubernetes plugin is used, once it is downloaded.
	plugin := filepath.Join("resource-kubernetes-v4.25.0", "pulumi-resource-kubernetes")
	own, compiled := filepath.Join(c.plugins, plugin), "../../../bin/"+providerBinary
	leadsTo := func(want string) {
		t.Helper()
		if err := c.link(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
		if got, err := os.Readlink(c.home("pulumi", "plugins", plugin+".real")); err != nil || got != want {
			t.Errorf("the Kubernetes plugin is %q (%v), want %q", got, err, want)
		}
	}
	leadsTo(compiled)
	write(t, own, "")
	os.Chmod(own, 0o755)
	partial := filepath.Dir(own) + ".partial"
	write(t, partial, "")
	leadsTo(compiled)
	os.Remove(partial)
	leadsTo(own)

	// The files that it leaves are gone when it has ended and is started again.
	write(t, own, "#!/bin/sh\nmktemp \"$TMPDIR/kubeconfigXXX\"\n")
	for range 3 {
		if out, err := exec.Command(c.home("pulumi", "plugins", plugin)).CombinedOutput(); err != nil || !exists(strings.TrimSpace(string(out))) {
			t.Errorf("the provider printed %s, %v", out, err)
		}
	}
	if left, err := filepath.Glob(c.home("provider", "*", "*")); err != nil || len(left) != 1 {
		t.Errorf("files of the provider: %q, %v; want the last one's", left, err)
	}

	// The language host of the user's own CLI is used, too.
	installed := t.TempDir()
	for _, name := range []string{"pulumi", "pulumi-language-go"} {
		write(t, filepath.Join(installed, "real", name), "")
		os.Chmod(filepath.Join(installed, "real", name), 0o755)
	}
	if err := os.Symlink("real/pulumi", filepath.Join(installed, "pulumi")); err != nil {
		t.Fatal(err)
	}
	c.path = installed
	if err := c.link(t.Context(), nil); err != nil || exists(c.home("bin", "pulumi-language-go")) {
		t.Errorf("the emulator's language host is still linked: %v", err)
	}
}

// A machine without Docker: apt-get brings it, the init script cannot start it
// (as in a sandbox without all of root's rights), dockerd by itself can.
func TestEnsureDocker(t *testing.T) {
	if os.Geteuid() != 0 || !exists("/etc/debian_version") || exists("/run/systemd/system") {
		t.Skip("only root on Debian without systemd gets Docker installed and started this way")
	}
	c := newCheckout(t)
	fake := filepath.Join(c.root, "fake")
	for name, script := range map[string]string{
		"docker": `[ "$1" = info ] || exit 1; if [ -e "$0.up" ]; then cat "$RECORDED"; else echo "Cannot connect" >&2; exit 1; fi`,
		// What it installs is itself, under another name.
		"apt-get": `case "$0" in *dockerd) touch "${0%/*}/docker.up"; exit;; esac
[ "$*" = "--option DPkg::Lock::Timeout=600 install --yes --no-install-recommends docker.io containerd runc iptables" ] && ln -s "$0" "${0%/*}/dockerd"`,
		"service": `echo "ulimit: Operation not permitted"; exit 1`,
	} {
		write(t, filepath.Join(fake, name), "#!/bin/sh\n"+script+"\n")
		os.Chmod(filepath.Join(fake, name), 0o755)
	}
	t.Setenv("PATH", fake+":/usr/bin:/bin")
	t.Setenv("DOCKER_HOST", "")
	recorded, err := filepath.Abs("testdata/engine-20.10.json")
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("RECORDED", recorded)
	c.path = fake
	if e := c.engine(t.Context()); e.answers() || e.installed {
		t.Fatalf("before: %+v", e)
	}
	if err := runSteps(t.Context(), c, []step{{name: "docker", run: c.ensureDocker}}); err != nil {
		t.Fatal(err)
	}
	if e := c.engine(t.Context()); !e.answers() {
		t.Errorf("after: %+v", e)
	}
}

// What printEnv prints survives a shell, and Pulumi's reading of the backend's URL,
// whatever the folder is called.
func TestPrintEnv(t *testing.T) {
	for _, name := range []string{"plain", `it's $HOME "here"`, "100% #1?", `back\slash&;`, "tab\tand ünïcode"} {
		t.Run(name, func(t *testing.T) {
			c := checkout{root: filepath.Join(t.TempDir(), name), path: os.Getenv("PATH"), stack: "local"}
			printed := captured(t, &os.Stdout, func() error { return printEnv(t.Context(), c) })
			shell := exec.Command("sh", "-c", `eval "$(cat)"; printf '%s\n%s' "$PULUMI_HOME" "$PULUMI_BACKEND_URL"`)
			shell.Stdin = strings.NewReader(printed)
			got, err := shell.Output()
			if err != nil {
				t.Fatal(err)
			}
			home, backend, _ := strings.Cut(string(got), "\n")
			if home != c.home("pulumi") {
				t.Errorf("PULUMI_HOME is %q, want %q", home, c.home("pulumi"))
			}
			if u, err := url.Parse(backend); err != nil || u.Path != c.home("state") || u.RawQuery != "" {
				t.Errorf("PULUMI_BACKEND_URL is %q, which leads to %v, %v, want %q", backend, u, err, c.home("state"))
			}
		})
	}
}

// captured is what a function prints on os.Stdout or os.Stderr.
func captured(t *testing.T, file **os.File, print func() error) string {
	t.Helper()
	reader, writer, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	before := *file
	*file = writer
	err = errors.Join(print(), writer.Close())
	*file = before
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(reader)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// A /tmp where nothing may be started is no problem.
func TestGoEnvironment(t *testing.T) {
	c := newCheckout(t)
	t.Setenv("GOTMPDIR", "")
	variables := c.env(t.Context())
	if _, set := variables["GOTMPDIR"]; set == startsPrograms(os.TempDir()) {
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
	if got, want := c.env(t.Context())["GOTMPDIR"], filepath.Join(c.root, "bin", "tmp"); got != want {
		t.Errorf("with a noexec TMPDIR, GOTMPDIR is %q, want %q", got, want)
	}
}

// Two commands at once take turns: all stacks of a checkout have one passphrase.
func TestLock(t *testing.T) {
	c := newCheckout(t)
	unlock, err := c.lock(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if _, err := c.lock(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the lock was given twice: %v", err)
	}
	unlock()
	unlock, err = c.lock(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	unlock()
}

func TestMakeStacks(t *testing.T) {
	c := newCheckout(t)
	write(t, filepath.Join(c.root, "Pulumi.dev.yaml"), "config:\n  a: 1\n")
	fake := filepath.Join(c.root, "fake")
	write(t, filepath.Join(fake, "pulumi"), "#!/bin/sh\ncat \"$PASSPHRASE\" > \"$0.$5\"\n")
	if err := os.Chmod(filepath.Join(fake, "pulumi"), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", fake+":/usr/bin:/bin")
	t.Setenv("PASSPHRASE", c.home("passphrase"))
	var all sync.WaitGroup
	for _, stack := range []string{"local-a", "local-b", "local-c"} {
		all.Go(func() {
			c := c
			c.stack = stack
			if err := makeStack(t.Context(), c); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	want, err := os.ReadFile(c.home("passphrase"))
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
	c := newCheckout(t)
	c.stack, c.from = "local", "dev"
	fake := filepath.Join(c.root, "fake")
	write(t, filepath.Join(fake, "pulumi"), "#!/bin/sh\n")
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
		if err := errors.Join(os.RemoveAll(c.home("passphrase")), os.RemoveAll(filepath.Join(c.root, "Pulumi.local.yaml"))); err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(c.root, name), text)
		said := captured(t, &os.Stderr, func() error { return makeStack(t.Context(), c) })
		if got, err := os.ReadFile(filepath.Join(c.root, "Pulumi.local.yaml")); err != nil || string(got) != rest {
			t.Errorf("from %s, the config is %q, %v, want %q", name, got, err, rest)
		}
		for _, path := range []string{"t:environment.TOKEN", `t:environment["ns.a"]`, "t:list", "t:others.A", "t:pullSecret"} {
			if want := " && pulumi config set --secret --path '" + path + "' --stack local"; !strings.Contains(said, want) {
				t.Errorf("from %s, %q is not in %s", name, want, said)
			}
		}
		said = captured(t, &os.Stderr, func() error { return makeStack(t.Context(), c) })
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
		write(t, filepath.Join(fake, name), "#!/bin/sh\n"+script+"\n")
		if err := os.Chmod(filepath.Join(fake, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.MkdirAll(root, 0o755); err != nil {
		t.Fatal(err)
	}
	shell := exec.Command("sh", "-c", checkout{root: root, stack: "local-x"}.podsCommand())
	shell.Dir = "/"
	shell.Env = []string{"PATH=" + fake + ":/usr/bin:/bin", "ROOT=" + root}
	if got, err := shell.CombinedOutput(); err != nil || string(got) != "ran get pods --all-namespaces\n" {
		t.Errorf("%v, %s", err, got)
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
			cmd := exec.Command("make", "--silent", "--no-print-directory", "-C", "../..", "--eval", `flags: ; echo "$$GOFLAGS $$GOGC $$GOWORK"`, "flags")
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
		if got := newCheckout(t).env(t.Context())[name]; got != "as make has it" {
			t.Errorf("%s is %q after make set it", name, got)
		}
	}
}
