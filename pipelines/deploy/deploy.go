// Package deploy is what changes a stack, what checks that nothing else has, and what is
// known about the image that it runs.
package deploy

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/auto"
	"github.com/pulumi/pulumi/sdk/v3/go/auto/events"
	"github.com/pulumi/pulumi/sdk/v3/go/auto/opthistory"
	"github.com/pulumi/pulumi/sdk/v3/go/auto/optpreview"
	"github.com/pulumi/pulumi/sdk/v3/go/auto/optup"

	"hello-timber/pipelines/plan"
	"hello-timber/pipelines/run"
	"hello-timber/stacks/config"
)

// Deploy updates STACK to IMAGE. A preview right afterwards must show no change. If the new
// version fails, it returns to the one before. With IMAGE=deployed it repairs STACK: it also
// compares everything with the cloud first, and undoes what differs.
func Deploy(ctx context.Context, p *run.Pipeline) error {
	request, err := p.ImageRequest()
	if err != nil {
		return err
	}
	s, err := p.OpenStack(ctx)
	if err != nil {
		return err
	}
	if err := notOlder(ctx, p, s); err != nil {
		return err
	}
	if err := approved(ctx, p, s, request); err != nil {
		return err
	}
	image, err := p.ChooseImage(ctx, s, request)
	if err != nil {
		return err
	}
	d := &deployment{Pipeline: p, stack: s}
	d.before, _ = run.Runs(ctx, s)
	d.note("deploys %s to stack %s, which runs %s", request, s.Name(), cmp.Or(d.before.Image, "nothing"))
	d.readCheck()
	var options []optup.Option
	if _, given := p.Lookup("APPROVED"); d.before.Killed && !given || request == run.Deployed { // no more than what was approved
		d.note("everything is compared with the cloud first, as after an update that was killed")
		options = append(options, optup.Refresh())
	}
	outputs, r, err := d.update(ctx, image, options...)
	if err == nil {
		err = d.check(ctx, outputs)
	}
	if err != nil {
		return d.undo(ctx, r.Plan, err)
	}
	again, err := d.previewEmpty(ctx, request)
	if err != nil {
		return fmt.Errorf("stack %s is deployed, but a preview right afterwards failed or shows changes (%s): %w", s.Name(), again.Counts(), err)
	}
	d.note("deployed; a preview shows no change")
	return errors.Join(s.RemoveTag(ctx, run.FailedCheck), reportDeployment(p, outputs, r.Built))
}

// previewEmpty fails if a preview shows a change.
func (d *deployment) previewEmpty(ctx context.Context, request string) (plan.Plan, error) {
	return plan.Of(ctx, d.Pipeline, d.stack.Name(), request, optpreview.ExpectNoChanges(), optpreview.Diff(), optpreview.ProgressStreams(d.Out))
}

// update runs pulumi up with an image.
func (d *deployment) update(ctx context.Context, image run.Chosen, options ...optup.Option) (auto.OutputMap, *plan.Recorder, error) {
	r := &plan.Recorder{Plan: plan.Plan{Stack: d.stack.Name()}}
	var result auto.UpResult
	err := plan.Record(r, func(channel chan<- events.EngineEvent, complaints io.Writer) (err error) {
		result, err = d.stack.Up(ctx, append(options, optup.ConfigFile(image.Config), optup.Exclude(image.Keep), optup.EventStreams(channel), optup.Color("never"),
			optup.ShowSecrets(false), optup.ProgressStreams(d.Out), optup.ErrorProgressStreams(d.Log, complaints))...)
		return err
	})
	if err != nil {
		err = run.Failure("deploy stack "+d.stack.Name(), err)
	}
	return result.Outputs, r, err
}

// notOlder fails if the stack was last updated from a newer commit than this one: a run
// whose tests were slow, or an old one that is run again, must not undo a newer merge.
// With ROLLBACK that is what is wanted.
func notOlder(ctx context.Context, p *run.Pipeline, s *auto.Stack) error {
	last, _, err := lastCommit(ctx, s)
	// A repair may be from the commit before the one that failed.
	if err != nil || !run.IsCommit(last) || !slices.Contains([]string{"", "no"}, p.Env("ROLLBACK")) || p.Env("IMAGE") == run.Deployed {
		return err
	}
	head, err := p.Git(ctx, "rev-parse", "HEAD")
	if err == nil && head == last {
		return nil
	}
	if shallow, _ := p.Git(ctx, "rev-parse", "--is-shallow-repository"); shallow != "false" {
		return fmt.Errorf("stack %s: whether its commit %s is newer than this one is unknown, because this is not a whole clone. Fix: git fetch --unshallow; for a rollback: export ROLLBACK=true",
			s.Name(), last)
	}
	// A commit that the clone lacks is on no branch, and so not newer.
	if _, err := p.Git(ctx, "merge-base", "--is-ancestor", head, last); err == nil {
		return fmt.Errorf("stack %s runs commit %s, which is newer than this one, %s. Fix: deploy the newer one; for a rollback: Actions, deploy, Run workflow, or export ROLLBACK=true",
			s.Name(), last, head)
	}
	return nil
}

// lastCommit is that of the stack's last update, if it is known, and how that update ended.
func lastCommit(ctx context.Context, s *auto.Stack) (commit, result string, err error) {
	history, err := s.History(ctx, 1, 1, opthistory.ShowSecrets(false))
	if err != nil {
		return "", "", run.Failure("read the history of stack "+s.Name(), err)
	}
	if len(history) == 0 {
		return "", "", nil
	}
	if strings.HasPrefix(strings.Trim(history[0].Message, `"`), returned) { // the Automation API quotes it
		history[0].Result = "returned"
	}
	return history[0].Environment["git.head"], history[0].Result, nil
}

// reportDeployment hands on what the stack runs, and whether this run built it:
// only then may the pipeline vouch for where the image comes from.
func reportDeployment(p *run.Pipeline, outputs auto.OutputMap, built []string) error {
	image, _ := outputs["image"].Value.(string)
	url, _ := outputs["url"].Value.(string)
	if !config.IsImage(image) {
		return fmt.Errorf("the output image is %q, not an image by its digest", image)
	}
	repository, digest, _ := strings.Cut(image, "@")
	return p.Report(map[string]string{
		"image": image, "name": repository, "digest": digest, "url": url,
		"built": fmt.Sprint(slices.Contains(built, image)),
	})
}

// approved previews a deployment that needs an approval or has a budget. It compares
// what the deployment would do now with what was approved, which may have been days
// and deployments ago.
func approved(ctx context.Context, p *run.Pipeline, s *auto.Stack, request string) error {
	want, given := p.Lookup("APPROVED")
	budget, err := plan.BudgetOf(p, s.Name())
	if err != nil || !given && budget == 0 {
		return err
	}
	now, err := plan.Approvable(ctx, p, s.Name(), request)
	if err != nil || !given {
		return err
	}
	if now.Fingerprint != want {
		return fmt.Errorf("stack %s: the deployment would now do something else (%s) than what was approved, or the stack has been updated since. "+
			"Fix: re-run all jobs, which shows the new plan and asks again", s.Name(), cmp.Or(now.Counts(), "nothing"))
	}
	return nil
}
