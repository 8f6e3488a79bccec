package cloud

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/klog/v2"
)

var (
	gatewayKind = schema.GroupVersionResource{Group: "gateway.networking.k8s.io", Version: "v1", Resource: "gateways"}
	classKind   = gatewayKind.GroupVersion().WithResource("gatewayclasses")
	routeKind   = gatewayKind.GroupVersion().WithResource("httproutes")
	checkKind   = schema.GroupVersionResource{Group: "networking.gke.io", Version: "v1", Resource: "healthcheckpolicies"}
	backendKind = checkKind.GroupVersion().WithResource("gcpbackendpolicies")
)

// controller is whose classes these load balancers serve: GKE's, and others of that controller.
const controller = "networking.gke.io/gateway"

type object[Spec any] struct {
	metav1.TypeMeta
	metav1.ObjectMeta `json:"metadata"`
	Spec              Spec
	Status            any
	pool              http.Handler // of a route to a Service
}

// These have what the program uses. Everything else is refused.
type (
	classSpec   struct{ ControllerName string }
	gatewaySpec struct {
		GatewayClassName string
		Listeners        []listener
	}
	listener struct {
		Name, Protocol string
		Port           int
		Hostname       any // that of its routes
		TLS            struct {
			Mode            any // always Terminate
			CertificateRefs []struct{ Group, Kind, Name string }
		}
		AllowedRoutes any // the default
	}
	routeSpec struct {
		ParentRefs []struct{ Group, Kind, Name, SectionName string }
		Hostnames  []string
		Rules      []rule
	}
	rule struct {
		Matches any // the default
		Filters []struct {
			Type            string
			RequestRedirect struct {
				Scheme     string
				StatusCode int
			}
			ResponseHeaderModifier struct {
				Set []struct{ Name, Value string }
			}
		}
		BackendRefs []struct {
			Group, Kind, Name string
			Port, Weight      int
		}
	}
	policySpec struct {
		TargetRef struct{ Group, Kind, Name string }
		Default   struct {
			CheckIntervalSec, TimeoutSec int
			Config                       struct {
				Type            string
				HTTPHealthCheck struct {
					PortSpecification, RequestPath string
					Port                           int
				}
			}
			ConnectionDraining struct{ DrainingTimeoutSec int }
		}
	}
)

// gateways gives the Gateways of a cluster load balancers, as GKE's controller and Google do.
// They are imitated because every implementation that is a Go module refuses the HTTPS
// listeners of GKE's class, whose certificates are in Certificate Manager.
type gateways struct {
	cloud     *cloud
	client    kubernetes.Interface
	objects   dynamic.Interface
	google    string        // folder of what Google remembers
	delay     time.Duration // until endpoints are learned
	balancers map[types.UID]*balancer
	pools     map[string]*pool // by namespace and name of a Service
}

func newGateways(c *cloud, client kubernetes.Interface, objects dynamic.Interface) *gateways {
	return &gateways{cloud: c, client: client, objects: objects, google: "/google", delay: learningDelay,
		balancers: map[types.UID]*balancer{}, pools: map[string]*pool{}}
}

// run compares Gateways with their load balancers every second.
func (g *gateways) run(ctx context.Context) {
	wait.UntilWithContext(ctx, func(ctx context.Context) {
		if err := g.compare(ctx); err != nil {
			klog.Warningf("gateways: %v", err)
		}
	}, time.Second)
}

func (g *gateways) compare(ctx context.Context) error {
	all, unknown := list[gatewaySpec](ctx, g.objects, gatewayKind)
	if len(all) == 0 {
		return unknown
	}
	routes, err := list[routeSpec](ctx, g.objects, routeKind)
	routes = slices.DeleteFunc(routes, func(r object[routeSpec]) bool { return len(r.Spec.ParentRefs) != 1 || len(r.Spec.Rules) != 1 })
	unknown = errors.Join(unknown, err, g.learn(ctx, routes))
	classes, err := list[classSpec](ctx, g.objects, classKind)
	unknown = errors.Join(unknown, err)
	for _, gw := range all {
		if !slices.ContainsFunc(classes, func(c object[classSpec]) bool {
			return c.Name == gw.Spec.GatewayClassName && c.Spec.ControllerName == controller
		}) {
			continue
		}
		if err := g.program(ctx, gw, routes, unknown); err != nil {
			return err
		}
	}
	return nil
}

