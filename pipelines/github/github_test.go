package github_test

import (
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"

	"hello-timber/pipelines/github"
	"hello-timber/pipelines/summary"
)

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
			out, _, err := h.runner(t).Run(github.Comment, "COMMIT="+commit)
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
	for commit, says := range map[string]string{h.head: "", "9876543210": "has a newer commit"} {
		r.Try("summary", "", summary.Summary, "COMMIT="+commit)
		if out, _ := r.Try("comment", "", github.Comment, "COMMIT="+commit); !strings.Contains(out, says) {
			t.Errorf("%s: %q", commit, out)
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
			_, _, err := h.runner(t).Run(github.Comment)
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
		h.calls, r.Pulumi.Stacks["drifted"].Events = nil, step.events
		what := fmt.Sprintf("step %d, %s", i, step.stack)
		r.Try(what, step.want, github.Issue, "STACKS="+step.stack)
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
		_, _, err := h.runner(t).Run(github.Comment, env)
		if err == nil || !strings.Contains(err.Error(), complaint) || strings.Contains(err.Error(), "secret-token") {
			t.Errorf("%s: got %v, want %q", env, err, complaint)
		}
	}
}

// A pull request's program keeps what it wants for the comment. What would be Markdown
// there, or is missing or of another commit, is a failure, not silence.
func TestForgedPlans(t *testing.T) {
	const of, forged = `{"Stack": "dev", "Commit": "0123456789"`, "not what make summary writes"
	for kept, says := range map[string]string{
		"":                                  "there is no preview",
		"{":                                 "unexpected end of JSON",
		`[{"Stack": "dev", "Commit": "9"}]`: "of commit \"9\", not of this run",
		`[{"Stack": "prod", "Commit": "0123456789"}]`:                         forged,
		`[` + of + `, "Changes": [{"Op": "approved"}]}]`:                      forged,
		`[` + of + `, "Costs": {"After": {"Priced": ["[click](x)"]}}}]`:       forged,
		`[` + of + `, "Costs": {"Before": {"Priced": ["www.example.com"]}}}]`: forged,
		`[` + of + `, "Costs": {"After": {"Unpriced": ["@everyone"]}}}]`:      forged,
		`[` + of + `, "Costs": {"After": {"Priced": ["x\n## Approved"]}}}]`:   forged,
		`[` + of + `}]`: "| dev | no changes |",
	} {
		h := newHub(t)
		r := h.runner(t)
		if kept != "" {
			r.Write("bin/plans.json", kept)
		}
		r.Try(kept, "", github.Comment)
		body, _ := h.comments[0]["body"].(string)
		if !strings.Contains(body, says) || strings.Contains(body, "| dev | ❌ **failed**") != !strings.HasPrefix(says, "|") || strings.Contains(body, "prod") {
			t.Errorf("of %s the comment says\n%s\nwant %q", kept, body, says)
		}
	}
}
