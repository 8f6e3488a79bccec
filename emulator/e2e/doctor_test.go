package e2e

import (
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
)

// TestDoctor checks that `make doctor` finds what a stack on Google Cloud lacks, and
// that the commands that it prints fix it. The emulator has no roles, networks, billing
// and quotas: doctor/ has tests of them.
func TestDoctor(t *testing.T) {
	s := newStack(t, "e2e-doctor")
	project := "hello-timber-" + s.name
	google := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, `{"error": {"message": "this project has no roles"}}`, http.StatusForbidden)
	}))
	defer google.Close()
	s.env = append(s.env, "CLOUDSDK_API_ENDPOINT_OVERRIDES_CLOUDRESOURCEMANAGER="+google.URL)
	doctor := func() string {
		says, err := s.try("go", "run", "./doctor")
		if err != nil {
			says = said(err)
		}
		return says
	}
	// Docker is left out: a build for Google needs a newer engine than the emulator.
	healthy := func() {
		t.Helper()
		says := doctor()
		for _, what := range []string{"pulumi", "stack", "gcloud", "plugin", "account", "login", "project", "apis"} {
			if !regexp.MustCompile(`(?m)^ok +` + what).MatchString(says) {
				t.Errorf("%s is not ok", what)
			}
		}
		if !strings.Contains(says, "unknown  roles    403 Forbidden: this project has no roles") {
			t.Errorf("it says\n%s", says)
		}
	}
	healthy()

	for what, spoil := range map[string][]string{
		"apis":  {"gcloud", "services", "disable", "cloudresourcemanager.googleapis.com", "--project", project},
		"login": {"gcloud", "auth", "application-default", "revoke"},
		"stack": {"pulumi", "config", "rm", "gcp:project"},
	} {
		s.run(t, spoil[0], spoil[1:]...)
		says := doctor()
		fix := regexp.MustCompile(`(?m)^MISSING +` + what + ` .*\. Fix: (.*)$`).FindStringSubmatch(says)
		if fix == nil {
			t.Fatalf("without %s it says\n%s", what, says)
		}
		s.run(t, "sh", "-ec", strings.Replace(fix[1], "PROJECT_ID", project, 1))
		healthy()
	}
}
