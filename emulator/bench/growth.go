//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// growth measures what more pods and more workloads cost.
func growth(b *bench) error {
	if err := b.ensureUp(); err != nil {
		return err
	}
	last := "1"
	for i, replicas := range []string{"3", "30", "100"} {
		if err := b.grow(fmt.Sprintf("replicas %s → %s", last, replicas), "replicas", replicas); err != nil {
			return err
		}
		if err := b.grow("rollout of "+replicas+" pods, image built and pushed in it", "imageVersion", fmt.Sprintf("v%d", i+10)); err != nil {
			return err
		}
		last = replicas
	}
	if err := b.grow("replicas "+last+" → 1", "replicas", "1"); err != nil {
		return err
	}
	return b.growWorkloads()
}

// grow measures an update that changes one key.
func (b *bench) grow(what, key, value string) error {
	if err := b.set(key, value); err != nil {
		return err
	}
	began := time.Now()
	if _, err := b.run("pulumi", "up", "--yes", "--skip-preview"); err != nil {
		return err
	}
	b.note(what, seconds(time.Since(began)), "")
	return nil
}

// project is that of a program of many stacks' workloads on this stack's cluster.
const project = `name: hello-timber-growth
runtime:
  name: go
  options: {buildTarget: bin/hello-timber}
`

func (b *bench) growWorkloads() (err error) {
	image, _, err := b.imageAndURL()
	if err != nil {
		return err
	}
	folder := filepath.Join(b.copy, "growth")
	for _, args := range [][]string{
		{"mkdir", folder},
		{"cp", "-r", "go.mod", "go.sum", "stacks", folder},
		{"cp", filepath.Join("emulator", "bench", "testdata", "growth.go"), filepath.Join(folder, "main.go")},
	} {
		if _, err := b.run(args[0], args[1:]...); err != nil {
			return err
		}
	}
	if err := edit(filepath.Join(folder, "main.go"), `//go:build ignore\n`, ""); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(folder, "Pulumi.yaml"), []byte(project), 0o644); err != nil {
		return err
	}
	pulumi := func(args ...string) (string, usage, error) {
		cmd := b.command("pulumi", args...)
		cmd.Dir = folder
		return measured(cmd)
	}
	if _, _, err := pulumi("stack", "init", stackName); err != nil {
		return err
	}
	defer func() {
		ctx := b.ctx
		b.ctx = context.WithoutCancel(ctx) // also when interrupted
		_, _, destroyed := pulumi("destroy", "--yes", "--skip-preview", "--remove")
		b.ctx = ctx
		err = errors.Join(err, destroyed)
	}()
	for key, value := range map[string]string{"image": image, "kubeconfig": filepath.Join(b.copy, "kubeconfig"), "workloads": "0"} {
		if _, _, err := pulumi("config", "set", key, value); err != nil {
			return err
		}
	}
	if _, _, err := pulumi("preview"); err != nil { // compiles
		return err
	}
	for _, workloads := range []string{"1", "10", "100"} {
		if err := b.growTo(workloads, pulumi); err != nil {
			return err
		}
	}
	return nil
}

// growTo brings the program to a number of workloads and measures how.
func (b *bench) growTo(workloads string, pulumi func(...string) (string, usage, error)) error {
	if _, _, err := pulumi("config", "set", "workloads", workloads); err != nil {
		return err
	}
	_, preview, err := pulumi("preview")
	if err != nil {
		return err
	}
	_, up, err := pulumi("up", "--yes", "--skip-preview")
	if err != nil {
		return err
	}
	_, unchanged, err := pulumi("preview")
	if err != nil {
		return err
	}
	state, _, err := pulumi("stack", "export")
	if err != nil {
		return err
	}
	b.note("workloads in one program: "+workloads, fmt.Sprintf("first preview %s, up %s, unchanged preview %s", seconds(preview.wall), seconds(up.wall), seconds(unchanged.wall)),
		fmt.Sprintf("CPU of the unchanged %s, memory %s, state %s", seconds(unchanged.cpu), size(unchanged.peak), size(int64(len(state)))))
	return nil
}
