package deploy

import (
	"context"
	"fmt"
	"strings"

	"hello-timber/pipelines/run"
	"hello-timber/stacks/config"
)

// Image prints the image that STACK runs, by its digest. With COMMIT, the stack's
// last update must be of that commit, and must have succeeded.
func Image(ctx context.Context, p *run.Pipeline) error {
	s, err := p.OpenStack(ctx)
	if err != nil {
		return err
	}
	if want := p.Env("COMMIT"); want != "" {
		last, result, err := lastCommit(ctx, s)
		if err != nil {
			return err
		}
		if last != want {
			return fmt.Errorf("stack %s was not last updated from commit %s. Fix: promote the build whose commit it runs", s.Name(), want)
		}
		if result != "succeeded" {
			return fmt.Errorf("stack %s: its last update, from commit %s, is %q, not succeeded. Fix the cause, then run that build again", s.Name(), want, result)
		}
	}
	now, err := run.Runs(ctx, s)
	if err != nil {
		return err
	}
	if now.Image == "" {
		return fmt.Errorf("stack %s runs no image. Fix: make deploy STACK=%s", s.Name(), s.Name())
	}
	fmt.Fprintln(p.Out, now.Image)
	return nil
}

// Verify checks that main's sign workflow signed IMAGE, which dev's deployment built, and
// that it is in the repository that dev pushes to. Both matter: a workflow on any branch can
// sign, and anyone who may push to some registry can copy.
func Verify(ctx context.Context, p *run.Pipeline) error {
	image, err := p.Named("IMAGE", config.IsImage, "an image by its digest", run.ExampleImage)
	if err != nil {
		return err
	}
	repository, err := p.Named("GITHUB_REPOSITORY", run.IsRepo, "OWNER/NAME", "acme/hello-timber")
	if err != nil {
		return err
	}
	images, err := p.Google("IMAGES")
	if err != nil {
		return err
	}
	if from, _, _ := strings.Cut(image, "@"); from != images {
		return fmt.Errorf("IMAGE: %s is not in %q, where dev pushes what it builds, as IMAGES of %s says. Fix: deploy an image that dev built",
			image, images, run.GoogleFile)
	}
	if err := p.LogDockerIn(ctx); err != nil {
		return err
	}
	// Exact: --signer-workflow would accept any branch's workflow, and without --source-ref a
	// branch could call main's workflow and be signed by it.
	if err := p.Execute(ctx, "gh", "attestation", "verify", "oci://"+image, "--repo", repository,
		"--cert-identity", "https://github.com/"+repository+"/.github/workflows/sign.yml@refs/heads/main",
		"--cert-oidc-issuer", "https://token.actions.githubusercontent.com",
		"--source-ref", "refs/heads/main", "--predicate-type", "https://slsa.dev/provenance/v1"); err != nil {
		return fmt.Errorf("%s: GitHub does not attest that main's sign workflow signed it. "+
			"Fix: give app/ a new imageVersion in Pulumi.dev.yaml and merge it: %w", image, err)
	}
	return nil
}
