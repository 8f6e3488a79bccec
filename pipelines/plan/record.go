package plan

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/auto/events"
	"github.com/pulumi/pulumi/sdk/v3/go/common/apitype"

	"hello-timber/pipelines/run"
)

// opOf maps the engine's operations to those that make a difference. A
// replacement has up to three steps, one of which is replace.
var opOf = map[apitype.OpType]Op{
	apitype.OpCreate: Created, apitype.OpImport: Created, apitype.OpUpdate: Changed,
	apitype.OpReplace: Replaced, apitype.OpDelete: Deleted,
}

// Recorder collects the engine's events.
type Recorder struct {
	Plan Plan
	// steps are the engine's own, for those resources that the plan's changes are about.
	steps []apitype.StepEventMetadata
	// Refresh reports that the events are a refresh's, which compares with the cloud.
	Refresh bool
	// Built are the digests of the images that this run built.
	Built []string
	// replaced are the steps that delete what a replacement leaves.
	replaced []apitype.StepEventMetadata
	// unread are events that could not be read.
	unread []error
}

func (r *Recorder) add(event apitype.EngineEvent) {
	switch {
	case event.ResourcePreEvent != nil && !r.Refresh:
		r.Plan.Costs.Count(event.ResourcePreEvent.Metadata)
		r.step(event.ResourcePreEvent.Metadata)
	case event.ResOutputsEvent != nil:
		step := event.ResOutputsEvent.Metadata
		if r.Refresh {
			r.step(step)
		}
		if step.Type == run.ImageType && step.New != nil && !event.ResOutputsEvent.Planning &&
			(step.Op == apitype.OpCreate || step.Op == apitype.OpUpdate || step.Op == apitype.OpCreateReplacement) {
			if digest, ok := step.New.Outputs["repoDigest"].(string); ok {
				r.Built = append(r.Built, digest)
			}
		}
	case event.DiagnosticEvent != nil && event.DiagnosticEvent.Ephemeral: // replaced by what comes next
	case event.DiagnosticEvent != nil:
		r.message(event.DiagnosticEvent.Severity, event.DiagnosticEvent.Message)
	case event.PolicyEvent != nil:
		violation := event.PolicyEvent
		severity := "warning"
		if violation.EnforcementLevel == "mandatory" {
			severity = "error"
		}
		r.message(severity, fmt.Sprintf("policy %s: %s", violation.PolicyName, violation.Message))
	case event.ErrorEvent != nil:
		r.message("error", event.ErrorEvent.Error)
	}
}

func (r *Recorder) message(severity, text string) {
	text = strings.TrimSpace(run.Mask(run.Colors.ReplaceAllString(text, "")))
	switch {
	case text == "":
	case severity == "error":
		r.Plan.Errors = append(r.Plan.Errors, text)
	case severity == "warning":
		r.Plan.Warnings = append(r.Plan.Warnings, text)
	}
}

// defaultProvider is one that the engine creates, which is no part of the cloud.
var defaultProvider = regexp.MustCompile(`^default(_\d+(_[\w.]+)*)?$`).MatchString

// step adds what a step changes. Components only group resources. A default provider comes
// and goes with its version, but a change of its settings may lead every request elsewhere.
func (r *Recorder) step(step apitype.StepEventMetadata) {
	op, differs := opOf[step.Op]
	at := step.New
	if at == nil {
		at = step.Old
	}
	c := ChangeOf(op, step.URN)
	if step.Op == apitype.OpDeleteReplaced {
		r.replaced = append(r.replaced, step)
	}
	if !differs || at == nil || !at.Custom || op != Changed && strings.HasPrefix(c.Type, "pulumi:providers:") && defaultProvider(c.Name) {
		return
	}
	old, now := hideIn(step.Old), hideIn(step.New)
	switch {
	case op == Created && now != nil:
		leaves(nil, now.Inputs, func(path string, v any) { c.add(Property{Path: path, New: show(path, v)}) })
	case op == Deleted && old != nil:
		leaves(nil, old.Inputs, func(path string, v any) { c.add(Property{Path: path, Old: show(path, v)}) })
	case op == Created || op == Deleted: // nothing more is known
	case len(step.DetailedDiff) > 0:
		for _, path := range slices.Sorted(maps.Keys(step.DetailedDiff)) {
			c.add(r.property(path, step.DetailedDiff[path], old, now))
		}
	default:
		for _, path := range slices.Concat(step.Keys, step.Diffs) {
			if !slices.ContainsFunc(c.Properties, func(p Property) bool { return p.Path == path }) {
				c.add(Property{path, show(path, value(old, path, true)), show(path, value(now, path, true)), slices.Contains(step.Keys, path)})
			}
		}
	}
	r.Plan.Changes = append(r.Plan.Changes, c)
	r.steps = append(r.steps, step)
}

// leftOver adds the deletion of what an earlier replacement, which was cut short, has left. The
// deletions of this run's replacements are a part of those.
func (r *Recorder) leftOver() {
	for _, step := range r.replaced {
		if !slices.ContainsFunc(r.steps, func(s apitype.StepEventMetadata) bool { return s.URN == step.URN && s.Op == apitype.OpReplace }) {
			step.Op = apitype.OpDelete
			r.step(step)
		}
	}
}

func (c *Change) add(p Property) { c.Properties = append(c.Properties, p) }

// property is one that the provider says differs. A refresh inverts the provider's
// answer: old are the inputs, now is what the cloud has.
func (r *Recorder) property(path string, diff apitype.PropertyDiff, old, now *apitype.StepEventStateMetadata) Property {
	kind, replaces := strings.CutSuffix(string(diff.Kind), "-replace")
	p := Property{Path: path, Replaces: replaces && !r.Refresh}
	if kind != "add" {
		p.Old = show(path, value(old, path, diff.InputDiff || r.Refresh))
	}
	if kind != "delete" {
		p.New = show(path, value(now, path, diff.InputDiff || !r.Refresh))
	}
	return p
}

// Record runs an operation and collects its events and the end of its standard error.
func Record(r *Recorder, run func(chan<- events.EngineEvent, io.Writer) error) error {
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
	r.leftOver()
	if err == nil {
		err = errors.Join(r.unread...)
	}
	if err != nil {
		if lines := strings.Split(strings.TrimSpace(complaints.String()), "\n"); len(r.Plan.Errors) == 0 {
			r.message("error", strings.Join(lines[max(0, len(lines)-20):], "\n"))
		}
		if len(r.Plan.Errors) == 0 {
			r.message("error", err.Error())
		}
	}
	r.Plan.Failed = err != nil || len(r.Plan.Errors) > 0
	return err
}
