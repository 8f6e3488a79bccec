// Package run is one run of a pipeline's command: what the variables say, checked,
// the stack that it opens with Pulumi, and where it writes what it found.
package run

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/auto"
)

// Pipeline is one run of a command.
type Pipeline struct {
	// Lookup reads an environment variable.
	Lookup func(name string) (string, bool)
	// Out takes the result, Log everything else.
	Out, Log io.Writer
	// Folder is the root of the repository.
	Folder string
	// Pulumi is the Pulumi CLI, or nil for the one on the PATH.
	Pulumi auto.PulumiCommand
	// Pause waits between two attempts: Sleep, but for tests.
	Pause func(context.Context, time.Duration) error
	// opened are the stacks that need no preparation any more.
	opened []string
}

// Env is the value of an environment variable, or empty.
func (p *Pipeline) Env(name string) string {
	value, _ := p.Lookup(name)
	return value
}

// Report hands values to the steps that follow on GitHub Actions.
func (p *Pipeline) Report(values map[string]string) error {
	var text strings.Builder
	for _, name := range slices.Sorted(maps.Keys(values)) {
		if strings.ContainsAny(values[name], "\r\n") {
			return fmt.Errorf("the output %s has several lines: %q", name, values[name])
		}
		fmt.Fprintf(&text, "%s=%s\n", name, values[name])
	}
	return p.AppendTo("GITHUB_OUTPUT", text.String())
}

// AppendTo adds text to the file that a variable names, if it is set.
func (p *Pipeline) AppendTo(variable, text string) error {
	path := p.Env(variable)
	if path == "" {
		return nil
	}
	file, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	_, err = file.WriteString(text)
	return errors.Join(err, file.Close())
}

// Read reads a file of the repository.
func (p *Pipeline) Read(name string) ([]byte, error) {
	return os.ReadFile(filepath.Join(p.Folder, name))
}

// Execute runs a program. Everything that it prints goes to the log.
func (p *Pipeline) Execute(ctx context.Context, name string, args ...string) error {
	command := exec.CommandContext(ctx, name, args...)
	command.Dir, command.Stdout, command.Stderr = p.Folder, p.Log, p.Log
	command.Cancel = func() error { return command.Process.Signal(os.Interrupt) }
	if err := command.Run(); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

// Git runs Git in the folder and returns what it prints.
func (p *Pipeline) Git(ctx context.Context, args ...string) (string, error) {
	command := exec.CommandContext(ctx, "git", args...)
	command.Dir, command.Stderr = p.Folder, p.Log
	out, err := command.Output()
	return strings.TrimSpace(string(out)), err
}

// Sleep waits, unless the run is interrupted.
func Sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
