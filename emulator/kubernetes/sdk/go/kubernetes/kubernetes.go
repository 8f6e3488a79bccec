// Package kubernetes, with the two below it, replaces Pulumi's Kubernetes SDK for the
// provider. The provider uses six names of it, but the SDK has a Go type for each kind of
// object in Kubernetes: half of the time in which the provider is compiled.
package kubernetes

import (
	"reflect"
	"strings"
)

// UntypedArgs are the inputs of an object of any kind.
type UntypedArgs map[string]any

// ElementType makes it an input.
func (UntypedArgs) ElementType() reflect.Type { return reflect.TypeFor[map[string]any]() }

// TypeToken is what Pulumi calls a kind. It names the core group, which Kubernetes does not.
func TypeToken(apiVersion, kind string) string {
	if !strings.Contains(apiVersion, "/") {
		apiVersion = "core/" + apiVersion
	}
	return "kubernetes:" + apiVersion + ":" + kind
}
