//go:build linux

package main

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
)

const (
	debian = "debian:trixie-slim"
	golang = "golang:1.26"
	// imageLabel marks the images that make clean removes.
	imageLabel = "hello-timber.image"
)

// images are the steps that make the Docker images of nodes and builds.
func (c checkout) images() []step {
	return []step{
		{name: "debian", run: c.debianImage},
		{name: "golang", needs: []string{"debian"}, run: c.golangImage},
		{name: "node", needs: []string{"debian"}, run: c.nodeImage},
	}
}

func (c checkout) hasImage(ctx context.Context, name string) bool {
	return c.command(ctx, "", "docker", "image", "inspect", name).Run() == nil
}

// pull asks a registry for an image.
func (c checkout) pull(ctx context.Context, p *progress, name string) error {
	p.say("asking for " + name)
	var layers, pulled int64
	return p.run(c.command(ctx, "", "docker", "pull", "--platform", "linux/amd64", name), func(line string) {
		switch _, state, _ := strings.Cut(line, ": "); state {
		case "Pulling fs layer":
			layers++
		case "Already exists":
			layers, pulled = layers+1, pulled+1
		case "Pull complete":
			pulled++
		}
		if layers > 0 {
			p.counted(pulled, layers, fmt.Sprintf("pulled %d of %d layers", pulled, layers))
		} else {
			p.say("pulling: " + line)
		}
	})
}

// debianImage gets the base of the node image: from a registry, or where none
// answers from Debian's packages.
func (c checkout) debianImage(ctx context.Context, p *progress) error {
	if c.hasImage(ctx, debian) {
		return nil
	}
	refused := c.pull(ctx, p, debian)
	if refused == nil || ctx.Err() != nil {
		return refused
	}
	bootstrap := c.installed("debootstrap") != ""
	if os.Geteuid() != 0 || !bootstrap && c.installed("apt-get") == "" {
		return fmt.Errorf("%w\n  Without a registry %s can be made from Debian's packages, by root on a machine with debootstrap; or bring it with docker load", refused, debian)
	}
	if !bootstrap {
		if err := c.aptInstall(ctx, p, "debootstrap"); err != nil {
			return err
		}
	}
	// With all the node's packages in the base, building the node image asks no mirror.
	packages, err := os.ReadFile(filepath.Join(c.root, "emulator", "node", "packages.txt"))
	if err != nil {
		return err
	}
	folder := c.home("tmp", "debian")
	defer func() { // what is left, the next build removes
		_ = exec.CommandContext(context.WithoutCancel(ctx), "sh", "-c", `umount "$1"/proc "$1"/sys 2>/dev/null; rm -rf --one-file-system "$1"`, "sh", folder).Run()
	}()
	bootstrapping := c.command(ctx, "", "debootstrap", "--variant=minbase", "--include="+strings.Join(strings.Fields(string(packages)), ","), "trixie", folder)
	if proxy, err := c.output(ctx, "sh", "-c", `eval "$(apt-config shell p Acquire::http::Proxy)"; echo "$p"`); err == nil && proxy != "" {
		bootstrapping.Env = append(os.Environ(), "http_proxy="+proxy)
	}
	if err := p.run(bootstrapping, func(line string) { p.say("no registry: bootstrapping: " + strings.TrimPrefix(line, "I: ")) }); err != nil {
		return err
	}
	p.say("importing")
	return p.run(c.command(ctx, "", "sh", "-c", `tar -C "$1" --exclude='./var/cache/apt/archives/*.deb' --exclude='./var/lib/apt/lists/*' --exclude='./usr/share/doc/*' \
		--exclude='./usr/share/man/*' --exclude='./usr/share/locale/*' -c . | docker import --change 'CMD ["bash"]' --change "LABEL $2=debian" - "$3"`,
		"sh", folder, imageLabel, debian), nil)
}

// golangImage gets the image that builds the app: from a registry, or where none
// answers from this machine's own Go.
func (c checkout) golangImage(ctx context.Context, p *progress) error {
	if c.hasImage(ctx, golang) {
		return nil
	}
	pinned := c.pinnedGolang()
	refused := c.pull(ctx, p, pinned)
	if refused == nil && pinned != golang {
		return c.command(ctx, "", "docker", "tag", pinned, golang).Run()
	}
	if refused == nil || ctx.Err() != nil {
		return refused
	}
	p.say("no registry: making " + golang + " of this machine's " + runtime.Version())
	goroot, err := c.output(ctx, "go", "env", "GOROOT")
	if err != nil {
		return err
	}
	folder := c.home("tmp", "golang")
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	dockerfile := "FROM " + debian + "\nCOPY go /usr/local/go\nENV PATH=/go/bin:/usr/local/go/bin:$PATH GOPATH=/go GOTOOLCHAIN=local\nWORKDIR /go\n"
	if err := os.WriteFile(filepath.Join(folder, "Dockerfile"), []byte(dockerfile), 0o644); err != nil {
		return err
	}
	// Some distributions scatter GOROOT over links, which --dereference gathers.
	return p.run(c.command(ctx, "", "sh", "-c", `tar -c --dereference -C "$1" Dockerfile -C "$2" --exclude=./test --exclude=./api --exclude=./doc --exclude=./misc \
		--exclude=testdata --exclude='*_test.go' --transform 's,^\.,go,S' . | BUILDX_BUILDER=default docker build --label "$3=golang" --tag "$4" -`,
		"sh", folder, goroot, imageLabel, golang), nil)
}

var fromGolang = regexp.MustCompile(`(?m)^FROM .*\b(golang:\S+@sha256:[0-9a-f]{64}) `)

// pinnedGolang returns the image that app/Dockerfile names by its digest, or where that
// is of another service, golang.
func (c checkout) pinnedGolang() string {
	text, _ := os.ReadFile(filepath.Join(c.root, "app", "Dockerfile"))
	if found := fromGolang.FindSubmatch(text); found != nil {
		return string(found[1])
	}
	return golang
}

// nodeImage builds the image of control plane, nodes and registry, under a name
// made from its contents, and notes the name for the emulator.
func (c checkout) nodeImage(ctx context.Context, p *progress) error {
	digest, err := c.digest([]string{"emulator/node"})
	if err != nil {
		return err
	}
	name := "hello-timber/node:" + digest[:12]
	if !c.hasImage(ctx, name) {
		p.say("building " + name)
		docker := c.command(ctx, "emulator/node", "docker", "build", "--network", "host", "--label", imageLabel+"=node", "--tag", name, ".")
		docker.Env = append(os.Environ(), "BUILDX_BUILDER=default")
		for name, value := range proxy.Build(os.Getenv) { // in the environment, because any user can read arguments
			docker.Args, docker.Env = append(docker.Args, "--build-arg="+name), append(docker.Env, name+"="+value)
		}
		if err := p.run(docker, func(line string) { p.say("building: " + line) }); err != nil {
			return err
		}
	}
	return replace(c.home("node-image"), name, 0o644)
}
