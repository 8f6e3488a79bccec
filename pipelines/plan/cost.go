package plan

import (
	"context"
	"fmt"

	"hello-timber/pipelines/cost"
	"hello-timber/pipelines/run"
)

// Cost prints what STACK costs a month: now, by its state, and after an update to
// IMAGE, by a preview.
func Cost(ctx context.Context, p *run.Pipeline) error {
	image, err := p.ImageRequest()
	if err != nil {
		return err
	}
	s, err := p.OpenStack(ctx)
	if err != nil {
		return err
	}
	now, err := run.StateOf(ctx, s)
	if err != nil {
		return err
	}
	var before cost.Cost
	for _, resource := range now.Resources {
		if !resource.External { // else it is only read, and belongs to someone else
			before.Add(string(resource.Type), resource.Inputs)
		}
	}
	printCost(p, s.Name()+" now", before)
	found, err := Of(ctx, p, s.Name(), image)
	if err != nil && !found.OverBudget() {
		return err
	}
	printCost(p, s.Name()+" after an update", found.Costs.After)
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
