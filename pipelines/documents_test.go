package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

var (
	mdLink    = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	mdHeading = regexp.MustCompile(`(?m)^#+ (.+)$`)
	mdCode    = regexp.MustCompile("(?s)```.*?```")
)

// Documents refer to files, headings and make targets that exist.
func TestDocuments(t *testing.T) {
	for file, text := range filesOf(t, 8, "../*.md", "../docs/*.md", "../.github/*.md") {
		for _, found := range mdLink.FindAllStringSubmatch(mdCode.ReplaceAllString(string(text), ""), -1) {
			if strings.Contains(found[1], "://") {
				continue
			}
			path, heading, _ := strings.Cut(found[1], "#")
			to := file
			if path != "" {
				to = filepath.Join(filepath.Dir(file), path)
			}
			if !anchored(t, to, heading) {
				t.Errorf("%s refers to %s, which does not exist", file, found[1])
			}
		}
		for _, found := range regexp.MustCompile("`(make [^`]+)`|(?m)^(make .*)$").FindAllStringSubmatch(string(text), -1) {
			for _, mistake := range checkTargets(t, found[1]+found[2]) {
				t.Errorf("%s: %s: %s", file, found[0], mistake)
			}
		}
	}
}

// Each fault in the table of docs/reliability.md is an end-to-end test, by the same name.
func TestFaultsAreTests(t *testing.T) {
	const document, tests = "../docs/reliability.md", "../emulator/e2e/rows_test.go"
	texts := filesOf(t, 2, document, tests)
	_, table, _ := strings.Cut(string(texts[document]), "| fault | what holds | measured |\n|---|---|---|\n")
	table, _, _ = strings.Cut(table, "\n\n")
	faults := 0
	for line := range strings.Lines(table) {
		faults++
		if cells := strings.Split(line, " | "); len(cells) != 3 || !strings.Contains(string(texts[tests]), `{"`+strings.TrimPrefix(cells[0], "| ")+`", "`+cells[1]+`", `) {
			t.Errorf("%s: no row of %s is: %s", document, tests, line)
		}
	}
	if faults < 20 {
		t.Errorf("the table has %d faults", faults)
	}
}

// The changelog begins with what is not released, has nothing but versions after that, the
// newest first, and each has notes. The release takes them from here.
func TestChangelog(t *testing.T) {
	parts := strings.Split(read(t, "../CHANGELOG.md"), "\n## ")
	if len(parts) < 2 || !strings.HasPrefix(parts[1], "[Unreleased]\n") {
		t.Fatalf("it begins with %.20q", parts[1:])
	}
	newer := [3]int{1 << 20}
	for _, part := range parts[2:] {
		var version [3]int
		heading, notes, _ := strings.Cut(part, "\n")
		date, err := time.Parse(time.DateOnly, heading[max(0, len(heading)-len(time.DateOnly)):])
		if _, scanErr := fmt.Sscanf(heading, "[%d.%d.%d] - ", &version[0], &version[1], &version[2]); err != nil || scanErr != nil || date.IsZero() || strings.TrimSpace(notes) == "" {
			t.Errorf("%s is not [VERSION] - DATE, or has no notes", heading)
		}
		if slices.Compare(version[:], newer[:]) >= 0 {
			t.Errorf("%s is not older than the version above", heading)
		}
		newer = version
	}
}

// The set-up of the pipelines stops at the first command that fails, and switches them on
// only after it has checked GitHub's rules.
func TestSetUp(t *testing.T) {
	const file = "../docs/pipelines.md"
	text, from := string(filesOf(t, 1, file)[file]), 0
	for _, command := range []string{
		"set -euo pipefail\n", "cloudresourcemanager.googleapis.com serviceusage.googleapis.com --project $IDENTITIES\n", "gcloud iam workload-identity-pools create",
		`"google.subject=assertion.repository_id + ':' + assertion.run_id,`,
		"cat > pipelines/google.env <<", " make settings\n", "gh variable set PIPELINES --body on",
	} {
		at := strings.Index(text[from:], command)
		if at < 0 || strings.Count(text, command) != 1 {
			t.Errorf("%q is not once in %s, after the commands before it", command, file)
			continue
		}
		from += at
	}
}

