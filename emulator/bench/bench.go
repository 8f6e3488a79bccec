//go:build linux

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"hello-timber/emulator/gke"
	"hello-timber/emulator/home"
)

// stackName is a stack of its own, whose resources and config no other touches.
const stackName = "e2e-bench"

// bench is the stack that is measured and what was measured of it.
type bench struct {
	ctx context.Context
	// root is the clone, home the emulator's folder in it, copy the program in
	// another folder, where it may be edited.
	root, home, copy string
	env              []string
	part             string
	rows             []row
	timelines        []string
	isUp             bool
}

func newBench(ctx context.Context) (*bench, error) {
	dir, err := home.Dir()
	if err != nil {
		return nil, err
	}
	b := &bench{ctx: ctx, home: dir, root: filepath.Dir(dir)}
	if os.Getenv("PULUMI_STACK") != stackName {
		return nil, fmt.Errorf("the environment is not that of stack %s. Fix: make bench", stackName)
	}
	if b.copy, err = os.MkdirTemp("", "hello-timber-bench-"); err != nil {
		return nil, err
	}
	// The user's own kubectl context stays as it is.
	b.env = append(os.Environ(), "KUBECONFIG="+filepath.Join(b.copy, "kubeconfig"))
	if err := b.remove(); err != nil { // what a killed run left
		return nil, err
	}
	if _, err := b.run(filepath.Join(b.home, "bin", "setup"), "stack", stackName, "dev"); err != nil {
		return nil, err
	}
	_, err = b.run("cp", "-r", "main.go", "go.mod", "go.sum", "Pulumi.yaml", "Pulumi."+stackName+".yaml", "stacks", "app", b.copy)
	return b, err
}

// close removes everything that was made.
func (b *bench) close() error {
	err := b.remove()
	return errors.Join(err, os.RemoveAll(b.copy))
}

func (b *bench) remove() error {
	ctx := b.ctx
	b.ctx = context.WithoutCancel(ctx) // also when interrupted
	defer func() { b.ctx = ctx }()
	for _, args := range [][]string{{"destroy", "--yes", "--skip-preview"}, {"stack", "rm", "--yes"}} {
		if _, err := b.run("pulumi", args...); err != nil && !strings.Contains(err.Error(), "no stack selected") && !strings.Contains(err.Error(), "no stack named") {
			return err
		}
	}
	b.isUp = false
	return nil
}

// waitFor returns when an address answers with success.
func (b *bench) waitFor(url string, limit time.Duration) error {
	ctx, cancel := context.WithTimeout(b.ctx, limit)
	defer cancel()
	for {
		err := gke.Healthy(ctx, url)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s does not answer within %s: %w", url, limit, err)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// say prints what is going on.
func (b *bench) say(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) }

// command is a command in the clone. Interrupts reach it, and it may end by itself.
func (b *bench) command(name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(b.ctx, name, args...)
	cmd.Dir, cmd.Env = b.root, b.env
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	// A session of its own, by which watch knows all that it starts.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	return cmd
}

// run runs a command and returns what it printed to standard output; its error
// holds everything that it printed.
func (b *bench) run(name string, args ...string) (string, error) {
	return output(b.command(name, args...))
}

func output(cmd *exec.Cmd) (string, error) {
	return collect(cmd, cmd.Run)
}

// measured runs a command as run does and reports what it took.
func measured(cmd *exec.Cmd) (string, usage, error) {
	var used usage
	out, err := collect(cmd, func() (err error) {
		used, err = watch(cmd)
		return err
	})
	return out, used, err
}

func collect(cmd *exec.Cmd, run func() error) (string, error) {
	var out, complaint strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &complaint
	err := run()
	if err != nil {
		err = fmt.Errorf("%s: %w\n%s%s", strings.Join(cmd.Args, " "), err, out.String(), complaint.String())
	}
	return strings.TrimSpace(out.String()), err
}

// ensureUp brings the stack up as it is configured first: three pods of v1.
func (b *bench) ensureUp() error {
	if b.isUp {
		return nil
	}
	_, err := b.upAnew()
	return err
}

// set changes the stack's config, in the clone and in the copy.
func (b *bench) set(key, value string) error {
	for _, folder := range []string{b.root, b.copy} {
		cmd := b.command("pulumi", "config", "set", key, value)
		cmd.Dir = folder
		if _, err := output(cmd); err != nil {
			return err
		}
	}
	return nil
}

// resource is what the state knows of a resource.
type resource struct {
	URN, Type, Parent, Provider string
	Custom                      bool
	Dependencies                []string
	PropertyDependencies        map[string][]string
}

// state returns the stack's resources, and how many bytes the state has.
func (b *bench) state() ([]resource, int64, error) {
	text, err := b.run("pulumi", "stack", "export")
	if err != nil {
		return nil, 0, err
	}
	var state struct {
		Deployment struct{ Resources []resource }
	}
	err = json.Unmarshal([]byte(text), &state)
	return state.Deployment.Resources, int64(len(text)), err
}

// access gives kubectl access to the cluster.
func (b *bench) access() error {
	command, err := b.run("pulumi", "stack", "output", "kubectl")
	if err == nil {
		_, err = b.run("sh", "-c", command)
	}
	return err
}
