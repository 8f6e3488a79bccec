package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/auto"
	"github.com/pulumi/pulumi/sdk/v3/go/auto/events"
	"github.com/pulumi/pulumi/sdk/v3/go/auto/optdestroy"
	"github.com/pulumi/pulumi/sdk/v3/go/auto/opthistory"
	"github.com/pulumi/pulumi/sdk/v3/go/auto/optpreview"
	"github.com/pulumi/pulumi/sdk/v3/go/auto/optrefresh"
	"github.com/pulumi/pulumi/sdk/v3/go/auto/optup"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"

	"hello-timber/stacks/config"
)

// record runs an operation and collects its events and the end of its standard error.
func record(r *recorder, run func(chan<- events.EngineEvent, io.Writer) error) error {
	channel, stop, done := make(chan events.EngineEvent), make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case event, open := <-channel:
				switch {
				case !open:
					channel = nil // until stop
				case event.Error != nil:
					r.unread = append(r.unread, event.Error)
				default:
					r.add(event.EngineEvent)
				}
			case <-stop:
				return
			}
		}
	}()
	var complaints bytes.Buffer
	err := run(channel, &complaints)
	// The channel is not buffered, so that all events have been received. pulumi
	// never closes it if it ends before it sends the first.
	close(stop)
	<-done
	if err == nil {
		err = errors.Join(r.unread...)
	}
	if err != nil {
		r.plan.Failed = true
		if len(r.plan.Errors) == 0 {
			r.message("error", lastLines(complaints.String(), 20))
		}
		if len(r.plan.Errors) == 0 {
			r.message("error", err.Error())
		}
	}
	r.plan.Failed = r.plan.Failed || len(r.plan.Errors) > 0
	return err
}

func lastLines(text string, n int) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}

// chosen is how one run of pulumi gets the image that IMAGE asks for.
type chosen struct {
	// config is a copy of the stack's config with the image, or empty for the stack's
	// own: the image of one run is not a change of the stack's file.
	config string
	// image is the one that runs then; empty if the stack's own config decides.
	image string
	// keep are resources to leave as they are: an image that would be built otherwise.
	keep []string
}

func (p *pipeline) chooseImage(ctx context.Context, s *auto.Stack) (chosen, error) {
	image, err := p.imageRequest()
	if err != nil || image == configured {
		return chosen{}, err
	}
	if image == deployed {
		now, err := runs(ctx, s)
		switch {
		case err != nil || now.image == "":
			return chosen{}, err
		case now.builtBy != "":
			// It stays in the state. Otherwise the next update would build it once more, and
			// push it under a tag that may be immutable.
			return chosen{image: now.image, keep: []string{now.builtBy}}, nil
		}
		image = now.image
	}
	text, err := p.ownConfig(s)
	if err != nil {
		return chosen{}, err
	}
	path, err := filepath.Abs(filepath.Join(p.folder, "bin", "config", s.Name()+".yaml"))
	if err != nil {
		return chosen{}, err
	}
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, text, 0o600)); err != nil {
		return chosen{}, err
	}
	if err := s.SetConfigWithOptions(ctx, "image", auto.ConfigValue{Value: image}, &auto.ConfigOptions{ConfigFile: path}); err != nil {
		return chosen{}, failure("set the image of stack "+s.Name(), err)
	}
	return chosen{config: path, image: image}, nil
}

// ownConfig is the stack's config file.
func (p *pipeline) ownConfig(s *auto.Stack) ([]byte, error) {
	return os.ReadFile(filepath.Join(p.folder, "Pulumi."+s.Name()+".yaml"))
}

// running is the image that a stack runs now, empty if nothing has been deployed or all
// of it was destroyed, and the resource that built it, if that is in the stack.
type running struct{ image, builtBy string }

// imageOfPods is where a Deployment has its image.
var imageOfPods = resource.PropertyPath{"spec", "template", "spec", "containers", 0, "image"}

