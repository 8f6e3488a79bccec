package cloud

import (
	"context"
	"net"
	"sync"
	"time"

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
// cloud behind them, until the context ends. Kubernetes' cloud-controller-manager
// would do the same, but its package compiles the API server's library too: 350
// packages more.
func Run(ctx context.Context, client kubernetes.Interface, podRange *net.IPNet, addresses string) error {
	c, err := newCloud(addresses)
	if err != nil {
		return err
	}
	return c.run(ctx, client, podRange)
}

func (c *cloud) run(ctx context.Context, client kubernetes.Interface, podRange *net.IPNet) error {
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
	factory.Start(ctx.Done())
	all.Wait()
	return nil
}
