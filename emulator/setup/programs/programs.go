//go:build linux

// Package programs makes the Go programs of this machine: it downloads or compiles those
// that are missing or out of date. Then it gives them the names by which Pulumi, kubectl
// and you call them.
package programs

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"hello-timber/emulator/setup/checkout"
	"hello-timber/emulator/setup/downloads"
	"hello-timber/emulator/setup/progress"
)

// Program is one Go program of this machine.
type Program struct {
	name, folder, pkg, output string
	// version is of what others publish, and archive has its official binaries. Without
	// an archive it is compiled.
	version string
	archive *downloads.Archive
	// sources are the files and folders, from the root, that decide whether it is up to date.
	sources []string
	// linker are the flags for the linker. All else is the same for all programs, so
	// that a package is compiled once.
	linker string
	// prepare, which may be nil, makes what the compiler needs beside the sources.
	prepare func(context.Context) error
	// packages is how many it compiles about, and takes how much processor time that took, if
	// nothing but the programs before it is compiled. They are those of docs/benchmarks.md.
	packages int
	takes    time.Duration
}

// downloaded reports whether a program's official binaries are there and wanted.
func (p *Program) downloaded(c checkout.Checkout) bool {
	return p.archive != nil && p.archive.Installed(c)
}

// versions are the versions of what others publish. The modules' files have them.
func versions(ctx context.Context, c checkout.Checkout) (map[string]string, error) {
	versions := map[string]string{}
	for name, from := range map[string]struct{ folder, module string }{
		"kubernetes": {"emulator/hyperkube", "k8s.io/kubernetes"},
		"pulumi":     {"emulator", "github.com/pulumi/pulumi/pkg/v3"},
		"provider":   {"", "github.com/pulumi/pulumi-kubernetes/sdk/v4"},
	} {
		required, err := requirements(ctx, filepath.Join(c.Root, from.folder))
		if err != nil {
			return nil, err
		}
		versions[name] = required[from.module]
	}
	return versions, nil
}

// requirements returns the versions of the modules that the module in a folder requires.
func requirements(ctx context.Context, folder string) (map[string]string, error) {
	gomod := filepath.Join(folder, "go.mod")
	text, err := exec.CommandContext(ctx, "go", "mod", "edit", "-json", gomod).Output()
	if err != nil {
		return nil, fmt.Errorf("go mod edit -json %s: %w", gomod, err)
	}
	var file struct {
		Require []struct{ Path, Version string }
	}
	err = json.Unmarshal(text, &file)
	versions := map[string]string{}
	for _, r := range file.Require {
		versions[r.Path] = r.Version
	}
	return versions, err
}

// List returns the Go programs of this machine. What Pulumi's own installation
// already has is not among them.
func List(ctx context.Context, c checkout.Checkout, sources downloads.Sources) ([]*Program, error) {
	versions, err := versions(ctx, c)
	if err != nil {
		return nil, err
	}
	kubernetes, pulumi, provider := versions["kubernetes"], versions["pulumi"], versions["provider"]
	major, minor, _ := strings.Cut(strings.TrimPrefix(kubernetes, "v"), ".")
	minor, _, _ = strings.Cut(minor, ".")
	stamp := "-X k8s.io/component-base/version.git"
	programs := []*Program{
		{name: "network", packages: 814, takes: 125 * time.Second,
			folder: "emulator/network", pkg: ".", output: c.Home("bin", "network"),
			sources: []string{"emulator/network"}, linker: "-s -w",
			prepare: func(ctx context.Context) error { return copyGatewayAPI(ctx, c) }},
		{name: "emulator", packages: 822, takes: 79 * time.Second,
			folder: "emulator", pkg: ".", output: c.Home("bin", "emulator"),
			sources: []string{"emulator"}, linker: "-s -w"},
		// Pulumi's language host runs the same command in each update, and finds the
		// program up to date. Otherwise the first update would be silent for minutes.
		{name: "program", packages: 32, takes: 78 * time.Second,
			folder: ".", pkg: ".", output: filepath.Join(c.Root, "bin", "hello-timber"),
			sources: []string{"go.mod", "go.sum", "main.go", "command", "stacks"}, linker: "-w -s"},
		{name: "kubernetes", packages: 1646, takes: 249 * time.Second, version: kubernetes,
			folder: "emulator/hyperkube", pkg: ".", output: c.Home("bin", "hyperkube"),
			sources: []string{"emulator/hyperkube"},
			linker:  fmt.Sprintf("-s -w %sVersion=%s %sMajor=%s %sMinor=%s", stamp, kubernetes, stamp, major, stamp, minor)},
	}
	if c.Installed("pulumi") == "" {
		programs = append(programs, &Program{name: "pulumi", packages: 847, takes: 109 * time.Second, version: pulumi,
			folder: "emulator", pkg: "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi", output: c.Home("bin", "pulumi"),
			sources: []string{"emulator/go.mod", "emulator/go.sum", "emulator/openapi"},
			linker:  "-s -w -X github.com/pulumi/pulumi/sdk/v3/go/common/version.Version=" + pulumi})
	} else if err := os.RemoveAll(c.Home("bin", "pulumi")); err != nil {
		return nil, err
	}
	if installedPlugin(c, "kubernetes", provider) == "" {
		version := strings.TrimPrefix(provider, "v")
		programs = append(programs, &Program{name: "provider", packages: 310, takes: 39 * time.Second, version: provider,
			folder: "emulator/kubernetes", pkg: ".", output: c.Home("bin", providerBinary),
			sources: []string{"emulator/kubernetes/go.mod", "emulator/kubernetes/go.sum", "emulator/kubernetes/main.go", "emulator/kubernetes/sdk"},
			linker:  "-s -w -X " + providerModule + "/pkg/version.Version=" + version,
			prepare: func(ctx context.Context) error { return copySchema(ctx, c, version) }})
	}
	for _, p := range programs {
		p.archive = sources.Find(p.name, p.version)
	}
	return programs, nil
}

