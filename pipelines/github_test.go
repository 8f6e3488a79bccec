package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"hello-timber/pipelines/deploy"
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
	mux.HandleFunc("GET /user", func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, `{"message":"Resource not accessible by integration"}`, http.StatusForbidden)
	})
	mux.HandleFunc("GET /repos/o/r/pulls/7", func(w http.ResponseWriter, _ *http.Request) {
		json.NewEncoder(w).Encode(map[string]any{"head": map[string]any{"sha": h.head}})
	})
	mux.HandleFunc("GET /repos/o/r/issues/7/comments", h.list(&h.comments))
	mux.HandleFunc("POST /repos/o/r/issues/7/comments", h.write(t, &h.comments, "id"))
	mux.HandleFunc("PATCH /repos/o/r/issues/comments/{id}", h.write(t, &h.comments, "id"))
	mux.HandleFunc("DELETE /repos/o/r/issues/comments/{id}", func(w http.ResponseWriter, r *http.Request) {
		h.comments = slices.DeleteFunc(h.comments, func(c map[string]any) bool { return fmt.Sprint(c["id"]) == r.PathValue("id") })
		w.WriteHeader(http.StatusNoContent)
	})
	mux.HandleFunc("GET /repos/o/r/issues", func(w http.ResponseWriter, r *http.Request) {
		if r.FormValue("state") != "open" || r.FormValue("labels") != "drift" {
			t.Errorf("asked for issues %s", r.URL.RawQuery)
		}
		var open []map[string]any
		for _, issue := range h.issues {
			if issue["state"] != "closed" {
				open = append(open, issue)
			}
		}
		h.list(&open)(w, r)
	})
	mux.HandleFunc("POST /repos/o/r/issues", h.write(t, &h.issues, "number"))
	mux.HandleFunc("PATCH /repos/o/r/issues/{id}", h.write(t, &h.issues, "number"))
	h.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.URL.Path != "/graphql" {
			h.calls = append(h.calls, r.Method+" "+strings.TrimPrefix(r.URL.Path, "/repos/o/r"))
		}
		if r.Header.Get("Authorization") != "Bearer secret-token" {
			http.Error(w, `{"message":"Bad credentials"}`, http.StatusUnauthorized)
			return
		}
		if r.URL.Path == "/graphql" {
			json.NewEncoder(w).Encode(map[string]any{"data": map[string]any{"viewer": h.user()}})
			return
		}
		if h.fail == nil || !h.fail(w, r) {
			mux.ServeHTTP(w, r)
		}
	}))
	t.Cleanup(h.Close)
	return h
}

func (h *hub) list(posts *[]map[string]any) http.HandlerFunc {
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
		var at map[string]any
		if r.Method == http.MethodPost {
			n := len(*posts) + 1
			at = map[string]any{"id": n, "number": n, "html_url": fmt.Sprint("https://github/", n), "user": h.user()}
			*posts = append(*posts, at)
		}
		for _, post := range *posts {
			if fmt.Sprint(post[key]) == r.PathValue("id") {
				at = post
			}
		}
		if at == nil {
			http.Error(w, `{"message":"Not Found"}`, http.StatusNotFound)
			return
		}
		for name, value := range fields {
			at[name] = value
		}
		json.NewEncoder(w).Encode(at)
	}
}

func (h *hub) user() map[string]any { return map[string]any{"login": h.login} }

// comment runs make comment for a commit, which is the last one of its pull request, and
// returns where the comment is. Its text has the commit.
func (h *hub) comment(t *testing.T, commit string) string {
	t.Helper()
	where, err := h.tryComment(t, commit)
	if err != nil {
		t.Fatal(err)
	}
	return where
}

func (h *hub) tryComment(t *testing.T, commit string) (string, error) {
	t.Helper()
	h.head = commit
	r := newRunner(t, map[string]string{"STACKS": "dev", "GITHUB_API_URL": h.URL, "GITHUB_TOKEN": "secret-token", "PULL_REQUEST": "7", "COMMIT": commit})
	out, _, err := r.run(t, "comment")
	return strings.TrimSpace(out), err
}

const (
	marker        = "<!-- hello-timber: preview -->"
	first, second = "1111111", "2222222"
)

