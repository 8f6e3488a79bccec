// Package cloud is what the emulated cloud gives a cluster from outside: addresses
// for LoadBalancer Services, routes to the nodes' pods, and word of lost machines.
package cloud

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net"
	"net/netip"
	"os/exec"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/vishvananda/netlink"
	v1 "k8s.io/api/core/v1"
	cloudprovider "k8s.io/cloud-provider"
)

// cloud runs in the control plane's container, which no user's node shares, so that
// an address outlives every node, as a Google load balancer does.
type cloud struct {
	link netlink.Link
	wire wire
	// addresses is where load balancer addresses are taken from; nodes never
	// get one of these.
	addresses netip.Prefix

	mu     sync.Mutex
	routes map[string]*cloudprovider.Route
}

// wire is the network that the cluster's machines share.
type wire interface {
	// answers reports whether a machine has an address. It asks as many times as
	// seconds, and believes the first answer.
	answers(ctx context.Context, address string, seconds int) (bool, error)
	// announce says that this machine has an address now: neighbours may still know
	// it by its last holder's MAC.
	announce(ctx context.Context, address string) error
}

// newCloud takes load balancer addresses from a CIDR of the container's network.
func newCloud(addresses string) (*cloud, error) {
	link, err := netlink.LinkByName("eth0")
	if err != nil {
		return nil, err
	}
	network, err := netip.ParsePrefix(addresses)
	if err != nil {
		return nil, fmt.Errorf("range of load balancer addresses: %w", err)
	}
	return &cloud{link: link, wire: arping{}, addresses: network, routes: map[string]*cloudprovider.Route{}}, nil
}

func (c *cloud) Initialize(cloudprovider.ControllerClientBuilder, <-chan struct{}) {}
func (c *cloud) LoadBalancer() (cloudprovider.LoadBalancer, bool)                  { return c, true }
func (c *cloud) Instances() (cloudprovider.Instances, bool)                        { return nil, false }
func (c *cloud) InstancesV2() (cloudprovider.InstancesV2, bool)                    { return c, true }
func (c *cloud) Zones() (cloudprovider.Zones, bool)                                { return nil, false }
func (c *cloud) Clusters() (cloudprovider.Clusters, bool)                          { return nil, false }
func (c *cloud) Routes() (cloudprovider.Routes, bool)                              { return c, true }
func (c *cloud) ProviderName() string                                              { return "emulator" }
func (c *cloud) HasClusterID() bool                                                { return true }

// GetLoadBalancer knows a load balancer by the address in its Service's
// status.
func (c *cloud) GetLoadBalancer(_ context.Context, _ string, service *v1.Service) (*v1.LoadBalancerStatus, bool, error) {
	return &service.Status.LoadBalancer, len(service.Status.LoadBalancer.Ingress) > 0, nil
}

// GetLoadBalancerName is named as GKE names its own: "a" and the Service's uid.
func (c *cloud) GetLoadBalancerName(_ context.Context, _ string, service *v1.Service) string {
	return cloudprovider.DefaultLoadBalancerName(service)
}

// EnsureLoadBalancer puts an address on this container's interface; kube-proxy
// beside it sends what arrives there to the Service's pods. A Service that had
// an address before a restart gets the same one again, unless it asks for another.
func (c *cloud) EnsureLoadBalancer(ctx context.Context, _ string, service *v1.Service, _ []*v1.Node) (*v1.LoadBalancerStatus, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	wanted := service.Spec.LoadBalancerIP
	if ingress := service.Status.LoadBalancer.Ingress; len(ingress) > 0 && (wanted == "" || wanted == ingress[0].IP) {
		return &service.Status.LoadBalancer, c.claim(ctx, net.ParseIP(ingress[0].IP))
	}
	ip, err := c.take(ctx, wanted)
	if err == nil {
		err = c.release(service) // an address that it had before
	}
	if err != nil {
		return nil, err
	}
	return &v1.LoadBalancerStatus{Ingress: []v1.LoadBalancerIngress{{IP: ip.String()}}}, nil
}

