package github

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"path"
	"slices"

	"hello-timber/pipelines/run"
)

// watchPrefix begins the names of the environments whose jobs may only read a stack. In
// approvalEnvironment a reviewer approves prod.
const (
	watchPrefix         = "watch-"
	approvalEnvironment = "prod-approval"
)

// RequiredChecks are the jobs of test.yml, which the GitHub app of Actions reports.
var RequiredChecks = []string{"test", "lint", "vulnerabilities", "version"}

const ActionsApp = 15368

// Settings checks what docs/pipelines.md has an administrator set on GitHub: where
// GitHub refuses a rule because of the plan, the pipelines must not be switched on.
func Settings(ctx context.Context, p *run.Pipeline) error {
	hub, err := hubOf(p)
	if err != nil {
		return err
	}
	problems := []error{p.Places()}
	for _, name := range run.DeployEnvironments {
		problems = append(problems, hub.environment(ctx, name), hub.environment(ctx, watchPrefix+name))
	}
	problems = append(problems, hub.environment(ctx, approvalEnvironment), hub.owners(ctx), hub.mainRules(ctx), hub.actions(ctx), hub.forks(ctx), hub.enabled(ctx))
	if err := errors.Join(problems...); err != nil {
		return err
	}
	fmt.Fprintln(p.Out, "environments, approval, code owners, workflows, the rules of main, and those of Actions and forks are as docs/pipelines.md needs them")
	return nil
}

