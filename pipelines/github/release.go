package github

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"hello-timber/pipelines/run"
)

// versionLine begins a version's part of a changelog: ## [1.2.0] - 2026-11-25
var versionLine = regexp.MustCompile(`^## \[(.+)\](?: - (\d{4}-\d{2}-\d{2}))?$`)

// releaseNotes is the part of a changelog, in the form of
// https://keepachangelog.com, about the version that a tag names.
func releaseNotes(changelog, tag string) (string, error) {
	version := strings.TrimPrefix(tag, "v")
	fix := fmt.Sprintf("Fix: add below [Unreleased]: ## [%s] - YYYY-MM-DD", version)
	var notes []string
	found, fence := false, ""
	for line := range strings.Lines(strings.ReplaceAll(changelog, "\r\n", "\n")) {
		line = strings.TrimSuffix(line, "\n")
		fence = fenceAfter(fence, line)
		if heading := versionLine.FindStringSubmatch(line); heading != nil && fence == "" {
			if found {
				break
			}
			if found = heading[1] == version; found && heading[2] == "" {
				return "", fmt.Errorf("CHANGELOG.md: version %s has no date. %s", version, fix)
			}
		} else if found {
			notes = append(notes, line)
		}
	}
	text := strings.TrimSpace(strings.Join(notes, "\n"))
	switch {
	case !found:
		return "", fmt.Errorf("CHANGELOG.md: there is no version %s. %s", version, fix)
	case text == "":
		return "", fmt.Errorf("CHANGELOG.md: version %s has no notes. Fix: write below its heading what changed", version)
	}
	return text + "\n", nil
}

// fenceAfter is the fence that is open after a line of Markdown, or empty.
func fenceAfter(open, line string) string {
	text := strings.TrimLeft(line, " ")
	fence := text[:len(text)-len(strings.TrimLeft(text, "`"))]
	if fence == "" {
		fence = text[:len(text)-len(strings.TrimLeft(text, "~"))]
	}
	switch {
	case len(fence) < 3:
		return open
	case open == "":
		return fence
	case strings.HasPrefix(fence, open) && strings.TrimSpace(text) == fence:
		return ""
	}
	return open
}

// Notes checks that TAG can be released, before an hour of tests: it has notes,
// and its commit is merged. It prints the notes.
func Notes(ctx context.Context, p *run.Pipeline) error {
	_, _, text, err := releasable(ctx, p)
	if err != nil {
		return err
	}
	fmt.Fprint(p.Out, text)
	return nil
}

// releasable returns TAG and its notes, and fails unless its commit is merged.
func releasable(ctx context.Context, p *run.Pipeline) (hub github, tag, notes string, err error) {
	if tag, err = p.Named("TAG", run.IsTag, "v and a version with three numbers", "v1.2.0"); err != nil {
		return hub, "", "", err
	}
	text, err := os.ReadFile(filepath.Join(p.Folder, "CHANGELOG.md"))
	if err != nil {
		return hub, "", "", err
	}
	if notes, err = releaseNotes(string(text), tag); err != nil {
		return hub, "", "", err
	}
	if hub, err = hubOf(p); err != nil {
		return hub, "", "", err
	}
	return hub, tag, notes, hub.merged(ctx, tag)
}

// merged fails unless a tag's commit is on main.
func (g github) merged(ctx context.Context, tag string) error {
	var comparison struct{ Status string }
	if err := g.call(ctx, http.MethodGet, "/compare/main..."+tag, nil, &comparison); err != nil {
		return fmt.Errorf("compare tag %s with main: %w", tag, err)
	}
	if comparison.Status != "identical" && comparison.Status != "behind" {
		return fmt.Errorf("TAG: the commit of %s is not on main. Fix: git push --delete origin %s, merge the commit, and tag main", tag, tag)
	}
	return nil
}

// Release publishes TAG on GitHub with its notes. It may be run again.
func Release(ctx context.Context, p *run.Pipeline) error {
	hub, tag, notes, err := releasable(ctx, p)
	if err != nil {
		return err
	}
	var release struct {
		ID  int64
		URL string `json:"html_url"`
	}
	fields := map[string]any{"tag_name": tag, "name": tag, "body": notes, "prerelease": strings.Contains(tag, "-")}
	err = hub.call(ctx, http.MethodGet, "/releases/tags/"+tag, nil, &release)
	switch {
	case err == nil:
		err = hub.call(ctx, http.MethodPatch, fmt.Sprintf("/releases/%d", release.ID), fields, &release)
	case isStatus(err, http.StatusNotFound):
		err = hub.call(ctx, http.MethodPost, "/releases", fields, &release)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("release %s", tag), err)
	}
	fmt.Fprintln(p.Out, release.URL)
	return nil
}