// isOf reports whether a comment is about a commit.
func isOf(comment map[string]any, commit string) bool {
	return strings.Contains(fmt.Sprint(comment["body"]), "Preview of `"+commit+"`")
}

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
		where := h.comment(t, first)
		if again := h.comment(t, second); again != where || where == "" {
			t.Errorf("first at %q, then at %q", where, again)
		}
		if !isOf(h.comments[201], second) {
			t.Errorf("the comment is %q", h.comments[201])
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
	r := newRunner(t, map[string]string{"STACKS": "dev", "GITHUB_API_URL": h.URL, "GITHUB_TOKEN": "secret-token", "PULL_REQUEST": "7"})
	h.comments = append(h.comments, map[string]any{"id": 1, "body": marker + "\n<!-- run: 18446744073709551615 -->\nall is well", "user": h.user()})
	publish := func(commit string) string {
		t.Helper()
		if _, _, err := r.run(t, "summary", "COMMIT="+commit); err != nil {
			t.Fatal(err)
		}
		out, _, err := r.run(t, "comment", "COMMIT="+commit)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	publish(h.head)
	if body := fmt.Sprint(h.comments[0]["body"]); !strings.Contains(body, "Preview of `0123456`") || !strings.Contains(body, "| dev | 1 created, 3 changed | $62 ") {
		t.Errorf("the comment is %q", body)
	}
	if out := publish("9876543210"); !strings.Contains(out, "has a newer commit") {
		t.Errorf("an older run said %q", out)
	}
	if body := fmt.Sprint(h.comments[0]["body"]); !strings.Contains(body, "Preview of `0123456`") {
		t.Errorf("an older run wrote %q", body)
	}
}

// What passes is tried again; what does not is reported at once.
func TestRetries(t *testing.T) {
	for name, tt := range map[string]struct {
		status int
		header map[string]string
		answer string
		tries  int
	}{
		"bad gateway":          {http.StatusBadGateway, nil, "", 6},
		"too many":             {http.StatusTooManyRequests, map[string]string{"Retry-After": "1"}, "", 6},
		"secondary rate limit": {http.StatusForbidden, nil, `{"message":"You have exceeded a secondary rate limit"}`, 6},
		"no requests left":     {http.StatusForbidden, map[string]string{"X-RateLimit-Remaining": "0"}, "", 6},
		"forbidden":            {http.StatusForbidden, nil, `{"message":"Must have admin rights"}`, 1},
		"invalid":              {http.StatusUnprocessableEntity, nil, "", 1},
	} {
		t.Run(name, func(t *testing.T) {
			for _, passes := range []bool{true, false} {
				h, tries := newHub(t), 0
				h.fail = func(w http.ResponseWriter, r *http.Request) bool {
					if r.Method != http.MethodPost {
						return false
					}
					if tries++; passes && tries == 3 {
						return false
					}
					for key, value := range tt.header {
						w.Header().Set(key, value)
					}
					http.Error(w, tt.answer, tt.status)
					return true
				}
				_, err := h.tryComment(t, first)
				if want := tt.tries; passes && want > 1 {
					if err != nil || tries != 3 {
						t.Errorf("after a while: %v in %d tries", err, tries)
					}
				} else if err == nil || tries != want {
					t.Errorf("%v in %d tries, want %d", err, tries, want)
				}
			}
		})
	}
}

// A comment that was deleted between look and edit is written again, and first
// runs that post at once leave one comment with the last one's text.
func TestCommentRaces(t *testing.T) {
	h := newHub(t)
	h.comment(t, first)
	h.fail = func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodPatch {
			h.comments, h.fail = nil, nil
		}
		return false
	}
	h.comment(t, second)
	if len(h.comments) != 1 || !isOf(h.comments[0], second) {
		t.Errorf("there are %v", h.comments)
	}

	h = newHub(t)
	h.fail = func(_ http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodPost {
			h.fail = nil
			for i, run := range []string{"3", "1"} { // the other runs were faster
				h.comments = append(h.comments, map[string]any{"id": i + 1, "body": marker + "\nrun " + run, "user": h.user()})
			}
		}
		return false
	}
	h.comment(t, second)
	if len(h.comments) != 1 || h.comments[0]["id"] != 1 || !isOf(h.comments[0], second) {
		t.Errorf("there are %v", h.comments)
	}
}

