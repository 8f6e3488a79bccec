//go:build linux

package machine

import (
	"fmt"
	"io"
	"strings"
)

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
