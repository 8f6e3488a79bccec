// Package language is a minimal pulumi-language-go: it builds and runs a Go program
// and finds its plugins. It exists because the official one is published as a binary
// only: no version of its Go module is. Where an official one is installed, that one
// is used.
package language

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/pulumi/pulumi/sdk/v3/go/common/constant"
	"github.com/pulumi/pulumi/sdk/v3/go/common/util/executable"
	"github.com/pulumi/pulumi/sdk/v3/go/common/util/rpcutil"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
)

// host answers the engine. What it does not answer (generating programs and packages,
// running plugins from source, listing dependencies) it refuses by the method's name.
type host struct {
	pulumirpc.UnimplementedLanguageRuntimeServer
	engine string
	// running ends when the engine wants everything to stop.
	running context.Context
	stop    context.CancelFunc
}

// Main serves the engine whose address is the last argument until that engine is
// gone or the process is interrupted. It prints the port that it serves on.
func Main(args []string) error {
	flags := flag.NewFlagSet("pulumi-language-go", flag.ContinueOnError)
	for _, ignored := range []string{"tracing", "binary", "buildTarget", "root"} {
		flags.String(ignored, "", "accepted and ignored")
	}
	if err := flags.Parse(args); err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	h := &host{engine: flags.Arg(0)}
	h.running, h.stop = context.WithCancel(ctx)
	if h.engine != "" {
		if err := rpcutil.Healthcheck(ctx, h.engine, 5*time.Minute, h.stop); err != nil {
			return fmt.Errorf("watch the engine at %s: %w", h.engine, err)
		}
	}
	cancel := make(chan bool)
	context.AfterFunc(h.running, func() { close(cancel) })
	served, err := rpcutil.ServeWithOptions(rpcutil.ServeOptions{
		Cancel: cancel,
		Init: func(server *grpc.Server) error {
			pulumirpc.RegisterLanguageRuntimeServer(server, h)
			return nil
		},
		Options: rpcutil.TracingServerInterceptorOptions(nil),
	})
	if err != nil {
		return err
	}
	fmt.Println(served.Port)
	return <-served.Done
}

func (h *host) Handshake(_ context.Context, req *pulumirpc.LanguageHandshakeRequest) (*pulumirpc.LanguageHandshakeResponse, error) {
	h.engine = req.EngineAddress
	return &pulumirpc.LanguageHandshakeResponse{}, nil
}

func (h *host) Cancel(context.Context, *emptypb.Empty) (*emptypb.Empty, error) {
	h.stop()
	return &emptypb.Empty{}, nil
}

func (h *host) GetPluginInfo(context.Context, *emptypb.Empty) (*pulumirpc.PluginInfo, error) {
	return &pulumirpc.PluginInfo{Version: "3.250.0"}, nil
}

func (h *host) About(ctx context.Context, _ *pulumirpc.AboutRequest) (*pulumirpc.AboutResponse, error) {
	path, err := exec.LookPath("go")
	if err != nil {
		return nil, err
	}
	version, err := exec.CommandContext(ctx, path, "version").Output()
	return &pulumirpc.AboutResponse{Executable: path, Version: strings.TrimSpace(string(version))}, err
}

var sdk = regexp.MustCompile(`^github\.com/pulumi/pulumi-([a-z0-9-]+)/sdk(/v[0-9]+)?$`)

// GetRequiredPackages returns the providers whose SDKs the program's go.mod
// requires: pulumi-X/sdk of some version needs plugin X of the same version.
func (h *host) GetRequiredPackages(ctx context.Context, req *pulumirpc.GetRequiredPackagesRequest) (*pulumirpc.GetRequiredPackagesResponse, error) {
	read := exec.CommandContext(ctx, "go", "mod", "edit", "-json")
	read.Dir, read.Stderr = req.Info.ProgramDirectory, os.Stderr
	text, err := read.Output()
	if err != nil {
		return nil, fmt.Errorf("go mod edit -json in %s: %w. Fix for a folder without a Go module: go mod init", req.Info.ProgramDirectory, err)
	}
	var module struct {
		Require []struct{ Path, Version string }
	}
	if err := json.Unmarshal(text, &module); err != nil {
		return nil, err
	}
	response := &pulumirpc.GetRequiredPackagesResponse{}
	for _, require := range module.Require {
		if match := sdk.FindStringSubmatch(require.Path); match != nil {
			response.Packages = append(response.Packages, &pulumirpc.PackageDependency{Name: match[1], Version: require.Version, Kind: "resource"})
		}
	}
	return response, nil
}

