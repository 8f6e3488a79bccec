package deploy

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

	"hello-timber/pipelines/run"
)

var isCommitish = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._/~-]{0,199}$`).MatchString

const devConfig = "Pulumi.dev.yaml"

// Version fails if app/ differs from BASE while dev's imageVersion does not: with
// immutable tags the push would be refused, after the merge.
func Version(ctx context.Context, p *run.Pipeline) error {
	base, err := p.Named("BASE", isCommitish, "a commit or branch", "origin/main")
	if err != nil {
		return err
	}
	read := func(name string) ([]byte, error) { return os.ReadFile(filepath.Join(p.Folder, name)) }
	now, err := readVersion(read)
	if err != nil {
		return err
	}
	if !now.immutable {
		fmt.Fprintln(p.Out, devConfig+": immutableTags is false, so that app/ may change without a new imageVersion")
		return nil
	}
	err = p.Git(ctx, nil, "diff", "--quiet", base+"...HEAD", "--", "app")
	var exit *exec.ExitError
	switch {
	case err == nil:
		fmt.Fprintln(p.Out, "app/ is as in", base)
		return nil
	case !errors.As(err, &exit) || exit.ExitCode() != 1:
		return fmt.Errorf("compare app/ with %s: %w", base, err)
	}
	old, err := readVersion(func(name string) ([]byte, error) {
		var text strings.Builder
		err := p.Git(ctx, &text, "show", base+":"+name)
		return []byte(text.String()), err
	})
	if err != nil {
		return fmt.Errorf("of %s: %w", base, err)
	}
	if old.version == now.version {
		return fmt.Errorf("%s: app/ differs from %s, imageVersion is still %s, and a tag cannot be pushed twice. Fix: pulumi config set imageVersion NEW --stack dev",
			devConfig, base, now.version)
	}
	fmt.Fprintf(p.Out, "app/ differs from %s, and imageVersion is %s after %s\n", base, now.version, old.version)
	return nil
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
