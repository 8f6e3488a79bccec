package github

import (
	"cmp"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"hello-timber/pipelines/run"
)

func TestNotes(t *testing.T) {
	const changelog = "# Changelog\n\n## [Unreleased]\n\n### Added\n\n- to come\n\n" +
		"## [1.10.0] - 2026-11-25\n\n### Changed\n\n- much\n\n## [1.9.0] - 2026-11-01\n\n" +
		"## [1.8.0]\n\n- no date\n\n## [1.2.0-rc.1] - 2026-10-02\n\n- a candidate\n\n## [1.0.0] - 2026-10-01\n\n- all\n"
	for tag, want := range map[string]string{
		"v1.10.0": "### Changed\n\n- much\n", "v1.0.0": "- all\n", "v1.2.0-rc.1": "- a candidate\n",
		"v1.9.0": "1.9.0 has no notes", "v1.8.0": "1.8.0 has no date", "v1.1.0": "## [1.1.0] - YYYY-MM-DD", "v9.9.9": "no version 9.9.9",
	} {
		notes, err := notesOf(changelog, tag)
		if err != nil && strings.Contains(err.Error(), want) {
			notes = want
		}
		if notes != want {
			t.Errorf("%s: %q, %v, want %q", tag, notes, err, want)
		}
	}
	for tag, want := range map[string]bool{"v1.2.0": true, "v1.2.0-rc.1": true, "Unreleased": false, "1.10.0": false, "": false, "v1.2": false, "v1.2.0-": false, "v1.2.0;id": false} {
		if run.IsTag(tag) != want {
			t.Errorf("IsTag(%q) is %t", tag, !want)
		}
	}
}

// The repository's own changelog begins with what is not released, has nothing but
// versions after that, the newest first, and each has notes.
func TestChangelog(t *testing.T) {
	text, err := os.ReadFile("../../CHANGELOG.md")
	if err != nil {
		t.Fatal(err)
	}
	versions := versionLine.FindAllStringSubmatch(string(text), -1)
	if headings := strings.Count("\n"+string(text), "\n## "); headings != len(versions) || headings == 0 || versions[0][1] != "Unreleased" {
		t.Fatalf("of %d headings some are not ## [VERSION] - DATE, or the first is not Unreleased: %q", headings, versions)
	}
	newer := []int{1 << 20}
	for _, line := range versions[1:] {
		if _, err := notesOf(string(text), "v"+line[1]); err != nil {
			t.Error(err)
		}
		var numbers []int
		for part := range strings.SplitSeq(line[1], ".") {
			number, err := strconv.Atoi(part)
			if err != nil {
				t.Error(err)
			}
			numbers = append(numbers, number)
		}
		if slices.CompareFunc(numbers, newer, cmp.Compare) >= 0 {
			t.Errorf("%s is not older than the version above", line[1])
		}
		newer = numbers
	}
}
