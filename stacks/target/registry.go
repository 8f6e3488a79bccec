package target

import (
	"github.com/pulumi/pulumi-gcp/sdk/v7/go/gcp/artifactregistry"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// registry is a Docker repository of Artifact Registry that belongs to this stack:
// destroying the stack deletes its images.
type registry struct {
	pulumi.ResourceState

	url         pulumi.StringOutput // HOST/PROJECT/REPOSITORY
	readerGrant pulumi.Resource     // lets the reader pull; pods depend on it
}

// newRegistry registers the repository, and the right of a member of IAM, the nodes'
// account, to pull from the repository of the image that runs.
func (g *google) newRegistry(member pulumi.StringInput) (*registry, error) {
	r := &registry{}
	if err := g.ctx.RegisterComponentResource("hello-timber:google:Registry", g.name, r); err != nil {
		return nil, err
	}
	repository, err := g.newRepository(r)
	if err != nil {
		return nil, err
	}
	// On the one repository that nodes pull from, not on the project (CIS GKE 5.1.3).
	reader := &artifactregistry.RepositoryIamMemberArgs{
		Project:    repository.Project,
		Location:   repository.Location,
		Repository: repository.RepositoryId,
		Role:       pulumi.String("roles/artifactregistry.reader"),
		Member:     member,
	}
	if from := g.ImageRepository; from != nil {
		reader.Location, reader.Project, reader.Repository = pulumi.String(from.Location), pulumi.String(from.Project), pulumi.String(from.ID)
	}
	r.readerGrant, err = artifactregistry.NewRepositoryIamMember(g.ctx, g.name, reader, pulumi.Parent(r), pulumi.DependsOn([]pulumi.Resource{repository}))
	if err != nil {
		return nil, err
	}
	r.url = pulumi.Sprintf("%s-docker.pkg.dev/%s/%s", repository.Location, repository.Project, repository.RepositoryId)
	return r, g.ctx.RegisterResourceOutputs(r, pulumi.Map{"url": r.url})
}

func (g *google) newRepository(r *registry) (*artifactregistry.Repository, error) {
	var docker artifactregistry.RepositoryDockerConfigPtrInput
	if g.ImmutableTags {
		// Google answers a block of nothing but false with no block at all, which would
		// be a change in every preview.
		docker = &artifactregistry.RepositoryDockerConfigArgs{ImmutableTags: pulumi.Bool(true)}
	}
	return artifactregistry.NewRepository(g.ctx, g.name, &artifactregistry.RepositoryArgs{
		Project:      pulumi.String(g.Project),
		Location:     pulumi.String(g.Region), // the cluster's, so that pulls are fast and free
		RepositoryId: pulumi.String(g.stack),
		Format:       pulumi.String("DOCKER"),
		Description:  pulumi.Sprintf("Images of %s", g.stack),
		Labels:       g.labels,
		DockerConfig: docker,
		// An image that may run is never deleted. Tagged images stay: pods of this stack,
		// or of others that were given the digest, may run them, and a release takes a
		// few megabytes. An image without a tag was pushed again under the same one. The
		// last few of those stay for a rollback, because keeping wins over deleting.
		CleanupPolicyDryRun: pulumi.Bool(false),
		CleanupPolicies: artifactregistry.RepositoryCleanupPolicyArray{
			artifactregistry.RepositoryCleanupPolicyArgs{
				Id:     pulumi.String("delete-untagged"),
				Action: pulumi.String("DELETE"),
				Condition: &artifactregistry.RepositoryCleanupPolicyConditionArgs{
					TagState:  pulumi.String("UNTAGGED"),
					OlderThan: pulumi.String("2592000s"), // 30 days, in the form of Google's answer
				},
			},
			artifactregistry.RepositoryCleanupPolicyArgs{
				Id:                 pulumi.String("keep-recent"),
				Action:             pulumi.String("KEEP"),
				MostRecentVersions: &artifactregistry.RepositoryCleanupPolicyMostRecentVersionsArgs{KeepCount: pulumi.Int(10)},
			},
		},
	},
		pulumi.Parent(r),
		pulumi.DependsOn([]pulumi.Resource{g.apis.artifactRegistry}),
		pulumi.Protect(g.protect))
}
