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

// Summary previews STACKS with IMAGE and prints what would change, for people:
// also into the job's summary. It fails if a preview did.
func Summary(ctx context.Context, p *run.Pipeline) error {
	if _, err := p.ImageRequest(); err != nil {
		return err
	}
	plans, err := Each(ctx, p, "preview", plan.Approvable)
	if err != nil {
		return err
	}
	whole, err := Print(p, OfPreview(p), plans)
	if err != nil {
		return err
	}
	failed, changed := Sort(plans)
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

// Each finds the plans of STACKS one after the other and stores them, also those
// that failed.
func Each(ctx context.Context, p *run.Pipeline, kind string, find func(context.Context, *run.Pipeline, string) (plan.Plan, error)) ([]plan.Plan, error) {
	names, err := p.Stacks()
	if err != nil {
		return nil, err
	}
	var plans []plan.Plan
	for _, name := range names {
		fmt.Fprintf(p.Log, "%s of stack %s\n", kind, name)
		found, err := find(ctx, p, name)
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		if err != nil {
			fmt.Fprintf(p.Log, "%s of stack %s failed: %s\n", kind, name, run.Mask(err.Error()))
		}
		if err := store(p, kind, found); err != nil {
			return nil, err
		}
		plans = append(plans, found)
	}
	return plans, nil
}

// Print writes a text to the log and into the job's summary, whole if it fits there.
func Print(p *run.Pipeline, text Page, plans []plan.Plan) (whole bool, err error) {
	text.summary = true
	rendered, whole := text.Render(plans)
	fmt.Fprint(p.Out, rendered)
	return whole, p.AppendTo("GITHUB_STEP_SUMMARY", rendered)
}

// Sort names the stacks that failed and those that differ.
func Sort(plans []plan.Plan) (failed, changed []string) {
	for _, found := range plans {
		if found.Failed {
			failed = append(failed, found.Stack)
		} else if len(found.Changes) > 0 {
			changed = append(changed, found.Stack)
		}
	}
	return failed, changed
}
