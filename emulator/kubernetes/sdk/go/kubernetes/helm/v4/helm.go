// Package v4 has the inputs of a Helm chart that are objects themselves. Pulumi reads such
// an input into its Args, whose fields may be secret or not known yet, and awaits them.
package v4

import (
	"reflect"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

type (
	// PostRenderer is the program that changes what a chart renders.
	PostRenderer struct {
		Args    []string `pulumi:"args"`
		Command string   `pulumi:"command"`
	}
	PostRendererArgs struct {
		Args    pulumi.StringArrayInput `pulumi:"args"`
		Command pulumi.StringInput      `pulumi:"command"`
	}
	PostRendererInput  interface{ pulumi.Input }
	PostRendererOutput struct{ *pulumi.OutputState }

	// RepositoryOpts is where a chart is downloaded from.
	RepositoryOpts struct {
		CaFile   pulumi.AssetOrArchive `pulumi:"caFile"`
		CertFile pulumi.AssetOrArchive `pulumi:"certFile"`
		KeyFile  pulumi.AssetOrArchive `pulumi:"keyFile"`
		Password *string               `pulumi:"password"`
		Repo     *string               `pulumi:"repo"`
		Username *string               `pulumi:"username"`
	}
	RepositoryOptsArgs struct {
		CaFile   pulumi.AssetOrArchiveInput `pulumi:"caFile"`
		CertFile pulumi.AssetOrArchiveInput `pulumi:"certFile"`
		KeyFile  pulumi.AssetOrArchiveInput `pulumi:"keyFile"`
		Password pulumi.StringPtrInput      `pulumi:"password"`
		Repo     pulumi.StringPtrInput      `pulumi:"repo"`
		Username pulumi.StringPtrInput      `pulumi:"username"`
	}
	RepositoryOptsInput  interface{ pulumi.Input }
	RepositoryOptsOutput struct{ *pulumi.OutputState }
)

func (PostRendererArgs) ElementType() reflect.Type     { return reflect.TypeFor[PostRenderer]() }
func (PostRendererOutput) ElementType() reflect.Type   { return reflect.TypeFor[PostRenderer]() }
func (RepositoryOptsArgs) ElementType() reflect.Type   { return reflect.TypeFor[RepositoryOpts]() }
func (RepositoryOptsOutput) ElementType() reflect.Type { return reflect.TypeFor[RepositoryOpts]() }

func init() {
	pulumi.RegisterInputType(reflect.TypeFor[PostRendererInput](), PostRendererArgs{})
	pulumi.RegisterInputType(reflect.TypeFor[RepositoryOptsInput](), RepositoryOptsArgs{})
	pulumi.RegisterOutputType(PostRendererOutput{})
	pulumi.RegisterOutputType(RepositoryOptsOutput{})
}
