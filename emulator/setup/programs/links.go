//go:build linux

package programs

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"

	"hello-timber/emulator/setup/checkout"
	"hello-timber/emulator/setup/downloads"
)

// providerSDK is the module of a provider's SDK, whose version is the plugin's.
var providerSDK = regexp.MustCompile(`^github\.com/pulumi/pulumi-(\w+)/sdk/v\d+$`)

// link gives the binaries the names by which Pulumi, kubectl and you call them.
func link(ctx context.Context, c checkout.Checkout, programs []*Program) error {
	downloaded := map[string]string{} // by program, the folder in bin
	for _, p := range programs {
		if downloadedProgram(c, p) {
			downloaded[p.name] = filepath.Join("downloaded", p.archive.Name())
		}
	}
	links := map[string]string{
		c.Home("bin", "gcloud"):                 "emulator",
		c.Home("bin", "gke-gcloud-auth-plugin"): "emulator",
		c.Home("bin", "kubectl"):                filepath.Join("kubernetes", "kubectl"),
	}
	// Nodes see bin only. The folder keeps Kubernetes' servers off your PATH.
	for _, name := range downloads.Components {
		target := "hyperkube"
		if folder := downloaded["kubernetes"]; folder != "" {
			target = filepath.Join(folder, name)
		}
		links[c.Home("bin", "kubernetes", name)] = filepath.Join("..", target)
	}
	if folder := downloaded["pulumi"]; folder != "" {
		links[c.Home("bin", "pulumi")] = filepath.Join(folder, "pulumi")
	}
	versions, err := requirements(ctx, filepath.Join(c.Root, "go.mod"))
	if err != nil {
		return err
	}
	for path, version := range versions {
		m := providerSDK.FindStringSubmatch(path)
		if m == nil {
			continue
		}
		target := "../../../bin/emulator"
		if m[1] == "kubernetes" {
			// Nothing of Google Cloud is in it, so it is Pulumi's own.
			target = cmp.Or(installedPlugin(c, m[1], version), "../../../bin/"+providerBinary)
			if folder := downloaded["provider"]; folder != "" {
				target = filepath.Join("../../../bin", folder, "pulumi-resource-kubernetes")
			}
		}
		plugin := c.Home("pulumi", "plugins", "resource-"+m[1]+"-"+version, "pulumi-resource-"+m[1])
		if m[1] == "kubernetes" {
			links[plugin+".real"] = target
			if err := cmp.Or(os.MkdirAll(filepath.Dir(plugin), 0o755), checkout.Replace(plugin, kubernetesPlugin, 0o755)); err != nil {
				return err
			}
			continue
		}
		links[plugin] = target
	}
	host := c.Home("bin", "pulumi-language-go")
	if links[host], err = languageHost(c, downloaded["pulumi"]); err != nil {
		return err
	}
	if links[host] == "" {
		delete(links, host)
		if err := os.Remove(host); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	for link, target := range links {
		if err := symlink(target, link); err != nil {
			return err
		}
	}
	return nil
}

// kubernetesPlugin starts Pulumi's Kubernetes provider, which leaves a kubeconfig with a
// login in the temporary folder each time (4.25.0, provider/pkg/provider/util.go). Each
// process gets a folder, and the next one removes those of processes that have ended.
const kubernetesPlugin = `#!/bin/sh
folders="${0%/*}"/../../../provider
for folder in "$folders"/*; do kill -0 "${folder##*/}" 2> /dev/null || rm -rf "$folder"; done
mkdir -p "$folders/$$" && TMPDIR="$folders/$$" exec "$0.real" "$@"
`

// languageHost is the target of the language host's link, or empty if the user's own is
// used. Pulumi's own comes with its CLI. Without one, the emulator's is used.
func languageHost(c checkout.Checkout, downloaded string) (string, error) {
	if downloaded != "" {
		return filepath.Join(downloaded, "pulumi-language-go"), nil
	}
	var beside []string
	if cli := c.Installed("pulumi"); cli != "" {
		cli, err := filepath.EvalSymlinks(cli)
		if err != nil {
			return "", err
		}
		beside = append(beside, filepath.Dir(cli))
	}
	if c.Installed("pulumi-language-go", beside...) != "" {
		return "", nil
	}
	return "emulator", nil
}

// symlink makes a link, in one step where another is: programs that run find either.
func symlink(target, link string) error {
	if now, err := os.Readlink(link); err == nil && now == target {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(link), 0o755); err != nil {
		return err
	}
	if err := os.RemoveAll(link + ".new"); err != nil {
		return err
	}
	if err := os.Symlink(target, link+".new"); err != nil {
		return err
	}
	return os.Rename(link+".new", link)
}

// tidy removes what is used no more: other versions, what was compiled before it was
// downloaded or the other way round, and unfinished downloads.
func tidy(c checkout.Checkout, programs []*Program) error {
	var used []string
	for _, p := range programs {
		if !downloadedProgram(c, p) {
			continue
		}
		used = append(used, p.archive.Name())
		if err := os.RemoveAll(c.Home("stamps", p.name)); err != nil {
			return err
		}
		if info, err := os.Lstat(p.output); err == nil && info.Mode().IsRegular() {
			if err := os.Remove(p.output); err != nil {
				return err
			}
		}
	}
	folders, err := filepath.Glob(c.Home("bin", "downloaded", "*"))
	for _, folder := range append(folders, c.Home("downloads")) {
		if err == nil && !slices.Contains(used, filepath.Base(folder)) {
			err = os.RemoveAll(folder)
		}
	}
	return err
}
