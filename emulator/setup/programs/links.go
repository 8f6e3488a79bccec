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
		if p.downloaded(c) {
			downloaded[p.name] = filepath.Join("downloaded", p.archive.Name())
		}
	}
	// in is a program's official binary, or else what is compiled.
	in := func(program, name, compiled string) string {
		if folder := downloaded[program]; folder != "" {
			return filepath.Join(folder, name)
		}
		return compiled
	}
	links := map[string]string{
		c.Home("bin", "gcloud"):                 "emulator",
		c.Home("bin", "gke-gcloud-auth-plugin"): "emulator",
		c.Home("bin", "kubectl"):                filepath.Join("kubernetes", "kubectl"),
	}
	// Nodes see bin only. The folder keeps Kubernetes' servers off your PATH.
	for _, name := range downloads.Components {
		links[c.Home("bin", "kubernetes", name)] = filepath.Join("..", in("kubernetes", name, "hyperkube"))
	}
	if cli := in("pulumi", "pulumi", ""); cli != "" {
		links[c.Home("bin", "pulumi")] = cli
	}
	host := c.Home("bin", "pulumi-language-go")
	own, err := ownLanguageHost(c)
	if err != nil {
		return err
	}
	if links[host] = in("pulumi", "pulumi-language-go", "emulator"); own && downloaded["pulumi"] == "" {
		delete(links, host)
		if err := os.Remove(host); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	versions, err := requirements(ctx, c.Root)
	if err != nil {
		return err
	}
	for path, version := range versions {
		if m := providerSDK.FindStringSubmatch(path); m != nil {
			links[plugin(c, m[1], version)] = "../../../bin/emulator"
			if m[1] == "kubernetes" { // nothing of Google Cloud is in it, so it is Pulumi's own
				delete(links, plugin(c, m[1], version))
				links[plugin(c, m[1], version)+".real"] = cmp.Or(installedPlugin(c, m[1], version),
					filepath.Join("../../../bin", in("provider", "pulumi-resource-kubernetes", providerBinary)))
				err = startKubernetesPlugin(plugin(c, m[1], version))
			}
		}
	}
	for link, target := range links {
		err = cmp.Or(err, symlink(target, link))
	}
	return err
}

// plugin is where Pulumi looks for a provider.
func plugin(c checkout.Checkout, name, version string) string {
	return c.Home("pulumi", "plugins", "resource-"+name+"-"+version, "pulumi-resource-"+name)
}

// startKubernetesPlugin writes what starts Pulumi's Kubernetes provider, which leaves a
// kubeconfig with a login in the temporary folder each time (4.25.0,
// provider/pkg/provider/util.go). Each process gets a folder, and the next one removes those
// of processes that have ended.
func startKubernetesPlugin(path string) error {
	const script = `#!/bin/sh
folders="${0%/*}"/../../../provider
for folder in "$folders"/*; do kill -0 "${folder##*/}" 2> /dev/null || rm -rf "$folder"; done
mkdir -p "$folders/$$" && TMPDIR="$folders/$$" exec "$0.real" "$@"
`
	return cmp.Or(os.MkdirAll(filepath.Dir(path), 0o755), checkout.Replace(path, script, 0o755))
}

// ownLanguageHost reports whether you have a language host, on PATH or beside your CLI.
func ownLanguageHost(c checkout.Checkout) (bool, error) {
	var beside []string
	if cli := c.Installed("pulumi"); cli != "" {
		cli, err := filepath.EvalSymlinks(cli)
		if err != nil {
			return false, err
		}
		beside = append(beside, filepath.Dir(cli))
	}
	return c.Installed("pulumi-language-go", beside...) != "", nil
}

// symlink makes a link, in one step where another is: programs that run find either.
func symlink(target, link string) error {
	if now, err := os.Readlink(link); err == nil && now == target {
		return nil
	}
	if err := errors.Join(os.MkdirAll(filepath.Dir(link), 0o755), os.RemoveAll(link+".new")); err != nil {
		return err
	}
	return cmp.Or(os.Symlink(target, link+".new"), os.Rename(link+".new", link))
}

// tidy removes what is used no more: other versions, what was compiled before it was
// downloaded or the other way round, and unfinished downloads.
func tidy(c checkout.Checkout, programs []*Program) error {
	var used []string
	for _, p := range programs {
		if !p.downloaded(c) {
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
