//go:build linux

package checkout

import (
	"context"
	"errors"
	"testing"
	"time"
)

// Two commands at once take turns: all stacks of a checkout have one passphrase.
func TestLock(t *testing.T) {
	c := Checkout{Root: t.TempDir()}
	unlock, err := c.Lock(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if _, err := c.Lock(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the lock was given twice: %v", err)
	}
	unlock()
	unlock, err = c.Lock(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	unlock()
}
