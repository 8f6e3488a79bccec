//go:build linux

package stack

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"hello-timber/emulator/setup/checkout"
	"hello-timber/emulator/setup/images"
	"hello-timber/emulator/setup/progress"
)

// things are what a checkout makes with Docker, in the order in which it can be removed. An
// image can be removed only after those that are made from it, which are newer and listed
// before it.
var things = []struct {
	kind         string
	list, remove []string
}{
	{"container", []string{"ps", "--all", "--format={{.Names}}"}, []string{"rm", "--force", "--volumes"}},
	{"network", []string{"network", "ls", "--format={{.Name}}"}, []string{"network", "rm"}},
	{"volume", []string{"volume", "ls", "--format={{.Name}}"}, []string{"volume", "rm", "--force"}},
	{"image", []string{"image", "ls", "--quiet"}, []string{"image", "rm", "--force"}},
}

// leftovers lists what passes one of some filters.
func leftovers(ctx context.Context, c checkout.Checkout, list []string, filters ...string) ([]string, error) {
	var names []string
	for _, filter := range filters {
		text, err := c.Output(ctx, "docker", append(slices.Clone(list), "--filter="+filter)...)
		if err != nil {
			return nil, err
		}
		for name := range strings.FieldsSeq(text) {
			if !slices.Contains(names, name) { // an image is listed once for each of its tags
				names = append(names, name)
			}
		}
	}
	return names, nil
}

// label marks every container, network and volume of this checkout.
func label(c checkout.Checkout) string { return "label=hello-timber.emulator=" + c.Home() }

// populated names the stacks that still have resources.
func populated(ctx context.Context, c checkout.Checkout) ([]string, error) {
	if !checkout.Exists(c.Home("state", ".pulumi")) {
		return nil, nil
	}
	text, err := c.Output(ctx, "pulumi", "stack", "ls", "--json")
	if err != nil {
		return nil, err
	}
	var stacks []struct {
		Name          string
		ResourceCount int
	}
	err = json.Unmarshal([]byte(text), &stacks)
	var names []string
	for _, s := range stacks {
		if s.ResourceCount > 0 {
			names = append(names, s.Name)
		}
	}
	return names, err
}

// Gone reports after a destroy whether anything is left on this machine.
func Gone(ctx context.Context, c checkout.Checkout, p *progress.Report) error {
	p.Say("reading the stacks")
	stacks, err := populated(ctx, c)
	if err != nil {
		return err
	}
	if len(stacks) > 0 {
		fmt.Println("still up: " + strings.Join(stacks, ", "))
		return nil
	}
	for _, thing := range things {
		p.Say("looking for each " + thing.kind)
		left, err := leftovers(ctx, c, thing.list, label(c))
		if err != nil {
			return err
		}
		if len(left) > 0 {
			return fmt.Errorf("left behind: %s %s. Fix: make clean", thing.kind, strings.Join(left, " "))
		}
	}
	fmt.Println("nothing is left running")
	return nil
}

// Clean removes everything that the emulator made: containers, networks, volumes,
// images, the folder, and the config files of this machine's stacks.
func Clean(ctx context.Context, c checkout.Checkout, p *progress.Report) error {
	p.Say("reading the stacks")
	stacks, err := populated(ctx, c)
	if err == nil && len(stacks) > 0 {
		err = fmt.Errorf("still up: %s. Fix: make down STACK=%s", strings.Join(stacks, ", "), stacks[0])
	}
	if err != nil {
		return err
	}
	for _, thing := range things {
		filters := []string{label(c)}
		if thing.kind == "image" { // the emulator's, and what the engine built for the stacks' projects
			filters = []string{"label=" + images.Label, "reference=*-docker.pkg.dev/hello-timber-*/*/*"}
		}
		left, err := leftovers(ctx, c, thing.list, filters...)
		if err != nil {
			return err
		}
		for _, name := range left {
			p.Say("removing the " + thing.kind + " " + name)
			_, err := c.Output(ctx, "docker", append(thing.remove, name)...)
			if thing.kind == "image" && err != nil {
				p.Print(err.Error()) // another checkout's containers run it
			} else if err != nil {
				return err
			}
		}
	}
	p.Say("removing .emulator")
	paths := []string{filepath.Join(c.Root, "bin"), c.Home()}
	for prefix := range strings.FieldsSeq(os.Getenv("LOCAL")) { // the Makefile's
		configs, err := filepath.Glob(filepath.Join(c.Root, "Pulumi."+prefix+"*.yaml"))
		if err != nil {
			return err
		}
		paths = append(paths, configs...)
	}
	for _, path := range paths {
		err = errors.Join(err, os.RemoveAll(path))
	}
	return err
}
