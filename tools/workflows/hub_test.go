package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// newHub is GitHub for the program: a repository without comments and issues. It notes what is written, where the stand-ins find it.
func newHub(t *testing.T, state string) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer token" {
			http.Error(w, "{}", http.StatusUnauthorized)
			return
		}
		written, path, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
		path = strings.TrimPrefix("/"+path, "/repos/"+repository)
		var answer any = []any{}
		switch {
		case path == "/graphql":
			answer = map[string]any{"data": map[string]any{"viewer": map[string]string{"login": "github-actions[bot]"}}}
		case r.Method != http.MethodGet:
			if err := note(filepath.Join(state, written), r, path); err != nil {
				http.Error(w, err.Error(), http.StatusInternalServerError)
				return
			}
			answer = map[string]any{"id": 1, "html_url": "https://github.com" + path}
		case strings.HasPrefix(path, "/pulls/"):
			answer = map[string]any{"head": map[string]any{"sha": commit}}
		}
		if err := json.NewEncoder(w).Encode(answer); err != nil {
			t.Error(err)
		}
	}))
	t.Cleanup(server.Close)
	return server.URL
}

// note appends a request, with the rows of its text about stacks.
func note(file string, r *http.Request, path string) error {
	var sent struct{ Body, Title, Name string }
	if err := json.NewDecoder(r.Body).Decode(&sent); err != nil {
		return err
	}
	text := strings.Join(strings.Fields(fmt.Sprint(r.Method, " ", path, " ", sent.Title, " ", sent.Name)), " ") + "\n"
	for line := range strings.Lines(sent.Body) {
		for _, stack := range []string{"dev", "staging", "prod"} {
			if strings.HasPrefix(line, "| "+stack+" |") {
				text += line
			}
		}
	}
	out, err := os.OpenFile(file, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer out.Close()
	_, err = out.WriteString(text)
	return err
}
