package e2e

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/url"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// interrupted ends when the tests are interrupted: what was started is still destroyed then.
var interrupted, _ = signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)

// stack is one stack of the program, and the environment of the commands about it.
type stack struct {
	name string
	// folder is where the program is.
	folder string
	// home is the emulator's folder.
	home string
	env  []string
}

// newStack makes an empty stack with the config of stack dev, and destroys and removes it
// at the end. Its commands get some more environment variables, in the form k=v.
func newStack(t *testing.T, name string, env ...string) *stack {
	t.Helper()
	return newStackFrom(t, name, "dev", env...)
}

// newStackFrom does so with the config of any stack.
func newStackFrom(t *testing.T, name, from string, env ...string) *stack {
	t.Helper()
	s := emulated(t, name)
	s.env = append(s.env, env...)
	s.remove(t) // what a killed run left
	s.run(t, filepath.Join(s.home, "bin", "setup"), "stack", name, from)
	t.Cleanup(func() { s.remove(t) })
	return s
}

// withEmulator reports whether the environment is that of an emulator that is built.
func withEmulator() bool { return strings.HasPrefix(os.Getenv("PULUMI_STACK"), "e2e") }

// root is the checkout.
func root() string {
	path, err := filepath.Abs("../..")
	if err != nil {
		panic(err) // there is no working directory
	}
	return path
}

// emulated has commands meet the emulator.
func emulated(t *testing.T, name string) *stack {
	t.Helper()
	if !withEmulator() {
		t.Skip("`make test` runs this, with the emulator built")
	}
	clocked(t)
	s := &stack{name: name, folder: root(), home: filepath.Join(root(), ".emulator")}
	// The user's own kubectl context stays as it is.
	s.env = append(os.Environ(), "PULUMI_STACK="+name, "KUBECONFIG="+filepath.Join(t.TempDir(), "kubeconfig"))
	return s
}

// remove destroys and removes the stack, if there is one.
func (s *stack) remove(t *testing.T) {
	t.Helper()
	for _, args := range [][]string{{"destroy", "--yes", "--skip-preview"}, {"stack", "rm", "--yes"}} {
		if _, err := s.start(context.Background(), s.folder, "pulumi", args...); err != nil && !strings.Contains(said(err), "no stack selected") {
			t.Error(err)
		}
	}
}

// failure is a command that failed.
type failure struct {
	command string
	err     error
	said    string // everything that it printed
}

func (f *failure) Error() string { return fmt.Sprintf("%s: %v\n%s", f.command, f.err, f.said) }

// said returns what a failed command printed. Tests look for words in it, and not
// in the error, because the command itself may have them too.
func said(err error) string {
	var f *failure
	if errors.As(err, &f) {
		return f.said
	}
	return ""
}

// start runs a command and returns what it printed to standard output. Its error
// is a failure.
func (s *stack) start(ctx context.Context, folder, name string, args ...string) (string, error) {
	if ctx.Err() != nil {
		return "", context.Cause(ctx)
	}
	command := exec.Command(name, args...)
	command.Env, command.Dir = s.env, folder
	var complaint strings.Builder
	command.Stderr = &complaint
	out, err := command.Output()
	if err != nil {
		err = &failure{name + " " + strings.Join(args, " "), err, string(out) + complaint.String()}
	}
	return strings.TrimSpace(string(out)), err
}

// try runs a command unless the tests are interrupted.
func (s *stack) try(name string, args ...string) (string, error) {
	return s.start(interrupted, s.folder, name, args...)
}

