package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
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
	// message is that of the last update.
	message string
	// failedCheck is the value of the only tag.
	failedCheck string
	// on is what a call changes, before it is answered.
	on func(call string)
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
	if stack.on != nil {
		stack.on(strings.Join(args, " "))
	}
	switch args[0] + " " + args[1] {
	case "stack select":
		return "", "", 0, nil
	case "stack output":
		text, err := json.Marshal(stack.outputs)
		return string(text), "", 0, err
	case "stack history":
		return `[{"version": 1, "result": "` + cmp.Or(stack.result, "succeeded") + `", "message": "` + stack.message + `", "environment": {"git.head": "` + stack.head + `"}}]`, "", 0, nil
	case "stack export":
		if stack.unreadable != "" {
			return fail(stack.unreadable)
		}
		return `{"version": 3, "deployment": ` + stack.state + `}`, "", 0, nil
	case "stack tag":
		if args[2] == "ls" {
			return `{"failed-check": "` + stack.failedCheck + `"}`, "", 0, nil
		}
		stack.failedCheck = ""
		if args[2] == "set" {
			stack.failedCheck = args[4]
		}
		return "", "", 0, nil
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
	// gRPC would ask a name server about localhost, and wait for an answer.
	connection, err := grpc.NewClient("passthrough:///"+address, grpc.WithTransportCredentials(insecure.NewCredentials()))
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
	if output != "" {
		output = fmt.Sprintf(`"image": %q`, output)
	}
	text := `{"urn": "urn:pulumi:s::p::pulumi:pulumi:Stack::p-s", "type": "pulumi:pulumi:Stack", "outputs": {` + output + `}}`
	if built != "" {
		text += fmt.Sprintf(`, {"urn": %q, "type": "docker:index/image:Image", "outputs": {"repoDigest": %q}}`, imageURN, built)
	}
	if failed != "" {
		failed = fmt.Sprintf("%q", failed)
	}
	if deployed != "" {
		text += fmt.Sprintf(`, {"type": "kubernetes:apps/v1:Deployment", "inputs": {"spec": {"template": {"spec": {"containers": [{"image": %q}]}}}}, "initErrors": [%s]}`, deployed, failed)
	}
	return `{"resources": [` + text + `]}`
}

// runner runs commands with these variables, on stacks of testdata.
type runner struct {
	pulumi *fakePulumi
	folder string
	env    map[string]string
}

func newRunner(t *testing.T, env ...string) *runner {
	t.Helper()
	t.Setenv("LOCAL", "local e2e")
	tools := t.TempDir()
	script(t, tools, "pulumi", "echo v3.250.0")
	official, err := auto.NewPulumiCommand(nil)
	if err != nil {
		t.Fatal(err)
	}
	running, ready := map[string]any{"image": imageV1, "url": "http://203.0.113.1/index"}, stateWith(imageV1, imageV1, "", "")
	f := &fakePulumi{PulumiCommand: official, t: t, stacks: map[string]*fakeStack{
		"dev":       {events: "dev.events", outputs: running, state: stateWith(imageV1, imageV1, "", imageV1)},
		"staging":   {events: "staging.events", outputs: running, state: ready, head: "0123456789"},
		"prod":      {events: "prod.events", outputs: running, state: ready},
		"drifted":   {events: "drifted.events", outputs: running, state: `{"resources": [{"urn": "urn:pulumi:drifted::p::kubernetes:core/v1:Secret::environment", "type": "kubernetes:core/v1:Secret"}]}`},
		"refused":   {events: "refused.events", complaint: "error: preview failed\n", state: ready},
		"fresh":     {events: "dev.events", outputs: map[string]any{}, state: `{}`},
		"updating":  {events: "staging.events", state: `{"resources": [{}], "pending_operations": [{}]}`},
		"odd":       {events: "staging.events", state: stateWith("timber:v1", "", "", "")},
		"forbidden": {events: "staging.events", unreadable: "error: could not read the state: 403 Forbidden\n"},
	}}
	r := &runner{f, t.TempDir(), map[string]string{}}
	for name := range f.stacks {
		r.write(t, "Pulumi."+name+".yaml", "config: {}\n")
	}
	r.write(t, "Pulumi.yaml", "name: hello-timber\nruntime: go\n")
	r.write(t, run.GoogleFile, "BACKEND=\nIMAGES=\n")
	r.write(t, run.SumsFile, "")
	r.set("COMMIT=0123456789", "GITHUB_RUN_ID=12345678901", "GITHUB_SERVER_URL=https://github.com", "GITHUB_REPOSITORY=o/r")
	r.set(env...)
	return r
}

