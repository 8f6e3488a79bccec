package target

import (
	"github.com/pulumi/pulumi-gcp/sdk/v7/go/gcp/projects"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// apis are the Google APIs that the stack uses, enabled in its project. No data
// flows from an API to what is created with it, so each is a resource to depend on.
type apis struct {
	pulumi.ResourceState

	container        pulumi.Resource
	compute          pulumi.Resource // the cluster's machines, and the project's default network
	artifactRegistry pulumi.Resource
	iam              pulumi.Resource // service accounts

	certificateManager pulumi.Resource // for a domain
}

// newAPIs enables the APIs. Two others must be enabled before, because they enable
// and read APIs: serviceusage, which is enabled in every new project, and
// cloudresourcemanager.
func (g *google) newAPIs() (*apis, error) {
	a := &apis{}
	if err := g.ctx.RegisterComponentResource("hello-timber:google:APIs", g.name, a); err != nil {
		return nil, err
	}
	type api struct {
		name     string
		resource *pulumi.Resource
	}
	all := []api{{"container", &a.container}, {"compute", &a.compute}, {"artifactregistry", &a.artifactRegistry}, {"iam", &a.iam}}
	if g.domain != "" {
		all = append(all, api{"certificatemanager", &a.certificateManager})
	}
	for _, api := range all {
		enabled, err := projects.NewService(g.ctx, api.name, &projects.ServiceArgs{
			Project: pulumi.String(g.Project),
			Service: pulumi.String(api.name + ".googleapis.com"),
			// Others in the project may use the API, and an API costs nothing.
			DisableOnDestroy: pulumi.Bool(false),
		}, pulumi.Parent(a))
		if err != nil {
			return nil, err
		}
		*api.resource = enabled
	}
	return a, g.ctx.RegisterResourceOutputs(a, pulumi.Map{})
}
