package run

import (
	"context"
	"errors"
	"fmt"
	"os"
	"regexp"
	"runtime"

	"github.com/pulumi/pulumi/sdk/v3/go/auto"
	"github.com/pulumi/pulumi/sdk/v3/go/common/workspace"
)

// SumsFile has the SHA-256 of each provider's archive, as sha256sum prints it, or ? where
// it is not known.
const SumsFile = "pipelines/plugins.sums"

// ArchiveLine is one of its lines: the sum, the provider, its version and the platform.
var ArchiveLine = regexp.MustCompile(`(?m)^([0-9a-f]{64}|\?)  pulumi-resource-([a-z]+)-(v[0-9.]+)-([a-z]+-[a-z0-9]+)\.tar\.gz$`)

// installPlugins installs the providers that are missing. The engine installs none for the
// pipelines, because a state can name any plugin, from any address.
func (p *Pipeline) installPlugins(ctx context.Context, command auto.PulumiCommand) error {
	text, err := p.Read(SumsFile)
	if err != nil {
		return err
	}
	var problems []error
	for _, line := range ArchiveLine.FindAllStringSubmatch(string(text), -1) {
		sum, name, version, platform := line[1], line[2], line[3], line[4]
		folder, err := workspace.GetPulumiPath(workspace.PluginDir, "resource-"+name+"-"+version)
		if err != nil {
			return err
		}
		_, missing := os.Stat(folder)
		if _, whole := os.Stat(folder + ".partial"); missing == nil && whole != nil {
			continue
		}
		if sum == "?" || platform != runtime.GOOS+"-"+runtime.GOARCH {
			problems = append(problems, fmt.Errorf("plugin %s %s is not installed, and %s has no checksum of it for %s-%s. "+
				"Fix: pulumi plugin install resource %s %s; in a pipeline, write the checksum as docs/pipelines.md describes",
				name, version, SumsFile, runtime.GOOS, runtime.GOARCH, name, version))
			continue
		}
		fmt.Fprintln(p.Log, "installing the plugin", name, version)
		_, complaint, _, err := command.Run(ctx, p.Folder, nil, nil, nil, nil, "plugin", "install", "resource", name, version, "--exact", "--checksum", sum)
		if err != nil {
			problems = append(problems, Failure("install the plugin "+name+" "+version, fmt.Errorf("%w\n%s", err, complaint)))
		}
	}
	return errors.Join(problems...)
}
