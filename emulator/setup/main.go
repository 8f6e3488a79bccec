//go:build linux

// Command setup is the door to the emulator. What make, pipelines and tests run on stacks
// of this machine, they run through it:
//
//	setup run STACK -- COMMAND  make what is missing of the emulator and of the stack, then
//	                            run COMMAND where the emulator replaces Google
//	setup env STACK [COMMAND]   only run COMMAND there, or print the environment for a shell
//
// It checks the machine, downloads or compiles the programs, and makes the images. FROM is
// the stack whose config a new stack starts from. With DOWNLOAD=never everything is compiled.
// DOWNLOAD_MIRROR is the address of a web server that has the publishers' files under the
// publishers' paths. It uses no package that has to be downloaded, so that it runs seconds after a clone.
//
// What is checked must be what is used later:
//
//	checked                         used by                             how the two agree
//	docker info                     the docker command, and Docker's    env sets DOCKER_HOST to the engine of
//	                                library in the providers            the docker command's context
//	free space                      go build, docker build, downloads   go env, docker info and TMPDIR name the
//	                                                                    folders; each file system counts once
//	inotify: root's limits          kubelet, containerd and others, as  rootless engines are refused, so root in
//	                                root in the nodes                   a node is root here
//	secrets of a new stack's config pulumi, with .emulator/passphrase   those of another key are left out
//	HTTP_PROXY, http_proxy, …       apt-get in the node image's build,  proxy.Build passes both spellings
//	                                the service's own build
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"hello-timber/emulator/setup/checkout"
	"hello-timber/emulator/setup/downloads"
	"hello-timber/emulator/setup/host"
	"hello-timber/emulator/setup/images"
	"hello-timber/emulator/setup/programs"
	"hello-timber/emulator/setup/progress"
	"hello-timber/emulator/setup/stack"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := start(ctx, os.Args[1:])
	if ctx.Err() != nil {
		err = errors.New("interrupted; run the same command again to continue")
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func start(ctx context.Context, args []string) error {
	command, args := first(args)
	name, args := first(args)
	if dashes, rest := first(args); dashes == "--" {
		args = rest
	}
	c, err := checkout.New()
	if err != nil {
		return err
	}
	environment, err := stack.Enter(ctx, c, name)
	if err != nil {
		return err
	}
	switch command {
	case "run":
		if err := prepare(ctx, c, name); err != nil {
			return err
		}
		return environment.Run(args)
	case "env":
		return environment.Run(args)
	case "build":
		return build(ctx, c)
	}
	s := stack.Name(name)
	if do := map[string]progress.Do{
		"answer": s.Answer, "browser": host.Browser, "clean": stack.Clean, "doctor": host.Doctor,
		"gone": stack.Gone, "metrics": programs.Metrics, "stack": s.Make,
	}[command]; do != nil {
		return progress.One(ctx, c, command, do)
	}
	return errors.New("usage: setup run STACK -- COMMAND, setup env STACK [COMMAND], setup answer|stack STACK, or setup browser|build|clean|doctor|gone|metrics")
}

func first(args []string) (string, []string) {
	if len(args) == 0 {
		return "", nil
	}
	return args[0], args[1:]
}

// prepare makes all that a stack needs before pulumi can update it.
func prepare(ctx context.Context, c checkout.Checkout, name string) error {
	if err := build(ctx, c); err != nil {
		return err
	}
	s := stack.Name(name)
	if err := progress.One(ctx, c, "stack", s.Make); err != nil {
		return err
	}
	autoscaled, err := s.Autoscaled(c)
	if err != nil || !autoscaled {
		return err
	}
	return progress.One(ctx, c, "metrics", programs.Metrics)
}

// build makes everything that all stacks need and that is missing or out of date.
func build(ctx context.Context, c checkout.Checkout) error {
	sources, err := downloads.New(os.Getenv)
	if err != nil {
		return err
	}
	for _, folder := range []string{"bin", "logs", "stamps", "state"} {
		if err := os.MkdirAll(c.Home(folder), 0o755); err != nil {
			return err
		}
	}
	unlock, err := c.Lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	// An interrupted build leaves files there.
	if err := errors.Join(os.RemoveAll(c.Home("tmp")), os.MkdirAll(c.Home("tmp"), 0o755)); err != nil {
		return err
	}
	if err := progress.One(ctx, c, "docker", host.Preflight); err != nil {
		return err
	}
	list, err := programs.List(ctx, c, sources)
	if err != nil {
		return err
	}
	return progress.Run(ctx, c, append(programs.Steps(c, sources, list), images.Steps()...)...)
}
