package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// googleFile says where states, images and identities are. A workflow's variables do not:
// a writer can change them, without a review.
const googleFile = "pipelines/google.env"

// google is a value of googleFile, or empty.
func (p *pipeline) google(name string) (string, error) {
	text, err := os.ReadFile(filepath.Join(p.folder, googleFile))
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(string(text)) {
		if value, ok := strings.CutPrefix(strings.TrimSpace(line), name+"="); ok {
			return value, nil
		}
	}
	return "", fmt.Errorf("%s has no line %s=. Fix: git checkout main -- %s", googleFile, name, googleFile)
}

// places fails unless googleFile has every value.
func (p *pipeline) places() error {
	var problems []error
	for _, name := range []string{"BACKEND", "IMAGES", "PROVIDER", "IDENTITIES"} {
		value, err := p.google(name)
		if err == nil && value == "" {
			err = fmt.Errorf("%s: %s is empty. Fix: the file in docs/pipelines.md", googleFile, name)
		}
		problems = append(problems, err)
	}
	return errors.Join(problems...)
}
