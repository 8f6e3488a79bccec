package cloud

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	v1 "k8s.io/api/core/v1"
	"k8s.io/klog/v2"
)

// balancer is the load balancer of a Gateway: an address with a server for each listener.
type balancer struct {
	address      string
	servers      map[string]*http.Server
	routes       atomic.Pointer[[]object[routeSpec]]
	certificates atomic.Pointer[[]tls.Certificate]
}

// addressKey is the annotation that keeps a Gateway's address over a restart.
const addressKey = "networking.gke.io/addresses"

// asService is a Service that has a Gateway's address.
func asService(gw object[gatewaySpec]) *v1.Service {
	s := &v1.Service{}
	if address := gw.Annotations[addressKey]; address != "" {
		s.Status.LoadBalancer.Ingress = []v1.LoadBalancerIngress{{IP: address}}
	}
	return s
}

// balancer returns a Gateway's load balancer.
func (g *gateways) balancer(ctx context.Context, gw object[gatewaySpec]) (*balancer, error) {
	if b := g.balancers[gw.UID]; b != nil {
		return b, nil
	}
	status, err := g.cloud.EnsureLoadBalancer(ctx, "", asService(gw), nil)
	if err != nil {
		return nil, err
	}
	g.balancers[gw.UID] = &balancer{address: status.Ingress[0].IP, servers: map[string]*http.Server{}}
	return g.balancers[gw.UID], nil
}

// remove ends a Gateway's load balancer and gives its address back.
func (g *gateways) remove(ctx context.Context, gw object[gatewaySpec]) error {
	if b := g.balancers[gw.UID]; b != nil {
		for _, server := range b.servers {
			server.Close()
		}
	}
	delete(g.balancers, gw.UID)
	return g.cloud.EnsureLoadBalancerDeleted(ctx, "", asService(gw))
}

// listen starts the server of a listener, once.
func (g *gateways) listen(b *balancer, l listener) error {
	if b.servers[l.Name] != nil {
		return nil
	}
	socket, err := net.Listen("tcp", net.JoinHostPort(b.address, strconv.Itoa(l.Port)))
	if err != nil {
		return err
	}
	if l.Protocol == "HTTPS" {
		socket = tls.NewListener(socket, &tls.Config{GetCertificate: b.certificate})
	}
	server := &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host, _, _ := strings.Cut(r.Host, ":")
		for _, route := range *b.routes.Load() {
			if route.Spec.ParentRefs[0].SectionName == l.Name && slices.Contains(route.Spec.Hostnames, host) {
				g.answer(w, r, route)
				return
			}
		}
		http.Error(w, "fault filter abort", http.StatusNotFound) // Google's words for a host without a route
	})}
	b.servers[l.Name] = server
	go func() { klog.Infof("gateways: %s of %s: %v", l.Name, b.address, server.Serve(socket)) }()
	return nil
}

// certificate returns a certificate of the host that the client asks for.
func (b *balancer) certificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	for _, c := range *b.certificates.Load() {
		if hello.SupportsCertificate(&c) == nil {
			return &c, nil
		}
	}
	return nil, fmt.Errorf("there is no certificate of %s", hello.ServerName)
}

// answer does what the rule of a route says.
func (g *gateways) answer(w http.ResponseWriter, r *http.Request, route object[routeSpec]) {
	rule := route.Spec.Rules[0]
	for _, f := range rule.Filters {
		if f.Type == "RequestRedirect" {
			http.Redirect(w, r, f.RequestRedirect.Scheme+"://"+r.Host+r.URL.RequestURI(), f.RequestRedirect.StatusCode)
			return
		}
		for _, header := range f.ResponseHeaderModifier.Set {
			w.Header().Set(header.Name, header.Value)
		}
	}
	if route.pool == nil {
		http.Error(w, "no backend", http.StatusInternalServerError) // as the Gateway API demands
		return
	}
	route.pool.ServeHTTP(w, r)
}
