package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/auto"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"hello-timber/pipelines/run"
)

// fakePulumi answers like the Pulumi CLI, with events that a real one wrote.
type fakePulumi struct {
	// PulumiCommand says which version it is.
	auto.PulumiCommand
	t *testing.T
	// stacks are those that exist.
	stacks map[string]*fakeStack
	calls  []string
	// backends are where the calls find their states; empty is where the user is logged in.
	backends []string
	// refuses has it install no plugin.
	refuses bool
}

type fakeStack struct {
	outputs map[string]any
	state   string
	// head and result are those of the last update; an empty result is success.
	head, result string
	// events is a file in testdata, or what follows instead of events if it has lines.
	events string
	// complaint goes to standard error, and the operation fails.
	complaint string
	// unreadable is why the state cannot be read.
	unreadable string
}

func (f *fakePulumi) Run(_ context.Context, _ string, _ io.Reader, _, errOut []io.Writer, env []string, args ...string) (string, string, int, error) {
	f.calls = append(f.calls, strings.Join(args, " "))
	backend := ""
	for _, variable := range env {
		if value, ok := strings.CutPrefix(variable, "PULUMI_BACKEND_URL="); ok {
			backend = value
		}
	}
	f.backends = append(f.backends, backend)
	fail := func(complaint string) (string, string, int, error) {
		for _, w := range errOut {
			io.WriteString(w, complaint)
		}
		return "", complaint, 255, errors.New("exit status 255")
	}
	if args[0] == "plugin" {
		if f.refuses {
			return fail("[resource plugin] installing\nerror: invalid checksum, expected 01, actual 02\n")
		}
		return "", "", 0, nil
	}
	name := after(args, "--stack")
	stack := f.stacks[name]
	if stack == nil {
		return fail("error: no stack named '" + name + "' found\n")
	}
	switch args[0] + " " + args[1] {
	case "stack select":
		return "", "", 0, nil
	case "stack output":
		text, err := json.Marshal(stack.outputs)
		return string(text), "", 0, err
	case "stack history":
		return `[{"version": 1, "result": "` + cmp.Or(stack.result, "succeeded") + `", "environment": {"git.head": "` + stack.head + `"}}]`, "", 0, nil
	case "stack export":
		if stack.unreadable != "" {
			return fail(stack.unreadable)
		}
		return `{"version": 3, "deployment": ` + stack.state + `}`, "", 0, nil
	case "config set":
		return "", "", 0, nil
	}
	if log := after(args, "--event-log"); log != "" && stack.events != "" {
		if err := stack.send(strings.TrimPrefix(log, "tcp://")); err != nil {
			f.t.Error(err)
		}
	}
	if stack.complaint != "" {
		return fail(stack.complaint)
	}
	return "", "", 0, nil
}

// send streams the stack's events to a server, line by line, as the CLI does.
func (s *fakeStack) send(address string) error {
	text := s.events
	if !strings.Contains(text, "\n") {
		file, err := os.ReadFile(filepath.Join("testdata", s.events))
		if err != nil {
			return err
		}
		text = string(file)
	}
	connection, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return err
	}
	defer connection.Close()
	stream, err := pulumirpc.NewEventsClient(connection).StreamEvents(context.Background())
	if err != nil {
		return err
	}
	for line := range strings.Lines(text) {
		if err := stream.Send(&pulumirpc.EventRequest{Event: line}); err != nil {
			return err
		}
	}
	_, err = stream.CloseAndRecv()
	return err
}

// after is the argument that follows another.
func after(args []string, flag string) string {
	for i, arg := range args {
		if arg == flag && i+1 < len(args) {
			return args[i+1]
		}
		if value, ok := strings.CutPrefix(arg, flag+"="); ok {
			return value
		}
	}
	return ""
}

const (
	imageV1  = "europe-west1-docker.pkg.dev/acme-timber-dev/hello-timber-dev/timber-tutorial@sha256:" + hex64
	hex64    = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
	imageV2  = "europe-west1-docker.pkg.dev/acme-timber-dev/hello-timber-dev/timber-tutorial@sha256:f" + hex63
	hex63    = "123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
	imageURN = "urn:pulumi:s::p::docker:index/image:Image::timber-tutorial"
)

