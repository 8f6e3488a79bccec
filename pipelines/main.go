// Command pipelines turns the engine's previews of stacks into what people read
// on GitHub: a comment on a pull request, an issue about drift. The Makefile
// calls it, the same way for every pipeline and person:
//
//	pipelines preview|drift|comment|issue STACK.json ...
//	pipelines notes TAG
//
// Each file is what `pulumi preview --json` printed for the stack it is named
// after. preview and drift print the text; preview fails if a preview did, drift
// also if anything differs. comment and issue bring the same text to GitHub.
// They read GITHUB_TOKEN (for a comment: pull-requests write, for an issue:
// issues write), GITHUB_REPOSITORY (OWNER/NAME), GITHUB_API_URL (default
// https://api.github.com), and for a comment PULL_REQUEST, its number. COMMIT,
// if set, is named as what was previewed.
//
// notes prints what CHANGELOG.md says of the version that a tag names.
package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Getenv, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, env func(string) string, out io.Writer) error {
	if len(args) < 2 {
		return errors.New("usage: pipelines preview|drift|comment|issue STACK.json ..., or notes TAG")
	}
	if args[0] == "notes" {
		text, err := os.ReadFile("CHANGELOG.md")
		if err != nil {
			return err
		}
		notes, err := releaseNotes(string(text), args[1])
		fmt.Fprint(out, notes)
		return err
	}
	var plans []plan
	for _, path := range args[1:] {
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		plans = append(plans, readPlan(strings.TrimSuffix(filepath.Base(path), ".json"), text))
	}
	var failed, changed []string
	for _, p := range plans {
		if p.failed {
			failed = append(failed, p.stack)
		} else if len(p.changes) > 0 {
			changed = append(changed, p.stack)
		}
	}
	hub := github{
		api:        cmp.Or(env("GITHUB_API_URL"), "https://api.github.com"),
		repository: env("GITHUB_REPOSITORY"),
		token:      env("GITHUB_TOKEN"),
	}
	preview, drift := previewPage(env("COMMIT")).render(plans), driftPage.render(plans)
	switch args[0] {
	case "preview":
		fmt.Fprint(out, preview)
		if len(failed) > 0 {
			return fmt.Errorf("the preview failed: %s", strings.Join(failed, ", "))
		}
	case "drift":
		fmt.Fprint(out, drift)
		if all := slices.Concat(failed, changed); len(all) > 0 {
			return fmt.Errorf("not, or not known to be, what was deployed: %s", strings.Join(all, ", "))
		}
	case "comment":
		where, err := hub.comment(ctx, env("PULL_REQUEST"), preview)
		if err != nil {
			return fmt.Errorf("comment on pull request %q: %w", env("PULL_REQUEST"), err)
		}
		fmt.Fprintln(out, where)
	case "issue":
		where, err := hub.issue(ctx, "The cloud is not what was deployed", drift, len(failed)+len(changed) > 0)
		if err != nil {
			return fmt.Errorf("the issue about drift: %w", err)
		}
		fmt.Fprintln(out, where)
	default:
		return fmt.Errorf("there is no %q, only preview, drift, comment, issue, notes", args[0])
	}
	return nil
}
