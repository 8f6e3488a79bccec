package github

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"

	"hello-timber/pipelines/run"
)

// RequiredChecks are the jobs of test.yml, which the GitHub app of Actions reports.
var RequiredChecks = []string{"test", "lint", "vulnerabilities", "version"}

// ActionsApp is the number of that app.
const ActionsApp = 15368

// Settings checks what docs/pipelines.md has an administrator set on GitHub: where
// GitHub refuses a rule because of the plan, the pipelines must not be switched on.
func Settings(ctx context.Context, p *run.Pipeline) error {
	h, err := open(p)
	if err != nil {
		return err
	}
	var repository answer
	if err := h.call(ctx, http.MethodGet, "", nil, &repository); err != nil {
		return fmt.Errorf("the repository: %w", err)
	}
	problems := []error{p.Places(), h.mainRules(ctx)}
	for _, s := range settings(repository.Private) {
		var now answer
		if err := h.call(ctx, http.MethodGet, s.path, nil, &now); err != nil {
			problems = append(problems, fmt.Errorf("%s: %w", s.what, err))
		} else if wrong := s.wrong(now); wrong != "" {
			problems = append(problems, fmt.Errorf("%s: %s. Fix: %s", s.what, wrong, s.fix))
		}
	}
	if err := errors.Join(problems...); err != nil {
		return err
	}
	fmt.Fprintln(p.Out, "environments, approval, code owners, workflows, the rules of main, and those of Actions and forks are as docs/pipelines.md needs them")
	return nil
}

// setting is one of GitHub's, at a path of its API.
type setting struct {
	what, path, fix string
	// wrong says how an answer is not as it must be.
	wrong func(answer) string
}

// answer is all that is read of GitHub's answers about settings.
type answer struct {
	Errors []struct {
		Line    int
		Message string
	}
	Workflows      []workflow
	BranchPolicies []struct{ Name, Type string } `json:"branch_policies"`
	AdminsBypass   *bool                         `json:"can_admins_bypass"`
	Protections    []struct {
		Type              string
		PreventSelfReview bool `json:"prevent_self_review"`
		Reviewers         []any
	} `json:"protection_rules"`
	Permissions  string `json:"default_workflow_permissions"`
	Approves     bool   `json:"can_approve_pull_request_reviews"`
	Private      bool
	ForkApproval string `json:"approval_policy"`
	ForksRun     bool   `json:"run_workflows_from_fork_pull_requests"`
	ForksWrite   bool   `json:"send_write_tokens_to_workflows"`
	ForksSecrets bool   `json:"send_secrets_and_variables"`
	ForksAsk     bool   `json:"require_approval_for_fork_pr_workflows"`
}

type workflow struct{ Path, State string }

// unless is a problem, or empty if all is well.
func unless(ok bool, problem string, values ...any) string {
	if ok {
		return ""
	}
	return fmt.Sprintf(problem, values...)
}

func settings(private bool) []setting {
	list := []setting{
		// GitHub asks no one for a review if a line names a team that it does not know.
		{"CODEOWNERS", "/codeowners/errors", "name teams that have write access", func(a answer) string {
			return unless(len(a.Errors) == 0, "%+v", a.Errors)
		}},
		// GitHub switches nightly.yml off in a public repository after 60 days without a commit.
		{"workflows", "/actions/workflows?per_page=100", "gh workflow enable FILE", func(a answer) string {
			off := slices.DeleteFunc(a.Workflows, func(w workflow) bool { return w.State == "active" })
			return unless(len(off) == 0, "no event starts %+v", off)
		}},
		{"actions", "/actions/permissions/workflow", "the permissions of Actions in docs/pipelines.md", func(a answer) string {
			return unless(a.Permissions == "read" && !a.Approves, "a workflow may %s by default, and approve pull requests: %t", a.Permissions, a.Approves)
		}},
	}
	forks := setting{"forks", "/actions/permissions/fork-pr-contributor-approval", "the rules of forks in docs/pipelines.md", func(a answer) string {
		return unless(a.ForkApproval == "all_external_contributors", "an approval is required for %q, not for all_external_contributors", a.ForkApproval)
	}}
	if private {
		forks.path, forks.wrong = "/actions/permissions/fork-pr-workflows-private-repos", func(a answer) string {
			return unless(!a.ForksRun || !a.ForksWrite && !a.ForksSecrets && a.ForksAsk,
				"their pull requests get a token that writes: %t, secrets: %t, and need an approval: %t", a.ForksWrite, a.ForksSecrets, a.ForksAsk)
		}
	}
	list = append(list, forks)
	for _, name := range run.DeployEnvironments {
		list = append(list, environment(name)...)
		list = append(list, environment("watch-"+name)...) // whose jobs may only read
	}
	const approval = "prod-approval"
	return append(append(list, environment(approval)...), setting{"environment " + approval, "/environments/" + approval, "the environments in docs/pipelines.md", func(a answer) string {
		reviewed := false
		for _, rule := range a.Protections {
			reviewed = reviewed || rule.Type == "required_reviewers" && rule.PreventSelfReview && len(rule.Reviewers) > 0
		}
		return unless(reviewed, "no reviewer is required who did not start the run. Private repositories need GitHub Enterprise for this rule")
	}})
}

