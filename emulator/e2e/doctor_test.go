//go:build e2e

package e2e

import (
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// doctor checks that `make doctor` finds what a stack on Google Cloud lacks, and
// that the commands that it prints fix it. doctor/ has tests of everything that it looks for.
func doctor(t *testing.T, s *stack) {
	s.env = append(s.env, "CLOUDSDK_API_ENDPOINT_OVERRIDES_CLOUDRESOURCEMANAGER=http://127.0.0.1:1") // the emulator has no roles
	// The doctor looks at the program in the folder that it is started in.
	program := s.copy(t)
	program.run(t, "go", "-C", root(), "build", "-o", filepath.Join(program.folder, "doctor"), "./doctor")
	says := func() string {
		out, err := program.try("./doctor") // Docker is left out: a build for Google needs a newer engine than the emulator
		return out + said(err)
	}
	for _, spoil := range [][]string{
		{"gcloud", "services", "disable", "cloudresourcemanager.googleapis.com", "--project", s.project()},
		{"pulumi", "config", "rm", "gcp:project"},
	} {
		program.run(t, spoil[0], spoil[1:]...)
		found := says()
		fixes := regexp.MustCompile(`(?m)^MISSING +(?:apis|stack) .*\. Fix: (.*)$`).FindStringSubmatch(found)
		if fixes == nil {
			t.Fatalf("after %q it says\n%s", spoil, found)
		}
		program.run(t, "sh", "-ec", strings.Replace(fixes[1], "PROJECT_ID", s.project(), 1))
	}
	fixed := says()
	for _, what := range []string{"ok +pulumi", "ok +stack", "ok +gcloud", "ok +plugin", "ok +account", "ok +login", "ok +project", "ok +apis", "unknown +roles"} {
		if !regexp.MustCompile("(?m)^" + what).MatchString(fixed) {
			t.Errorf("it does not say %s:\n%s", what, fixed)
		}
	}
}