// stateWith is the state of a stack with an output image, and with a Deployment of an
// image whose rollout failed if there is a reason. Empty images are left out.
func stateWith(output, deployed, failed, built string) string {
	type object = map[string]any
	resources := []object{{"urn": "urn:pulumi:s::p::pulumi:pulumi:Stack::p-s", "type": "pulumi:pulumi:Stack", "outputs": object{}}}
	if output != "" {
		resources[0]["outputs"] = object{"image": output}
	}
	if built != "" {
		resources = append(resources, object{"urn": imageURN, "type": "docker:index/image:Image", "outputs": object{"repoDigest": built}})
	}
	if deployed != "" {
		containers := []object{{"name": "timber-tutorial", "image": deployed}}
		resources = append(resources, object{"type": "kubernetes:apps/v1:Deployment",
			"inputs": object{"spec": object{"template": object{"spec": object{"containers": containers}}}}})
		if failed != "" {
			resources[len(resources)-1]["initErrors"] = []string{failed}
		}
	}
	text, err := json.Marshal(object{"resources": resources})
	if err != nil {
		panic(err)
	}
	return string(text)
}

// everyStack are the stacks of testdata, in a folder with their config files.
func everyStack(t *testing.T) (*fakePulumi, string) {
	t.Helper()
	tools := t.TempDir()
	if err := os.WriteFile(filepath.Join(tools, "pulumi"), []byte("#!/bin/sh\necho v3.250.0\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", tools+":"+os.Getenv("PATH"))
	official, err := auto.NewPulumiCommand(nil)
	if err != nil {
		t.Fatal(err)
	}
	runs, ready := map[string]any{"image": imageV1, "url": "http://203.0.113.1/index"}, stateWith(imageV1, imageV1, "", "")
	f := &fakePulumi{PulumiCommand: official, t: t, stacks: map[string]*fakeStack{
		"dev":       {events: "dev.events", outputs: runs, state: stateWith(imageV1, imageV1, "", imageV1)},
		"staging":   {events: "staging.events", outputs: runs, state: ready, head: "0123456789"},
		"prod":      {events: "prod.events", outputs: runs, state: ready},
		"drifted":   {events: "drifted.events", outputs: runs, state: `{"resources": [{"urn": "urn:pulumi:drifted::p::kubernetes:core/v1:Secret::environment", "type": "kubernetes:core/v1:Secret"}]}`},
		"refused":   {events: "refused.events", complaint: "error: preview failed\n", state: ready},
		"fresh":     {events: "dev.events", outputs: map[string]any{}, state: `{}`},
		"updating":  {events: "staging.events", state: `{"resources": [{}], "pending_operations": [{}]}`},
		"odd":       {events: "staging.events", state: stateWith("timber:v1", "", "", "")},
		"forbidden": {events: "staging.events", unreadable: "error: could not read the state: 403 Forbidden\n"},
	}}
	folder := t.TempDir()
	for name := range f.stacks {
		if err := os.WriteFile(filepath.Join(folder, "Pulumi."+name+".yaml"), []byte("config: {}\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(folder, "Pulumi.yaml"), []byte("name: hello-timber\nruntime: go\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Join(folder, run.GoogleFile), "BACKEND=\nIMAGES=\n")
	writeFile(t, filepath.Join(folder, run.SumsFile), "")
	return f, folder
}

// writeFile writes a file and makes its folder.
func writeFile(t *testing.T, path, text string) {
	t.Helper()
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte(text), 0o600)); err != nil {
		t.Fatal(err)
	}
}

// runner runs commands with these variables. A value of "-" unsets one.
type runner struct {
	pulumi *fakePulumi
	folder string
	env    map[string]string
}

func newRunner(t *testing.T, env map[string]string) *runner {
	t.Helper()
	f, folder := everyStack(t)
	all := map[string]string{"COMMIT": "0123456789", "GITHUB_RUN_ID": "12345678901", "GITHUB_SERVER_URL": "https://github.com", "GITHUB_REPOSITORY": "o/r"}
	maps.Copy(all, env)
	return &runner{f, folder, all}
}

func (r *runner) run(t *testing.T, command string, env ...string) (out, log string, err error) {
	t.Helper()
	all := maps.Clone(r.env)
	for _, variable := range env {
		name, value, _ := strings.Cut(variable, "=")
		if all[name] = value; value == "-" {
			delete(all, name)
		}
	}
	var stdout, stderr strings.Builder
	p := &run.Pipeline{Folder: r.folder, Out: &stdout, Log: &stderr, Pulumi: r.pulumi,
		Lookup: func(name string) (string, bool) { value, ok := all[name]; return value, ok },
		Pause:  func(context.Context, time.Duration) error { return nil }}
	err = start(t.Context(), p, []string{command})
	return stdout.String(), stderr.String(), err
}

// Only the committed file says where the state of a pipelines' stack is. Other stacks are
// where the user is logged in.
func TestBackend(t *testing.T) {
	for _, tt := range []struct{ stack, file, want, complaint string }{
		{"dev", "BACKEND=gs://acme-timber-\n", "gs://acme-timber-dev", ""},
		{"prod", "# BACKEND=gs://no\nIMAGES=\nBACKEND=gs://acme-timber-", "gs://acme-timber-prod", ""},
		{"dev", "BACKEND=\n", "", ""},
		{"fresh", "BACKEND=gs://acme-timber-\n", "", ""},
		{"dev", "IMAGES=\n", "", "pipelines/google.env has no line BACKEND="},
	} {
		r := newRunner(t, map[string]string{"STACK": tt.stack, "BACKEND": "gs://evil-"})
		writeFile(t, filepath.Join(r.folder, run.GoogleFile), tt.file)
		_, _, err := r.run(t, "preview")
		if tt.complaint != "" {
			if err == nil || !strings.Contains(err.Error(), tt.complaint) || len(r.pulumi.calls) > 0 {
				t.Errorf("%q: got %v after %q, want %q", tt.file, err, r.pulumi.calls, tt.complaint)
			}
		} else if places := slices.Compact(r.pulumi.backends); err != nil || !slices.Equal(places, []string{tt.want}) {
			t.Errorf("%s with %q: %v at %q, want %q", tt.stack, tt.file, err, places, tt.want)
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
		{"release", "TAG=v1.2.0 --draft", "TAG: "},
		{"version", "BASE=--output=/etc/passwd", "BASE: "},
		{"comment", "PULL_REQUEST=7/../8", "PULL_REQUEST: "},
		{"settings", "GITHUB_REPOSITORY=o/r/../x", "GITHUB_REPOSITORY: "},
	} {
		t.Run(tt.command+" "+tt.env, func(t *testing.T) {
			r := newRunner(t, nil)
			_, _, err := r.run(t, tt.command, tt.env)
			if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), "Fix: ") {
				t.Errorf("got %v, want an error with %q and a fix", err, tt.want)
			}
			if len(r.pulumi.calls) > 0 {
				t.Errorf("pulumi was started: %q", r.pulumi.calls)
			}
		})
	}
	for _, args := range [][]string{nil, {"propose"}, {"deploy", "prod"}} {
		if err := start(t.Context(), &run.Pipeline{}, args); err == nil || !strings.Contains(err.Error(), "usage: ") {
			t.Errorf("%q: got %v", args, err)
		}
	}
}