// set sets variables, or unsets those whose value is "-".
func (r *runner) set(env ...string) {
	for _, variable := range env {
		name, value, _ := strings.Cut(variable, "=")
		if r.env[name] = value; value == "-" {
			delete(r.env, name)
		}
	}
}

// run runs a command, with more variables.
func (r *runner) run(t *testing.T, command string, env ...string) (out, log string, err error) {
	t.Helper()
	once := &runner{env: maps.Clone(r.env)}
	once.set(env...)
	var stdout, stderr strings.Builder
	p := &run.Pipeline{Folder: r.folder, Out: &stdout, Log: &stderr, Pulumi: r.pulumi,
		Lookup: func(name string) (string, bool) { value, ok := once.env[name]; return value, ok },
		Pause:  func(context.Context, time.Duration) error { return nil }}
	err = start(t.Context(), p, []string{command})
	return stdout.String(), stderr.String(), err
}

// outputs runs a command that succeeds, and returns what it hands to later steps.
func (r *runner) outputs(t *testing.T, command string, env ...string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "outputs")
	if _, log, err := r.run(t, command, append(env, "GITHUB_OUTPUT="+file)...); err != nil {
		t.Fatal(err, log)
	}
	return read(t, file)
}

// called reports whether pulumi was called so, with all of these in one call.
func (r *runner) called(command string, parts ...string) bool {
	for _, call := range r.pulumi.calls {
		all := strings.HasPrefix(call, command+" ")
		for _, part := range parts {
			all = all && strings.Contains(call, part)
		}
		if all {
			return true
		}
	}
	return false
}

// write writes a file of the repository.
func (r *runner) write(t *testing.T, name, text string) {
	t.Helper()
	writeFile(t, filepath.Join(r.folder, name), text)
}

// writeFile writes a file and makes its folder.
func writeFile(t *testing.T, path, text string) {
	t.Helper()
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte(text), 0o600)); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// script writes a program into a folder, which becomes the first of the PATH.
func script(t *testing.T, folder, name, text string) {
	t.Helper()
	path := filepath.Join(folder, name)
	writeFile(t, path, "#!/bin/sh\n"+text+"\n")
	if err := os.Chmod(path, 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", folder+":"+os.Getenv("PATH"))
}

// git runs Git in a folder, without the machine's own settings. In a hook or in a rebase, Git
// names the repository itself, which the test would change.
func git(t *testing.T, folder string, args ...string) string {
	t.Helper()
	for _, variable := range []string{"GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"} {
		os.Unsetenv(variable)
	}
	command := exec.Command("git", append([]string{"-C", folder, "-c", "user.name=t", "-c", "user.email=t@example.com"}, args...)...)
	command.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null")
	out, err := command.CombinedOutput()
	if err != nil {
		t.Fatalf("git %q: %v\n%s", args, err, out)
	}
	return strings.TrimSpace(string(out))
}

// want checks that an error says a text, or that there is none if the text is empty.
func want(t *testing.T, what string, err error, text string) {
	t.Helper()
	if (err == nil) != (text == "") || err != nil && !strings.Contains(err.Error(), text) {
		t.Errorf("%s: got %v, want %q", what, err, text)
	}
}
