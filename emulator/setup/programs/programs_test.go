//go:build linux

package programs

import (
	"errors"
	"flag"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/mod/semver"

	"hello-timber/emulator/setup/checkout"
	"hello-timber/emulator/setup/checkout/checkouttest"
)

func TestFresh(t *testing.T) {
	c := checkouttest.New(t)
	p := &Program{name: "p", output: c.Home("bin", "p"), sources: []string{"src"}, linker: "-x"}
	source := filepath.Join(c.Root, "src", "a.go")
	checkouttest.Write(t, source, "package a")
	path, digest, err := stamp(c, p)
	if err != nil {
		t.Fatal(err)
	}
	checkouttest.Write(t, path, digest)
	if fresh(c, p) {
		t.Error("fresh without its binary")
	}
	checkouttest.Write(t, p.output, "binary")
	if !fresh(c, p) {
		t.Error("not fresh right after it was built")
	}
	sources := filepath.Join(c.Root, "src")
	for _, tt := range []struct {
		what   string
		change func()
		stale  bool
	}{
		{"another flag", func() { p.linker = "-y" }, true},
		{"another content", func() { checkouttest.Write(t, source, "package b") }, true},
		{"another file", func() { checkouttest.Write(t, source+"2", "") }, true},
		{"executable", func() { os.Chmod(source, 0o755) }, true},
		{"a test", func() { checkouttest.Write(t, filepath.Join(sources, "a_test.go"), "package a") }, false},
		{"a test's data", func() { checkouttest.Write(t, filepath.Join(sources, "testdata", "a"), "a") }, false},
		{"another module", func() { checkouttest.Write(t, filepath.Join(sources, "tools", "go.mod"), "module tools") }, false},
	} {
		_, before, _ := stamp(c, p)
		tt.change()
		if _, after, err := stamp(c, p); err != nil || (after != before) != tt.stale {
			t.Errorf("%s: stale is %t, %v", tt.what, after != before, err)
		}
	}
}

var update = flag.Bool("update", false, "raise each module to the newest version that one of the go.mod files requires")

// What two of the programs need is compiled once, if they need the same versions. The
// provider does not compile with another Pulumi than its own.
func TestModulesAgree(t *testing.T) {
	folders := []string{"../../..", "../..", "../../hyperkube", "../../network", "../../kubernetes"}
	for changed := true; changed; {
		required, newest := map[string]map[string]string{}, map[string]string{}
		for _, folder := range folders {
			versions, err := requirements(t.Context(), folder)
			if err != nil {
				t.Fatal(err)
			}
			if folder == "../../kubernetes" {
				maps.DeleteFunc(versions, func(path, _ string) bool { return strings.HasPrefix(path, "github.com/pulumi/") })
			}
			required[folder] = versions
			for path, version := range versions {
				if semver.Compare(version, newest[path]) > 0 {
					newest[path] = version
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
				t.Errorf("%s requires older modules than the others. Fix: go -C emulator test ./setup/programs -run TestModulesAgree -update, or in emulator/setup/programs: go %s", folder, strings.Join(edit, " "))
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
	asked, err := requirements(t.Context(), "../../..")
	got, err2 := requirements(t.Context(), "../../kubernetes")
	if err := errors.Join(err, err2); err != nil || got[sdk] != asked[sdk] {
		t.Errorf("emulator/kubernetes is the provider %s (%v), the program asks for %s", got[sdk], err, asked[sdk])
	}
	for module, file := range map[string]string{"pulumi-gcp/sdk/v7": "gcp/provider.go", "pulumi-docker/sdk/v4": "docker/docker.go"} {
		text, err := os.ReadFile(filepath.Join("..", "..", file))
		version := strings.TrimPrefix(asked["github.com/pulumi/"+module], "v")
		if err != nil || !strings.Contains(string(text), `wire.NewBase(host, "`+version+`", `) {
			t.Errorf("emulator/%s imitates another version than %q of %s, %v. Fix: record the answers of that version, see testdata/README.md next to it", file, version, module, err)
		}
	}
	// Make does not see the module that replaces the SDK, because no program is in it. Go
	// repeats this test when a file changes that it has read.
	if _, err := (checkout.Checkout{Root: "../../.."}).Digest([]string{"emulator/kubernetes/sdk"}); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("go", "-C", "../../kubernetes/sdk", "test", "./go/kubernetes").CombinedOutput(); err != nil {
		t.Errorf("the part of the SDK that is replaced: %v\n%s", err, out)
	}
}

func TestLink(t *testing.T) {
	c := checkouttest.New(t)
	c.Path, c.Plugins = "/nowhere", t.TempDir()
	checkouttest.Write(t, filepath.Join(c.Root, "go.mod"), "module m\n\nrequire (\n\tgithub.com/pulumi/pulumi-gcp/sdk/v7 v7.38.0\n\tgithub.com/pulumi/pulumi-kubernetes/sdk/v4 v4.25.0\n\tgithub.com/pulumi/pulumi/sdk/v3 v3.250.0\n)\n")

	// The user's own Kubernetes plugin is used, once it is downloaded.
	plugin := filepath.Join("resource-kubernetes-v4.25.0", "pulumi-resource-kubernetes")
	own, compiled := filepath.Join(c.Plugins, plugin), "../../../bin/"+providerBinary
	leadsTo := func(want string) {
		t.Helper()
		if err := link(t.Context(), c, nil); err != nil {
			t.Fatal(err)
		}
		if got, err := os.Readlink(c.Home("pulumi", "plugins", plugin+".real")); err != nil || got != want {
			t.Errorf("the Kubernetes plugin is %q (%v), want %q", got, err, want)
		}
	}
	leadsTo(compiled)
	checkouttest.Script(t, own, `mktemp "$TMPDIR/kubeconfigXXX"`)
	partial := filepath.Dir(own) + ".partial"
	checkouttest.Write(t, partial, "")
	leadsTo(compiled)
	os.Remove(partial)
	leadsTo(own)

	// The files that it leaves are gone when it has ended and is started again.
	for range 3 {
		if out, err := exec.Command(c.Home("pulumi", "plugins", plugin)).CombinedOutput(); err != nil || !checkout.Exists(strings.TrimSpace(string(out))) {
			t.Errorf("the provider printed %s, %v", out, err)
		}
	}
	if left, err := filepath.Glob(c.Home("provider", "*", "*")); err != nil || len(left) != 1 {
		t.Errorf("files of the provider: %q, %v; want the last one's", left, err)
	}

	// The language host of the user's own CLI is used, too.
	installed := t.TempDir()
	for _, name := range []string{"pulumi", "pulumi-language-go"} {
		checkouttest.Script(t, filepath.Join(installed, "real", name), "")
	}
	if err := os.Symlink("real/pulumi", filepath.Join(installed, "pulumi")); err != nil {
		t.Fatal(err)
	}
	c.Path = installed
	if err := link(t.Context(), c, nil); err != nil || checkout.Exists(c.Home("bin", "pulumi-language-go")) {
		t.Errorf("the emulator's language host is still linked: %v", err)
	}
}