// One issue of a stack while there is drift, closed afterwards, and another one for the
// next. What is about other stacks stays.
func TestIssue(t *testing.T) {
	h := newHub(t)
	r := newRunner(t, map[string]string{"GITHUB_API_URL": h.URL, "GITHUB_TOKEN": "secret-token"})
	const driftMarker = "<!-- hello-timber: drift of staging -->"
	h.issues = append(h.issues, map[string]any{"number": 99, "body": driftMarker, "pull_request": map[string]any{}, "user": h.user()},
		map[string]any{"number": 98, "body": driftMarker, "user": map[string]any{"login": "stranger"}})
	for _, step := range []struct{ stack, does string }{
		{"staging", ""}, {"drifted", "POST /issues"}, {"staging", ""}, {"none", "POST /issues"},
	} {
		h.calls = nil
		_, _, _ = r.run(t, "drift", "STACKS="+step.stack) // its failure is what the issue is about
		if _, _, err := r.run(t, "issue", "STACKS="+step.stack); err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(h.calls, ", "); got != step.does {
			t.Errorf("%s: wrote %q, want %q", step.stack, got, step.does)
		}
	}
	drifted := r.pulumi.stacks["drifted"]
	events := drifted.events
	h.calls = nil
	for _, found := range []string{events, "staging.events", "staging.events", events} {
		drifted.events = found
		_, _, _ = r.run(t, "drift", "STACKS=drifted")
		if _, _, err := r.run(t, "issue", "STACKS=drifted"); err != nil {
			t.Fatal(err)
		}
	}
	if want, got := "[PATCH /issues/3 PATCH /issues/3 POST /issues]", fmt.Sprint(h.calls); got != want {
		t.Errorf("wrote %s, want %s", got, want)
	}
	if h.issues[2]["state"] != "closed" || h.issues[3]["state"] != nil || h.issues[4]["state"] != nil || h.issues[1]["state"] != nil {
		t.Errorf("the issues are %v", h.issues)
	}
	if h.issues[4]["title"] != "The cloud is not as deployed: drifted" || fmt.Sprint(h.issues[4]["labels"]) != "[drift]" {
		t.Errorf("the last issue is %v", h.issues[4])
	}
}

func TestGitHubMistakes(t *testing.T) {
	h := newHub(t)
	for want, env := range map[string][]string{
		"GITHUB_TOKEN is not set": {"GITHUB_TOKEN="},
		"Bad credentials":         {"GITHUB_TOKEN=wrong"},
		"does not say whose":      {"GITHUB_TOKEN=secret-token"},
		"404":                     {"PULL_REQUEST=8"},
	} {
		if h.login = "timber-bot"; want == "does not say whose" {
			h.login = ""
		}
		r := newRunner(t, map[string]string{"STACKS": "dev", "GITHUB_API_URL": h.URL, "GITHUB_TOKEN": "secret-token", "PULL_REQUEST": "7"})
		_, _, err := r.run(t, "comment", env...)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret-token") {
			t.Errorf("got %v, want %q", err, want)
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
	for _, name := range []string{"dev", "staging", "prod", "watch-dev", "watch-staging", "watch-prod", "prod-approval"} {
		path := "/environments/" + name
		if good[path+"/deployment-branch-policies"] = `{"branch_policies": [{"name": "main", "type": "branch"}]}`; name != "prod-approval" {
			good[path] = `{"can_admins_bypass": false, "protection_rules": [{"type": "branch_policy"}]}`
		}
	}
	branches := func(environment string) string { return "/environments/" + environment + "/deployment-branch-policies" }
	for name, tt := range map[string]struct{ path, old, new, want string }{
		"all is set":                   {"", "x", "x", ""},
		"all is set, private":          {"", good[""], isPrivate, ""},
		"an unknown owner":             {"/codeowners/errors", "[]", `[{"line": 2, "message": "Unknown owner"}]`, "CODEOWNERS: line 2"},
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
		"the nightly check is off":     {"/actions/workflows", "active", "disabled_inactivity", "gh workflow enable nightly"},
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
		r := newRunner(t, map[string]string{"GITHUB_API_URL": h.URL, "GITHUB_TOKEN": "secret-token"})
		places := "BACKEND=b\nIMAGES=i\nPROVIDER=p\nIDENTITIES=i\n"
		if strings.HasPrefix(tt.want, "PROVIDER") {
			places = strings.Replace(places, "=p", "=", 1)
		}
		writeFile(t, filepath.Join(r.folder, run.GoogleFile), places)
		if strings.HasPrefix(tt.want, "no checksum") {
			writeFile(t, filepath.Join(r.folder, run.SumsFile), "?"+sumOf)
		}
		_, _, err := r.run(t, "settings")
		if (err == nil) != (tt.want == "") || err != nil && (!strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), "Fix: ") && !strings.Contains(err.Error(), "GET")) {
			t.Errorf("%s: got %v, want %q", name, err, tt.want)
		}
	}
}