// runs returns what a stack runs: the image of the last rollout that was complete, never
// that of a failed one. The Deployment has it, unless its rollout failed. The stack's
// output then still has the one before.
func runs(ctx context.Context, s *auto.Stack) (running, error) {
	state, err := stateOf(ctx, s)
	if err != nil {
		return running{}, err
	}
	var now running
	empty, built := true, map[string]string{}
	for _, r := range state.Resources {
		empty = empty && r.Type == string(resource.RootStackType)
		switch r.Type {
		case string(resource.RootStackType):
			if image, ok := r.Outputs["image"].(string); ok && now.image == "" {
				now.image = image
			}
		case imageType:
			if image, ok := r.Outputs["repoDigest"].(string); ok {
				built[image] = r.URN
			}
		case "kubernetes:apps/v1:Deployment":
			if len(r.InitErrors) > 0 {
				continue
			}
			inputs := resource.NewProperty(resource.NewPropertyMapFromMap(r.Inputs))
			if image, ok := imageOfPods.Get(inputs); ok && image.IsString() {
				now.image = image.StringValue()
			}
		}
	}
	if (!empty || now.image != "") && !config.IsImage(now.image) {
		return running{}, fmt.Errorf("stack %s: no rollout was ever complete (its output image is %q). Fix: make deploy STACK=%s IMAGE=NAME@sha256:HEX",
			s.Name(), now.image, s.Name())
	}
	now.builtBy = built[now.image]
	return now, nil
}

// approvable previews one stack, with the fingerprint by which deploy recognizes what
// was approved. The state is read first: if it changes meanwhile, deploy refuses.
func (p *pipeline) approvable(ctx context.Context, name string) (plan, error) {
	var state, configFile []byte
	r, image, err := p.recordPreview(ctx, name, func(s *auto.Stack) error {
		exported, err := s.Export(ctx)
		if err != nil {
			return failure("read the state of stack "+name, err)
		}
		state = exported.Deployment
		configFile, err = p.ownConfig(s)
		return err
	})
	if err == nil {
		r.plan.Fingerprint, err = r.fingerprint(state, string(configFile), image)
	}
	return r.plan, err
}

// previewOf previews one stack. An error is also part of the plan.
func (p *pipeline) previewOf(ctx context.Context, name string, more ...optpreview.Option) (plan, error) {
	r, _, err := p.recordPreview(ctx, name, nil, more...)
	return r.plan, err
}

// recordPreview previews one stack with the image that it returns, after something else
// with the stack.
func (p *pipeline) recordPreview(ctx context.Context, name string, first func(*auto.Stack) error, more ...optpreview.Option) (*recorder, string, error) {
	r := &recorder{plan: plan{Stack: name, Commit: p.env("COMMIT")}}
	var s *auto.Stack
	var image string
	err := record(r, func(channel chan<- events.EngineEvent, complaints io.Writer) (err error) {
		if s, err = p.open(ctx, name); err != nil {
			return err
		}
		if first != nil {
			if err := first(s); err != nil {
				return err
			}
		}
		chosen, err := p.chooseImage(ctx, s)
		if err != nil {
			return err
		}
		image = chosen.image
		options := []optpreview.Option{
			optpreview.ConfigFile(chosen.config), optpreview.Exclude(chosen.keep), optpreview.EventStreams(channel), optpreview.Color("never"),
			optpreview.ErrorProgressStreams(p.log, complaints), optpreview.SuppressOutputs(), optpreview.SuppressProgress(),
		}
		if _, err = s.Preview(ctx, append(options, more...)...); err != nil {
			return failure("preview stack "+name, err)
		}
		return nil
	})
	switch {
	case err == nil && r.plan.Failed: // whatever pulumi's exit status
		err = errors.New(r.plan.Errors[0])
	case err == nil:
		err = p.checkBudget(ctx, s, &r.plan)
	}
	return r, image, err
}

// preview prints what deploying STACK with IMAGE would change. With IMAGE=deployed, as a
// repair, that includes what was changed manually.
func (p *pipeline) preview(ctx context.Context) error {
	name, err := p.stack()
	if err != nil {
		return err
	}
	options := []optpreview.Option{optpreview.Diff(), optpreview.ProgressStreams(p.out)}
	if p.env("IMAGE") == deployed {
		options = append(options, optpreview.Refresh())
	}
	_, err = p.previewOf(ctx, name, options...)
	return err
}

