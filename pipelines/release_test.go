package main

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A release is published once its commit is on main, as often as it is asked for.
func TestRelease(t *testing.T) {
	for status, merged := range map[string]bool{"identical": true, "behind": true, "ahead": false, "diverged": false} {
		h := newHub(t)
		var writes []string
		h.fail = func(w http.ResponseWriter, r *http.Request) bool {
			path := strings.TrimPrefix(r.URL.Path, "/repos/o/r")
			switch {
			case path == "/compare/main...v1.2.0-rc.1":
				fmt.Fprintf(w, `{"status": %q}`, status)
			case r.Method == http.MethodGet && len(writes) == 0:
				http.Error(w, "{}", http.StatusNotFound)
			case r.Method == http.MethodGet:
				fmt.Fprint(w, `{"id": 5}`)
			default:
				text, err := io.ReadAll(r.Body)
				if err != nil || !strings.Contains(string(text), `"prerelease":true`) || !strings.Contains(string(text), "a candidate") {
					t.Errorf("wrote %s, %v", text, err)
				}
				writes = append(writes, r.Method+" "+path)
				fmt.Fprint(w, `{"html_url": "https://github/release"}`)
			}
			return true
		}
		r := newRunner(t, map[string]string{"GITHUB_API_URL": h.URL, "GITHUB_TOKEN": "secret-token", "TAG": "v1.2.0-rc.1"})
		if err := os.WriteFile(filepath.Join(r.folder, "CHANGELOG.md"), []byte("## [1.2.0-rc.1] - 2026-10-02\n\n- a candidate\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		for _, command := range []string{"notes", "release", "release"} {
			if out, _, err := r.run(t, command); (err == nil) != merged || err != nil && !strings.Contains(err.Error(), "is not on main") {
				t.Errorf("%s: %s: %q, %v", status, command, out, err)
			}
		}
		if want := map[bool]string{true: "[POST /releases PATCH /releases/5]", false: "[]"}[merged]; fmt.Sprint(writes) != want {
			t.Errorf("%s: wrote %q, want %s", status, writes, want)
		}
	}
}
