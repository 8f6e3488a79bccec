// Package docker is the emulator's docker provider plugin: an Image that this
// machine's Docker engine builds, and that goes to the emulated Artifact Registry if
// its name is one of Google's.
//
// It imitates pulumi-docker 4.11.2, whose provider is not published as a Go module,
// and which would push to Google. A test replays recorded requests to the original
// and compares the answers: conformance_test.go.
package docker

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/distribution/reference"
	"github.com/docker/docker/client"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi/provider"

	"hello-timber/emulator/wire"
)

const imageType = "docker:index/image:Image"

// inputs are all that the emulator has of an Image's; "" is also what is not
// known yet in a preview.
type inputs struct {
	ImageName string
	// The SDK sends both, false if the program does not set them.
	SkipPush, BuildOnPreview bool
	Build                    struct {
		Context, Dockerfile, Platform, Target string
		Args                                  map[string]*string
		// ContextDigest is added by Check.
		ContextDigest string
	}
	Registry struct{ Server, Username, Password string }
}

func decode(properties resource.PropertyMap) (in inputs, err error) {
	known, err := json.Marshal(properties.MapRepl(nil, func(value resource.PropertyValue) (any, bool) {
		return nil, value.IsComputed()
	}))
	if err != nil {
		return in, err
	}
	decoder := json.NewDecoder(bytes.NewReader(known))
	decoder.DisallowUnknownFields()
	switch err = decoder.Decode(&in); {
	case err != nil:
		return in, fmt.Errorf("the emulator's %s: %s", imageType, strings.TrimPrefix(err.Error(), "json: "))
	case in.SkipPush || in.BuildOnPreview:
		return in, fmt.Errorf("the emulator's %s: neither skipPush nor buildOnPreview can be true", imageType)
	}
	return in, nil
}

type dockerProvider struct {
	wire.Base
	engine *client.Client // set by Configure
	// make builds and pushes an image and returns its name in the registry, by digest.
	make func(context.Context, inputs, *log) (digest string, err error)
}

// New returns the provider. It reports to host what the engine builds and pushes.
func New(host *provider.HostClient) plugin.Provider {
	p := &dockerProvider{Base: wire.NewBase(host, "4.11.2", "interrupted; the next `pulumi up` starts it again")}
	p.make = func(ctx context.Context, in inputs, log *log) (string, error) {
		if err := p.build(ctx, in, log); err != nil {
			return "", err
		}
		return p.push(ctx, in, log)
	}
	return p
}

