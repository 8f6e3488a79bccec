package plan

import (
	"context"
	"errors"
	"io"

	"github.com/pulumi/pulumi/sdk/v3/go/auto"
	"github.com/pulumi/pulumi/sdk/v3/go/auto/events"
	"github.com/pulumi/pulumi/sdk/v3/go/auto/optpreview"

	"hello-timber/pipelines/run"
)

// Approvable previews one stack, with the fingerprint by which deploy recognizes what
// was approved. The state is read first: if it changes meanwhile, deploy refuses.
func Approvable(ctx context.Context, p *run.Pipeline, name, request string) (Plan, error) {
	var state, configFile []byte
	r, image, err := recordPreview(ctx, p, name, request, func(s *auto.Stack) error {
		exported, err := s.Export(ctx)
		if err != nil {
			return run.Failure("read the state of stack "+name, err)
		}
		state = exported.Deployment
		configFile, err = p.OwnConfig(name)
		return err
	})
	if err == nil {
		r.Plan.Fingerprint, err = r.fingerprint(state, string(configFile), image)
	}
	return r.Plan, err
}

// Of previews one stack. An error is also part of the plan.
func Of(ctx context.Context, p *run.Pipeline, name, request string, more ...optpreview.Option) (Plan, error) {
	r, _, err := recordPreview(ctx, p, name, request, nil, more...)
	return r.Plan, err
}

// recordPreview previews one stack with the image that it returns, after something else
// with the stack.
func recordPreview(ctx context.Context, p *run.Pipeline, name, request string, first func(*auto.Stack) error, more ...optpreview.Option) (*Recorder, string, error) {
	r := &Recorder{Plan: Plan{Stack: name, Commit: p.Env("COMMIT")}}
	var s *auto.Stack
	var image string
	err := Record(r, func(channel chan<- events.EngineEvent, complaints io.Writer) (err error) {
		if s, err = p.Open(ctx, name); err != nil {
			return err
		}
		if first != nil {
			if err := first(s); err != nil {
				return err
			}
		}
		chosen, err := p.ChooseImage(ctx, s, request)
		if err != nil {
			return err
		}
		image = chosen.Image
		options := []optpreview.Option{
			optpreview.ConfigFile(chosen.Config), optpreview.Exclude(chosen.Keep), optpreview.EventStreams(channel), optpreview.Color("never"),
			optpreview.ErrorProgressStreams(p.Log, complaints), optpreview.SuppressOutputs(), optpreview.SuppressProgress(),
		}
		if _, err = s.Preview(ctx, append(options, more...)...); err != nil {
			return run.Failure("preview stack "+name, err)
		}
		return nil
	})
	switch {
	case err == nil && r.Plan.Failed: // whatever pulumi's exit status
		err = errors.New(r.Plan.Errors[0])
	case err == nil:
		err = checkBudget(p, &r.Plan)
	}
	return r, image, err
}

// Preview prints what deploying STACK with IMAGE would change. With IMAGE=deployed, as a
// repair, that includes what was changed manually.
func Preview(ctx context.Context, p *run.Pipeline) error {
	name, err := p.Stack()
	if err != nil {
		return err
	}
	image, err := p.ImageRequest()
	if err != nil {
		return err
	}
	options := []optpreview.Option{optpreview.Diff(), optpreview.ProgressStreams(p.Out)}
	if image == run.Deployed {
		options = append(options, optpreview.Refresh())
	}
	_, err = Of(ctx, p, name, image, options...)
	return err
}
