package terraform

import (
	"maps"
	"slices"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"

	"hello-timber/emulator/wire"
)

// Diff returns what changes from a state to what inputs ask for.
func (s *Schema) Diff(state, inputs resource.PropertyMap, ignoreChanges []string) plugin.DiffResponse {
	found := differences{}
	s.Fields.diff(nil, state, s.Plan(state, inputs, ignoreChanges), found)
	result := plugin.DiffResponse{Changes: plugin.DiffNone, DetailedDiff: found}
	replaced := map[string]bool{}
	for at, change := range found {
		result.Changes = plugin.DiffSome
		if change.Kind.IsReplace() {
			replaced[wire.Root(at)] = true
		}
	}
	// A new one of the same name has room only when the old one is gone.
	result.DeleteBeforeReplace = len(replaced) > 0 && s.Named && !autonamed(inputs) && state["name"].DeepEquals(inputs["name"])
	// Terraform calls those stable whose change would replace the resource.
	for _, name := range slices.Sorted(maps.Keys(s.Fields)) {
		if s.Fields[name].is(Forces) && !replaced[name] {
			result.StableKeys = append(result.StableKeys, resource.PropertyKey(name))
		}
	}
	return result
}

// differences are by path. Where a block, list or map gets more or fewer members,
// Terraform counts that as a change of its own, besides those of the members.
type differences map[string]plugin.PropertyDiff

func (d differences) add(at resource.PropertyPath, f Field, kind plugin.DiffKind) {
	change := plugin.PropertyDiff{Kind: kind}
	if f.is(Forces) {
		change = change.ToReplace()
	}
	d[at.String()] = change
}

func (fs Fields) diff(at resource.PropertyPath, state, planned resource.PropertyMap, found differences) {
	for name, f := range fs {
		key := resource.PropertyKey(name)
		f.diff(slices.Concat(at, resource.PropertyPath{name}), state[key], planned[key], found)
	}
}

func (f Field) diff(at resource.PropertyPath, state, planned resource.PropertyValue, found differences) {
	state, planned = revealed(state), revealed(planned)
	switch {
	case planned.IsComputed() && !f.is(Output):
		found.add(at, f, plugin.DiffUpdate)
	case planned.IsComputed(), zero(state) && zero(planned), state.DeepEquals(planned):
	case f.is(Output):
		found.add(at, f, plugin.DiffUpdate)
	case f.Kind == Block && state.IsNull():
		found.add(at, f, plugin.DiffUpdate)
		f.Fields.added(at, inner(planned), found)
	case f.Kind == Block:
		if planned.IsNull() {
			found.add(at, f, plugin.DiffUpdate)
		}
		f.Fields.diff(at, inner(state), inner(planned), found)
	case f.many():
		if len(items(state)) != len(items(planned)) {
			found.add(at, f, plugin.DiffUpdate)
		}
		for i := range max(len(items(state)), len(items(planned))) {
			f.Fields.diff(slices.Concat(at, resource.PropertyPath{i}), member(state, i), member(planned, i), found)
		}
	case f.Kind == Mapping:
		was, will := inner(state), inner(planned)
		if len(was) != len(will) {
			found.add(at, f, plugin.DiffUpdate)
		}
		for _, key := range slices.Concat(was.StableKeys(), will.StableKeys()) {
			if !was[key].DeepEquals(will[key]) {
				found.add(slices.Concat(at, resource.PropertyPath{string(key)}), f, kindOf(was[key], will[key]))
			}
		}
	default:
		found.add(at, f, kindOf(state, planned))
	}
}

// added reports what a new block has, zeroes too.
func (fs Fields) added(at resource.PropertyPath, planned resource.PropertyMap, found differences) {
	for name, f := range fs {
		path, value := slices.Concat(at, resource.PropertyPath{name}), planned[resource.PropertyKey(name)]
		switch {
		case value.IsNull() || f.is(Output):
		case value.IsArray() || value.IsObject():
			f.diff(path, resource.NewNullProperty(), value, found)
		default:
			found.add(path, f, plugin.DiffAdd)
		}
	}
}

func kindOf(state, planned resource.PropertyValue) plugin.DiffKind {
	switch {
	case state.IsNull() || state.IsString() && state.StringValue() == "":
		return plugin.DiffAdd
	case planned.IsNull():
		return plugin.DiffDelete
	}
	return plugin.DiffUpdate
}
