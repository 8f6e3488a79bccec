package cloud

import (
	"net"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	v1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/fake"
)

// Kubernetes' controllers give a Service an address, a node a route, and remove a
// lost node. They run on many threads, so a whole process gets the network namespace.
func TestControllers(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	c, _ := newCloudHere(t, "10.1.0.128/29", "10.1.0.7")
	client := fake.NewClientset(newNode("here", "10.1.0.7", "10.244.1.0/24"), newNode("lost", "10.1.0.8", "10.244.2.0/24"),
		&v1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "timber"}, Spec: v1.ServiceSpec{Type: v1.ServiceTypeLoadBalancer}})
	_, pods, err := net.ParseCIDR("10.244.0.0/16")
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		if err := c.run(t.Context(), client, noGateways(), pods); err != nil {
			t.Error(err)
		}
	}()
	eventually(t, "the Service's address", func() bool {
		s, err := client.CoreV1().Services("default").Get(t.Context(), "timber", metav1.GetOptions{})
		return err == nil && len(s.Status.LoadBalancer.Ingress) == 1 && c.has(t, s.Status.LoadBalancer.Ingress[0].IP)
	})
	s, err := client.CoreV1().Services("default").Get(t.Context(), "timber", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	s.Spec.LoadBalancerIP = "10.1.0.134"
	if _, err := client.CoreV1().Services("default").Update(t.Context(), s, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the address that the Service asks for", func() bool {
		s, err := client.CoreV1().Services("default").Get(t.Context(), "timber", metav1.GetOptions{})
		return err == nil && s.Status.LoadBalancer.Ingress[0].IP == "10.1.0.134" && c.has(t, "10.1.0.134")
	})
	eventually(t, "the node's route", func() bool {
		routes, err := netlink.RouteListFiltered(netlink.FAMILY_V4, &netlink.Route{Gw: net.IPv4(10, 1, 0, 7)}, netlink.RT_FILTER_GW)
		return err == nil && len(routes) == 1 && routes[0].Dst.String() == "10.244.1.0/24"
	})
	eventually(t, "the lost node's end", func() bool {
		_, err := client.CoreV1().Nodes().Get(t.Context(), "lost", metav1.GetOptions{})
		return apierrors.IsNotFound(err)
	})
	if _, err := client.CoreV1().Nodes().Get(t.Context(), "here", metav1.GetOptions{}); err != nil {
		t.Errorf("the other node: %v", err)
	}
}

// inNamespace runs a test once more, with a network namespace of its own for the whole
// process, and reports whether this is that process.
func inNamespace(t *testing.T) bool {
	t.Helper()
	const inside = "HELLO_TIMBER_NETWORK_NAMESPACE"
	if os.Geteuid() != 0 {
		t.Skip("skipped: requires root, for a network namespace")
	}
	if os.Getenv(inside) != "" {
		return true
	}
	again := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
	again.Env = append(os.Environ(), inside+"=yes")
	again.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
	if out, err := again.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return false
}

// newNode is a node that is not ready.
func newNode(name, address, pods string) *v1.Node {
	return &v1.Node{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: v1.NodeSpec{PodCIDR: pods, PodCIDRs: []string{pods}},
		Status: v1.NodeStatus{Addresses: []v1.NodeAddress{{Type: v1.NodeInternalIP, Address: address}}}}
}

func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !condition(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s did not come in 20 seconds", what)
		}
	}
}
