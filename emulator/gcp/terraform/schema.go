// Package terraform is what Terraform's provider for Google (google-beta 5.42.0, of which
// pulumi-gcp 7.38.0 is made) does with a resource before and after it asks Google: it
// checks inputs, plans outputs and compares them. It knows no type of resource: a schema
// describes one.
package terraform

import (
	"fmt"
	"maps"
	"path"
	"regexp"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
)

// Schema describes a type of resource.
type Schema struct {
	// Token is the type's name in Pulumi.
	Token string
	// ID is the form of an ID: {name} is a property, {.../name} the last part of one
	// that refers to another resource by its name or its ID.
	ID     string
	Fields Fields
	// Named types get a name from the resource's logical one.
	Named bool
}

// Fields are the properties of a type of resource or of a block, by name.
type Fields map[string]Field

// Field is one property as Terraform knows it.
type Field struct {
	Kind  Kind
	Flags Flags
	// Default is what the property is if the program leaves it out; or nil.
	Default any
	// Fields are those of a block. A block that the emulator has nothing behind is
	// listed without them.
	Fields Fields
	// Rules are checked before Google is asked.
	Rules []Rule
	// Same reports whether two values mean the same to Google; nil compares them.
	Same func(old, new resource.PropertyValue) bool
	// From names the property that an output of the first level always equals.
	From string
}

// Kind is the type of a property's value.
type Kind int

// The kinds of properties.
const (
	Text Kind = iota
	Number
	Truth
	Texts    // a list of strings
	TextSet  // strings in any order
	Mapping  // strings by name
	Block    // an object: in Terraform, a list of at most one
	Blocks   // a list of objects
	BlockSet // objects in any order
)

// Flags are facts of a field.
type Flags int

// The facts.
const (
	Required Flags = 1 << iota
	// Computed: Google fills it in if the program leaves it out.
	Computed
	// Output: only Google sets it.
	Output
	// Forces: a change replaces the resource.
	Forces
	Secret
	// Refused: the official provider accepts it, the emulator has nothing behind it.
	Refused
	// Unread: Terraform never asks Google for it; if unset it stays so.
	Unread
)

func (f Field) is(flag Flags) bool { return f.Flags&flag != 0 }

func (f Field) many() bool { return f.Kind == Blocks || f.Kind == BlockSet }

// Each returns fields that are alike, by their names.
func Each(names string, like Field) Fields {
	all := Fields{}
	for name := range strings.FieldsSeq(names) {
		all[name] = like
	}
	return all
}

// Union returns all of some fields.
func Union(parts ...Fields) Fields {
	all := Fields{}
	for _, part := range parts {
		maps.Copy(all, part)
	}
	return all
}

// Labels are the properties of a resource that has labels. The provider adds none of its
// own to the program's.
var Labels = Fields{
	"effectiveLabels": {Kind: Mapping, Flags: Output, From: "labels"},
	"labels":          {Kind: Mapping},
	"pulumiLabels":    {Kind: Mapping, Flags: Output, From: "labels"},
}

// Rule returns what is wrong with a value, in Terraform's words; nothing if all is well.
type Rule func(value any) string

// Match is the rule that a value matches a pattern. VALUE in the words is replaced by it.
func Match(pattern, words string) Rule {
	expression := regexp.MustCompile(pattern)
	return func(value any) string {
		text := fmt.Sprint(value)
		if expression.MatchString(text) {
			return ""
		}
		return strings.ReplaceAll(words, "VALUE", text)
	}
}

var placeholder = regexp.MustCompile(`\{(\.\.\./)?(\w+)\}`)

// Identify fills in the form of an ID.
func (s *Schema) Identify(properties map[string]any) string {
	return placeholder.ReplaceAllStringFunc(s.ID, func(name string) string {
		parts := placeholder.FindStringSubmatch(name)
		value, _ := properties[parts[2]].(string)
		if parts[1] != "" {
			value = path.Base(value)
		}
		return value
	})
}
