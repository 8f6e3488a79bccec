package cloud

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"runtime"
	"strings"
	"testing"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	cloudprovider "k8s.io/cloud-provider"
)

// neighbours are the machines on the wire.
type neighbours struct {
	have      map[string]bool
	rival     string // an address that another one claims at the same moment
	announced []string
}

func (n *neighbours) answers(_ context.Context, address string, _ int) (bool, error) {
	return n.have[address], nil
}

func (n *neighbours) announce(_ context.Context, address string) error {
	n.announced = append(n.announced, address)
	if address == n.rival {
		n.have[address] = true
	}
	return nil
}

// newTestCloud is a cloud in a network namespace of its own.
func newTestCloud(t *testing.T, addresses string, taken ...string) (*cloud, *neighbours) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("skipped: requires root, for a network namespace")
	}
	runtime.LockOSThread() // and never unlocked: the thread ends with the test
	namespace, err := netns.New()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { namespace.Close() })
	return newCloudHere(t, addresses, taken...)
}

// newCloudHere is a cloud in this thread's network namespace.
func newCloudHere(t *testing.T, addresses string, taken ...string) (*cloud, *neighbours) {
	t.Helper()
	link := &netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: "eth0"}, PeerName: "peer"}
	own := &netlink.Addr{IPNet: &net.IPNet{IP: net.IPv4(10, 1, 0, 2), Mask: net.CIDRMask(24, 32)}}
	if err := errors.Join(netlink.LinkAdd(link), netlink.AddrAdd(link, own), netlink.LinkSetUp(link)); err != nil {
		t.Fatal(err)
	}
	cidr, err := netip.ParsePrefix(addresses)
	if err != nil {
		t.Fatal(err)
	}
	n := &neighbours{have: map[string]bool{}}
	for _, address := range taken {
		n.have[address] = true
	}
	return &cloud{link: link, wire: n, addresses: cidr, routes: map[string]*cloudprovider.Route{}}, n
}

func (c *cloud) has(t *testing.T, address string) bool {
	t.Helper()
	list, err := netlink.AddrList(c.link, netlink.FAMILY_V4)
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range list {
		if a.IP.String() == address {
			return true
		}
	}
	return false
}

// Two clusters that ask for an address at the same moment find it free. Only one keeps it.
func TestOneAddressForTwo(t *testing.T) {
	c, n := newTestCloud(t, "10.1.0.128/29")
	n.rival = "10.1.0.129"
	status, err := c.EnsureLoadBalancer(t.Context(), "", &v1.Service{}, nil)
	if err != nil || status.Ingress[0].IP != "10.1.0.130" || c.has(t, n.rival) || !c.has(t, "10.1.0.130") {
		t.Errorf("after %v were announced: %v, %v", n.announced, status, err)
	}
}

func TestLoadBalancersGetFreeAddressesAndGiveThemBack(t *testing.T) {
	c, n := newTestCloud(t, "10.1.0.128/29", "10.1.0.129")
	service := func(uid string) *v1.Service {
		s := &v1.Service{}
		s.UID = types.UID(uid)
		return s
	}
	var services []*v1.Service
	for i, want := range []string{"10.1.0.130", "10.1.0.131"} { // another cluster has .129
		s := service(string(rune('a' + i)))
		status, err := c.EnsureLoadBalancer(t.Context(), "", s, nil)
		if err != nil {
			t.Fatal(err)
		}
		if got := status.Ingress[0].IP; got != want || !c.has(t, want) || n.announced[i] != want {
			t.Errorf("address %s, announced %v, want %s", got, n.announced, want)
		}
		s.Status.LoadBalancer = *status
		services = append(services, s)
	}
	if err := c.EnsureLoadBalancerDeleted(t.Context(), "", services[0]); err != nil {
		t.Fatal(err)
	}
	if c.has(t, "10.1.0.130") || !c.has(t, "10.1.0.131") {
		t.Error("the wrong address was given back")
	}
	// After a restart of this machine nothing is on its interface.
	if status, err := c.EnsureLoadBalancer(t.Context(), "", services[0], nil); err != nil || status.Ingress[0].IP != "10.1.0.130" || !c.has(t, "10.1.0.130") {
		t.Errorf("a Service does not get its own address again: %v, %v", status, err)
	}
	for i := range 4 { // the range's last is 10.1.0.135
		if _, err := c.EnsureLoadBalancer(t.Context(), "", service(string(rune('m'+i))), nil); err != nil {
			t.Fatal(err)
		}
	}
	if status, err := c.EnsureLoadBalancer(t.Context(), "", service("z"), nil); err == nil {
		t.Errorf("an address from a full range: %v", status)
	}
}

