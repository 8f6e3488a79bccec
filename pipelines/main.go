// Command pipelines is what the make targets for pipelines run:
//
//	go run ./pipelines deploy|preview|cost|image|destroy|verify|sbom
//	go run ./pipelines summary|comment|drift|issue
//	go run ./pipelines notes|release|version|settings
//
// It has no flags. Names come from environment variables only, because what a
// person types must not pass through make's or a shell's expansion:
//
//	STACK, STACKS  the stack, or several separated by spaces
//	FROM           for a new stack on this machine, the stack whose config it copies
//	IMAGE          the image to run: by digest, deployed (what the stack runs now;
//	               deploy then also undoes what was changed manually), or configured
//	               (what the stack's config says; the default)
//	APPROVED       the plan that was approved, as summary printed it
//	ROLLBACK       anything, to deploy a commit that is older than what the stack runs
//	CONFIRM        the name of the stack to destroy, once more
//	TAG            the version to release, such as v1.2.0
//	BASE           the commit or branch that version compares app/ with
//	COMMIT         the commit that runs: image requires it of the stack's last update,
//	               and comment and issue require it of what they publish
//	PULL_REQUEST   the number of the pull request that comment writes to
//
// Where states and images are is in pipelines/google.env. On GitHub Actions it also reads
// the GITHUB_ variables, and writes outputs and the job's summary. Each command is
// documented where it is declared.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"github.com/pulumi/pulumi/sdk/v3/go/auto"
)

// pipeline is one run of this command.
type pipeline struct {
	// lookup reads an environment variable.
	lookup func(name string) (string, bool)
	// out takes the result, log everything else.
	out, log io.Writer
	// folder is the root of the repository.
	folder string
	// pulumi is the Pulumi CLI, or nil for the one on the PATH.
	pulumi auto.PulumiCommand
	// prepared are the stacks of this machine that are ready.
	prepared map[string]bool
}

var commands = map[string]func(*pipeline, context.Context) error{
	"comment":  (*pipeline).comment,
	"cost":     (*pipeline).cost,
	"deploy":   (*pipeline).deploy,
	"destroy":  (*pipeline).destroy,
	"drift":    (*pipeline).drift,
	"image":    (*pipeline).image,
	"issue":    (*pipeline).issue,
	"notes":    (*pipeline).notes,
	"preview":  (*pipeline).preview,
	"release":  (*pipeline).release,
	"sbom":     (*pipeline).sbom,
	"settings": (*pipeline).settings,
	"summary":  (*pipeline).summary,
	"verify":   (*pipeline).verify,
	"version":  (*pipeline).version,
}

func main() {
	// The first signal asks pulumi to stop after the operations in flight; the second ends this process.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	p := &pipeline{lookup: os.LookupEnv, out: os.Stdout, log: os.Stderr, folder: ".", prepared: map[string]bool{}}
	if err := p.run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, mask(err.Error()))
		os.Exit(1)
	}
}

func (p *pipeline) run(ctx context.Context, args []string) error {
	if len(args) == 1 {
		if command := commands[args[0]]; command != nil {
			return command(p, ctx)
		}
	}
	names := strings.Join(slices.Sorted(maps.Keys(commands)), "|")
	return errors.New("usage: go run ./pipelines " + names)
}

// env is the value of an environment variable, or empty.
func (p *pipeline) env(name string) string {
	value, _ := p.lookup(name)
	return value
}

// report hands values to the steps that follow on GitHub Actions.
func (p *pipeline) report(values map[string]string) error {
	var text strings.Builder
	for _, name := range slices.Sorted(maps.Keys(values)) {
		if strings.ContainsAny(values[name], "\r\n") {
			return fmt.Errorf("the output %s has several lines: %q", name, values[name])
		}
		fmt.Fprintf(&text, "%s=%s\n", name, values[name])
	}
	return p.appendTo("GITHUB_OUTPUT", text.String())
}

// appendTo adds text to the file that a variable names, if it is set.
func (p *pipeline) appendTo(variable, text string) error {
	path := p.env(variable)
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
