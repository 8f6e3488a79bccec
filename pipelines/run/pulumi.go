package run

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"

	"github.com/pulumi/pulumi/sdk/v3/go/auto"
)

// cli is the Pulumi CLI. It differs from the Automation API's own in five ways:
// it never selects a stack, so that a person's next command acts on the stack
// they selected; it lets an interrupted update end by itself, because a killed one
// leaves a lock; it starts no shell and needs no terminal; it installs no plugin
// that a state names (see installPlugins); and what it shows has no credential.
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
	shown, complaints := &masked{to: io.MultiWriter(out...)}, &masked{to: io.MultiWriter(errOut...)}
	command.Stdout, command.Stderr = io.MultiWriter(shown, &outText), io.MultiWriter(complaints, &errText)
	err = command.Run()
	shown.flush()
	complaints.flush()
	return outText.String(), errText.String(), command.ProcessState.ExitCode(), err
}

// OpenStack opens STACK.
func (p *Pipeline) OpenStack(ctx context.Context) (*auto.Stack, error) {
	name, err := p.Stack()
	if err != nil {
		return nil, err
	}
	return p.Open(ctx, name)
}

// Open returns a stack, ready for commands. A stack of this machine is created.
func (p *Pipeline) Open(ctx context.Context, name string) (*auto.Stack, error) {
	options := []auto.LocalWorkspaceOption{auto.WorkDir(p.Folder)}
	first := !slices.Contains(p.opened, name)
	if IsLocal(name) && first {
		if err := p.prepare(ctx, name); err != nil {
			return nil, err
		}
	}
	if slices.Contains(DeployEnvironments, name) {
		backend, err := p.Google("BACKEND")
		if err != nil {
			return nil, err
		}
		if backend != "" {
			if first { // or the program would hand over a token of the deployer, which stays in the state
				if err := p.LogDockerIn(ctx); err != nil {
					return nil, err
				}
			}
			options = append(options, auto.EnvVars(map[string]string{"PULUMI_BACKEND_URL": backend + name}))
		}
	}
	if first {
		p.opened = append(p.opened, name)
	}
	command := p.Pulumi
	if command == nil {
		official, err := auto.NewPulumiCommand(nil)
		if err != nil {
			return nil, fmt.Errorf("the Pulumi CLI cannot be run: %w. Fix: install it from https://www.pulumi.com/docs/install", err)
		}
		command = cli{official}
	}
	if !IsLocal(name) {
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
		return nil, Failure("open stack "+name, err)
	}
	return &stack, nil
}

// prepare has the commands that follow use the emulator in Google's place. Its set-up makes
// what is missing, and runs env where they would run.
func (p *Pipeline) prepare(ctx context.Context, name string) error {
	command := exec.CommandContext(ctx, "go", "run", "./setup", "run", name, "--", "env", "-0")
	command.Dir, command.Stderr = filepath.Join(p.Folder, "emulator"), p.Log
	// go run does not pass signals on, so they go to its group.
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	command.Cancel = func() error { return syscall.Kill(-command.Process.Pid, syscall.SIGINT) }
	text, err := command.Output()
	if err != nil {
		return fmt.Errorf("prepare stack %s on this machine: %w", name, err)
	}
	os.Clearenv()
	for variable := range strings.SplitSeq(string(text), "\x00") {
		if key, value, ok := strings.Cut(variable, "="); ok && key != "PWD" {
			if err := os.Setenv(key, value); err != nil {
				return err
			}
		}
	}
	return nil
}

// Colors are the engine's own marks, such as <{%reset%}>.
var Colors = regexp.MustCompile(`<\{%[^%]*%\}>|\x1b\[[0-9;]*m`)

// Failure is an error of the Automation API without pulumi's whole output, which
// the log has already; of that it keeps what pulumi said last.
func Failure(what string, err error) error {
	lines := strings.Split(strings.TrimSpace(err.Error()), "\n")
	for _, line := range slices.Backward(lines) {
		line = strings.TrimPrefix(strings.TrimSpace(Colors.ReplaceAllString(line, "")), "stderr: ")
		if text, ok := strings.CutPrefix(line, "error: "); ok {
			return errors.New(what + ": " + Mask(text))
		}
	}
	return errors.New(what + ": " + Mask(lines[0]))
}
