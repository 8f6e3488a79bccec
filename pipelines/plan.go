package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/common/apitype"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/urn"

	"hello-timber/pipelines/cost"
)

// plan is what pulumi reported about one stack. It is stored between the make
// targets that find it and those that publish it.
type plan struct {
	Stack string
	// Commit is what was previewed, if it is known.
	Commit string
	// Changes are the resources that differ, in the order in which they are updated.
	Changes []change
	// Failed reports that pulumi did not succeed: Changes may be incomplete.
	Failed bool
	// Errors and Warnings are pulumi's own, and policy violations.
	Errors, Warnings []string
	// Fingerprint names everything that the update would do, for its approval. Only
	// approvable sets it.
	Fingerprint string
	// Costs are the monthly ones before and after the changes.
	Costs cost.Change
	// Budget is what the stack may cost a month, or 0 for no limit. It is set only
	// if the preview succeeded, so that Costs are complete.
	Budget int
	// NotDeployed is a stack without resources, which cannot drift.
	NotDeployed bool
	// NotCompared are resources that the drift check may not read.
	NotCompared []change
}

// change is what happens to one resource.
type change struct {
	Op op
	// Type and Name are such as kubernetes:apps/v1:Deployment and timber-tutorial.
	Type, Name string
	// Properties are those that differ; for a new or deleted resource, all.
	Properties []property
}

type op string

const (
	created  op = "created"
	changed  op = "changed"
	replaced op = "replaced"
	deleted  op = "deleted"
)

// ops are all of them, the most dangerous first.
var ops = []op{replaced, deleted, created, changed}

// property is one value that differs, whole but masked. Old or New is empty if there is none.
type property struct {
	Path, Old, New string
	// Replaces reports that the resource is replaced because of it.
	Replaces bool
}

// opOf maps the engine's operations to those that make a difference. A
// replacement has up to three steps, one of which is replace.
var opOf = map[apitype.OpType]op{
	apitype.OpCreate: created, apitype.OpImport: created, apitype.OpUpdate: changed,
	apitype.OpReplace: replaced, apitype.OpDelete: deleted,
}

// recorder collects the engine's events.
type recorder struct {
	plan plan
	// steps are the engine's own, for those resources that the plan's changes are about.
	steps []apitype.StepEventMetadata
	// refresh reports that the events are a refresh's, which compares with the cloud.
	refresh bool
	// built are the digests of the images that this run built.
	built []string
	// unread are events that could not be read.
	unread []error
}

const imageType = "docker:index/image:Image"

