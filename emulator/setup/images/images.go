//go:build linux

// Package images makes the Docker images of nodes and of builds. It asks a registry for
// the bases. Where none answers, it makes them from Debian's packages and this machine's Go.
package images

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"

	"hello-timber/emulator/proxy"
	"hello-timber/emulator/setup/checkout"
	"hello-timber/emulator/setup/host"
	"hello-timber/emulator/setup/progress"
)

const (
	debian = "debian:trixie-slim"
	golang = "golang:1.26"
	// Label marks the images that make clean removes.
	Label = "hello-timber.image"
)

// Steps are the steps that make the Docker images of nodes and builds.
func Steps() []progress.Step {
	return []progress.Step{
		{Name: "debian", Run: debianImage},
		{Name: "golang", Needs: []string{"debian"}, Run: golangImage},
		{Name: "node", Needs: []string{"debian"}, Run: nodeImage},
	}
}

func hasImage(ctx context.Context, c checkout.Checkout, name string) bool {
	return c.Command(ctx, "", "docker", "image", "inspect", name).Run() == nil
}

// pull asks a registry for an image.
func pull(ctx context.Context, c checkout.Checkout, p *progress.Report, name string) error {
	p.Say("asking for " + name)
	return p.Run(c.Command(ctx, "", "docker", "pull", "--platform", "linux/amd64", name), func(line string) { p.Say("pulling: " + line) })
}

// debianImage gets the base of the node image: from a registry, or where none
// answers from Debian's packages.
func debianImage(ctx context.Context, c checkout.Checkout, p *progress.Report) error {
	if hasImage(ctx, c, debian) {
		return nil
	}
	refused := pull(ctx, c, p, debian)
	if refused == nil || ctx.Err() != nil {
		return refused
	}
	bootstrap := c.Installed("debootstrap") != ""
	if os.Geteuid() != 0 || !bootstrap && c.Installed("apt-get") == "" {
		return fmt.Errorf("%w\n  Without a registry %s can be made from Debian's packages, by root on a machine with debootstrap; or bring it with docker load", refused, debian)
	}
	if !bootstrap {
		if err := host.AptInstall(ctx, c, p, "debootstrap"); err != nil {
			return err
		}
	}
	// With all the node's packages in the base, building the node image asks no mirror.
	packages, err := os.ReadFile(filepath.Join(c.Root, "emulator", "node", "packages.txt"))
	if err != nil {
		return err
	}
	folder := c.Home("tmp", "debian")
	defer func() { // what is left, the next build removes
		_ = exec.CommandContext(context.WithoutCancel(ctx), "sh", "-c", `umount "$1"/proc "$1"/sys 2>/dev/null; rm -rf --one-file-system "$1"`, "sh", folder).Run()
	}()
	bootstrapping := c.Command(ctx, "", "debootstrap", "--variant=minbase", "--include="+strings.Join(strings.Fields(string(packages)), ","), "trixie", folder)
	if proxy, err := c.Output(ctx, "sh", "-c", `eval "$(apt-config shell p Acquire::http::Proxy)"; echo "$p"`); err == nil && proxy != "" {
		bootstrapping.Env = append(os.Environ(), "http_proxy="+proxy)
	}
	if err := p.Run(bootstrapping, func(line string) { p.Say("no registry: bootstrapping: " + strings.TrimPrefix(line, "I: ")) }); err != nil {
		return err
	}
	p.Say("importing")
	return p.Run(c.Command(ctx, "", "sh", "-c", `tar -C "$1" --exclude='./var/cache/apt/archives/*.deb' --exclude='./var/lib/apt/lists/*' --exclude='./usr/share/doc/*' \
		--exclude='./usr/share/man/*' --exclude='./usr/share/locale/*' -c . | docker import --change 'CMD ["bash"]' --change "LABEL $2=debian" - "$3"`,
		"sh", folder, Label, debian), nil)
}

// golangImage gets the image that builds the app: from a registry, or where none
// answers from this machine's own Go.
func golangImage(ctx context.Context, c checkout.Checkout, p *progress.Report) error {
	if hasImage(ctx, c, golang) {
		return nil
	}
	pinned := pinnedGolang(c)
	refused := pull(ctx, c, p, pinned)
	if refused == nil && pinned != golang {
		return c.Command(ctx, "", "docker", "tag", pinned, golang).Run()
	}
	if refused == nil || ctx.Err() != nil {
		return refused
	}
	p.Say("no registry: making " + golang + " of this machine's " + runtime.Version())
	goroot, err := c.Output(ctx, "go", "env", "GOROOT")
	if err != nil {
		return err
	}
	folder := c.Home("tmp", "golang")
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	dockerfile := "FROM " + debian + "\nCOPY go /usr/local/go\nENV PATH=/go/bin:/usr/local/go/bin:$PATH GOPATH=/go GOTOOLCHAIN=local\nWORKDIR /go\n"
	if err := os.WriteFile(filepath.Join(folder, "Dockerfile"), []byte(dockerfile), 0o644); err != nil {
		return err
	}
	// Some distributions scatter GOROOT over links, which --dereference gathers.
	return p.Run(c.Command(ctx, "", "sh", "-c", `tar -c --dereference -C "$1" Dockerfile -C "$2" --exclude=./test --exclude=./api --exclude=./doc --exclude=./misc \
		--exclude=testdata --exclude='*_test.go' --transform 's,^\.,go,S' . | BUILDX_BUILDER=default docker build --label "$3=golang" --tag "$4" -`,
		"sh", folder, goroot, Label, golang), nil)
}

var fromGolang = regexp.MustCompile(`(?m)^FROM .*\b(golang:\S+@sha256:[0-9a-f]{64}) `)

// pinnedGolang returns the image that app/Dockerfile names by its digest, or where that
// is of another service, golang.
func pinnedGolang(c checkout.Checkout) string {
	text, _ := os.ReadFile(filepath.Join(c.Root, "app", "Dockerfile"))
	if found := fromGolang.FindSubmatch(text); found != nil {
		return string(found[1])
	}
	return golang
}

// nodeImage builds the image of control plane, nodes and registry, under a name
// made from its contents, and notes the name for the emulator.
func nodeImage(ctx context.Context, c checkout.Checkout, p *progress.Report) error {
	digest, err := c.Digest([]string{"emulator/node"})
	if err != nil {
		return err
	}
	name := "hello-timber/node:" + digest[:12]
	if !hasImage(ctx, c, name) {
		p.Say("building " + name)
		docker := c.Command(ctx, "emulator/node", "docker", "build", "--network", "host", "--label", Label+"=node", "--tag", name, ".")
		docker.Env = append(os.Environ(), "BUILDX_BUILDER=default")
		for name, value := range proxy.Build(os.Getenv) { // in the environment, because any user can read arguments
			docker.Args, docker.Env = append(docker.Args, "--build-arg="+name), append(docker.Env, name+"="+value)
		}
		if err := p.Run(docker, func(line string) { p.Say("building: " + line) }); err != nil {
			return err
		}
	}
	return checkout.Replace(c.Home("node-image"), name, 0o644)
}
