// Command doctor checks what the stack that PULUMI_STACK names needs on Google Cloud:
// this machine's tools, the logins, and the project. It changes nothing. It prints a
// line for each check, with the command that fixes what is missing, and fails if
// something is. What this user may not read, or what cannot be read yet, is unknown and
// no failure.
//
// It runs the pulumi, docker and gcloud commands, because their logins are those that
// count, and no SDK, which would take long to compile. What it checks is what the work uses:
//
//	check               asks                            used by                    they agree, because
//	go, pulumi          the commands                    pulumi up                  they are the commands in PATH
//	stack               pulumi stack output             pulumi up                  same backend, same passphrase
//	docker              docker --host … version         the Docker provider        DockerEngine is the provider's order:
//	                                                                               docker:host, DOCKER_HOST, sockets
//	gcloud, account     gcloud                          this program, kubectl      they are gcloud and its account
//	plugin              PATH                            kubeconfig                 it names the plugin without a path
//	login, roles        Application Default Credentials the Google provider        other credentials are refused
//	project, billing,   gcloud's account, which may     the Google provider        an answer that the account may not
//	apis, network       not be the provider's                                      read is unknown
//	address             type, tier, region and user     GKE's load balancer        it takes no other address
//	domain              DNS, as this machine sees it    Google, browsers           after the TTL, all see the same
//	quota               the region and all regions      GKE: first the temporary   each quota has the larger of both
//	                                                    pool, then the stack's
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"hello-timber/command"
	"hello-timber/stacks/config"
	"hello-timber/stacks/name"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	// Otherwise gcloud asks whether to enable an API, and suggests to update itself.
	os.Setenv("CLOUDSDK_CORE_DISABLE_PROMPTS", "1")
	os.Setenv("CLOUDSDK_COMPONENT_MANAGER_DISABLE_UPDATE_CHECK", "1")
	os.Unsetenv("GOWORK") // make's, which pulumi does not get
	if err := examine(ctx, os.Getenv("PULUMI_STACK"), os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// checks are in an order in which each comes after those that it needs. It is skipped
// until they are ok. look returns what is there, or a problem if something is missing. Any
// other error is the reason why the check had no answer.
var checks = []struct {
	what   string
	google bool // skipped on an existing cluster
	needs  []string
	look   func(context.Context, *stack) (string, error)
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
	{"domain", false, []string{"stack"}, domain},
	{"quota", true, []string{"project"}, quota},
}

func missing(fix, format string, args ...any) error {
	return config.Problem{What: fmt.Sprintf(format, args...), Fix: fix}
}

// stack is a stack and what the checks have found out about it.
type stack struct {
	name    string
	config  map[string]string
	up      bool     // it has a cluster
	url     string   // where its service answers, or empty
	records []string // that its domain needs, or empty
	token   string   // the access token of the Application Default Credentials
}

func (s *stack) project() string { return s.config["gcp:project"] }

func (s *stack) region() string { return config.Region(s.config["location"]) }

// number is the value of a key, or 0 if the program will refuse it.
func (s *stack) number(key string) int {
	n, _ := strconv.Atoi(s.config[key])
	return n
}

// examine runs the checks and prints what they find.
func examine(ctx context.Context, stackName string, out io.Writer) error {
	if !name.IsStack(stackName) {
		return fmt.Errorf("STACK: %q is not %s. Fix: export STACK=dev", stackName, name.Rule)
	}
	s := &stack{name: stackName}
	var healthy []string
	problems := 0
	for _, check := range checks {
		if check.google && s.config["kubeconfig"] != "" {
			continue
		}
		lacks := slices.IndexFunc(check.needs, func(need string) bool { return !slices.Contains(healthy, need) })
		var says string
		var err error
		if lacks >= 0 {
			err = errors.New("skipped: requires " + check.needs[lacks])
		} else {
			says, err = check.look(ctx, s)
		}
		verdict := "ok"
		var problem config.Problem
		switch {
		case err == nil:
			healthy = append(healthy, check.what)
		case errors.As(err, &problem):
			verdict, says = "MISSING", err.Error()
			problems++
		default:
			verdict, says = "unknown", err.Error()
		}
		fmt.Fprintf(out, "%-8s %-8s %s\n", verdict, check.what, config.Printable(says))
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if problems > 0 {
		return fmt.Errorf("stack %s lacks %d of the things that it needs (see above)", stackName, problems)
	}
	return nil
}

// runner shows what a command says that may wait for a login.
var runner = command.New(func(line string) { fmt.Fprintln(os.Stderr, line) })

// run runs a command and returns what it printed.
func run(ctx context.Context, name string, args ...string) (string, error) {
	out, err := runner.Run(ctx, name, args...)
	return strings.TrimSpace(out), err
}

// ask runs a command and decodes the JSON that it prints.
func ask(ctx context.Context, into any, name string, args ...string) error {
	out, err := run(ctx, name, args...)
	if err != nil {
		return err
	}
	if err := json.Unmarshal([]byte(out), into); err != nil {
		return fmt.Errorf("%s %s: %w", name, strings.Join(args, " "), err)
	}
	return nil
}
