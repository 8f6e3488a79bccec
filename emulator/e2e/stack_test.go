//go:build e2e

package e2e

import (
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"gopkg.in/yaml.v3"
)

// interrupted ends when the tests are interrupted: what was started is still removed then.
var interrupted, _ = signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)

// stack is one stack of the program, and the environment of the commands about it.
type stack struct {
	name string
	// keys is the project's name, which the config's keys have.
	keys string
	// folder is where the program is.
	folder string
	env    []string
	// normal is the config that healthy restores.
	normal map[string]string
	// clean reports whether the row before left the stack as healthy would.
	clean bool
	// accessible is the cluster that kubectl has access to.
	accessible string
	// perSecond is how many requests a load sends each second in each of its ways.
	perSecond int

	url string // of the last update
	// cluster is the name of its cluster, which another stack made if existing is set.
	cluster  string
	existing bool
	office   office
	measured []string
}

// note adds a remark to the row in the table.
func (s *stack) note(format string, args ...any) {
	s.measured = append(s.measured, fmt.Sprintf(format, args...))
}

// root is the checkout.
func root() string {
	path, err := filepath.Abs("../..")
	if err != nil {
		panic(err) // there is no working directory
	}
	return path
}

// home is the emulator's folder.
func home() string { return filepath.Join(root(), ".emulator") }

// program is a folder with the program as it is, built once: Go looks for something to
// compile in each run otherwise. Stacks whose tests are about the user's way, or edit the
// program, have another folder.
var program = sync.OnceValues(func() (string, error) {
	_, err := (&stack{folder: root(), env: os.Environ()}).try("sh", "-ec", `rm -rf "$1"
mkdir -p "$1"
sed 's,buildTarget: bin/hello-timber,binary: hello-timber,' Pulumi.yaml > "$1/Pulumi.yaml"
grep -q 'binary: hello-timber' "$1/Pulumi.yaml"
cp -a go.mod go.sum app "$1"
go build -buildvcs=false -o "$1/hello-timber" -trimpath -ldflags '-w -s' # as Pulumi's host does`, "sh", programFolder())
	return programFolder(), err
})

// programFolder is not in /tmp, which may be mounted noexec.
func programFolder() string { return filepath.Join(root(), "bin", "e2e") }

// options are how a stack differs from one of the program as it is, with the config of dev.
type options struct {
	from   string // the stack whose config it starts from
	folder string // where the program is
	env    []string
	owner  *testing.T // at whose end it is removed, if not at the end of the row
}

