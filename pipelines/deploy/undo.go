package deploy

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/auto"
	"github.com/pulumi/pulumi/sdk/v3/go/auto/optup"

	"hello-timber/pipelines/plan"
	"hello-timber/pipelines/run"
	"hello-timber/pipelines/summary"
)

// deployment is one run of make deploy.
type deployment struct {
	*run.Pipeline
	stack   *auto.Stack
	before  run.Running // empty if no rollout was complete
	path    string      // of the check
	seconds int         // that the check takes; 0 without one
}

// note writes what happens, with the time, into the log and the job's summary.
func (d *deployment) note(format string, args ...any) {
	text := time.Now().UTC().Format("15:04:05 UTC ") + run.Mask(fmt.Sprintf(format, args...))
	fmt.Fprintln(d.Log, strings.SplitN(text, "\n", 2)[0]) // the rest is in the log already
	_ = d.AppendTo("GITHUB_STEP_SUMMARY", summary.Fenced(text))
}

// returned begins the message of an update that went back, in the stack's history.
const returned = "Return to "

// undo returns to the image that ran before if that undoes the whole update. Its error has
// what failed, and what runs now.
func (d *deployment) undo(ctx context.Context, changed plan.Plan, failure error) error {
	name := d.stack.Name()
	for _, reason := range changed.Errors {
		failure = fmt.Errorf("%w\n%s", failure, reason)
	}
	d.note("failed: %v", failure)
	outcome, why := "runs "+d.before.Image+" again, and a preview shows no change", d.whyNot(ctx, changed, failure)
	if why != "" {
		outcome = "did not return to the image before, because " + why
	} else {
		d.note("returns to %s", d.before.Image)
		image, err := d.ChooseImage(ctx, d.stack, run.Deployed)
		if err == nil {
			_, _, err = d.update(ctx, image, optup.Message(returned+d.before.Image))
		}
		if err == nil {
			_, err = d.previewEmpty(ctx, run.Deployed)
		}
		if err != nil {
			outcome = fmt.Sprintf("did not get back to %s: %v", d.before.Image, err) + d.byHand()
		}
	}
	d.note("stack %s %s", name, outcome)
	return fmt.Errorf("%w\nStack %s %s. Fix the cause above, then run the same command again; if the stack is locked by a killed run: pulumi cancel --stack %s",
		failure, name, outcome, name)
}

// byHand ends a sentence about a return that did not happen.
func (d *deployment) byHand() string {
	return ". To return: make deploy STACK=" + d.stack.Name() + " IMAGE=deployed"
}

// whyNot is why there is no return; empty if there is one.
func (d *deployment) whyNot(ctx context.Context, changed plan.Plan, failure error) string {
	touched, more := effect(changed)
	switch {
	case d.before.Image == "":
		return "there is none"
	case d.Env("IMAGE") == run.Deployed:
		return "this deployment was of that image"
	case !touched && !errors.Is(failure, errCheck):
		return "the pods are as they were"
	case d.Env("ROLLBACK") == "no":
		return "ROLLBACK is no" + d.byHand()
	}
	found, err := plan.Of(ctx, d.Pipeline, d.stack.Name(), run.Deployed)
	touched, left := effect(found) // what the update did not get to
	switch more = cmp.Or(more, left); {
	case err != nil:
		return "a preview of that failed: " + err.Error()
	case more != "":
		return "the deployment also changes " + more + d.byHand()
	case !touched:
		return "it is the same"
	}
	return ""
}

// ofImage are the properties of pods that differ with their image.
var ofImage = regexp.MustCompile(`^spec\.template\.(spec\.containers\[0\]\.image|metadata\.labels\["app\.kubernetes\.io/version"\])$`).MatchString

// effect is whether a plan changes the pods, and what it changes besides their image. An
// update without a property only waits again, for what was not ready in a refresh.
func effect(p plan.Plan) (pods bool, more string) {
	for _, c := range p.Changes {
		pods = pods || c.Type == "kubernetes:apps/v1:Deployment"
		if c.Type != run.ImageType && (c.Op != plan.Changed || slices.ContainsFunc(c.Properties, func(p plan.Property) bool { return !ofImage(p.Path) })) {
			more = c.Type + " " + c.Name
		}
	}
	return pods, more
}
