package docker

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"

	"hello-timber/emulator/conformance"
	"hello-timber/emulator/wire"
)

// unbuilt is the provider with an engine that builds and pushes in no time.
type unbuilt struct{ *dockerProvider }

func (u unbuilt) Create(ctx context.Context, req plugin.CreateRequest) (plugin.CreateResponse, error) {
	if req.Preview {
		return u.dockerProvider.Create(ctx, req)
	}
	in, err := decode(req.Properties)
	return plugin.CreateResponse{ID: resource.ID(in.ImageName), Properties: outputs(in, req.Properties, in.ImageName+"@sha256:0")}, err
}

func (u unbuilt) Update(ctx context.Context, req plugin.UpdateRequest) (plugin.UpdateResponse, error) {
	if req.Preview {
		return u.dockerProvider.Update(ctx, req)
	}
	in, err := decode(req.NewInputs)
	return plugin.UpdateResponse{Properties: outputs(in, req.NewInputs, in.ImageName+"@sha256:0")}, err
}

// Every request that was recorded is answered as pulumi-docker answered it. Check
// reads the very files that it read.
func TestConformance(t *testing.T) {
	exchanges := conformance.Load(t, "testdata/docker-4.11.2.jsonl")
	extract(t, "testdata/app-7c175d6.tar.gz")
	// Not configured: that would look for a Docker engine.
	server := wire.Server(unbuilt{New(nil).(*dockerProvider)})
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

// extract goes to a folder with the files of an archive.
func extract(t *testing.T, archive string) {
	t.Helper()
	file, err := os.Open(archive)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	unzipped, err := gzip.NewReader(file)
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(t.TempDir())
	for files := tar.NewReader(unzipped); ; {
		header, err := files.Next()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		if header.Typeflag != tar.TypeReg {
			continue
		}
		content, err := io.ReadAll(files)
		if err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Clean(header.Name), string(content), header.FileInfo().Mode().Perm())
	}
}
