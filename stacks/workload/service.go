package workload

import (
	"net/netip"

	corev1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/core/v1"
	metav1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/meta/v1"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// service registers the load balancer in front of the pods, or what a Gateway leads to. It
// does not wait for them: the cloud creates the load balancer at the same time.
func (r *registration) service() (*corev1.Service, error) {
	ports := corev1.ServicePortArray{corev1.ServicePortArgs{
		Name:       pulumi.String(portName),
		Port:       pulumi.Int(80),
		TargetPort: pulumi.String(portName),
	}}
	if r.Gateway != nil {
		annotated := annotations()
		annotated["pulumi.com/waitFor"] = pulumi.String("jsonpath={.spec.clusterIP}") // not for pods
		return corev1.NewService(r.ctx, r.name, &corev1.ServiceArgs{
			Metadata: &metav1.ObjectMetaArgs{Namespace: r.meta.Namespace, Labels: r.meta.Labels, Annotations: annotated},
			Spec:     &corev1.ServiceSpecArgs{Type: pulumi.String("ClusterIP"), Selector: r.selector(), Ports: ports},
		}, r.replaced("spec.type")...)
	}
	var allowed pulumi.StringArrayInput
	if networks := r.Service.AllowedNetworks; len(networks) > 0 {
		allowed = pulumi.ToStringArray(networks)
	}
	annotated := annotations()
	// A load balancer of backend services, not of target pools, which GKE creates by
	// default. A later change would change the address.
	annotated["cloud.google.com/l4-rbs"] = pulumi.String("enabled")
	// The Deployment waits for the pods. The provider would do so here too, and then for
	// ten seconds in which none comes or goes.
	waitFor := "jsonpath={.status.loadBalancer.ingress[0]}"
	var address pulumi.StringPtrInput
	if reserved := r.Service.Address; reserved != "" {
		address = pulumi.String(reserved)
		// Neither the address that the Service had before, nor any that a cloud gives it
		// which cannot choose.
		waitFor = "jsonpath={.status.loadBalancer.ingress[0].ip}=" + reserved
	}
	annotated["pulumi.com/waitFor"] = pulumi.String(waitFor)
	return corev1.NewService(r.ctx, r.name, &corev1.ServiceArgs{
		Metadata: &metav1.ObjectMetaArgs{Namespace: r.meta.Namespace, Labels: r.meta.Labels, Annotations: annotated},
		Spec: &corev1.ServiceSpecArgs{
			Type:     pulumi.String("LoadBalancer"),
			Selector: r.selector(),
			// Any node passes traffic on to any pod. Local would show the clients'
			// addresses, but lose requests in a rollout until the load balancer's health
			// checks find out which nodes have no pod any more.
			ExternalTrafficPolicy:    pulumi.String("Cluster"),
			LoadBalancerSourceRanges: allowed,
			// Deprecated, because each cloud reads it in its own way, and the only form that
			// Google's, MetalLB's and most other load balancers know. Annotations are for one.
			LoadBalancerIP: address,
			Ports:          ports,
		},
	}, r.serving(
		pulumi.DeleteBeforeReplace(address != nil), // two Services cannot have one address
		pulumi.Timeouts(&pulumi.CustomTimeouts{Create: addressTimeout, Update: addressTimeout}))...)
}

// url returns http:// and the load balancer's IP address or, for clouds that have
// those instead, host name. Any part of status may be missing; the SDK's own
// accessors panic then.
func url(status *corev1.ServiceStatus) string {
	if status == nil || status.LoadBalancer == nil {
		return ""
	}
	for _, ingress := range status.LoadBalancer.Ingress {
		for _, address := range []*string{ingress.Ip, ingress.Hostname} {
			if address != nil && *address != "" {
				return "http://" + host(*address)
			}
		}
	}
	return ""
}

// host returns an address as URLs have it: IPv6 in brackets.
func host(address string) string {
	if ip, err := netip.ParseAddr(address); err == nil && ip.Is6() {
		return "[" + address + "]"
	}
	return address
}
