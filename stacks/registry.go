package stacks

import (
	"github.com/pulumi/pulumi-gcp/sdk/v7/go/gcp/artifactregistry"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// RegistryArgs are the arguments of NewRegistry.
type RegistryArgs struct {
	Project            string // ID of the Google Cloud project
	Region             string // the cluster's, so that pulls are fast and free
	StackName          string // the repository's ID
	Labels             pulumi.StringMap
	ImmutableTags      bool               // refuse to push another image under a tag that exists
	DeletionProtection bool               // refuse to delete or replace it, and the images with it
	Reader             pulumi.StringInput // IAM member that may pull: the nodes' account
	Existing           string             // name of an image to pull from its own repository, maybe another stack's; or empty
	APIs               *APIs
}

// Registry is a Docker repository of Artifact Registry, of this stack alone:
// destroying the stack deletes its images.
type Registry struct {
	pulumi.ResourceState

	Host        pulumi.StringOutput // REGION-docker.pkg.dev
	URL         pulumi.StringOutput // HOST/PROJECT/REPOSITORY, what image names start with
	ReaderGrant pulumi.Resource     // lets Reader pull; pods depend on it
}

// NewRegistry registers the repository and the right to read it.
func NewRegistry(ctx *pulumi.Context, name string, args *RegistryArgs, opts ...pulumi.ResourceOption) (*Registry, error) {
	r := &Registry{}
	if err := ctx.RegisterComponentResource("hello-timber:stacks:Registry", name, r, opts...); err != nil {
		return nil, err
	}
	repository, err := artifactregistry.NewRepository(ctx, name, &artifactregistry.RepositoryArgs{
		Project:      pulumi.String(args.Project),
		Location:     pulumi.String(args.Region),
		RepositoryId: pulumi.String(args.StackName),
		Format:       pulumi.String("DOCKER"),
		Description:  pulumi.Sprintf("Images of %s", args.StackName),
		Labels:       args.Labels,
		DockerConfig: &artifactregistry.RepositoryDockerConfigArgs{ImmutableTags: pulumi.Bool(args.ImmutableTags)},
		// What may run is never deleted. What is tagged stays: pods of this stack, or of
		// others that were given its digest, may run it, and a release takes a few
		// megabytes. Without a tag is only what was pushed again under the same one;
		// of that, the last few stay for a rollback, because keeping wins over deleting.
		CleanupPolicyDryRun: pulumi.Bool(false),
		CleanupPolicies: artifactregistry.RepositoryCleanupPolicyArray{
			artifactregistry.RepositoryCleanupPolicyArgs{
				Id:     pulumi.String("delete-untagged"),
				Action: pulumi.String("DELETE"),
				Condition: &artifactregistry.RepositoryCleanupPolicyConditionArgs{
					TagState:  pulumi.String("UNTAGGED"),
					OlderThan: pulumi.String("2592000s"), // 30 days, as Google answers it
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
		pulumi.DependsOn([]pulumi.Resource{args.APIs.ArtifactRegistry}),
		pulumi.Protect(args.DeletionProtection))
	if err != nil {
		return nil, err
	}
	// On the one repository that is pulled from, not on the project (CIS GKE 5.1.3).
	reader := &artifactregistry.RepositoryIamMemberArgs{
		Project:    repository.Project,
		Location:   repository.Location,
		Repository: repository.RepositoryId,
		Role:       pulumi.String("roles/artifactregistry.reader"),
		Member:     args.Reader,
	}
	if from := googleImageName.FindStringSubmatch(args.Existing); from != nil {
		reader.Location, reader.Project, reader.Repository = pulumi.String(from[1]), pulumi.String(from[2]), pulumi.String(from[3])
	}
	r.ReaderGrant, err = artifactregistry.NewRepositoryIamMember(ctx, name, reader, pulumi.Parent(r), pulumi.DependsOn([]pulumi.Resource{repository}))
	if err != nil {
		return nil, err
	}
	r.Host = pulumi.Sprintf("%s-docker.pkg.dev", repository.Location)
	r.URL = pulumi.Sprintf("%s/%s/%s", r.Host, repository.Project, repository.RepositoryId)
	return r, ctx.RegisterResourceOutputs(r, pulumi.Map{"url": r.URL})
}
