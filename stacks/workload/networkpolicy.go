package workload

import (
	metav1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/meta/v1"
	networkingv1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/networking/v1"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// NetworkPolicyArgs are the arguments of NewNetworkPolicy.
type NetworkPolicyArgs struct {
	Namespace pulumi.StringInput // its name
	Labels    pulumi.StringMap
	Port      int  // where the service listens
	Egress    bool // let the service open connections, to anywhere
}

// NetworkPolicy is who may talk to whom: the service may be called on its port,
// and nothing in the namespace may talk to anybody besides, the service only if
// it is allowed to. GKE's Dataplane V2
// enforces it; the kubelet's probes come from the node and are always let in.
type NetworkPolicy struct {
	pulumi.ResourceState

	DefaultDeny pulumi.Resource // registered last: what waits for it waits for all
}

// NewNetworkPolicy registers the policies for the namespace and for the pods that
// NewDeployment makes under the same name. It needs a kubernetes provider among opts.
func NewNetworkPolicy(ctx *pulumi.Context, name string, args *NetworkPolicyArgs, opts ...pulumi.ResourceOption) (*NetworkPolicy, error) {
	n := &NetworkPolicy{}
	if err := ctx.RegisterComponentResource("hello-timber:stacks:NetworkPolicy", name, n, opts...); err != nil {
		return nil, err
	}
	meta := &metav1.ObjectMetaArgs{Namespace: args.Namespace, Labels: args.Labels}
	types, egress := []string{"Ingress"}, networkingv1.NetworkPolicyEgressRuleArray(nil)
	if args.Egress {
		types, egress = append(types, "Egress"), networkingv1.NetworkPolicyEgressRuleArray{networkingv1.NetworkPolicyEgressRuleArgs{}}
	}
	port, err := networkingv1.NewNetworkPolicy(ctx, name, &networkingv1.NetworkPolicyArgs{
		Metadata: meta,
		Spec: &networkingv1.NetworkPolicySpecArgs{
			PodSelector: &metav1.LabelSelectorArgs{MatchLabels: podSelector(name)},
			PolicyTypes: pulumi.ToStringArray(types),
			Egress:      egress,
			// From anywhere: with externalTrafficPolicy Cluster, what comes through another
			// node has that node's address instead of the client's.
			Ingress: networkingv1.NetworkPolicyIngressRuleArray{networkingv1.NetworkPolicyIngressRuleArgs{
				Ports: networkingv1.NetworkPolicyPortArray{networkingv1.NetworkPolicyPortArgs{
					Protocol: pulumi.String("TCP"),
					Port:     pulumi.Int(args.Port),
				}},
			}},
		},
	}, pulumi.Parent(n))
	if err != nil {
		return nil, err
	}
	deny, err := networkingv1.NewNetworkPolicy(ctx, "default-deny", &networkingv1.NetworkPolicyArgs{
		Metadata: meta,
		Spec: &networkingv1.NetworkPolicySpecArgs{
			PodSelector: &metav1.LabelSelectorArgs{},
			PolicyTypes: pulumi.ToStringArray([]string{"Ingress", "Egress"}),
		},
	},
		pulumi.Parent(n),
		// The other way round, pods that run already would be cut off for a moment.
		pulumi.DependsOn([]pulumi.Resource{port}))
	if err != nil {
		return nil, err
	}
	n.DefaultDeny = deny
	return n, ctx.RegisterResourceOutputs(n, pulumi.Map{})
}