// newStack makes an empty stack. At the end it is removed with its cluster.
func newStack(t *testing.T, name string, o options) *stack {
	t.Helper()
	s := &stack{name: name, keys: "hello-timber", folder: o.folder}
	var err error
	if s.folder == "" {
		if s.folder, err = program(); err != nil {
			t.Fatal(err)
		}
	}
	if o.owner == nil {
		o.owner = t
	}
	// The user's own kubectl context stays as it is.
	s.env = append(append(os.Environ(), "PULUMI_STACK="+name, "STACK="+name, "FROM="+cmp.Or(o.from, "dev"), scaleDownVariable+"=30s", "KUBECONFIG="+filepath.Join(o.owner.TempDir(), "kubeconfig")), o.env...)
	s.sweep(t) // what a killed run left
	s.run(t, filepath.Join(home(), "bin", "setup"), "stack", name)
	o.owner.Cleanup(func() { s.sweep(o.owner) })
	if s.folder != root() { // one config for both folders: make has the repository's
		if err := os.Symlink(filepath.Join(root(), s.configFile()), s.configPath()); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

func (s *stack) project() string    { return "hello-timber-" + s.name }
func (s *stack) namespace() string  { return "--namespace=" + s.project() }
func (s *stack) configFile() string { return "Pulumi." + s.name + ".yaml" }
func (s *stack) configPath() string { return filepath.Join(s.folder, s.configFile()) }

// sweep removes the stack, if there is one, and everything of its project without
// destroying it: that takes a second instead of half a minute.
func (s *stack) sweep(t *testing.T) {
	t.Helper()
	if err := sweep("project=" + s.project()); err != nil {
		t.Error(err)
	}
	records, err := filepath.Glob(filepath.Join(home(), "google", "*", "*"+s.project()+"~*"))
	for _, record := range records {
		err = errors.Join(err, os.Remove(record))
	}
	if err != nil {
		t.Error(err)
	}
	for _, registry := range registries() {
		// Fails while the registry is stopped, or is about to be removed.
		_ = exec.Command("docker", "exec", registry, "rm", "-rf", "/var/lib/registry/docker/registry/v2/repositories/"+s.project()).Run()
	}
	if _, err := os.Stat(filepath.Join(home(), "state", ".pulumi", "stacks", s.keys, s.name+".json")); err == nil {
		if _, err := s.start(context.Background(), s.folder, "pulumi", "stack", "rm", "--yes", "--force", "--preserve-config", "--stack", s.name); err != nil {
			t.Error(err)
		}
	}
	for _, path := range []string{s.configPath(), filepath.Join(root(), s.configFile())} {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
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

// kubectl is for what users type. Whatever a test only asks or waits for, it asks the
// API server itself: a start of kubectl takes a third of a second of a processor.
func (s *stack) kubectl(t *testing.T, args ...string) string {
	t.Helper()
	if s.accessible != s.cluster {
		s.run(t, "sh", "-c", s.output(t, "kubectl"))
		s.accessible = s.cluster
	}
	return s.run(t, "kubectl", args...)
}

// fails runs a command that must fail and say all of these.
func (s *stack) fails(t *testing.T, says []string, name string, args ...string) {
	t.Helper()
	_, err := s.try(name, args...)
	if err == nil {
		t.Fatalf("%s %s succeeded", name, strings.Join(args, " "))
	}
	for _, part := range says {
		if !strings.Contains(said(err), part) {
			t.Errorf("the error does not say %q:\n%v", part, err)
		}
	}
}

// set changes keys of the config, without the time that `pulumi config set` takes to
// start. An empty value removes the key.
func (s *stack) set(t *testing.T, pairs ...string) {
	t.Helper()
	var file map[string]any
	if err := yaml.Unmarshal([]byte(readFile(t, s.configPath())), &file); err != nil {
		t.Fatal(err)
	}
	config := file["config"].(map[string]any)
	for pair := range slices.Chunk(pairs, 2) {
		key := pair[0]
		if !strings.Contains(key, ":") {
			key = s.keys + ":" + key
		}
		if config[key] = pair[1]; pair[1] == "" {
			delete(config, key)
		}
	}
	text, err := yaml.Marshal(file)
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, s.configPath(), string(text))
}

// up updates the stack.
func (s *stack) up(t *testing.T, args ...string) {
	t.Helper()
	s.pulumi(t, append([]string{"up", "--yes", "--skip-preview"}, args...)...)
	s.updated(t)
}

// updated reads what an update says of the service.
func (s *stack) updated(t *testing.T) {
	t.Helper()
	s.url = s.output(t, "url")
	if !s.existing {
		s.cluster = s.output(t, "cluster")
	}
}

func (s *stack) previewIsEmpty(t *testing.T) {
	t.Helper()
	s.pulumi(t, "preview", "--expect-no-changes", "--diff")
}

// isAsDeployed: what the program would change, and what differs on the cluster, is nothing.
func (s *stack) isAsDeployed(t *testing.T) {
	t.Helper()
	s.pulumi(t, "preview", "--refresh", "--expect-no-changes", "--diff")
}

// healthy brings the stack to what is normal, whatever the row before left.
func (s *stack) healthy(t *testing.T) {
	t.Helper()
	clean := s.clean
	if s.clean = false; !clean {
		s.restore(t)
		s.up(t, "--refresh")
	}
	s.full(t)
}

// restore writes the normal config.
func (s *stack) restore(t *testing.T) {
	t.Helper()
	var pairs []string
	for key, value := range s.normal {
		pairs = append(pairs, key, value)
	}
	s.set(t, pairs...)
}

// state is the stack's state, as the backend keeps it.
type state struct {
	Checkpoint struct {
		Latest struct {
			Resources []struct {
				Type    string
				Outputs map[string]any
			}
		}
	}
}

func (s *stack) stateFile() string {
	found, _ := filepath.Glob(filepath.Join(home(), "state", ".pulumi", "stacks", "*", s.name+".json"))
	if len(found) == 1 {
		return found[0]
	}
	return "no state of " + s.name
}

func (s *stack) state(t *testing.T) state {
	t.Helper()
	var read state
	if err := json.Unmarshal([]byte(readFile(t, s.stateFile())), &read); err != nil {
		t.Fatal(err)
	}
	return read
}

// output returns an output of the stack.
func (s *stack) output(t *testing.T, name string) string {
	t.Helper()
	for _, resource := range s.state(t).Checkpoint.Latest.Resources {
		if value, ok := resource.Outputs[name].(string); ok && resource.Type == "pulumi:pulumi:Stack" {
			return value
		}
	}
	t.Fatalf("%s has no output %s", s.name, name)
	return ""
}

// resources lists the types of what the stack's state holds and is not of Pulumi's own.
func (s *stack) resources(t *testing.T) []string {
	t.Helper()
	var list []string
	for _, resource := range s.state(t).Checkpoint.Latest.Resources {
		if provider, _, _ := strings.Cut(resource.Type, ":"); slices.Contains([]string{"gcp", "kubernetes", "docker"}, provider) {
			list = append(list, resource.Type)
		}
	}
	return list
}

// stateHoldsNoSecret looks for the access token in everything that Pulumi keeps of the stack.
func (s *stack) stateHoldsNoSecret(t *testing.T) {
	t.Helper()
	kept := s.run(t, "find", filepath.Join(home(), "state"), "-type", "f", "-path", "*"+s.name+"*", "-not", "-path", "*/locks/*", "-exec", "cat", "{}", "+")
	if secret := token(t); strings.Contains(kept, secret) || strings.Contains(kept, base64.StdEncoding.EncodeToString([]byte(secret))) || !strings.Contains(kept, "urn:pulumi:"+s.name) {
		t.Error("the access token is in the state, or there is none")
	}
}

// token is the access token of the emulated Google.
func token(t *testing.T) string {
	t.Helper()
	return strings.TrimSpace(readFile(t, filepath.Join(home(), "google", "token")))
}

// copy is the program in another folder, where a test may change it. Pulumi builds it.
func (s *stack) copy(t *testing.T) *stack {
	t.Helper()
	other := *s
	other.folder = t.TempDir()
	s.run(t, "cp", s.configPath(), other.folder)
	s.run(t, "sh", "-ec", `cd "$1" && cp -r main.go go.mod go.sum Pulumi.yaml command stacks app "$2"`, "sh", root(), other.folder)
	return &other
}

// eventually waits for a condition for as long as a loaded machine may need.
func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(3 * time.Minute); !condition(); time.Sleep(250 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("still not: %s", what)
		}
		if interrupted.Err() != nil {
			t.Fatal("interrupted")
		}
	}
}

// since is a time for the table.
func since(began time.Time) string { return fmt.Sprintf("%.0f s", time.Since(began).Seconds()) }
