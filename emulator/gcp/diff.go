package gcp

import (
	"maps"
	"slices"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"

	"hello-timber/emulator/wire"
)

// diff returns what changes from a state to a plan, by path. Where a block, list or
// map gets more or fewer members, Terraform counts that as a change of its own,
// besides those of the members.
func (s *schema) diff(state, planned resource.PropertyMap) map[string]plugin.PropertyDiff {
	found := map[string]plugin.PropertyDiff{}
	s.fields.diff(nil, state, planned, found)
	return found
}

func (fs fields) diff(at resource.PropertyPath, state, planned resource.PropertyMap, found map[string]plugin.PropertyDiff) {
	for name, f := range fs {
		key := resource.PropertyKey(name)
		f.diff(slices.Concat(at, resource.PropertyPath{name}), state[key], planned[key], found)
	}
}

func (f field) diff(at resource.PropertyPath, state, planned resource.PropertyValue, found map[string]plugin.PropertyDiff) {
	state, planned = wire.Plain(state), wire.Plain(planned)
	report := func(at resource.PropertyPath, kind plugin.DiffKind) {
		change := plugin.PropertyDiff{Kind: kind}
		if f.is(forces) {
			change = change.ToReplace()
		}
		found[at.String()] = change
	}
	switch {
	case planned.IsComputed() && !f.is(output):
		report(at, plugin.DiffUpdate)
	case planned.IsComputed(), zero(state) && zero(planned), state.DeepEquals(planned):
	case f.is(output):
		report(at, plugin.DiffUpdate)
	case f.kind == block && state.IsNull():
		report(at, plugin.DiffUpdate)
		f.fields.added(at, inner(planned), found)
	case f.kind == block:
		if planned.IsNull() {
			report(at, plugin.DiffUpdate)
		}
		f.fields.diff(at, inner(state), inner(planned), found)
	case f.many():
		if len(items(state)) != len(items(planned)) {
			report(at, plugin.DiffUpdate)
		}
		for i := range max(len(items(state)), len(items(planned))) {
			f.fields.diff(slices.Concat(at, resource.PropertyPath{i}), member(state, i), member(planned, i), found)
		}
	case f.kind == mapping:
		if len(inner(state)) != len(inner(planned)) {
			report(at, plugin.DiffUpdate)
		}
		keys := maps.Clone(inner(state))
		if keys == nil {
			keys = resource.PropertyMap{}
		}
		maps.Copy(keys, inner(planned))
		for key := range keys {
			if was, will := inner(state)[key], inner(planned)[key]; !was.DeepEquals(will) {
				report(slices.Concat(at, resource.PropertyPath{string(key)}), kindOf(was, will))
			}
		}
	default:
		report(at, kindOf(state, planned))
	}
}

// added reports what a new block has, zeroes too.
func (fs fields) added(at resource.PropertyPath, planned resource.PropertyMap, found map[string]plugin.PropertyDiff) {
	for name, f := range fs {
		path, value := slices.Concat(at, resource.PropertyPath{name}), planned[resource.PropertyKey(name)]
		switch {
		case value.IsNull() || f.is(output):
		case value.IsArray() || value.IsObject():
			f.diff(path, resource.NewNullProperty(), value, found)
		default:
			change := plugin.PropertyDiff{Kind: plugin.DiffAdd}
			if f.is(forces) {
				change = change.ToReplace()
			}
			found[path.String()] = change
		}
	}
}

func member(list resource.PropertyValue, i int) resource.PropertyMap {
	if all := items(list); i < len(all) {
		return inner(all[i])
	}
	return nil
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

// stable returns the properties, all of which force replacement, that stay what
// they are.
func (s *schema) stable(found map[string]plugin.PropertyDiff) []resource.PropertyKey {
	replaced := map[string]bool{}
	for at, change := range found {
		if change.Kind.IsReplace() {
			replaced[wire.Root(at)] = true
		}
	}
	var stable []resource.PropertyKey
	for _, name := range slices.Sorted(maps.Keys(s.fields)) {
		if s.fields[name].is(forces) && !replaced[name] {
			stable = append(stable, resource.PropertyKey(name))
		}
	}
	return stable
}

// ignored reports whether a path is, or is in, one of those whose changes the program
// ignores.
func ignored(changes []string, at resource.PropertyPath) bool {
	return slices.ContainsFunc(changes, func(change string) bool {
		path, err := resource.ParsePropertyPath(change)
		return err == nil && path.Contains(at)
	})
}