// The image is the one asked for, or an error: never another one by accident.
func TestImageRequest(t *testing.T) {
	for name, tt := range map[string]struct {
		env    []string
		config bool   // whether the stack's config gets an image
		want   string // of the error
	}{
		"not given":           {[]string{"STACK=dev"}, false, ""},
		"configured":          {[]string{"STACK=dev", "IMAGE=configured"}, false, ""},
		"given":               {[]string{"STACK=prod", "IMAGE=" + imageV1}, true, ""},
		"deployed":            {[]string{"STACK=staging", "IMAGE=deployed"}, true, ""},
		"built by the stack":  {[]string{"STACK=dev", "IMAGE=deployed"}, false, ""},
		"never deployed":      {[]string{"STACK=fresh", "IMAGE=deployed"}, false, ""},
		"empty":               {[]string{"STACK=prod", "IMAGE="}, false, `IMAGE: ""`},
		"unknown":             {[]string{"STACK=prod", "IMAGE=timber:v1"}, false, `IMAGE: "timber:v1"`},
		"cannot be read":      {[]string{"STACK=forbidden", "IMAGE=deployed"}, false, "403 Forbidden"},
		"output is no digest": {[]string{"STACK=odd", "IMAGE=deployed"}, false, `"timber:v1"`},
		"no such stack":       {[]string{"STACK=none", "IMAGE=deployed"}, false, "no stack named 'none'"},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRunner(t, nil)
			_, _, err := r.run(t, "preview", tt.env...)
			if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
			set := slices.ContainsFunc(r.pulumi.calls, func(call string) bool {
				return strings.HasPrefix(call, "config set ") && strings.Contains(call, "bin/config/") && strings.HasSuffix(call, " image --plaintext -- "+imageV1)
			})
			previewed := slices.ContainsFunc(r.pulumi.calls, func(call string) bool { return strings.HasPrefix(call, "preview ") })
			if set != tt.config || previewed != (tt.want == "") {
				t.Errorf("an image was set: %t, want %t; previewed: %t; %q", set, tt.config, previewed, r.pulumi.calls)
			}
			if text, err := os.ReadFile(filepath.Join(r.folder, "Pulumi.prod.yaml")); string(text) != "config: {}\n" || err != nil {
				t.Errorf("the stack's own config file is %q, %v", text, err)
			}
		})
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
		t.Run(name, func(t *testing.T) {
			r := newRunner(t, map[string]string{"STACK": "dev"})
			r.pulumi.stacks["dev"].events = tt.events
			outputs := filepath.Join(t.TempDir(), "outputs")
			if _, log, err := r.run(t, "deploy", "GITHUB_OUTPUT="+outputs); err != nil {
				t.Fatal(err, log)
			}
			text, err := os.ReadFile(outputs)
			if err != nil {
				t.Fatal(err)
			}
			want := "built=" + tt.built + "\ndigest=sha256:" + hex64 + "\nimage=" + imageV1 + "\nname=" + strings.TrimSuffix(imageV1, "@sha256:"+hex64) +
				"\nurl=http://203.0.113.1/index\n"
			if string(text) != want {
				t.Errorf("reported\n%swant\n%s", text, want)
			}
			if !strings.Contains(strings.Join(r.pulumi.calls, "\n"), "--expect-no-changes") {
				t.Errorf("no preview follows: %q", r.pulumi.calls)
			}
		})
	}
}

