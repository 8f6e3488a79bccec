package github

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"hello-timber/pipelines/run"
)

// versionLine begins a version's part of a changelog: ## [1.2.0] - 2026-11-25
var versionLine = regexp.MustCompile(`(?m)^## \[(.+)\](?: - (\d{4}-\d{2}-\d{2}))?$`)

// notesOf is the part of a changelog, in the form of https://keepachangelog.com, about
// the version that a tag names.
func notesOf(changelog, tag string) (string, error) {
	version := strings.TrimPrefix(tag, "v")
	fix := fmt.Sprintf("Fix: add below [Unreleased]: ## [%s] - YYYY-MM-DD", version)
	parts := versionLine.Split(changelog, -1)[1:]
	for i, heading := range versionLine.FindAllStringSubmatch(changelog, -1) {
		if heading[1] != version {
			continue
		}
		notes := strings.TrimSpace(parts[i])
		if heading[2] == "" {
			return "", fmt.Errorf("CHANGELOG.md: version %s has no date. %s", version, fix)
		}
		if notes == "" {
			return "", fmt.Errorf("CHANGELOG.md: version %s has no notes. Fix: write below its heading what changed", version)
		}
		return notes + "\n", nil
	}
	return "", fmt.Errorf("CHANGELOG.md: there is no version %s. %s", version, fix)
}

// Notes checks that TAG can be released, before an hour of tests: it has notes, and its
// commit is merged. It prints the notes.
func Notes(ctx context.Context, p *run.Pipeline) error {
	_, _, notes, err := releasable(ctx, p)
	if err != nil {
		return err
	}
	fmt.Fprint(p.Out, notes)
	return nil
}

// releasable returns TAG and its notes, and fails unless its commit is on main.
func releasable(ctx context.Context, p *run.Pipeline) (h hub, tag, notes string, err error) {
	if tag, err = p.Named("TAG", run.IsTag, "v and a version with three numbers", "v1.2.0"); err != nil {
		return h, "", "", err
	}
	text, err := os.ReadFile(filepath.Join(p.Folder, "CHANGELOG.md"))
	if err != nil {
		return h, "", "", err
	}
	if notes, err = notesOf(string(text), tag); err != nil {
		return h, "", "", err
	}
	if h, err = open(p); err != nil {
		return h, "", "", err
	}
	var comparison struct{ Status string }
	if err := h.call(ctx, http.MethodGet, "/compare/main..."+tag, nil, &comparison); err != nil {
		return h, "", "", fmt.Errorf("compare tag %s with main: %w", tag, err)
	}
	if comparison.Status != "identical" && comparison.Status != "behind" {
		err = fmt.Errorf("TAG: the commit of %s is not on main. Fix: git push --delete origin %s, merge the commit, and tag main", tag, tag)
	}
	return h, tag, notes, err
}

// Release publishes TAG on GitHub with its notes.
func Release(ctx context.Context, p *run.Pipeline) error {
	h, tag, notes, err := releasable(ctx, p)
	if err != nil {
		return err
	}
	var release post
	fields := map[string]any{"tag_name": tag, "name": tag, "body": notes, "prerelease": strings.Contains(tag, "-")}
	if err := h.call(ctx, http.MethodPost, "/releases", fields, &release); err != nil {
		return fmt.Errorf("release %s: %w", tag, err)
	}
	fmt.Fprintln(p.Out, release.URL)
	return nil
}
