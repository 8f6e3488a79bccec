package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// store keeps a plan for the command that publishes it.
func (p *pipeline) store(kind string, found plan) error {
	text, err := json.MarshalIndent(found, "", "\t")
	path := filepath.Join(p.folder, "bin", kind, found.Stack+".json")
	return errors.Join(err, os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, text, 0o600))
}

// stored reads plans. One that is missing, or of another commit, is one that
// failed: the steps that should have made it did not get that far. A pull request's
// program may have written anything, so what is not a plan of this program is refused.
func (p *pipeline) stored(kind string) ([]plan, error) {
	names, err := p.stacks()
	if err != nil {
		return nil, err
	}
	var plans []plan
	for _, name := range names {
		var found plan
		text, err := os.ReadFile(filepath.Join(p.folder, "bin", kind, name+".json"))
		if err == nil {
			err = json.Unmarshal(text, &found)
		}
		switch {
		case errors.Is(err, os.ErrNotExist):
			err = errors.New("pulumi was not started: an earlier step of the run failed, such as the login to Google Cloud")
		case err == nil && found.Commit != p.env("COMMIT"):
			err = fmt.Errorf("the stored result is of commit %q, not of this run", found.Commit)
		case err == nil && !found.isOf(name):
			err = errors.New("the stored result is not what make summary or make drift writes")
		}
		if err != nil {
			found = plan{Stack: name, Failed: true, Errors: []string{err.Error()}}
		}
		plans = append(plans, found)
	}
	return plans, nil
}

// isCost has nothing that Markdown knows: items of a cost are printed as they are.
var isCost = regexp.MustCompile(`^([a-zA-Z0-9 ×$,:()–-]|\.[0-9])*$`).MatchString

// isOf reports whether what is printed as it is can be of a plan of this stack.
func (p plan) isOf(stack string) bool {
	items := slices.Concat(p.Costs.Before.Items(), p.Costs.After.Items())
	return p.Stack == stack && !slices.ContainsFunc(items, func(item string) bool { return !isCost(item) }) &&
		!slices.ContainsFunc(p.Changes, func(c change) bool { return !slices.Contains(ops, c.Op) })
}

// each finds the plans of STACKS one after the other and stores them, also those
// that failed.
func (p *pipeline) each(ctx context.Context, kind string, find func(context.Context, string) (plan, error)) ([]plan, error) {
	names, err := p.stacks()
	if err != nil {
		return nil, err
	}
	var plans []plan
	for _, name := range names {
		fmt.Fprintf(p.log, "%s of stack %s\n", kind, name)
		found, err := find(ctx, name)
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		if err != nil {
			fmt.Fprintf(p.log, "%s of stack %s failed: %s\n", kind, name, mask(err.Error()))
		}
		if err := p.store(kind, found); err != nil {
			return nil, err
		}
		plans = append(plans, found)
	}
	return plans, nil
}

// summary previews STACKS with IMAGE and prints what would change, for people:
// also into the job's summary. It fails if a preview did.
func (p *pipeline) summary(ctx context.Context) error {
	if _, err := p.imageRequest(); err != nil {
		return err
	}
	plans, err := p.each(ctx, "preview", p.approvable)
	if err != nil {
		return err
	}
	whole, err := p.print(p.previewPage(), plans)
	if err != nil {
		return err
	}
	failed, changed := sort(plans)
	if len(failed) > 0 {
		return fmt.Errorf("the preview failed: %s", strings.Join(failed, ", "))
	}
	if len(plans) > 1 {
		return nil
	}
	if !whole {
		return fmt.Errorf("stack %s: no one could approve this plan, because GitHub shows %d KiB at most. Fix: deploy in smaller steps", plans[0].Stack, maxSummary>>10)
	}
	return p.report(map[string]string{"changes": fmt.Sprint(len(changed) > 0), "plan": plans[0].Fingerprint})
}

