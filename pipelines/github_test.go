package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
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
}

func newHub(t *testing.T) *hub {
	h := &hub{login: "github-actions[bot]"}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /user", func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, `{"message":"Resource not accessible by integration"}`, http.StatusForbidden)
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
		from := min((page-1)*perPage, len(*posts))
		json.NewEncoder(w).Encode((*posts)[from:min(from+perPage, len(*posts))])
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

// client is a caller of the hub that does not really wait.
func (h *hub) client() github {
	return github{h.URL, "o/r", "secret-token", func(context.Context, time.Duration) error { return nil }}
}

const marker = "<!-- hello-timber: preview -->"

func (h *hub) comment(t *testing.T, text string) string {
	t.Helper()
	where, err := h.client().publish(t.Context(), "/issues/7/comments", "/issues/comments/%d", text, map[string]any{})
	if err != nil {
		t.Fatal(err)
	}
	return where
}

func text(run, body string) string { return marker + "\n" + runPrefix + run + " -->\n" + body }

// One comment of this token's own, found among many, with the newest run's text.
func TestComment(t *testing.T) {
	for _, login := range []string{"github-actions[bot]", "acme-timber[bot]", "timber-bot"} {
		h := newHub(t)
		h.login = login
		for i := range 2 * perPage {
			h.comments = append(h.comments, map[string]any{"id": 1000 + i, "body": "talk about " + marker, "user": h.user()})
		}
		stranger := map[string]any{"id": 5, "body": text("1", "a stranger's"), "user": map[string]any{"login": "stranger"}}
		h.comments = append(h.comments, stranger)
		where := h.comment(t, text("2", "first"))
		if again := h.comment(t, text("3", "second")); again != where || where == "" {
			t.Errorf("first at %q, then at %q", where, again)
		}
		if kept := h.comment(t, text("2", "of an older run that ends last")); !strings.Contains(kept, "kept") {
			t.Errorf("an older run wrote at %q", kept)
		}
		if same := h.comment(t, text("3", "the same run again")); same != where {
			t.Errorf("the same run wrote at %q", same)
		}
		if body := fmt.Sprint(h.comments[201]["body"]); body != text("3", "the same run again") {
			t.Errorf("the comment is %q", body)
		}
		if stranger["body"] != text("1", "a stranger's") {
			t.Errorf("a stranger's comment is now %q", stranger["body"])
		}
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
		"bad gateway":          {http.StatusBadGateway, nil, "", attempts},
		"too many":             {http.StatusTooManyRequests, map[string]string{"Retry-After": "1"}, "", attempts},
		"secondary rate limit": {http.StatusForbidden, nil, `{"message":"You have exceeded a secondary rate limit"}`, attempts},
		"no requests left":     {http.StatusForbidden, map[string]string{"X-RateLimit-Remaining": "0"}, "", attempts},
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
				_, err := h.client().publish(t.Context(), "/issues/7/comments", "/issues/comments/%d", text("1", "x"), map[string]any{})
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
// runs that post at once leave one comment with the newest text.
func TestCommentRaces(t *testing.T) {
	h := newHub(t)
	h.comment(t, text("1", "first"))
	h.fail = func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodPatch {
			h.comments, h.fail = nil, nil
		}
		return false
	}
	h.comment(t, text("2", "second"))
	if len(h.comments) != 1 || h.comments[0]["body"] != text("2", "second") {
		t.Errorf("there are %v", h.comments)
	}

	h = newHub(t)
	h.fail = func(_ http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodPost {
			h.fail = nil
			for i, run := range []string{"3", "1"} { // the other runs were faster
				h.comments = append(h.comments, map[string]any{"id": i + 1, "body": text(run, "run "+run), "user": h.user()})
			}
		}
		return false
	}
	h.comment(t, text("2", "run 2"))
	if len(h.comments) != 1 || h.comments[0]["body"] != text("3", "run 3") {
		t.Errorf("there are %v", h.comments)
	}
}

// One issue while there is drift, closed afterwards, and another one for the next.
func TestIssue(t *testing.T) {
	h := newHub(t)
	r := newRunner(t, map[string]string{"GITHUB_API_URL": h.URL, "GITHUB_TOKEN": "secret-token"})
	driftMarker := (&pipeline{lookup: os.LookupEnv}).driftPage().marker
	h.issues = append(h.issues, map[string]any{"number": 99, "body": driftMarker, "pull_request": map[string]any{}, "user": h.user()},
		map[string]any{"number": 98, "body": driftMarker, "user": map[string]any{"login": "stranger"}})
	for _, stack := range []string{"staging", "drifted", "none", "staging", "staging", "drifted"} {
		_, _, _ = r.run(t, "drift", "STACKS="+stack) // its failure is what the issue is about
		if _, _, err := r.run(t, "issue", "STACKS="+stack); err != nil {
			t.Fatal(err)
		}
	}
	want := "[POST /issues PATCH /issues/3 PATCH /issues/3 POST /issues]"
	if got := fmt.Sprint(h.calls); got != want {
		t.Errorf("wrote %s, want %s", got, want)
	}
	if h.issues[2]["state"] != "closed" || h.issues[3]["state"] != nil || h.issues[1]["state"] != nil {
		t.Errorf("the issues are %v", h.issues)
	}
	if labels := fmt.Sprint(h.issues[3]["labels"]); labels != "[drift]" {
		t.Errorf("labels %s", labels)
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

// settings finds each rule that docs/pipelines.md relies on and GitHub does not keep.
func TestSettings(t *testing.T) {
	good := map[string]string{
		"/actions/workflows":                                     `{"workflows": [{"path": ".github/workflows/nightly.yml", "state": "active"}]}`,
		"/codeowners/errors":                                     `{"errors": []}`,
		"/environments/prod-approval":                            `{"protection_rules": [{"type": "required_reviewers", "prevent_self_review": true, "reviewers": [{"type": "Team"}]}]}`,
		"/rules/branches/main":                                   `[{"type": "pull_request", "parameters": {"require_code_owner_review": true}}, {"type": "required_status_checks", "parameters": {"required_status_checks": [{"context": "test"}, {"context": "lint"}, {"context": "vulnerabilities"}, {"context": "version"}]}}, {"type": "non_fast_forward"}, {"type": "deletion"}]`,
		"/environments/dev/deployment-branch-policies":           `{"branch_policies": [{"name": "main", "type": "branch"}]}`,
		"/environments/staging/deployment-branch-policies":       `{"branch_policies": [{"name": "main"}]}`,
		"/environments/prod/deployment-branch-policies":          `{"branch_policies": [{"name": "main"}]}`,
		"/environments/prod-approval/deployment-branch-policies": `{"branch_policies": [{"name": "main"}]}`,
	}
	for want, edit := range map[string][2]string{
		"":                              {},
		"CODEOWNERS: line 2":            {"/codeowners/errors", `{"errors": [{"line": 2, "message": "Unknown owner"}]}`},
		"environment dev: it accepts":   {"/environments/dev/deployment-branch-policies", `{"branch_policies": [{"name": "main"}, {"name": "*"}]}`},
		"environment prod: it accepts":  {"/environments/prod/deployment-branch-policies", `{"branch_policies": []}`},
		"environment staging: GET":      {"/environments/staging/deployment-branch-policies", ""},
		"no reviewer is required":       {"/environments/prod-approval", `{"protection_rules": [{"type": "required_reviewers", "reviewers": [{}]}]}`},
		"there is no rule pull_request": {"/rules/branches/main", `[{"type": "pull_request"}, {"type": "required_status_checks"}, {"type": "non_fast_forward"}, {"type": "deletion"}]`},
		"need not pass the check lint":  {"/rules/branches/main", strings.Replace(good["/rules/branches/main"], `{"context": "lint"}, `, "", 1)},
		"rule required_status_checks":   {"/rules/branches/main", `[]`},
		"PROVIDER is empty":             {},
		"no checksum of the plugin":     {},
		"gh workflow enable nightly":    {"/actions/workflows", strings.Replace(good["/actions/workflows"], "active", "disabled_inactivity", 1)},
	} {
		h := newHub(t)
		h.fail = func(w http.ResponseWriter, r *http.Request) bool {
			path := strings.TrimPrefix(r.URL.Path, "/repos/o/r")
			answer := good[path]
			if path == edit[0] {
				answer = edit[1]
			}
			if answer == "" {
				http.Error(w, "{}", http.StatusNotFound)
			} else {
				fmt.Fprint(w, answer)
			}
			return true
		}
		r := newRunner(t, map[string]string{"GITHUB_API_URL": h.URL, "GITHUB_TOKEN": "secret-token"})
		places := "BACKEND=b\nIMAGES=i\nPROVIDER=p\nIDENTITIES=i\n"
		if strings.HasPrefix(want, "PROVIDER") {
			places = strings.Replace(places, "=p", "=", 1)
		}
		writeFile(t, filepath.Join(r.folder, googleFile), places)
		if strings.HasPrefix(want, "no checksum") {
			writeFile(t, filepath.Join(r.folder, sumsFile), "?"+sumOf)
		}
		_, _, err := r.run(t, "settings")
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

// Promotion accepts what main's deploy workflow built on main, in dev's repository.
func TestVerify(t *testing.T) {
	args := strings.Join(verifyArgs(imageV1, "o/r"), " ")
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
	writeFile(t, filepath.Join(r.folder, googleFile), "IMAGES="+repository+"\n")
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
		writeFile(t, filepath.Join(r.folder, googleFile), file)
		if _, _, err := r.run(t, "verify", "IMAGES="+repository); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("with %q: %v", file, err)
		}
	}
}

// A change of app/ needs a new imageVersion, if tags are immutable, whatever the project's name.
func TestVersion(t *testing.T) {
	folder := t.TempDir()
	t.Setenv("GIT_CONFIG_GLOBAL", "/dev/null")
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
	git := func(args ...string) {
		t.Helper()
		command := exec.Command("git", append([]string{"-C", folder, "-c", "user.name=t", "-c", "user.email=t@example.com"}, args...)...)
		if out, err := command.CombinedOutput(); err != nil {
			t.Fatalf("git %q: %v\n%s", args, err, out)
		}
	}
	git("init", "--quiet", "--initial-branch=main")
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
		write(devConfig, "config:\n  shop:"+step.config+"\n")
		git("add", ".")
		git("commit", "--quiet", "--message", "step")
		r := &runner{folder: folder, env: map[string]string{"BASE": step.base}}
		_, log, err := r.run(t, "version")
		if (err == nil) != (step.want == "") || err != nil && !strings.Contains(err.Error(), step.want) {
			t.Errorf("%s: got %v, want %q\n%s", step.app, err, step.want, log)
		}
	}
}