// program makes a Gateway's load balancer what the Gateway and its routes describe, and
// writes into their statuses whether it could.
func (g *gateways) program(ctx context.Context, gw object[gatewaySpec], routes []object[routeSpec], unknown error) error {
	if gw.DeletionTimestamp != nil {
		if err := g.remove(ctx, gw); err != nil {
			return err
		}
		return g.patch(ctx, gatewayKind, gw.ObjectMeta, `{"metadata": {"finalizers": null}}`)
	}
	b, err := g.balancer(ctx, gw)
	if err != nil {
		return err
	}
	// The Gateway stays until its load balancer is gone.
	if err := g.patch(ctx, gatewayKind, gw.ObjectMeta, fmt.Sprintf(
		`{"metadata": {"finalizers": ["gateway.finalizer.networking.gke.io"], "annotations": {%q: %q}}}`, addressKey, b.address)); err != nil {
		return err
	}
	routes = slices.DeleteFunc(slices.Clone(routes), func(r object[routeSpec]) bool {
		return r.Namespace != gw.Namespace || r.Spec.ParentRefs[0].Name != gw.Name
	})
	b.routes.Store(&routes)
	certificates, err := g.certificates(ctx, gw)
	if unknown = errors.Join(unknown, err); err == nil {
		b.certificates.Store(&certificates) // else those before stay
	}
	for _, l := range gw.Spec.Listeners {
		if l.Protocol == "HTTP" || b.certificates.Load() != nil {
			unknown = errors.Join(unknown, g.listen(b, l))
		}
	}
	for _, r := range routes {
		p := r.Spec.ParentRefs[0]
		if err := g.patch(ctx, routeKind, r.ObjectMeta, fmt.Sprintf(
			`{"status": {"parents": [{"controllerName": %q, "parentRef": {"name": %q, "sectionName": %q}, "conditions": %s}]}}`,
			controller, p.Name, p.SectionName, conditions(r.ObjectMeta, unknown, "Accepted", "ResolvedRefs")), "status"); err != nil {
			return err
		}
	}
	return g.patch(ctx, gatewayKind, gw.ObjectMeta, fmt.Sprintf(`{"status": {"addresses": [{"type": "IPAddress", "value": %q}], "conditions": %s}}`,
		b.address, conditions(gw.ObjectMeta, unknown, "Accepted", "Programmed")), "status")
}

// conditions are true if nothing is unknown. They always have the same time, because the
// API server ignores a patch that changes nothing.
func conditions(o metav1.ObjectMeta, unknown error, kinds ...string) string {
	var all []metav1.Condition
	for _, kind := range kinds {
		c := metav1.Condition{Type: kind, Status: "True", Reason: kind, ObservedGeneration: o.Generation, LastTransitionTime: o.CreationTimestamp}
		if unknown != nil {
			c.Status, c.Reason, c.Message = "False", "Invalid", unknown.Error()
		}
		all = append(all, c)
	}
	text, _ := json.Marshal(all) // of texts and numbers
	return string(text)
}

func (g *gateways) patch(ctx context.Context, kind schema.GroupVersionResource, o metav1.ObjectMeta, change string, subresource ...string) error {
	_, err := g.objects.Resource(kind).Namespace(o.Namespace).Patch(ctx, o.Name, types.MergePatchType, []byte(change), metav1.PatchOptions{}, subresource...)
	return err
}

// list returns all objects of a kind. It returns an error besides if they have something that
// is unknown here. A cluster without that kind has none.
func list[Spec any](ctx context.Context, objects dynamic.Interface, kind schema.GroupVersionResource) ([]object[Spec], error) {
	found, err := objects.Resource(kind).List(ctx, metav1.ListOptions{ResourceVersion: "0"}) // from the API server's memory
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	text, err := found.MarshalJSON()
	if err != nil {
		return nil, err
	}
	var all struct {
		metav1.TypeMeta
		metav1.ListMeta `json:"metadata"`
		Items           []object[Spec]
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if err = decoder.Decode(&all); err != nil {
		err = fmt.Errorf("the emulator's load balancer does not know this of %s: %w", kind.Resource, err)
	}
	return all.Items, err
}
