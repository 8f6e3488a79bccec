package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"

	"hello-timber/pipelines/run"
)

// hub is a GitHub of one repository, o/r, that remembers what was posted.
type hub struct {
	*httptest.Server
	comments, issues []map[string]any
	calls            []string
	// fail answers a call instead, if it returns true.
	fail func(w http.ResponseWriter, r *http.Request) bool
	// login is who the token writes as.
	login string
	// head is the last commit of pull request 7.
	head string
}

func newHub(t *testing.T) *hub {
	h := &hub{login: "github-actions[bot]", head: "0123456789"}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /graphql", func(w http.ResponseWriter, _ *http.Request) {
		json.NewEncoder(w).Encode(map[string]any{"data": map[string]any{"viewer": h.user()}})
	})
	mux.HandleFunc("GET /repos/o/r/pulls/7", func(w http.ResponseWriter, _ *http.Request) {
		json.NewEncoder(w).Encode(map[string]any{"head": map[string]any{"sha": h.head}})
	})
	mux.HandleFunc("GET /repos/o/r/issues/7/comments", list(&h.comments))
	mux.HandleFunc("POST /repos/o/r/issues/7/comments", h.write(t, &h.comments, "id"))
	mux.HandleFunc("PATCH /repos/o/r/issues/comments/{id}", h.write(t, &h.comments, "id"))
	mux.HandleFunc("GET /repos/o/r/issues", func(w http.ResponseWriter, r *http.Request) {
		if r.FormValue("state") != "open" || r.FormValue("labels") != "drift" {
			t.Errorf("asked for issues %s", r.URL.RawQuery)
		}
		open := slices.DeleteFunc(slices.Clone(h.issues), func(issue map[string]any) bool { return issue["state"] == "closed" })
		list(&open)(w, r)
	})
	mux.HandleFunc("POST /repos/o/r/issues", h.write(t, &h.issues, "number"))
	mux.HandleFunc("PATCH /repos/o/r/issues/{id}", h.write(t, &h.issues, "number"))
	h.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.URL.Path != "/graphql" {
			h.calls = append(h.calls, r.Method+" "+strings.TrimPrefix(r.URL.Path, "/repos/o/r"))
		}
		if r.Header.Get("Authorization") != "Bearer secret-token" {
			http.Error(w, `{"message":"Bad credentials"}`, http.StatusUnauthorized)
		} else if h.fail == nil || !h.fail(w, r) {
			mux.ServeHTTP(w, r)
		}
	}))
	t.Cleanup(h.Close)
	return h
}

// runner runs commands that talk to this GitHub.
func (h *hub) runner(t *testing.T, env ...string) *runner {
	t.Helper()
	return newRunner(t, append([]string{"STACKS=dev", "GITHUB_API_URL=" + h.URL, "GITHUB_TOKEN=secret-token", "PULL_REQUEST=7"}, env...)...)
}

func list(posts *[]map[string]any) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var page int
		fmt.Sscan(r.FormValue("page"), &page)
		from := min((page-1)*100, len(*posts))
		json.NewEncoder(w).Encode((*posts)[from:min(from+100, len(*posts))])
	}
}

func (h *hub) write(t *testing.T, posts *[]map[string]any, key string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var fields map[string]any
		if err := json.NewDecoder(r.Body).Decode(&fields); err != nil {
			t.Error(err)
		}
		at := slices.IndexFunc(*posts, func(post map[string]any) bool { return fmt.Sprint(post[key]) == r.PathValue("id") })
		if r.Method == http.MethodPost {
			at = len(*posts)
			*posts = append(*posts, map[string]any{key: at + 1, "html_url": fmt.Sprint("https://github/", at+1), "user": h.user()})
		}
		if at < 0 {
			http.Error(w, `{"message":"Not Found"}`, http.StatusNotFound)
			return
		}
		maps.Copy((*posts)[at], fields)
		json.NewEncoder(w).Encode((*posts)[at])
	}
}

func (h *hub) user() map[string]any { return map[string]any{"login": h.login} }

const marker = "<!-- hello-timber: preview -->"

// One comment of this token's own, found among many, with the last run's text.
func TestComment(t *testing.T) {
	for _, login := range []string{"github-actions[bot]", "acme-timber[bot]", "timber-bot"} {
		h := newHub(t)
		h.login = login
		for i := range 200 {
			h.comments = append(h.comments, map[string]any{"id": 1000 + i, "body": "talk about " + marker, "user": h.user()})
		}
		stranger := map[string]any{"id": 5, "body": marker + "\na stranger's", "user": map[string]any{"login": "stranger"}}
		h.comments = append(h.comments, stranger)
		for _, commit := range []string{"1111111", "2222222"} {
			h.head = commit
			out, _, err := h.runner(t).run(t, "comment", "COMMIT="+commit)
			if err != nil || out != "https://github/202\n" || len(h.comments) != 202 || !strings.Contains(fmt.Sprint(h.comments[201]["body"]), "Preview of `"+commit+"`") {
				t.Fatalf("of %s: at %q, %v: %v", commit, out, err, h.comments[201:])
			}
		}
		if stranger["body"] != marker+"\na stranger's" {
			t.Errorf("a stranger's comment is now %q", stranger["body"])
		}
	}
}

