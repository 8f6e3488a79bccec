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
	ImageName  pulumi.StringInput // where the image is pushed, without a tag; no other stack's image has it
	TokenHost  string             // the registry's host, if it takes Google's access tokens; empty to push with Docker's own login
	PullGrant  pulumi.Resource    // lets the nodes pull; nil if that is not this program's to grant
	PullSecret string             // a Docker config that the nodes pull with; empty if they need none
	Platform   string             // of the nodes that run the service, such as linux/amd64

	Kubeconfig pulumi.StringInput // the text of a kubeconfig, or, with a Context, the path of one
	Context    string
	ClusterID  pulumi.StringInput // no other cluster has it
	Nodes      []pulumi.Resource  // that the program creates; nil on an existing cluster
	MoreNodes  bool               // the cluster adds nodes for pods that find no place

	Domain  *Domain            // where the service answers by https; nil for http at an address
	Cluster pulumi.StringInput // name of the cluster
	Kubectl pulumi.StringInput // the command that gives kubectl access to the cluster
	Console pulumi.StringInput // the cluster's page in Google's console; nil for other clusters

	// Ask reads a path of the cluster's API with kubectl, once there is a cluster.
	Ask func(path string) (string, error)
	// Taken returns an error if the cluster has a namespace already; nil on the program's
	// own cluster, where only a killed update can have left one.
	Taken func(namespace string) error
}

// New returns the target that cfg describes. Its error says what is wrong with the
// credentials, the kubeconfig or the cluster, before anything is registered.
func New(ctx *pulumi.Context, name string, cfg *config.Config, run *command.Runner) (*Target, error) {
	if cfg.Existing != nil {
		return findExisting(ctx, cfg, run)
	}
	return newGoogle(ctx, name, cfg, run)
}
