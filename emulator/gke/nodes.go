package gke

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/docker/docker/api/types/container"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/kubectl/pkg/drain"

	"hello-timber/emulator/home"
)

const (
	caPath    = "/etc/kubernetes/pki/ca.crt"
	proxyPath = "/etc/kubernetes/proxy.conf"

	labelNodePool = "cloud.google.com/gke-nodepool" // of a Node, as on GKE
)

// joined is how long a node may take from its start to Ready, and drained how
// long its pods may take to leave. GKE waits an hour for a disruption budget;
// nobody wants to on their own machine.
const (
	joined  = 3 * time.Minute
	drained = 5 * time.Minute
)

// Pool is a node pool as it should be.
type Pool struct {
	Cluster Cluster
	Name    string
	// Zones each hold NodesPerZone nodes.
	Zones        []string
	NodesPerZone int
	MachineType  string
	Labels       map[string]string
	// ServiceAccount is the email the nodes show to the registry.
	ServiceAccount string
}

// spec tells nodes made to one specification from those made to another.
func (p Pool) spec() string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s %v %s", p.MachineType, p.Labels, p.ServiceAccount))
	return hex.EncodeToString(sum[:4])
}

// Resize makes a pool's nodes as many, and such, as they should be: missing ones
// are created and waited for until Ready, surplus ones drained and removed, and
// those of another specification renewed one by one.
func Resize(ctx context.Context, p Pool, log func(string)) error {
	m, err := connect()
	if err != nil {
		return err
	}
	endpoint, ok, err := m.endpoint(ctx, p.Cluster.Name)
	if err != nil {
		return err
	}
	if !ok && p.NodesPerZone == 0 {
		return nil
	}
	if !ok {
		return fmt.Errorf("cluster %s does not exist", p.Cluster.Name)
	}
	client, err := connectTo(endpoint)
	if err != nil {
		return err
	}
	nodes, err := m.list(ctx, labelRole+"=node", labelCluster+"="+p.Cluster.Name, labelPool+"="+p.Name)
	if err != nil {
		return err
	}
	if err := forgetLost(ctx, client, p.Name, nodes); err != nil {
		return err
	}
	byZone := map[string][]container.Summary{}
	for _, node := range nodes {
		byZone[node.Labels[labelZone]] = append(byZone[node.Labels[labelZone]], node)
	}
	var surplus, outdated []container.Summary
	for zone, have := range byZone {
		want := 0
		if slices.Contains(p.Zones, zone) {
			want = min(p.NodesPerZone, len(have))
		}
		have = slices.Concat(pick(have, p, true), pick(have, p, false)) // outdated ones go first
		surplus = append(surplus, have[want:]...)
		outdated = append(outdated, pick(have[:want], p, false)...)
	}
	var group sync.WaitGroup
	var mu sync.Mutex
	var errs []error
	for _, zone := range p.Zones {
		for range p.NodesPerZone - len(byZone[zone]) {
			group.Go(func() {
				if err := m.addNode(ctx, client, endpoint, p, zone, log); err != nil {
					mu.Lock()
					defer mu.Unlock()
					errs = append(errs, err)
				}
			})
		}
	}
	group.Wait()
	if len(errs) > 0 {
		return errors.Join(errs...)
	}
	// One at a time, so that pods find room on what is left; a renewed one after
	// its successor is ready: Google's surge of one, none unavailable.
	for _, node := range surplus {
		if err := m.retire(ctx, client, node, log); err != nil {
			return err
		}
	}
	for _, node := range outdated {
		if err := m.addNode(ctx, client, endpoint, p, node.Labels[labelZone], log); err != nil {
			return err
		}
		if err := m.retire(ctx, client, node, log); err != nil {
			return err
		}
	}
	return nil
}

// pick picks the nodes that were made as the pool is now, or those that were not.
func pick(nodes []container.Summary, p Pool, current bool) []container.Summary {
	return slices.DeleteFunc(slices.Clone(nodes), func(c container.Summary) bool {
		return (c.Labels[labelSpec] == p.spec()) != current
	})
}

