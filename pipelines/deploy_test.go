package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"hello-timber/pipelines/run"
)

// Only the committed file says where the state of a pipelines' stack is. Other stacks are
// where the user is logged in.
func TestBackend(t *testing.T) {
	for _, tt := range []struct{ stack, file, place, complaint string }{
		{"dev", "BACKEND=gs://acme-timber-\n", "gs://acme-timber-dev", ""},
		{"prod", "# BACKEND=gs://no\nIMAGES=\nBACKEND=gs://acme-timber-", "gs://acme-timber-prod", ""},
		{"dev", "BACKEND=\n", "", ""},
		{"fresh", "BACKEND=gs://acme-timber-\n", "", ""},
		{"dev", "IMAGES=\n", "", "pipelines/google.env has no line BACKEND="},
	} {
		r := newRunner(t, "STACK="+tt.stack, "BACKEND=gs://evil-")
		r.write(t, run.GoogleFile, tt.file)
		_, _, err := r.run(t, "preview")
		want(t, tt.file, err, tt.complaint)
		if places := slices.Compact(r.pulumi.backends); err == nil && !slices.Equal(places, []string{tt.place}) || err != nil && len(places) > 0 {
			t.Errorf("%s with %q: at %q, want %q", tt.stack, tt.file, places, tt.place)
		}
	}
}

// What a person or a workflow passes is checked before anything is started.
func TestNames(t *testing.T) {
	attack := "$(shell id > /tmp/pwned)"
	for _, tt := range []struct{ command, env, want string }{
		{"deploy", "STACK=" + attack, "STACK: "},
		{"deploy", "STACK=x&&id", "STACK: "},
		{"deploy", "STACK=--help", "STACK: "},
		{"deploy", "STACK=../prod", "STACK: "},
		{"deploy", "STACK=Prod", "STACK: "},
		{"deploy", "STACK=acme/hello-timber/dev", "Fix: pulumi org set-default acme. The stack is then dev"},
		{"deploy", "STACK=acme/$(id)/dev", "Fix: export STACK=dev"},
		{"summary", "STACKS=dev acme/staging", "Fix: pulumi org set-default acme. The stack is then staging"},
		{"deploy", "STACK=-", "STACK: "},
		{"summary", "STACKS=dev;id", "STACKS: "},
		{"summary", "STACKS= ", "names no stack"},
		{"summary", "STACKS=dev dev", "twice"},
		{"summary", "STACKS=dev e2e-dev", "and others"},
		{"drift", "STACKS=`id`", "STACKS: "},
		{"image", "STACK=dev\nprod", "STACK: "},
		{"verify", "IMAGE=" + imageV1 + " --help", "IMAGE: "},
		{"verify", "IMAGE=timber:v1", "IMAGE: "},
		{"version", "BASE=--output=/etc/passwd", "BASE: "},
		{"comment", "PULL_REQUEST=7/../8", "PULL_REQUEST: "},
		{"settings", "GITHUB_REPOSITORY=o/r/../x", "GITHUB_REPOSITORY: "},
	} {
		r := newRunner(t)
		_, _, err := r.run(t, tt.command, tt.env)
		want(t, tt.command+" "+tt.env, err, tt.want)
		if err != nil && !strings.Contains(err.Error(), "Fix: ") || len(r.pulumi.calls) > 0 {
			t.Errorf("%s %s: no fix in %v, or pulumi was started: %q", tt.command, tt.env, err, r.pulumi.calls)
		}
	}
	for _, args := range [][]string{nil, {"propose"}, {"deploy", "prod"}} {
		want(t, strings.Join(args, " "), start(t.Context(), &run.Pipeline{}, args), "usage: ")
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
		{"STACK=prod IMAGE=" + imageV1, true, ""},
		{"STACK=staging IMAGE=deployed", true, ""},
		{"STACK=dev IMAGE=deployed", false, ""},   // which the stack has built
		{"STACK=fresh IMAGE=deployed", false, ""}, // never
		{"STACK=prod IMAGE=", false, `IMAGE: ""`},
		{"STACK=prod IMAGE=timber:v1", false, `IMAGE: "timber:v1"`},
		{"STACK=forbidden IMAGE=deployed", false, "403 Forbidden"},
		{"STACK=odd IMAGE=deployed", false, `"timber:v1"`},
		{"STACK=none IMAGE=deployed", false, "no stack named 'none'"},
	} {
		r := newRunner(t)
		_, _, err := r.run(t, "preview", strings.Fields(tt.env)...)
		want(t, tt.env, err, tt.want)
		isSet := r.called("config set", "bin/config/", " image --plaintext -- "+imageV1)
		if previewed := r.called("preview"); isSet != tt.isSet || previewed != (tt.want == "") {
			t.Errorf("%s: an image was set: %t, want %t; previewed: %t; %q", tt.env, isSet, tt.isSet, previewed, r.pulumi.calls)
		}
		if text := read(t, filepath.Join(r.folder, "Pulumi.prod.yaml")); text != "config: {}\n" {
			t.Errorf("%s: the stack's own config file is %q", tt.env, text)
		}
	}
}