// take claims the address that is wanted, or else a free one. Another cluster may have claimed
// it at the same moment. Then both ask once more, and begin again, not at the same time.
func (c *cloud) take(ctx context.Context, wanted string) (ip net.IP, err error) {
	for other := true; other; {
		if wanted == "" {
			ip, err = c.free(ctx)
		} else {
			ip, err = c.reserved(ctx, wanted)
		}
		if err == nil {
			err = c.claim(ctx, ip)
		}
		if err == nil {
			other, err = c.wire.answers(ctx, ip.String(), 1)
		}
		if err == nil && other {
			err = netlink.AddrDel(c.link, alone(ip))
			time.Sleep(rand.N(time.Second))
		}
		if err != nil {
			return nil, err
		}
	}
	return ip, nil
}

// free returns an address that no one has.
func (c *cloud) free(ctx context.Context) (net.IP, error) {
	for ip := c.addresses.Addr().Next(); c.addresses.Contains(ip); ip = ip.Next() {
		taken, err := c.taken(ctx, ip.AsSlice())
		if err != nil {
			return nil, err
		}
		if !taken {
			return ip.AsSlice(), nil
		}
	}
	return nil, fmt.Errorf("no free load balancer address in %s", c.addresses)
}

// reserved returns the address that a Service asks for. Every address of the range
// counts as reserved. The refusals have the words of Google's controllers
// (cloud-provider-gcp, ingress-gce).
func (c *cloud) reserved(ctx context.Context, wanted string) (net.IP, error) {
	ip, err := netip.ParseAddr(wanted)
	if err != nil || !c.addresses.Contains(ip) {
		return nil, fmt.Errorf("requested ip %q is neither static nor assigned to the LB: the emulator's addresses are in %s", wanted, c.addresses)
	}
	taken, err := c.taken(ctx, ip.AsSlice())
	if err == nil && taken {
		err = fmt.Errorf("googleapi: Error 400: Invalid value for field 'resource.IPAddress': '%s'. Specified IP address is in-use and would result in a conflict., invalid", wanted)
	}
	return ip.AsSlice(), err
}

// taken reports whether this cluster or another has an address. Other clusters of
// this network draw from the same range: ask the wire who has the address (RFC 5227)
// instead of keeping a common book.
func (c *cloud) taken(ctx context.Context, ip net.IP) (bool, error) {
	mine, err := netlink.AddrList(c.link, netlink.FAMILY_V4)
	if err != nil {
		return false, err
	}
	if slices.ContainsFunc(mine, func(a netlink.Addr) bool { return a.IP.Equal(ip) }) {
		return true, nil
	}
	return c.wire.answers(ctx, ip.String(), 1)
}

// arping asks and announces as RFC 5227 says, with the command of that name.
type arping struct{}

func (arping) answers(ctx context.Context, address string, seconds int) (bool, error) {
	n := strconv.Itoa(seconds)
	out, err := exec.CommandContext(ctx, "arping", "-D", "-q", "-c", n, "-w", n, "-I", "eth0", address).CombinedOutput()
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) && exit.ExitCode() == 1 {
		return true, nil
	}
	if err != nil {
		err = fmt.Errorf("ask who has %s: %w: %s", address, err, out)
	}
	return false, err
}

func (arping) announce(ctx context.Context, address string) error {
	if out, err := exec.CommandContext(ctx, "arping", "-A", "-q", "-c", "1", "-I", "eth0", address).CombinedOutput(); err != nil {
		return fmt.Errorf("announce %s: %w: %s", address, err, out)
	}
	return nil
}

// alone is an address without a network.
func alone(ip net.IP) *netlink.Addr {
	return &netlink.Addr{IPNet: &net.IPNet{IP: ip, Mask: net.CIDRMask(32, 32)}}
}

