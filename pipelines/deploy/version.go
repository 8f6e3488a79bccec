package deploy

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"regexp"

	"hello-timber/pipelines/run"
	"hello-timber/stacks/config"
)

var isCommitish = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._/~-]{0,199}$`).MatchString

// Version fails if app/ differs from BASE while dev's imageVersion does not: with
// immutable tags the push would be refused, after the merge.
func Version(ctx context.Context, p *run.Pipeline) error {
	base, err := p.Named("BASE", isCommitish, "a commit or branch", "origin/main")
	if err != nil {
		return err
	}
	now, _, err := config.Read(p.Read, "dev")
	if err != nil {
		return err
	}
	if now["immutableTags"] == "false" {
		fmt.Fprintln(p.Out, "immutableTags of dev is false, so that app/ may change without a new imageVersion")
		return nil
	}
	_, err = p.Git(ctx, "diff", "--quiet", base+"...HEAD", "--", "app")
	var exit *exec.ExitError
	switch {
	case err == nil:
		fmt.Fprintln(p.Out, "app/ is as in", base)
		return nil
	case !errors.As(err, &exit) || exit.ExitCode() != 1:
		return fmt.Errorf("compare app/ with %s: %w", base, err)
	}
	old, _, err := config.Read(func(name string) ([]byte, error) {
		text, err := p.Git(ctx, "show", base+":"+name)
		return []byte(text), err
	}, "dev")
	if err != nil {
		return fmt.Errorf("of %s: %w", base, err)
	}
	const key = "imageVersion"
	if old[key] == now[key] { // pulumi config set would need access to dev's state
		return fmt.Errorf("app/ differs from %s, imageVersion of dev is still %s, and a tag cannot be pushed twice. "+
			"Fix: write a new one into Pulumi.dev.yaml: perl -pi -e 's/:imageVersion:.*/:imageVersion: NEW/' Pulumi.dev.yaml", base, now[key])
	}
	fmt.Fprintf(p.Out, "app/ differs from %s, and imageVersion is %s after %s\n", base, now[key], old[key])
	return nil
}
