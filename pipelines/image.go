package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"

	"gopkg.in/yaml.v3"

	"hello-timber/stacks/config"
)

var (
	isRepository = regexp.MustCompile(`^[a-z0-9.-]+(:[0-9]{1,5})?(/[a-z0-9][a-z0-9._-]*)+$`).MatchString
	isCommitish  = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._/~-]{0,199}$`).MatchString
)

// verify checks that IMAGE was built by the deploy workflow of main, and is in the
// repository that dev pushes to. Both matter: a workflow on any branch can sign,
// and anyone who may push to some registry can copy.
func (p *pipeline) verify(ctx context.Context) error {
	image, err := p.named("IMAGE", config.IsImage, "an image by its digest", exampleImage)
	if err != nil {
		return err
	}
	repository, err := p.named("GITHUB_REPOSITORY", isRepo, "OWNER/NAME", "acme/hello-timber")
	if err != nil {
		return err
	}
	images, err := p.google("IMAGES")
	if err != nil {
		return err
	}
	if !isRepository(images) {
		return fmt.Errorf("%s: IMAGES=%q is not a repository of images. Fix: IMAGES=REGION-docker.pkg.dev/PROJECT/hello-timber-dev/timber-tutorial",
			googleFile, images)
	}
	from, _, _ := strings.Cut(image, "@")
	if from != images {
		return fmt.Errorf("IMAGE: %s is not in %s, where dev pushes what it builds. Fix: deploy an image that dev built", image, images)
	}
	host, _, _ := strings.Cut(image, "/")
	if err := p.execute(ctx, "gcloud", "auth", "configure-docker", host, "--quiet"); err != nil {
		return err
	}
	if err := p.execute(ctx, "gh", verifyArgs(image, repository)...); err != nil {
		return fmt.Errorf("%s: GitHub does not attest that the deploy workflow of main built it. "+
			"Fix: give app/ a new imageVersion in Pulumi.dev.yaml and merge it: %w", image, err)
	}
	return nil
}

// verifyArgs are exact: --signer-workflow would accept any branch's workflow, and
// without --source-ref a branch could call main's workflow and be signed by it.
func verifyArgs(image, repository string) []string {
	return []string{
		"attestation", "verify", "oci://" + image, "--repo", repository,
		"--cert-identity", "https://github.com/" + repository + "/.github/workflows/deploy.yml@refs/heads/main",
		"--cert-oidc-issuer", "https://token.actions.githubusercontent.com",
		"--source-ref", "refs/heads/main",
	}
}

const devConfig = "Pulumi.dev.yaml"

// version fails if app/ differs from BASE while dev's imageVersion does not: with
// immutable tags the push would be refused, after the merge.
func (p *pipeline) version(ctx context.Context) error {
	base, err := p.named("BASE", isCommitish, "a commit or branch", "origin/main")
	if err != nil {
		return err
	}
	read := func(name string) ([]byte, error) { return os.ReadFile(filepath.Join(p.folder, name)) }
	now, err := readVersion(read)
	if err != nil {
		return err
	}
	if !now.immutable {
		fmt.Fprintln(p.out, devConfig+": immutableTags is false, so that app/ may change without a new imageVersion")
		return nil
	}
	err = p.git(ctx, nil, "diff", "--quiet", base+"...HEAD", "--", "app")
	var exit *exec.ExitError
	switch {
	case err == nil:
		fmt.Fprintln(p.out, "app/ is as in", base)
		return nil
	case !errors.As(err, &exit) || exit.ExitCode() != 1:
		return fmt.Errorf("compare app/ with %s: %w", base, err)
	}
	old, err := readVersion(func(name string) ([]byte, error) {
		var text strings.Builder
		err := p.git(ctx, &text, "show", base+":"+name)
		return []byte(text.String()), err
	})
	if err != nil {
		return fmt.Errorf("of %s: %w", base, err)
	}
	if old.version == now.version {
		return fmt.Errorf("%s: app/ differs from %s, imageVersion is still %s, and a tag cannot be pushed twice. Fix: pulumi config set imageVersion NEW --stack dev",
			devConfig, base, now.version)
	}
	fmt.Fprintf(p.out, "app/ differs from %s, and imageVersion is %s after %s\n", base, now.version, old.version)
	return nil
}

func (p *pipeline) git(ctx context.Context, out *strings.Builder, args ...string) error {
	command := exec.CommandContext(ctx, "git", args...)
	command.Dir, command.Stderr = p.folder, p.log
	if out != nil {
		command.Stdout = out
	}
	return command.Run()
}

type appVersion struct {
	version   string
	immutable bool
}

// readVersion reads dev's config. The project's name, which keys begin with, and the
// defaults are those of Pulumi.yaml.
func readVersion(read func(name string) ([]byte, error)) (appVersion, error) {
	var project, stack struct {
		Name   string
		Config map[string]any
	}
	for name, into := range map[string]any{"Pulumi.yaml": &project, devConfig: &stack} {
		text, err := read(name)
		if err == nil {
			err = yaml.Unmarshal(text, into)
		}
		if err != nil {
			return appVersion{}, fmt.Errorf("read %s: %w", name, err)
		}
	}
	value := func(key string) string {
		if set, ok := stack.Config[project.Name+":"+key]; ok {
			return fmt.Sprint(set)
		}
		declared, _ := project.Config[key].(map[string]any)
		return fmt.Sprint(declared["default"])
	}
	return appVersion{version: value("imageVersion"), immutable: value("immutableTags") != "false"}, nil
}