func (p *dockerProvider) Configure(ctx context.Context, req plugin.ConfigureRequest) (done plugin.ConfigureResponse, err error) {
	options := []client.Opt{client.FromEnv, client.WithAPIVersionNegotiation()}
	for key, value := range req.Inputs {
		switch {
		case key == "host" && value.IsString():
			options = append(options, client.WithHost(value.StringValue()))
		case key != "version":
			return done, fmt.Errorf("the emulator's docker provider has no setting docker:%s. Fix: pulumi config rm docker:%[1]s --stack %s", key, req.URN.Stack())
		}
	}
	if p.engine, err = client.NewClientWithOpts(options...); err != nil {
		return done, fmt.Errorf("docker: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	if _, err := p.engine.Ping(ctx); err != nil {
		return done, fmt.Errorf("no Docker engine answers at %s; start it (sudo systemctl start docker, or Docker Desktop) "+
			"or name another (export DOCKER_HOST=unix:///path/to/docker.sock): %w", p.engine.DaemonHost(), err)
	}
	return done, nil
}

func (p *dockerProvider) Invoke(_ context.Context, req plugin.InvokeRequest) (plugin.InvokeResponse, error) {
	return plugin.InvokeResponse{}, fmt.Errorf("the emulator has no %s", req.Tok)
}

func (p *dockerProvider) Check(_ context.Context, req plugin.CheckRequest) (plugin.CheckResponse, error) {
	if req.URN.Type() != imageType {
		return plugin.CheckResponse{}, fmt.Errorf("the emulator has no %s", req.URN.Type())
	}
	if err := complete(req.News); err != nil {
		return plugin.CheckResponse{Failures: []plugin.CheckFailure{{Reason: err.Error()}}}, nil
	}
	return plugin.CheckResponse{Properties: req.News}, nil
}

// complete checks an image's properties and adds the digest of the files that it is built
// from.
func complete(properties resource.PropertyMap) error {
	in, err := decode(properties)
	if err != nil {
		return err
	}
	if in.ImageName != "" {
		// As the official provider: a short name would mean Docker Hub.
		if _, err := reference.ParseNamed(in.ImageName); err != nil {
			return fmt.Errorf("imageName %q: %w; write it in full, as in europe-west1-docker.pkg.dev/project/repository/image:v1", in.ImageName, err)
		}
	}
	if properties["build"].ContainsUnknowns() {
		return nil
	}
	if in.Build.Context == "" || in.Build.Dockerfile == "" || in.Build.Platform == "" {
		return fmt.Errorf("the emulator's %s: build needs a context, a dockerfile and a platform", imageType)
	}
	digest, err := contextDigest(in.Build.Context, in.Build.Dockerfile)
	if err != nil {
		return fmt.Errorf("build.context %s: %w", in.Build.Context, err)
	}
	properties["build"].ObjectValue()["contextDigest"] = resource.NewProperty(digest)
	return nil
}

// Diff compares with the inputs that the image was made of, which the state keeps,
// by property of the first level.
func (p *dockerProvider) Diff(_ context.Context, req plugin.DiffRequest) (plugin.DiffResponse, error) {
	old := req.OldInputs
	if kept := req.OldOutputs[inputsKey]; kept.IsObject() {
		old = kept.ObjectValue()
	}
	result := plugin.DiffResult{Changes: plugin.DiffNone, DetailedDiff: map[string]plugin.PropertyDiff{}}
	diff := old.Diff(req.NewInputs)
	if diff == nil {
		return result, nil
	}
	// Credentials are no part of an image: a token is new in every run.
	if login := diff.Updates["registry"].Object; login != nil && !login.Updated("server") {
		delete(diff.Updates, "registry")
	}
	for _, key := range diff.ChangedKeys() {
		kind := plugin.DiffUpdate
		if diff.Added(key) {
			kind = plugin.DiffAdd
		} else if diff.Deleted(key) {
			kind = plugin.DiffDelete
		}
		result.Changes, result.DetailedDiff[string(key)] = plugin.DiffSome, plugin.PropertyDiff{Kind: kind}
	}
	return result, nil
}

func (p *dockerProvider) CheckConfig(_ context.Context, req plugin.CheckConfigRequest) (plugin.CheckConfigResponse, error) {
	return plugin.CheckConfigResponse{Properties: req.News}, nil
}

// inputsKey is the property of the state that keeps the inputs.
const inputsKey = "__inputs"

// outputs are what the state has of an image that was made of some properties.
func outputs(in inputs, properties resource.PropertyMap, digest string) resource.PropertyMap {
	dockerfile := in.Build.Dockerfile
	if inside, err := filepath.Rel(in.Build.Context, dockerfile); err == nil {
		dockerfile = inside
	}
	return resource.PropertyMap{
		// Secret as a whole: the credentials are among them.
		inputsKey:        resource.MakeSecret(resource.NewProperty(properties)),
		"repoDigest":     resource.NewProperty(digest),
		"imageName":      resource.NewProperty(in.ImageName),
		"baseImageName":  resource.NewProperty(in.ImageName),
		"registryServer": resource.NewProperty(in.Registry.Server),
		"context":        resource.NewProperty(in.Build.Context),
		"dockerfile":     resource.NewProperty(filepath.ToSlash(dockerfile)),
		"platform":       resource.NewProperty(in.Build.Platform),
	}
}

func (p *dockerProvider) Create(ctx context.Context, req plugin.CreateRequest) (plugin.CreateResponse, error) {
	id, outputs, err := p.apply(ctx, req.URN, req.Properties, req.Preview)
	return plugin.CreateResponse{ID: id, Properties: outputs}, err
}

func (p *dockerProvider) Update(ctx context.Context, req plugin.UpdateRequest) (plugin.UpdateResponse, error) {
	_, outputs, err := p.apply(ctx, req.URN, req.NewInputs, req.Preview)
	return plugin.UpdateResponse{Properties: outputs}, err
}

// Read, like the official one, does not look whether the image is still there.
func (p *dockerProvider) Read(_ context.Context, req plugin.ReadRequest) (plugin.ReadResponse, error) {
	return plugin.ReadResponse{ReadResult: plugin.ReadResult{ID: req.ID, Inputs: req.Inputs, Outputs: req.State}}, nil
}

// Delete, like the official one, leaves the image where it is.
func (p *dockerProvider) Delete(context.Context, plugin.DeleteRequest) (plugin.DeleteResponse, error) {
	return plugin.DeleteResponse{}, nil
}
