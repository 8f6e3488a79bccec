// Package base has the fields of a schema that Pulumi's CLI reads.
package base

import (
	"errors"

	"github.com/pb33f/libopenapi/orderedmap"
	"go.yaml.in/yaml/v4"
)

// Info is about the whole description.
type Info struct{ Version string }

// Discriminator says by which property objects differ.
type Discriminator struct {
	PropertyName string
	Mapping      *orderedmap.Map[string, string]
}

// DynamicValue is one of two.
type DynamicValue[A, B any] struct {
	A A
	B B
}

// SchemaProxy leads to a schema.
type SchemaProxy struct{}

// Schema describes a value.
type Schema struct {
	AdditionalProperties, Items  *DynamicValue[*SchemaProxy, bool]
	AllOf, AnyOf, OneOf          []*SchemaProxy
	Default                      *yaml.Node
	Description, Format, Pattern string
	Discriminator                *Discriminator
	Enum                         []*yaml.Node
	Extensions                   *orderedmap.Map[string, *yaml.Node]
	MaxLength, MinLength         *int64
	Maximum, Minimum, MultipleOf *float64
	Nullable, ReadOnly           *bool
	Properties                   *orderedmap.Map[string, *SchemaProxy]
	Required, Type               []string
}

// Low is the text of a schema.
type Low struct{}

// IsA is false.
func (*DynamicValue[A, B]) IsA() bool { return false }

// Schema is nil.
func (*SchemaProxy) Schema() *Schema { return nil }

// GoLow is nil.
func (*Schema) GoLow() *Low { return nil }

// MarshalJSONInline fails.
func (*Schema) MarshalJSONInline() ([]byte, error) { return nil, errors.ErrUnsupported }

// Hash is 0.
func (*Low) Hash() uint64 { return 0 }