// deploy updates STACK to IMAGE. A preview right afterwards must show no change. With
// IMAGE=deployed it repairs STACK: it also compares everything with the cloud first, and
// undoes what differs.
func (p *pipeline) deploy(ctx context.Context) error {
	s, err := p.openStack(ctx)
	if err != nil {
		return err
	}
	if err := p.notOlder(ctx, s); err != nil {
		return err
	}
	if err := p.approved(ctx, s); err != nil {
		return err
	}
	image, err := p.chooseImage(ctx, s)
	if err != nil {
		return err
	}
	options := []optup.Option{optup.ConfigFile(image.config), optup.Exclude(image.keep)}
	if p.env("IMAGE") == deployed {
		options = append(options, optup.Refresh())
	}
	r := &recorder{plan: plan{Stack: s.Name()}}
	var result auto.UpResult
	err = record(r, func(channel chan<- events.EngineEvent, complaints io.Writer) (err error) {
		result, err = s.Up(ctx, append(options, optup.EventStreams(channel), optup.Color("never"), optup.ShowSecrets(false),
			optup.ProgressStreams(p.out), optup.ErrorProgressStreams(p.log, complaints))...)
		return err
	})
	if err != nil {
		return fmt.Errorf("%w. Fix the cause above, then run the same command again; if the stack is locked by a killed run: pulumi cancel --stack %s",
			failure("deploy stack "+s.Name(), err), s.Name())
	}
	again, err := p.previewOf(ctx, s.Name(), optpreview.ExpectNoChanges(), optpreview.Diff(), optpreview.ProgressStreams(p.out))
	if err != nil {
		return fmt.Errorf("stack %s is deployed, but a preview right afterwards failed or shows changes (%s): %w", s.Name(), again.counts(), err)
	}
	return p.reportDeployment(result.Outputs, r.built)
}

// notOlder fails if the stack was last updated from a newer commit than this one: a run
// whose tests were slow, or an old one that is run again, must not undo a newer merge.
// With ROLLBACK that is what is wanted.
func (p *pipeline) notOlder(ctx context.Context, s *auto.Stack) error {
	last, _, err := lastCommit(ctx, s)
	// A repair may be from the commit before the one that failed.
	if err != nil || !isCommit(last) || p.env("ROLLBACK") != "" || p.env("IMAGE") == deployed {
		return err
	}
	git := func(args ...string) (string, error) {
		var out strings.Builder
		err := p.git(ctx, &out, args...)
		return strings.TrimSpace(out.String()), err
	}
	head, err := git("rev-parse", "HEAD")
	if err == nil && head == last {
		return nil
	}
	if shallow, _ := git("rev-parse", "--is-shallow-repository"); shallow != "false" {
		return fmt.Errorf("stack %s: whether its commit %s is newer than this one is unknown, because this is not a whole clone. Fix: git fetch --unshallow; for a rollback: export ROLLBACK=true",
			s.Name(), last)
	}
	// A commit that the clone lacks is on no branch, and so not newer.
	if _, err := git("merge-base", "--is-ancestor", head, last); err == nil {
		return fmt.Errorf("stack %s runs commit %s, which is newer than this one, %s. Fix: deploy the newer one; for a rollback: Actions, deploy, Run workflow, or export ROLLBACK=true",
			s.Name(), last, head)
	}
	return nil
}

// lastCommit is that of the stack's last update, if it is known, and how that update ended.
func lastCommit(ctx context.Context, s *auto.Stack) (commit, result string, err error) {
	history, err := s.History(ctx, 1, 1, opthistory.ShowSecrets(false))
	if err != nil {
		return "", "", failure("read the history of stack "+s.Name(), err)
	}
	if len(history) == 0 {
		return "", "", nil
	}
	return history[0].Environment["git.head"], history[0].Result, nil
}

// reportDeployment hands on what the stack runs, and whether this run built it:
// only then may the pipeline vouch for where the image comes from.
func (p *pipeline) reportDeployment(outputs auto.OutputMap, built []string) error {
	image, _ := outputs["image"].Value.(string)
	url, _ := outputs["url"].Value.(string)
	if !config.IsImage(image) {
		return fmt.Errorf("the output image is %q, not an image by its digest", image)
	}
	repository, digest, _ := strings.Cut(image, "@")
	return p.report(map[string]string{
		"image": image, "name": repository, "digest": digest, "url": url,
		"built": fmt.Sprint(slices.Contains(built, image)),
	})
}

// approved previews a deployment that needs an approval or has a budget. It compares
// what the deployment would do now with what was approved, which may have been days
// and deployments ago.
func (p *pipeline) approved(ctx context.Context, s *auto.Stack) error {
	want, given := p.lookup("APPROVED")
	budget, err := budgetOf(ctx, s)
	if err != nil || !given && budget == 0 {
		return err
	}
	now, err := p.approvable(ctx, s.Name())
	if err != nil || !given {
		return err
	}
	if now.Fingerprint != want {
		return fmt.Errorf("stack %s: the deployment would now do something else (%s) than what was approved, or the stack has been updated since. "+
			"Fix: re-run all jobs, which shows the new plan and asks again", s.Name(), cmp.Or(now.counts(), "nothing"))
	}
	return nil
}

