package main

import (
	"fmt"
	"regexp"
	"strings"
)

var (
	isTag = regexp.MustCompile(`^v\d+\.\d+\.\d+$`).MatchString
	// versionLine begins what a changelog says of a version: ## [1.2.0] - 2026-11-25
	versionLine = regexp.MustCompile(`(?m)^## \[(.+)\](?: - (\d{4}-\d{2}-\d{2}))?$`)
)

// releaseNotes is what a changelog, in the form of https://keepachangelog.com,
// says of the version that a tag names.
func releaseNotes(changelog, tag string) (string, error) {
	if !isTag(tag) {
		return "", fmt.Errorf("TAG is %q, must be v and three numbers, such as v1.2.0", tag)
	}
	version := strings.TrimPrefix(tag, "v")
	mend := fmt.Sprintf("to mend it, put below [Unreleased]: ## [%s] - YYYY-MM-DD", version)
	lines := versionLine.FindAllStringSubmatchIndex(changelog, -1)
	for i, at := range lines {
		if changelog[at[2]:at[3]] != version {
			continue
		}
		if at[4] < 0 {
			return "", fmt.Errorf("CHANGELOG.md does not date version %s; %s", version, mend)
		}
		end := len(changelog)
		if i+1 < len(lines) {
			end = lines[i+1][0]
		}
		notes := strings.TrimSpace(changelog[at[1]:end])
		if notes == "" {
			return "", fmt.Errorf("CHANGELOG.md says nothing of version %s", version)
		}
		return notes + "\n", nil
	}
	return "", fmt.Errorf("CHANGELOG.md has no version %s; %s", version, mend)
}