// The comment is about the pull request's last commit, whichever run ends last, and
// whatever the comment says about itself.
func TestNewestCommit(t *testing.T) {
	h := newHub(t)
	r := h.runner(t)
	h.comments = append(h.comments, map[string]any{"id": 1, "body": marker + "\n<!-- run: 18446744073709551615 -->\nall is well", "user": h.user()})
	for commit, says := range map[string]string{h.head: "https://github", "9876543210": "has a newer commit"} {
		if _, _, err := r.run(t, "summary", "COMMIT="+commit); err != nil {
			t.Fatal(err)
		}
		if out, _, err := r.run(t, "comment", "COMMIT="+commit); err != nil || commit != h.head && !strings.Contains(out, says) {
			t.Errorf("%s: %v, %q", commit, err, out)
		}
	}
	if body := fmt.Sprint(h.comments[0]["body"]); !strings.Contains(body, "Preview of `0123456`") || !strings.Contains(body, "| dev | 1 created, 3 changed | $62 ") {
		t.Errorf("the comment is %q", body)
	}
}

// What passes is tried again; what does not is reported at once.
func TestRetries(t *testing.T) {
	const all = 6
	for name, tt := range map[string]struct {
		status         int
		header, answer string
		tries          int
	}{
		"bad gateway":          {http.StatusBadGateway, "", "", all},
		"too many":             {http.StatusTooManyRequests, "Retry-After", "", all},
		"secondary rate limit": {http.StatusForbidden, "", `{"message":"You have exceeded a secondary rate limit"}`, all},
		"wait":                 {http.StatusForbidden, "Retry-After", "", all},
		"no requests left":     {http.StatusForbidden, "X-RateLimit-Remaining", "", all},
		"forbidden":            {http.StatusForbidden, "X-Other", `{"message":"Must have admin rights"}`, 1},
		"invalid":              {http.StatusUnprocessableEntity, "", "", 1},
	} {
		for _, failures := range []int{2, 100} {
			h, tries := newHub(t), 0
			h.fail = func(w http.ResponseWriter, r *http.Request) bool {
				if r.Method != http.MethodPost || r.URL.Path == "/graphql" {
					return false
				}
				if tries++; tries > failures {
					return false
				}
				w.Header().Set(tt.header, "0")
				http.Error(w, tt.answer, tt.status)
				return true
			}
			_, _, err := h.runner(t).run(t, "comment")
			if passes := tt.tries > failures; (err == nil) != passes || tries != min(tt.tries, failures+1) {
				t.Errorf("%s, %d times: %v in %d tries", name, failures, err, tries)
			}
		}
	}
}

// One issue of a stack while there is drift, closed afterwards, and another one for the
// next. What is about other stacks stays.
func TestIssue(t *testing.T) {
	h := newHub(t)
	t.Setenv("GITHUB_TOKEN", "secret-token")
	r := h.runner(t)
	const driftMarker = "<!-- hello-timber: drift of staging -->"
	h.issues = append(h.issues, map[string]any{"number": 99, "body": driftMarker, "pull_request": map[string]any{}, "user": h.user()},
		map[string]any{"number": 98, "body": driftMarker, "user": map[string]any{"login": "stranger"}})
	for i, step := range []struct{ stack, events, does, want string }{
		{"staging", "", "", ""},
		{"drifted", "drifted.events", "POST /issues", "not as deployed: drifted"},
		{"staging", "", "", ""},
		{"none", "", "POST /issues", "the check failed: none"},
		{"drifted", "drifted.events", "PATCH /issues/3", "not as deployed"},
		{"drifted", "staging.events", "PATCH /issues/3", ""},
		{"drifted", "staging.events", "", ""},
		{"drifted", "drifted.events", "POST /issues", "not as deployed"},
	} {
		h.calls, r.pulumi.stacks["drifted"].events = nil, step.events
		_, _, err := r.run(t, "issue", "STACKS="+step.stack)
		what := fmt.Sprintf("step %d, %s", i, step.stack)
		want(t, what, err, step.want)
		if got := strings.Join(h.calls, ", "); got != step.does {
			t.Errorf("%s: wrote %q, want %q", what, got, step.does)
		}
	}
	if h.issues[2]["state"] != "closed" || h.issues[3]["state"] != nil || h.issues[4]["state"] != nil || h.issues[1]["state"] != nil {
		t.Errorf("the issues are %v", h.issues)
	}
	if h.issues[4]["title"] != "The cloud is not as deployed: drifted" || fmt.Sprint(h.issues[4]["labels"]) != "[drift]" {
		t.Errorf("the last issue is %v", h.issues[4])
	}
	if _, has := os.LookupEnv("GITHUB_TOKEN"); has {
		t.Error("Pulumi gets the token")
	}
}

func TestGitHubMistakes(t *testing.T) {
	for complaint, env := range map[string]string{
		"GITHUB_TOKEN is not set": "GITHUB_TOKEN=", "Bad credentials": "GITHUB_TOKEN=wrong", "does not say whose": "X=", "404": "PULL_REQUEST=8",
	} {
		h := newHub(t)
		if env == "X=" {
			h.login = ""
		}
		_, _, err := h.runner(t).run(t, "comment", env)
		if want(t, env, err, complaint); err != nil && strings.Contains(err.Error(), "secret-token") {
			t.Errorf("%v has the token", err)
		}
	}
}

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
		"no environment":               {branches("staging"), good[branches("staging")], "", "environment staging: GET"},
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
		r.write(t, run.GoogleFile, places)
		if strings.HasPrefix(tt.want, "no checksum") {
			r.write(t, run.SumsFile, "?"+sumOf)
		}
		_, _, err := r.run(t, "settings")
		if want(t, name, err, tt.want); err != nil && !strings.Contains(err.Error(), "Fix: ") && !strings.Contains(err.Error(), "GET") {
			t.Errorf("%s: no fix in %v", name, err)
		}
	}
}