// drift compares STACKS with the cloud. It fails if anything differs.
func (p *pipeline) drift(ctx context.Context) error {
	plans, err := p.each(ctx, "drift", p.driftOf)
	if err != nil {
		return err
	}
	if _, err := p.print(p.driftPage(plans), plans); err != nil {
		return err
	}
	failed, changed := sort(plans)
	if len(failed) > 0 {
		return fmt.Errorf("the check failed: %s; these differ: %s", strings.Join(failed, ", "), strings.Join(changed, ", "))
	}
	if len(changed) > 0 {
		return fmt.Errorf("not as deployed: %s", strings.Join(changed, ", "))
	}
	return nil
}

// print writes a text to the log and into the job's summary, whole if it fits there.
func (p *pipeline) print(text page, plans []plan) (whole bool, err error) {
	text.summary = true
	rendered, whole := text.render(plans)
	fmt.Fprint(p.out, rendered)
	return whole, p.appendTo("GITHUB_STEP_SUMMARY", rendered)
}

// sort names the stacks that failed and those that differ.
func sort(plans []plan) (failed, changed []string) {
	for _, plan := range plans {
		if plan.Failed {
			failed = append(failed, plan.Stack)
		} else if len(plan.Changes) > 0 {
			changed = append(changed, plan.Stack)
		}
	}
	return failed, changed
}

// comment publishes the last summary of STACKS as the one comment on PULL_REQUEST.
func (p *pipeline) comment(ctx context.Context) error {
	number, err := p.named("PULL_REQUEST", isNumber, "a pull request's number", "7")
	if err != nil {
		return err
	}
	plans, err := p.stored("preview")
	if err != nil {
		return err
	}
	hub, err := p.github()
	if err != nil {
		return err
	}
	// A run that ends late must not hide a newer one's result. Only GitHub is believed
	// about that: a text can say anything.
	newest, err := hub.endsWith(ctx, number, p.env("COMMIT"))
	if err != nil {
		return fmt.Errorf("pull request %s: %w", number, err)
	}
	if !newest {
		fmt.Fprintln(p.out, "nothing is published: pull request", number, "has a newer commit")
		return nil
	}
	text, _ := p.previewPage().render(plans)
	where, err := hub.publish(ctx, "/issues/"+number+"/comments", "/issues/comments/%d", text, map[string]any{})
	if err != nil {
		return fmt.Errorf("comment on pull request %s: %w", number, err)
	}
	fmt.Fprintln(p.out, where)
	return nil
}

// issue publishes the last drift of STACKS as the one open issue about them, and closes
// it if there is none.
func (p *pipeline) issue(ctx context.Context) error {
	plans, err := p.stored("drift")
	if err != nil {
		return err
	}
	hub, err := p.github()
	if err != nil {
		return err
	}
	text, _ := p.driftPage(plans).render(plans)
	list := "/issues?state=open&labels=" + driftLabel
	if failed, changed := sort(plans); len(failed)+len(changed) == 0 {
		err = p.closeIssues(ctx, hub, list, text)
	} else {
		var where string
		where, err = hub.publish(ctx, list, "/issues/%d", text, map[string]any{
			"title": "The cloud is not as deployed: " + strings.Join(stacksOf(plans), ", "), "labels": []string{driftLabel},
		})
		fmt.Fprintln(p.out, where)
	}
	if err != nil {
		return fmt.Errorf("the issue about drift: %w", err)
	}
	return nil
}

func (p *pipeline) closeIssues(ctx context.Context, hub github, list, text string) error {
	own, err := hub.own(ctx, list, text)
	if err != nil {
		return err
	}
	for _, issue := range own {
		if err := hub.call(ctx, http.MethodPatch, fmt.Sprintf("/issues/%d", issue.Number), map[string]any{"body": text, "state": "closed"}, nil); err != nil {
			return err
		}
		fmt.Fprintln(p.out, "closed", issue.URL)
	}
	if len(own) == 0 {
		fmt.Fprintln(p.out, "no drift, and no open issue")
	}
	return nil
}
