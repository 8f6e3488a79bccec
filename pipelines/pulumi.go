package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"

	"github.com/pulumi/pulumi/sdk/v3/go/auto"
)

// cli is the Pulumi CLI. It differs from the Automation API's own in four ways:
// it never selects a stack, so that a person's next command acts on the stack
// they selected; it lets an interrupted update end by itself, because a killed one
// leaves a lock; it starts no shell and needs no terminal; and it installs no plugin
// that a state names (see installPlugins).
type cli struct{ auto.PulumiCommand }

func (cli) Run(ctx context.Context, folder string, in io.Reader, out, errOut []io.Writer, env []string, args ...string,
) (stdout, stderr string, code int, err error) {
	if len(args) > 1 && args[0] == "stack" && args[1] == "select" {
		args = slices.Delete(slices.Clone(args), 1, 2)
	}
	command := exec.CommandContext(ctx, "pulumi", append([]string{"--non-interactive"}, args...)...)
	command.Dir, command.Stdin = folder, in
	command.Env = append(append(os.Environ(), env...), "PULUMI_AUTOMATION_API=true", "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION=true")
	// In a group of its own, so that Ctrl-C reaches it once: pulumi takes the second for an order to stop at once.
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	command.Cancel = func() error { return command.Process.Signal(os.Interrupt) }
	var outText, errText bytes.Buffer
	command.Stdout = io.MultiWriter(append(out, &outText)...)
	command.Stderr = io.MultiWriter(append(errOut, &errText)...)
	err = command.Run()
	return outText.String(), errText.String(), command.ProcessState.ExitCode(), err
}

// openStack opens STACK.
func (p *pipeline) openStack(ctx context.Context) (*auto.Stack, error) {
	name, err := p.stack()
	if err != nil {
		return nil, err
	}
	return p.open(ctx, name)
}

// open returns a stack, ready for commands. A stack of this machine is created.
func (p *pipeline) open(ctx context.Context, name string) (*auto.Stack, error) {
	options := []auto.LocalWorkspaceOption{auto.WorkDir(p.folder)}
	if isLocal(name) && !p.prepared[name] {
		if err := p.prepare(ctx, name); err != nil {
			return nil, err
		}
		p.prepared[name] = true
	}
	if slices.Contains(deployEnvironments, name) {
		backend, err := p.google("BACKEND")
		if err != nil {
			return nil, err
		}
		if backend != "" {
			options = append(options, auto.EnvVars(map[string]string{"PULUMI_BACKEND_URL": backend + name}))
		}
	}
	command := p.pulumi
	if command == nil {
		official, err := auto.NewPulumiCommand(nil)
		if err != nil {
			return nil, fmt.Errorf("the Pulumi CLI cannot be run: %w. Fix: install it from https://www.pulumi.com/docs/install", err)
		}
		command = cli{official}
	}
	if !isLocal(name) {
		if err := p.installPlugins(ctx, command); err != nil {
			return nil, err
		}
	}
	workspace, err := auto.NewLocalWorkspace(ctx, append(options, auto.Pulumi(command))...)
	if err != nil {
		return nil, err
	}
	stack, err := auto.SelectStack(ctx, name, workspace)
	if err != nil {
		return nil, failure("open stack "+name, err)
	}
	return &stack, nil
}

// prepare has the commands that follow use the emulator in Google's place.
func (p *pipeline) prepare(ctx context.Context, name string) error {
	from := "dev"
	if value, given := p.lookup("FROM"); given {
		from = value
	}
	if !isStack(from) {
		return fmt.Errorf("FROM: %q is not %s. Fix: export FROM=dev", from, stackRule)
	}
	if err := p.execute(ctx, "make", "--silent", "--no-print-directory", "build"); err != nil {
		return err
	}
	if err := p.execute(ctx, ".emulator/bin/setup", "stack", name, from); err != nil {
		return err
	}
	// setup prints the environment as shell commands; this shell has nothing else to read.
	const script = `eval "$(.emulator/bin/setup env "$1")" && env -0`
	command := exec.CommandContext(ctx, "sh", "-c", script, "sh", name)
	command.Dir, command.Stderr = p.folder, p.log
	text, err := command.Output()
	if err != nil {
		return fmt.Errorf("read the emulator's environment: %w", err)
	}
	os.Clearenv()
	for variable := range strings.SplitSeq(string(text), "\x00") {
		if key, value, ok := strings.Cut(variable, "="); ok {
			if err := os.Setenv(key, value); err != nil {
				return err
			}
		}
	}
	return nil
}

// execute runs a program. Everything that it prints goes to the log.
func (p *pipeline) execute(ctx context.Context, name string, args ...string) error {
	command := exec.CommandContext(ctx, name, args...)
	command.Dir, command.Stdout, command.Stderr = p.folder, p.log, p.log
	command.Cancel = func() error { return command.Process.Signal(os.Interrupt) }
	if err := command.Run(); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

// failure is an error of the Automation API without pulumi's whole output, which
// the log has already; of that it keeps what pulumi said last.
func failure(what string, err error) error {
	lines := strings.Split(strings.TrimSpace(err.Error()), "\n")
	for _, line := range slices.Backward(lines) {
		line = strings.TrimPrefix(strings.TrimSpace(colors.ReplaceAllString(line, "")), "stderr: ")
		if text, ok := strings.CutPrefix(line, "error: "); ok {
			return errors.New(what + ": " + mask(text))
		}
	}
	return errors.New(what + ": " + mask(lines[0]))
}