const deployment = `{"resOutputsEvent":{"metadata":{"op":"update","urn":"urn:pulumi:dev::p::docker:index/image:Image::timber-tutorial","type":"docker:index/image:Image","new":{"custom":true,"outputs":{"repoDigest":"IMAGE"}},"detailedDiff":null}}}
{"summaryEvent":{"resourceChanges":{"update":1}}}
`

// Only an image that this run built is vouched for.
func TestDeployReports(t *testing.T) {
	for name, tt := range map[string]struct{ events, built string }{
		"built":            {strings.Replace(deployment, "IMAGE", imageV1, 1), "true"},
		"built another":    {strings.Replace(deployment, "IMAGE", "other", 1), "false"},
		"image unchanged":  {strings.Replace(deployment, "update", "same", 1), "false"},
		"a preview builds": {strings.Replace(strings.Replace(deployment, `}}}`+"\n", `},"planning":true}}`+"\n", 1), "IMAGE", imageV1, 1), "false"},
	} {
		r := newRunner(t, "STACK=dev")
		r.pulumi.stacks["dev"].events = tt.events
		expected := "built=" + tt.built + "\ndigest=sha256:" + hex64 + "\nimage=" + imageV1 + "\nname=" + strings.TrimSuffix(imageV1, "@sha256:"+hex64) +
			"\nurl=http://203.0.113.1/index\n"
		if got := r.outputs(t, "deploy"); got != expected {
			t.Errorf("%s: reported\n%swant\n%s", name, got, expected)
		}
		if !r.called("preview", "--expect-no-changes") {
			t.Errorf("%s: no preview follows: %q", name, r.pulumi.calls)
		}
	}
}

// What is deployed is what was approved: not what another deployment left to do.
func TestApproved(t *testing.T) {
	r := newRunner(t, "STACK=prod", "STACKS=prod", "IMAGE="+imageV1)
	changes, plan, _ := strings.Cut(strings.TrimSpace(r.outputs(t, "summary")), "\nplan=")
	if changes != "changes=true" || len(plan) != 64 {
		t.Fatalf("reported %q, %q", changes, plan)
	}
	for _, tt := range []struct{ events, approved, want string }{
		{"prod.events", plan, ""}, {"dev.events", plan, "than what was approved"}, {"prod.events", "", "than what was approved"},
	} {
		r.pulumi.stacks["prod"].events, r.pulumi.calls = tt.events, nil
		_, _, err := r.run(t, "deploy", "APPROVED="+tt.approved)
		want(t, tt.events+" "+tt.approved, err, tt.want)
		if r.called("up") != (tt.want == "") {
			t.Errorf("%s: deployed: %q", tt.events, r.pulumi.calls)
		}
	}
	r.pulumi.stacks["prod"].events = "staging.events"
	if got := r.outputs(t, "summary"); !strings.HasPrefix(got, "changes=false\n") {
		t.Errorf("reported %q", got)
	}
}

// The image of a promotion is that of the commit which is promoted.
func TestImage(t *testing.T) {
	elsewhere := "[2001:db8::5]:5000/team/timber-tutorial@sha256:" + hex64 // as the registry of an existing cluster
	r := newRunner(t)
	r.pulumi.stacks["odd"].state = stateWith(elsewhere, "", "", "")
	r.pulumi.stacks["prod"].head, r.pulumi.stacks["prod"].result = "0123456789", "failed"
	for _, tt := range []struct{ env, out, want string }{
		{"STACK=staging", imageV1 + "\n", ""},
		{"STACK=odd COMMIT=-", elsewhere + "\n", ""},
		{"STACK=prod", "", `is "failed", not succeeded`},
		{"STACK=staging COMMIT=9999999", "", "commit 9999999"},
		{"STACK=fresh COMMIT=-", "", "runs no image"},
		{"STACK=forbidden COMMIT=-", "", "403 Forbidden"},
	} {
		out, _, err := r.run(t, "image", strings.Fields(tt.env)...)
		if want(t, tt.env, err, tt.want); out != tt.out {
			t.Errorf("%s: got %q", tt.env, out)
		}
	}
}

