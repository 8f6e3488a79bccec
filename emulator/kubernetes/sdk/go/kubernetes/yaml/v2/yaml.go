// Package v2 registers the objects in YAML files and Helm charts.
package v2

import (
	"github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// RegisterResource registers an object of any kind. The SDK would read the answer into the
// kind's Go type, at which the provider does not look.
func RegisterResource(ctx *pulumi.Context, apiVersion, kind, name string, props pulumi.Input, opts ...pulumi.ResourceOption) (pulumi.CustomResource, error) {
	var object struct{ pulumi.CustomResourceState }
	if err := ctx.RegisterResource(kubernetes.TypeToken(apiVersion, kind), name, props, &object, opts...); err != nil {
		return nil, err
	}
	return &object, nil
}
