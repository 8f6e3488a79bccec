//go:build linux

package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"
)

// build makes everything that up needs and is not there or not fresh.
func build(ctx context.Context, c checkout) error {
	for _, folder := range []string{"bin", "logs", "stamps", "state", "tmp", "took"} {
		if err := os.MkdirAll(c.home(folder), 0o755); err != nil {
			return err
		}
	}
	lock, err := os.OpenFile(c.home("lock"), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return err
	}
	defer lock.Close()
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return errors.New("another make is building in this checkout: wait for it to end")
	}
	// Whatever an interrupted build left.
	if err := os.RemoveAll(c.home("tmp")); err != nil {
		return err
	}
	if err := os.MkdirAll(c.home("tmp"), 0o755); err != nil {
		return err
	}

	if f := c.engine(ctx); f.mend != "" {
		if err := runSteps(ctx, c, []step{{name: "docker", run: c.ensureDocker}}); err != nil {
			return err
		}
	}
	for _, f := range c.examine(ctx) {
		if f.mend != "" {
			return fmt.Errorf("%s: %s; to mend: %s", f.what, f.says, f.mend)
		}
	}

	kubernetes, err := moduleVersion(filepath.Join(c.root, "emulator", "hyperkube", "go.mod"), "k8s.io/kubernetes")
	if err != nil {
		return err
	}
	pulumi, err := moduleVersion(filepath.Join(c.root, "emulator", "go.mod"), "github.com/pulumi/pulumi/pkg/v3")
	if err != nil {
		return err
	}
	major, minor, _ := strings.Cut(strings.TrimPrefix(kubernetes, "v"), ".")
	minor, _, _ = strings.Cut(minor, ".")
	stamp := "-X k8s.io/component-base/version.git"
	programs := []*program{
		{name: "kubernetes", folder: "emulator/hyperkube", pkg: ".", output: c.home("bin", "hyperkube"),
			sources: []string{"emulator/hyperkube"},
			flags:   []string{"-buildvcs=false", "-ldflags", fmt.Sprintf("-s -w %sVersion=%s %sMajor=%s %sMinor=%s", stamp, kubernetes, stamp, major, stamp, minor)}},
		{name: "network", folder: "emulator/network", pkg: ".", output: c.home("bin", "network"),
			sources: []string{"emulator/network"},
			flags:   []string{"-buildvcs=false", "-ldflags", "-s -w"}},
		{name: "emulator", folder: "emulator", pkg: ".", output: c.home("bin", "emulator"),
			sources: []string{"emulator"},
			flags:   []string{"-buildvcs=false", "-ldflags", "-s -w"}},
	}
	if c.installed("pulumi") == "" {
		programs = append(programs, &program{name: "pulumi", folder: "emulator", pkg: "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi", output: c.home("bin", "pulumi"),
			sources: []string{"emulator/go.mod", "emulator/go.sum"},
			flags:   []string{"-buildvcs=false", "-ldflags", "-s -w -X github.com/pulumi/pulumi/sdk/v3/go/common/version.Version=" + pulumi}})
	} else if err := os.Remove(c.home("bin", "pulumi")); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	// Pulumi builds the program again, from the same cache, with the same command:
	// done here, the first up does not sit silent for minutes.
	programs = append(programs, &program{name: "program", folder: ".", pkg: ".", output: filepath.Join(c.root, "bin", "hello-timber"),
		sources: []string{"go.mod", "go.sum", "main.go", "stacks"}})

	var stale []*program
	for _, p := range programs {
		if !c.fresh(p) {
			stale = append(stale, p)
		}
	}
	steps := []step{{name: "links", run: func(context.Context, *progress) error { return c.link() }}}
	if len(stale) > 0 {
		steps = append(steps, step{name: "modules", run: func(ctx context.Context, p *progress) error { return c.fetch(ctx, p, stale) }})
	}
	previous := "" // the compiler takes every core there is: one program at a time
	for _, program := range stale {
		s := step{name: program.name, run: func(ctx context.Context, p *progress) error { return c.compile(ctx, p, program) }}
		if previous != "" {
			s.needs = []string{previous}
		}
		steps, previous = append(steps, s), program.name
	}
	return runSteps(ctx, c, append(steps, c.images()...))
}

// program is one Go program to build.
type program struct {
	name, folder, pkg, output string
	// sources are the files and folders, from the root, that decide whether it is fresh.
	sources []string
	flags   []string
	// packages is how many packages it is made of, once known.
	packages atomic.Int64
}

func (c checkout) stamp(p *program) (path, digest string, err error) {
	digest, err = c.digest(p.sources, append(p.flags, runtime.Version(), os.Getenv("GOFLAGS"))...)
	return c.home("stamps", p.name), digest, err
}

