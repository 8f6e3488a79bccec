package deploy

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/auto/events"
	"github.com/pulumi/pulumi/sdk/v3/go/auto/optrefresh"

	"hello-timber/pipelines/plan"
	"hello-timber/pipelines/run"
	"hello-timber/pipelines/summary"
)

// Drift compares STACKS with the cloud. It fails if anything differs.
func Drift(ctx context.Context, p *run.Pipeline) error {
	_, err := FindDrift(ctx, p)
	return err
}

// FindDrift compares STACKS with the cloud and prints what differs. If anything does, that
// is an error, and so are the plans that could not be made.
func FindDrift(ctx context.Context, p *run.Pipeline) ([]plan.Plan, error) {
	plans, err := summary.Each(ctx, p, "drift", func(ctx context.Context, name string) (plan.Plan, error) { return driftOf(ctx, p, name) })
	if err != nil {
		return nil, err
	}
	if _, err := summary.OfDrift(p, plans).Print(p); err != nil {
		return nil, err
	}
	failed, changed := summary.Outcome(plans)
	switch {
	case len(failed) > 0:
		err = fmt.Errorf("the check failed: %s; these differ: %s", strings.Join(failed, ", "), strings.Join(changed, ", "))
	case len(changed) > 0:
		err = fmt.Errorf("not as deployed: %s", strings.Join(changed, ", "))
	}
	return plans, err
}

// driftOf compares the stack's state with the cloud. It runs no program, so that
// what is merged and not yet deployed is no drift. Secrets are left out: who
// watches may not read them.
func driftOf(ctx context.Context, p *run.Pipeline, name string) (plan.Plan, error) {
	r := &plan.Recorder{Plan: plan.Plan{Stack: name, Commit: p.Env("COMMIT")}, Refresh: true}
	err := plan.Record(r, func(channel chan<- events.EngineEvent, complaints io.Writer) error {
		s, err := p.Open(ctx, name)
		if err != nil {
			return err
		}
		now, err := run.StateOf(ctx, s)
		if err != nil {
			return err
		}
		if len(now.PendingOperations) > 0 {
			return fmt.Errorf("stack %s has pending operations (%d): an update is running, or one was killed. Fix: wait for it, or make deploy STACK=%s",
				name, len(now.PendingOperations), name)
		}
		var secretURNs []string
		for _, resource := range now.Resources {
			if resource.Type == "kubernetes:core/v1:Secret" {
				secretURNs = append(secretURNs, string(resource.URN))
				r.Plan.NotCompared = append(r.Plan.NotCompared, plan.ChangeOf("", string(resource.URN)))
			}
		}
		if r.Plan.NotDeployed = len(now.Resources) == 0; r.Plan.NotDeployed {
			return nil
		}
		_, err = s.PreviewRefresh(ctx, optrefresh.Exclude(secretURNs), optrefresh.EventStreams(channel), optrefresh.Color("never"),
			optrefresh.ErrorProgressStreams(p.Log, complaints), optrefresh.SuppressOutputs(), optrefresh.SuppressProgress())
		if err != nil {
			return run.Failure("compare stack "+name+" with the cloud", err)
		}
		return nil
	})
	return r.Plan, err
}
