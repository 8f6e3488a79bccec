// Package stacks declares the resource graph of a stack: from a Google Cloud
// project to the URL of a web service running on Kubernetes.
//
// Each file declares one part, a component resource with its children, and
// stack.go puts the parts together. Component types and logical names are part
// of every resource's URN: renaming one replaces the resource, cluster included,
// unless the old name is given as an alias.
package stacks

import "github.com/pulumi/pulumi/sdk/v3/go/pulumi"

// Logical names, from the tutorial. They are permanent, see the package comment.
const (
	platform = "hello-timber"
	app      = "timber-tutorial"
)

// Deploy is the program. It registers nothing unless the whole configuration is
// right and this machine has the tools, and exports:
//
//   - url: where the service answers, http://ADDRESS; the tutorial's page is /index
//   - image: the image the pods run, by digest
//   - cluster: the cluster's name
//   - kubectl: the command that gives kubectl access to the cluster
func Deploy(ctx *pulumi.Context) error {
	cfg, err := LoadConfig(ctx)
	if err != nil {
		return err
	}
	if err := checkTools(cfg); err != nil {
		return err
	}
	name := StackName(ctx.Project(), ctx.Stack())
	labels := resourceLabels(ctx.Project(), name, cfg.Owner)

	apis, err := NewAPIs(ctx, platform, &APIsArgs{Project: cfg.Project})
	if err != nil {
		return err
	}
	cluster, err := NewCluster(ctx, platform, &ClusterArgs{
		Project: cfg.Project, Location: cfg.Location, StackName: name, Labels: labels,
		AuthorizedNetworks: cfg.AuthorizedNetworks, DeletionProtection: cfg.DeletionProtection, APIs: apis,
	})
	if err != nil {
		return err
	}
	nodes, err := NewNodePool(ctx, platform, &NodePoolArgs{
		Project: cfg.Project, Location: cfg.Location, NodesPerZone: cfg.NodesPerZone, MachineType: cfg.MachineType, Spot: cfg.Spot,
		Cluster: cluster,
	})
	if err != nil {
		return err
	}
	registry, err := NewRegistry(ctx, platform, &RegistryArgs{
		Project: cfg.Project, Region: cfg.Region, StackName: name, Labels: labels,
		ImmutableTags: cfg.ImmutableTags, DeletionProtection: cfg.DeletionProtection,
		Reader: cluster.NodeAccount.Member, Existing: cfg.Image, APIs: apis,
	})
	if err != nil {
		return err
	}
	image, err := NewImage(ctx, app, &ImageArgs{Registry: registry, Version: cfg.ImageVersion, Existing: cfg.Image})
	if err != nil {
		return err
	}
	kubernetes, err := NewKubernetes(ctx, platform, &KubernetesArgs{Cluster: cluster, Nodes: nodes})
	if err != nil {
		return err
	}
	onCluster := pulumi.Provider(kubernetes.Provider)
	namespace, err := NewNamespace(ctx, platform, &NamespaceArgs{Name: name, Owner: cfg.Owner}, onCluster)
	if err != nil {
		return err
	}
	objects := objectLabels(app, cfg.Owner)
	policy, err := NewNetworkPolicy(ctx, app, &NetworkPolicyArgs{Namespace: namespace.Name, Labels: objects}, onCluster)
	if err != nil {
		return err
	}
	if _, err := NewDeployment(ctx, app, &DeploymentArgs{
		Namespace: namespace.Name, Labels: objects, Image: image.Digest, Version: image.Version, Replicas: cfg.Replicas,
		PullGrant: registry.ReaderGrant, Policy: policy,
	}, onCluster); err != nil {
		return err
	}
	service, err := NewService(ctx, app, &ServiceArgs{Namespace: namespace.Name, Labels: objects}, onCluster)
	if err != nil {
		return err
	}

	ctx.Export("url", service.URL)
	ctx.Export("image", image.Digest)
	ctx.Export("cluster", cluster.Name)
	ctx.Export("kubectl", pulumi.Sprintf("gcloud container clusters get-credentials %s --location %s --project %s",
		cluster.Name, cfg.Location, cfg.Project))
	return nil
}
