package workload

import (
	networkingv1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/networking/v1"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	metav1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/meta/v1"
)

// googleNetworks are where Google's load balancers call pods from:
// https://cloud.google.com/load-balancing/docs/https#firewall-rules
var googleNetworks = networkingv1.NetworkPolicyPeerArray{
	networkingv1.NetworkPolicyPeerArgs{IpBlock: &networkingv1.IPBlockArgs{Cidr: pulumi.String("130.211.0.0/22")}},
	networkingv1.NetworkPolicyPeerArgs{IpBlock: &networkingv1.IPBlockArgs{Cidr: pulumi.String("35.191.0.0/16")}},
}

// networkPolicies registers which connections are allowed: to the service's port,
// and from the service if Egress. All others are denied in the whole namespace. The
// kubelet's probes come from the node and are always allowed. GKE's Dataplane V2
// enforces the policies.
//
// The policy that it returns is registered last: what depends on it depends on both.
func (r *registration) networkPolicies() (*networkingv1.NetworkPolicy, error) {
	types, egress := []string{"Ingress"}, networkingv1.NetworkPolicyEgressRuleArray(nil)
	if r.Service.Egress {
		types, egress = append(types, "Egress"), networkingv1.NetworkPolicyEgressRuleArray{networkingv1.NetworkPolicyEgressRuleArgs{}}
	}
	// From anywhere: with externalTrafficPolicy Cluster, requests that come through another
	// node have that node's address instead of the client's. A Gateway may send them from
	// pods of any namespace, or from nodes.
	var from networkingv1.NetworkPolicyPeerArray
	opts := r.serving()
	if r.Gateway.global() {
		from = googleNetworks
		opts = r.replaced("spec.ingress")
	}
	allow, err := networkingv1.NewNetworkPolicy(r.ctx, r.name, &networkingv1.NetworkPolicyArgs{
		Metadata: r.meta,
		Spec: &networkingv1.NetworkPolicySpecArgs{
			PodSelector: r.podSelector(),
			PolicyTypes: pulumi.ToStringArray(types),
			Egress:      egress,
			Ingress: networkingv1.NetworkPolicyIngressRuleArray{networkingv1.NetworkPolicyIngressRuleArgs{
				From: from,
				Ports: networkingv1.NetworkPolicyPortArray{networkingv1.NetworkPolicyPortArgs{
					Protocol: pulumi.String("TCP"),
					Port:     pulumi.Int(r.Service.Port),
				}},
			}},
		},
	}, opts...)
	if err != nil {
		return nil, err
	}
	return networkingv1.NewNetworkPolicy(r.ctx, "default-deny", &networkingv1.NetworkPolicyArgs{
		Metadata: r.meta,
		Spec: &networkingv1.NetworkPolicySpecArgs{
			PodSelector: &metav1.LabelSelectorArgs{},
			PolicyTypes: pulumi.ToStringArray([]string{"Ingress", "Egress"}),
		},
		// In the other order, running pods would be cut off for a moment.
	}, r.serving(pulumi.DependsOn([]pulumi.Resource{allow}))...)
}
