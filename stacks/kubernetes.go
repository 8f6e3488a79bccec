package stacks

import (
	"github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// KubernetesArgs are the arguments of NewKubernetes.
type KubernetesArgs struct {
	Cluster *Cluster
	Nodes   *NodePool // what pods run on
}

// Kubernetes is the access to the cluster.
type Kubernetes struct {
	pulumi.ResourceState

	// Provider must be given to everything on the cluster; Pulumi.yaml disables the
	// default one, which would use whatever cluster kubectl happens to talk to.
	Provider *kubernetes.Provider
}

// NewKubernetes registers the provider.
func NewKubernetes(ctx *pulumi.Context, name string, args *KubernetesArgs, opts ...pulumi.ResourceOption) (*Kubernetes, error) {
	k := &Kubernetes{}
	if err := ctx.RegisterComponentResource("hello-timber:stacks:Kubernetes", name, k, opts...); err != nil {
		return nil, err
	}
	provider, err := kubernetes.NewProvider(ctx, name, &kubernetes.ProviderArgs{
		Kubeconfig: pulumi.Sprintf(kubeconfig, args.Cluster.Endpoint, args.Cluster.CACertificate),
		// The provider otherwise guesses from the kubeconfig whether the cluster is
		// another, and replaces everything on it in doubt (pulumi-kubernetes#4019).
		ClusterIdentifier: args.Cluster.ID,
	},
		pulumi.Parent(k),
		// Pods need nodes to start on; and when all is destroyed, the nodes must outlive
		// the Service, whose load balancer the cluster takes down.
		pulumi.DependsOn([]pulumi.Resource{args.Nodes.Nodes}))
	if err != nil {
		return nil, err
	}
	k.Provider = provider
	return k, ctx.RegisterResourceOutputs(k, pulumi.Map{})
}

// kubeconfig holds no credential: the plugin fetches one for every run. A token
// here would be a change in every preview, and outdated in every destroy.
//
// The plugin is told to use the Application Default Credentials, as the gcp
// provider does. By itself it asks gcloud, which may be logged in as somebody
// else, and caches the answer for whichever cluster kubectl is set to.
const kubeconfig = `apiVersion: v1
kind: Config
clusters:
- name: hello-timber
  cluster:
    server: https://%s
    certificate-authority-data: %s
contexts:
- name: hello-timber
  context:
    cluster: hello-timber
    user: hello-timber
current-context: hello-timber
users:
- name: hello-timber
  user:
    exec:
      apiVersion: client.authentication.k8s.io/v1beta1
      command: gke-gcloud-auth-plugin
      args: [--use_application_default_credentials]
      installHint: "gke-gcloud-auth-plugin is missing; to install it: gcloud components install gke-gcloud-auth-plugin"
      provideClusterInfo: true
      interactiveMode: Never
`
