// Command doctor checks what the stack that PULUMI_STACK names needs on Google Cloud:
// this machine's tools, the logins, and the project. It changes nothing. It prints a
// line for each check, with the command that fixes what is missing, and fails if
// something is. What this user may not read, or what cannot be read yet, is unknown and
// no failure.
//
// It runs the pulumi, docker and gcloud commands, because their logins are those that
// count, and no package that takes long to compile. What it checks is what the work uses:
//
//	check               asks                            used by                    they agree, because
//	go, pulumi          the commands                    pulumi up                  they are the commands in PATH
//	stack               pulumi config, stack output     pulumi up                  same backend, same passphrase
//	docker              docker --host … version         the Docker provider        config.DockerEngine is the provider's order:
//	                                                                               docker:host, DOCKER_HOST, sockets
//	gcloud, account     gcloud                          this program, kubectl      they are gcloud and its account
//	plugin              PATH                            kubeconfig                 it names the plugin without a path
//	login, roles        Application Default Credentials the Google provider        other credentials are refused
//	project, billing,   gcloud's account, which may     the Google provider        an answer that the account may not
//	apis, network       not be the provider's                                      read is unknown
//	address             type, tier, region and user     GKE's load balancer        it takes no other address
//	quota               the region and all regions      GKE: first the temporary   each quota has the larger of both
//	                                                    pool, then the stack's
package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"hello-timber/stacks/config"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := examine(ctx, os.Getenv("PULUMI_STACK"), os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// finding is the result of a check. The emulator's setup has a type like it, because
// the two modules share nothing else.
type finding struct {
	says string
	// fix is the command or the step that fixes it, or empty if nothing is missing.
	fix string
	// unknown: the check had no answer, and says has the reason.
	unknown bool
}

func ok(format string, args ...any) finding { return finding{says: fmt.Sprintf(format, args...)} }
func unknown(format string, args ...any) finding {
	return finding{says: fmt.Sprintf(format, args...), unknown: true}
}
func missing(fix, format string, args ...any) finding {
	return finding{says: fmt.Sprintf(format, args...), fix: fix}
}

func (f finding) verdict() string {
	switch {
	case f.fix != "":
		return "MISSING"
	case f.unknown:
		return "unknown"
	}
	return "ok"
}

func (f finding) String() string {
	if f.fix == "" {
		return f.says
	}
	return strings.TrimSuffix(f.says, ".") + ". Fix: " + f.fix
}

// checks are in an order in which each comes after those that it needs. It is skipped
// until they are ok.
var checks = []struct {
	what   string
	google bool // skipped on an existing cluster
	needs  []string
	look   func(context.Context, *stack) finding
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
	{"address", true, []string{"project"}, address},
	{"quota", true, []string{"project"}, quota},
}

// stack is a stack and what the checks have found out about it.
type stack struct {
	name   string
	config map[string]string
	up     bool   // it has a cluster
	url    string // where its service answers, or empty
	token  string // the access token of the Application Default Credentials
}

func (p *stack) project() string { return p.config["gcp:project"] }

func (p *stack) region() string { return config.Region(p.config["location"]) }

// examine runs the checks and prints what they find.
func examine(ctx context.Context, name string, out io.Writer) error {
	s := &stack{name: name}
	var healthy []string
	problems := 0
	for _, check := range checks {
		if check.google && s.config["kubeconfig"] != "" {
			continue
		}
		f := finding{unknown: true}
		for _, need := range check.needs {
			if !slices.Contains(healthy, need) {
				f.says = cmp.Or(f.says, "skipped: requires "+need)
			}
		}
		if f.says == "" {
			f = check.look(ctx, s)
		}
		switch f.verdict() {
		case "ok":
			healthy = append(healthy, check.what)
		case "MISSING":
			problems++
		}
		fmt.Fprintf(out, "%-8s %-8s %s\n", f.verdict(), check.what, f)
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if problems > 0 {
		return fmt.Errorf("stack %s lacks %d of the things that it needs (see above)", name, problems)
	}
	return nil
}

// run runs a command and returns what it printed. Its error is one line: the command's
// own error message.
func run(ctx context.Context, name string, args ...string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	var stderr strings.Builder
	command := exec.CommandContext(ctx, name, args...)
	command.Stderr = &stderr
	command.WaitDelay = time.Second
	// Otherwise gcloud asks whether to enable an API, and suggests to update itself.
	command.Env = append(os.Environ(), "CLOUDSDK_CORE_DISABLE_PROMPTS=1", "CLOUDSDK_COMPONENT_MANAGER_DISABLE_UPDATE_CHECK=1")
	out, err := command.Output()
	if err == nil {
		return out, nil
	}
	lines := strings.FieldsFunc(stderr.String(), func(r rune) bool { return r == '\n' || r == '\r' })
	// gcloud and pulumi print explanations below the line with the error.
	for _, line := range lines {
		if _, reason, found := strings.Cut(line, "ERROR: "); found {
			return nil, errors.New(strings.TrimSpace(reason))
		}
		if reason, found := strings.CutPrefix(line, "error: "); found {
			return nil, errors.New(strings.TrimSpace(reason))
		}
	}
	if len(lines) > 0 {
		return nil, errors.New(strings.TrimSpace(lines[len(lines)-1]))
	}
	return nil, fmt.Errorf("%s: %w", name, err)
}

// ask runs a command and decodes the JSON that it prints.
func ask(ctx context.Context, into any, name string, args ...string) error {
	out, err := run(ctx, name, args...)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(out, into); err != nil {
		return fmt.Errorf("%s %s: %w", name, strings.Join(args, " "), err)
	}
	return nil
}
