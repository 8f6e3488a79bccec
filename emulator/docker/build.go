package docker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/distribution/reference"
	"github.com/docker/cli/cli/config"
	"github.com/docker/docker/api/types"
	"github.com/docker/docker/api/types/build"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/api/types/registry"
	"github.com/docker/docker/pkg/jsonmessage"
	buildkit "github.com/moby/buildkit/api/services/control"
	"github.com/moby/buildkit/session"
	"github.com/moby/buildkit/session/auth/authprovider"
	"github.com/moby/buildkit/session/filesync"
	"github.com/pulumi/pulumi/sdk/v3/go/common/diag"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi/provider"
	"github.com/tonistiigi/fsutil"
	fstypes "github.com/tonistiigi/fsutil/types"
	"google.golang.org/protobuf/proto"

	"hello-timber/emulator/gke"
)

// registryAddress is where images of *-docker.pkg.dev are pushed: 127.0.0.1:PORT.
var registryAddress = gke.RegistryAddress

// apply builds and pushes an image and returns its ID and outputs. A preview
// returns the inputs alone: what only the build can tell stays unknown.
func (p *dockerProvider) apply(ctx context.Context, urn resource.URN, properties resource.PropertyMap, preview bool) (resource.ID, resource.PropertyMap, error) {
	in, err := decode(properties)
	if err != nil {
		return "", nil, err
	}
	if preview && (!in.BuildOnPreview || properties.ContainsUnknowns()) {
		return "", properties, nil
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(p.stopped, func() { cancel(errors.New("interrupted; the next `pulumi up` starts it again")) })()

	log := &log{ctx: ctx, host: p.host, urn: urn}
	digest, err := p.build(ctx, cancel, in, log)
	if err == nil && !in.SkipPush && !preview {
		digest, err = p.push(ctx, in, log)
	}
	if err != nil && ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	if err != nil {
		return "", nil, fmt.Errorf("image %s: %w", in.ImageName, err)
	}
	return resource.ID(in.ImageName), outputs(in, properties, digest), nil
}

// build has the engine's BuildKit build and tag an image and returns its ID.
// BuildKit fetches the files over a session and itself obeys .dockerignore.
func (p *dockerProvider) build(ctx context.Context, cancel context.CancelCauseFunc, in inputs, log *log) (string, error) {
	folders := filesync.StaticDirSource{}
	for role, folder := range map[string]string{"context": in.Build.Context, "dockerfile": filepath.Dir(in.Build.Dockerfile)} {
		files, err := fsutil.NewFS(folder)
		if err != nil {
			return "", err
		}
		// Whose files they are here must not show in the image.
		if folders[role], err = fsutil.NewFilterFS(files, &fsutil.FilterOpt{Map: func(_ string, file *fstypes.Stat) fsutil.MapResult {
			file.Uid, file.Gid = 0, 0
			return fsutil.MapResultKeep
		}}); err != nil {
			return "", err
		}
	}
	// BuildKit keeps the files it got under a session's key and looks for changed
	// ones by size and time; a key of their content makes sure.
	s, err := session.NewSession(ctx, in.Build.ContextDigest)
	if err != nil {
		return "", err
	}
	defer s.Close()
	s.Allow(filesync.NewFSSyncProvider(folders))
	s.Allow(authprovider.NewDockerAuthProvider(authprovider.DockerAuthProviderConfig{ConfigFile: config.LoadDefaultConfigFile(os.Stderr)}))
	go func() {
		if err := s.Run(ctx, func(ctx context.Context, proto string, meta map[string][]string) (net.Conn, error) {
			return p.engine.DialHijack(ctx, "/session", proto, meta)
		}); err != nil {
			cancel(fmt.Errorf("the engine's BuildKit: %w", err))
		}
	}()
	response, err := p.engine.ImageBuild(ctx, nil, build.ImageBuildOptions{
		Version: build.BuilderBuildKit, SessionID: s.ID(), RemoteContext: "client-session",
		Dockerfile: filepath.Base(in.Build.Dockerfile), BuildArgs: in.Build.Args,
		Platform: in.Build.Platform, Target: in.Build.Target, Tags: []string{in.ImageName},
	})
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	built, steps := build.Result{}, steps{log: log, names: map[string]string{}, output: map[string][]string{}}
	err = read(response.Body, func(message jsonmessage.JSONMessage) error {
		switch {
		case message.ID == "moby.buildkit.trace":
			return steps.read(*message.Aux)
		case message.Aux != nil:
			return json.Unmarshal(*message.Aux, &built)
		}
		return nil
	})
	if err != nil {
		return "", fmt.Errorf("%w%s", err, steps.failed)
	}
	return built.ID, nil
}

// push sends an image to its registry and returns its name there, by digest.
func (p *dockerProvider) push(ctx context.Context, in inputs, log *log) (string, error) {
	named, err := reference.ParseNormalizedNamed(in.ImageName)
	if err != nil {
		return "", err
	}
	named = reference.TagNameOnly(named)
	host, target := reference.Domain(named), named.String()
	auth := registry.AuthConfig{Username: in.Registry.Username, Password: in.Registry.Password}
	if auth.Username == "" || auth.Password == "" {
		login, err := config.LoadDefaultConfigFile(os.Stderr).GetAuthConfig(host)
		if err != nil {
			return "", err
		}
		auth = registry.AuthConfig(login)
	}
	if strings.HasSuffix(host, "-docker.pkg.dev") {
		address, err := registryAddress(ctx)
		if err != nil {
			return "", err
		}
		target = address + strings.TrimPrefix(target, host)
		if err := p.engine.ImageTag(ctx, in.ImageName, target); err != nil {
			return "", err
		}
		// Only the name that the user gave it stays in `docker images`; that another one does is no failure.
		defer func() { _, _ = p.engine.ImageRemove(context.WithoutCancel(ctx), target, image.RemoveOptions{}) }()
	}
	credentials, err := registry.EncodeAuthConfig(auth)
	if err != nil {
		return "", err
	}
	stream, err := p.engine.ImagePush(ctx, target, image.PushOptions{RegistryAuth: credentials})
	if err != nil {
		return "", err
	}
	defer stream.Close()
	var pushed types.PushResult
	err = read(stream, func(message jsonmessage.JSONMessage) error {
		if message.Aux != nil {
			return json.Unmarshal(*message.Aux, &pushed)
		}
		log.status("push: " + message.ID + " " + message.Status)
		return nil
	})
	if err == nil && pushed.Digest == "" {
		err = errors.New("the engine told no digest")
	}
	if err != nil {
		for _, mend := range mends {
			if strings.Contains(err.Error(), mend.refusal) {
				err = fmt.Errorf("%w\n%s", err, mend.command)
			}
		}
		return "", fmt.Errorf("push: %w", err)
	}
	log.line("pushed " + named.Name() + "@" + pushed.Digest)
	return named.Name() + "@" + pushed.Digest, nil
}

// mends are what helps against a registry's refusals.
var mends = []struct{ refusal, command string }{
	{"immutability", "this version exists with other content; choose a new one: pulumi config set imageVersion <new>"},
	{"name unknown", "if it was deleted by hand, make it again: pulumi up --refresh"},
	{"unauthorized", "check registry.username and registry.password or, without them, docker login"},
	{"no basic auth credentials", "log in with docker login, or set registry.username and registry.password"},
}

// read gives each message of the engine's answer to a function and returns the
// error that the answer ends with, if it does.
func read(stream io.Reader, each func(jsonmessage.JSONMessage) error) error {
	for decoder := json.NewDecoder(stream); ; {
		var message jsonmessage.JSONMessage
		if err := decoder.Decode(&message); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		if message.Error != nil {
			return message.Error
		}
		if err := each(message); err != nil {
			return err
		}
	}
}

// steps makes lines of what BuildKit tells of a build's steps, known by digest.
type steps struct {
	log    *log
	names  map[string]string
	output map[string][]string // the last lines of each
	failed string              // the failed step and its last lines
}

func (s *steps) read(aux json.RawMessage) error {
	var trace []byte
	var news buildkit.StatusResponse
	err := json.Unmarshal(aux, &trace)
	if err == nil {
		err = proto.Unmarshal(trace, &news)
	}
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
		for line := range strings.Lines(string(part.Msg)) {
			lines = append(lines, strings.TrimRight(line, "\r\n"))
			s.log.status(line)
		}
		s.output[part.Vertex] = lines[max(0, len(lines)-20):]
	}
	return err
}

// log shows the user what goes on with a resource. A line that cannot be shown
// is not worth failing for.
type log struct {
	ctx  context.Context
	host *provider.HostClient
	urn  resource.URN
	last time.Time
}

// line stays in the update's output.
func (l *log) line(text string) { _ = l.host.Log(l.ctx, diag.Info, l.urn, text) }

// status shows beside the resource until the next one, one a second at most.
func (l *log) status(text string) {
	if time.Since(l.last) > time.Second {
		l.last = time.Now()
		_ = l.host.LogStatus(l.ctx, diag.Info, l.urn, strings.TrimSpace(text))
	}
}
