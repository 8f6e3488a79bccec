// Package libopenapi and those below it replace github.com/pb33f/libopenapi for
// Pulumi's CLI. Only `pulumi cloud api` uses it, which describes the API of Pulumi Cloud,
// and there is none on this machine. It is a quarter of what the CLI takes to compile.
package libopenapi

import (
	"errors"

	v3 "github.com/pb33f/libopenapi/datamodel/high/v3"
)

// Document is a description of an API.
type Document struct{}

// Model is what it says.
type Model struct{ Model v3.Document }

// NewDocument fails.
func NewDocument([]byte) (Document, error) {
	return Document{}, errors.New("make up has compiled this pulumi without it. Fix: install Pulumi, https://www.pulumi.com/docs/install")
}

// BuildV3Model is never called, because there is no document.
func (Document) BuildV3Model() (*Model, error) { return nil, errors.ErrUnsupported }