const (
	providerModule = "github.com/pulumi/pulumi-kubernetes/provider/v4"
	// providerBinary is not the plugin's name, because Pulumi prefers a plugin on
	// PATH to one in its home, with a warning in each update.
	providerBinary = "kubernetes-provider"
)

// copySchema copies the provider's schema from its module to where the compiler
// embeds it, with the version that the module leaves out.
func copySchema(ctx context.Context, c checkout.Checkout, version string) error {
	folder, err := c.Output(ctx, "go", "-C", "emulator/kubernetes", "list", "-m", "-f", "{{.Dir}}", providerModule)
	if err != nil {
		return err
	}
	text, err := os.ReadFile(filepath.Join(folder, "cmd", "pulumi-resource-kubernetes", "schema.json"))
	if err != nil {
		return err
	}
	var schema map[string]json.RawMessage
	if err := json.Unmarshal(text, &schema); err != nil {
		return err
	}
	schema["version"] = json.RawMessage(strconv.Quote(version))
	if text, err = json.Marshal(schema); err != nil {
		return err
	}
	return checkout.Replace(filepath.Join(c.Root, "emulator", "kubernetes", "schema", "schema.json"), string(text), 0o644)
}

// installedPlugin returns where the user's own Pulumi has a provider plugin, or
// nothing where it has not or is still downloading it.
func installedPlugin(c checkout.Checkout, name, version string) string {
	folder := filepath.Join(c.Plugins, "resource-"+name+"-"+version)
	found, err := exec.LookPath(filepath.Join(folder, "pulumi-resource-"+name))
	if err != nil || checkout.Exists(folder+".partial") {
		return ""
	}
	return found
}

// Steps are the steps that download or compile what is missing or out of date.
func Steps(c checkout.Checkout, sources downloads.Sources, programs []*Program) []progress.Step {
	var steps []progress.Step
	var compiled []*Program
	links := progress.Step{Name: "links", Run: func(ctx context.Context, c checkout.Checkout, _ *progress.Report) error {
		if err := link(ctx, c, programs); err != nil {
			return err
		}
		return tidy(c, programs)
	}}
	// The compiler uses every core, so programs are compiled one after the other.
	compiler := make(chan struct{}, 1)
	for _, p := range programs {
		if p.downloaded(c) || fresh(c, p) {
			continue
		}
		step := progress.Step{Name: p.name, Run: func(ctx context.Context, c checkout.Checkout, report *progress.Report) error {
			return p.get(ctx, c, sources, report, compiler)
		}}
		if p.archive == nil {
			step.Work = p.takes
			if len(compiled) > 0 {
				step.Needs = []string{compiled[len(compiled)-1].name}
			}
			compiled = append(compiled, p)
		}
		steps = append(steps, step)
		links.Needs = append(links.Needs, p.name)
	}
	if len(compiled) > 1 {
		steps = append(steps, progress.Step{Name: "modules", Run: func(ctx context.Context, c checkout.Checkout, p *progress.Report) error {
			return fetch(ctx, c, p, compiled[1:])
		}})
	}
	return append(steps, links)
}

// get downloads a program. If that fails, or it is not published, it compiles it when no
// other program is compiled.
func (p *Program) get(ctx context.Context, c checkout.Checkout, sources downloads.Sources, report *progress.Report, compiler chan struct{}) error {
	if p.archive != nil {
		err := sources.Download(ctx, c, report, *p.archive)
		if err == nil || ctx.Err() != nil {
			return err
		}
		report.Print(fmt.Sprintf("%-14s %s is compiled, because it cannot be downloaded: %s", p.name, p.version, strings.ReplaceAll(err.Error(), "\n", "; ")))
		report.Expect(p.takes)
		report.Say("waiting for the compiler")
	}
	select {
	case compiler <- struct{}{}:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	defer func() { <-compiler }()
	return compile(ctx, c, report, p)
}

// fetch downloads the modules of programs while another one is compiled.
func fetch(ctx context.Context, c checkout.Checkout, p *progress.Report, programs []*Program) error {
	modules := 0
	for _, program := range programs {
		p.Say("reading what " + program.name + " imports")
		if err := p.Run(c.Command(ctx, program.folder, "go", "list", "-deps", program.pkg), func(line string) {
			if strings.HasPrefix(line, downloading) {
				modules++
				p.Say(fmt.Sprintf("downloaded %d for %s", modules, program.name))
			}
		}); err != nil {
			return err
		}
	}
	return nil
}

// Metrics compiles the metrics-server, which autoscalers need, and which takes one core
// more than two minutes: only for a stack that has an autoscaler, and for the tests.
// Clusters that run already start it.
func Metrics(ctx context.Context, c checkout.Checkout, p *progress.Report) error {
	server := &Program{name: "metrics-server", folder: "emulator/network", pkg: "./metrics", output: c.Home("bin", "metrics-server"),
		sources: []string{"emulator/network/go.mod", "emulator/network/go.sum", "emulator/network/metrics"}, linker: "-s -w"}
	unlock, err := c.Lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	if fresh(c, server) {
		return nil
	}
	return compile(ctx, c, p, server)
}