// What is deployed is what was approved: not what another deployment left to do.
func TestApproved(t *testing.T) {
	r := newRunner(t, map[string]string{"STACK": "prod", "STACKS": "prod", "IMAGE": imageV1})
	outputs := filepath.Join(t.TempDir(), "outputs")
	if _, _, err := r.run(t, "summary", "GITHUB_OUTPUT="+outputs); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(outputs)
	if err != nil {
		t.Fatal(err)
	}
	changes, plan, _ := strings.Cut(strings.TrimSpace(string(text)), "\nplan=")
	if changes != "changes=true" || len(plan) != 64 {
		t.Fatalf("reported %q", text)
	}
	if _, _, err := r.run(t, "deploy", "APPROVED="+plan); err != nil {
		t.Errorf("the approved plan: %v", err)
	}
	for name, edit := range map[string]func(env *string){
		"another plan": func(*string) { r.pulumi.stacks["prod"].events = "dev.events" },
		"none":         func(approved *string) { r.pulumi.stacks["prod"].events = "prod.events"; *approved = "" },
	} {
		r.pulumi.calls = nil
		approved := plan
		edit(&approved)
		_, _, err := r.run(t, "deploy", "APPROVED="+approved)
		if err == nil || !strings.Contains(err.Error(), "than what was approved") {
			t.Errorf("%s: got %v", name, err)
		}
		for _, call := range r.pulumi.calls {
			if strings.HasPrefix(call, "up ") {
				t.Errorf("%s: prod was deployed", name)
			}
		}
	}
	r.pulumi.stacks["prod"].events = "staging.events"
	if err := os.Remove(outputs); err != nil {
		t.Fatal(err)
	}
	if _, _, err := r.run(t, "summary", "GITHUB_OUTPUT="+outputs); err != nil {
		t.Fatal(err)
	}
	if text, err := os.ReadFile(outputs); err != nil || !strings.HasPrefix(string(text), "changes=false\n") {
		t.Errorf("reported %q, %v", text, err)
	}
}

