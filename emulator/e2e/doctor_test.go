//go:build e2e

package e2e

import (
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// doctor checks that `make doctor` finds what a stack on Google Cloud lacks, and
// that the commands that it prints fix it. doctor/ has tests of everything that it looks for.
func doctor(t *testing.T, s *stack) {
	google := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, `{"error": {"message": "this project has no roles"}}`, http.StatusForbidden)
	}))
	defer google.Close()
	s.env = append(s.env, "CLOUDSDK_API_ENDPOINT_OVERRIDES_CLOUDRESOURCEMANAGER="+google.URL)
	// The doctor looks at the program in the folder that it is started in.
	program := s.copy(t)
	program.run(t, "go", "-C", root(), "build", "-o", filepath.Join(program.folder, "doctor"), "./doctor")
	for _, spoil := range [][]string{
		{"gcloud", "services", "disable", "cloudresourcemanager.googleapis.com", "--project", s.project()},
		{"pulumi", "config", "rm", "gcp:project"},
	} {
		program.run(t, spoil[0], spoil[1:]...)
		says, err := program.try("./doctor")
		if err != nil {
			says = said(err)
		}
		fixes := regexp.MustCompile(`(?m)^MISSING +(?:apis|stack) .*\. Fix: (.*)$`).FindStringSubmatch(says)
		if fixes == nil {
			t.Fatalf("after %q it says\n%s", spoil, says)
		}
		program.run(t, "sh", "-ec", strings.Replace(fixes[1], "PROJECT_ID", s.project(), 1))
	}
	// Docker is left out: a build for Google needs a newer engine than the emulator.
	says, err := program.try("./doctor")
	if err != nil {
		says = said(err)
	}
	for _, what := range []string{"pulumi", "stack", "gcloud", "plugin", "account", "login", "project", "apis"} {
		if !regexp.MustCompile(`(?m)^ok +` + what).MatchString(says) {
			t.Errorf("%s is not ok", what)
		}
	}
	if !strings.Contains(says, "unknown  roles    403 Forbidden: this project has no roles") {
		t.Errorf("it says\n%s", says)
	}
}
