//go:build linux

// Package programs makes the Go programs of this machine: it downloads or compiles those
// that are missing or out of date. Then it gives them the names by which Pulumi, kubectl
// and you call them. How much there is to compile is what the time left is estimated from.
package programs

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"hello-timber/emulator/setup/checkout"
	"hello-timber/emulator/setup/downloads"
	"hello-timber/emulator/setup/progress"
)

// Steps are the steps that download or compile what is missing or out of date.
func Steps(c checkout.Checkout, sources downloads.Sources, programs []*Program) []progress.Step {
	var steps []progress.Step
	var compiled, downloaded []*Program
	queue := newQueue()
	for _, p := range programs {
		switch {
		case downloadedProgram(c, p) || fresh(c, p):
		case p.archive != nil:
			downloaded = append(downloaded, p)
			steps = append(steps, progress.Step{Name: "get-" + p.name, Run: func(ctx context.Context, report *progress.Report) error {
				return downloadOrFetch(ctx, c, sources, report, queue, p)
			}})
		default:
			sources.Explain(p.name, p.version)
			compiled = append(compiled, p)
		}
	}
	if len(compiled) > 0 {
		steps = append(steps, progress.Step{Name: "modules", Run: func(ctx context.Context, p *progress.Report) error { return fetch(ctx, c, p, queue, compiled...) }})
	}
	// The compiler uses every core, so programs are compiled one after the other. Those
	// that are being downloaded come last.
	queue.programs = append(compiled, downloaded...)
	previous := ""
	for _, program := range queue.programs {
		program.work.Store(progress.Unlisted)
		steps = append(steps, progress.Step{Name: program.name, Needs: []string{previous, "get-" + program.name}, Run: func(ctx context.Context, p *progress.Report) error {
			if downloadedProgram(c, program) {
				return nil
			}
			return compile(ctx, c, p, program)
		}, Work: &program.work, Quick: program.archive != nil})
		previous = program.name
	}
	return append(steps, progress.Step{Name: "links", Needs: []string{previous}, Quick: true, Run: func(ctx context.Context, _ *progress.Report) error {
		if err := link(ctx, c, programs); err != nil {
			return err
		}
		return tidy(c, programs)
	}})
}

// versions are the versions of what others publish. The modules' files have them.
func versions(ctx context.Context, c checkout.Checkout) (map[string]string, error) {
	versions := map[string]string{}
	for name, from := range map[string]struct{ folder, module string }{
		"kubernetes": {"emulator/hyperkube", "k8s.io/kubernetes"},
		"pulumi":     {"emulator", "github.com/pulumi/pulumi/pkg/v3"},
		"provider":   {"", "github.com/pulumi/pulumi-kubernetes/sdk/v4"},
	} {
		version, err := moduleVersion(ctx, filepath.Join(c.Root, from.folder, "go.mod"), from.module)
		if err != nil {
			return nil, err
		}
		versions[name] = version
	}
	return versions, nil
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
		{name: "kubernetes", cold: 64_000_000, version: kubernetes, folder: "emulator/hyperkube", pkg: ".", output: c.Home("bin", "hyperkube"),
			sources: []string{"emulator/hyperkube"},
			linker:  fmt.Sprintf("-s -w %sVersion=%s %sMajor=%s %sMinor=%s", stamp, kubernetes, stamp, major, stamp, minor)},
		{name: "network", cold: 70_000_000, folder: "emulator/network", pkg: ".", output: c.Home("bin", "network"),
			sources: []string{"emulator/network"}, linker: "-s -w"},
		{name: "emulator", cold: 42_000_000, folder: "emulator", pkg: ".", output: c.Home("bin", "emulator"), sources: emulatorSources, linker: "-s -w"},
	}
	if c.Installed("pulumi") == "" {
		programs = append(programs, &Program{name: "pulumi", cold: 60_000_000, version: pulumi, folder: "emulator", pkg: "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi", output: c.Home("bin", "pulumi"),
			sources: []string{"emulator/go.mod", "emulator/go.sum", "emulator/openapi"},
			linker:  "-s -w -X github.com/pulumi/pulumi/sdk/v3/go/common/version.Version=" + pulumi})
	} else if err := os.Remove(c.Home("bin", "pulumi")); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if installedPlugin(c, "kubernetes", provider) == "" {
		programs = append(programs, &Program{name: "provider", cold: 15_000_000, version: provider, folder: "emulator/kubernetes", pkg: ".", output: c.Home("bin", providerBinary),
			sources: []string{"emulator/kubernetes/go.mod", "emulator/kubernetes/go.sum", "emulator/kubernetes/main.go", "emulator/kubernetes/sdk"},
			linker:  "-s -w -X " + providerModule + "/pkg/version.Version=" + strings.TrimPrefix(provider, "v"),
			prepare: func(ctx context.Context) error { return copySchema(ctx, c, strings.TrimPrefix(provider, "v")) }})
	}
	for _, p := range programs {
		p.archive = sources.Find(p.name, p.version)
	}
	// Pulumi's language host runs the same command in each update, and finds the
	// program up to date. Otherwise the first update would be silent for minutes.
	return append(programs, &Program{name: "program", cold: 17_000_000, folder: ".", pkg: ".", output: filepath.Join(c.Root, "bin", "hello-timber"),
		sources: []string{"go.mod", "go.sum", "main.go", "command", "stacks"}, linker: "-w -s"}), nil
}

