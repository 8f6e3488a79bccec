package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"path"
	"slices"
)

// deployEnvironments are those whose jobs get a credential that changes a stack,
// approvalEnvironment the one where a reviewer approves prod.
var deployEnvironments = []string{"dev", "staging", "prod"}

const approvalEnvironment = "prod-approval"

// requiredChecks are the jobs of test.yml.
var requiredChecks = []string{"test", "lint", "vulnerabilities", "version"}

// settings checks what docs/pipelines.md has an administrator set on GitHub: where
// GitHub refuses a rule because of the plan, the pipelines must not be switched on.
func (p *pipeline) settings(ctx context.Context) error {
	hub, err := p.github()
	if err != nil {
		return err
	}
	problems := []error{p.places()}
	for _, check := range []func(context.Context) error{hub.onlyMain, hub.approval, hub.owners, hub.mainRules, hub.enabled} {
		problems = append(problems, check(ctx))
	}
	if err := errors.Join(problems...); err != nil {
		return err
	}
	fmt.Fprintln(p.out, "environments, approval, code owners, workflows and the rules of main are as docs/pipelines.md needs them")
	return nil
}

// onlyMain fails unless each environment accepts main and nothing else.
func (g github) onlyMain(ctx context.Context) error {
	var problems []error
	for _, name := range append(slices.Clone(deployEnvironments), approvalEnvironment) {
		var policies struct {
			BranchPolicies []struct{ Name, Type string } `json:"branch_policies"`
		}
		err := g.call(ctx, http.MethodGet, "/environments/"+name+"/deployment-branch-policies", nil, &policies)
		if err != nil {
			problems = append(problems, fmt.Errorf("environment %s: %w", name, err))
			continue
		}
		if list := policies.BranchPolicies; len(list) != 1 || list[0].Name != "main" || list[0].Type == "tag" {
			problems = append(problems, fmt.Errorf("environment %s: it accepts %v, not main alone. Fix: Settings, Environments, %s, Deployment branches", name, list, name))
		}
	}
	return errors.Join(problems...)
}

// approval fails unless prod needs a reviewer who did not start the run.
func (g github) approval(ctx context.Context) error {
	var environment struct {
		ProtectionRules []struct {
			Type              string
			PreventSelfReview bool `json:"prevent_self_review"`
			Reviewers         []any
		} `json:"protection_rules"`
	}
	if err := g.call(ctx, http.MethodGet, "/environments/"+approvalEnvironment, nil, &environment); err != nil {
		return fmt.Errorf("environment %s: %w", approvalEnvironment, err)
	}
	for _, rule := range environment.ProtectionRules {
		if rule.Type == "required_reviewers" && rule.PreventSelfReview && len(rule.Reviewers) > 0 {
			return nil
		}
	}
	return fmt.Errorf("environment %s: no reviewer is required who did not start the run. "+
		"Private repositories need GitHub Enterprise for this rule. Fix: the environments in docs/pipelines.md", approvalEnvironment)
}

// owners fails if CODEOWNERS names teams that GitHub does not know: it would then
// ask no one for a review.
func (g github) owners(ctx context.Context) error {
	var answer struct {
		Errors []struct {
			Line    int
			Message string
		}
	}
	if err := g.call(ctx, http.MethodGet, "/codeowners/errors", nil, &answer); err != nil {
		return fmt.Errorf("CODEOWNERS: %w", err)
	}
	var problems []error
	for _, found := range answer.Errors {
		problems = append(problems, fmt.Errorf("CODEOWNERS: line %d: %s. Fix: name teams that have write access", found.Line, found.Message))
	}
	return errors.Join(problems...)
}

// mainRules fails unless main changes only by reviewed pull requests that passed.
func (g github) mainRules(ctx context.Context) error {
	type rule struct {
		Type       string
		Parameters struct {
			Owners bool                       `json:"require_code_owner_review"`
			Checks []struct{ Context string } `json:"required_status_checks"`
		}
	}
	var rules []rule
	if err := g.call(ctx, http.MethodGet, "/rules/branches/main", nil, &rules); err != nil {
		return fmt.Errorf("the rules of main: %w", err)
	}
	var problems []error
	for _, want := range []string{"pull_request", "required_status_checks", "non_fast_forward", "deletion"} {
		holds := func(r rule) bool { return r.Type == want && (want != "pull_request" || r.Parameters.Owners) }
		if !slices.ContainsFunc(rules, holds) {
			problems = append(problems, fmt.Errorf("main: there is no rule %s (pull_request: with a code owner's review). Fix: the ruleset in docs/pipelines.md", want))
		}
	}
	for _, want := range requiredChecks {
		requires := func(r rule) bool {
			return slices.ContainsFunc(r.Parameters.Checks, func(check struct{ Context string }) bool { return check.Context == want })
		}
		if !slices.ContainsFunc(rules, requires) {
			problems = append(problems, fmt.Errorf("main: a pull request need not pass the check %s. Fix: the ruleset in docs/pipelines.md", want))
		}
	}
	return errors.Join(problems...)
}

// enabled fails if a workflow is switched off. GitHub does that to nightly.yml in a
// public repository after 60 days without a commit.
func (g github) enabled(ctx context.Context) error {
	var answer struct {
		Workflows []struct{ Path, State string }
	}
	if err := g.call(ctx, http.MethodGet, fmt.Sprintf("/actions/workflows?per_page=%d", perPage), nil, &answer); err != nil {
		return fmt.Errorf("workflows: %w", err)
	}
	var problems []error
	for _, workflow := range answer.Workflows {
		if workflow.State != "active" {
			name := path.Base(workflow.Path)
			problems = append(problems, fmt.Errorf("%s: it is %s, and no event starts it. Fix: gh workflow enable %s", name, workflow.State, name))
		}
	}
	return errors.Join(problems...)
}
