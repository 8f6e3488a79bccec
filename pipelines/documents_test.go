package main

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"hello-timber/pipelines/run"
	"hello-timber/pipelines/run/runtest"
)

var (
	mdLink    = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	mdHeading = regexp.MustCompile(`(?m)^#+ (.+)$`)
	mdTest    = regexp.MustCompile("`(Test\\w+)")
	mdCode    = regexp.MustCompile("(?s)```.*?```")
)

// Documents refer to files, headings, tests and make targets that exist.
func TestDocuments(t *testing.T) {
	tests := ""
	for _, text := range filesOf(t, 50, "../*/*_test.go", "../*/*/*_test.go", "../*/*/*/*_test.go") {
		tests += string(text)
	}
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
		for _, found := range mdTest.FindAllStringSubmatch(string(text), -1) {
			if !strings.Contains(tests, "\nfunc "+found[1]+"(t *testing.T) {") {
				t.Errorf("%s: there is no test %s", file, found[1])
			}
		}
		for _, found := range regexp.MustCompile("`(make [^`]+)`|(?m)^(make .*)$").FindAllStringSubmatch(string(text), -1) {
			for _, mistake := range checkTargets(t, found[1]+found[2]) {
				t.Errorf("%s: %s: %s", file, found[0], mistake)
			}
		}
	}
}

// The picture of the comment has the checksum of the text that it shows.
func TestPicture(t *testing.T) {
	const shown, picture = "summary/testdata/preview.golden.md", "../docs/preview.png"
	files := filesOf(t, 2, shown, picture)
	if sum := sha256.Sum256(files[shown]); !strings.Contains(string(files[picture]), hex.EncodeToString(sum[:])) {
		t.Errorf("%s is older than %s. Fix: make pictures ROWS=TestPreviewPicture", picture, shown)
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

// The set-up runs to its end, here with stand-ins for Google and GitHub, and switches the
// pipelines on only after it has checked GitHub's rules. Besides dev's own deployer, no one
// gets a role with which dev's images can be deleted or pushed. Only the checksums that are
// missing are looked up.
func TestSetUp(t *testing.T) {
	_, setUp, _ := strings.Cut(runtest.Read(t, "../docs/pipelines.md"), "\n## Before the first run\n")
	setUp, _, _ = strings.Cut(setUp, "\n## ")
	setUp = strings.Replace(setUp, "\nDOMAINS=()", "\nDOMAINS=(prod)", 1)
	setUpWith := func(checks string) string {
		script := `gcloud() { echo "gcloud $*"; }; gh() { case "$*" in *"--input -") cat > /dev/null ;; esac; echo "gh $*"; }; make() { ` + checks + `; }; curl() { for address; do :; done; printf %s "$address"; }; export -f gcloud gh make curl` + "\n"
		for _, block := range regexp.MustCompile("(?s)\n```sh\n(.*?)```").FindAllStringSubmatch(setUp, -1) {
			script += block[1]
		}
		command := exec.CommandContext(t.Context(), "bash", "-c", script)
		command.Dir = t.TempDir()
		sums := filepath.Join(command.Dir, "pipelines", "plugins.sums")
		runtest.Write(t, sums, "?  one.tar.gz\n01  two.tar.gz\n")
		out, _ := command.CombinedOutput()
		return string(out) + runtest.Read(t, sums)
	}
	const on = "gh variable set PIPELINES "
	if out := setUpWith("false"); !strings.Contains(out, "gcloud iam workload-identity-pools create ") || strings.Contains(out, on) {
		t.Errorf("GitHub's rules are not kept, and the pipelines are on:\n%s", out)
	}
	out, readers := setUpWith("true"), 0
	published := sha256.Sum256([]byte("https://api.pulumi.com/releases/plugins/one.tar.gz")) // which the stand-in for curl prints
	for _, want := range []string{on, "gcloud dns managed-zones set-iam-policy timber-prod --project acme-timber-prod --policy-file ", hex.EncodeToString(published[:]) + "  one.tar.gz\n01  two.tar.gz\n", "cloudresourcemanager.googleapis.com serviceusage.googleapis.com --project", "google.subject=assertion.repository_id + ':' + assertion.run_id,",
		"--attribute-condition assertion.repository_owner_id == 'gh api users/acme --jq .id' && assertion.repository_id == 'gh api repos/acme/hello-timber --jq .id' --attribute-mapping ",
		"attribute.identity=has(assertion.environment) ? (assertion.environment.startsWith('watch-') ? assertion.environment : 'deploy-' + assertion.environment) : (assertion.event_name == 'pull_request' ? 'preview' : 'none')\n"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
	for line := range strings.Lines(out) {
		_, identity, binds := strings.Cut(line, "service-accounts add-iam-policy-binding timber-")
		if identity, _, _ = strings.Cut(identity, "@"); binds && !strings.HasSuffix(line, "/attribute.identity/"+identity+"\n") {
			t.Errorf("another identity than %s gets the account: %s", identity, line)
		}
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
	if role := regexp.MustCompile("roles create imageReaders .*").FindString(out); readers != len(run.DeployEnvironments)-1 || strings.Contains(role, "delete") || strings.Contains(role, "upload") {
		t.Errorf("%d stacks besides dev can let nodes read dev's images, with %s", readers, role)
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
