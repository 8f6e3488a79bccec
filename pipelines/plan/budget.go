package plan

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"hello-timber/pipelines/run"
	"hello-timber/stacks/config"
)

// BudgetOf is what a stack may cost a month in US dollars, or 0 for no limit.
func BudgetOf(p *run.Pipeline, stack string) (int, error) {
	values, secret, err := config.Read(p.Read, stack)
	if err != nil {
		return 0, err
	}
	fix := "pulumi config set budget 100 --stack " + stack
	if slices.Contains(secret, "budget") {
		return 0, fmt.Errorf("budget: the value of stack %s is encrypted, which a limit must not be. Fix: %s", stack, fix)
	}
	text := cmp.Or(values["budget"], "0")
	budget, err := strconv.Atoi(text)
	if err != nil || budget < 0 {
		return 0, fmt.Errorf("budget: %q of stack %s is not a whole number of US dollars a month. Fix: %s", text, stack, fix)
	}
	return budget, nil
}

// OverBudget reports whether a successful preview costs more than the stack may.
func (p Plan) OverBudget() bool { return p.Budget > 0 && p.Costs.After.Total() > float64(p.Budget) }

// Amounts is what the stack costs before and after, as far as the preview got.
func (p Plan) Amounts() string {
	switch {
	case p.Budget > 0:
		return fmt.Sprintf("%s, budget $%d", p.Costs.Amounts(), p.Budget)
	case p.Failed:
		return "unknown"
	}
	return p.Costs.Amounts()
}

// checkBudget fails a plan that costs more than the stack may. What has no price
// can neither fail nor pass, so that is a warning.
func checkBudget(p *run.Pipeline, found *Plan) (err error) {
	after := found.Costs.After
	items := strings.Join(after.Items(), ", ")
	found.Budget, err = BudgetOf(p, found.Stack)
	switch {
	case err != nil:
	case found.OverBudget():
		err = fmt.Errorf("budget: $%.2f a month is more than the $%d that stack %s may cost (%s). Fix: change what costs most, or pulumi config set budget %.0f --stack %s",
			after.Total(), found.Budget, found.Stack, items, math.Ceil(after.Total()), found.Stack)
	case found.Budget > 0 && !after.Known():
		warning := fmt.Sprintf("budget: whether stack %s stays within $%d a month is unknown (%s)", found.Stack, found.Budget, items)
		found.Warnings = append(found.Warnings, warning)
		fmt.Fprintln(p.Log, warning)
	}
	if err != nil {
		found.Failed, found.Errors = true, append(found.Errors, err.Error())
	}
	return err
}
