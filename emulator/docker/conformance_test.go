package docker

import (
	"context"
	"os/exec"
	"path/filepath"
	"testing"

	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"

	"hello-timber/emulator/conformance"
	"hello-timber/emulator/wire"
)

// Every request that was recorded is answered as pulumi-docker answered it. Check
// reads the very files that it read.
func TestConformance(t *testing.T) {
	exchanges := conformance.Load(t, "testdata/docker-4.11.2.jsonl")
	archive, err := filepath.Abs("testdata/app-7c175d6.tar.gz")
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(t.TempDir())
	// With the files' modes, whatever the umask.
	if out, err := exec.CommandContext(t.Context(), "tar", "-xzpf", archive).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	// Not configured: that would look for a Docker engine.
	p := New(nil).(*dockerProvider)
	p.make = func(_ context.Context, in inputs, _ *log) (string, error) { return in.ImageName + "@sha256:0", nil }
	server := wire.Server(p)
	if _, err := server.Handshake(t.Context(), &pulumirpc.ProviderHandshakeRequest{}); err != nil {
		t.Fatal(err)
	}
	conformance.Replay{
		Exchanges: exchanges,
		MadeUp:    []string{"repoDigest"},
		Known: []conformance.Difference{
			{Methods: "Diff", Path: `response\.diffs`, Reason: "The emulator's plugins send the names of changed properties too, as pulumi-gcp does."},
			{Methods: "Diff", Path: `response\.hasDetailedDiff`, Reason: "The emulator's plugins always send one, as pulumi-gcp does; here it is empty."},
		},
	}.Run(t, server)
}
