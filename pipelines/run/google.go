package run

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// GoogleFile says where states, images and identities are. A workflow's variables do not:
// a writer can change them, without a review.
const GoogleFile = "pipelines/google.env"

// Google is a value of GoogleFile, or empty.
func (p *Pipeline) Google(name string) (string, error) {
	text, err := p.Read(GoogleFile)
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(string(text)) {
		if value, ok := strings.CutPrefix(strings.TrimSpace(line), name+"="); ok {
			return value, nil
		}
	}
	return "", fmt.Errorf("%s has no line %s=. Fix: git checkout main -- %s", GoogleFile, name, GoogleFile)
}

// LogDockerIn has Docker ask gcloud for a token where dev's images are.
func (p *Pipeline) LogDockerIn(ctx context.Context) error {
	images, err := p.Google("IMAGES")
	if err != nil {
		return err
	}
	host, _, _ := strings.Cut(images, "/")
	return p.Execute(ctx, "gcloud", "auth", "configure-docker", host, "--quiet")
}

// Places fails unless GoogleFile has every value, and SumsFile every checksum.
func (p *Pipeline) Places() error {
	var problems []error
	for _, name := range []string{"BACKEND", "IMAGES", "PROVIDER", "IDENTITIES"} {
		value, err := p.Google(name)
		if err == nil && value == "" {
			err = fmt.Errorf("%s: %s is empty. Fix: the file in docs/pipelines.md", GoogleFile, name)
		}
		problems = append(problems, err)
	}
	text, err := p.Read(SumsFile)
	for _, line := range ArchiveLine.FindAllStringSubmatch(string(text), -1) {
		if line[1] == "?" {
			problems = append(problems, fmt.Errorf("%s: there is no checksum of the plugin %s %s. Fix: the loop in docs/pipelines.md", SumsFile, line[2], line[3]))
		}
	}
	return errors.Join(append(problems, err)...)
}
