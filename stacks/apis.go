package stacks

import (
	"github.com/pulumi/pulumi-gcp/sdk/v7/go/gcp/projects"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// APIsArgs are the arguments of NewAPIs.
type APIsArgs struct {
	Project string // ID of the Google Cloud project
}

// APIs are the Google APIs that the stack uses, enabled on its project. No data
// flows from an API to what is made with it, so each is a resource to depend on.
type APIs struct {
	pulumi.ResourceState

	Container        pulumi.Resource
	Compute          pulumi.Resource // the cluster's machines, and the project's default network
	ArtifactRegistry pulumi.Resource
	IAM              pulumi.Resource // service accounts
}

// NewAPIs enables the APIs. Two others must be enabled already, since it takes
// them to enable and read one: serviceusage, which every project starts with,
// and cloudresourcemanager.
func NewAPIs(ctx *pulumi.Context, name string, args *APIsArgs, opts ...pulumi.ResourceOption) (*APIs, error) {
	a := &APIs{}
	if err := ctx.RegisterComponentResource("hello-timber:stacks:APIs", name, a, opts...); err != nil {
		return nil, err
	}
	for _, api := range []struct {
		name string
		res  *pulumi.Resource
	}{
		{"container", &a.Container},
		{"compute", &a.Compute},
		{"artifactregistry", &a.ArtifactRegistry},
		{"iam", &a.IAM},
	} {
		enabled, err := projects.NewService(ctx, api.name, &projects.ServiceArgs{
			Project: pulumi.String(args.Project),
			Service: pulumi.String(api.name + ".googleapis.com"),
			// Others in the project may use the API too, and an API costs nothing.
			DisableOnDestroy: pulumi.Bool(false),
		}, pulumi.Parent(a))
		if err != nil {
			return nil, err
		}
		*api.res = enabled
	}
	return a, ctx.RegisterResourceOutputs(a, pulumi.Map{})
}
