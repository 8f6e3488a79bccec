package deploy

import (
	"context"
	"fmt"

	"github.com/pulumi/pulumi/sdk/v3/go/auto/optdestroy"

	"hello-timber/pipelines/run"
)

// Destroy destroys STACK if CONFIRM repeats its name. Its preview comes first,
// because it stops at a protected resource before anything is deleted.
func Destroy(ctx context.Context, p *run.Pipeline) error {
	name, err := p.Stack()
	if err != nil {
		return err
	}
	if p.Env("CONFIRM") != name {
		return fmt.Errorf("CONFIRM: %q is not the stack's name; destroying %s deletes everything in it. Fix: make destroy STACK=%s CONFIRM=%s",
			p.Env("CONFIRM"), name, name, name)
	}
	s, err := p.Open(ctx, name)
	if err != nil {
		return err
	}
	if _, err := s.PreviewDestroy(ctx, optdestroy.Color("never"), optdestroy.ProgressStreams(p.Out), optdestroy.ErrorProgressStreams(p.Log)); err != nil {
		return run.Failure("preview the destruction of stack "+name, err)
	}
	_, err = s.Destroy(ctx, optdestroy.Color("never"), optdestroy.ShowSecrets(false), optdestroy.ProgressStreams(p.Out), optdestroy.ErrorProgressStreams(p.Log))
	if err != nil {
		return run.Failure("destroy stack "+name, err)
	}
	return nil
}
