package github

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"

	"hello-timber/pipelines/deploy"
	"hello-timber/pipelines/run"
	"hello-timber/pipelines/summary"
)

// openDrift lists issues about drift, besides whose marker and author are compared.
const openDrift = "/issues?state=open&labels=drift"

// Issue checks the drift of STACKS and publishes it as the one open issue about them, or
// closes that issue. Like drift, it fails if anything differs.
func Issue(ctx context.Context, p *run.Pipeline) error {
	h, err := open(p)
	if err != nil {
		return err
	}
	// What Pulumi starts does not inherit it. A command that a state names could still find
	// it in this process: the deployers of a stack, who write its state, are trusted with it.
	if err := os.Unsetenv("GITHUB_TOKEN"); err != nil {
		return err
	}
	plans, drifts := deploy.FindDrift(ctx, p)
	if plans == nil {
		return drifts
	}
	text := summary.OfDrift(p, plans).Post()
	if drifts == nil {
		err = h.closeIssues(ctx, p, text)
	} else {
		var where string
		where, err = h.publish(ctx, openDrift, "/issues/%d", text, map[string]any{
			"title": "The cloud is not as deployed: " + summary.Stacks(plans, ", "), "labels": []string{"drift"},
		})
		fmt.Fprintln(p.Out, where)
	}
	if err != nil {
		err = fmt.Errorf("the issue about drift: %w", err)
	}
	return errors.Join(drifts, err)
}

func (h hub) closeIssues(ctx context.Context, p *run.Pipeline, text string) error {
	own, err := h.own(ctx, openDrift, text)
	if err != nil {
		return err
	}
	for _, issue := range own {
		if err := h.call(ctx, http.MethodPatch, issue.path("/issues/%d"), map[string]any{"body": text, "state": "closed"}, &issue); err != nil {
			return err
		}
		fmt.Fprintln(p.Out, "closed", issue.URL)
	}
	if len(own) == 0 {
		fmt.Fprintln(p.Out, "no drift, and no open issue")
	}
	return nil
}
