package image

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/moby/patternmatcher"
	"github.com/moby/patternmatcher/ignorefile"

	"hello-timber/stacks/config"
)

// folder is the source of the image.
const folder = "app"

// CheckSource returns an error that names everything in app/ that the provider cannot
// read. It hashes the folder to find out whether the image must be built: a link that
// leads nowhere ends that, and edits of later files are not built (pulumi-docker#541);
// a pipe makes it wait for ever.
func CheckSource() error {
	ignored, err := ignorePatterns()
	if err != nil {
		return err
	}
	var problems []config.Problem
	err = filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		if path == folder {
			if errors.Is(err, fs.ErrNotExist) {
				return nil // the provider reports that there is no source
			}
			return err
		}
		name, _ := filepath.Rel(folder, path) // it is below
		skip, matchErr := ignored.MatchesOrParentMatches(name)
		if matchErr != nil {
			return matchErr
		}
		if rule := unreadable(path, entry, err); rule != "" && !skip {
			problems = append(problems, config.Problem{What: config.Show(path), Rule: rule,
				Fix: "remove it, or leave it out of the image: printf '%s\\n' " + config.Quote(filepath.ToSlash(name)) + " >> " + folder + "/.dockerignore"})
		}
		if skip && entry.IsDir() && !ignored.Exclusions() {
			return fs.SkipDir
		}
		return nil
	})
	return cmp.Or(err, config.Problems("the source of the image has files that cannot be read", problems...))
}

// unreadable returns why a file cannot be part of the source; empty if it can.
func unreadable(path string, entry fs.DirEntry, err error) string {
	switch kind := entry.Type(); {
	case err != nil:
	case kind == fs.ModeSymlink:
		if _, err = os.Stat(path); errors.Is(err, fs.ErrNotExist) {
			return "is a link that leads nowhere"
		}
	case kind.IsRegular():
		var file *os.File
		if file, err = os.Open(path); err == nil {
			err = file.Close()
		}
	case !kind.IsDir():
		return "is not a file, but a socket, a pipe or a device"
	}
	var failed *fs.PathError
	if errors.As(err, &failed) {
		return "cannot be read: " + failed.Err.Error()
	}
	return ""
}

// ignorePatterns reads what the build leaves out of its context, as Docker does.
func ignorePatterns() (*patternmatcher.PatternMatcher, error) {
	path := filepath.Join(folder, "Dockerfile.dockerignore")
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		path = filepath.Join(folder, ".dockerignore")
		text, err = os.ReadFile(path)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	patterns, err := ignorefile.ReadAll(bytes.NewReader(text))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	matcher, err := patternmatcher.New(patterns)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return matcher, nil
}
