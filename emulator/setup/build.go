//go:build linux

package main

import (
	"bytes"
	"context"
	"crypto/sha256"
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
)

// build makes everything that up needs and that is missing or out of date.
func build(ctx context.Context, c checkout) error {
	var err error
	if c.downloads, err = newDownloads(os.Getenv); err != nil {
		return err
	}
	for _, folder := range []string{"bin", "logs", "stamps", "state", "tmp", "took"} {
		if err := os.MkdirAll(c.home(folder), 0o755); err != nil {
			return err
		}
	}
	unlock, err := c.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	// An interrupted build leaves files there.
	if err := os.RemoveAll(c.home("tmp")); err != nil {
		return err
	}
	if err := os.MkdirAll(c.home("tmp"), 0o755); err != nil {
		return err
	}

	if err := c.preflight(ctx); err != nil {
		return err
	}

	programs, err := c.programs(ctx)
	if err != nil {
		return err
	}
	return runSteps(ctx, c, append(c.programSteps(programs), c.images()...))
}

// programSteps are the steps that download or compile what is missing or out of date.
func (c checkout) programSteps(programs []*program) []step {
	var steps []step
	var compiled, downloaded []*program
	queue := newQueue()
	for _, p := range programs {
		switch {
		case c.downloadedProgram(p) || c.fresh(p):
		case p.archive != nil:
			downloaded = append(downloaded, p)
			steps = append(steps, step{name: "get-" + p.name, run: func(ctx context.Context, progress *progress) error {
				return c.downloadOrFetch(ctx, progress, queue, p)
			}})
		default:
			c.downloads.explain(p)
			compiled = append(compiled, p)
		}
	}
	if len(compiled) > 0 {
		steps = append(steps, step{name: "modules", run: func(ctx context.Context, p *progress) error { return c.fetch(ctx, p, queue, compiled...) }})
	}
	// The compiler uses every core, so programs are compiled one after the other. Those
	// that are being downloaded come last.
	queue.programs = append(compiled, downloaded...)
	previous := ""
	for _, program := range queue.programs {
		program.work.Store(unlisted)
		steps = append(steps, step{name: program.name, needs: []string{previous, "get-" + program.name}, run: func(ctx context.Context, p *progress) error {
			if c.downloadedProgram(program) {
				return nil
			}
			return c.compile(ctx, p, program)
		}, work: &program.work, quick: program.archive != nil})
		previous = program.name
	}
	return append(steps, step{name: "links", needs: []string{previous}, quick: true, run: func(ctx context.Context, _ *progress) error {
		if err := c.link(ctx, programs); err != nil {
			return err
		}
		return c.tidy(programs)
	}})
}

// versions are the versions of what others publish. The modules' files have them.
func (c checkout) versions(ctx context.Context) (map[string]string, error) {
	versions := map[string]string{}
	for name, from := range map[string]struct{ folder, module string }{
		"kubernetes": {"emulator/hyperkube", "k8s.io/kubernetes"},
		"pulumi":     {"emulator", "github.com/pulumi/pulumi/pkg/v3"},
		"provider":   {"", "github.com/pulumi/pulumi-kubernetes/sdk/v4"},
	} {
		version, err := moduleVersion(ctx, filepath.Join(c.root, from.folder, "go.mod"), from.module)
		if err != nil {
			return nil, err
		}
		versions[name] = version
	}
	return versions, nil
}

