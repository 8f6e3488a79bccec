// Package target declares where a stack runs: a cluster and a registry, which it creates
// on Google Cloud, or finds. What follows is the same for both.
//
// Component types and logical names are part of every resource's URN. Renaming one
// replaces the resource, cluster included, unless the old name is given as an alias.
package target

import (
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"hello-timber/command"
	"hello-timber/stacks/config"
)

// Target is a cluster and a registry.
type Target struct {
	// ImageName is where the image is pushed, without a tag. No other stack's image has it.
	ImageName pulumi.StringInput
	// TokenHost is the registry's host if it takes Google's access tokens; nil to
	// push with Docker's own login.
	TokenHost pulumi.StringPtrInput
	// PullGrant lets the nodes pull from the registry; nil if that is not this program's to grant.
	PullGrant pulumi.Resource
	// PullSecret is a Docker config that the nodes pull with; empty if they need none.
	PullSecret string
	// Platform is the operating system and processor of the nodes that run the
	// service, such as linux/amd64.
	Platform string

	// Kubeconfig is the text of a kubeconfig, or, with a Context, the path of one.
	Kubeconfig pulumi.StringInput
	Context    string
	// ClusterID is an ID that no other cluster has.
	ClusterID pulumi.StringInput
	// Nodes are the nodes that the program creates; nil on an existing cluster.
	Nodes []pulumi.Resource
	// MoreNodes reports that the cluster adds nodes for pods that find no place.
	MoreNodes bool

	// Cluster is the name of the cluster.
	Cluster pulumi.StringInput
	// Kubectl is the command that gives kubectl access to the cluster.
	Kubectl pulumi.StringInput
	// Console is the cluster's page in Google's console; nil for other clusters.
	Console pulumi.StringInput
}

// New returns the target that cfg describes. Its error says what is wrong with the
// credentials, the kubeconfig or the cluster, before anything is registered.
func New(ctx *pulumi.Context, name string, cfg *config.Config, run *command.Runner) (*Target, error) {
	if cfg.Existing != nil {
		return findExisting(ctx, cfg, run)
	}
	return newGoogle(ctx, name, cfg)
}
