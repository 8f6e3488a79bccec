// Package v3 has the fields of a description that Pulumi's CLI reads.
package v3

import (
	"github.com/pb33f/libopenapi/datamodel/high/base"
	"github.com/pb33f/libopenapi/orderedmap"
	"go.yaml.in/yaml/v4"
)

// Document is a description of an API.
type Document struct {
	Info       *base.Info
	Components *Components
	Paths      *Paths
}

// Components are schemas by name.
type Components struct {
	Schemas *orderedmap.Map[string, *base.SchemaProxy]
}

// Paths are addresses.
type Paths struct {
	PathItems *orderedmap.Map[string, *PathItem]
}

// PathItem is what can be done at an address.
type PathItem struct{ Get, Post, Put, Delete, Patch, Head *Operation }

// Operation is one request, and its answers.
type Operation struct {
	Tags                              []string
	OperationId, Summary, Description string
	Parameters                        []*Parameter
	RequestBody                       *RequestBody
	Responses                         *Responses
	Extensions                        *orderedmap.Map[string, *yaml.Node]
	Deprecated                        *bool
}

// Parameter is one of a request.
type Parameter struct {
	Name, In, Description string
	Required              *bool
	Schema                *base.SchemaProxy
}

// RequestBody is the content of a request.
type RequestBody struct {
	Content *orderedmap.Map[string, *MediaType]
}

// Responses are answers by status.
type Responses struct {
	Codes   *orderedmap.Map[string, *Response]
	Default *Response
}

// Response is an answer.
type Response struct {
	Description string
	Content     *orderedmap.Map[string, *MediaType]
}

// MediaType is one form of a content.
type MediaType struct{ Schema *base.SchemaProxy }