// A Service gets the address that it asks for, if it is the cloud's to give, and gives
// back the one that it had.
func TestReservedAddresses(t *testing.T) {
	c, n := newTestCloud(t, "10.1.0.128/29", "10.1.0.129")
	s := &v1.Service{}
	for _, test := range []struct{ wanted, want, refusal string }{
		{"", "10.1.0.130", ""},
		{"10.1.0.130", "10.1.0.130", ""},
		{"10.1.0.134", "10.1.0.134", ""},
		{"10.1.0.129", "10.1.0.134", "Specified IP address is in-use"},
		{"10.1.0.2", "10.1.0.134", `requested ip "10.1.0.2" is neither static nor assigned to the LB`},
		{"timber", "10.1.0.134", "neither static"},
		{"", "10.1.0.134", ""},
	} {
		s.Spec.LoadBalancerIP = test.wanted
		status, err := c.EnsureLoadBalancer(t.Context(), "", s, nil)
		if (err == nil) != (test.refusal == "") || err != nil && !strings.Contains(err.Error(), test.refusal) {
			t.Errorf("asked for %q: %v, want %q", test.wanted, err, test.refusal)
		}
		if err == nil {
			s.Status.LoadBalancer = *status
		}
		if got := s.Status.LoadBalancer.Ingress[0].IP; got != test.want || !c.has(t, test.want) {
			t.Errorf("asked for %q: got %s, want %s", test.wanted, got, test.want)
		}
	}
	if c.has(t, "10.1.0.130") || !c.has(t, "10.1.0.2") {
		t.Error("the wrong address was given back")
	}
	other := &v1.Service{Spec: v1.ServiceSpec{LoadBalancerIP: "10.1.0.134"}}
	if status, err := c.EnsureLoadBalancer(t.Context(), "", other, nil); err == nil {
		t.Errorf("two Services have one address: %v", status)
	}
	if last := n.announced[len(n.announced)-1]; last != "10.1.0.134" {
		t.Errorf("announced %v", n.announced)
	}
}

// Deleting a Service never takes an address that is the machine's own.
func TestOwnAddressStays(t *testing.T) {
	c, _ := newTestCloud(t, "10.1.0.128/29")
	s := &v1.Service{}
	s.Status.LoadBalancer.Ingress = []v1.LoadBalancerIngress{{IP: "10.1.0.2"}}
	if err := c.EnsureLoadBalancerDeleted(t.Context(), "", s); err != nil || !c.has(t, "10.1.0.2") {
		t.Errorf("the machine's own address is gone (%v)", err)
	}
}

func TestRoutesComeAndGo(t *testing.T) {
	c, _ := newTestCloud(t, "10.1.0.128/29")
	route := &cloudprovider.Route{TargetNode: "node", DestinationCIDR: "10.244.1.0/24",
		TargetNodeAddresses: []v1.NodeAddress{{Type: v1.NodeHostName, Address: "node"}, {Type: v1.NodeInternalIP, Address: "10.1.0.7"}}}
	if err := c.CreateRoute(t.Context(), "", "", route); err != nil {
		t.Fatal(err)
	}
	gateways := func() (list []string) {
		routes, err := netlink.RouteListFiltered(netlink.FAMILY_V4, &netlink.Route{Gw: net.IPv4(10, 1, 0, 7)}, netlink.RT_FILTER_GW)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range routes {
			list = append(list, r.Dst.String())
		}
		return list
	}
	if got := gateways(); len(got) != 1 || got[0] != "10.244.1.0/24" {
		t.Errorf("routes %v", got)
	}
	if known, _ := c.ListRoutes(t.Context(), ""); len(known) != 1 {
		t.Errorf("known routes %v", known)
	}
	if err := c.DeleteRoute(t.Context(), "", route); err != nil || len(gateways()) != 0 {
		t.Errorf("routes %v (%v)", gateways(), err)
	}
	if err := c.CreateRoute(t.Context(), "", "", &cloudprovider.Route{TargetNode: "new", DestinationCIDR: "10.244.2.0/24"}); err == nil {
		t.Error("a route to a node without an address")
	}
}

func TestMachinesThatDoNotAnswerAreLost(t *testing.T) {
	c := &cloud{wire: &neighbours{have: map[string]bool{"10.1.0.7": true}}}
	for address, want := range map[string]bool{"10.1.0.7": true, "10.1.0.8": false} {
		node := &v1.Node{}
		node.Status.Addresses = []v1.NodeAddress{{Type: v1.NodeInternalIP, Address: address}}
		if exists, err := c.InstanceExists(t.Context(), node); err != nil || exists != want {
			t.Errorf("%s exists: %t, %v, want %t", address, exists, err, want)
		}
	}
	if exists, err := c.InstanceExists(t.Context(), &v1.Node{}); err != nil || !exists {
		t.Errorf("a node that has not reported its address is taken for lost (%v)", err)
	}
}
