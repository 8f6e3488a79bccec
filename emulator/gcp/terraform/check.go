package terraform

import (
	"fmt"
	"maps"
	"slices"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
)

// defaults is where the bridge between Pulumi and Terraform's providers keeps which
// inputs it chose.
const defaults = "__defaults"

func autonamed(inputs resource.PropertyMap) bool {
	return slices.ContainsFunc(items(inputs[defaults]), func(v resource.PropertyValue) bool {
		return v.IsString() && v.StringValue() == "name"
	})
}

type checker struct {
	token    string
	failures []plugin.CheckFailure
}

// report does not name the property in the failure, but in its reason: the engine shows
// only properties that have a value.
func (c *checker) report(format string, args ...any) {
	c.failures = append(c.failures, plugin.CheckFailure{Reason: fmt.Sprintf(format, args...)})
}

// Check fills in defaults and reports every property that is unknown, missing or
// malformed.
func (s *Schema) Check(req plugin.CheckRequest) (plugin.CheckResponse, error) {
	c, in := &checker{token: s.Token}, req.News.Copy()
	var chosen []string
	if s.Named && in["name"].IsNull() {
		chosen = append(chosen, "name")
		if in["name"] = req.Olds["name"]; !autonamed(req.Olds) {
			name, err := resource.NewUniqueName(req.RandomSeed, req.URN.Name()+"-", 7, 0, nil)
			if err != nil {
				return plugin.CheckResponse{}, err
			}
			in["name"] = resource.NewProperty(name)
		}
	}
	in = c.object(s.Fields, "", in, chosen)
	return plugin.CheckResponse{Properties: in, Failures: c.failures}, nil
}

func (c *checker) object(fs Fields, at string, in resource.PropertyMap, chosen []string) resource.PropertyMap {
	in = in.Copy()
	delete(in, defaults)
	for _, key := range in.StableKeys() {
		f, known := fs[string(key)]
		// A default comes back in the inputs of before, where their changes are ignored.
		isDefault := f.Default != nil && in[key].DeepEquals(resource.NewPropertyValue(f.Default))
		if !known || f.is(Output) || f.is(Refused) && !isDefault {
			c.report("the emulator's %s has no property %s", c.token, at+string(key))
			continue
		}
		in[key] = c.value(f, at+string(key), in[key])
	}
	for _, name := range slices.Sorted(maps.Keys(fs)) {
		f, key := fs[name], resource.PropertyKey(name)
		if !in[key].IsNull() {
			continue
		}
		if f.Default != nil {
			in[key] = resource.NewPropertyValue(f.Default)
			chosen = append(chosen, name)
		} else if f.is(Required) {
			c.report("Missing required property '%s'", at+name)
		}
	}
	slices.Sort(chosen)
	list := make([]resource.PropertyValue, len(chosen))
	for i, name := range chosen {
		list[i] = resource.NewProperty(name)
	}
	in[defaults] = resource.NewProperty(list)
	return in
}

func (c *checker) value(f Field, at string, value resource.PropertyValue) resource.PropertyValue {
	if value.IsString() || value.IsNumber() || value.IsBool() {
		for _, rule := range f.Rules {
			if reason := rule(value.V); reason != "" {
				c.report("%s", reason)
				break
			}
		}
	}
	switch {
	case f.Fields == nil:
	case value.IsObject():
		return resource.NewProperty(c.object(f.Fields, at+".", value.ObjectValue(), nil))
	case value.IsArray():
		list := slices.Clone(value.ArrayValue())
		for i, element := range list {
			list[i] = c.value(Field{Fields: f.Fields}, fmt.Sprintf("%s[%d]", at, i), element)
		}
		return resource.NewProperty(list)
	}
	return value
}
