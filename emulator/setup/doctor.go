//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
)

// finding is the result of a check. An empty one is not printed. doctor/ has a type
// like it: to share one, this module would have to require the program's, with all
// of Pulumi's SDKs, for a struct and a format.
type finding struct {
	what, says string
	// fix is the command or the step that fixes it, or empty if nothing is wrong.
	fix string
	// optional: the emulator works without it, but not all that it promises.
	optional bool
}

func ok(what, format string, args ...any) finding {
	return finding{what: what, says: fmt.Sprintf(format, args...)}
}

func missing(what, fix, format string, args ...any) finding {
	return finding{what: what, says: fmt.Sprintf(format, args...), fix: fix}
}

// required reports whether make up stops at it.
func (f finding) required() bool { return f.fix != "" && !f.optional }

func (f finding) String() string {
	if f.fix == "" {
		return f.says
	}
	return strings.TrimSuffix(f.says, ".") + ". Fix: " + f.fix
}

func (f finding) print(out io.Writer) {
	verdict := "ok"
	switch {
	case f.required():
		verdict = "MISSING"
	case f.fix != "":
		verdict = "WARNING"
	}
	fmt.Fprintf(out, "%-8s %-8s %s\n", verdict, f.what, f)
}

// doctor prints what each check found and fails if something is missing. It changes nothing.
func doctor(ctx context.Context, c checkout) error {
	problems := 0
	var findings []finding
	if err := c.watched(ctx, "doctor", func(ctx context.Context, p *progress) error {
		p.say("asking the engine")
		e := c.engine(ctx)
		p.say("adding up what is on the disk")
		findings = append(c.examine(ctx, e), c.chromium(), c.taken(ctx, e))
		return nil
	}); err != nil {
		return err
	}
	for _, f := range findings {
		f.print(os.Stdout)
		if f.required() {
			problems++
		}
	}
	if problems > 0 {
		return fmt.Errorf("this machine lacks %d of the things that the emulator needs (see above)", problems)
	}
	return nil
}

// preflight stops make up before it builds anything if something is missing. It
// prints only what is wrong.
func (c checkout) preflight(ctx context.Context) error {
	var findings []finding
	err := c.watched(ctx, "docker", func(ctx context.Context, p *progress) error {
		p.say("asking the engine")
		e := c.engine(ctx)
		if !e.answers() {
			if err := c.ensureDocker(ctx, p); err != nil {
				return err
			}
			e = c.engine(ctx)
		}
		allowInotify(c.host())
		findings = c.examine(ctx, e)
		return nil
	})
	if err != nil {
		return err
	}
	var problems []error
	for _, f := range findings {
		switch {
		case f.required():
			problems = append(problems, fmt.Errorf("%s: %s", f.what, f))
		case f.fix != "":
			f.print(os.Stderr)
		}
	}
	return errors.Join(problems...)
}

// examine runs all checks and returns those that say something.
func (c checkout) examine(ctx context.Context, e engine) []finding {
	var findings []finding
	h := c.host()
	if h.err == nil {
		h.disks, h.err = c.disks(ctx, e)
	}
	for _, check := range hostChecks {
		findings = append(findings, check(h))
	}
	findings = append(findings, reachable(e))
	if e.answers() {
		for _, check := range engineChecks {
			findings = append(findings, check(e))
		}
	}
	findings = append(findings, c.cli(ctx))
	return slices.DeleteFunc(findings, func(f finding) bool { return f.says == "" })
}

func (c checkout) cli(ctx context.Context) finding {
	path := c.installed("pulumi")
	if path == "" {
		return ok("pulumi", "not on PATH: make up downloads or compiles it")
	}
	version, err := c.output(ctx, path, "version")
	if err != nil || !strings.HasPrefix(version, "v3.") {
		return missing("pulumi", "install Pulumi 3 (https://www.pulumi.com/docs/install), or remove this one from PATH",
			"%s says version %q, and the program needs version 3", path, version)
	}
	return ok("pulumi", "%s at %s", version, path)
}
