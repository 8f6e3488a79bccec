package run

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"

	"hello-timber/stacks/config"
	"hello-timber/stacks/name"
)

// Names that may come from anywhere.
var (
	IsCommit = regexp.MustCompile(`^[0-9a-f]{7,64}$`).MatchString
	IsRepo   = regexp.MustCompile(`^[A-Za-z0-9-]+/[A-Za-z0-9._-]+$`).MatchString
	IsNumber = regexp.MustCompile(`^[1-9][0-9]{0,17}$`).MatchString

	// qualified is a stack's name on Pulumi Cloud, with its organization.
	qualified = regexp.MustCompile(`^([A-Za-z0-9][A-Za-z0-9_-]*)/(?:[A-Za-z0-9._-]+/)?([^/]+)$`)
)

// DeployEnvironments are the stacks of Google Cloud, and the environments whose jobs get
// a credential that changes one.
var DeployEnvironments = []string{"dev", "staging", "prod"}

// The images that IMAGE asks for without their names, and one with its name.
const (
	Configured = "configured"
	Deployed   = "deployed"

	ExampleImage = "REGION-docker.pkg.dev/PROJECT/REPOSITORY/timber-tutorial@sha256:HEX"
)

// Named reads a variable and checks it against a rule; example completes the fix.
func (p *Pipeline) Named(variable string, ok func(string) bool, rule, example string) (string, error) {
	value := p.Env(variable)
	if !ok(value) {
		return "", fmt.Errorf("%s: %q is not %s. Fix: export %s=%s", variable, value, rule, variable, example)
	}
	return value, nil
}

// checkStack refuses a text that is no stack's name. Names of files have the stack's name,
// too, so that its organization is a setting of the CLI.
func checkStack(variable, text, example string) error {
	if name.IsStack(text) {
		return nil
	}
	fix := "export " + variable + "=" + example
	if parts := qualified.FindStringSubmatch(text); parts != nil && name.IsStack(parts[2]) {
		fix = fmt.Sprintf("pulumi org set-default %s. The stack is then %s", parts[1], parts[2])
	}
	return fmt.Errorf("%s: %q is not %s. Fix: %s", variable, text, name.Rule, fix)
}

// Stack is the one stack of a command.
func (p *Pipeline) Stack() (string, error) {
	name := p.Env("STACK")
	return name, checkStack("STACK", name, "dev")
}

// Stacks are the stacks of a command that takes several: STACKS, or STACK.
func (p *Pipeline) Stacks() ([]string, error) {
	value, given := p.Lookup("STACKS")
	if !given {
		name, err := p.Stack()
		return []string{name}, err
	}
	names := strings.Fields(value)
	if len(names) == 0 {
		return nil, fmt.Errorf(`STACKS: %q names no stack. Fix: export STACKS="dev staging"`, value)
	}
	local := 0
	for i, name := range names {
		if err := checkStack("STACKS", name, `"dev staging"`); err != nil {
			return nil, err
		}
		if slices.Contains(names[:i], name) {
			return nil, fmt.Errorf("STACKS: %q is there twice. Fix: name each stack once", name)
		}
		if IsLocal(name) {
			local++
		}
	}
	if local > 0 && local < len(names) {
		return nil, fmt.Errorf("STACKS: %q has stacks of this machine (local…, e2e…) and others. Fix: run the command once for each kind", value)
	}
	return names, nil
}

// ImageRequest is what IMAGE asks for. An empty IMAGE is what a failed command
// substitution leaves, so it must not mean the default.
func (p *Pipeline) ImageRequest() (string, error) {
	if _, given := p.Lookup("IMAGE"); !given {
		return Configured, nil
	}
	ok := func(value string) bool { return value == Configured || value == Deployed || config.IsImage(value) }
	return p.Named("IMAGE", ok, `an image by its digest, "deployed" or "configured"`, ExampleImage)
}

// IsLocal reports whether a stack is on this machine, with the emulator in Google's place.
// The Makefile says how the names of such stacks begin.
func IsLocal(stack string) bool {
	return slices.ContainsFunc(strings.Fields(os.Getenv("LOCAL")), func(prefix string) bool { return strings.HasPrefix(stack, prefix) })
}
