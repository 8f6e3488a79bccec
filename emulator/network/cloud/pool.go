package cloud

import (
	"cmp"
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

const (
	// learningDelay is how long Google's load balancer takes to learn that an endpoint came
	// or went. Public reports see it send requests to a pod 15 to 20 seconds after the pod
	// began to end (kubernetes/ingress-gce#1718, #2222).
	learningDelay = 15 * time.Second
	// keptOpen is how long Google keeps an idle connection to an endpoint.
	keptOpen = 600 * time.Second
	// confirmed is how many health checks in a row change what is thought of an endpoint.
	confirmed = 2
)

// frontEnd is one of the addresses that Google's load balancers call pods from.
var frontEnd = net.IPv4(35, 191, 0, 1)

// pool is the endpoints of a Service as the load balancer knows them: those that were ready
// some time ago, if their health checks succeed.
type pool struct {
	health   atomic.Pointer[policySpec]
	draining time.Duration // for requests to an endpoint that is gone

	mu      sync.Mutex
	members map[string]*member // by address
}

// member is an endpoint with its own connections.
type member struct {
	*httputil.ReverseProxy
	ready   bool
	since   time.Time // of ready
	used    bool
	healthy atomic.Bool
	known   context.Context // until its last requests are cut off
	forget  context.CancelFunc
}

func newMember(address string) *member {
	dialer := &net.Dialer{Timeout: 5 * time.Second, LocalAddr: &net.TCPAddr{IP: frontEnd}}
	m := &member{ReverseProxy: &httputil.ReverseProxy{
		Transport: &http.Transport{DialContext: dialer.DialContext, MaxIdleConnsPerHost: 100, IdleConnTimeout: keptOpen, DisableCompression: true},
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(&url.URL{Scheme: "http", Host: address})
			r.Out.Host = r.In.Host
			r.Out.Header["X-Forwarded-For"] = r.In.Header["X-Forwarded-For"] // Google adds to what a client claims
			r.SetXForwarded()
		},
	}}
	m.known, m.forget = context.WithCancel(context.Background())
	return m
}

// learn notes which endpoints are ready now, and applies what has been so for the delay.
func (p *pool) learn(now time.Time, delay time.Duration, addresses []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, address := range addresses {
		if p.members[address] == nil {
			p.members[address] = newMember(address)
		}
	}
	for address, m := range p.members {
		if ready := slices.Contains(addresses, address); ready != m.ready {
			m.ready, m.since = ready, now
		}
		switch {
		case now.Sub(m.since) < delay:
		case !m.ready:
			delete(p.members, address)
			time.AfterFunc(p.draining, m.forget)
		case !m.used:
			m.used = true
			go p.watch(m, address)
		}
	}
}

// watch checks an endpoint's health until it is forgotten.
func (p *pool) watch(m *member, address string) {
	for row, last := 0, false; m.known.Err() == nil; {
		check := p.health.Load().Default
		every := cmp.Or(time.Duration(check.CheckIntervalSec)*time.Second, 15*time.Second)
		client := &http.Client{Transport: m.Transport, Timeout: every}
		ok := passes(m.known, client, "http://"+address+cmp.Or(check.Config.HTTPHealthCheck.RequestPath, "/"))
		if row++; ok != last {
			row, last = 1, ok
		}
		if row >= confirmed {
			m.healthy.Store(ok)
		}
		select {
		case <-m.known.Done():
		case <-time.After(every):
		}
	}
}

// passes reports whether an endpoint answers a health check as it should.
func passes(ctx context.Context, client *http.Client, url string) bool {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return false
	}
	answer, err := client.Do(request)
	if err != nil {
		return false
	}
	answer.Body.Close()
	return answer.StatusCode == http.StatusOK
}

// ServeHTTP passes a request on to the next healthy endpoint.
func (p *pool) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	m := p.choose()
	if m == nil {
		http.Error(w, "no healthy upstream", http.StatusServiceUnavailable)
		return
	}
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	defer context.AfterFunc(m.known, cancel)()
	m.ServeHTTP(w, r.WithContext(ctx))
}

// choose returns any of the healthy endpoints: a map has no order.
func (p *pool) choose() *member {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, m := range p.members {
		if m.healthy.Load() {
			return m
		}
	}
	return nil
}

// learn gives routes to a Service its pool, and has the pool learn its endpoints.
func (g *gateways) learn(ctx context.Context, routes []object[routeSpec]) error {
	checks, unknown := list[policySpec](ctx, g.objects, checkKind)
	backends, err := list[policySpec](ctx, g.objects, backendKind)
	unknown = errors.Join(unknown, err)
	for i, r := range routes {
		for _, b := range r.Spec.Rules[0].BackendRefs {
			name := r.Namespace + "/" + b.Name
			if g.pools[name] == nil {
				g.pools[name] = &pool{members: map[string]*member{}}
			}
			p := g.pools[name]
			routes[i].pool = p
			p.health.Store(policyOf(checks, r.Namespace, b.Name))
			p.draining = time.Duration(policyOf(backends, r.Namespace, b.Name).Default.ConnectionDraining.DrainingTimeoutSec) * time.Second
			found, err := g.client.DiscoveryV1().EndpointSlices(r.Namespace).List(ctx, metav1.ListOptions{
				LabelSelector: discoveryv1.LabelServiceName + "=" + b.Name, ResourceVersion: "0"})
			if err != nil {
				return err
			}
			p.learn(time.Now(), g.delay, readyOf(found.Items))
		}
	}
	return unknown
}

// policyOf returns the policy of a Service, or one without settings.
func policyOf(policies []object[policySpec], namespace, service string) *policySpec {
	for _, p := range policies {
		if p.Namespace == namespace && p.Spec.TargetRef.Name == service {
			return &p.Spec
		}
	}
	return &policySpec{}
}

// readyOf returns the ready addresses of a Service that has one port.
func readyOf(list []discoveryv1.EndpointSlice) (addresses []string) {
	for _, slice := range list {
		for _, e := range slice.Endpoints {
			if e.Conditions.Ready != nil && *e.Conditions.Ready && len(slice.Ports) > 0 {
				addresses = append(addresses, net.JoinHostPort(e.Addresses[0], strconv.Itoa(int(*slice.Ports[0].Port))))
			}
		}
	}
	return addresses
}
