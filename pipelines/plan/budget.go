package plan

import (
	"context"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/auto"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/config"

	"hello-timber/pipelines/run"
)

// BudgetOf is what a stack may cost a month in US dollars, or 0 for no limit. The
// key is in the stack's config file, or has a default in Pulumi.yaml.
func BudgetOf(ctx context.Context, s *auto.Stack) (int, error) {
	project, err := s.Workspace().ProjectSettings(ctx)
	if err != nil {
		return 0, err
	}
	settings, err := s.Workspace().StackSettings(ctx, s.Name())
	if err != nil {
		return 0, err
	}
	text := "0"
	if declared := project.Config["budget"].Default; declared != nil {
		text = fmt.Sprint(declared)
	}
	value, set, err := settings.Config.Get(config.MustMakeKey(string(project.Name), "budget"), false)
	if err != nil {
		return 0, err
	}
	fix := "pulumi config set budget 100 --stack " + s.Name()
	if set && value.Secure() {
		return 0, fmt.Errorf("budget: the value of stack %s is encrypted, which a limit must not be. Fix: %s", s.Name(), fix)
	}
	if set {
		if text, err = value.Value(config.NopDecrypter); err != nil {
			return 0, err
		}
	}
	budget, err := strconv.Atoi(text)
	if err != nil || budget < 0 {
		return 0, fmt.Errorf("budget: %q of stack %s is not a whole number of US dollars a month. Fix: %s", text, s.Name(), fix)
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
func checkBudget(ctx context.Context, p *run.Pipeline, s *auto.Stack, found *Plan) error {
	budget, err := BudgetOf(ctx, s)
	if err != nil {
		found.Failed, found.Errors = true, append(found.Errors, err.Error())
		return err
	}
	found.Budget = budget
	after := found.Costs.After
	items := strings.Join(after.Items(), ", ")
	switch {
	case found.OverBudget():
		err = fmt.Errorf("budget: $%.2f a month is more than the $%d that stack %s may cost (%s). Fix: change what costs most, or pulumi config set budget %.0f --stack %s",
			after.Total(), budget, s.Name(), items, math.Ceil(after.Total()), s.Name())
		found.Failed, found.Errors = true, append(found.Errors, err.Error())
	case budget > 0 && !after.Known():
		warning := fmt.Sprintf("budget: whether stack %s stays within $%d a month is unknown (%s)", s.Name(), budget, items)
		found.Warnings = append(found.Warnings, warning)
		fmt.Fprintln(p.Log, warning)
	}
	return err
}