func (h *host) InstallDependencies(req *pulumirpc.InstallDependenciesRequest, stream pulumirpc.LanguageRuntime_InstallDependenciesServer) error {
	closer, stdout, stderr, err := rpcutil.MakeInstallDependenciesStreams(stream, req.IsTerminal)
	if err != nil {
		return err
	}
	tidy := exec.CommandContext(h.running, "go", "mod", "tidy")
	tidy.Dir, tidy.Stdout, tidy.Stderr = req.Info.ProgramDirectory, stdout, stderr
	err = tidy.Run()
	if err != nil {
		err = fmt.Errorf("go mod tidy: %w", err)
	}
	return errors.Join(err, closer.Close())
}

// Run builds the program and runs it to its end. The engine shows this process's
// stdout and stderr, and so the compiler's and the program's, to the user.
func (h *host) Run(_ context.Context, req *pulumirpc.RunRequest) (*pulumirpc.RunResponse, error) {
	temporary, err := os.MkdirTemp("", "pulumi-go-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(temporary)
	program, err := build(h.running, req.Info, filepath.Join(temporary, "program"))
	if err != nil {
		return &pulumirpc.RunResponse{Error: err.Error()}, nil
	}
	run := exec.CommandContext(h.running, program)
	run.Dir, run.Env, run.Stdout, run.Stderr = req.Pwd, h.environment(req), os.Stdout, os.Stderr
	err = run.Run()
	var exit *exec.ExitError
	switch {
	case err == nil:
		return &pulumirpc.RunResponse{}, nil
	case !errors.As(err, &exit):
		return &pulumirpc.RunResponse{Error: err.Error()}, nil
	case exit.ExitCode() == constant.ExitStatusLoggedError:
		// The program has reported the error to the engine already.
		return &pulumirpc.RunResponse{Bail: true}, nil
	}
	return &pulumirpc.RunResponse{Error: fmt.Sprintf("program exited with non-zero exit code: %d", exit.ExitCode())}, nil
}

// build compiles the program and returns the path of what it made: the runtime
// option buildTarget, relative to the program's folder, which the next build leaves
// alone when nothing has changed; else the fallback. With the runtime option
// binary there is nothing to build.
func build(ctx context.Context, info *pulumirpc.ProgramInfo, fallback string) (string, error) {
	options := info.Options.AsMap()
	binary, _ := options["binary"].(string)
	target, _ := options["buildTarget"].(string)
	switch {
	case binary != "" && target != "":
		return "", errors.New("the runtime options binary and buildTarget of Pulumi.yaml exclude each other")
	case binary != "":
		return find(info.ProgramDirectory, binary)
	case target == "":
		target = fallback
	case !filepath.IsAbs(target):
		target = filepath.Join(info.ProgramDirectory, target)
	}
	// The official one's flags (3.250), so that both find the other's packages and program.
	compile := exec.CommandContext(ctx, "go", "build", "-buildvcs=false", "-o", target, "-trimpath", "-ldflags", "-w -s")
	compile.Dir, compile.Stdout, compile.Stderr = info.ProgramDirectory, os.Stdout, os.Stderr
	if err := compile.Run(); err != nil {
		return "", fmt.Errorf("error in compiling Go: go build: %w", err)
	}
	return target, nil
}

// find looks for the runtime option binary where the official host does: in the
// program's folder, in GOPATH/bin, and on PATH.
func find(folder, binary string) (string, error) {
	if path := filepath.Join(folder, binary); !filepath.IsAbs(binary) {
		if found, err := os.Stat(path); err == nil && !found.IsDir() {
			return path, nil
		}
	}
	return executable.FindExecutable(binary)
}

// environment is how the Go SDK learns of the run: see the SDK's go/pulumi/run.go.
func (h *host) environment(req *pulumirpc.RunRequest) []string {
	// Maps and lists of strings always have a JSON form.
	config, _ := json.Marshal(req.Config)
	secrets, _ := json.Marshal(req.ConfigSecretKeys)
	return append(os.Environ(),
		pulumi.EnvOrganization+"="+req.Organization,
		pulumi.EnvProject+"="+req.Project,
		pulumi.EnvPulumiRootDirectory+"="+req.Info.RootDirectory,
		pulumi.EnvStack+"="+req.Stack,
		pulumi.EnvConfig+"="+string(config),
		pulumi.EnvConfigSecretKeys+"="+string(secrets),
		pulumi.EnvDryRun+"="+strconv.FormatBool(req.DryRun),
		pulumi.EnvParallel+"="+strconv.Itoa(int(req.Parallel)),
		pulumi.EnvMonitor+"="+req.MonitorAddress,
		pulumi.EnvEngine+"="+h.engine,
	)
}
