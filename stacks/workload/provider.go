package workload

import (
	"github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// ProviderArgs are the arguments of NewProvider.
type ProviderArgs struct {
	Kubeconfig pulumi.StringInput // the text of a kubeconfig, or, with a Context, the path of one
	Context    string             // to use of a file; a text's current context is used
	ClusterID  pulumi.StringInput // no other cluster has it
	Nodes      []pulumi.Resource  // that pods run on, if the stack creates them
}

// NewProvider registers the access to a cluster. Everything on the cluster needs it:
// Pulumi.yaml disables the default provider, which would use the cluster that
// kubectl is set to.
func NewProvider(ctx *pulumi.Context, name string, args *ProviderArgs) (pulumi.ProviderResource, error) {
	provider := &kubernetes.ProviderArgs{
		Kubeconfig: args.Kubeconfig.ToStringOutput().ToStringPtrOutput(),
		// Otherwise the provider guesses from the kubeconfig whether the cluster is
		// another, and replaces everything on it in doubt (pulumi-kubernetes#4019).
		ClusterIdentifier: args.ClusterID.ToStringOutput().ToStringPtrOutput(),
	}
	if args.Context != "" {
		provider.Context = pulumi.String(args.Context)
	}
	return kubernetes.NewProvider(ctx, name, provider,
		// Pods need nodes to start on. In a destroy, the nodes must outlive the Service,
		// whose load balancer the cluster removes.
		pulumi.DependsOn(args.Nodes),
		// A path that leads to another cluster leads the old provider there too: it would
		// delete what the new one has just created under the same name.
		pulumi.DeleteBeforeReplace(args.Context != ""))
}