const (
	providerModule = "github.com/pulumi/pulumi-kubernetes/provider/v4"
	// providerBinary is not the plugin's name, because Pulumi prefers a plugin on
	// PATH to one in its home, with a warning in each update.
	providerBinary = "kubernetes-provider"
)

// emulatorSources are what the emulator's binary is made of. TestEmulatorSources
// compares them with what the compiler reads.
var emulatorSources = []string{"emulator/go.mod", "emulator/go.sum", "emulator/main.go", "emulator/credentials", "emulator/docker", "emulator/gcp", "emulator/gcp/terraform", "emulator/gke",
	"emulator/home", "emulator/language", "emulator/proxy", "emulator/records", "emulator/registry", "emulator/wire"}

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
	if checkout.Exists(folder + ".partial") {
		return ""
	}
	found, err := exec.LookPath(filepath.Join(folder, "pulumi-resource-"+name))
	if err != nil {
		return ""
	}
	return found
}

// Program is one Go program to build.
type Program struct {
	name, folder, pkg, output string
	// version is of what others publish.
	version string
	// archive has its official binaries. Without one it is compiled.
	archive *downloads.Archive
	// sources are the files and folders, from the root, that decide whether it is up to date.
	sources []string
	// linker are the flags for the linker. All else is the same for all programs, so
	// that a package is compiled once.
	linker string
	// prepare, which may be nil, makes what the compiler needs beside the sources.
	prepare func(context.Context) error
	// packages are those that it has to compile and no program before it does, by import
	// path, once known.
	packages atomic.Pointer[map[string]listed]
	// work is how much there is to compile and to link, in bytes of Go, or progress.Unlisted.
	work atomic.Int64
	// cold is about what its work is if nothing but the programs before it is compiled.
	cold int64
}

// command is how Pulumi's language host builds a program (pulumi/pkg 3.250). With
// other flags the first update would compile and link it a second time.
func (p *Program) command() []string {
	return []string{"build", "-v", "-buildvcs=false", "-o", p.output, "-trimpath", "-ldflags", p.linker, p.pkg}
}

func stamp(c checkout.Checkout, p *Program) (path, digest string, err error) {
	digest, err = c.Digest(p.sources, append(p.command(), runtime.Version(), os.Getenv("GOFLAGS"))...)
	return c.Home("stamps", p.name), digest, err
}

