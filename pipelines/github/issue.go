package github

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	"hello-timber/pipelines/run"
	"hello-timber/pipelines/summary"
)

// Issue publishes the last drift of STACKS as the one open issue about them, and closes
// it if there is none.
func Issue(ctx context.Context, p *run.Pipeline) error {
	plans, err := summary.Stored(p, "drift")
	if err != nil {
		return err
	}
	hub, err := hubOf(p)
	if err != nil {
		return err
	}
	text, _ := summary.OfDrift(p, plans).Render(plans)
	list := "/issues?state=open&labels=" + driftLabel
	if failed, changed := summary.Sort(plans); len(failed)+len(changed) == 0 {
		err = closeIssues(ctx, p, hub, list, text)
	} else {
		var where string
		where, err = hub.publish(ctx, list, "/issues/%d", text, map[string]any{
			"title": "The cloud is not as deployed: " + strings.Join(summary.Stacks(plans), ", "), "labels": []string{driftLabel},
		})
		fmt.Fprintln(p.Out, where)
	}
	if err != nil {
		return fmt.Errorf("the issue about drift: %w", err)
	}
	return nil
}

func closeIssues(ctx context.Context, p *run.Pipeline, hub github, list, text string) error {
	own, err := hub.own(ctx, list, text)
	if err != nil {
		return err
	}
	for _, issue := range own {
		if err := hub.call(ctx, http.MethodPatch, fmt.Sprintf("/issues/%d", issue.Number), map[string]any{"body": text, "state": "closed"}, nil); err != nil {
			return err
		}
		fmt.Fprintln(p.Out, "closed", issue.URL)
	}
	if len(own) == 0 {
		fmt.Fprintln(p.Out, "no drift, and no open issue")
	}
	return nil
}