// run runs a command that must succeed.
func (s *stack) run(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := s.try(name, args...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func (s *stack) pulumi(t *testing.T, args ...string) string {
	t.Helper()
	return s.run(t, "pulumi", args...)
}

func (s *stack) kubectl(t *testing.T, args ...string) string {
	t.Helper()
	return s.run(t, "kubectl", args...)
}

func (s *stack) previewIsEmpty(t *testing.T) {
	s.pulumi(t, "preview", "--expect-no-changes", "--diff")
}

// resources lists the types of what the stack's state holds and is not of Pulumi's own.
func (s *stack) resources(t *testing.T) []string {
	t.Helper()
	// What follows are operations that a kill cut short, which a destroy leaves in the state.
	resources, _, _ := strings.Cut(s.pulumi(t, "stack", "export"), `"pending_operations"`)
	types := regexp.MustCompile(`"type": "((?:gcp|kubernetes|docker):[^"]+)"`).FindAllStringSubmatch(resources, -1)
	var list []string
	for _, found := range types {
		list = append(list, found[1])
	}
	return list
}

// up updates the stack, after which there must be nothing to change, and returns its URL.
func (s *stack) up(t *testing.T) string {
	t.Helper()
	s.pulumi(t, "up", "--yes", "--skip-preview")
	s.previewIsEmpty(t)
	return s.pulumi(t, "stack", "output", "url")
}

// preview lists what a preview would change, sorted: "TYPE PROPERTY" for each
// property of each resource that changes, "TYPE OPERATION" for other operations.
func (s *stack) preview(t *testing.T) []string {
	t.Helper()
	var digest struct {
		Steps []struct {
			Op, URN      string
			DetailedDiff map[string]any
		}
	}
	if err := json.Unmarshal([]byte(s.pulumi(t, "preview", "--json")), &digest); err != nil {
		t.Fatal(err)
	}
	var changes []string
	for _, step := range digest.Steps {
		// urn:pulumi:STACK::PROJECT::PARENT$TYPE::NAME
		types := strings.Split(strings.Split(step.URN, "::")[2], "$")
		typ := types[len(types)-1]
		switch {
		case step.Op == "same" || step.Op == "read":
		case step.Op == "update" && len(step.DetailedDiff) > 0:
			for property := range step.DetailedDiff {
				changes = append(changes, typ+" "+property)
			}
		default:
			changes = append(changes, typ+" "+step.Op)
		}
	}
	slices.Sort(changes)
	return changes
}

// ready names the nodes or pods whose condition Ready is true and that are not being deleted.
func (s *stack) ready(t *testing.T, args ...string) []string {
	t.Helper()
	var list struct {
		Items []struct {
			Metadata struct{ Name, DeletionTimestamp string }
			Status   struct {
				Conditions []struct{ Type, Status string }
			}
		}
	}
	if err := json.Unmarshal([]byte(s.kubectl(t, append([]string{"get", "--output=json"}, args...)...)), &list); err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, item := range list.Items {
		for _, condition := range item.Status.Conditions {
			if condition.Type == "Ready" && condition.Status == "True" && item.Metadata.DeletionTimestamp == "" {
				names = append(names, item.Metadata.Name)
			}
		}
	}
	return names
}

// stateHoldsNoSecret looks for the access token in everything that Pulumi keeps.
func (s *stack) stateHoldsNoSecret(t *testing.T) {
	token, err := os.ReadFile(filepath.Join(s.home, "google", "token"))
	if err != nil {
		t.Fatal(err)
	}
	secret := strings.TrimSpace(string(token))
	check := func(where, text string) {
		if strings.Contains(text, secret) || strings.Contains(text, base64.StdEncoding.EncodeToString([]byte(secret))) {
			t.Errorf("the access token is in %s", where)
		}
	}
	check("pulumi stack export", s.pulumi(t, "stack", "export"))
	err = filepath.WalkDir(filepath.Join(s.home, "state"), func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		check(path, string(text))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// machines lists the containers and volumes of the stack's clusters, also of one that
// the stack does not know.
func (s *stack) machines(t *testing.T) []string {
	t.Helper()
	things, err := inDocker("hello-timber.emulator="+s.home, "hello-timber.project=hello-timber-"+s.name)
	if err != nil {
		t.Fatal(err)
	}
	return things
}

// network is the ID of the network that all stacks share; empty if there is none.
func (s *stack) network(t *testing.T) string {
	t.Helper()
	return s.run(t, "docker", "network", "ls", "--quiet", "--filter=label=hello-timber.emulator="+s.home)
}

// inDocker lists the containers, networks and volumes that have all of some labels.
func inDocker(labels ...string) ([]string, error) {
	var things []string
	for _, list := range []string{"ps --all --format={{.Names}}", "network ls --format={{.Name}}", "volume ls --format={{.Name}}"} {
		arguments := strings.Fields(list)
		for _, label := range labels {
			arguments = append(arguments, "--filter=label="+label)
		}
		names, err := exec.Command("docker", arguments...).Output()
		if err != nil {
			return nil, fmt.Errorf("docker %s: %w", strings.Join(arguments, " "), err)
		}
		for name := range strings.FieldsSeq(string(names)) {
			things = append(things, arguments[0]+" "+name)
		}
	}
	return things, nil
}

// onLocalNetwork reports whether this machine has an address in the network of a URL.
func onLocalNetwork(t *testing.T, address string) bool {
	t.Helper()
	at, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	addresses, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	return slices.ContainsFunc(addresses, func(a net.Addr) bool {
		network, ok := a.(*net.IPNet)
		return ok && network.Contains(net.ParseIP(at.Hostname()))
	})
}