// The image of a promotion is that of the commit which is promoted.
func TestImage(t *testing.T) {
	r := newRunner(t, map[string]string{"STACK": "staging"})
	if out, _, err := r.run(t, "image"); out != imageV1+"\n" || err != nil {
		t.Errorf("got %q, %v", out, err)
	}
	elsewhere := "[2001:db8::5]:5000/team/timber-tutorial@sha256:" + hex64 // as the registry of an existing cluster
	r.pulumi.stacks["odd"].state = stateWith(elsewhere, "", "", "")
	if out, _, err := r.run(t, "image", "STACK=odd", "COMMIT=-"); out != elsewhere+"\n" || err != nil {
		t.Errorf("got %q, %v", out, err)
	}
	r.pulumi.stacks["prod"].head, r.pulumi.stacks["prod"].result = "0123456789", "failed"
	if out, _, err := r.run(t, "image", "STACK=prod"); err == nil || !strings.Contains(err.Error(), `is "failed", not succeeded`) || out != "" {
		t.Errorf("an update that failed: got %q, %v", out, err)
	}
	for want, env := range map[string]string{"commit 9999999": "COMMIT=9999999", "runs no image": "STACK=fresh", "403 Forbidden": "STACK=forbidden"} {
		commit := "COMMIT=-"
		if strings.HasPrefix(env, "COMMIT") {
			commit = env
		}
		if out, _, err := r.run(t, "image", commit, env); err == nil || !strings.Contains(err.Error(), want) || out != "" {
			t.Errorf("%s: got %q, %v, want %q", env, out, err, want)
		}
	}
}

// A commit never undoes a newer one, unless a rollback is asked for.
func TestNotOlder(t *testing.T) {
	r := newRunner(t, map[string]string{"STACK": "dev"})
	whole := r.folder
	commit := func(message string) string {
		git(t, whole, "commit", "--quiet", "--allow-empty", "--message", message)
		return git(t, whole, "rev-parse", "HEAD")
	}
	git(t, whole, "init", "--quiet", "--initial-branch=main")
	git(t, whole, "add", ".")
	first, second := commit("first"), commit("second")
	third := commit("third")
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
		"no clone":               {t.TempDir(), first, "", "not a whole clone"},
	} {
		r.pulumi.stacks["dev"].head, r.folder, r.pulumi.calls = tt.last, tt.folder, nil
		if tt.folder != whole && tt.folder != shallow {
			if err := os.CopyFS(tt.folder, os.DirFS(whole)); err != nil {
				t.Fatal(err)
			}
			if err := os.RemoveAll(filepath.Join(tt.folder, ".git")); err != nil {
				t.Fatal(err)
			}
		}
		_, log, err := r.run(t, "deploy", "ROLLBACK="+tt.rollback)
		if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %v, want %q\n%s", name, err, tt.want, log)
		}
		if updated := strings.Contains(strings.Join(r.pulumi.calls, "\n"), "up "); updated != (tt.want == "") {
			t.Errorf("%s: updated: %t", name, updated)
		}
	}
}

