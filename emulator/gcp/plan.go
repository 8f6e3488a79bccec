package gcp

import (
	"slices"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
)

var unknown = resource.MakeComputed(resource.NewProperty(""))

// planner says what a resource will be, as Terraform plans it.
type planner struct {
	// ignored reports whether a property stays what it is, whatever the program asks.
	ignored func(at resource.PropertyPath) bool
}

// plan returns the outputs that a resource will have, as far as they are known
// before Google is asked. Its state is nil while it is to be created.
func (s *schema) plan(state, inputs resource.PropertyMap, ignoreChanges []string) resource.PropertyMap {
	p := planner{ignored: func(at resource.PropertyPath) bool { return ignored(ignoreChanges, at) }}
	planned := p.fields(nil, s.fields, state, inputs, state != nil, false)
	planned["id"] = unknown
	if id, ok := state["id"]; ok {
		planned["id"] = id
	}
	if s.derive != nil {
		s.derive(planned)
	}
	return planned
}

func (p planner) fields(at resource.PropertyPath, fs fields, state, inputs resource.PropertyMap, made, inSet bool) resource.PropertyMap {
	planned := resource.PropertyMap{}
	for name, f := range fs {
		key := resource.PropertyKey(name)
		value := p.field(slices.Concat(at, resource.PropertyPath{name}), f, state[key], inputs[key], made, inSet)
		if f.is(secret) && !value.IsSecret() {
			value = resource.MakeSecret(value)
		}
		planned[key] = value
	}
	return planned
}

func (p planner) field(at resource.PropertyPath, f field, state, input resource.PropertyValue, made, inSet bool) resource.PropertyValue {
	switch {
	case made && p.ignored(at):
		return state
	case f.is(output) || input.IsNull() && f.is(computed):
		if made {
			return state
		}
		return unknown
	case input.IsNull():
		if made && (zero(state) || f.same != nil && f.same(state, input)) {
			return state
		}
		return f.unset(inSet)
	case input.IsComputed():
		return input
	case made && f.kind != block && f.equal(state, input):
		return state
	case f.same != nil && f.same(state, input):
		return resource.NewNullProperty()
	case f.kind == block && input.IsObject():
		return resource.NewProperty(p.fields(at, f.fields, inner(state), input.ObjectValue(), made && state.IsObject(), inSet))
	case f.many() && input.IsArray():
		return p.list(at, f, items(state), input.ArrayValue(), made)
	}
	return input
}

func (p planner) list(at resource.PropertyPath, f field, state, inputs []resource.PropertyValue, made bool) resource.PropertyValue {
	planned := make([]resource.PropertyValue, len(inputs))
	for i, input := range inputs {
		// Members of a set have no place by which the old one is known.
		was := made && f.kind == blocks && i < len(state)
		if planned[i] = input; input.IsObject() {
			var old resource.PropertyMap
			if was {
				old = inner(state[i])
			}
			planned[i] = resource.NewProperty(p.fields(slices.Concat(at, resource.PropertyPath{i}), f.fields, old, input.ObjectValue(), was, f.kind == blockSet))
		}
	}
	return resource.NewProperty(planned)
}

// unset is a property that has no value: members of sets are whole, with zeroes.
func (f field) unset(inSet bool) resource.PropertyValue {
	if inSet || f.many() {
		return f.empty()
	}
	return resource.NewNullProperty()
}

// empty is what Terraform stores of a property that Google's answer lacks.
func (f field) empty() resource.PropertyValue {
	switch f.kind {
	case text:
		return resource.NewProperty("")
	case number:
		return resource.NewProperty(0.0)
	case truth:
		return resource.NewProperty(false)
	case mapping:
		return resource.NewProperty(resource.PropertyMap{})
	case texts, textSet, blocks, blockSet:
		return resource.NewProperty([]resource.PropertyValue{})
	case block:
	}
	return resource.NewNullProperty()
}

// outputs returns what Terraform makes of Google's answer.
func (s *schema) outputs(id string, answer map[string]any) resource.PropertyMap {
	outputs := s.fields.outputs(resource.NewPropertyMapFromMap(answer))
	outputs["id"] = resource.NewProperty(id)
	if s.derive != nil {
		s.derive(outputs)
	}
	return outputs
}

func (fs fields) outputs(answer resource.PropertyMap) resource.PropertyMap {
	outputs := resource.PropertyMap{}
	for name, f := range fs {
		key := resource.PropertyKey(name)
		value := answer[key]
		switch {
		case value.IsNull() && f.is(unread):
		case value.IsNull():
			value = f.empty()
		case f.fields == nil:
		case value.IsObject():
			value = resource.NewProperty(f.fields.outputs(value.ObjectValue()))
		case value.IsArray():
			list := make([]resource.PropertyValue, len(value.ArrayValue()))
			for i, element := range value.ArrayValue() {
				list[i] = resource.NewProperty(f.fields.outputs(inner(element)))
			}
			value = resource.NewProperty(list)
		}
		if f.is(secret) {
			value = resource.MakeSecret(value)
		}
		outputs[key] = value
	}
	return outputs
}

// inputs returns the inputs that would give some outputs: of the properties that
// are among the old inputs, or of all that are set when there are none: an import.
func (fs fields) inputs(outputs, old resource.PropertyMap) resource.PropertyMap {
	result := resource.PropertyMap{}
	for name, f := range fs {
		key := resource.PropertyKey(name)
		now, was := outputs[key], old[key]
		if _, asked := old[key]; old == nil && (f.is(output) || f.is(refused) || zero(now) && !f.is(required)) || old != nil && !asked {
			continue
		}
		switch {
		case f.kind == block && now.IsObject():
			now = resource.NewProperty(f.fields.inputs(now.ObjectValue(), inner(was)))
		case f.many() && now.IsArray():
			list := make([]resource.PropertyValue, len(now.ArrayValue()))
			for i, element := range now.ArrayValue() {
				var before resource.PropertyMap
				if i < len(items(was)) {
					before = inner(items(was)[i])
				}
				list[i] = resource.NewProperty(f.fields.inputs(inner(element), before))
			}
			now = resource.NewProperty(list)
		case zero(now) && zero(was) && now.IsNull() != was.IsNull():
			now = was
		}
		result[key] = now
	}
	// A default that Google has another value for is the program's no longer.
	chosen := []resource.PropertyValue{}
	for _, name := range items(old[defaults]) {
		if key := resource.PropertyKey(name.StringValue()); result[key].DeepEquals(old[key]) {
			chosen = append(chosen, name)
		}
	}
	result[defaults] = resource.NewProperty(chosen)
	return result
}

// known returns the properties that have a value, as plain Go values.
func known(properties resource.PropertyMap) map[string]any {
	result := map[string]any{}
	for key, value := range properties {
		if plain := plain(value); plain != nil {
			result[string(key)] = plain
		}
	}
	return result
}

func plain(v resource.PropertyValue) any {
	switch {
	case v.IsNull() || v.IsComputed():
		return nil
	case v.IsSecret():
		return plain(v.SecretValue().Element)
	case v.IsObject():
		return known(v.ObjectValue())
	case v.IsArray():
		list := make([]any, 0, len(v.ArrayValue()))
		for _, element := range v.ArrayValue() {
			list = append(list, plain(element))
		}
		return list
	}
	return v.Mappable()
}
