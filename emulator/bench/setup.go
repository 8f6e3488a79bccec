//go:build linux

package main

import (
	"os"
	"path/filepath"
	"strings"
	"time"
)

// setup returns how long each step of the emulator's setup took when it last had
// something to do; see emulator/setup/estimate.go. Cold is what `make clean up` makes it.
func setup(b *bench) error {
	for _, step := range []string{"get-kubernetes", "get-pulumi", "get-provider", "modules", "kubernetes", "network", "emulator", "pulumi", "provider", "program", "debian", "golang", "node"} {
		text, err := os.ReadFile(filepath.Join(b.home, "took", step))
		if os.IsNotExist(err) {
			continue // it never took a second
		}
		if err != nil {
			return err
		}
		first, _, _ := strings.Cut(string(text), "\n")
		took, err := time.ParseDuration(first)
		if err != nil {
			return err
		}
		b.note("step "+step+", the last time", seconds(took), "")
	}
	cmd := b.command("make", "build")
	_, used, err := measured(cmd)
	if err != nil {
		return err
	}
	b.note("`make build`, everything built", seconds(used.wall), "")
	return nil
}