// fresh reports whether a program was built from exactly these sources. It takes
// milliseconds; go build would take seconds each time.
func fresh(c checkout.Checkout, p *Program) bool {
	path, digest, err := stamp(c, p)
	if err != nil {
		return false
	}
	stamp, err := os.ReadFile(path)
	_, missing := os.Stat(p.output)
	return err == nil && missing == nil && string(stamp) == digest
}

// uncached lists the packages that the compiler has not compiled before with the same
// flags, with their files. What is there already, go build does not mention.
const uncached = `{{if .Stale}}{{if ne .StaleReason "not installed but available in build cache"}}{{.ImportPath}}{{"\t"}}{{with .Module}}{{.Version}}{{end}}{{"\t"}}{{.Dir}}{{range .GoFiles}}{{"\t"}}{{.}}{{end}}{{end}}{{end}}`

// listed is a package to compile, and what that costs.
type listed struct {
	version string
	work    int64
}

// packageWork is how many bytes of Go are compiled in the time that the compiler takes to
// start: 0.03 CPU seconds, where a megabyte takes 3.
const packageWork = 10_000

// queue has the programs in the order in which they are compiled.
type queue struct {
	mutex    sync.Mutex
	programs []*Program
	needed   map[*Program]map[string]listed
	fetching map[*Program]bool
}

func newQueue() *queue {
	return &queue{needed: map[*Program]map[string]listed{}, fetching: map[*Program]bool{}}
}

// fetch notes that a program will be compiled.
func (q *queue) fetch(p *Program) {
	q.mutex.Lock()
	defer q.mutex.Unlock()
	q.fetching[p] = true
	q.share()
}

// list notes which packages a program needs, or none if it is not compiled.
func (q *queue) list(p *Program, packages map[string]listed) {
	q.mutex.Lock()
	defer q.mutex.Unlock()
	q.needed[p] = packages
	q.share()
}

// share gives each package to the first program that needs it. If nothing was compiled for
// the programs that are listed, neither was it for the others.
func (q *queue) share() {
	taken := map[string]bool{}
	cold := false
	for _, p := range q.programs {
		needed, known := q.needed[p]
		if !known {
			if cold && q.fetching[p] {
				p.work.Store(p.cold)
			}
			continue
		}
		own, work := map[string]listed{}, int64(0)
		for path, l := range needed {
			if key := path + " " + l.version; !taken[key] {
				taken[key] = true
				own[path] = l
				work += l.work
			}
		}
		p.packages.Store(&own)
		if len(own) > 0 {
			work += progress.LinkWork
		}
		p.work.Store(work)
		cold = cold || work > p.cold*9/10
	}
}

// fetch downloads the modules of programs while the first one is compiled, and lists the
// packages that each has to compile.
func fetch(ctx context.Context, c checkout.Checkout, p *progress.Report, queue *queue, programs ...*Program) error {
	for _, program := range programs {
		queue.fetch(program)
	}
	downloads := 0
	for _, program := range programs {
		p.Say("reading what " + program.name + " imports")
		list := c.Command(ctx, program.folder, "go", "list", "-deps", "-f", uncached, program.pkg)
		var text bytes.Buffer
		list.Stdout = &text
		if err := p.Run(list, func(line string) {
			if strings.HasPrefix(line, "go: downloading ") {
				downloads++
				p.Say(fmt.Sprintf("downloaded %d for %s", downloads, program.name))
			}
		}); err != nil {
			return err
		}
		packages := map[string]listed{}
		for line := range strings.Lines(text.String()) {
			fields := strings.Split(strings.TrimSpace(line), "\t")
			if len(fields) < 3 {
				continue
			}
			l := listed{fields[1], packageWork}
			for _, name := range fields[3:] {
				if info, err := os.Stat(filepath.Join(fields[2], name)); err == nil {
					l.work += info.Size()
				}
			}
			packages[fields[0]] = l
		}
		queue.list(program, packages)
	}
	return nil
}

