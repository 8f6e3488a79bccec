package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// The texts, whole, as people see them on GitHub.
func TestGolden(t *testing.T) {
	files := []string{"testdata/dev.json", "testdata/staging.json", "testdata/prod.json"}
	for _, tt := range []struct {
		golden  string
		args    []string
		wantErr string
	}{
		{"preview", append([]string{"preview"}, files...), ""},
		{"preview-same", []string{"preview", "testdata/staging.json"}, ""},
		{"preview-failed", []string{"preview", "testdata/refused.json", "testdata/staging.json", "testdata/unreachable.json"}, "refused, unreachable"},
		{"drift", []string{"drift", "testdata/staging.json", "testdata/prod.json"}, "prod"},
		{"drift-none", []string{"drift", "testdata/staging.json"}, ""},
		{"drift-failed", []string{"drift", "testdata/staging.json", "testdata/unreachable.json"}, "unreachable"},
	} {
		t.Run(tt.golden, func(t *testing.T) {
			var out strings.Builder
			err := run(t.Context(), tt.args, environment(map[string]string{"COMMIT": "0123456"}), &out)
			if (err != nil) != (tt.wantErr != "") || err != nil && !strings.HasSuffix(err.Error(), ": "+tt.wantErr) {
				t.Errorf("ended with %v, want %q", err, tt.wantErr)
			}
			golden := filepath.Join("testdata", tt.golden+".golden.md")
			if *update {
				if err := os.WriteFile(golden, []byte(out.String()), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if out.String() != string(want) {
				t.Errorf("got\n%s\nwant %s; if the new text is right: go test ./pipelines -update", &out, golden)
			}
			for _, secret := range []string{"hunter2", "go build", "a warning"} {
				if strings.Contains(out.String(), secret) {
					t.Errorf("%q is no part of a summary", secret)
				}
			}
		})
	}
}

// digestOf is a preview that makes n resources of one value each.
func digestOf(t *testing.T, n int, op, value string) []byte {
	t.Helper()
	var steps []any
	for i := range n {
		s := map[string]any{"custom": true, "inputs": map[string]any{"value": value}}
		step := map[string]any{"op": op, "urn": fmt.Sprintf("urn:pulumi:s::p::a:b:C::resource-%d", i), "newState": s}
		if op == "delete" {
			step["newState"], step["oldState"] = nil, s
		}
		steps = append(steps, step)
	}
	text, err := json.Marshal(map[string]any{"steps": steps, "changeSummary": map[string]int{op: n}})
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestSize(t *testing.T) {
	long := strings.Repeat("ü", 140)
	for name, tt := range map[string]struct {
		plans []plan
		cut   []string // what must be said
	}{
		"fits":                     {[]plan{readPlan("dev", digestOf(t, 100, "create", long))}, nil},
		"one diff too long":        {[]plan{readPlan("dev", digestOf(t, 500, "create", long)), readPlan("prod", digestOf(t, 1, "delete", "the last"))}, []string{"make preview STACK=dev", "the last", "1 deleted"}},
		"every diff too long":      {[]plan{readPlan("dev", digestOf(t, 300, "create", long)), readPlan("staging", digestOf(t, 300, "create", long)), readPlan("prod", digestOf(t, 300, "delete", long))}, []string{"make preview STACK=dev", "make preview STACK=staging", "make preview STACK=prod", "300 deleted"}},
		"names alone are too long": {[]plan{readPlan("dev", digestOf(t, 5000, "delete", "x"))}, []string{"5000 deleted", "Cut here"}},
	} {
		t.Run(name, func(t *testing.T) {
			text := previewPage("").render(tt.plans)
			if len(text) > maxBody {
				t.Errorf("the text has %d bytes, GitHub takes %d", len(text), maxBody)
			}
			if (len(tt.cut) > 0) != strings.Contains(text, "Cut here") {
				t.Errorf("a text of %d bytes: cut is %t", len(text), len(tt.cut) == 0)
			}
			for _, want := range tt.cut {
				if !strings.Contains(text, want) {
					t.Errorf("the text does not say %q", want)
				}
			}
			if strings.Count(text, "<details>") != strings.Count(text, "</details>") && name != "names alone are too long" {
				t.Error("a <details> is not closed")
			}
			if strings.Count(text, "\n```")%2 != 0 {
				t.Error("a fence is not closed")
			}
		})
	}
}

// hub is a GitHub of one repository, o/r, that remembers what was posted.
type hub struct {
	*httptest.Server
	comments, issues []map[string]any
	writes           []string
}

func newHub(t *testing.T) *hub {
	h := &hub{}
	mux := http.NewServeMux()
	list := func(posts *[]map[string]any) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			var page int
			fmt.Sscan(r.FormValue("page"), &page)
			from := min((page-1)*perPage, len(*posts))
			json.NewEncoder(w).Encode((*posts)[from:min(from+perPage, len(*posts))])
		}
	}
	write := func(posts *[]map[string]any, key string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			h.writes = append(h.writes, r.Method+" "+r.URL.Path)
			var fields map[string]any
			if err := json.NewDecoder(r.Body).Decode(&fields); err != nil {
				t.Error(err)
			}
			at := map[string]any{key: len(*posts) + 1, "html_url": fmt.Sprint("https://github/", len(*posts)+1)}
			if r.Method == http.MethodPost {
				*posts = append(*posts, at)
			}
			for _, post := range *posts {
				if fmt.Sprint(post[key]) == r.PathValue("id") {
					at = post
				}
			}
			for name, value := range fields {
				at[name] = value
			}
			json.NewEncoder(w).Encode(at)
		}
	}
	mux.HandleFunc("GET /repos/o/r/issues/7/comments", list(&h.comments))
	mux.HandleFunc("POST /repos/o/r/issues/7/comments", write(&h.comments, "id"))
	mux.HandleFunc("PATCH /repos/o/r/issues/comments/{id}", write(&h.comments, "id"))
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
		list(&open)(w, r)
	})
	mux.HandleFunc("POST /repos/o/r/issues", write(&h.issues, "number"))
	mux.HandleFunc("PATCH /repos/o/r/issues/{id}", write(&h.issues, "number"))
	h.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer secret-token" {
			http.Error(w, `{"message":"Bad credentials"}`, http.StatusUnauthorized)
			return
		}
		mux.ServeHTTP(w, r)
	}))
	t.Cleanup(h.Close)
	return h
}