// retire drains and removes a node.
func (m *machines) retire(ctx context.Context, client *kubernetes.Clientset, node container.Summary, log func(string)) error {
	name := strings.TrimPrefix(node.Names[0], "/")
	log("draining " + name)
	if err := drainNode(ctx, client, name); err != nil {
		return err
	}
	return m.removeNode(ctx, client, name)
}

// forgetLost deletes the Nodes of machines that somebody removed, as Google's cloud
// does for deleted instances, and their pods: Kubernetes would keep sending them
// requests until it is sure that they are gone, and another machine may have their
// addresses by then.
func forgetLost(ctx context.Context, client *kubernetes.Clientset, pool string, machines []container.Summary) error {
	known, err := client.CoreV1().Nodes().List(ctx, metav1.ListOptions{LabelSelector: labelNodePool + "=" + pool})
	if err != nil {
		return err
	}
	for _, node := range known.Items {
		if slices.ContainsFunc(machines, func(c container.Summary) bool { return c.Names[0] == "/"+node.Name }) {
			continue
		}
		if err := client.CoreV1().Nodes().Delete(ctx, node.Name, metav1.DeleteOptions{}); err != nil && !apierrors.IsNotFound(err) {
			return err
		}
		pods, err := client.CoreV1().Pods(metav1.NamespaceAll).List(ctx, metav1.ListOptions{FieldSelector: "spec.nodeName=" + node.Name})
		if err != nil {
			return err
		}
		for _, pod := range pods.Items {
			if err := client.CoreV1().Pods(pod.Namespace).Delete(ctx, pod.Name, *metav1.NewDeleteOptions(0)); err != nil && !apierrors.IsNotFound(err) {
				return err
			}
		}
	}
	return nil
}

func (m *machines) addNode(ctx context.Context, client *kubernetes.Clientset, endpoint Endpoint, p Pool, zone string, log func(string)) error {
	image, err := m.image()
	if err != nil {
		return err
	}
	token, err := home.Token()
	if err != nil {
		return err
	}
	name := fmt.Sprintf("gke-%.20s-%.20s-%04x", p.Cluster.Name, p.Name, rand.IntN(1<<16))
	// The credential that lets this machine be this node and no other.
	kubelet, err := m.exec(ctx, p.Cluster.Name, "kubeadm", "kubeconfig", "user",
		"--client-name", "system:node:"+name, "--org", "system:nodes", "--config", "/etc/kubernetes/kubeadm.yaml")
	if err != nil {
		return fmt.Errorf("node %s: %w", name, err)
	}
	proxy, err := m.copyOut(ctx, p.Cluster.Name, proxyPath)
	if err != nil {
		return fmt.Errorf("node %s: %w", name, err)
	}
	ca, err := m.copyOut(ctx, p.Cluster.Name, caPath)
	if err != nil {
		return fmt.Errorf("node %s: %w", name, err)
	}
	labels := maps.Clone(p.Labels)
	if labels == nil {
		labels = map[string]string{}
	}
	maps.Copy(labels, map[string]string{
		labelNodePool:                      p.Name,
		"node.kubernetes.io/instance-type": p.MachineType,
		"topology.kubernetes.io/region":    Region(p.Cluster.Location),
		"topology.kubernetes.io/zone":      zone,
	})
	var list []string
	for _, key := range slices.Sorted(maps.Keys(labels)) {
		list = append(list, key+"="+labels[key])
	}
	log("starting " + name)
	if err = m.start(ctx, machine{
		name:    name,
		image:   image,
		command: []string{"kube-node"},
		env: []string{
			"NODE_NAME=" + name,
			"NODE_LABELS=" + strings.Join(list, ","),
			"CONTROL_PLANE=" + endpoint.Host,
			// By name: a node may be older than the registry.
			"REGISTRY=" + m.registryName() + ":5000",
			"REGISTRY_NAME=" + Region(p.Cluster.Location) + "-docker.pkg.dev",
			"REGISTRY_AUTHORIZATION=Basic " + base64.StdEncoding.EncodeToString([]byte(p.ServiceAccount+":"+token)),
		},
		labels:  map[string]string{labelRole: "node", labelCluster: p.Cluster.Name, labelPool: p.Name, labelZone: zone, labelSpec: p.spec()},
		kernel:  true,
		volumes: []string{"/var/lib/containerd", "/var/lib/kubelet"},
		files: map[string][]byte{
			"/etc/kubernetes/kubelet.conf": kubelet,
			"/etc/kubernetes/proxy.conf":   proxy,
			"/etc/kubernetes/ca.crt":       ca,
		},
	}); err != nil {
		return err
	}
	if err := waitReady(ctx, client, name, log); err != nil {
		// The caller's context may be over; cleaning up must still work.
		return errors.Join(err, m.removeNode(context.WithoutCancel(ctx), client, name))
	}
	return nil
}

