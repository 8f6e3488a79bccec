//go:build linux

package programs

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"

	"hello-timber/emulator/setup/checkout"
	"hello-timber/emulator/setup/progress"
)

// command is how Pulumi's language host builds a program (pulumi/pkg 3.250). With
// other flags the first update would compile and link it a second time.
func (p *Program) command() []string {
	return []string{"build", "-v", "-buildvcs=false", "-o", p.output, "-trimpath", "-ldflags", p.linker, p.pkg}
}

func stamp(c checkout.Checkout, p *Program) (path, digest string, err error) {
	digest, err = c.Digest(p.sources, append(p.command(), runtime.Version(), os.Getenv("GOFLAGS"))...)
	return c.Home("stamps", p.name), digest, err
}

// fresh reports whether a program was built from exactly these sources. It takes
// milliseconds; go build would take seconds each time.
func fresh(c checkout.Checkout, p *Program) bool {
	path, digest, err := stamp(c, p)
	if err != nil {
		return false
	}
	stamp, err := os.ReadFile(path)
	return err == nil && string(stamp) == digest && checkout.Exists(p.output)
}

func compile(ctx context.Context, c checkout.Checkout, p *progress.Report, program *Program) error {
	path, digest, err := stamp(c, program)
	if err != nil {
		return err
	}
	// Go would write through a link, into what was downloaded.
	if _, err := os.Readlink(program.output); err == nil {
		if err := os.Remove(program.output); err != nil {
			return err
		}
	}
	if program.prepare != nil {
		if err := program.prepare(ctx); err != nil {
			return err
		}
	}
	cmd := c.Command(ctx, program.folder, "go", program.command()...)
	// On the output's own disk the finished binary is moved, so it is never half written.
	cmd.Env = append(os.Environ(), "GOTMPDIR="+c.Home("tmp"))
	compiled, done := 0, int64(0)
	var seen []string // and not counted yet
	p.Say("reading sources")
	if err := p.Run(cmd, func(line string) {
		if strings.ContainsAny(line, " #") {
			return
		}
		compiled++
		seen = append(seen, line)
		packages := program.packages.Load()
		switch {
		case packages == nil:
			p.Say(fmt.Sprintf("compiled %d packages", compiled))
			return
		case compiled < len(*packages):
			p.Say(fmt.Sprintf("compiled %d of %d packages", compiled, len(*packages)))
		default:
			p.Say("linking")
		}
		for _, path := range seen {
			done += (*packages)[path].work
		}
		seen = nil
		p.Compiled(done, cpuTime(cmd.Process.Pid))
	}); err != nil {
		return err
	}
	return checkout.Replace(path, digest, 0o644)
}

// cpuTime is the processor time of a process and of its children that ended; 0 if unknown.
func cpuTime(pid int) (used time.Duration) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	_, fields, found := strings.Cut(string(text), ") ") // after the command's name
	all := strings.Fields(fields)
	if err != nil || !found || len(all) < 15 {
		return 0
	}
	for _, field := range all[11:15] { // fields 14 to 17 of proc(5), in hundredths of seconds
		hundredths, _ := strconv.ParseInt(field, 10, 64)
		used += time.Duration(hundredths) * 10 * time.Millisecond
	}
	return used
}
