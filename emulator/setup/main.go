//go:build linux

// Command setup prepares this machine for the emulator: it checks what is needed,
// downloads or compiles what is missing, and makes the stacks of this machine. It uses
// only the standard library, so that it runs seconds after a clone.
//
// With DOWNLOAD=never everything is compiled. DOWNLOAD_MIRROR is the address of a web
// server that has the publishers' files under the publishers' paths.
//
// What is checked must be what is used later:
//
//	checked                         used by                             how the two agree
//	docker info                     the docker command, and Docker's    env sets DOCKER_HOST to the engine of
//	                                library in the providers            the docker command's context
//	free space                      go build, docker build, downloads   go env, docker info and TMPDIR name the
//	                                                                    folders; each file system counts once
//	inotify: limits, root's use     kubelet, containerd and others, as  rootless engines are refused, so root in
//	                                root in the nodes                   a node is root here
//	secrets of a new stack's config pulumi, with .emulator/passphrase   those of another key are left out
//	HTTP_PROXY, http_proxy, …       apt-get in the node image's build,  proxy.Build passes both spellings
//	                                the service's own build
package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"hello-timber/emulator/setup/checkout"
	"hello-timber/emulator/setup/downloads"
	"hello-timber/emulator/setup/images"
	"hello-timber/emulator/setup/machine"
	"hello-timber/emulator/setup/programs"
	"hello-timber/emulator/setup/progress"
	"hello-timber/emulator/setup/stack"
)

// command is what one command does in a checkout with a stack, which a new one starts
// from another.
type command func(ctx context.Context, c checkout.Checkout, name, from string) error

// plain is a command about no stack.
func plain(run func(context.Context, checkout.Checkout) error) command {
	return func(ctx context.Context, c checkout.Checkout, _, _ string) error { return run(ctx, c) }
}

// named is a command about a stack.
func named(run func(ctx context.Context, c checkout.Checkout, name string) error) command {
	return func(ctx context.Context, c checkout.Checkout, name, _ string) error { return run(ctx, c, name) }
}

var commands = map[string]command{
	"answer":  named(stack.Answer),
	"browser": plain(machine.Browser),
	"build":   plain(build),
	"clean":   plain(stack.Clean),
	"doctor":  plain(doctor),
	"env":     named(stack.PrintEnv),
	"gone":    plain(stack.Gone),
	"metrics": named(programs.Metrics),
	"stack":   stack.Make,
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := start(ctx, append(os.Args[1:], "", "", ""))
	if ctx.Err() != nil {
		err = errors.New("interrupted; run the same command again to continue")
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func start(ctx context.Context, args []string) error {
	command, ok := commands[args[0]]
	if !ok {
		return fmt.Errorf("usage: setup %s [STACK [FROM]]", strings.Join(slices.Sorted(maps.Keys(commands)), "|"))
	}
	c, err := checkout.New()
	if err != nil {
		return err
	}
	for name, value := range stack.Env(ctx, c, args[1]) {
		if err := os.Setenv(name, value); err != nil {
			return err
		}
	}
	if folder := os.Getenv("GOTMPDIR"); folder != "" {
		if err := os.MkdirAll(folder, 0o755); err != nil {
			return err
		}
	}
	// It would win over the passphrase's file.
	if err := os.Unsetenv("PULUMI_CONFIG_PASSPHRASE"); err != nil {
		return err
	}
	return command(ctx, c, args[1], args[2])
}

// build makes everything that up needs and that is missing or out of date.
func build(ctx context.Context, c checkout.Checkout) error {
	sources, err := downloads.New(os.Getenv)
	if err != nil {
		return err
	}
	for _, folder := range []string{"bin", "logs", "stamps", "state", "tmp"} {
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
	if err := os.RemoveAll(c.Home("tmp")); err != nil {
		return err
	}
	if err := os.MkdirAll(c.Home("tmp"), 0o755); err != nil {
		return err
	}

	if err := machine.Preflight(ctx, c); err != nil {
		return err
	}

	list, err := programs.List(ctx, c, sources)
	if err != nil {
		return err
	}
	steps, estimate := programs.Steps(c, sources, list)
	return progress.Run(ctx, c, estimate, append(steps, images.Steps(c)...)...)
}

// doctor prints what each check of this machine found.
func doctor(ctx context.Context, c checkout.Checkout) error {
	return machine.Doctor(ctx, c, stack.Taken)
}
