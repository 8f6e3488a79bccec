package github_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"hello-timber/pipelines/run/runtest"
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
func (h *hub) runner(t *testing.T) *runtest.Runner {
	t.Helper()
	return runtest.New(t, "STACKS=dev", "GITHUB_API_URL="+h.URL, "GITHUB_TOKEN=secret-token", "PULL_REQUEST=7")
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
