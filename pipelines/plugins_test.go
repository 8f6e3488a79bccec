package main

import (
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"hello-timber/pipelines/run"
)

const sumOf = "  pulumi-resource-kubernetes-v4.25.0-linux-amd64.tar.gz\n"

// A plugin that is missing is installed by its checksum, or not at all.
func TestInstallPlugins(t *testing.T) {
	const installs = "plugin install resource kubernetes v4.25.0 --exact --checksum " + hex64
	for name, tt := range map[string]struct{ sums, folder, call, complaint string }{
		"missing":          {hex64 + sumOf, "resource-docker-v4.25.0", installs, ""},
		"another version":  {hex64 + sumOf, "resource-kubernetes-v4.24.0", installs, ""},
		"half installed":   {hex64 + sumOf, "resource-kubernetes-v4.25.0.partial", installs, ""},
		"installed":        {"?" + sumOf, "resource-kubernetes-v4.25.0", "", ""},
		"unknown":          {"?" + sumOf, "", "", "has no checksum"},
		"another platform": {strings.Replace(hex64+sumOf, "linux", "solaris", 1), "", "", "has no checksum"},
		"refused":          {"# a comment\n" + hex64 + sumOf, "", installs, "install the plugin kubernetes v4.25.0: invalid checksum"},
	} {
		home := t.TempDir()
		t.Setenv("PULUMI_HOME", home)
		writeFile(t, filepath.Join(home, "plugins", strings.TrimSuffix(tt.folder, ".partial"), "plugin"), "")
		writeFile(t, filepath.Join(home, "plugins", tt.folder, "file"), "")
		r := newRunner(t, "STACK=dev")
		r.write(t, run.SumsFile, tt.sums)
		r.pulumi.refuses = tt.complaint != ""
		_, _, err := r.run(t, "preview")
		want(t, name, err, tt.complaint)
		if first := append(r.pulumi.calls, "")[0]; strings.HasPrefix(first, "plugin ") != (tt.call != "") || tt.call != "" && first != tt.call {
			t.Errorf("%s: the first call is %q, want %q", name, first, tt.call)
		}
		if err != nil && len(r.pulumi.calls) > 1 {
			t.Errorf("%s: it goes on: %q", name, r.pulumi.calls)
		}
	}
}

// The checksums are those of exactly the providers that the program requires. Where the
// emulator downloads one, it is the same archive.
func TestPluginSums(t *testing.T) {
	const module, archives = "../go.mod", "../emulator/setup/downloads/archives.go"
	var required []string
	for _, found := range regexp.MustCompile(`(?m)^\tgithub\.com/pulumi/pulumi-([a-z]+)/sdk/v\d+ (v[\d.]+)$`).FindAllStringSubmatch(read(t, module), -1) {
		required = append(required, found[1]+" "+found[2]+" linux-amd64")
	}
	got := map[string]string{}
	for _, found := range run.ArchiveLine.FindAllStringSubmatch(read(t, "plugins.sums"), -1) {
		got[strings.Join(found[2:], " ")] = found[1]
	}
	if names := slices.Sorted(maps.Keys(got)); len(required) == 0 || !slices.Equal(names, slices.Sorted(slices.Values(required))) {
		t.Errorf("%s has %q, %s requires %q", run.SumsFile, names, module, required)
	}
	for name, sum := range got {
		if strings.HasPrefix(name, "kubernetes ") && !strings.Contains(read(t, archives), `"`+sum+`"`) {
			t.Errorf("%s has another checksum of %s", archives, name)
		}
	}
}

// The loop of the set-up writes the checksums that are missing, and leaves the others.
func TestPinPlugins(t *testing.T) {
	const document = "../docs/pipelines.md"
	loop := regexp.MustCompile(`(?ms)^sed -n [^\n]+plugins\.sums .*?^done$`).FindString(read(t, document))
	if loop == "" {
		t.Fatalf("%s has no loop over %s", document, run.SumsFile)
	}
	folder := t.TempDir()
	writeFile(t, filepath.Join(folder, run.SumsFile), "# ? is missing\n?"+sumOf+hex64+strings.Replace(sumOf, "kubernetes", "gcp", 1))
	script(t, folder, "curl", `for address; do :; done; printf %s "$address"`)
	shell := exec.CommandContext(t.Context(), "bash", "-c", "set -euo pipefail\n"+loop)
	shell.Dir = folder
	if out, err := shell.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	published := sha256.Sum256([]byte("https://api.pulumi.com/releases/plugins/" + strings.TrimSpace(sumOf)))
	want := "# ? is missing\n" + hex.EncodeToString(published[:]) + sumOf + hex64 + strings.Replace(sumOf, "kubernetes", "gcp", 1)
	if got := read(t, filepath.Join(folder, run.SumsFile)); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}