// environment fails unless an environment accepts main and nothing else, from
// administrators too, and unless that of the approval needs a reviewer who did not
// start the run.
func (g github) environment(ctx context.Context, name string) error {
	var policies struct {
		BranchPolicies []struct{ Name, Type string } `json:"branch_policies"`
	}
	var environment struct {
		AdminsBypass    *bool `json:"can_admins_bypass"`
		ProtectionRules []struct {
			Type              string
			PreventSelfReview bool `json:"prevent_self_review"`
			Reviewers         []any
		} `json:"protection_rules"`
	}
	err := g.call(ctx, http.MethodGet, "/environments/"+name, nil, &environment)
	if err == nil {
		err = g.call(ctx, http.MethodGet, "/environments/"+name+"/deployment-branch-policies", nil, &policies)
	}
	if err != nil {
		return fmt.Errorf("environment %s: %w", name, err)
	}
	var problems []error
	if list := policies.BranchPolicies; len(list) != 1 || list[0].Name != "main" || list[0].Type == "tag" {
		problems = append(problems, fmt.Errorf("environment %s: it accepts %v, not main alone. Fix: Settings, Environments, %s, Deployment branches", name, list, name))
	}
	if environment.AdminsBypass == nil || *environment.AdminsBypass {
		problems = append(problems, fmt.Errorf("environment %s: administrators may bypass its rules. Fix: the environments in docs/pipelines.md", name))
	}
	reviewed := name != approvalEnvironment
	for _, rule := range environment.ProtectionRules {
		reviewed = reviewed || rule.Type == "required_reviewers" && rule.PreventSelfReview && len(rule.Reviewers) > 0
	}
	if !reviewed {
		problems = append(problems, fmt.Errorf("environment %s: no reviewer is required who did not start the run. "+
			"Private repositories need GitHub Enterprise for this rule. Fix: the environments in docs/pipelines.md", name))
	}
	return errors.Join(problems...)
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

// rule is one of main's.
type rule struct {
	Type       string
	Ruleset    int64 `json:"ruleset_id"`
	Parameters struct {
		Reviews      int  `json:"required_approving_review_count"`
		Owners       bool `json:"require_code_owner_review"`
		DismissStale bool `json:"dismiss_stale_reviews_on_push"`
		LastPush     bool `json:"require_last_push_approval"`
		Checks       []struct {
			Context string
			App     int `json:"integration_id"`
		} `json:"required_status_checks"`
	}
}

// requiredRules are those that docs/pipelines.md sets, each by what it prevents.
var requiredRules = []struct {
	what  string
	holds func(rule) bool
}{
	{"main can be deleted", func(r rule) bool { return r.Type == "deletion" }},
	{"main can be pushed by force", func(r rule) bool { return r.Type == "non_fast_forward" }},
	{"main can be pushed without a pull request", func(r rule) bool { return r.Type == "pull_request" }},
	{"a pull request needs no review", func(r rule) bool { return r.Parameters.Reviews > 0 }},
	{"a pull request needs no code owner's review", func(r rule) bool { return r.Parameters.Owners }},
	{"a review counts for what is pushed after it", func(r rule) bool { return r.Parameters.DismissStale }},
	{"the author of the last push may approve", func(r rule) bool { return r.Parameters.LastPush }},
}

// mainRules fails unless main changes only by reviewed pull requests that passed. Rules
// that someone may bypass do not count.
func (g github) mainRules(ctx context.Context) error {
	var all []rule
	if err := g.call(ctx, http.MethodGet, "/rules/branches/main?per_page=100", nil, &all); err != nil {
		return fmt.Errorf("the rules of main: %w", err)
	}
	rules, problems, err := g.strict(ctx, all)
	if err != nil {
		return err
	}
	const fix = "Fix: the ruleset in docs/pipelines.md"
	missing := 0
	for _, want := range requiredRules {
		if !slices.ContainsFunc(rules, want.holds) {
			missing++
			problems = append(problems, fmt.Errorf("main: %s. %s", want.what, fix))
		}
	}
	for _, want := range RequiredChecks {
		requires := func(r rule) bool {
			for _, check := range r.Parameters.Checks {
				if check.Context == want && check.App == ActionsApp {
					return true
				}
			}
			return false
		}
		if !slices.ContainsFunc(rules, requires) {
			missing++
			problems = append(problems, fmt.Errorf("main: a pull request need not pass the check %s of GitHub Actions (integration_id %d). %s", want, ActionsApp, fix))
		}
	}
	if missing == 0 { // without the rulesets that may be bypassed
		return nil
	}
	return errors.Join(problems...)
}

// strict returns the rules that no one may bypass, and a problem for each ruleset with others.
func (g github) strict(ctx context.Context, all []rule) (rules []rule, problems []error, err error) {
	strict := map[int64]bool{}
	for _, r := range all {
		if _, known := strict[r.Ruleset]; !known {
			var set struct {
				Name   string
				Actors *[]any `json:"bypass_actors"`
			}
			if err := g.call(ctx, http.MethodGet, fmt.Sprintf("/rulesets/%d", r.Ruleset), nil, &set); err != nil {
				return nil, nil, fmt.Errorf("the ruleset %d of main: %w", r.Ruleset, err)
			}
			if strict[r.Ruleset] = set.Actors != nil && len(*set.Actors) == 0; !strict[r.Ruleset] {
				problems = append(problems, fmt.Errorf("main: the ruleset %q may be bypassed, or this token may not see by whom, so it does not count", set.Name))
			}
		}
		if strict[r.Ruleset] {
			rules = append(rules, r)
		}
	}
	return rules, problems, nil
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

// actions fails if a workflow may approve a pull request, or may write without saying so.
func (g github) actions(ctx context.Context) error {
	var workflows struct {
		Permissions string `json:"default_workflow_permissions"`
		Approves    bool   `json:"can_approve_pull_request_reviews"`
	}
	if err := g.call(ctx, http.MethodGet, "/actions/permissions/workflow", nil, &workflows); err != nil {
		return fmt.Errorf("the permissions of Actions: %w", err)
	}
	if workflows.Permissions != "read" || workflows.Approves {
		return fmt.Errorf("actions: a workflow may %s by default, and approve pull requests: %t. Fix: the permissions of Actions in docs/pipelines.md",
			workflows.Permissions, workflows.Approves)
	}
	return nil
}

// forks fails if a fork's pull request runs before someone has agreed, or with more than
// permission to read.
func (g github) forks(ctx context.Context) error {
	var repository struct{ Private bool }
	if err := g.call(ctx, http.MethodGet, "", nil, &repository); err != nil {
		return fmt.Errorf("the repository: %w", err)
	}
	if !repository.Private {
		var public struct {
			Policy string `json:"approval_policy"`
		}
		if err := g.call(ctx, http.MethodGet, "/actions/permissions/fork-pr-contributor-approval", nil, &public); err != nil {
			return fmt.Errorf("the rules of forks: %w", err)
		}
		if public.Policy != "all_external_contributors" {
			return fmt.Errorf("forks: an approval is required for %q, not for all_external_contributors. Fix: the rules of forks in docs/pipelines.md", public.Policy)
		}
		return nil
	}
	var private struct {
		Run      bool `json:"run_workflows_from_fork_pull_requests"`
		Write    bool `json:"send_write_tokens_to_workflows"`
		Secrets  bool `json:"send_secrets_and_variables"`
		Approved bool `json:"require_approval_for_fork_pr_workflows"`
	}
	if err := g.call(ctx, http.MethodGet, "/actions/permissions/fork-pr-workflows-private-repos", nil, &private); err != nil {
		return fmt.Errorf("the rules of forks: %w", err)
	}
	if private.Run && (private.Write || private.Secrets || !private.Approved) {
		return fmt.Errorf("forks: their pull requests get a token that writes: %t, secrets: %t, and need an approval: %t. Fix: the rules of forks in docs/pipelines.md",
			private.Write, private.Secrets, private.Approved)
	}
	return nil
}