// image prints the image that STACK runs, by its digest. With COMMIT, the stack's
// last update must be of that commit, and must have succeeded.
func (p *pipeline) image(ctx context.Context) error {
	s, err := p.openStack(ctx)
	if err != nil {
		return err
	}
	if want := p.env("COMMIT"); want != "" {
		last, result, err := lastCommit(ctx, s)
		if err != nil {
			return err
		}
		if last != want {
			return fmt.Errorf("stack %s was not last updated from commit %s. Fix: promote the build whose commit it runs", s.Name(), want)
		}
		if result != "succeeded" {
			return fmt.Errorf("stack %s: its last update, from commit %s, is %q, not succeeded. Fix the cause, then run that build again", s.Name(), want, result)
		}
	}
	now, err := runs(ctx, s)
	if err != nil {
		return err
	}
	if now.image == "" {
		return fmt.Errorf("stack %s runs no image. Fix: make deploy STACK=%s", s.Name(), s.Name())
	}
	fmt.Fprintln(p.out, now.image)
	return nil
}

// destroy destroys STACK if CONFIRM repeats its name. Its preview comes first,
// because it stops at a protected resource before anything is deleted.
func (p *pipeline) destroy(ctx context.Context) error {
	name, err := p.stack()
	if err != nil {
		return err
	}
	if p.env("CONFIRM") != name {
		return fmt.Errorf("CONFIRM: %q is not the stack's name; destroying %s deletes everything in it. Fix: make destroy STACK=%s CONFIRM=%s",
			p.env("CONFIRM"), name, name, name)
	}
	s, err := p.open(ctx, name)
	if err != nil {
		return err
	}
	if _, err := s.PreviewDestroy(ctx, optdestroy.Color("never"), optdestroy.ProgressStreams(p.out), optdestroy.ErrorProgressStreams(p.log)); err != nil {
		return failure("preview the destruction of stack "+name, err)
	}
	_, err = s.Destroy(ctx, optdestroy.Color("never"), optdestroy.ShowSecrets(false), optdestroy.ProgressStreams(p.out), optdestroy.ErrorProgressStreams(p.log))
	if err != nil {
		return failure("destroy stack "+name, err)
	}
	return nil
}

// state is the part of a stack's state that pipelines read.
type state struct {
	Resources []struct {
		URN, Type       string
		Inputs, Outputs map[string]any
		// InitErrors are why an object was created or changed, but did not get ready.
		InitErrors []string
		// External resources are read, and belong to someone else.
		External bool
	}
	PendingOperations []any `json:"pending_operations"`
}

func stateOf(ctx context.Context, s *auto.Stack) (state, error) {
	var now state
	exported, err := s.Export(ctx)
	if err != nil {
		return now, failure("read the state of stack "+s.Name(), err)
	}
	if len(exported.Deployment) == 0 { // never deployed
		return now, nil
	}
	if err := json.Unmarshal(exported.Deployment, &now); err != nil {
		return now, fmt.Errorf("read the state of stack %s: %w", s.Name(), err)
	}
	return now, nil
}

// driftOf compares the stack's state with the cloud. It runs no program, so that
// what is merged and not yet deployed is no drift. Secrets are left out: who
// watches may not read them.
func (p *pipeline) driftOf(ctx context.Context, name string) (plan, error) {
	r := &recorder{plan: plan{Stack: name, Commit: p.env("COMMIT")}, refresh: true}
	err := record(r, func(channel chan<- events.EngineEvent, complaints io.Writer) error {
		s, err := p.open(ctx, name)
		if err != nil {
			return err
		}
		now, err := stateOf(ctx, s)
		if err != nil {
			return err
		}
		if len(now.PendingOperations) > 0 {
			return fmt.Errorf("stack %s has pending operations (%d): an update is running, or one was killed. Fix: wait for it, or make deploy STACK=%s",
				name, len(now.PendingOperations), name)
		}
		var secretURNs []string
		for _, resource := range now.Resources {
			if resource.Type == "kubernetes:core/v1:Secret" {
				secretURNs = append(secretURNs, resource.URN)
				secret := change{}
				secret.Type, secret.Name = typeAndName(resource.URN)
				r.plan.NotCompared = append(r.plan.NotCompared, secret)
			}
		}
		if r.plan.NotDeployed = len(now.Resources) == 0; r.plan.NotDeployed {
			return nil
		}
		_, err = s.PreviewRefresh(ctx, optrefresh.Exclude(secretURNs), optrefresh.EventStreams(channel), optrefresh.Color("never"),
			optrefresh.ErrorProgressStreams(p.log, complaints), optrefresh.SuppressOutputs(), optrefresh.SuppressProgress())
		if err != nil {
			return failure("compare stack "+name+" with the cloud", err)
		}
		return nil
	})
	return r.plan, err
}