func (m *machines) removeNode(ctx context.Context, client *kubernetes.Clientset, name string) error {
	if err := m.remove(ctx, name); err != nil {
		return err
	}
	if err := client.CoreV1().Nodes().Delete(ctx, name, metav1.DeleteOptions{}); err != nil && !apierrors.IsNotFound(err) {
		return err
	}
	return nil
}

func waitReady(ctx context.Context, client *kubernetes.Clientset, name string, log func(string)) error {
	waiting, cancel := context.WithTimeout(ctx, joined)
	defer cancel()
	log("waiting for " + name)
	// Its container goes with the failure, so that the reason must be in the error.
	why := "it never asked to join"
	for {
		node, err := client.CoreV1().Nodes().Get(waiting, name, metav1.GetOptions{})
		if err == nil {
			at := slices.IndexFunc(node.Status.Conditions, func(c corev1.NodeCondition) bool { return c.Type == corev1.NodeReady })
			if at >= 0 && node.Status.Conditions[at].Status == corev1.ConditionTrue {
				return nil
			}
			if why = "its kubelet says nothing"; at >= 0 {
				why = node.Status.Conditions[at].Message
			}
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-waiting.Done():
			return fmt.Errorf("node %s did not get ready in %s: %s", name, joined, why)
		case <-time.After(300 * time.Millisecond):
		}
	}
}

func drainNode(ctx context.Context, client *kubernetes.Clientset, name string) error {
	node, err := client.CoreV1().Nodes().Get(ctx, name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return err
	}
	helper := &drain.Helper{
		Ctx: ctx, Client: client, Force: true, IgnoreAllDaemonSets: true, DeleteEmptyDirData: true,
		GracePeriodSeconds: -1, Timeout: drained, Out: io.Discard, ErrOut: io.Discard,
	}
	if err := drain.RunCordonOrUncordon(helper, node, true); err != nil {
		return fmt.Errorf("cordon %s: %w", name, err)
	}
	if err := drain.RunNodeDrain(helper, name); err != nil {
		return fmt.Errorf("drain %s: %w", name, err)
	}
	return nil
}

// Nodes counts a pool's running nodes by zone.
func Nodes(ctx context.Context, cluster, pool string) (map[string]int, error) {
	m, err := connect()
	if err != nil {
		return nil, err
	}
	nodes, err := m.list(ctx, labelRole+"=node", labelCluster+"="+cluster, labelPool+"="+pool)
	if err != nil {
		return nil, err
	}
	count := map[string]int{}
	for _, node := range nodes {
		if node.State == container.StateRunning {
			count[node.Labels[labelZone]]++
		}
	}
	return count, nil
}

// Region returns the region of a zone or of itself: europe-west1 for europe-west1-d.
func Region(location string) string {
	if parts := strings.Split(location, "-"); len(parts) == 3 {
		return parts[0] + "-" + parts[1]
	}
	return location
}