// environment accepts main and nothing else, from administrators too.
func environment(name string) []setting {
	what, path := "environment "+name, "/environments/"+name
	return []setting{
		{what, path + "/deployment-branch-policies", "Settings, Environments, " + name + ", Deployment branches", func(a answer) string {
			list := a.BranchPolicies
			return unless(len(list) == 1 && list[0].Name == "main" && list[0].Type != "tag", "it accepts %v, not main alone", list)
		}},
		{what, path, "the environments in docs/pipelines.md", func(a answer) string {
			return unless(a.AdminsBypass != nil && !*a.AdminsBypass, "administrators may bypass its rules")
		}},
	}
}

// rule is one of main's.
type rule struct {
	Type       string
	Ruleset    int64 `json:"ruleset_id"`
	Parameters struct {
		Reviews      int     `json:"required_approving_review_count"`
		Owners       bool    `json:"require_code_owner_review"`
		DismissStale bool    `json:"dismiss_stale_reviews_on_push"`
		LastPush     bool    `json:"require_last_push_approval"`
		Checks       []check `json:"required_status_checks"`
	}
}

type check struct {
	Context string
	App     int `json:"integration_id"`
}

// required are the rules that docs/pipelines.md sets, each by what it prevents.
func required() map[string]func(rule) bool {
	rules := map[string]func(rule) bool{
		"main can be deleted":                         func(r rule) bool { return r.Type == "deletion" },
		"main can be pushed by force":                 func(r rule) bool { return r.Type == "non_fast_forward" },
		"main can be pushed without a pull request":   func(r rule) bool { return r.Type == "pull_request" },
		"a pull request needs no review":              func(r rule) bool { return r.Parameters.Reviews > 0 },
		"a pull request needs no code owner's review": func(r rule) bool { return r.Parameters.Owners },
		"a review counts for what is pushed after it": func(r rule) bool { return r.Parameters.DismissStale },
		"the author of the last push may approve":     func(r rule) bool { return r.Parameters.LastPush },
	}
	for _, name := range RequiredChecks {
		rules[fmt.Sprintf("a pull request need not pass the check %s of GitHub Actions (integration_id %d)", name, ActionsApp)] = func(r rule) bool {
			return slices.Contains(r.Parameters.Checks, check{name, ActionsApp})
		}
	}
	return rules
}

// mainRules fails unless main changes only by reviewed pull requests that passed. Rules
// that someone may bypass do not count.
func (h hub) mainRules(ctx context.Context) error {
	var rules []rule
	if err := h.call(ctx, http.MethodGet, "/rules/branches/main?per_page=100", nil, &rules); err != nil {
		return fmt.Errorf("the rules of main: %w", err)
	}
	fix, strict := "Fix: the ruleset in docs/pipelines.md", map[int64]bool{}
	for _, r := range rules {
		if _, known := strict[r.Ruleset]; known {
			continue
		}
		var set struct {
			Name   string
			Actors *[]any `json:"bypass_actors"`
		}
		if err := h.call(ctx, http.MethodGet, fmt.Sprintf("/rulesets/%d", r.Ruleset), nil, &set); err != nil {
			return fmt.Errorf("the ruleset %d of main: %w", r.Ruleset, err)
		}
		if strict[r.Ruleset] = set.Actors != nil && len(*set.Actors) == 0; !strict[r.Ruleset] {
			fix += fmt.Sprintf("; the ruleset %q may be bypassed, or this token may not see by whom, so it does not count", set.Name)
		}
	}
	var problems []error
	need := required()
	for _, without := range slices.Sorted(maps.Keys(need)) {
		if !slices.ContainsFunc(rules, func(r rule) bool { return strict[r.Ruleset] && need[without](r) }) {
			problems = append(problems, fmt.Errorf("main: %s. %s", without, fix))
		}
	}
	return errors.Join(problems...)
}