// fresh tells whether a program was built from exactly today's sources. Asking
// go build costs seconds each time, this costs milliseconds.
func (c checkout) fresh(p *program) bool {
	path, digest, err := c.stamp(p)
	if err != nil {
		return false
	}
	stamp, err := os.ReadFile(path)
	_, missing := os.Stat(p.output)
	return err == nil && missing == nil && string(stamp) == digest
}

// fetch downloads the modules of all programs while the first is compiling, and
// counts the packages they are made of.
func (c checkout) fetch(ctx context.Context, p *progress, programs []*program) error {
	downloads := 0
	for _, program := range programs {
		p.say("reading what " + program.name + " imports")
		list := c.command(ctx, program.folder, "go", "list", "-deps", "-f", ".", program.pkg)
		var packages bytes.Buffer
		list.Stdout = &packages
		if err := p.run(list, func(line string) {
			if strings.HasPrefix(line, "go: downloading ") {
				downloads++
				p.say(fmt.Sprintf("downloaded %d for %s", downloads, program.name))
			}
		}); err != nil {
			return err
		}
		program.packages.Store(int64(bytes.Count(packages.Bytes(), []byte("\n"))))
	}
	return nil
}

func (c checkout) compile(ctx context.Context, p *progress, program *program) error {
	path, digest, err := c.stamp(program)
	if err != nil {
		return err
	}
	args := append([]string{"build", "-v", "-o", program.output}, program.flags...)
	cmd := c.command(ctx, program.folder, "go", append(args, program.pkg)...)
	// On the output's own disk the finished binary is moved there, never copied half.
	cmd.Env = append(os.Environ(), "GOTMPDIR="+c.home("tmp"))
	compiled := 0
	p.say("reading sources")
	if err := p.run(cmd, func(line string) {
		if strings.ContainsAny(line, " #") {
			return
		}
		compiled++
		if total := program.packages.Load(); total > 0 {
			p.say(fmt.Sprintf("compiled %d of up to %d packages", compiled, total))
		} else {
			p.say(fmt.Sprintf("compiled %d packages", compiled))
		}
	}); err != nil {
		return err
	}
	return replace(path, digest, 0o644)
}

// link gives the one binary the names that Pulumi, kubectl and people call it by.
func (c checkout) link() error {
	links := map[string]string{
		c.home("bin", "gcloud"):                 "emulator",
		c.home("bin", "gke-gcloud-auth-plugin"): "emulator",
		c.home("bin", "kubectl"):                "hyperkube",
	}
	mod, err := os.ReadFile(filepath.Join(c.root, "go.mod"))
	if err != nil {
		return err
	}
	for _, m := range regexp.MustCompile(`github\.com/pulumi/pulumi-(\w+)/sdk/v\d+ (v\S+)`).FindAllStringSubmatch(string(mod), -1) {
		links[c.home("pulumi", "plugins", "resource-"+m[1]+"-"+m[2], "pulumi-resource-"+m[1])] = "../../../bin/emulator"
	}
	// Pulumi's own language host comes with the CLI; the emulator's stands in where there is none.
	host := c.home("bin", "pulumi-language-go")
	var beside []string
	if cli := c.installed("pulumi"); cli != "" {
		cli, err := filepath.EvalSymlinks(cli)
		if err != nil {
			return err
		}
		beside = append(beside, filepath.Dir(cli))
	}
	if c.installed("pulumi-language-go", beside...) == "" {
		links[host] = "emulator"
	} else if err := os.Remove(host); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for link, target := range links {
		if now, err := os.Readlink(link); err == nil && now == target {
			continue
		}
		if err := os.MkdirAll(filepath.Dir(link), 0o755); err != nil {
			return err
		}
		if err := os.Remove(link); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		if err := os.Symlink(target, link); err != nil {
			return err
		}
	}
	return nil
}

// moduleVersion reads which version of a module a go.mod asks for.
func moduleVersion(gomod, module string) (string, error) {
	text, err := os.ReadFile(gomod)
	if err != nil {
		return "", err
	}
	m := regexp.MustCompile(`(?m)^(?:require)?\s+` + regexp.QuoteMeta(module) + ` (v\S+)`).FindSubmatch(text)
	if m == nil {
		return "", fmt.Errorf("%s does not require %s", gomod, module)
	}
	return string(m[1]), nil
}

// digest is a hash of names, executable bits and contents of files and folders.
func (c checkout) digest(sources []string, more ...string) (string, error) {
	sum := sha256.New()
	fmt.Fprintf(sum, "%q\n", more)
	for _, source := range sources {
		err := filepath.WalkDir(filepath.Join(c.root, source), func(path string, entry fs.DirEntry, err error) error {
			if err != nil || !entry.Type().IsRegular() {
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
