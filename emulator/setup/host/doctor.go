//go:build linux

// Package host checks the computer that the emulator runs on: its system, disks,
// kernel and Docker engine. Each check returns a finding, with the command that fixes
// what is missing. As root on Debian it also installs Docker, and Chromium for the tests.
package host

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"hello-timber/emulator/setup/checkout"
	"hello-timber/emulator/setup/progress"
)

// Doctor prints what each check found and fails if something is missing. It changes nothing.
func Doctor(ctx context.Context, c checkout.Checkout, p *progress.Report) error {
	p.Say("asking the engine")
	problems := 0
	for _, f := range slices.Concat(examine(ctx, c, askEngine(ctx, c)), Policies(ctx, c), []Finding{chromium(c)}) {
		f.Print(os.Stdout)
		if f.required() {
			problems++
		}
	}
	if problems > 0 {
		return fmt.Errorf("this machine lacks %d of the things that the emulator needs (see above)", problems)
	}
	return nil
}

// Preflight stops make up before it builds anything if something is missing. It
// prints only what is wrong.
func Preflight(ctx context.Context, c checkout.Checkout, p *progress.Report) error {
	p.Say("asking the engine")
	e := askEngine(ctx, c)
	if !e.answers() {
		if err := ensureDocker(ctx, c, p); err != nil {
			return err
		}
		e = askEngine(ctx, c)
	}
	allowInotify()
	var problems []error
	for _, f := range examine(ctx, c, e) {
		switch {
		case f.required():
			problems = append(problems, fmt.Errorf("%s: %s", f.What, f))
		case f.Fix != "":
			f.Print(os.Stderr)
		}
	}
	return errors.Join(problems...)
}

// examine runs all checks.
func examine(ctx context.Context, c checkout.Checkout, e engine) []Finding {
	return append(append(readHost(ctx, c, e).findings(), e.findings()...), cli(ctx, c))
}

func cli(ctx context.Context, c checkout.Checkout) Finding {
	path := c.Installed("pulumi")
	if path == "" {
		return fine("pulumi", "not on PATH: make up downloads or compiles it")
	}
	version, err := c.Output(ctx, path, "version")
	if err != nil || !strings.HasPrefix(version, "v3.") {
		return missing("pulumi", "install Pulumi 3 (https://www.pulumi.com/docs/install), or remove this one from PATH",
			"%s says version %q, and the program needs version 3", path, version)
	}
	return fine("pulumi", "%s at %s", version, path)
}

// Finding is the result of a check. doctor/ has a type like it: to share one, this module
// would have to require the program's, with all of Pulumi's SDKs, for a struct and a format.
type Finding struct {
	What, Says string
	// Fix is the command or the step that fixes it, or empty if nothing is wrong.
	Fix string
	// Optional: the emulator works without it, but not all that it promises.
	Optional bool
}

func fine(what, format string, args ...any) Finding {
	return Finding{What: what, Says: fmt.Sprintf(format, args...)}
}

func missing(what, fix, format string, args ...any) Finding {
	return Finding{What: what, Says: fmt.Sprintf(format, args...), Fix: fix}
}

// required reports whether make up stops at it.
func (f Finding) required() bool { return f.Fix != "" && !f.Optional }

func (f Finding) String() string {
	if f.Fix == "" {
		return f.Says
	}
	return strings.TrimSuffix(f.Says, ".") + ". Fix: " + f.Fix
}

// Print prints the finding with its verdict.
func (f Finding) Print(out io.Writer) {
	verdict := "ok"
	switch {
	case f.required():
		verdict = "MISSING"
	case f.Fix != "":
		verdict = "WARNING"
	}
	fmt.Fprintf(out, "%-8s %-8s %s\n", verdict, f.What, f)
}
