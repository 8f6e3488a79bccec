package cloud

import (
	"context"
	"net"
	"sync"
	"time"

	"github.com/vishvananda/netlink"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/cloud-provider/controllers/nodelifecycle"
	"k8s.io/cloud-provider/controllers/route"
	"k8s.io/cloud-provider/controllers/service"
	"k8s.io/component-base/featuregate"
	"k8s.io/component-base/metrics/prometheus/controllers"
)

const (
	clusterName = "kubernetes"
	// A new node's pods wait for their route, so routes are compared every second.
	routePeriod = time.Second
	nodePeriod  = 5 * time.Second
)

// Run runs Kubernetes' own controllers of Services, routes and lost nodes, with this
// cloud behind them, and that of Gateways, until the context ends. Kubernetes'
// cloud-controller-manager would do the same for the former, but its package compiles
// the API server's library too: 350 packages more.
func Run(ctx context.Context, client kubernetes.Interface, objects dynamic.Interface, podRange *net.IPNet, addresses string) error {
	c, err := newCloud(addresses)
	if err != nil {
		return err
	}
	// Nodes send what pods answer to this address back here.
	if err := netlink.AddrReplace(c.link, &netlink.Addr{IPNet: &net.IPNet{IP: frontEnd, Mask: net.CIDRMask(32, 32)}}); err != nil {
		return err
	}
	factory := informers.NewSharedInformerFactory(client, 12*time.Hour)
	nodes := factory.Core().V1().Nodes()
	services, err := service.New(c, client, factory.Core().V1().Services(), nodes, clusterName, featuregate.NewFeatureGate())
	if err != nil {
		return err
	}
	lifecycle, err := nodelifecycle.NewCloudNodeLifecycleController(nodes, client, c, nodePeriod)
	if err != nil {
		return err
	}
	routes := route.New(c, client, nodes, clusterName, []*net.IPNet{podRange})
	metrics := controllers.NewControllerManagerMetrics("cloud-controller-manager")
	var all sync.WaitGroup
	all.Go(func() { services.Run(ctx, 1, metrics) })
	all.Go(func() { lifecycle.Run(ctx, metrics) })
	all.Go(func() { routes.Run(ctx, routePeriod, metrics) })
	all.Go(func() { newGateways(c, client, objects).run(ctx) })
	factory.Start(ctx.Done())
	all.Wait()
	return nil
}
