package github

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	"hello-timber/pipelines/run"
	"hello-timber/pipelines/summary"
)

// Comment publishes the plans of STACKS that summary found as the one comment on
// PULL_REQUEST.
func Comment(ctx context.Context, p *run.Pipeline) error {
	number, err := p.Named("PULL_REQUEST", run.IsNumber, "a pull request's number", "7")
	if err != nil {
		return err
	}
	plans, err := summary.Found(p)
	if err != nil {
		return err
	}
	h, err := open(p)
	if err != nil {
		return err
	}
	// A run that ends late must not hide a newer one's result. Only GitHub is believed
	// about that: a text can say anything.
	var pull struct{ Head struct{ SHA string } }
	if err := h.call(ctx, http.MethodGet, "/pulls/"+number, nil, &pull); err != nil {
		return fmt.Errorf("pull request %s: %w", number, err)
	}
	if !strings.HasPrefix(pull.Head.SHA, p.Env("COMMIT")) {
		fmt.Fprintln(p.Out, "nothing is published: pull request", number, "has a newer commit")
		return nil
	}
	where, err := h.publish(ctx, "/issues/"+number+"/comments", "/issues/comments/%d", summary.OfPreview(p, plans).Post(), map[string]any{})
	if err != nil {
		return fmt.Errorf("comment on pull request %s: %w", number, err)
	}
	fmt.Fprintln(p.Out, where)
	return nil
}
