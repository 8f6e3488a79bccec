package docker

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/docker/cli/cli/config"
	buildkit "github.com/moby/buildkit/client"
	"github.com/moby/buildkit/session"
	"github.com/moby/buildkit/session/auth/authprovider"
	"github.com/opencontainers/go-digest"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/tonistiigi/fsutil"

	"hello-timber/emulator/proxy"
	"hello-timber/emulator/wire"
)

// golang is the image that emulator/setup makes of the installed Go.
const golang = "golang:1.26"

// apply builds and pushes an image and returns its ID and outputs. A preview
// returns the inputs alone: what only the build knows stays unknown.
func (p *dockerProvider) apply(ctx context.Context, urn resource.URN, properties resource.PropertyMap, preview bool) (resource.ID, resource.PropertyMap, error) {
	if preview {
		return "", properties, nil
	}
	in, err := decode(properties)
	if err != nil {
		return "", nil, err
	}
	ctx, cancel := p.During(ctx)
	defer cancel()

	digest, err := p.make(ctx, in, &log{base: &p.Base, urn: urn})
	if err != nil {
		return "", nil, fmt.Errorf("image %s: %w", in.ImageName, cmp.Or(context.Cause(ctx), err))
	}
	return resource.ID(in.ImageName), outputs(in, properties, digest), nil
}

// build has the engine's own BuildKit build and tag an image, as `docker buildx`
// does without a builder of its own. BuildKit fetches the files over a session and
// itself obeys .dockerignore.
func (p *dockerProvider) build(ctx context.Context, in inputs, log *log) error {
	folder, err := fsutil.NewFS(in.Build.Context)
	if err != nil {
		return err
	}
	dockerfile, err := fsutil.NewFS(filepath.Dir(in.Build.Dockerfile))
	if err != nil {
		return err
	}
	attributes := map[string]string{"filename": filepath.Base(in.Build.Dockerfile), "platform": in.Build.Platform, "target": in.Build.Target}
	// The official provider does not pass them on. As arguments of the program they
	// would be a change on each machine with another proxy.
	for name, value := range proxy.Build(os.Getenv) {
		attributes["build-arg:"+name] = value
	}
	// What setup made where no registry answers replaces the pinned image of app/Dockerfile.
	if made, err := p.engine.ImageInspect(ctx, golang); err == nil && made.Config != nil && made.Config.Labels["hello-timber.image"] == "golang" {
		attributes["build-arg:GO_IMAGE"] = golang
	}
	for name, value := range in.Build.Args {
		if value != nil {
			attributes["build-arg:"+name] = *value
		}
	}
	engine, err := buildkit.New(ctx, "",
		buildkit.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) {
			return p.engine.DialHijack(ctx, "/grpc", "h2c", nil)
		}),
		buildkit.WithSessionDialer(func(ctx context.Context, proto string, meta map[string][]string) (net.Conn, error) {
			return p.engine.DialHijack(ctx, "/session", proto, meta)
		}))
	if err != nil {
		return err
	}
	defer engine.Close()
	steps, news := steps{log: log, names: map[digest.Digest]string{}, output: map[digest.Digest][]string{}}, make(chan *buildkit.SolveStatus)
	read := make(chan struct{})
	go func() {
		defer close(read)
		for status := range news {
			steps.read(status)
		}
	}()
	_, err = engine.Solve(ctx, nil, buildkit.SolveOpt{
		Frontend: "dockerfile.v0", FrontendAttrs: attributes,
		LocalMounts: map[string]fsutil.FS{"context": folder, "dockerfile": dockerfile},
		// The engine's own store, of either kind: "image" is unknown to the classic one.
		Exports: []buildkit.ExportEntry{{Type: "moby", Attrs: map[string]string{"name": in.ImageName}}},
		Session: []session.Attachable{authprovider.NewDockerAuthProvider(authprovider.DockerAuthProviderConfig{ConfigFile: config.LoadDefaultConfigFile(os.Stderr)})},
		// BuildKit keeps the files it got under this key and looks for changed ones by
		// size and time; a key of their content makes sure.
		SharedKey: in.Build.ContextDigest,
	}, news)
	<-read
	if err != nil {
		return fmt.Errorf("%w%s", err, steps.failed)
	}
	return nil
}

// steps makes lines of what BuildKit reports about a build's steps, known by
// digest: one for each step, where BuildKit's own plain display prints several.
type steps struct {
	log    *log
	names  map[digest.Digest]string
	output map[digest.Digest][]string // the last lines of each
	failed string                     // the failed step and its last lines
}

func (s *steps) read(news *buildkit.SolveStatus) {
	for _, step := range news.Vertexes {
		if s.names[step.Digest] == "" && step.Started != nil {
			s.names[step.Digest] = step.Name
			if step.Cached {
				step.Name += " (cached)"
			}
			if !strings.HasPrefix(step.Name, "[internal]") {
				s.log.line(step.Name)
			}
		}
		if step.Error != "" {
			s.failed = "\nin step " + strings.Join(append([]string{step.Name}, s.output[step.Digest]...), "\n  ")
		}
	}
	for _, status := range news.Statuses {
		s.log.status(s.names[status.Vertex] + " " + status.ID)
	}
	for _, part := range news.Logs {
		lines := s.output[part.Vertex]
		for line := range strings.Lines(string(part.Data)) {
			lines = append(lines, strings.TrimRight(line, "\r\n"))
			s.log.status(line)
		}
		s.output[part.Vertex] = lines[max(0, len(lines)-20):]
	}
}

// log shows the user what happens to a resource.
type log struct {
	base *wire.Base
	urn  resource.URN
	last time.Time
}

// line stays in the update's output.
func (l *log) line(text string) { l.base.Line(l.urn, text) }

// status is shown next to the resource until the next one, at most one a second.
func (l *log) status(text string) {
	if time.Since(l.last) > time.Second {
		l.last = time.Now()
		l.base.Status(l.urn, strings.TrimSpace(text))
	}
}