func (h *hub) env(more map[string]string) func(string) string {
	values := map[string]string{"GITHUB_API_URL": h.URL, "GITHUB_REPOSITORY": "o/r", "GITHUB_TOKEN": "secret-token", "PULL_REQUEST": "7"}
	for key, value := range more {
		values[key] = value
	}
	return environment(values)
}

func environment(values map[string]string) func(string) string {
	return func(key string) string { return values[key] }
}

func publish(t *testing.T, h *hub, args ...string) string {
	t.Helper()
	var out strings.Builder
	if err := run(t.Context(), args, h.env(nil), &out); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// One comment, found among many and updated, also when nothing changes any more.
func TestComment(t *testing.T) {
	h := newHub(t)
	for i := range 2 * perPage {
		h.comments = append(h.comments, map[string]any{"id": 1000 + i, "body": "talk about " + previewPage("").marker})
	}
	where := publish(t, h, "comment", "testdata/dev.json")
	if again := publish(t, h, "comment", "testdata/staging.json"); again != where || where == "" {
		t.Errorf("first at %q, then at %q", where, again)
	}
	if got, want := fmt.Sprint(h.writes), "[POST /repos/o/r/issues/7/comments PATCH /repos/o/r/issues/comments/201]"; got != want {
		t.Errorf("wrote %s, want %s", got, want)
	}
	if body := fmt.Sprint(h.comments[200]["body"]); !strings.Contains(body, "no changes") || strings.Contains(body, "### dev") {
		t.Errorf("the comment says\n%s", body)
	}
}

// One issue while there is drift, closed afterwards, and another one for the next.
func TestIssue(t *testing.T) {
	h := newHub(t)
	h.issues = append(h.issues, map[string]any{"number": 99, "body": driftPage.marker, "pull_request": map[string]any{}})
	publish(t, h, "issue", "testdata/staging.json")
	if len(h.writes) > 0 {
		t.Errorf("without drift it wrote %q", h.writes)
	}
	for _, file := range []string{"prod", "unreachable", "staging", "staging", "prod"} {
		publish(t, h, "issue", "testdata/"+file+".json")
	}
	want := "[POST /repos/o/r/issues PATCH /repos/o/r/issues/2 PATCH /repos/o/r/issues/2 POST /repos/o/r/issues]"
	if got := fmt.Sprint(h.writes); got != want {
		t.Errorf("wrote %s, want %s", got, want)
	}
	if h.issues[1]["state"] != "closed" || h.issues[2]["state"] != nil {
		t.Errorf("the first issue is %v, the second %v", h.issues[1]["state"], h.issues[2]["state"])
	}
	if labels := fmt.Sprint(h.issues[2]["labels"]); labels != "[drift]" {
		t.Errorf("labels %s", labels)
	}
}

func TestMistakes(t *testing.T) {
	h := newHub(t)
	for want, tt := range map[string]struct {
		args []string
		env  map[string]string
	}{
		"usage":              {nil, nil},
		"usage:":             {[]string{"preview"}, nil},
		`no "propose"`:       {[]string{"propose", "testdata/dev.json"}, nil},
		"no such file":       {[]string{"preview", "testdata/none.json"}, nil},
		`pull request "x"`:   {[]string{"comment", "testdata/dev.json"}, map[string]string{"PULL_REQUEST": "x"}},
		"PULL_REQUEST must":  {[]string{"comment", "testdata/dev.json"}, map[string]string{"PULL_REQUEST": ""}},
		"GITHUB_TOKEN set":   {[]string{"comment", "testdata/dev.json"}, map[string]string{"GITHUB_TOKEN": ""}},
		"OWNER/NAME":         {[]string{"issue", "testdata/prod.json"}, map[string]string{"GITHUB_REPOSITORY": "r"}},
		"Bad credentials":    {[]string{"issue", "testdata/prod.json"}, map[string]string{"GITHUB_TOKEN": "wrong"}},
		"connection refused": {[]string{"issue", "testdata/prod.json"}, map[string]string{"GITHUB_API_URL": "http://127.0.0.1:1"}},
		"404":                {[]string{"comment", "testdata/dev.json"}, map[string]string{"PULL_REQUEST": "8"}},
	} {
		t.Run(want, func(t *testing.T) {
			var out strings.Builder
			err := run(context.Background(), tt.args, h.env(tt.env), &out)
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("ended with %v, want %q", err, want)
			}
			if err != nil && strings.Contains(err.Error(), "secret-token") {
				t.Errorf("the error tells the token: %v", err)
			}
		})
	}
}

func TestNextKey(t *testing.T) {
	for path, want := range map[string][2]string{
		"a":           {"a", ""},
		"a.b":         {"a", ".b"},
		".b[0]":       {"b", "[0]"},
		`["x.y"].z`:   {"x.y", ".z"},
		`["q\"]"][1]`: {`q"]`, "[1]"},
		"[12].a":      {"12", ".a"},
		"[":           {"", ""},
		`["open`:      {`"open`, ""},
	} {
		if key, rest := nextKey(path); key != want[0] || rest != want[1] {
			t.Errorf("nextKey(%q) = %q, %q, want %q", path, key, rest, want)
		}
	}
}