func (r *recorder) add(event apitype.EngineEvent) {
	switch {
	case event.ResourcePreEvent != nil && !r.refresh:
		r.plan.Costs.Count(event.ResourcePreEvent.Metadata)
		r.step(event.ResourcePreEvent.Metadata)
	case event.ResOutputsEvent != nil:
		step := event.ResOutputsEvent.Metadata
		if r.refresh {
			r.step(step)
		}
		if step.Type == imageType && step.New != nil && !event.ResOutputsEvent.Planning &&
			(step.Op == apitype.OpCreate || step.Op == apitype.OpUpdate || step.Op == apitype.OpCreateReplacement) {
			if digest, ok := step.New.Outputs["repoDigest"].(string); ok {
				r.built = append(r.built, digest)
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

// colors are the engine's own marks, such as <{%reset%}>.
var colors = regexp.MustCompile(`<\{%[^%]*%\}>|\x1b\[[0-9;]*m`)

func (r *recorder) message(severity, text string) {
	text = strings.TrimSpace(mask(colors.ReplaceAllString(text, "")))
	switch {
	case text == "":
	case severity == "error":
		r.plan.Errors = append(r.plan.Errors, text)
	case severity == "warning":
		r.plan.Warnings = append(r.plan.Warnings, text)
	}
}

// defaultProvider is one that the engine creates, which is no part of the cloud.
var defaultProvider = regexp.MustCompile(`^default(_\d+(_[\w.]+)*)?$`).MatchString

// step adds what a step changes. Components only group resources.
func (r *recorder) step(step apitype.StepEventMetadata) {
	op, differs := opOf[step.Op]
	at := step.New
	if at == nil {
		at = step.Old
	}
	c := change{Op: op}
	c.Type, c.Name = typeAndName(step.URN)
	if !differs || at == nil || !at.Custom || strings.HasPrefix(c.Type, "pulumi:providers:") && defaultProvider(c.Name) {
		return
	}
	switch {
	case op == created && step.New != nil:
		c.Properties = leaves("", step.New.Inputs, func(value string) property { return property{New: value} })
	case op == deleted && step.Old != nil:
		c.Properties = leaves("", step.Old.Inputs, func(value string) property { return property{Old: value} })
	case op == created || op == deleted: // nothing more is known
	case len(step.DetailedDiff) > 0:
		c.Properties = r.detailed(step)
	default:
		for _, path := range slices.Concat(step.Keys, step.Diffs) {
			if !slices.ContainsFunc(c.Properties, func(p property) bool { return p.Path == path }) {
				c.Properties = append(c.Properties, different(path, slices.Contains(step.Keys, path),
					value(step.Old, path, true), value(step.New, path, true)))
			}
		}
	}
	r.plan.Changes = append(r.plan.Changes, c)
	r.steps = append(r.steps, step)
}

// detailed lists the properties that the provider says differ. A refresh inverts
// the provider's answer: old are the inputs, new is what the cloud has.
func (r *recorder) detailed(step apitype.StepEventMetadata) []property {
	var list []property
	for _, path := range slices.Sorted(maps.Keys(step.DetailedDiff)) {
		diff := step.DetailedDiff[path]
		kind, replaces := strings.CutSuffix(string(diff.Kind), "-replace")
		var before, after any
		if kind != "add" {
			before = value(step.Old, path, diff.InputDiff || r.refresh)
		}
		if kind != "delete" {
			after = value(step.New, path, diff.InputDiff || !r.refresh)
		}
		list = append(list, different(path, replaces && !r.refresh, before, after))
	}
	return list
}

// typeAndName reads a URN. A text that is none is shown as it is.
func typeAndName(text string) (typ, name string) {
	u := urn.URN(text)
	if !u.IsValid() {
		return "", text
	}
	return string(u.Type()), u.Name()
}

// leaves lists the values below v, without the engine's and the providers' own notes.
func leaves(path string, v any, as func(value string) property) []property {
	var list []property
	switch v := plain(v).(type) {
	case map[string]any:
		for _, key := range slices.Sorted(maps.Keys(v)) {
			switch {
			case strings.HasPrefix(key, "__"):
			case strings.ContainsAny(key, `."[]`):
				list = append(list, leaves(path+"["+strconv.Quote(key)+"]", v[key], as)...)
			case path == "":
				list = append(list, leaves(key, v[key], as)...)
			default:
				list = append(list, leaves(path+"."+key, v[key], as)...)
			}
		}
	case []any:
		for i, element := range v {
			list = append(list, leaves(fmt.Sprintf("%s[%d]", path, i), element, as)...)
		}
	default:
		p := as(maskAt(path, show(v)))
		p.Path = path
		list = append(list, p)
	}
	return list
}

// missing is a value that the event does not have.
type missing struct{}

// value is what is at a path such as a.b[0]["c.d"] of a resource's inputs or
// outputs, or of the others if these have none.
func value(s *apitype.StepEventStateMetadata, path string, inputs bool) any {
	keys, err := resource.ParsePropertyPath(path)
	if s == nil || err != nil {
		return missing{}
	}
	sides := []map[string]any{s.Inputs, s.Outputs}
	if !inputs {
		slices.Reverse(sides)
	}
	for _, side := range sides {
		if found := below(side, keys); found != nil {
			return found
		}
	}
	return missing{}
}

// below follows a path. What is below a secret is a secret.
func below(v any, keys resource.PropertyPath) any {
	for _, key := range keys {
		v = plain(v)
		if v == hidden {
			return v
		}
		switch key := key.(type) {
		case string:
			object, _ := v.(map[string]any)
			v = object[key]
		case int:
			list, _ := v.([]any)
			if key < 0 || key >= len(list) {
				return nil
			}
			v = list[key]
		}
	}
	return v
}

// plain replaces the engine's form of a secret.
func plain(v any) any {
	if object, ok := v.(map[string]any); ok && object[resource.SigKey] == resource.SecretSig {
		return hidden
	}
	return v
}

// plainAll replaces all secrets in a value.
func plainAll(v any) any {
	switch v := plain(v).(type) {
	case map[string]any:
		object := map[string]any{}
		for key, element := range v {
			object[key] = plainAll(element)
		}
		return object
	case []any:
		list := make([]any, len(v))
		for i, element := range v {
			list[i] = plainAll(element)
		}
		return list
	default:
		return v
	}
}

func different(path string, replaces bool, before, after any) property {
	p := property{Path: path, Replaces: replaces}
	if before != nil {
		p.Old = maskAt(path, show(before))
	}
	if after != nil {
		p.New = maskAt(path, show(after))
	}
	return p
}

// longest is how many bytes of one value are shown where there is little room.
const longest = 300

// cut leaves of long values the part around their first difference, so that two of
// them never look the same.
func (p property) cut() property {
	from := 0
	if p.Old != "" && p.New != "" && max(len(p.Old), len(p.New)) > longest {
		for from < min(len(p.Old), len(p.New)) && p.Old[from] == p.New[from] {
			from++
		}
		from = max(0, from-longest/3)
	}
	p.Old, p.New = cut(p.Old, from), cut(p.New, from)
	return p
}

// cut shows the part of a value that begins at a byte.
func cut(text string, from int) string {
	start, end := "", ""
	if from > 0 {
		start = "…"
	}
	if len(text) > from+longest {
		text, end = text[:from+longest], "…"
	}
	return start + strings.ToValidUTF8(text[min(from, len(text)):], "") + end
}

// show writes a value in one line.
func show(v any) string {
	if _, ok := v.(missing); ok {
		return "?"
	}
	var line strings.Builder
	encoder := json.NewEncoder(&line)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(plainAll(v)); err != nil {
		return "?"
	}
	text := strings.ReplaceAll(strings.TrimSpace(line.String()), `"`+plugin.UnknownStringValue+`"`, "known after the update")
	return mask(text)
}

// with lists the changes of one kind.
func (p plan) with(op op) []change {
	var list []change
	for _, c := range p.Changes {
		if c.Op == op {
			list = append(list, c)
		}
	}
	return list
}

// counts is such as "1 created, 2 changed".
func (p plan) counts() string {
	var list []string
	for _, op := range ops {
		if n := len(p.with(op)); n > 0 {
			list = append(list, fmt.Sprintf("%d %s", n, op))
		}
	}
	return strings.Join(list, ", ")
}