func (c *cloud) claim(ctx context.Context, ip net.IP) error {
	if err := netlink.AddrReplace(c.link, alone(ip)); err != nil {
		return fmt.Errorf("claim load balancer address %s: %w", ip, err)
	}
	return c.wire.announce(ctx, ip.String())
}

// UpdateLoadBalancer has nothing to do: the address does not depend on nodes.
func (c *cloud) UpdateLoadBalancer(context.Context, string, *v1.Service, []*v1.Node) error {
	return nil
}

// EnsureLoadBalancerDeleted gives the Service's address back.
func (c *cloud) EnsureLoadBalancerDeleted(_ context.Context, _ string, service *v1.Service) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.release(service)
}

func (c *cloud) release(service *v1.Service) error {
	addrs, err := netlink.AddrList(c.link, netlink.FAMILY_V4)
	if err != nil {
		return err
	}
	for _, ingress := range service.Status.LoadBalancer.Ingress {
		ip, _ := netip.ParseAddr(ingress.IP)
		for _, addr := range addrs {
			if addr.IP.Equal(ip.AsSlice()) && c.addresses.Contains(ip) {
				if err := netlink.AddrDel(c.link, &addr); err != nil {
					return fmt.Errorf("release load balancer address %s: %w", addr.IP, err)
				}
			}
		}
	}
	return nil
}

// ListRoutes lists the routes this process made; after a restart there are
// none and the route controller makes them again.
func (c *cloud) ListRoutes(context.Context, string) ([]*cloudprovider.Route, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Collect(maps.Values(c.routes)), nil
}

// CreateRoute sends a node's pod range to the node.
func (c *cloud) CreateRoute(_ context.Context, _ string, _ string, route *cloudprovider.Route) error {
	for _, address := range route.TargetNodeAddresses {
		if address.Type != v1.NodeInternalIP {
			continue
		}
		_, destination, err := net.ParseCIDR(route.DestinationCIDR)
		if err != nil {
			return err
		}
		if err := netlink.RouteReplace(&netlink.Route{LinkIndex: c.link.Attrs().Index, Dst: destination, Gw: net.ParseIP(address.Address)}); err != nil {
			return fmt.Errorf("route %s via %s: %w", destination, address.Address, err)
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		route.Name = route.DestinationCIDR
		c.routes[route.DestinationCIDR] = route
		return nil
	}
	return fmt.Errorf("node %s has no internal address yet", route.TargetNode)
}

// DeleteRoute forgets a node's pod range.
func (c *cloud) DeleteRoute(_ context.Context, _ string, route *cloudprovider.Route) error {
	_, destination, err := net.ParseCIDR(route.DestinationCIDR)
	if err != nil {
		return err
	}
	if err := netlink.RouteDel(&netlink.Route{LinkIndex: c.link.Attrs().Index, Dst: destination}); err != nil {
		return fmt.Errorf("delete route %s: %w", destination, err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.routes, route.DestinationCIDR)
	return nil
}

// InstanceExists is asked about nodes that are not ready. One that does not even
// answer on the wire is stopped or removed: its Node goes, and its pods start
// elsewhere at once. One that is started again registers itself again.
func (c *cloud) InstanceExists(ctx context.Context, node *v1.Node) (bool, error) {
	for _, address := range node.Status.Addresses {
		if address.Type == v1.NodeInternalIP {
			// A machine that is merely busy must not be taken for lost.
			return c.wire.answers(ctx, address.Address, 5)
		}
	}
	return true, nil // still to register its address
}

// InstanceShutdown is always false: a machine that is off does not exist.
func (c *cloud) InstanceShutdown(context.Context, *v1.Node) (bool, error) { return false, nil }

// InstanceMetadata is not asked for: nodes label themselves.
func (c *cloud) InstanceMetadata(context.Context, *v1.Node) (*cloudprovider.InstanceMetadata, error) {
	return nil, cloudprovider.NotImplemented
}
