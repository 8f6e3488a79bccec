package workload

import (
	corev1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/core/v1"
	metav1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/meta/v1"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// addressTimeout is how long Pulumi waits for the load balancer's address, which
// takes Google a minute or two, and for pods behind it.
const addressTimeout = "5m"

// ServiceArgs are the arguments of NewService.
type ServiceArgs struct {
	Namespace pulumi.StringInput // its name
	Labels    pulumi.StringMap
}

// Service is the load balancer in front of the pods.
type Service struct {
	pulumi.ResourceState

	// URL is http://ADDRESS, or empty as long as the Service has no address.
	URL pulumi.StringOutput
}

// NewService registers a Service for the pods that NewDeployment makes under the
// same name. It does not wait for them: the cloud makes the load balancer
// meanwhile. It needs a kubernetes provider among opts.
func NewService(ctx *pulumi.Context, name string, args *ServiceArgs, opts ...pulumi.ResourceOption) (*Service, error) {
	s := &Service{}
	if err := ctx.RegisterComponentResource("hello-timber:stacks:Service", name, s, opts...); err != nil {
		return nil, err
	}
	service, err := corev1.NewService(ctx, name, &corev1.ServiceArgs{
		Metadata: &metav1.ObjectMetaArgs{
			Namespace: args.Namespace,
			Labels:    args.Labels,
			// A load balancer of today's kind, not the one of target pools that GKE makes
			// by default; a later change would change the address.
			Annotations: pulumi.StringMap{"cloud.google.com/l4-rbs": pulumi.String("enabled")},
		},
		Spec: &corev1.ServiceSpecArgs{
			Type:     pulumi.String("LoadBalancer"),
			Selector: podSelector(name),
			// Any node passes traffic on to any pod. Local would show the clients'
			// addresses, but lose requests in a rollout until the load balancer's health
			// checks find out which nodes have no pod any more.
			ExternalTrafficPolicy: pulumi.String("Cluster"),
			Ports: corev1.ServicePortArray{corev1.ServicePortArgs{
				Name:       pulumi.String(portName),
				Port:       pulumi.Int(80),
				TargetPort: pulumi.String(portName),
			}},
		},
	},
		pulumi.Parent(s),
		pulumi.Timeouts(&pulumi.CustomTimeouts{Create: addressTimeout, Update: addressTimeout}))
	if err != nil {
		return nil, err
	}
	s.URL = service.Status.ApplyT(url).(pulumi.StringOutput)
	return s, ctx.RegisterResourceOutputs(s, pulumi.Map{"url": s.URL})
}

// url returns http:// and the load balancer's IP address or, from clouds that
// have those instead, host name. All of status may be missing, in which case the
// SDK's own accessors panic.
func url(status *corev1.ServiceStatus) string {
	if status == nil || status.LoadBalancer == nil {
		return ""
	}
	for _, ingress := range status.LoadBalancer.Ingress {
		for _, address := range []*string{ingress.Ip, ingress.Hostname} {
			if address != nil && *address != "" {
				return "http://" + *address
			}
		}
	}
	return ""
}
