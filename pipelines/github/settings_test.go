package github_test

import (
	"fmt"
	"maps"
	"net/http"
	"strings"
	"testing"

	"hello-timber/pipelines/github"
	"hello-timber/pipelines/run"
)

// settings finds each rule that docs/pipelines.md sets and GitHub does not keep.
func TestSettings(t *testing.T) {
	const (
		rules, ruleset, approval = "/rules/branches/main", "/rulesets/1", "/environments/prod-approval"
		workflows                = "/actions/permissions/workflow"
		public, private          = "/actions/permissions/fork-pr-contributor-approval", "/actions/permissions/fork-pr-workflows-private-repos"
		isPrivate                = `{"private": true}`
	)
	good := map[string]string{
		"": `{"private": false}`, public: `{"approval_policy": "all_external_contributors"}`,
		private:              `{"run_workflows_from_fork_pull_requests": true, "send_write_tokens_to_workflows": false, "send_secrets_and_variables": false, "require_approval_for_fork_pr_workflows": true}`,
		workflows:            `{"default_workflow_permissions": "read", "can_approve_pull_request_reviews": false}`,
		"/codeowners/errors": `{"errors": []}`, "/actions/workflows": `{"workflows": [{"path": ".github/workflows/nightly.yml", "state": "active"}]}`,
		ruleset: `{"name": "main", "bypass_actors": []}`,
		rules: `[{"type": "pull_request", "ruleset_id": 1, "parameters": {"required_approving_review_count": 1, "require_code_owner_review": true, "dismiss_stale_reviews_on_push": true, "require_last_push_approval": true}}, ` +
			`{"type": "required_status_checks", "ruleset_id": 1, "parameters": {"required_status_checks": [{"context": "test", "integration_id": 15368}, {"context": "lint", "integration_id": 15368}, {"context": "vulnerabilities", "integration_id": 15368}, {"context": "version", "integration_id": 15368}]}}, ` +
			`{"type": "non_fast_forward", "ruleset_id": 1}, {"type": "deletion", "ruleset_id": 1}]`,
		approval: `{"can_admins_bypass": false, "protection_rules": [{"type": "required_reviewers", "prevent_self_review": true, "reviewers": [{"type": "Team"}]}]}`,
	}
	environments := []string{"prod-approval"}
	for _, stack := range run.DeployEnvironments {
		environments = append(environments, stack, "watch-"+stack)
	}
	for _, name := range environments {
		path := "/environments/" + name
		if good[path+"/deployment-branch-policies"] = `{"branch_policies": [{"name": "main", "type": "branch"}]}`; name != "prod-approval" {
			good[path] = `{"can_admins_bypass": false, "protection_rules": [{"type": "branch_policy"}]}`
		}
	}
	branches := func(environment string) string { return "/environments/" + environment + "/deployment-branch-policies" }
	for name, tt := range map[string]struct{ path, old, new, want string }{
		"all is set":                   {"", "x", "x", ""},
		"all is set, private":          {"", good[""], isPrivate, ""},
		"an unknown owner":             {"/codeowners/errors", "[]", `[{"line": 2, "message": "Unknown owner"}]`, "CODEOWNERS: [{Line:2 Message:Unknown owner}]"},
		"any branch to dev":            {branches("dev"), "}]", `}, {"name": "*"}]`, "environment dev: it accepts"},
		"no branch to prod":            {branches("prod"), `[{"name": "main", "type": "branch"}]`, "[]", "environment prod: it accepts"},
		"a tag main":                   {branches("watch-prod"), `"branch"`, `"tag"`, "environment watch-prod: it accepts"},
		"no environment":               {branches("dev"), good[branches("dev")], "", "environment dev: GET"},
		"no environment to watch":      {"/environments/watch-dev", good["/environments/watch-dev"], "", "environment watch-dev: GET"},
		"administrators of prod":       {"/environments/prod", "false", "true", "environment prod: administrators"},
		"administrators, unknown":      {approval, `"can_admins_bypass": false, `, "", "prod-approval: administrators"},
		"approve one's own run":        {approval, `"prevent_self_review": true`, `"prevent_self_review": false`, "no reviewer is required"},
		"no reviewer":                  {approval, `[{"type": "Team"}]`, "[]", "no reviewer is required"},
		"delete main":                  {rules, `, {"type": "deletion", "ruleset_id": 1}`, "", "main can be deleted"},
		"force main":                   {rules, `"non_fast_forward"`, `"update"`, "main can be pushed by force"},
		"push to main":                 {rules, `"pull_request"`, `"other"`, "without a pull request"},
		"no review":                    {rules, `"required_approving_review_count": 1`, `"required_approving_review_count": 0`, "needs no review"},
		"any reviewer":                 {rules, `"require_code_owner_review": true`, `"require_code_owner_review": false`, "no code owner's review"},
		"a stale review":               {rules, `"dismiss_stale_reviews_on_push": true`, `"dismiss_stale_reviews_on_push": false`, "pushed after it"},
		"approve one's own push":       {rules, `"require_last_push_approval": true`, `"require_last_push_approval": false`, "of the last push"},
		"a check less":                 {rules, `{"context": "lint", "integration_id": 15368}, `, "", "need not pass the check lint"},
		"a check of any app":           {rules, `{"context": "version", "integration_id": 15368}`, `{"context": "version"}`, "need not pass the check version"},
		"a check of another app":       {rules, `{"context": "test", "integration_id": 15368}`, `{"context": "test", "integration_id": 7}`, "need not pass the check test"},
		"no rules":                     {rules, good[rules], "[]", "main can be deleted"},
		"someone may bypass":           {ruleset, "[]", `[{"actor_type": "OrganizationAdmin"}]`, `the ruleset "main" may be bypassed`},
		"who may bypass is unknown":    {ruleset, `, "bypass_actors": []`, "", `the ruleset "main" may be bypassed`},
		"Actions approves":             {workflows, "false", "true", "approve pull requests: true"},
		"Actions writes":               {workflows, `"read"`, `"write"`, "a workflow may write by default"},
		"forks of known people":        {public, "all_external_contributors", "first_time_contributors", `required for "first_time_contributors"`},
		"private forks get a token":    {private, `"send_write_tokens_to_workflows": false`, `"send_write_tokens_to_workflows": true`, "a token that writes: true"},
		"private forks get secrets":    {private, `"send_secrets_and_variables": false`, `"send_secrets_and_variables": true`, "secrets: true"},
		"private forks are not asked":  {private, `"require_approval_for_fork_pr_workflows": true`, `"require_approval_for_fork_pr_workflows": false`, "an approval: false"},
		"private forks run nothing":    {private, `{"run_workflows_from_fork_pull_requests": true`, `{"run_workflows_from_fork_pull_requests": false`, ""},
		"the nightly check is off":     {"/actions/workflows", "active", "disabled_inactivity", "no event starts [{Path:.github/workflows/nightly.yml State:disabled_inactivity}]"},
		"no place of the provider":     {"", "x", "x", "PROVIDER is empty"},
		"no checksum":                  {"", "x", "x", "no checksum of the plugin"},
		"a rule of another, lax set":   {rules, `[{`, `[{"type": "deletion", "ruleset_id": 2}, {`, ""},
		"the rule is only in that set": {rules, `{"type": "deletion", "ruleset_id": 1}`, `{"type": "deletion", "ruleset_id": 2}`, "main can be deleted"},
	} {
		answers := maps.Clone(good)
		answers["/rulesets/2"] = `{"name": "lax", "bypass_actors": [{}]}`
		if tt.path == private {
			answers[""] = isPrivate
		}
		if answers[tt.path] = strings.Replace(answers[tt.path], tt.old, tt.new, 1); tt.old != tt.new && answers[tt.path] == good[tt.path] {
			t.Fatalf("%s: %q is not in the answer", name, tt.old)
		}
		h := newHub(t)
		h.fail = func(w http.ResponseWriter, r *http.Request) bool {
			if answer := answers[strings.TrimPrefix(r.URL.Path, "/repos/o/r")]; answer == "" {
				http.Error(w, "{}", http.StatusNotFound)
			} else {
				fmt.Fprint(w, answer)
			}
			return true
		}
		r, places := h.runner(t), "BACKEND=b\nIMAGES=i\nPROVIDER=p\nIDENTITIES=i\n"
		if strings.HasPrefix(tt.want, "PROVIDER") {
			places = strings.Replace(places, "=p", "=", 1)
		}
		r.Write(run.GoogleFile, places)
		if strings.HasPrefix(tt.want, "no checksum") {
			r.Write(run.SumsFile, "?  pulumi-resource-kubernetes-v4.25.0-linux-amd64.tar.gz\n")
		}
		_, _, err := r.Run(github.Settings)
		if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %v, want %q", name, err, tt.want)
		}
		if err != nil && !strings.Contains(err.Error(), "Fix: ") && !strings.Contains(err.Error(), "GET") {
			t.Errorf("%s: no fix in %v", name, err)
		}
	}
}