// The set-up runs to its end, here with stand-ins for Google and GitHub. Besides dev's own
// deployer, no one gets a role with which dev's images can be deleted or pushed.
func TestImageReaders(t *testing.T) {
	const file = "../docs/pipelines.md"
	_, setUp, _ := strings.Cut(string(filesOf(t, 1, file)[file]), "\n## Before the first run\n")
	setUp, _, _ = strings.Cut(setUp, "\n## ")
	script := `gcloud() { echo "gcloud $*"; }; gh() { case "$*" in *"--input -") cat > /dev/null ;; esac; echo "gh $*"; }; make() { echo "make $*"; }; curl() { echo an archive; }; export -f gcloud gh make curl` + "\n"
	for _, block := range regexp.MustCompile("(?s)\n```sh\n(.*?)```").FindAllStringSubmatch(setUp, -1) {
		script += block[1]
	}
	command := exec.CommandContext(t.Context(), "bash", "-c", script)
	command.Dir = t.TempDir()
	const sums = "../pipelines/plugins.sums" // which the set-up edits
	if err := errors.Join(os.Mkdir(filepath.Join(command.Dir, "pipelines"), 0o755),
		os.WriteFile(filepath.Join(command.Dir, "pipelines", "plugins.sums"), filesOf(t, 1, sums)[sums], 0o600)); err != nil {
		t.Fatal(err)
	}
	out, err := command.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "gh variable set PIPELINES ") {
		t.Fatalf("the set-up fails: %v\n%s", err, out)
	}
	readers := 0
	for line := range strings.Lines(string(out)) {
		images := strings.Contains(line, "repositories add-iam-policy-binding hello-timber-dev ") || strings.Contains(line, "projects add-iam-policy-binding acme-timber-dev ")
		if !images || strings.Contains(line, "timber-deploy-dev@") {
			continue
		}
		_, role, _ := strings.Cut(line, "--role ")
		if role = strings.Fields(role)[0]; strings.HasPrefix(role, "roles/artifactregistry.") && role != "roles/artifactregistry.reader" {
			t.Errorf("a role that can delete or push images: %s", line)
		}
		if strings.Contains(role, "/imageReaders") {
			readers++
		}
	}
	if readers != 2 {
		t.Errorf("%d of staging and prod can let nodes read dev's images", readers)
	}
	for permission := range strings.FieldsSeq(strings.ReplaceAll(regexp.MustCompile("roles create imageReaders .*").FindString(string(out)), ",", " ")) {
		if strings.Contains(permission, "delete") || strings.Contains(permission, "upload") {
			t.Errorf("imageReaders has %s", permission)
		}
	}
}

// A checkout with core.autocrlf has the same line ends as any other: scripts and the
// service's page, whose policy has the hash of its style, run in Linux containers.
func TestLineEnds(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), "git", "ls-files", "--eol", "--", "..").Output()
	if err != nil {
		t.Skip("skipped: requires a Git checkout")
	}
	files := 0
	for line := range strings.Lines(string(out)) { // i/lf w/lf attr/text=auto eol=lf	../Makefile
		state, path, _ := strings.Cut(strings.TrimSpace(line), "\t")
		if files++; strings.Contains(state, "-text") { // it has none
			continue
		}
		if !strings.Contains(state, "eol=lf") || strings.Contains(state, "crlf") || strings.Contains(state, "mixed") {
			t.Errorf("%s: %s", path, state)
		}
	}
	if files < 100 {
		t.Errorf("only %d files", files)
	}
}

// anchored reports whether there is a file, and in it a heading as GitHub names it.
func anchored(t *testing.T, path, anchor string) bool {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		info, err := os.Stat(path)
		return err == nil && info.IsDir() && anchor == ""
	}
	if anchor == "" {
		return true
	}
	for _, found := range mdHeading.FindAllStringSubmatch(string(text), -1) {
		name := strings.Map(func(r rune) rune {
			switch {
			case r == ' ':
				return '-'
			case strings.ContainsRune("!\"#$%&'()*+,./:;<=>?@[\\]^`{|}~–—", r):
				return -1
			}
			return r
		}, strings.ToLower(found[1]))
		if name == anchor {
			return true
		}
	}
	return false
}
