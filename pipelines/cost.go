package main

import (
	"context"
	"fmt"

	"hello-timber/pipelines/cost"
)

// cost prints what STACK costs a month: now, by its state, and after an update to
// IMAGE, by a preview.
func (p *pipeline) cost(ctx context.Context) error {
	if _, err := p.imageRequest(); err != nil {
		return err
	}
	s, err := p.openStack(ctx)
	if err != nil {
		return err
	}
	now, err := stateOf(ctx, s)
	if err != nil {
		return err
	}
	var before cost.Cost
	for _, resource := range now.Resources {
		if !resource.External {
			before.Add(resource.Type, resource.Inputs)
		}
	}
	p.printCost(s.Name()+" now", before)
	found, err := p.previewOf(ctx, s.Name())
	if err != nil && !found.overBudget() {
		return err
	}
	p.printCost(s.Name()+" after an update", found.Costs.After)
	if found.Budget > 0 {
		fmt.Fprintf(p.out, "budget: $%d\n", found.Budget)
	}
	return err
}

func (p *pipeline) printCost(when string, c cost.Cost) {
	fmt.Fprintf(p.out, "%s: %s a month (list prices of %s)\n", when, c.Amount(), cost.Date)
	for _, item := range c.Items() {
		fmt.Fprintln(p.out, "  "+item)
	}
}
