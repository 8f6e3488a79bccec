package run_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"hello-timber/pipelines/deploy"
	"hello-timber/pipelines/plan"
	"hello-timber/pipelines/run"
	"hello-timber/pipelines/run/runtest"
)

// Only the committed file says where the state of a pipelines' stack is, and Docker's own login
// keeps the user's token out of it. Other stacks are where the user is logged in.
func TestBackend(t *testing.T) {
	for _, tt := range []struct{ stack, file, place, complaint string }{
		{"dev", "BACKEND=gs://acme-timber-\nIMAGES=eu-docker.pkg.dev/p/r/s\n", "gs://acme-timber-dev", ""},
		{"prod", "# BACKEND=gs://no\nIMAGES=eu-docker.pkg.dev/p/r/s\nBACKEND=gs://acme-timber-", "gs://acme-timber-prod", ""},
		{"dev", "BACKEND=\n", "", ""},
		{"fresh", "BACKEND=gs://acme-timber-\n", "", ""},
		{"dev", "IMAGES=\n", "", "pipelines/google.env has no line BACKEND="},
	} {
		r, tools := runtest.New(t, "STACK="+tt.stack, "BACKEND=gs://evil-"), t.TempDir()
		runtest.Script(t, tools, "gcloud", `echo "$@" >> `+tools+"/calls")
		r.Write(run.GoogleFile, tt.file)
		r.Try(tt.file, tt.complaint, plan.Preview)
		if places := slices.Compact(r.Pulumi.Backends); tt.complaint == "" && !slices.Equal(places, []string{tt.place}) || tt.complaint != "" && len(places) > 0 {
			t.Errorf("%s with %q: at %q, want %q", tt.stack, tt.file, places, tt.place)
		}
		if calls, _ := os.ReadFile(tools + "/calls"); (string(calls) == "auth configure-docker eu-docker.pkg.dev --quiet\n") != (tt.place != "") {
			t.Errorf("%s with %q: gcloud %s", tt.stack, tt.file, calls)
		}
	}
}

// The image is the one asked for, or an error: never another one by accident.
func TestImageRequest(t *testing.T) {
	for _, tt := range []struct {
		env   string
		isSet bool // in the stack's config
		want  string
	}{
		{"STACK=dev", false, ""},
		{"STACK=dev IMAGE=configured", false, ""},
		{"STACK=prod IMAGE=" + runtest.ImageV1, true, ""},
		{"STACK=staging IMAGE=deployed", true, ""},
		{"STACK=dev IMAGE=deployed", false, ""},   // which the stack has built
		{"STACK=fresh IMAGE=deployed", false, ""}, // never
		{"STACK=prod IMAGE=", false, `IMAGE: ""`},
		{"STACK=prod IMAGE=timber:v1", false, `IMAGE: "timber:v1"`},
		{"STACK=forbidden IMAGE=deployed", false, "403 Forbidden"},
		{"STACK=odd IMAGE=deployed", false, `"timber:v1"`},
		{"STACK=none IMAGE=deployed", false, "no stack named 'none'"},
	} {
		r := runtest.New(t)
		r.Try(tt.env, tt.want, plan.Preview, strings.Fields(tt.env)...)
		isSet := r.Called("config set", "bin/config/", " image --plaintext -- "+runtest.ImageV1)
		if previewed := r.Called("preview"); isSet != tt.isSet || previewed != (tt.want == "") {
			t.Errorf("%s: an image was set: %t, want %t; previewed: %t; %q", tt.env, isSet, tt.isSet, previewed, r.Pulumi.Calls)
		}
		if text := runtest.Read(t, filepath.Join(r.Folder, "Pulumi.prod.yaml")); text != "config: {}\n" {
			t.Errorf("%s: the stack's own config file is %q", tt.env, text)
		}
	}
}

// What a stack runs is the image of its last complete rollout, whatever else has failed. A tag
// about another image changes nothing.
func TestRuns(t *testing.T) {
	other := "sha256:" + strings.Repeat("a", 64)
	const v1, v2, notReady, never = runtest.ImageV1, runtest.ImageV2, "containers with unready status", "no rollout was ever complete"
	for name, tt := range map[string]struct{ state, image, want string }{
		"all is well":                        {runtest.StateWith(v1, v1, "", ""), v1, ""},
		"a rollout failed":                   {runtest.StateWith(v1, v2, notReady, ""), v1, ""},
		"something failed after the rollout": {runtest.StateWith(v1, v2, "", ""), v2, ""},
		"the first rollout failed":           {runtest.StateWith("", v1, notReady, ""), "", never},
		"the first update failed before":     {runtest.StateWith("", "", "", v1), "", never},
	} {
		r := runtest.New(t, "STACK=prod", "COMMIT=-")
		r.Pulumi.Stacks["prod"].State, r.Pulumi.Stacks["prod"].FailedCheck = tt.state, other+" "+runtest.Repository+"@"+other
		if out, _ := r.Try(name, tt.want, deploy.Image); strings.TrimSpace(out) != tt.image {
			t.Errorf("%s: got %q, want %q", name, out, tt.image)
		}
		r.Try(name, tt.want, deploy.Deploy, "IMAGE=deployed")
		if all := tt.want == ""; r.Called("up") != all || r.Called("config set", " image --plaintext -- "+tt.image) != all {
			t.Errorf("%s: %q", name, r.Pulumi.Calls)
		}
	}
}

