// Command doctor checks what it takes to deploy the stack that PULUMI_STACK names
// on Google Cloud: this machine's tools, the logins, and the project. It changes
// nothing, prints a line for each, with the command that mends what is missing,
// and fails if anything is. What this user may not look at, or cannot be seen yet,
// is told as unknown and is no failure.
//
// It asks the pulumi, docker and gcloud commands, whose logins are the ones that
// count, and uses the standard library only.
package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := examine(ctx, os.Getenv("PULUMI_STACK"), os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// finding is what a check found out. When mend is not empty something is missing,
// and mend is the command or step that mends it.
type finding struct {
	says, mend string
	// unknown: it could not be found out, and says tells why.
	unknown bool
}

func ok(format string, args ...any) finding { return finding{says: fmt.Sprintf(format, args...)} }
func unknown(format string, args ...any) finding {
	return finding{says: fmt.Sprintf(format, args...), unknown: true}
}

// checks are in an order in which each finds what it needs to know. Those that a
// check needs are named: until they are ok it cannot be told.
var checks = []struct {
	what   string
	google bool // not of a stack on a cluster that exists
	needs  []string
	look   func(context.Context, *patient) finding
}{
	{"go", false, nil, goVersion},
	{"pulumi", false, nil, pulumiVersion},
	{"stack", false, []string{"pulumi"}, stackConfig},
	{"docker", false, []string{"stack"}, dockerEngine},
	{"gcloud", true, nil, gcloudVersion},
	{"plugin", true, nil, authPlugin},
	{"account", true, []string{"gcloud"}, account},
	{"login", true, []string{"gcloud"}, login},
	{"project", true, []string{"stack", "account"}, project},
	{"billing", true, []string{"project"}, billing},
	{"apis", true, []string{"project"}, apis},
	{"roles", true, []string{"login", "project"}, roles},
	{"network", true, []string{"project"}, network},
	{"quota", true, []string{"project"}, quota},
}

// patient is a stack, and what has been learnt about it.
type patient struct {
	stack  string
	config map[string]string
	up     bool   // it has a cluster
	token  string // the access token of the Application Default Credentials
}

func (p *patient) project() string { return p.config["gcp:project"] }

// region is that of the location, which may be a zone of it.
func (p *patient) region() string {
	parts := strings.Split(p.config["location"], "-")
	return strings.Join(parts[:min(2, len(parts))], "-")
}

// examine runs the checks and prints what they find.
func examine(ctx context.Context, stack string, out io.Writer) error {
	p := &patient{stack: stack}
	var healthy []string
	missing := 0
	for _, check := range checks {
		if check.google && p.config["kubeconfig"] != "" {
			continue
		}
		f := finding{unknown: true}
		for _, need := range check.needs {
			if !slices.Contains(healthy, need) {
				f.says = cmp.Or(f.says, "can be told when it is ok: "+need)
			}
		}
		if f.says == "" {
			f = check.look(ctx, p)
		}
		verdict := "ok"
		switch {
		case f.mend != "":
			verdict, f.says = "MISSING", f.says+"; to mend: "+f.mend
			missing++
		case f.unknown:
			verdict = "unknown"
		default:
			healthy = append(healthy, check.what)
		}
		fmt.Fprintf(out, "%-8s %-8s %s\n", verdict, check.what, f.says)
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if missing > 0 {
		return fmt.Errorf("%d of what stack %s needs is missing (see above)", missing, stack)
	}
	return nil
}

// run runs a command and returns what it printed. Its error is what the command
// complained of, in one line.
func run(ctx context.Context, name string, args ...string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	var complaint strings.Builder
	command := exec.CommandContext(ctx, name, args...)
	command.Stderr = &complaint
	command.WaitDelay = time.Second
	// gcloud must not ask whether to enable an API, nor suggest to update itself.
	command.Env = append(os.Environ(), "CLOUDSDK_CORE_DISABLE_PROMPTS=1", "CLOUDSDK_COMPONENT_MANAGER_DISABLE_UPDATE_CHECK=1")
	out, err := command.Output()
	if err == nil {
		return out, nil
	}
	lines := strings.FieldsFunc(complaint.String(), func(r rune) bool { return r == '\n' || r == '\r' })
	// gcloud and pulumi explain below the line that says what is wrong.
	for _, line := range lines {
		if _, reason, found := strings.Cut(line, "ERROR: "); found {
			return nil, fmt.Errorf("%s", strings.TrimSpace(reason))
		}
		if reason, found := strings.CutPrefix(line, "error: "); found {
			return nil, fmt.Errorf("%s", strings.TrimSpace(reason))
		}
	}
	if len(lines) > 0 {
		return nil, fmt.Errorf("%s", strings.TrimSpace(lines[len(lines)-1]))
	}
	return nil, fmt.Errorf("%s: %w", name, err)
}
