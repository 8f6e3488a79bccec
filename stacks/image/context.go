package image

import (
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
			return ignoreMissing(err)
		}
		name, _ := filepath.Rel(folder, path) // it is below
		switch skip, matchErr := ignored.MatchesOrParentMatches(name); {
		case matchErr != nil:
			return matchErr
		case skip && entry.IsDir() && !ignored.Exclusions():
			return fs.SkipDir
		case skip:
			return nil
		}
		if rule := unreadable(path, entry, err); rule != "" {
			problems = append(problems, config.Problem{What: config.Show(path), Rule: rule,
				Fix: "remove it, or leave it out of the image: printf '%s\\n' " + config.Quote(filepath.ToSlash(name)) + " >> " + folder + "/.dockerignore"})
		}
		return nil
	})
	if err != nil {
		return err
	}
	return config.Problems("the source of the image has files that cannot be read", problems...)
}

// ignoreMissing leaves it to the provider to report that there is no source.
func ignoreMissing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
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
	file, err := os.Open(filepath.Join(folder, "Dockerfile.dockerignore"))
	if errors.Is(err, fs.ErrNotExist) {
		file, err = os.Open(filepath.Join(folder, ".dockerignore"))
	}
	if errors.Is(err, fs.ErrNotExist) {
		return patternmatcher.New(nil)
	}
	if err != nil {
		return nil, err
	}
	defer file.Close()
	patterns, err := ignorefile.ReadAll(file)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file.Name(), err)
	}
	matcher, err := patternmatcher.New(patterns)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file.Name(), err)
	}
	return matcher, nil
}