// What a stack runs is the image of its last complete rollout, whatever else has failed.
func TestRuns(t *testing.T) {
	const notReady = "containers with unready status"
	for name, tt := range map[string]struct{ state, want string }{
		"all is well":                        {stateWith(imageV1, imageV1, "", ""), imageV1},
		"a rollout failed":                   {stateWith(imageV1, imageV2, notReady, ""), imageV1},
		"something failed after the rollout": {stateWith(imageV1, imageV2, "", ""), imageV2},
		"the first rollout failed":           {stateWith("", imageV1, notReady, ""), ""},
		"the first update failed before":     {stateWith("", "", "", imageV1), ""},
	} {
		r := newRunner(t, map[string]string{"STACK": "prod", "COMMIT": "-"})
		r.pulumi.stacks["prod"].state = tt.state
		out, _, err := r.run(t, "image", "COMMIT=-")
		if strings.TrimSpace(out) != tt.want || (err == nil) != (tt.want != "") {
			t.Errorf("%s: got %q, %v, want %q", name, out, err, tt.want)
		}
		if tt.want == "" && !strings.Contains(err.Error(), "no rollout was ever complete") {
			t.Errorf("%s: %v", name, err)
		}
		r.pulumi.calls = nil
		_, _, err = r.run(t, "deploy", "IMAGE=deployed")
		deploys := slices.ContainsFunc(r.pulumi.calls, func(call string) bool { return strings.HasPrefix(call, "up ") })
		sets := slices.ContainsFunc(r.pulumi.calls, func(call string) bool { return strings.HasSuffix(call, " image --plaintext -- "+tt.want) })
		if deploys != (tt.want != "") || sets != deploys || (err == nil) != deploys {
			t.Errorf("%s: deployed is %t (%v), with %q: %t\n%q", name, deploys, err, tt.want, sets, r.pulumi.calls)
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
		r := newRunner(t, nil)
		if _, log, err := r.run(t, "deploy", strings.Fields(env)...); err != nil {
			t.Fatal(err, log)
		}
		for _, call := range r.pulumi.calls {
			up, preview := strings.HasPrefix(call, "up "), strings.HasPrefix(call, "preview ")
			if up && strings.Contains(call, "--refresh") != want.refreshed || (up || preview) && strings.Contains(call, "--exclude="+imageURN) != want.kept {
				t.Errorf("%s: want %+v, got %s", env, want, call)
			}
		}
	}
}

func TestDestroy(t *testing.T) {
	r := newRunner(t, map[string]string{"STACK": "prod"})
	for _, confirm := range []string{"-", "", "staging", "prod "} {
		if _, _, err := r.run(t, "destroy", "CONFIRM="+confirm); err == nil || !strings.Contains(err.Error(), "make destroy STACK=prod CONFIRM=prod") {
			t.Errorf("CONFIRM=%s: %v", confirm, err)
		}
	}
	if len(r.pulumi.calls) > 0 {
		t.Errorf("pulumi was started: %q", r.pulumi.calls)
	}
	if _, _, err := r.run(t, "destroy", "CONFIRM=prod"); err != nil {
		t.Fatal(err)
	}
	calls := strings.Join(r.pulumi.calls, "\n")
	preview, destroy := strings.Index(calls, "--preview-only"), strings.Index(calls, "--yes")
	if preview < 0 || destroy < preview {
		t.Errorf("the preview does not come first:\n%s", calls)
	}
}

// A watch that may not read Secrets leaves them out, and a stack that is being
// updated is not called drifted.
func TestDrift(t *testing.T) {
	r := newRunner(t, nil)
	for stack, want := range map[string]string{
		"staging": "", "fresh": "", "drifted": "not as deployed: drifted", "updating": "the check failed: updating", "none": "the check failed: none",
	} {
		r.pulumi.calls = nil
		out, _, err := r.run(t, "drift", "STACKS="+stack)
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q\n%s", stack, err, want, out)
		}
		calls := strings.Join(r.pulumi.calls, "\n")
		if stack == "drifted" && !strings.Contains(calls, "--exclude=urn:pulumi:drifted::p::kubernetes:core/v1:Secret::environment") {
			t.Errorf("Secrets are read: %s", calls)
		}
		if strings.Contains(calls, "\npreview ") || strings.Contains(calls, "\nup ") {
			t.Errorf("the program runs: %s", calls)
		}
	}
}
