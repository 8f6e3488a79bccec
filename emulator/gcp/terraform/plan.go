package terraform

import (
	"slices"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
)

var unknown = resource.MakeComputed(resource.NewProperty(""))

// Plan returns the outputs that a resource will have, as far as they are known before
// Google is asked. Its state is nil while it is to be created. Paths in ignoreChanges
// stay what they are, whatever the program asks.
func (s *Schema) Plan(state, inputs resource.PropertyMap, ignoreChanges []string) resource.PropertyMap {
	p := planner{}
	for _, change := range ignoreChanges {
		if path, err := resource.ParsePropertyPath(change); err == nil {
			p.ignored = append(p.ignored, path)
		}
	}
	planned := p.fields(nil, s.Fields, state, inputs, false)
	planned["id"] = unknown
	if id, ok := state["id"]; ok {
		planned["id"] = id
	}
	s.copy(planned)
	return planned
}

// copy fills in the outputs that always equal another property.
func (s *Schema) copy(outputs resource.PropertyMap) {
	for name, f := range s.Fields {
		if f.From != "" {
			outputs[resource.PropertyKey(name)] = outputs[resource.PropertyKey(f.From)]
		}
	}
}

type planner struct{ ignored []resource.PropertyPath }

// fields plans the properties of a resource or a block; without a state, of a new one.
func (p planner) fields(at resource.PropertyPath, fs Fields, state, inputs resource.PropertyMap, inSet bool) resource.PropertyMap {
	planned := resource.PropertyMap{}
	for name, f := range fs {
		key := resource.PropertyKey(name)
		value := p.field(slices.Concat(at, resource.PropertyPath{name}), f, state[key], inputs[key], state != nil, inSet)
		if f.is(Secret) && !value.IsSecret() {
			value = resource.MakeSecret(value)
		}
		planned[key] = value
	}
	return planned
}

func (p planner) field(at resource.PropertyPath, f Field, state, input resource.PropertyValue, made, inSet bool) resource.PropertyValue {
	switch {
	case made && slices.ContainsFunc(p.ignored, func(path resource.PropertyPath) bool { return path.Contains(at) }):
		return state
	case f.is(Output) || input.IsNull() && f.is(Computed):
		if made {
			return state
		}
		return unknown
	case input.IsNull():
		if made && (zero(state) || f.Same != nil && f.Same(state, input)) {
			return state
		}
		// Members of sets are whole, with zeroes.
		if inSet || f.many() {
			return f.empty()
		}
		return resource.NewNullProperty()
	case input.IsComputed() || input.IsArray() && f.Fields == nil && input.ContainsUnknowns():
		return unknown
	case made && f.Kind != Block && f.equal(state, input):
		return state
	case f.Same != nil && f.Same(state, input):
		return resource.NewNullProperty()
	case f.Kind == Block && input.IsObject():
		return resource.NewProperty(p.fields(at, f.Fields, inner(state), input.ObjectValue(), inSet))
	case f.many() && input.IsArray():
		return p.list(at, f, state, input.ArrayValue(), made)
	}
	return input
}

func (p planner) list(at resource.PropertyPath, f Field, state resource.PropertyValue, inputs []resource.PropertyValue, made bool) resource.PropertyValue {
	planned := slices.Clone(inputs)
	for i, input := range inputs {
		// Members of a set have no place by which the old one is known.
		var old resource.PropertyMap
		if made && f.Kind == Blocks {
			old = member(state, i)
		}
		if input.IsObject() {
			planned[i] = resource.NewProperty(p.fields(slices.Concat(at, resource.PropertyPath{i}), f.Fields, old, input.ObjectValue(), f.Kind == BlockSet))
		}
	}
	return resource.NewProperty(planned)
}

// empty is what Terraform stores of a property that Google's answer lacks.
func (f Field) empty() resource.PropertyValue {
	switch f.Kind {
	case Text:
		return resource.NewProperty("")
	case Number:
		return resource.NewProperty(0.0)
	case Truth:
		return resource.NewProperty(false)
	case Mapping:
		return resource.NewProperty(resource.PropertyMap{})
	case Texts, TextSet, Blocks, BlockSet:
		return resource.NewProperty([]resource.PropertyValue{})
	case Block:
	}
	return resource.NewNullProperty()
}

// Outputs returns what Terraform makes of Google's answer.
func (s *Schema) Outputs(id string, answer map[string]any) resource.PropertyMap {
	outputs := s.Fields.outputs(resource.NewPropertyMapFromMap(answer))
	outputs["id"] = resource.NewProperty(id)
	s.copy(outputs)
	return outputs
}

func (fs Fields) outputs(answer resource.PropertyMap) resource.PropertyMap {
	outputs := resource.PropertyMap{}
	for name, f := range fs {
		key := resource.PropertyKey(name)
		value := answer[key]
		switch {
		case value.IsNull() && f.is(Unread):
		case value.IsNull():
			value = f.empty()
		case f.Fields == nil:
		case value.IsObject():
			value = resource.NewProperty(f.Fields.outputs(value.ObjectValue()))
		case value.IsArray():
			list := make([]resource.PropertyValue, len(value.ArrayValue()))
			for i := range list {
				list[i] = resource.NewProperty(f.Fields.outputs(member(value, i)))
			}
			value = resource.NewProperty(list)
		}
		if f.is(Secret) {
			value = resource.MakeSecret(value)
		}
		outputs[key] = value
	}
	return outputs
}

// Inputs returns the inputs that would give some outputs: of the properties that
// are among the old inputs, or of all that are set when there are none: an import.
func (fs Fields) Inputs(outputs, old resource.PropertyMap) resource.PropertyMap {
	result := resource.PropertyMap{}
	for name, f := range fs {
		key := resource.PropertyKey(name)
		now, was := outputs[key], old[key]
		if _, asked := old[key]; old == nil && (f.is(Output) || f.is(Refused) || zero(now) && !f.is(Required)) || old != nil && !asked {
			continue
		}
		switch {
		case f.Kind == Block && now.IsObject():
			now = resource.NewProperty(f.Fields.Inputs(now.ObjectValue(), inner(was)))
		case f.many() && now.IsArray():
			list := make([]resource.PropertyValue, len(now.ArrayValue()))
			for i := range list {
				list[i] = resource.NewProperty(f.Fields.Inputs(member(now, i), member(was, i)))
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