// cpuTime is the processor time of a process and of its children that ended; 0 if unknown.
func cpuTime(pid int) time.Duration {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	_, fields, found := strings.Cut(string(text), ") ") // after the command's name
	var used [4]int64
	if all := strings.Fields(fields); err == nil && found && len(all) > 15 {
		for i := range used { // fields 14 to 17 of proc(5), in hundredths of seconds
			if used[i], err = strconv.ParseInt(all[11+i], 10, 64); err != nil {
				return 0
			}
		}
	}
	return time.Duration(used[0]+used[1]+used[2]+used[3]) * 10 * time.Millisecond
}

func compile(ctx context.Context, c checkout.Checkout, p *progress.Report, program *Program) error {
	path, digest, err := stamp(c, program)
	if err != nil {
		return err
	}
	// Go would write through a link, into what was downloaded.
	if _, err := os.Readlink(program.output); err == nil {
		if err := os.Remove(program.output); err != nil {
			return err
		}
	}
	if program.prepare != nil {
		if err := program.prepare(ctx); err != nil {
			return err
		}
	}
	cmd := c.Command(ctx, program.folder, "go", program.command()...)
	// On the output's own disk the finished binary is moved, so it is never half written.
	cmd.Env = append(os.Environ(), "GOTMPDIR="+c.Home("tmp"))
	var compiled int
	var done int64
	p.Say("reading sources")
	if err := p.Run(cmd, func(line string) {
		if strings.ContainsAny(line, " #") {
			return
		}
		compiled++
		packages := program.packages.Load()
		if packages == nil {
			p.Say(fmt.Sprintf("compiled %d packages", compiled))
			return
		}
		done += (*packages)[line].work
		says := "linking"
		if compiled < len(*packages) {
			says = fmt.Sprintf("compiled %d of %d packages", compiled, len(*packages))
		}
		p.Compiles(done, program.work.Load(), cpuTime(cmd.Process.Pid), says)
	}); err != nil {
		return err
	}
	return checkout.Replace(path, digest, 0o644)
}

// moduleVersion returns the version of a module that a go.mod requires.
func moduleVersion(ctx context.Context, gomod, module string) (string, error) {
	versions, err := requirements(ctx, gomod)
	if err == nil && versions[module] == "" {
		err = fmt.Errorf("%s does not require %s", gomod, module)
	}
	return versions[module], err
}

// requirements returns the versions of the modules that a go.mod requires.
func requirements(ctx context.Context, gomod string) (map[string]string, error) {
	text, err := exec.CommandContext(ctx, "go", "mod", "edit", "-json", gomod).Output()
	if err != nil {
		return nil, fmt.Errorf("go mod edit -json %s: %w", gomod, err)
	}
	var file struct {
		Require []struct{ Path, Version string }
	}
	if err := json.Unmarshal(text, &file); err != nil {
		return nil, err
	}
	versions := map[string]string{}
	for _, r := range file.Require {
		versions[r.Path] = r.Version
	}
	return versions, nil
}

// downloadOrFetch downloads a program. If that fails, it downloads the modules that
// compiling needs.
func downloadOrFetch(ctx context.Context, c checkout.Checkout, sources downloads.Sources, p *progress.Report, queue *queue, wanted *Program) error {
	err := sources.Download(ctx, c, p, *wanted.archive)
	if err == nil {
		queue.list(wanted, map[string]listed{})
	}
	if err == nil || ctx.Err() != nil {
		return err
	}
	p.Print(fmt.Sprintf("%-14s %s is compiled, because it cannot be downloaded: %s", wanted.name, wanted.version, strings.ReplaceAll(err.Error(), "\n", "; ")))
	return fetch(ctx, c, p, queue, wanted)
}

// downloadedProgram reports whether a program's official binaries are there and wanted.
func downloadedProgram(c checkout.Checkout, p *Program) bool {
	return p.archive != nil && p.archive.Installed(c)
}
