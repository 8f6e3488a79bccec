package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"time"

	"github.com/google/nftables"
	v1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
	"sigs.k8s.io/kube-network-policies/pkg/networkpolicy"
	"sigs.k8s.io/network-policy-api/apis/v1alpha1"
	baselinelisters "sigs.k8s.io/network-policy-api/pkg/client/listers/apis/v1alpha1"
)

const (
	queue = 100
	table = "kube-network-policies"
	// verdict is where the node's start script and the emulator read whether
	// policies are enforced: the word enforced, or the reason why they are not.
	verdict  = "/run/network-policies"
	enforced = "enforced"
)

// networkPolicies enforces the cluster's NetworkPolicies on this node with
// kube-network-policies, which decides about the first packet of each connection.
func networkPolicies() error {
	node := flag.String("hostname-override", "", "name of this Node")
	return withClient(func(ctx context.Context, _ *rest.Config, client kubernetes.Interface) error {
		return enforce(ctx, client, *node)
	})
}

// enforce runs the controller until the context ends.
func enforce(ctx context.Context, client kubernetes.Interface, node string) error {
	factory := informers.NewSharedInformerFactory(client, 0)
	controller, err := networkpolicy.NewController(client,
		factory.Networking().V1().NetworkPolicies(), factory.Core().V1().Namespaces(), factory.Core().V1().Pods(), factory.Core().V1().Nodes(),
		nil, nil, newNoBaseline(ctx),
		networkpolicy.Config{
			NodeName: node, QueueID: queue, NFTableName: table, NetfilterBug1766Fix: true,
			// With baseline policies (there are none) it looks at every connection and asks
			// the container runtime whose address it is. Without, it looks only at pods whose
			// address the API server knows: in their first second they could talk to anyone.
			BaselineAdminNetworkPolicy: true,
		})
	if err != nil {
		return err
	}
	factory.Start(ctx.Done())
	ended := make(chan error, 1)
	go func() { ended <- controller.Run(ctx) }()
	if err := attach(ctx, ended); err != nil {
		if ctx.Err() != nil {
			return nil
		}
		fmt.Fprintln(os.Stderr, "network policies are not enforced:", err)
		if err := os.WriteFile(verdict, []byte(err.Error()), 0o644); err != nil {
			return err
		}
		// What this kernel lacks, it lacks at the next try too.
		<-ctx.Done()
		return nil
	}
	if err := os.WriteFile(verdict, []byte(enforced), 0o644); err != nil {
		return err
	}
	return <-ended
}

// attach returns when the kernel asks the controller about new connections. It
// waits for the API server for as long as the kubelet does.
func attach(ctx context.Context, ended <-chan error) error {
	for {
		bound, err := queueBound("/proc/net/netfilter/nfnetlink_queue")
		if err != nil {
			return fmt.Errorf("this kernel has no packet queues (CONFIG_NETFILTER_NETLINK_QUEUE): %w", err)
		}
		if bound {
			break
		}
		select {
		case err := <-ended:
			return fmt.Errorf("kube-network-policies ended: %w", err)
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
	}
	if ok, err := tableExists(); ok || err != nil {
		return err
	}
	return iptables(ctx)
}

var ours = regexp.MustCompile(fmt.Sprintf(`(?m)^ *%d `, queue))

// queueBound reports whether a program listens to the queue. Each line of the
// file is a queue, its number first.
func queueBound(path string) (bool, error) {
	queues, err := os.ReadFile(path)
	return ours.Match(queues), err
}

// tableExists reports whether kube-network-policies could make its nftables rules,
// about whose failure it says nothing.
func tableExists() (bool, error) {
	nft, err := nftables.New()
	if err != nil {
		return false, err
	}
	tables, err := nft.ListTables()
	return slices.ContainsFunc(tables, func(t *nftables.Table) bool { return t.Name == table }), err
}

// iptables does what kube-network-policies' table does, on kernels whose nftables
// has no queue statement (CONFIG_NFT_QUEUE) but whose iptables has one
// (CONFIG_NETFILTER_XT_TARGET_NFQUEUE). As there, root's own connections pass:
// the kubelet's probes.
func iptables(ctx context.Context) error {
	rule := func(operation string) error {
		out, err := exec.CommandContext(ctx, "iptables", "--wait", "--table", "mangle", operation, "POSTROUTING",
			"--match", "conntrack", "!", "--ctstate", "ESTABLISHED,RELATED", "--match", "owner", "!", "--uid-owner", "0",
			"--jump", "NFQUEUE", "--queue-num", strconv.Itoa(queue)).CombinedOutput()
		if err != nil {
			return fmt.Errorf("this kernel can queue packets with neither nftables (CONFIG_NFT_QUEUE) nor iptables (CONFIG_NETFILTER_XT_TARGET_NFQUEUE): %w: %s", err, out)
		}
		return nil
	}
	if rule("--check") == nil {
		return nil // from before a restart of this program
	}
	return rule("--append")
}

// noBaseline is an informer of baseline policies that never has any.
type noBaseline struct{ informer cache.SharedIndexInformer }

func newNoBaseline(ctx context.Context) noBaseline {
	none := &cache.ListWatch{
		ListWithContextFunc: func(context.Context, v1.ListOptions) (runtime.Object, error) {
			return &v1alpha1.BaselineAdminNetworkPolicyList{}, nil
		},
		WatchFuncWithContext: func(context.Context, v1.ListOptions) (watch.Interface, error) { return watch.NewFake(), nil },
	}
	n := noBaseline{cache.NewSharedIndexInformer(none, &v1alpha1.BaselineAdminNetworkPolicy{}, 0, cache.Indexers{})}
	go n.informer.Run(ctx.Done())
	return n
}

func (n noBaseline) Informer() cache.SharedIndexInformer { return n.informer }

func (n noBaseline) Lister() baselinelisters.BaselineAdminNetworkPolicyLister {
	return baselinelisters.NewBaselineAdminNetworkPolicyLister(n.informer.GetIndexer())
}