// Promotion accepts what main's deploy workflow built on main, in dev's repository.
func TestVerify(t *testing.T) {
	args := strings.Join(deploy.VerifyArgs(imageV1, "o/r"), " ")
	for _, want := range []string{
		"--cert-identity https://github.com/o/r/.github/workflows/deploy.yml@refs/heads/main", "--source-ref refs/heads/main", "--repo o/r", "oci://" + imageV1,
	} {
		if !strings.Contains(args, want) {
			t.Errorf("%q does not have %q", args, want)
		}
	}
	if strings.Contains(args, "--signer-workflow") || strings.Contains(args, "regex") {
		t.Errorf("%q has a pattern", args)
	}
	tools := t.TempDir()
	t.Setenv("PATH", tools+":"+os.Getenv("PATH"))
	for _, tool := range []string{"gh", "gcloud"} {
		script := "#!/bin/sh\necho " + tool + " \"$@\" >> " + tools + "/calls\n[ ! -e " + tools + "/refuse ] || [ " + tool + " = gcloud ]\n"
		if err := os.WriteFile(filepath.Join(tools, tool), []byte(script), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	repository, _, _ := strings.Cut(imageV1, "@")
	r := newRunner(t, map[string]string{"IMAGE": imageV1})
	writeFile(t, filepath.Join(r.folder, run.GoogleFile), "IMAGES="+repository+"\n")
	if _, log, err := r.run(t, "verify"); err != nil {
		t.Fatal(err, log)
	}
	if calls, err := os.ReadFile(tools + "/calls"); err != nil || !strings.Contains(string(calls), "gh "+args) {
		t.Errorf("ran %q, %v", calls, err)
	}
	if err := os.WriteFile(tools+"/refuse", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := r.run(t, "verify"); err == nil || !strings.Contains(err.Error(), "does not attest") {
		t.Errorf("without an attestation: %v", err)
	}
	for file, want := range map[string]string{
		"IMAGES=europe-west1-docker.pkg.dev/evil/hello-timber-dev/timber-tutorial\n": "where dev pushes", "IMAGES=\n": `IMAGES="" is not a repository`,
	} {
		writeFile(t, filepath.Join(r.folder, run.GoogleFile), file)
		if _, _, err := r.run(t, "verify", "IMAGES="+repository); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("with %q: %v", file, err)
		}
	}
}

// A change of app/ needs a new imageVersion, if tags are immutable, whatever the project's name.
func TestVersion(t *testing.T) {
	folder := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		path := filepath.Join(folder, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	git(t, folder, "init", "--quiet", "--initial-branch=main")
	const pulumi = "../Pulumi.yaml"
	write("Pulumi.yaml", regexp.MustCompile(`(?m)^name: .*`).ReplaceAllString(string(filesOf(t, 1, pulumi)[pulumi]), "name: shop"))
	for _, step := range []struct{ app, config, base, want string }{
		{"one", "immutableTags: true\n  shop:imageVersion: v1", "HEAD", ""},
		{"one", "immutableTags: true\n  shop:imageVersion: v1\n  shop:replicas: 2", "HEAD~1", ""},
		{"two", "immutableTags: true\n  shop:imageVersion: v1", "HEAD~1", "imageVersion is still v1"},
		{"three", "immutableTags: true\n  shop:imageVersion: v2", "HEAD~1", ""},
		{"four", "immutableTags: false\n  shop:imageVersion: v2", "HEAD~1", ""},
		{"five", "imageVersion: v2", "HEAD~1", "imageVersion is still v2"},
		{"default", "replicas: 1", "HEAD~1", ""},
		{"default again", "replicas: 1", "HEAD~1", "imageVersion is still v1"},
		{"six", "imageVersion: v3", "none", "compare app/ with none"},
	} {
		write("app/main.go", step.app)
		write("Pulumi.dev.yaml", "config:\n  shop:"+step.config+"\n")
		git(t, folder, "add", ".")
		git(t, folder, "commit", "--quiet", "--message", "step")
		r := &runner{folder: folder, env: map[string]string{"BASE": step.base}}
		_, log, err := r.run(t, "version")
		if (err == nil) != (step.want == "") || err != nil && !strings.Contains(err.Error(), step.want) {
			t.Errorf("%s: got %v, want %q\n%s", step.app, err, step.want, log)
		}
	}
}

// git runs Git in a folder, without the machine's own settings.
func git(t *testing.T, folder string, args ...string) string {
	t.Helper()
	command := exec.Command("git", append([]string{"-C", folder, "-c", "user.name=t", "-c", "user.email=t@example.com"}, args...)...)
	command.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null")
	out, err := command.CombinedOutput()
	if err != nil {
		t.Fatalf("git %q: %v\n%s", args, err, out)
	}
	return strings.TrimSpace(string(out))
}
