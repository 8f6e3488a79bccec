// Command pipelines is what the make targets for pipelines run:
//
//	go run ./pipelines deploy|preview|cost|image|destroy|verify|sbom
//	go run ./pipelines summary|comment|drift|issue
//	go run ./pipelines version|settings
//
// It has no flags. Names come from environment variables only, because what a
// person types must not pass through make's or a shell's expansion:
//
//	STACK, STACKS  the stack, or several separated by spaces: in the order in which an
//	               image gets to them, of which only the first builds it
//	FROM           for a new stack on this machine, the stack whose config it copies
//	IMAGE          the image to run: by digest, deployed (what the stack runs now;
//	               deploy then also undoes what was changed manually), or configured
//	               (what the stack's config says; the default)
//	APPROVED       the plan that was approved, as summary printed it
//	ROLLBACK       anything, to deploy a commit that is older than what the stack runs;
//	               but no, to stay with a version that fails
//	CONFIRM        the name of the stack to destroy, once more
//	BASE           the commit or branch that version compares app/ with
//	COMMIT         the commit that runs: image requires it of the stack's last update,
//	               and comment of the plans that it publishes
//	PULL_REQUEST   the number of the pull request that comment writes to
//
// Where states and images are is in pipelines/google.env. On GitHub Actions it also reads
// the GITHUB_ variables, and writes outputs and the job's summary. Each command is
// documented where it is declared.
package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"hello-timber/pipelines/deploy"
	"hello-timber/pipelines/github"
	"hello-timber/pipelines/plan"
	"hello-timber/pipelines/run"
	"hello-timber/pipelines/summary"
)

var commands = map[string]func(context.Context, *run.Pipeline) error{
	"comment":  github.Comment,
	"cost":     plan.Cost,
	"deploy":   deploy.Deploy,
	"destroy":  deploy.Destroy,
	"drift":    deploy.Drift,
	"image":    deploy.Image,
	"issue":    github.Issue,
	"preview":  plan.Preview,
	"sbom":     deploy.SBOM,
	"settings": github.Settings,
	"summary":  summary.Summary,
	"verify":   deploy.Verify,
	"version":  deploy.Version,
}

func main() {
	// The first signal asks pulumi to stop after the operations in flight; the second ends this process.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	p := &run.Pipeline{Lookup: os.LookupEnv, Out: os.Stdout, Log: os.Stderr, Folder: ".", Pause: run.Sleep}
	os.Exit(status(ctx, p, os.Args[1:]))
}

// status runs a command, prints its error and returns its exit status. Meanwhile GitHub Actions
// takes no line for a command to the runner, because the program of a pull request, or what
// builds an image, may print one. The output of image is a value, and no program runs.
func status(ctx context.Context, p *run.Pipeline, args []string) int {
	if p.Env("GITHUB_ACTIONS") == "true" && !slices.Contains(args, "image") {
		token := rand.Text()
		fmt.Fprintln(p.Out, "::stop-commands::"+token)
		defer fmt.Fprintln(p.Out, "::"+token+"::")
	}
	if err := start(ctx, p, args); err != nil {
		fmt.Fprintln(p.Log, run.Mask(err.Error()))
		return 1
	}
	return 0
}

func start(ctx context.Context, p *run.Pipeline, args []string) error {
	if len(args) == 1 {
		if command := commands[args[0]]; command != nil {
			return command(ctx, p)
		}
	}
	names := strings.Join(slices.Sorted(maps.Keys(commands)), "|")
	return errors.New("usage: go run ./pipelines " + names)
}
