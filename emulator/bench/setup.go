//go:build linux

package main

import (
	"fmt"
	"os"
	"path/filepath"
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
		var took, work, cpu string
		_, _ = fmt.Sscan(string(text), &took, &work, &cpu) // older ones have no CPU time
		wall, err := time.ParseDuration(took)
		if err != nil {
			return err
		}
		figure := seconds(wall)
		if used, err := time.ParseDuration(cpu); err == nil {
			figure += "; CPU " + seconds(used)
		}
		b.note("step "+step+", the last time", figure, "")
	}
	cmd := b.command("make", "build")
	_, used, err := measured(cmd)
	if err != nil {
		return err
	}
	b.note("`make build`, everything built", seconds(used.wall), "")
	return nil
}
