package github

import (
	"context"
	"fmt"

	"hello-timber/pipelines/run"
	"hello-timber/pipelines/summary"
)

// Comment publishes the last summary of STACKS as the one comment on PULL_REQUEST.
func Comment(ctx context.Context, p *run.Pipeline) error {
	number, err := p.Named("PULL_REQUEST", run.IsNumber, "a pull request's number", "7")
	if err != nil {
		return err
	}
	plans, err := summary.Stored(p, "preview")
	if err != nil {
		return err
	}
	hub, err := hubOf(p)
	if err != nil {
		return err
	}
	// A run that ends late must not hide a newer one's result. Only GitHub is believed
	// about that: a text can say anything.
	newest, err := hub.endsWith(ctx, number, p.Env("COMMIT"))
	if err != nil {
		return fmt.Errorf("pull request %s: %w", number, err)
	}
	if !newest {
		fmt.Fprintln(p.Out, "nothing is published: pull request", number, "has a newer commit")
		return nil
	}
	text, _ := summary.OfPreview(p).Render(plans)
	where, err := hub.publish(ctx, "/issues/"+number+"/comments", "/issues/comments/%d", text, map[string]any{})
	if err != nil {
		return fmt.Errorf("comment on pull request %s: %w", number, err)
	}
	fmt.Fprintln(p.Out, where)
	return nil
}
