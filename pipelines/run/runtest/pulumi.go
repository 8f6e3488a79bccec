package runtest

import (
	"cmp"
	"context"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/auto"
	"github.com/pulumi/pulumi/sdk/v3/go/common/apitype"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
)

//go:embed testdata
var files embed.FS

// Pulumi answers like the Pulumi CLI, with events that a real one wrote.
type Pulumi struct {
	// PulumiCommand says which version it is.
	auto.PulumiCommand
	t *testing.T
	// Stacks are those that exist.
	Stacks map[string]*Stack
	Calls  []string
	// Backends are where the calls find their states; empty is where the user is logged in.
	Backends []string
	// Refuses has it install no plugin.
	Refuses bool
}

// Stack is what a stack is, and how its operations end.
type Stack struct {
	Outputs map[string]any
	State   string
	// Head, Result and Message are those of the last update; an empty result is success.
	Head, Result, Message string
	// Events is a file in testdata, or what follows instead of events if it has lines.
	Events string
	// Complaint goes to standard error, and the operation fails.
	Complaint string
	// Unreadable is why the state cannot be read.
	Unreadable string
	// FailedCheck is the value of the only tag.
	FailedCheck string
	// On is what a call changes, before it is answered.
	On func(call string)
}

// Run is one call of the CLI.
func (f *Pulumi) Run(_ context.Context, _ string, _ io.Reader, _, errOut []io.Writer, env []string, args ...string) (string, string, int, error) {
	call := strings.Join(args, " ")
	f.Calls = append(f.Calls, call)
	_, backend, _ := strings.Cut(strings.Join(env, "\n")+"\n", "PULUMI_BACKEND_URL=")
	backend, _, _ = strings.Cut(backend, "\n")
	f.Backends = append(f.Backends, backend)
	stack := f.Stacks[after(args, "--stack")]
	out, complaint := "", ""
	switch {
	case args[0] == "plugin" && f.Refuses:
		complaint = "[resource plugin] installing\nerror: invalid checksum, expected 01, actual 02\n"
	case args[0] == "plugin":
	case stack == nil:
		complaint = "error: no stack named '" + after(args, "--stack") + "' found\n"
	default:
		if stack.On != nil {
			stack.On(call)
		}
		out, complaint = stack.answer(f.t, args)
	}
	if complaint == "" {
		return out, "", 0, nil
	}
	for _, w := range errOut {
		_, _ = io.WriteString(w, complaint)
	}
	return "", complaint, 255, errors.New("exit status 255")
}

func (s *Stack) answer(t *testing.T, args []string) (out, complaint string) {
	switch args[0] + " " + args[1] {
	case "stack select", "config set":
		return "", ""
	case "stack output":
		text, err := json.Marshal(s.Outputs)
		if err != nil {
			t.Error(err)
		}
		return string(text), ""
	case "stack history":
		return `[{"version": 1, "result": "` + cmp.Or(s.Result, "succeeded") + `", "message": "` + s.Message + `", "environment": {"git.head": "` + s.Head + `"}}]`, ""
	case "stack export":
		return `{"version": 3, "deployment": ` + s.State + `}`, s.Unreadable
	case "stack tag":
		switch args[2] {
		case "ls":
			return `{"failed-check": "` + s.FailedCheck + `"}`, ""
		case "set":
			s.FailedCheck = args[4]
		default:
			s.FailedCheck = ""
		}
		return "", ""
	}
	if log := after(args, "--event-log"); log != "" && s.Events != "" {
		if err := s.send(strings.TrimPrefix(log, "tcp://")); err != nil {
			t.Error(err)
		}
	}
	return "", s.Complaint
}

// send streams the stack's events to a server, line by line, as the CLI does.
func (s *Stack) send(address string) error {
	text := s.Events
	if !strings.Contains(text, "\n") {
		file, err := files.ReadFile(path.Join("testdata", s.Events))
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

// End is the last event of an operation, its summary.
const End = `{"summaryEvent": {"resourceChanges": {"same": 1}}}` + "\n"

// Events are events as the CLI streams them, up to the last one.
func Events(t *testing.T, events ...apitype.EngineEvent) string {
	t.Helper()
	var lines strings.Builder
	for _, event := range events {
		line, err := json.Marshal(event)
		if err != nil {
			t.Fatal(err)
		}
		lines.WriteString(string(line) + "\n")
	}
	return lines.String() + End
}

// Two images, and the resource that builds one.
const (
	Repository = "europe-west1-docker.pkg.dev/acme-timber-dev/hello-timber-dev/timber-tutorial"
	Digest1    = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
	Digest2    = "sha256:f123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
	ImageV1    = Repository + "@" + Digest1
	ImageV2    = Repository + "@" + Digest2
	ImageURN   = "urn:pulumi:s::p::docker:index/image:Image::timber-tutorial"
)

// StateWith is the state of a stack with an output image, and with a Deployment of an
// image whose rollout failed if there is a reason. Empty images are left out.
func StateWith(output, deployed, failed, built string) string {
	if output != "" {
		output = fmt.Sprintf(`"image": %q`, output)
	}
	text := `{"urn": "urn:pulumi:s::p::pulumi:pulumi:Stack::p-s", "type": "pulumi:pulumi:Stack", "outputs": {` + output + `}}`
	if built != "" {
		text += fmt.Sprintf(`, {"urn": %q, "type": "docker:index/image:Image", "outputs": {"repoDigest": %q}}`, ImageURN, built)
	}
	if failed != "" {
		failed = fmt.Sprintf("%q", failed)
	}
	if deployed != "" {
		text += fmt.Sprintf(`, {"type": "kubernetes:apps/v1:Deployment", "inputs": {"spec": {"template": {"spec": {"containers": [{"image": %q}]}}}}, "initErrors": [%s]}`, deployed, failed)
	}
	return `{"resources": [` + text + `]}`
}