const archive = "  pulumi-resource-kubernetes-v4.25.0-linux-amd64.tar.gz\n"

// A plugin that is missing is installed by its checksum, or not at all.
func TestInstallPlugins(t *testing.T) {
	sum := strings.TrimPrefix(runtest.Digest1, "sha256:")
	installs := "plugin install resource kubernetes v4.25.0 --exact --checksum " + sum
	for name, tt := range map[string]struct{ sums, folder, call, complaint string }{
		"missing":          {sum + archive, "resource-docker-v4.25.0", installs, ""},
		"another version":  {sum + archive, "resource-kubernetes-v4.24.0", installs, ""},
		"half installed":   {sum + archive, "resource-kubernetes-v4.25.0.partial", installs, ""},
		"installed":        {"?" + archive, "resource-kubernetes-v4.25.0", "", ""},
		"unknown":          {"?" + archive, "", "", "has no checksum"},
		"another platform": {strings.Replace(sum+archive, "linux", "solaris", 1), "", "", "has no checksum"},
		"refused":          {"# a comment\n" + sum + archive, "", installs, "install the plugin kubernetes v4.25.0: invalid checksum"},
	} {
		home := t.TempDir()
		t.Setenv("PULUMI_HOME", home)
		runtest.Write(t, filepath.Join(home, "plugins", strings.TrimSuffix(tt.folder, ".partial"), "plugin"), "")
		runtest.Write(t, filepath.Join(home, "plugins", tt.folder, "file"), "")
		r := runtest.New(t, "STACK=dev")
		r.Write(run.SumsFile, tt.sums)
		r.Pulumi.Refuses = tt.complaint != ""
		r.Try(name, tt.complaint, plan.Preview)
		if first := append(r.Pulumi.Calls, "")[0]; strings.HasPrefix(first, "plugin ") != (tt.call != "") || tt.call != "" && first != tt.call {
			t.Errorf("%s: the first call is %q, want %q", name, first, tt.call)
		}
		if tt.complaint != "" && len(r.Pulumi.Calls) > 1 {
			t.Errorf("%s: it goes on: %q", name, r.Pulumi.Calls)
		}
	}
}

// The checksums are those of exactly the CLI and the providers that the program requires. Where
// the emulator downloads one, it is the same archive.
func TestPluginSums(t *testing.T) {
	const module, archives = "../../go.mod", "../../emulator/setup/downloads/archives.go"
	var required, got []string
	for _, found := range regexp.MustCompile(`(?m)^\tgithub\.com/pulumi/pulumi(-[a-z]+|)(?:/pulumi)?/sdk/v\d+ (v[\d.]+)$`).FindAllStringSubmatch(runtest.Read(t, module), -1) {
		file := "pulumi-resource" + found[1] + "-" + found[2] + "-linux-amd64"
		if found[1] == "" {
			file = "pulumi-" + found[2] + "-linux-x64"
		}
		required = append(required, file+".tar.gz")
	}
	for _, found := range regexp.MustCompile(`(?m)^([^#\s]+)  (.+)$`).FindAllStringSubmatch(runtest.Read(t, "../plugins.sums"), -1) {
		got = append(got, found[2])
		if cli := strings.HasPrefix(found[2], "pulumi-v"); (cli || strings.Contains(found[2], "-kubernetes-")) && !strings.Contains(runtest.Read(t, archives), `"`+found[1]+`"`) {
			t.Errorf("%s has another checksum of %s", archives, found[2])
		}
		if !strings.HasPrefix(found[2], "pulumi-v") && !run.ArchiveLine.MatchString(found[0]) {
			t.Errorf("%s: %q is not read", run.SumsFile, found[0])
		}
	}
	if slices.Sort(got); len(got) < 2 || !slices.Equal(got, slices.Sorted(slices.Values(required))) {
		t.Errorf("%s has %q, %s requires %q", run.SumsFile, got, module, required)
	}
}
