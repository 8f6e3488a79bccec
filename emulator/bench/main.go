//go:build linux

// Command bench measures the program, the emulator and the service on the machine
// at hand, and prints one table. What is compared is measured in the same run.
// `make bench` runs it, with the emulator built.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// parts in the order in which they run: what the first leave up, the others use.
var parts = []struct {
	name, title string
	run         func(*bench) error
}{
	{"cold", "Compiling from nothing", cold},
	{"setup", "Setup", setup},
	{"up", "Up", up},
	{"loop", "Edit–preview loop", loop},
	{"image", "Image", image},
	{"rollout", "Rollout", rollout},
	{"app", "App", app},
	{"growth", "Growth", growth},
}

// usual leaves out what empties a compiler's cache, which takes longer than all the rest.
const usual = "setup,up,loop,image,rollout,app,growth"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// run runs the parts that the argument names, separated by commas, or the usual
// ones. The table of all of those replaces the one in docs/benchmarks.md.
func run(ctx context.Context, args []string) error {
	names := usual
	if len(args) > 0 && args[0] != "" {
		names = args[0]
	}
	wanted := strings.Split(names, ",")
	for _, name := range wanted {
		if !slices.ContainsFunc(slices.Collect(partNames()), func(known string) bool { return known == name }) {
			return fmt.Errorf("PARTS has %q; there are: %s", name, strings.Join(slices.Collect(partNames()), ", "))
		}
	}
	b, err := newBench(ctx)
	if err != nil {
		return err
	}
	began := time.Now()
	for _, part := range parts {
		if err == nil && slices.Contains(wanted, part.name) {
			b.say("%s", part.title)
			b.part = part.title
			if err = part.run(b); err != nil {
				err = fmt.Errorf("%s: %w", part.name, err)
			}
		}
	}
	err = errors.Join(err, b.close())
	table := b.table(time.Since(began))
	fmt.Print(table)
	if err == nil && names == usual {
		err = replaceTable(filepath.Join(b.root, "docs", "benchmarks.md"), table)
	}
	return err
}

func partNames() func(func(string) bool) {
	return func(yield func(string) bool) {
		for _, part := range parts {
			if !yield(part.name) {
				return
			}
		}
	}
}
