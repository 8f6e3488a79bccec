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

// places fails unless googleFile has every value, and sumsFile every checksum.
func (p *pipeline) places() error {
	var problems []error
	for _, name := range []string{"BACKEND", "IMAGES", "PROVIDER", "IDENTITIES"} {
		value, err := p.google(name)
		if err == nil && value == "" {
			err = fmt.Errorf("%s: %s is empty. Fix: the file in docs/pipelines.md", googleFile, name)
		}
		problems = append(problems, err)
	}
	text, err := os.ReadFile(filepath.Join(p.folder, sumsFile))
	for _, line := range archiveLine.FindAllStringSubmatch(string(text), -1) {
		if line[1] == "?" {
			problems = append(problems, fmt.Errorf("%s: there is no checksum of the plugin %s %s. Fix: the loop in docs/pipelines.md", sumsFile, line[2], line[3]))
		}
	}
	return errors.Join(append(problems, err)...)
}
