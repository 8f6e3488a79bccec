package gcp

import (
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
)

// schema describes a resource type. The types' schemas are next to what Google does
// with them. Their source is Terraform's google-beta 5.42.0, of which pulumi-gcp
// 7.38.0 is made.
type schema struct {
	// token is the type's name in Pulumi.
	token string
	// id is the form of an ID, with properties in braces.
	id string
	// api is the service that must be enabled, such as iam.googleapis.com; or empty.
	api    string
	fields fields
	// named types get a name from the resource's logical one.
	named bool
	// adopts: creating one that exists is no error.
	adopts bool
	// derive fills in outputs that Terraform computes without Google; it may be nil.
	derive func(outputs resource.PropertyMap)
}

// fields are the properties of a resource type or of a block, by name.
type fields map[string]field

// field is one property as Terraform knows it.
type field struct {
	kind  kind
	flags flags
	// preset is what the property is if the program leaves it out; or nil.
	preset any
	// fields are those of a block. A block that the emulator has nothing behind is
	// listed without them.
	fields fields
	// same reports whether two values mean the same to Google; nil compares them.
	same func(old, new resource.PropertyValue) bool
}

// kind is the type of a property's value.
type kind int

const (
	text kind = iota
	number
	truth
	texts    // a list of strings
	textSet  // strings in any order
	mapping  // strings by name
	block    // an object: in Terraform, a list of at most one
	blocks   // a list of objects
	blockSet // objects in any order
)

// flags are facts of a field.
type flags int

const (
	required flags = 1 << iota
	// computed: Google fills it in if the program leaves it out.
	computed
	// output: only Google sets it.
	output
	// forces: a change replaces the resource.
	forces
	secret
	// refused: the official provider accepts it, the emulator has nothing behind it.
	refused
	// unread: Terraform never asks Google for it; if unset it stays so.
	unread
)

func (f field) is(flag flags) bool { return f.flags&flag != 0 }

// many reports whether a field is a list or set of objects.
func (f field) many() bool { return f.kind == blocks || f.kind == blockSet }

var placeholder = regexp.MustCompile(`\{\w+\}`)

// identify fills in the form of an ID. References may be names or whole IDs.
func (s *schema) identify(properties map[string]any) string {
	return placeholder.ReplaceAllStringFunc(s.id, func(name string) string {
		name = strings.Trim(name, "{}")
		value := str(properties, name)
		if name == "cluster" || name == "repository" {
			value = path.Base(value)
		}
		return value
	})
}

// sameReference compares references, which may be names or end in one.
func sameReference(old, new resource.PropertyValue) bool {
	return old.IsString() && new.IsString() && path.Base(old.StringValue()) == path.Base(new.StringValue())
}

func sameExceptCase(old, new resource.PropertyValue) bool {
	return old.IsString() && new.IsString() && strings.EqualFold(old.StringValue(), new.StringValue())
}

// sameIfOff counts a block with everything off as none.
func sameIfOff(old, new resource.PropertyValue) bool { return new.IsNull() && off(old) }

func off(v resource.PropertyValue) bool {
	for _, value := range inner(v) {
		if !off(value) {
			return false
		}
	}
	return v.IsObject() || zero(v)
}

func bothOff(old, new resource.PropertyValue) bool { return zero(old) && zero(new) }

// zero reports whether a value is to Terraform as good as none. A block is not, even
// if everything in it is zero.
func zero(v resource.PropertyValue) bool {
	return v.IsNull() || v.IsBool() && !v.BoolValue() || v.IsString() && v.StringValue() == "" ||
		v.IsNumber() && v.NumberValue() == 0 || v.IsArray() && len(v.ArrayValue()) == 0 || v.IsObject() && len(v.ObjectValue()) == 0
}

// equal reports whether a value that is and one that is asked for mean the same.
// Properties that the program leaves out of a block mean what they are.
func (f field) equal(is, asked resource.PropertyValue) bool {
	switch {
	case asked.IsComputed():
		return false
	case f.same != nil && f.same(is, asked):
		return true
	case f.kind == block:
		return is.IsNull() && asked.IsNull() || is.IsObject() && asked.IsObject() && f.fields.equal(is.ObjectValue(), asked.ObjectValue())
	case f.kind == textSet || f.kind == blockSet:
		return f.equalSets(items(is), items(asked))
	case f.kind == blocks:
		return slices.EqualFunc(items(is), items(asked), field{kind: block, fields: f.fields}.equal)
	}
	return zero(is) && zero(asked) || is.DeepEquals(asked)
}

func (f field) equalSets(is, asked []resource.PropertyValue) bool {
	element := field{kind: text}
	if f.kind == blockSet {
		element = field{kind: block, fields: f.fields}
	}
	return len(is) == len(asked) && !slices.ContainsFunc(asked, func(wanted resource.PropertyValue) bool {
		return !slices.ContainsFunc(is, func(have resource.PropertyValue) bool { return element.equal(have, wanted) })
	})
}

func (fs fields) equal(is, asked resource.PropertyMap) bool {
	for name, f := range fs {
		key := resource.PropertyKey(name)
		if left := asked[key].IsNull() && (f.is(computed) || f.is(output)); !left && !f.equal(is[key], asked[key]) {
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

func str(properties map[string]any, name string) string {
	value, _ := properties[name].(string)
	return value
}
