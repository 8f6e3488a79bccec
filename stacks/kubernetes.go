package stacks

import (
	"github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// KubernetesArgs are the arguments of NewKubernetes.
type KubernetesArgs struct {
	// Kubeconfig is its text, or with Context the path of a file, from / or ~/ on.
	Kubeconfig pulumi.StringInput
	Context    string             // of the file; of a text, its current one
	Identifier pulumi.StringInput // of the cluster, which tells it from every other
	Nodes      []pulumi.Resource  // what pods run on, where the stack makes it
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
	settings := &kubernetes.ProviderArgs{
		Kubeconfig: args.Kubeconfig.ToStringOutput().ToStringPtrOutput(),
		// The provider otherwise guesses from the kubeconfig whether the cluster is
		// another, and replaces everything on it in doubt (pulumi-kubernetes#4019).
		ClusterIdentifier: args.Identifier.ToStringOutput().ToStringPtrOutput(),
	}
	if args.Context != "" {
		settings.Context = pulumi.String(args.Context)
	}
	provider, err := kubernetes.NewProvider(ctx, name, settings,
		pulumi.Parent(k),
		// Pods need nodes to start on; and when all is destroyed, the nodes must outlive
		// the Service, whose load balancer the cluster takes down.
		pulumi.DependsOn(args.Nodes),
		// A path that leads to another cluster now leads the old provider there too:
		// what it deletes after the new one has made its own would be of the same name.
		pulumi.DeleteBeforeReplace(args.Context != ""))
	if err != nil {
		return nil, err
	}
	k.Provider = provider
	return k, ctx.RegisterResourceOutputs(k, pulumi.Map{})
}

// gkeKubeconfig holds no credential: the plugin fetches one for every run. A token
// here would be a change in every preview, and outdated in every destroy.
//
// The plugin is told to use the Application Default Credentials, as the gcp
// provider does. By itself it asks gcloud, which may be logged in as somebody
// else, and caches the answer for whichever cluster kubectl is set to.
const gkeKubeconfig = `apiVersion: v1
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
