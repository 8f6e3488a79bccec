package e2e

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// lab is a stack to which things happen.
type lab struct {
	*stack
	manual   *manual
	url      string
	measured []string // for the table
}

// note adds a remark to the row in the table.
func (l *lab) note(format string, args ...any) {
	l.measured = append(l.measured, fmt.Sprintf(format, args...))
}

func (l *lab) namespace() string { return "--namespace=hello-timber-" + l.name }

// normal is the config that a row finds: three pods of v1.
var normal = map[string]string{"replicas": "3", "nodes": "3", "machineType": "n1-standard-1", "imageVersion": "v1", "image": "", "deletionProtection": "false",
	"startupSeconds": "5"} // an update that fails takes as long as all pods may

// healthy brings the stack to what is normal, whatever the row before left, after
// which three pods are ready, and kubectl has access.
func (l *lab) healthy(t *testing.T) {
	t.Helper()
	args := []string{"config", "set-all"}
	for key, value := range normal {
		args = append(args, "--plaintext", key+"="+value)
	}
	l.pulumi(t, args...)
	l.pulumi(t, "up", "--yes", "--skip-preview", "--refresh")
	l.opened(t)
	l.full(t)
}

// opened reads where the service is and gives kubectl access.
func (l *lab) opened(t *testing.T) {
	t.Helper()
	l.url = l.pulumi(t, "stack", "output", "url")
	l.run(t, "sh", "-c", l.pulumi(t, "stack", "output", "kubectl"))
}

// set changes the config.
func (l *lab) set(t *testing.T, key, value string) {
	t.Helper()
	l.pulumi(t, "config", "set", key, value)
}

// up updates the stack, after which there must be nothing to change.
func (l *lab) up(t *testing.T) {
	t.Helper()
	l.url = l.stack.up(t)
}

// full waits until three pods are ready and no other is left.
func (l *lab) full(t *testing.T) {
	t.Helper()
	eventually(t, "three ready pods and no other", func() bool {
		return len(l.ready(t, "pods", l.namespace())) == 3 && len(l.pods(t)) == 3
	})
}

// pod is where a pod runs.
type pod struct{ name, node, container, ip string }

func (l *lab) pods(t *testing.T) []pod {
	t.Helper()
	text := l.kubectl(t, l.namespace(), "get", "pods", "--output=jsonpath={range .items[*]}{.metadata.name} {.spec.nodeName} {.status.containerStatuses[0].containerID}{\"\\n\"}{end}")
	var pods []pod
	for line := range strings.Lines(text) {
		f := append(strings.Fields(line), "", "", "")
		pods = append(pods, pod{name: f[0], node: f[1], container: strings.TrimPrefix(f[2], "containerd://")})
	}
	return pods
}

// signal sends signals, one after the other, to the process of a pod's container.
func (l *lab) signal(t *testing.T, p pod, signals ...string) {
	t.Helper()
	script := "pid=$(ctr --namespace k8s.io task ls | awk '$1 == \"" + p.container + "\" {print $2}')"
	for _, signal := range signals {
		script += " && kill -s " + signal + " $pid && sleep 0.2"
	}
	l.run(t, "docker", "exec", p.node, "sh", "-c", script)
}

// respectsBudget does something while no disruption may leave fewer pods than the budget says.
func (l *lab) respectsBudget(t *testing.T, do func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	watch := exec.CommandContext(ctx, "kubectl", l.namespace(), "get", "poddisruptionbudgets", "--watch",
		"--output=jsonpath={.status.currentHealthy} of {.status.desiredHealthy}{\"\\n\"}")
	watch.Env = l.env
	var seen strings.Builder
	watch.Stdout = &seen
	if err := watch.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { // also when do fails
		cancel()
		_ = watch.Wait() // it is killed
		for line := range strings.Lines(seen.String()) {
			var now, least int
			if _, err := fmt.Sscanf(line, "%d of %d", &now, &least); err != nil {
				t.Errorf("the budget's status is %q: %v", line, err)
			} else if now < least {
				t.Errorf("%d pods were healthy, the budget wants %d", now, least)
			}
		}
		if seen.Len() == 0 {
			t.Error("the budget's status was never seen")
		}
	}()
	do()
}

// fails runs a command that must fail and say all of these.
func (l *lab) fails(t *testing.T, says []string, name string, args ...string) {
	t.Helper()
	_, err := l.try(name, args...)
	if err == nil {
		t.Fatalf("%s %s succeeded", name, strings.Join(args, " "))
	}
	for _, part := range says {
		if !strings.Contains(said(err), part) {
			t.Errorf("the error does not say %q:\n%v", part, err)
		}
	}
}

// copy is the program in another folder, where a test may change it.
func (l *lab) copy(t *testing.T) *lab {
	t.Helper()
	other := *l.stack
	other.folder = t.TempDir()
	l.run(t, "cp", "-r", "main.go", "go.mod", "go.sum", "Pulumi.yaml", "Pulumi."+l.name+".yaml", "stacks", "app", other.folder)
	return &lab{stack: &other}
}

// edit replaces a text that must be there once in a file of the program.
func (l *lab) edit(t *testing.T, path, old, new string) {
	t.Helper()
	path = filepath.Join(l.folder, path)
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(text), old); n != 1 {
		t.Fatalf("%s has %q %d times, want once", path, old, n)
	}
	if err := os.WriteFile(path, []byte(strings.Replace(string(text), old, new, 1)), 0o644); err != nil {
		t.Fatal(err)
	}
}

// begin starts a command and returns when it has said something.
func (l *lab) begin(t *testing.T, says, name string, args ...string) *process {
	t.Helper()
	p := &process{Cmd: exec.Command(name, args...), says: says, said: make(chan struct{})}
	p.Env, p.Dir, p.Stdout, p.Stderr = l.env, l.folder, p, p
	p.WaitDelay = 5 * time.Second // the plugins of a killed one hold its output open
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	select {
	case <-p.said:
	case <-time.After(3 * time.Minute):
		t.Errorf("%s %s never said %q", name, strings.Join(args, " "), says)
		p.end(t, os.Kill)
		t.FailNow()
	}
	return p
}

// process is a command that runs.
type process struct {
	*exec.Cmd
	says string
	said chan struct{}

	mutex  sync.Mutex
	output strings.Builder
}

func (p *process) Write(text []byte) (int, error) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	before := strings.Contains(p.output.String(), p.says)
	p.output.Write(text)
	if !before && strings.Contains(p.output.String(), p.says) {
		close(p.said)
	}
	return len(text), nil
}

// end sends the process a signal, unless that is nil, waits until it has ended,
// and returns whether it failed and all that it said.
func (p *process) end(t *testing.T, signal os.Signal) (failed bool, output string) {
	t.Helper()
	if signal != nil {
		if err := p.Process.Signal(signal); err != nil {
			t.Fatal(err)
		}
	}
	err := p.Wait()
	p.mutex.Lock()
	defer p.mutex.Unlock()
	return err != nil, p.output.String()
}
