package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// plan is what a preview says about one stack.
type plan struct {
	stack string
	// changes are the resources that differ, in the order in which they are updated.
	changes []change
	// failed tells that the preview came to no end: changes may be incomplete.
	failed bool
	// errors are what it complained of.
	errors []string
}

// change is what happens to one resource.
type change struct {
	op        op
	typ, name string // such as kubernetes:apps/v1:Deployment and timber-tutorial
	// properties are those that differ, of a new or deleted resource all.
	properties []property
}

type op string

const (
	created  op = "created"
	changed  op = "changed"
	replaced op = "replaced"
	deleted  op = "deleted"
)

// ops are all of them, in the order in which they are told.
var ops = []op{replaced, deleted, created, changed}

// property is one value that differs. Old or new is empty if there is none.
type property struct {
	path, old, new string
	// replaces tells that the resource is replaced because of it.
	replaces bool
}

// digest is the part of pulumi's PreviewDigest that is read.
type digest struct {
	Steps []struct {
		Op                          string
		URN                         string
		OldState, NewState          *state
		DiffReasons, ReplaceReasons []string
		DetailedDiff                map[string]struct {
			Kind      string // such as add, update-replace
			InputDiff bool
		}
	}
	Diagnostics []struct{ URN, Message, Severity string }
	// ChangeSummary is there once the preview has come to its end.
	ChangeSummary map[string]int
}

type state struct {
	Custom          bool
	Inputs, Outputs map[string]any
}

// known are the engine's operations that make a difference. A replacement has up
// to three steps, one of which is replace.
var known = map[string]op{
	"create": created, "import": created, "update": changed, "replace": replaced, "delete": deleted,
}

// readPlan reads what `pulumi preview --json` printed. Text that is no digest,
// such as none at all, is a preview that failed.
func readPlan(stack string, text []byte) plan {
	p := plan{stack: stack}
	var d digest
	if err := json.Unmarshal(text, &d); err != nil {
		p.failed = true
		return p
	}
	p.failed = d.ChangeSummary == nil
	for _, diagnostic := range d.Diagnostics {
		if diagnostic.Severity == "error" {
			p.failed = true
			p.errors = append(p.errors, strings.TrimSpace(diagnostic.Message))
		}
	}
	for _, step := range d.Steps {
		op, ok := known[step.Op]
		at := step.NewState
		if at == nil {
			at = step.OldState
		}
		c := change{op: op}
		c.typ, c.name = parseURN(step.URN)
		// Components are only the folders that resources stand in, and the providers
		// that the engine makes by itself are no part of the cloud.
		if !ok || at == nil || !at.Custom || strings.HasPrefix(c.typ, "pulumi:providers:") && strings.HasPrefix(c.name, "default") {
			continue
		}
		before, after := step.OldState, step.NewState
		switch {
		case op == created:
			c.properties = leaves("", after.Inputs, func(value string) property { return property{new: value} })
		case op == deleted:
			c.properties = leaves("", before.Inputs, func(value string) property { return property{old: value} })
		case len(step.DetailedDiff) > 0:
			for _, path := range slices.Sorted(maps.Keys(step.DetailedDiff)) {
				diff := step.DetailedDiff[path]
				kind, replaces := strings.CutSuffix(diff.Kind, "-replace")
				p := property{path: path, replaces: replaces}
				if kind != "add" {
					p.old = lookup(before, path, diff.InputDiff)
				}
				if kind != "delete" {
					p.new = lookup(after, path, true)
				}
				c.properties = append(c.properties, p)
			}
		default:
			for _, path := range append(step.ReplaceReasons, step.DiffReasons...) {
				if !slices.ContainsFunc(c.properties, func(p property) bool { return p.path == path }) {
					c.properties = append(c.properties, property{path: path, replaces: slices.Contains(step.ReplaceReasons, path),
						old: lookup(before, path, true), new: lookup(after, path, true)})
				}
			}
		}
		p.changes = append(p.changes, c)
	}
	return p
}

// parseURN returns type and name: urn:pulumi:STACK::PROJECT::PARENT$TYPE::NAME.
func parseURN(urn string) (typ, name string) {
	parts := strings.SplitN(urn, "::", 4)
	if len(parts) < 4 {
		return "", urn
	}
	types := strings.Split(parts[2], "$")
	return types[len(types)-1], parts[3]
}

// leaves lists the values below v, without the engine's and the providers' own notes.
func leaves(path string, v any, as func(value string) property) []property {
	var list []property
	switch v := v.(type) {
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
		p := as(show(v))
		p.path = path
		list = append(list, p)
	}
	return list
}

// lookup shows the value at a path such as a.b[0]["c.d"] of a resource's inputs
// or outputs, or of the others if these have none.
func lookup(s *state, path string, inputs bool) string {
	if s == nil {
		return "?"
	}
	sides := []map[string]any{s.Inputs, s.Outputs}
	if !inputs {
		slices.Reverse(sides)
	}
	for _, side := range sides {
		var at any = side
		for rest := path; rest != "" && at != nil; {
			var key string
			key, rest = nextKey(rest)
			switch v := at.(type) {
			case map[string]any:
				at = v[key]
			case []any:
				i, err := strconv.Atoi(key)
				if at = nil; err == nil && i >= 0 && i < len(v) {
					at = v[i]
				}
			default:
				at = nil
			}
		}
		if at != nil {
			return show(at)
		}
	}
	return "?"
}

// nextKey splits a path into its first key and the rest.
func nextKey(path string) (key, rest string) {
	path = strings.TrimPrefix(path, ".")
	if !strings.HasPrefix(path, "[") {
		if i := strings.IndexAny(path, ".["); i >= 0 {
			return path[:i], path[i:]
		}
		return path, ""
	}
	if quoted, err := strconv.QuotedPrefix(path[1:]); err == nil {
		if key, err := strconv.Unquote(quoted); err == nil {
			return key, strings.TrimPrefix(path[1+len(quoted):], "]")
		}
	}
	key, rest, _ = strings.Cut(path[1:], "]")
	return key, rest
}

const (
	// unknown is how the engine writes a value that only the update will tell.
	unknown = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
	// longest is how many bytes of one value are shown: of a certificate, say, enough.
	longest = 300
)

// show writes a value in one line. What the engine knows to be secret has been
// "[secret]" before it came here.
func show(v any) string {
	var line strings.Builder
	encoder := json.NewEncoder(&line)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(v); err != nil {
		return "?"
	}
	text := strings.ReplaceAll(strings.TrimSpace(line.String()), `"`+unknown+`"`, "known after the update")
	if len(text) > longest {
		return strings.ToValidUTF8(text[:longest], "") + "…"
	}
	return text
}
