package terraform

import (
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
)

// SameReference compares references, which may be names or end in one.
func SameReference(old, new resource.PropertyValue) bool {
	return old.IsString() && new.IsString() && path.Base(old.StringValue()) == path.Base(new.StringValue())
}

// SameExceptCase compares texts whatever their case.
func SameExceptCase(old, new resource.PropertyValue) bool {
	return old.IsString() && new.IsString() && strings.EqualFold(old.StringValue(), new.StringValue())
}

// SameIfOff counts a block with everything off as none.
func SameIfOff(old, new resource.PropertyValue) bool { return new.IsNull() && off(old) }

func off(v resource.PropertyValue) bool {
	for _, value := range inner(v) {
		if !off(value) {
			return false
		}
	}
	return v.IsObject() || zero(v)
}

// BothOff counts a false as none.
func BothOff(old, new resource.PropertyValue) bool { return zero(old) && zero(new) }

// zero reports whether a value is to Terraform as good as none. A block is not, even
// if everything in it is zero.
func zero(v resource.PropertyValue) bool {
	return v.IsNull() || v.IsBool() && !v.BoolValue() || v.IsString() && v.StringValue() == "" ||
		v.IsNumber() && v.NumberValue() == 0 || v.IsArray() && len(v.ArrayValue()) == 0 || v.IsObject() && len(v.ObjectValue()) == 0
}

// equal reports whether a value that is and one that is asked for mean the same.
// Properties that the program leaves out of a block mean what they are.
func (f Field) equal(is, asked resource.PropertyValue) bool {
	element := Field{Kind: Block, Fields: f.Fields}
	if f.Kind == TextSet {
		element = Field{Kind: Text}
	}
	switch {
	case asked.IsComputed():
		return false
	case f.Same != nil && f.Same(is, asked):
		return true
	case f.Kind == Block:
		return is.IsNull() && asked.IsNull() || is.IsObject() && asked.IsObject() && f.Fields.equal(is.ObjectValue(), asked.ObjectValue())
	case f.Kind == TextSet || f.Kind == BlockSet:
		return len(items(is)) == len(items(asked)) && !slices.ContainsFunc(items(asked), func(wanted resource.PropertyValue) bool {
			return !slices.ContainsFunc(items(is), func(have resource.PropertyValue) bool { return element.equal(have, wanted) })
		})
	case f.Kind == Blocks:
		return slices.EqualFunc(items(is), items(asked), element.equal)
	}
	return zero(is) && zero(asked) || is.DeepEquals(asked)
}

func (fs Fields) equal(is, asked resource.PropertyMap) bool {
	for name, f := range fs {
		key := resource.PropertyKey(name)
		if left := asked[key].IsNull() && (f.is(Computed) || f.is(Output)); !left && !f.equal(is[key], asked[key]) {
			return false
		}
	}
	return true
}

// items returns the elements of a list; of no list, none.
func items(v resource.PropertyValue) []resource.PropertyValue {
	if v.IsArray() {
		return v.ArrayValue()
	}
	return nil
}

// inner returns the properties of an object; of no object, none.
func inner(v resource.PropertyValue) resource.PropertyMap {
	if v.IsObject() {
		return v.ObjectValue()
	}
	return nil
}

// member returns the properties of an element of a list; none if it has no such element.
func member(list resource.PropertyValue, i int) resource.PropertyMap {
	if all := items(list); i < len(all) {
		return inner(all[i])
	}
	return nil
}

// Known returns the properties that have a value, as plain Go values.
func Known(properties resource.PropertyMap) map[string]any {
	known := properties.MapRepl(nil, plain)
	maps.DeleteFunc(known, func(_ string, value any) bool { return value == nil })
	return known
}

// plain replaces what is not known yet, and what is secret.
func plain(v resource.PropertyValue) (any, bool) {
	if v.IsSecret() {
		return revealed(v).MapRepl(nil, plain), true
	}
	return nil, v.IsComputed()
}

// revealed returns a value without the mark that makes it secret.
func revealed(v resource.PropertyValue) resource.PropertyValue {
	if v.IsSecret() {
		return v.SecretValue().Element
	}
	return v
}