// A commit never undoes a newer one, unless a rollback is asked for.
func TestNotOlder(t *testing.T) {
	r := newRunner(t, "STACK=dev")
	whole, noClone := r.folder, t.TempDir()
	if err := os.CopyFS(noClone, os.DirFS(whole)); err != nil {
		t.Fatal(err)
	}
	commit := func(message string) string {
		git(t, whole, "commit", "--quiet", "--allow-empty", "--message", message)
		return git(t, whole, "rev-parse", "HEAD")
	}
	git(t, whole, "init", "--quiet", "--initial-branch=main")
	git(t, whole, "add", ".")
	first, second, third := commit("first"), commit("second"), commit("third")
	git(t, whole, "checkout", "--quiet", "-b", "side", first)
	side := commit("on another branch")
	git(t, whole, "checkout", "--quiet", second)
	shallow := filepath.Join(t.TempDir(), "shallow")
	git(t, whole, "clone", "--quiet", "--depth=1", "--branch=main", "file://"+whole, shallow)
	for name, tt := range map[string]struct{ folder, last, rollback, want string }{
		"the first deployment":   {whole, "", "", ""},
		"the same commit":        {whole, second, "", ""},
		"a newer commit":         {whole, first, "", ""},
		"an older commit":        {whole, third, "", "runs commit " + third + ", which is newer than this one, " + second},
		"a rollback":             {whole, third, "true", ""},
		"of another branch":      {whole, side, "", ""},
		"of no branch":           {whole, strings.Repeat("a", 40), "", ""},
		"no commit":              {whole, "--help", "", ""},
		"shallow":                {shallow, first, "", "not a whole clone. Fix: git fetch --unshallow"},
		"shallow, the same":      {shallow, third, "", ""},
		"shallow, of a rollback": {shallow, first, "true", ""},
		"no clone":               {noClone, first, "", "not a whole clone"},
	} {
		r.pulumi.stacks["dev"].head, r.folder, r.pulumi.calls = tt.last, tt.folder, nil
		_, _, err := r.run(t, "deploy", "ROLLBACK="+tt.rollback)
		if want(t, name, err, tt.want); r.called("up") != (tt.want == "") {
			t.Errorf("%s: updated: %q", name, r.pulumi.calls)
		}
	}
}

// What a stack runs is the image of its last complete rollout, whatever else has failed.
func TestRuns(t *testing.T) {
	const notReady, never = "containers with unready status", "no rollout was ever complete"
	for name, tt := range map[string]struct{ state, image, want string }{
		"all is well":                        {stateWith(imageV1, imageV1, "", ""), imageV1, ""},
		"a rollout failed":                   {stateWith(imageV1, imageV2, notReady, ""), imageV1, ""},
		"something failed after the rollout": {stateWith(imageV1, imageV2, "", ""), imageV2, ""},
		"the first rollout failed":           {stateWith("", imageV1, notReady, ""), "", never},
		"the first update failed before":     {stateWith("", "", "", imageV1), "", never},
	} {
		r := newRunner(t, "STACK=prod", "COMMIT=-")
		r.pulumi.stacks["prod"].state = tt.state
		out, _, err := r.run(t, "image")
		if want(t, name, err, tt.want); strings.TrimSpace(out) != tt.image {
			t.Errorf("%s: got %q, want %q", name, out, tt.image)
		}
		_, _, err = r.run(t, "deploy", "IMAGE=deployed")
		want(t, name, err, tt.want)
		if all := tt.want == ""; r.called("up") != all || r.called("config set", " image --plaintext -- "+tt.image) != all {
			t.Errorf("%s: %q", name, r.pulumi.calls)
		}
	}
}

// A repair builds nothing, and undoes what was changed manually. Everything else a
// deployment leaves to the nightly check.
func TestRepair(t *testing.T) {
	for env, want := range map[string]struct{ refreshed, kept bool }{
		"STACK=prod IMAGE=deployed": {true, false}, "STACK=dev IMAGE=deployed": {true, true},
		"STACK=dev IMAGE=configured": {false, false}, "STACK=prod IMAGE=" + imageV1: {false, false},
	} {
		r := newRunner(t)
		if _, log, err := r.run(t, "deploy", strings.Fields(env)...); err != nil {
			t.Fatal(err, log)
		}
		const kept = "--exclude=" + imageURN
		if r.called("up", "--refresh") != want.refreshed || r.called("up", kept) != want.kept || r.called("preview", kept) != want.kept {
			t.Errorf("%s: want %+v, got %q", env, want, r.pulumi.calls)
		}
	}
}

func TestDestroy(t *testing.T) {
	r := newRunner(t, "STACK=prod")
	for _, confirm := range []string{"-", "", "staging", "prod "} {
		_, _, err := r.run(t, "destroy", "CONFIRM="+confirm)
		want(t, confirm, err, "make destroy STACK=prod CONFIRM=prod")
	}
	if len(r.pulumi.calls) > 0 {
		t.Errorf("pulumi was started: %q", r.pulumi.calls)
	}
	_, _, err := r.run(t, "destroy", "CONFIRM=prod")
	want(t, "confirmed", err, "")
	calls := strings.Join(r.pulumi.calls, "\n")
	if preview, destroy := strings.Index(calls, "--preview-only"), strings.Index(calls, "--yes"); preview < 0 || destroy < preview {
		t.Errorf("the preview does not come first:\n%s", calls)
	}
}

// A watch that may not read Secrets leaves them out, and a stack that is being
// updated is not called drifted.
func TestDrift(t *testing.T) {
	r := newRunner(t)
	for stack, complaint := range map[string]string{
		"staging": "", "fresh": "", "drifted": "not as deployed: drifted", "updating": "the check failed: updating", "none": "the check failed: none",
	} {
		_, _, err := r.run(t, "drift", "STACKS="+stack)
		want(t, stack, err, complaint)
	}
	if !r.called("refresh", "--exclude=urn:pulumi:drifted::p::kubernetes:core/v1:Secret::environment") {
		t.Errorf("Secrets are read: %q", r.pulumi.calls)
	}
	if r.called("preview") || r.called("up") {
		t.Errorf("the program runs: %q", r.pulumi.calls)
	}
}
