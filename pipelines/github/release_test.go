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

func TestReleaseNotes(t *testing.T) {
	const changelog = "# Changelog\n\n## [Unreleased]\n\n### Added\n\n- to come\n\n" +
		"## [1.10.0] - 2026-11-25\n\n### Changed\n\n- much\n\n~~~\n## [9.9.9] - 2026-11-24\n~~~\n\n- more\n\n## [1.9.0] - 2026-11-01\n\n" +
		"## [1.8.0]\n\n- no date\n\n## [1.2.0-rc.1] - 2026-10-02\n\n- a candidate\n\n## [1.0.0] - 2026-10-01\n\n- all\n"
	for tag, want := range map[string]string{
		"v1.10.0": "### Changed\n\n- much\n\n~~~\n## [9.9.9] - 2026-11-24\n~~~\n\n- more\n", "v1.0.0": "- all\n", "v1.2.0-rc.1": "- a candidate\n",
	} {
		for _, text := range []string{changelog, strings.ReplaceAll(changelog, "\n", "\r\n")} {
			if notes, err := releaseNotes(text, tag); notes != want || err != nil {
				t.Errorf("%s: %q, %v, want %q", tag, notes, err, want)
			}
		}
	}
	for tag, want := range map[string]string{
		"v1.9.0": "1.9.0 has no notes", "v1.8.0": "1.8.0 has no date", "v1.1.0": "## [1.1.0] - YYYY-MM-DD", "v9.9.9": "no version 9.9.9",
	} {
		if notes, err := releaseNotes(changelog, tag); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %q, %v, want an error that says %q", tag, notes, err, want)
		}
	}
	for tag, want := range map[string]bool{"v1.2.0": true, "v1.2.0-rc.1": true, "Unreleased": false, "1.10.0": false, "": false, "v1.2": false, "v1.2.0-": false, "v1.2.0;id": false} {
		if run.IsTag(tag) != want {
			t.Errorf("isTag(%q) is %t", tag, !want)
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
	if headings := strings.Count("\n"+string(text), "\n## "); headings != len(versionsOf(string(text))) {
		t.Errorf("of %d headings some are not ## [VERSION] - DATE", headings)
	}
	var newer []int
	for i, line := range versionsOf(string(text)) {
		if (line[1] == "Unreleased") != (i == 0) {
			t.Errorf("version %d is %s", i, line[1])
		}
		if i == 0 {
			continue
		}
		if _, err := releaseNotes(string(text), "v"+line[1]); err != nil {
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
		if newer != nil && slices.CompareFunc(numbers, newer, cmp.Compare) >= 0 {
			t.Errorf("%s is not older than the version above", line[1])
		}
		newer = numbers
	}
}

// versionsOf lists the headings of versions.
func versionsOf(changelog string) [][]string {
	var list [][]string
	for line := range strings.Lines(changelog) {
		if found := versionLine.FindStringSubmatch(strings.TrimRight(line, "\r\n")); found != nil {
			list = append(list, found)
		}
	}
	return list
}
