//go:build linux

package progress

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"hello-timber/emulator/setup/checkout/checkouttest"
)

func TestRunSteps(t *testing.T) {
	c := checkouttest.New(t)
	var mutex sync.Mutex
	var order []string
	note := func(name string) func(context.Context, *Report) error {
		return func(context.Context, *Report) error {
			mutex.Lock()
			defer mutex.Unlock()
			order = append(order, name)
			return nil
		}
	}
	steps := []Step{
		{Name: "c", Needs: []string{"b", "not a step of this build"}, Run: note("c")},
		{Name: "b", Needs: []string{"a"}, Run: note("b")},
		{Name: "a", Run: note("a")},
	}
	if err := RunSteps(t.Context(), c, steps); err != nil || !slices.Equal(order, []string{"a", "b", "c"}) {
		t.Errorf("ran %q with %v, want a, b, c", order, err)
	}
}

func TestFailedStep(t *testing.T) {
	c := checkouttest.New(t)
	err := RunSteps(t.Context(), c, []Step{
		{Name: "slow", Run: func(ctx context.Context, p *Report) error {
			return p.Run(c.Command(ctx, "", "sleep", "60"), nil)
		}},
		{Name: "never", Needs: []string{"broken"}, Run: func(context.Context, *Report) error {
			t.Error("ran after what it needs failed")
			return nil
		}},
		{Name: "broken", Run: func(ctx context.Context, p *Report) error {
			return p.Run(c.Command(ctx, "", "sh", "-c", "echo what went wrong >&2; exit 3"), nil)
		}},
	})
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{"broken", "exit status 3", "what went wrong", c.Home("logs", "broken.log")} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error does not say %q: %v", want, err)
		}
	}
}

// Two commands at once take turns: all stacks of a checkout have one passphrase.
func TestLock(t *testing.T) {
	c := checkouttest.New(t)
	unlock, err := Lock(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if _, err := Lock(ctx, c); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the lock was given twice: %v", err)
	}
	unlock()
	unlock, err = Lock(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	unlock()
}
