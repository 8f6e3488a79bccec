// Package summary is the text about plans that people read on GitHub: in a comment, in an
// issue and in the summary of a job.
package summary

import (
	"context"
	"fmt"
	"strings"

	"hello-timber/pipelines/plan"
	"hello-timber/pipelines/run"
)

// Summary previews STACKS with IMAGE and prints what would change, for people: also into
// the job's summary. Without IMAGE, the first of several stacks has what its config says,
// and the others what they run, because they get the first one's image only once it is
// there. It fails if a preview did.
func Summary(ctx context.Context, p *run.Pipeline) error {
	image, err := p.ImageRequest()
	if err != nil {
		return err
	}
	_, forAll := p.Lookup("IMAGE")
	plans, err := Each(ctx, p, "preview", func(ctx context.Context, name string) (plan.Plan, error) {
		found, err := plan.Approvable(ctx, p, name, image)
		if !forAll {
			image = run.Deployed
		}
		return found, err
	})
	if err != nil {
		return err
	}
	whole, err := OfPreview(p, plans).Print(p)
	if err == nil {
		err = keep(p, plans)
	}
	if err != nil {
		return err
	}
	failed, changed := Outcome(plans)
	if len(failed) > 0 {
		return fmt.Errorf("the preview failed: %s", strings.Join(failed, ", "))
	}
	if len(plans) > 1 {
		return nil
	}
	if !whole {
		return fmt.Errorf("stack %s: no one could approve this plan, because GitHub shows %d KiB at most. Fix: deploy in smaller steps", plans[0].Stack, maxSummary>>10)
	}
	return p.Report(map[string]string{"changes": fmt.Sprint(len(changed) > 0), "plan": plans[0].Fingerprint})
}

// Each finds the plans of STACKS one after the other, also after one that failed.
func Each(ctx context.Context, p *run.Pipeline, what string, find func(context.Context, string) (plan.Plan, error)) ([]plan.Plan, error) {
	names, err := p.Stacks()
	if err != nil {
		return nil, err
	}
	var plans []plan.Plan
	for _, name := range names {
		fmt.Fprintf(p.Log, "%s of stack %s\n", what, name)
		found, err := find(ctx, name)
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		if err != nil {
			fmt.Fprintf(p.Log, "%s of stack %s failed: %s\n", what, name, run.Mask(err.Error()))
		}
		plans = append(plans, found)
	}
	return plans, nil
}

// Outcome names the stacks whose plans failed, and those that would change.
func Outcome(plans []plan.Plan) (failed, changed []string) {
	for _, found := range plans {
		if found.Failed {
			failed = append(failed, found.Stack)
		} else if len(found.Changes) > 0 {
			changed = append(changed, found.Stack)
		}
	}
	return failed, changed
}