// programs are the Go programs of this machine. What Pulumi's own installation
// already has is not among them.
func (c checkout) programs(ctx context.Context) ([]*program, error) {
	versions, err := c.versions(ctx)
	if err != nil {
		return nil, err
	}
	kubernetes, pulumi, provider := versions["kubernetes"], versions["pulumi"], versions["provider"]
	major, minor, _ := strings.Cut(strings.TrimPrefix(kubernetes, "v"), ".")
	minor, _, _ = strings.Cut(minor, ".")
	stamp := "-X k8s.io/component-base/version.git"
	programs := []*program{
		{name: "kubernetes", cold: 64_000_000, version: kubernetes, folder: "emulator/hyperkube", pkg: ".", output: c.home("bin", "hyperkube"),
			sources: []string{"emulator/hyperkube"},
			linker:  fmt.Sprintf("-s -w %sVersion=%s %sMajor=%s %sMinor=%s", stamp, kubernetes, stamp, major, stamp, minor)},
		{name: "network", cold: 70_000_000, folder: "emulator/network", pkg: ".", output: c.home("bin", "network"),
			sources: []string{"emulator/network"}, linker: "-s -w"},
		{name: "emulator", cold: 42_000_000, folder: "emulator", pkg: ".", output: c.home("bin", "emulator"), sources: emulatorSources, linker: "-s -w"},
	}
	if c.installed("pulumi") == "" {
		programs = append(programs, &program{name: "pulumi", cold: 60_000_000, version: pulumi, folder: "emulator", pkg: "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi", output: c.home("bin", "pulumi"),
			sources: []string{"emulator/go.mod", "emulator/go.sum", "emulator/openapi"},
			linker:  "-s -w -X github.com/pulumi/pulumi/sdk/v3/go/common/version.Version=" + pulumi})
	} else if err := os.Remove(c.home("bin", "pulumi")); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if c.installedPlugin("kubernetes", provider) == "" {
		programs = append(programs, &program{name: "provider", cold: 15_000_000, version: provider, folder: "emulator/kubernetes", pkg: ".", output: c.home("bin", providerBinary),
			sources: []string{"emulator/kubernetes/go.mod", "emulator/kubernetes/go.sum", "emulator/kubernetes/main.go", "emulator/kubernetes/sdk"},
			linker:  "-s -w -X " + providerModule + "/pkg/version.Version=" + strings.TrimPrefix(provider, "v"),
			prepare: func(ctx context.Context) error { return c.copySchema(ctx, strings.TrimPrefix(provider, "v")) }})
	}
	for _, p := range programs {
		p.archive = c.downloads.find(p.name, p.version)
	}
	// Pulumi's language host runs the same command in each update, and finds the
	// program up to date. Otherwise the first update would be silent for minutes.
	return append(programs, &program{name: "program", cold: 17_000_000, folder: ".", pkg: ".", output: filepath.Join(c.root, "bin", "hello-timber"),
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
func (c checkout) copySchema(ctx context.Context, version string) error {
	folder, err := c.output(ctx, "go", "-C", "emulator/kubernetes", "list", "-m", "-f", "{{.Dir}}", providerModule)
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
	return replace(filepath.Join(c.root, "emulator", "kubernetes", "schema", "schema.json"), string(text), 0o644)
}

// installedPlugin returns where the user's own Pulumi has a provider plugin, or
// nothing where it has not or is still downloading it.
func (c checkout) installedPlugin(name, version string) string {
	folder := filepath.Join(c.plugins, "resource-"+name+"-"+version)
	if exists(folder + ".partial") {
		return ""
	}
	found, err := exec.LookPath(filepath.Join(folder, "pulumi-resource-"+name))
	if err != nil {
		return ""
	}
	return found
}

// program is one Go program to build.
type program struct {
	name, folder, pkg, output string
	// version is of what others publish.
	version string
	// archive has its official binaries. Without one it is compiled.
	archive *archive
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
	// work is how much there is to compile and to link, in bytes of Go, or unlisted.
	work atomic.Int64
	// cold is about what its work is if nothing but the programs before it is compiled.
	cold int64
}

// unlisted is the work of a program whose packages are not known yet.
const unlisted = -1

// command is how Pulumi's language host builds a program (pulumi/pkg 3.250). With
// other flags the first update would compile and link it a second time.
func (p *program) command() []string {
	return []string{"build", "-v", "-buildvcs=false", "-o", p.output, "-trimpath", "-ldflags", p.linker, p.pkg}
}

func (c checkout) stamp(p *program) (path, digest string, err error) {
	digest, err = c.digest(p.sources, append(p.command(), runtime.Version(), os.Getenv("GOFLAGS"))...)
	return c.home("stamps", p.name), digest, err
}

// fresh reports whether a program was built from exactly these sources. It takes
// milliseconds; go build would take seconds each time.
func (c checkout) fresh(p *program) bool {
	path, digest, err := c.stamp(p)
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

// packageWork and linkWork are how many bytes of Go are compiled in the time that the
// compiler takes to start, and in the time that the linker takes: 0.03 and 10 CPU seconds,
// where a megabyte takes 3. Chosen manually: with them, the six programs together take 1.1 times
// the CPU time that was measured on 29 November 2026, and each takes up to 1.7 times its own.
const packageWork, linkWork = 10_000, 3_000_000

// queue has the programs in the order in which they are compiled.
type queue struct {
	mutex    sync.Mutex
	programs []*program
	needed   map[*program]map[string]listed
	fetching map[*program]bool
}

func newQueue() *queue {
	return &queue{needed: map[*program]map[string]listed{}, fetching: map[*program]bool{}}
}

// fetch notes that a program will be compiled.
func (q *queue) fetch(p *program) {
	q.mutex.Lock()
	defer q.mutex.Unlock()
	q.fetching[p] = true
	q.share()
}

// list notes which packages a program needs, or none if it is not compiled.
func (q *queue) list(p *program, packages map[string]listed) {
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
			work += linkWork
		}
		p.work.Store(work)
		cold = cold || work > p.cold*9/10
	}
}

// fetch downloads the modules of programs while the first one is compiled, and lists the
// packages that each has to compile.
func (c checkout) fetch(ctx context.Context, p *progress, queue *queue, programs ...*program) error {
	for _, program := range programs {
		queue.fetch(program)
	}
	downloads := 0
	for _, program := range programs {
		p.say("reading what " + program.name + " imports")
		list := c.command(ctx, program.folder, "go", "list", "-deps", "-f", uncached, program.pkg)
		var text bytes.Buffer
		list.Stdout = &text
		if err := p.run(list, func(line string) {
			if strings.HasPrefix(line, "go: downloading ") {
				downloads++
				p.say(fmt.Sprintf("downloaded %d for %s", downloads, program.name))
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

func (c checkout) compile(ctx context.Context, p *progress, program *program) error {
	path, digest, err := c.stamp(program)
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
	cmd := c.command(ctx, program.folder, "go", program.command()...)
	// On the output's own disk the finished binary is moved, so it is never half written.
	cmd.Env = append(os.Environ(), "GOTMPDIR="+c.home("tmp"))
	var compiled int
	var done int64
	p.say("reading sources")
	if err := p.run(cmd, func(line string) {
		if strings.ContainsAny(line, " #") {
			return
		}
		compiled++
		packages := program.packages.Load()
		if packages == nil {
			p.say(fmt.Sprintf("compiled %d packages", compiled))
			return
		}
		done += (*packages)[line].work
		says := "linking"
		if compiled < len(*packages) {
			says = fmt.Sprintf("compiled %d of %d packages", compiled, len(*packages))
		}
		p.compiles(done, program.work.Load(), cpuTime(cmd.Process.Pid), says)
	}); err != nil {
		return err
	}
	return replace(path, digest, 0o644)
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

// digest is a hash of names, executable bits and contents of files and folders.
// Tests and their data are left out, because nothing is built of them.
func (c checkout) digest(sources []string, more ...string) (string, error) {
	sum := sha256.New()
	fmt.Fprintf(sum, "%q\n", more)
	for _, source := range sources {
		err := filepath.WalkDir(filepath.Join(c.root, source), func(path string, entry fs.DirEntry, err error) error {
			if err == nil && entry.IsDir() && entry.Name() == "testdata" {
				return filepath.SkipDir
			}
			if err != nil || !entry.Type().IsRegular() || strings.HasSuffix(path, "_test.go") {
				return err
			}
			info, err := entry.Info()
			if err != nil {
				return err
			}
			content, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			name, err := filepath.Rel(c.root, path)
			fmt.Fprintf(sum, "%q %o %x\n", name, info.Mode()&0o100, sha256.Sum256(content))
			return err
		})
		if err != nil {
			return "", err
		}
	}
	return fmt.Sprintf("%x", sum.Sum(nil)), nil
}
