package e2e

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestAutoscaling: the number of pods follows the load up and down. No request is
// lost, and what the autoscaler does is neither a change nor drift. The stack is protected:
// a destroy deletes nothing, and without its key the autoscaler is deleted all the same.
func TestAutoscaling(t *testing.T) {
	t.Parallel()
	l := &lab{stack: newStack(t, "e2e-autoscaling")}
	l.pulumi(t, "config", "set-all", "--plaintext", "replicas=1", "--plaintext", "maxReplicas=3", "--plaintext", "maxNodes=4", "--plaintext", "deletionProtection=true")
	program := l.copy(t)
	// The service as it is would need thousands of requests a second to be busy. What
	// keeps it busy here is no part of an answer: a loaded machine does that later, or
	// leaves it out, and no request waits for it.
	program.edit(t, "app/handler.go", "	header := w.Header()\n", `	if busy.CompareAndSwap(false, true) {
		go func() {
			for range 30_000_000 {
			}
			busy.Store(false)
		}()
	}
	header := w.Header()
`)
	program.edit(t, "app/handler.go", "// handler answers", "var busy atomic.Bool\n\n// handler answers")
	t.Cleanup(func() { // before the stack is destroyed
		for _, args := range [][]string{{"config", "set", "deletionProtection", "false"}, {"up", "--yes", "--skip-preview"}} {
			if _, err := program.start(context.Background(), program.folder, "pulumi", args...); err != nil {
				t.Error(err)
			}
		}
	})
	program.up(t)
	l.opened(t)
	had := l.resources(t)
	l.fails(t, []string{`" cannot be deleted`}, "pulumi", "destroy", "--yes", "--skip-preview")
	if has := l.resources(t); !slices.Equal(has, had) {
		t.Errorf("the refused destroy deleted resources: %q are left of %q", has, had)
	}
	most := 0
	pods := func() int {
		now := len(l.ready(t, "pods", l.namespace()))
		most = max(most, now)
		return now
	}
	began := time.Now()
	underLoadOf(t, 30, l.url, []string{v1, v2}, func() {
		eventually(t, "more pods under load", func() bool { return pods() > 1 })
		t.Logf("%d pods after %s", most, since(began))
		l.isAsDeployed(t, program)

		t.Log("an update keeps the autoscaler's number of pods")
		program.set(t, "imageVersion", "v2")
		program.pulumi(t, "up", "--yes", "--skip-preview")
		if now := pods(); now == 1 {
			t.Errorf("%d pods are ready after an update under load, want more", now)
		}
		l.isAsDeployed(t, program)
	})

	t.Log("fewer pods without load")
	// Kubernetes waits for five minutes, in case the load comes back.
	for deadline := time.Now().Add(8 * time.Minute); pods() > 1; time.Sleep(5 * time.Second) {
		if time.Now().After(deadline) {
			t.Fatalf("still %d pods eight minutes after the load", pods())
		}
	}
	t.Logf("%d pods at most", most)
	l.isAsDeployed(t, program)

	t.Log("a fixed number again, in README's two steps")
	program.pulumi(t, "config", "set-all", "--plaintext", "replicas=2", "--plaintext", "maxReplicas=2")
	twoPods := func() bool { return pods() == 2 }
	program.up(t)
	eventually(t, "two pods", twoPods)
	program.pulumi(t, "config", "rm", "maxReplicas")
	program.up(t)
	eventually(t, "two pods without the autoscaler", twoPods)
	if left := l.kubectl(t, "get", "horizontalpodautoscalers", l.namespace(), "--output=name"); left != "" {
		t.Errorf("%s is left", left)
	}
}

// isAsDeployed: what the program would change, and what differs in the cloud, is nothing.
func (l *lab) isAsDeployed(t *testing.T, program *lab) {
	t.Helper()
	program.previewIsEmpty(t)
	if drift := l.run(t, "make", "drift", "STACKS="+l.name); !strings.Contains(drift, "| "+l.name+" | as deployed |") {
		t.Errorf("the autoscaler's work is drift:\n%s", drift)
	}
}
