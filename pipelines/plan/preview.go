package plan

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/pulumi/pulumi/sdk/v3/go/auto/events"
	"github.com/pulumi/pulumi/sdk/v3/go/auto/optpreview"
	"github.com/pulumi/pulumi/sdk/v3/go/common/apitype"

	"hello-timber/pipelines/cost"
	"hello-timber/pipelines/run"
)

// Approvable previews one stack, with the fingerprint by which deploy recognizes what
// was approved.
func Approvable(ctx context.Context, p *run.Pipeline, name, request string) (Plan, error) {
	return preview(ctx, p, name, request, true)
}

// Of previews one stack. An error is also part of the plan.
func Of(ctx context.Context, p *run.Pipeline, name, request string, more ...optpreview.Option) (Plan, error) {
	return preview(ctx, p, name, request, false, more...)
}

func preview(ctx context.Context, p *run.Pipeline, name, request string, approvable bool, more ...optpreview.Option) (Plan, error) {
	r := &Recorder{Plan: Plan{Stack: name, Commit: p.Env("COMMIT")}}
	var before apitype.UntypedDeployment
	var configFile []byte
	var image run.Chosen
	err := Record(r, func(channel chan<- events.EngineEvent, complaints io.Writer) error {
		s, err := p.Open(ctx, name)
		if err != nil {
			return err
		}
		if approvable { // the state is read first: if it changes meanwhile, deploy refuses
			if before, err = s.Export(ctx); err != nil {
				return run.Failure("read the state of stack "+name, err)
			}
			if configFile, err = p.OwnConfig(name); err != nil {
				return err
			}
		}
		if image, err = p.ChooseImage(ctx, s, request); err != nil {
			return err
		}
		options := []optpreview.Option{
			optpreview.ConfigFile(image.Config), optpreview.Exclude(image.Keep), optpreview.EventStreams(channel), optpreview.Color("never"),
			optpreview.ErrorProgressStreams(p.Log, complaints), optpreview.SuppressOutputs(), optpreview.SuppressProgress(),
		}
		if _, err = s.Preview(ctx, append(options, more...)...); err != nil {
			return run.Failure("preview stack "+name, err)
		}
		return nil
	})
	switch {
	case err == nil && r.Plan.Failed: // whatever pulumi's exit status
		err = errors.New(r.Plan.Errors[0])
	case err == nil:
		err = checkBudget(p, &r.Plan)
	}
	if err == nil && approvable {
		r.Plan.Fingerprint, err = r.fingerprint(before.Deployment, string(configFile), image.Image)
	}
	return r.Plan, err
}

// Preview prints what deploying STACK with IMAGE would change and cost. With IMAGE=deployed,
// as a repair, that includes what was changed manually.
func Preview(ctx context.Context, p *run.Pipeline) error {
	options := []optpreview.Option{optpreview.Diff(), optpreview.ProgressStreams(p.Out)}
	if p.Env("IMAGE") == run.Deployed {
		options = append(options, optpreview.Refresh())
	}
	return pricedPreview(ctx, p, options...)
}

// Cost prints only what STACK costs a month, now and after an update to IMAGE.
func Cost(ctx context.Context, p *run.Pipeline) error { return pricedPreview(ctx, p) }

// pricedPreview previews STACK with IMAGE, and then prints the costs, unless the preview failed for
// another reason than the budget.
func pricedPreview(ctx context.Context, p *run.Pipeline, options ...optpreview.Option) error {
	name, err := p.Stack()
	if err != nil {
		return err
	}
	image, err := p.ImageRequest()
	if err != nil {
		return err
	}
	found, err := Of(ctx, p, name, image, options...)
	if err != nil && !found.OverBudget() {
		return err
	}
	printCost(p, name+" now", found.Costs.Before)
	printCost(p, name+" after an update", found.Costs.After)
	if found.Budget > 0 {
		fmt.Fprintf(p.Out, "budget: $%d\n", found.Budget)
	}
	return err
}

func printCost(p *run.Pipeline, when string, c cost.Cost) {
	fmt.Fprintf(p.Out, "%s: %s a month (list prices of %s)\n", when, c.Amount(), cost.Date)
	for _, item := range c.Items() {
		fmt.Fprintln(p.Out, "  "+item)
	}
}
