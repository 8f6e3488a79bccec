package main

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"
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

// The README stays short, and its table has every key of the config.
func TestReadme(t *testing.T) {
	text, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	if lines := strings.Count(string(text), "\n"); lines >= 300 {
		t.Errorf("the README has %d lines, want fewer than 300: what newcomers do not need is in docs/", lines)
	}
	var program struct{ Config map[string]any }
	project, err := os.ReadFile("../Pulumi.yaml")
	if err == nil {
		err = yaml.Unmarshal(project, &program)
	}
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(text), "\n## Configuration\n")
	table, _, _ = strings.Cut(table, "\n## ")
	var described []string
	for row := range strings.Lines(table) {
		if cells := strings.Split(row, "|"); len(cells) > 2 {
			for _, key := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(cells[1], -1) {
				described = append(described, key[1])
			}
		}
	}
	for key := range program.Config {
		if !strings.HasPrefix(key, "pulumi:") && !slices.Contains(described, key) {
			t.Errorf("the README does not describe the key %s", key)
		}
	}
	for _, key := range described {
		if program.Config[key] == nil && key != "gcp:project" {
			t.Errorf("the README describes %s, which is not a key", key)
		}
	}
}
