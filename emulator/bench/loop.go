//go:build linux

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// repeats is how often a short thing is measured; the median counts.
const repeats = 3

// change is an edit of one line, or none.
type change struct{ what, path, pattern, with string }

// loopEdits are made again and again, with another number for N.
var loopEdits = []change{
	{what: "unchanged preview"},
	{"edit in `stacks/target` → preview", "stacks/target/registry.go", `"Images of( \d+,)? %s"`, `"Images of N, %s"`},
	{"edit in `stacks/workload` → preview", "stacks/workload/rollout.go", `drainDelay = \d+`, `drainDelay = N`},
}

// loop measures from an edited line to the preview's result.
func loop(b *bench) error {
	if err := b.ensureUp(); err != nil {
		return err
	}
	preview := func() (usage, error) {
		cmd := b.command("pulumi", "preview")
		cmd.Dir = b.copy
		_, used, err := measured(cmd)
		return used, err
	}
	if _, err := preview(); err != nil { // the copy's first build
		return err
	}
	var unchanged usage
	for _, loop := range loopEdits {
		var all []usage
		for i := range repeats {
			if loop.path != "" {
				with := strings.ReplaceAll(loop.with, "N", strconv.Itoa(6+i))
				if err := edit(filepath.Join(b.copy, loop.path), loop.pattern, with); err != nil {
					return err
				}
			}
			used, err := preview()
			if err != nil {
				return err
			}
			all = append(all, used)
		}
		slices.SortFunc(all, func(a, b usage) int { return int(a.wall - b.wall) })
		used, compared := all[repeats/2], ""
		if loop.path == "" {
			unchanged = used
		} else {
			compared = fmt.Sprintf("%.1f × unchanged; compiler running for %s", used.wall.Seconds()/unchanged.wall.Seconds(), seconds(used.compiling))
		}
		b.note(loop.what, used.String(), compared)
	}
	_, err := b.run("cp", "-r", "stacks", b.copy)
	return err
}

// cold compiles the program with a compiler's cache of its own, once as pulumi
// does here and once as go build does by itself.
func cold(b *bench) error {
	for _, flags := range []string{os.Getenv("GOFLAGS"), ""} {
		cache, err := os.MkdirTemp("", "hello-timber-bench-cache-")
		if err != nil {
			return err
		}
		defer os.RemoveAll(cache)
		binary := filepath.Join(cache, "program")
		cmd := b.command("go", "build", "-o", binary)
		cmd.Env = append(cmd.Env, "GOCACHE="+cache, "GOFLAGS="+flags)
		_, used, err := measured(cmd)
		if err != nil {
			return err
		}
		info, err := os.Stat(binary)
		if err != nil {
			return err
		}
		cmd = b.command("go", "build", "-o", binary)
		cmd.Env = append(cmd.Env, "GOCACHE="+cache, "GOFLAGS="+flags)
		_, again, err := measured(cmd)
		if err != nil {
			return err
		}
		b.note(fmt.Sprintf("`GOFLAGS='%s' go build`, empty cache", flags),
			fmt.Sprintf("%s, CPU %s, %s of memory, binary %s; again %s", seconds(used.wall), used.cpu.Round(time.Second), size(used.peak), size(info.Size()), seconds(again.wall)), "")
	}
	return nil
}
