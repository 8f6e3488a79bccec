package workload

import (
	"maps"
	"net/netip"
	"strings"

	"github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes"
	corev1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/core/v1"
	metav1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/meta/v1"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// Gateway is what serves the domain by https.
type Gateway struct {
	Class       string
	Annotations pulumi.StringMap
	Secret      string                                                     // with the certificate, NAME or NAMESPACE/NAME; empty if an annotation leads to it
	Publish     func(address pulumi.StringOutput) (pulumi.Resource, error) // creates the domain's record; may be nil
}

// global reports whether Google's load balancer of the whole world serves the domain: the
// newer one, or the classic one, which calls pods from the same networks.
func (g *Gateway) global() bool {
	return g != nil && (strings.HasPrefix(g.Class, "gke-l7-global-") || strings.HasPrefix(g.Class, "gke-l7-gxlb"))
}

// https is the listener with the certificate. GKE refuses TLS settings beside an annotation
// for it. From the hostname, cert-manager knows whom to issue it to.
func (r *registration) https() pulumi.Map {
	listener := pulumi.Map{"name": pulumi.String("https"), "port": pulumi.Int(443), "protocol": pulumi.String("HTTPS")}
	if secret := r.Gateway.Secret; secret != "" {
		reference := pulumi.Map{"name": pulumi.String(secret)}
		if namespace, name, other := strings.Cut(secret, "/"); other {
			reference = pulumi.Map{"name": pulumi.String(name), "namespace": pulumi.String(namespace)}
		}
		listener["hostname"] = pulumi.String(r.Service.Domain)
		listener["tls"] = pulumi.Map{"mode": pulumi.String("Terminate"), "certificateRefs": pulumi.Array{reference}}
	}
	return listener
}

// gatewayTimeout is how long Pulumi waits for a Gateway or a route. Google takes some
// minutes to create a load balancer everywhere.
const gatewayTimeout = "15m0s"

// gateway registers what serves the domain: a Gateway that redirects http, and passes https
// on to the Service. It returns the URL, the record of the load balancer's address, and
// resources that nothing depends on.
func (r *registration) gateway(service *corev1.Service) (url, record pulumi.StringOutput, last []pulumi.Resource, err error) {
	const api, gke = "gateway.networking.k8s.io/v1", "networking.gke.io/v1"
	gateway, err := r.object(api, "Gateway", r.name, "condition=Programmed", r.Gateway.Annotations, pulumi.Map{
		"gatewayClassName": pulumi.String(r.Gateway.Class),
		"listeners": pulumi.Array{
			pulumi.Map{"name": pulumi.String("http"), "port": pulumi.Int(80), "protocol": pulumi.String("HTTP")},
			r.https(),
		},
	})
	if err != nil {
		return url, record, nil, err
	}
	domain, address := r.Service.Domain, gateway.Status.ApplyT(gatewayAddress).(pulumi.StringOutput)
	url = gateway.ID().ApplyT(func(pulumi.ID) string { return "https://" + domain }).(pulumi.StringOutput)
	record = address.ApplyT(func(address string) string { return domain + ". 300 IN " + data(address) }).(pulumi.StringOutput)
	target := pulumi.Map{"group": pulumi.String(""), "kind": pulumi.String("Service"), "name": service.Metadata.Name().Elem()}
	route := func(listener string, rule pulumi.Map) pulumi.Map {
		return pulumi.Map{
			"parentRefs": pulumi.Array{pulumi.Map{"name": gateway.Metadata.Name().Elem(), "sectionName": pulumi.String(listener)}},
			"hostnames":  pulumi.ToStringArray([]string{domain}),
			"rules":      pulumi.Array{rule},
		}
	}
	const accepted = `jsonpath={.status.parents[0].conditions[?(@.type=="Accepted")].status}=True`
	type kind struct {
		api, kind, name, waitFor string
		spec                     pulumi.Map
	}
	objects := []kind{
		{api, "HTTPRoute", "http", accepted, route("http", pulumi.Map{"filters": pulumi.Array{pulumi.Map{
			"type": pulumi.String("RequestRedirect"), "requestRedirect": pulumi.Map{"scheme": pulumi.String("https"), "statusCode": pulumi.Int(301)}}}})},
		{api, "HTTPRoute", "https", accepted, route("https", pulumi.Map{
			"backendRefs": pulumi.Array{pulumi.Map{"name": service.Metadata.Name().Elem(), "port": pulumi.Int(80)}},
			// For a month, browsers that have seen the domain refuse it without https.
			"filters": pulumi.Array{pulumi.Map{"type": pulumi.String("ResponseHeaderModifier"), "responseHeaderModifier": pulumi.Map{"set": pulumi.Array{
				pulumi.Map{"name": pulumi.String("Strict-Transport-Security"), "value": pulumi.String("max-age=2592000")}}}}},
		})},
	}
	if strings.HasPrefix(r.Gateway.Class, "gke-") { // other classes do not know these
		objects = append(objects, kind{gke, "HealthCheckPolicy", r.name, "", pulumi.Map{"targetRef": target, "default": pulumi.Map{
			"checkIntervalSec": pulumi.Int(5), "timeoutSec": pulumi.Int(5),
			"config": pulumi.Map{"type": pulumi.String("HTTP"), "httpHealthCheck": pulumi.Map{
				"portSpecification": pulumi.String("USE_FIXED_PORT"), "port": pulumi.Int(r.Service.Port), "requestPath": pulumi.String(r.Service.ReadinessPath)}}}}},
			// Requests to a pod that ends have as long as all others.
			kind{gke, "GCPBackendPolicy", r.name, "", pulumi.Map{"targetRef": target, "default": pulumi.Map{
				"timeoutSec": pulumi.Int(30), "connectionDraining": pulumi.Map{"drainingTimeoutSec": pulumi.Int(30)}}}})
	}
	for _, o := range objects {
		object, err := r.object(o.api, o.kind, o.name, o.waitFor, nil, o.spec)
		if err != nil {
			return url, record, nil, err
		}
		last = append(last, object)
	}
	if r.Gateway.Publish != nil {
		published, err := r.Gateway.Publish(address)
		return url, record, append(last, published), err
	}
	return url, record, last, nil
}

// object is an object of a kind that the SDK does not have.
type object struct {
	pulumi.CustomResourceState

	Metadata metav1.ObjectMetaPtrOutput `pulumi:"metadata"`
	Status   pulumi.MapOutput           `pulumi:"status"`
}

// object registers an object. It is not protected: an update without the domain deletes it.
func (r *registration) object(api, kind, name, waitFor string, more pulumi.StringMap, spec pulumi.Map) (*object, error) {
	o, annotated := &object{}, annotations()
	maps.Copy(annotated, more)
	if waitFor != "" {
		annotated["pulumi.com/waitFor"] = pulumi.String(waitFor)
	}
	return o, r.ctx.RegisterResource("kubernetes:"+api+":"+kind, name, kubernetes.UntypedArgs{
		"apiVersion": pulumi.String(api), "kind": pulumi.String(kind), "spec": spec,
		"metadata": &metav1.ObjectMetaArgs{Namespace: r.meta.Namespace, Labels: r.meta.Labels, Annotations: annotated},
	}, o, append(r.child, pulumi.Timeouts(&pulumi.CustomTimeouts{Create: gatewayTimeout, Update: gatewayTimeout}))...)
}

// gatewayAddress returns the address in a Gateway's status, or nothing.
func gatewayAddress(status map[string]any) string {
	addresses, _ := status["addresses"].([]any)
	if len(addresses) == 0 {
		return ""
	}
	first, _ := addresses[0].(map[string]any)
	address, _ := first["value"].(string)
	return address
}

// data returns type and data of a record that leads to a Gateway. Some clouds give it a host name.
func data(address string) string {
	ip, err := netip.ParseAddr(address)
	switch {
	case err != nil && address != "":
		return "CNAME " + address + "."
	case ip.Is6():
		return "AAAA " + address
	}
	return "A " + address
}
