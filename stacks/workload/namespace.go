// Package workload declares the parts of a stack that are objects on its cluster.
//
// It is apart from package stacks because of the compiler: mentioning any of the
// Kubernetes SDK's types takes seconds, so that an edit elsewhere should not
// compile this again (docs/benchmarks.md).
package workload

import (
	corev1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/core/v1"
	metav1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/meta/v1"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// podSecurityVersion is the release of Kubernetes whose Pod Security Standards
// hold. Pinned, so that an upgrade of the cluster never turns away pods that it
// ran before. 1.34 is the first whose rules look at probes and lifecycle hooks; a
// cluster that is older yet applies the latest rules it knows.
const podSecurityVersion = "v1.34"

// NamespaceArgs are the arguments of NewNamespace.
type NamespaceArgs struct {
	Name  string // not left to Pulumi, since people type it
	Owner string // a label, unless empty
}

// Namespace is where the service lives, under Kubernetes' strictest rules for pods.
type Namespace struct {
	pulumi.ResourceState

	Name pulumi.StringOutput
}

// NewNamespace registers the namespace. It needs a kubernetes provider among opts.
func NewNamespace(ctx *pulumi.Context, name string, args *NamespaceArgs, opts ...pulumi.ResourceOption) (*Namespace, error) {
	n := &Namespace{}
	if err := ctx.RegisterComponentResource("hello-timber:stacks:Namespace", name, n, opts...); err != nil {
		return nil, err
	}
	labels := owned(pulumi.StringMap{"app.kubernetes.io/managed-by": pulumi.String("pulumi")}, args.Owner)
	for _, mode := range []string{"enforce", "audit", "warn"} {
		labels["pod-security.kubernetes.io/"+mode] = pulumi.String("restricted")
		labels["pod-security.kubernetes.io/"+mode+"-version"] = pulumi.String(podSecurityVersion)
	}
	namespace, err := corev1.NewNamespace(ctx, name, &corev1.NamespaceArgs{
		Metadata: &metav1.ObjectMetaArgs{
			Name:   pulumi.String(args.Name),
			Labels: labels,
		},
	}, pulumi.Parent(n))
	if err != nil {
		return nil, err
	}
	n.Name = namespace.Metadata.Name().Elem()
	return n, ctx.RegisterResourceOutputs(n, pulumi.Map{"name": n.Name})
}
