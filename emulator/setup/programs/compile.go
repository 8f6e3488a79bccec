//go:build linux

package programs

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"strings"

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

// downloading begins the lines in which Go names a module that it downloads.
const downloading = "go: downloading "

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
	compiled, modules := 0, 0
	p.Say("reading sources")
	if err := p.Run(cmd, func(line string) {
		switch {
		case strings.HasPrefix(line, downloading):
			modules++
			p.Say(fmt.Sprintf("downloaded %d modules", modules))
		case !strings.ContainsAny(line, " #"): // the name of a package
			compiled++
			p.Say(fmt.Sprintf("compiled %d packages", compiled))
			p.Count(compiled, program.packages)
		}
	}); err != nil {
		return err
	}
	return checkout.Replace(path, digest, 0o644)
}
