//go:build linux

package programs

import (
	"cmp"
	"context"
	"errors"
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
	if links[host] = in("pulumi", "pulumi-language-go", "emulator"); downloaded["pulumi"] == "" && ownLanguageHost(c) {
		delete(links, host)
		if err := os.RemoveAll(host); err != nil {
			return err
		}
	}
	versions, err := requirements(ctx, c.Root)
	if err != nil {
		return err
	}
	for path, version := range versions {
		m := providerSDK.FindStringSubmatch(path)
		if m == nil {
			continue
		}
		plugin := c.Home("pulumi", "plugins", "resource-"+m[1]+"-"+version, "pulumi-resource-"+m[1])
		if m[1] != "kubernetes" {
			links[plugin] = "../../../bin/emulator"
			continue
		}
		// Nothing of Google Cloud is in it, so it is Pulumi's own.
		links[plugin+".real"] = cmp.Or(installedPlugin(c, m[1], version), filepath.Join("../../../bin", in("provider", "pulumi-resource-kubernetes", providerBinary)))
		err = errors.Join(err, os.MkdirAll(filepath.Dir(plugin), 0o755), checkout.Replace(plugin, startKubernetes, 0o755))
	}
	for link, target := range links {
		err = errors.Join(err, symlink(target, link))
	}
	return err
}

// startKubernetes starts Pulumi's Kubernetes provider, which leaves a kubeconfig with a
// login in the temporary folder each time (4.25.0, provider/pkg/provider/util.go). Each
// process gets a folder, and the next one removes those of processes that have ended.
const startKubernetes = `#!/bin/sh
folders="${0%/*}"/../../../provider
for folder in "$folders"/*; do kill -0 "${folder##*/}" 2> /dev/null || rm -rf "$folder"; done
mkdir -p "$folders/$$" && TMPDIR="$folders/$$" exec "$0.real" "$@"
`

// ownLanguageHost reports whether you have a language host, on PATH or beside your CLI.
func ownLanguageHost(c checkout.Checkout) bool {
	cli, err := filepath.EvalSymlinks(c.Installed("pulumi"))
	return c.Installed("pulumi-language-go") != "" || err == nil && checkout.Exists(filepath.Join(filepath.Dir(cli), "pulumi-language-go"))
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

// tidy removes downloads that are unfinished, or used no more. What was compiled before it
// was downloaded is no longer up to date.
func tidy(c checkout.Checkout, programs []*Program) error {
	var used []string
	folders, err := filepath.Glob(c.Home("bin", "downloaded", "*"))
	for _, p := range programs {
		if p.downloaded(c) {
			used = append(used, p.archive.Name())
			err = errors.Join(err, os.RemoveAll(c.Home("stamps", p.name)))
		}
	}
	for _, folder := range append(folders, c.Home("downloads")) {
		if !slices.Contains(used, filepath.Base(folder)) {
			err = errors.Join(err, os.RemoveAll(folder))
		}
	}
	return err
}
