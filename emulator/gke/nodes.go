package gke

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/docker/docker/api/types/container"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/kubernetes"
	"k8s.io/kubectl/pkg/drain"

	"hello-timber/emulator/credentials"
)

const (
	caPath    = "/etc/kubernetes/pki/ca.crt"
	proxyPath = "/etc/kubernetes/proxy.conf"
	// policiesPath is the kubeconfig of what enforces network policies on a node.
	policiesPath = "/etc/kubernetes/policies.conf"

	labelNodePool = "cloud.google.com/gke-nodepool" // of a Node, as on GKE
)

const (
	joinTimeout = 3 * time.Minute // from a node's start to Ready
	// drainTimeout is how long a node's pods may take to leave. GKE waits an hour for a
	// disruption budget, which is too long to wait at one's own machine.
	drainTimeout = 5 * time.Minute
)

// forgetLost deletes the Nodes of machines that were removed without them, as Google's
// cloud does for deleted instances, and their pods: Kubernetes would keep sending them
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

func (m *Machines) addNode(ctx context.Context, client *kubernetes.Clientset, endpoint Endpoint, p Pool, zone string, log func(string)) error {
	name := fmt.Sprintf("gke-%.20s-%.20s-%04x", p.Cluster.Name, p.Name, rand.IntN(1<<16))
	spec, err := m.nodeMachine(ctx, name, endpoint, p, zone)
	if err != nil {
		return fmt.Errorf("node %s: %w", name, err)
	}
	log("starting " + name)
	if err = m.start(ctx, spec); err != nil {
		return err
	}
	err = waitReady(ctx, client, name, log)
	if err == nil {
		err = m.checkPolicies(ctx, name, p.Warn)
	}
	if err != nil {
		// The caller's context may be over; cleaning up must still work.
		return errors.Join(err, m.removeNode(context.WithoutCancel(ctx), client, name))
	}
	return nil
}

// nodeMachine is the container that becomes a node.
func (m *Machines) nodeMachine(ctx context.Context, name string, endpoint Endpoint, p Pool, zone string) (machine, error) {
	token, err := credentials.Token()
	if err != nil {
		return machine{}, err
	}
	files := map[string][]byte{}
	// The credential that lets this machine be this node and no other.
	files["/etc/kubernetes/kubelet.conf"], err = m.exec(ctx, p.Cluster.Name, "kubeadm", "kubeconfig", "user",
		"--client-name", "system:node:"+name, "--org", "system:nodes", "--config", "/etc/kubernetes/kubeadm.yaml")
	if err != nil {
		return machine{}, err
	}
	for path, source := range map[string]string{proxyPath: proxyPath, policiesPath: policiesPath, "/etc/kubernetes/ca.crt": caPath} {
		if files[path], err = m.exec(ctx, p.Cluster.Name, "cat", source); err != nil {
			return machine{}, err
		}
	}
	region := Region(p.Cluster.Location)
	return machine{
		name:    name,
		command: []string{"kube-node"},
		env: []string{
			"NODE_NAME=" + name,
			"NODE_LABELS=" + p.nodeLabels(zone),
			"CONTROL_PLANE=" + endpoint.Host,
			// By name: a node may be older than the registry.
			"REGISTRY=" + m.registryName() + ":5000",
			"REGISTRY_NAME=" + region + "-docker.pkg.dev",
			"REGISTRY_AUTHORIZATION=Basic " + base64.StdEncoding.EncodeToString([]byte(p.ServiceAccount+":"+token)),
		},
		labels: map[string]string{labelRole: "node", labelProject: p.Cluster.Project, labelCluster: p.Cluster.Name, labelPool: p.Name,
			labelZone: zone, labelSpec: p.spec()},
		kernel:  true,
		volumes: []string{"/var/lib/containerd", "/var/lib/kubelet"},
		files:   files,
	}, nil
}

// nodeLabels are a Node's labels as the kubelet takes them.
func (p Pool) nodeLabels(zone string) string {
	return labels.Merge(p.Labels, labels.Set{
		labelNodePool:                      p.Name,
		"node.kubernetes.io/instance-type": p.MachineType,
		"topology.kubernetes.io/region":    Region(p.Cluster.Location),
		"topology.kubernetes.io/zone":      zone,
	}).String()
}

// checkPolicies warns where a node's kernel cannot enforce network policies: what
// is shown to be safe here would not be.
func (m *Machines) checkPolicies(ctx context.Context, name string, warn func(string)) error {
	verdict, err := m.exec(ctx, name, "cat", "/run/network-policies")
	if err != nil {
		return err
	}
	if text := strings.TrimSpace(string(verdict)); text != "enforced" && warn != nil {
		warn(fmt.Sprintf("WARNING: network policies are NOT ENFORCED on node %s, so any pod can reach any other: %s", name, text))
	}
	return nil
}

// retire drains and removes a node.
func (m *Machines) retire(ctx context.Context, client *kubernetes.Clientset, node container.Summary, log func(string)) error {
	name := strings.TrimPrefix(node.Names[0], "/")
	log("draining " + name)
	if err := drainNode(ctx, client, name); err != nil {
		return err
	}
	return m.removeNode(ctx, client, name)
}

func (m *Machines) removeNode(ctx context.Context, client *kubernetes.Clientset, name string) error {
	if err := m.remove(ctx, name); err != nil {
		return err
	}
	if err := client.CoreV1().Nodes().Delete(ctx, name, metav1.DeleteOptions{}); err != nil && !apierrors.IsNotFound(err) {
		return err
	}
	return nil
}

func waitReady(ctx context.Context, client *kubernetes.Clientset, name string, log func(string)) error {
	ctx, cancel := context.WithTimeoutCause(ctx, joinTimeout, fmt.Errorf("node %s did not get ready in %s", name, joinTimeout))
	defer cancel()
	log("waiting for " + name)
	// Its container goes with the failure, so that the reason must be in the error.
	why := errors.New("it never asked to join")
	return until(ctx, func() error {
		node, err := client.CoreV1().Nodes().Get(ctx, name, metav1.GetOptions{})
		if err != nil {
			return why
		}
		why = errors.New("its kubelet reports nothing")
		for _, condition := range node.Status.Conditions {
			if condition.Type == corev1.NodeReady && condition.Status == corev1.ConditionTrue {
				return nil
			}
			if condition.Type == corev1.NodeReady {
				why = errors.New(condition.Message)
			}
		}
		return why
	})
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
		GracePeriodSeconds: -1, Timeout: drainTimeout, Out: io.Discard, ErrOut: io.Discard,
	}
	if err := drain.RunCordonOrUncordon(helper, node, true); err != nil {
		return fmt.Errorf("cordon %s: %w", name, err)
	}
	if err := drain.RunNodeDrain(helper, name); err != nil {
		return fmt.Errorf("drain %s: %w", name, err)
	}
	return nil
}
