// Package stacks declares the resource graph of a stack: from a Google Cloud
// project, or a cluster and a registry, to the URL of a web service running on Kubernetes.
//
// Each file declares one part, a component resource with its children, and
// stack.go puts the parts together; those on the cluster stand in package
// workload. Component types and logical names are part of every resource's URN:
// renaming one replaces the resource, cluster included, unless the old name is
// given as an alias.
package stacks

import (
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"hello-timber/stacks/workload"
)

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
//   - cluster: the cluster's name; of an existing one, that of its context
//   - kubectl: the command that gives kubectl access to the cluster
//   - console: the cluster's page in Google's console, if it is Google's
func Deploy(ctx *pulumi.Context) error {
	cfg, err := LoadConfig(ctx)
	if err != nil {
		return err
	}
	if err := checkTools(cfg); err != nil {
		return err
	}
	name := StackName(ctx.Project(), ctx.Stack())

	in := onGoogleCloud
	if cfg.Existing != nil {
		in = onExistingCluster
	}
	place, err := in(ctx, cfg, name)
	if err != nil {
		return err
	}
	image, err := NewImage(ctx, app, &ImageArgs{
		Registry: place.registry, TokenHost: place.tokenHost, Platform: place.platform, Version: cfg.ImageVersion, Existing: cfg.Image,
	})
	if err != nil {
		return err
	}
	onCluster := pulumi.Provider(place.kubernetes.Provider)
	namespace, err := workload.NewNamespace(ctx, platform, &workload.NamespaceArgs{Name: name, Owner: cfg.Owner}, onCluster)
	if err != nil {
		return err
	}
	objects := workload.Labels(app, platform, cfg.Owner)
	policy, err := workload.NewNetworkPolicy(ctx, app, &workload.NetworkPolicyArgs{
		Namespace: namespace.Name, Labels: objects, Port: cfg.Port, Egress: cfg.Egress,
	}, onCluster)
	if err != nil {
		return err
	}
	if _, err := workload.NewDeployment(ctx, app, &workload.DeploymentArgs{
		Namespace: namespace.Name, Labels: objects, Image: image.Digest, Version: image.Version, Replicas: cfg.Replicas,
		Port: cfg.Port, LivenessPath: cfg.LivenessPath, ReadinessPath: cfg.ReadinessPath, Memory: cfg.Memory,
		Environment: cfg.Environment, EnvironmentSecret: cfg.EnvironmentSecret,
		PullGrant: place.pullGrant, PullSecret: place.pullSecret, Policy: policy,
	}, onCluster); err != nil {
		return err
	}
	service, err := workload.NewService(ctx, app, &workload.ServiceArgs{Namespace: namespace.Name, Labels: objects}, onCluster)
	if err != nil {
		return err
	}

	ctx.Export("url", service.URL)
	ctx.Export("image", image.Digest)
	ctx.Export("cluster", place.cluster)
	ctx.Export("kubectl", place.kubectl)
	if place.console != nil {
		ctx.Export("console", place.console)
	}
	return nil
}

// place is where the service is to run.
type place struct {
	registry   pulumi.StringInput    // what image names start with
	tokenHost  pulumi.StringPtrInput // the registry's host, if Google's tokens open it
	pullGrant  pulumi.Resource       // lets the nodes pull; nil if they may already
	pullSecret string                // a Docker config to pull with, if it takes one
	platform   string                // operating system and processor of the nodes
	kubernetes *Kubernetes
	cluster    pulumi.StringInput // its name
	kubectl    pulumi.StringInput // the command that gives kubectl access
	console    pulumi.StringInput // its page in Google's console; nil if it is not Google's
}

// onGoogleCloud makes the cluster and the registry.
func onGoogleCloud(ctx *pulumi.Context, cfg Config, name string) (*place, error) {
	labels := resourceLabels(ctx.Project(), name, cfg.Owner)

	apis, err := NewAPIs(ctx, platform, &APIsArgs{Project: cfg.Project})
	if err != nil {
		return nil, err
	}
	cluster, err := NewCluster(ctx, platform, &ClusterArgs{
		Project: cfg.Project, Location: cfg.Location, StackName: name, Labels: labels,
		AuthorizedNetworks: cfg.AuthorizedNetworks, DeletionProtection: cfg.DeletionProtection, APIs: apis,
	})
	if err != nil {
		return nil, err
	}
	nodes, err := NewNodePool(ctx, platform, &NodePoolArgs{
		Project: cfg.Project, Location: cfg.Location, NodesPerZone: cfg.NodesPerZone, MachineType: cfg.MachineType, Spot: cfg.Spot,
		Cluster: cluster,
	})
	if err != nil {
		return nil, err
	}
	registry, err := NewRegistry(ctx, platform, &RegistryArgs{
		Project: cfg.Project, Region: cfg.Region, StackName: name, Labels: labels,
		ImmutableTags: cfg.ImmutableTags, DeletionProtection: cfg.DeletionProtection,
		Reader: cluster.NodeAccount.Member, Existing: cfg.Image, APIs: apis,
	})
	if err != nil {
		return nil, err
	}
	kubernetes, err := NewKubernetes(ctx, platform, &KubernetesArgs{
		Kubeconfig: pulumi.Sprintf(gkeKubeconfig, cluster.Endpoint, cluster.CACertificate),
		Identifier: cluster.ID, Nodes: []pulumi.Resource{nodes.Nodes},
	})
	if err != nil {
		return nil, err
	}
	return &place{
		registry: registry.URL, tokenHost: registry.Host, pullGrant: registry.ReaderGrant,
		platform:   "linux/amd64", // see isX86Machine
		kubernetes: kubernetes,
		cluster:    cluster.Name,
		kubectl: pulumi.Sprintf("gcloud container clusters get-credentials %s --location %s --project %s",
			cluster.Name, cfg.Location, cfg.Project),
		console: pulumi.Sprintf("https://console.cloud.google.com/kubernetes/clusters/details/%s/%s/details?project=%s",
			cfg.Location, cluster.Name, cfg.Project),
	}, nil
}
