package wire

import (
	"context"
	"errors"
	"testing"
)

func TestOperationsEndWithTheirRequestAndTheCommand(t *testing.T) {
	base := NewBase(nil, "1.2.3", "interrupted; run it again")
	request, gone := context.WithCancelCause(t.Context())
	first, done := base.During(request)
	defer done()
	second, done := base.During(t.Context())
	defer done()
	gone(errors.New("the engine is gone"))
	<-first.Done()
	if cause := context.Cause(first); cause.Error() != "the engine is gone" || second.Err() != nil {
		t.Errorf("after its request: %v; the other: %v", cause, second.Err())
	}
	if err := base.SignalCancellation(t.Context()); err != nil {
		t.Fatal(err)
	}
	third, done := base.During(t.Context())
	defer done()
	for name, ctx := range map[string]context.Context{"in flight": second, "later": third} {
		if cause := context.Cause(ctx); cause == nil || cause.Error() != "interrupted; run it again" {
			t.Errorf("%s: ended by %v", name, cause)
		}
	}
}
