//go:build e2e

package e2e

import (
	"fmt"
	"net/http"
	"net/url"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
)

// clients are those of the clusters, by their names.
var clients sync.Map

// kube asks the stack's cluster with its owner's rights.
func (s *stack) kube(t *testing.T) *kubernetes.Clientset {
	t.Helper()
	if client, ok := clients.Load(s.cluster); ok {
		return client.(*kubernetes.Clientset)
	}
	address := s.run(t, "docker", "inspect", "--format={{range .NetworkSettings.Networks}}{{.IPAMConfig.IPv4Address}}{{end}}", s.cluster)
	client, err := kubernetes.NewForConfig(&rest.Config{
		Host: "https://" + address, BearerToken: token(t), QPS: -1, TLSClientConfig: rest.TLSClientConfig{Insecure: true},
		// A proxy of the environment cannot reach containers on this machine.
		Proxy: func(*http.Request) (*url.URL, error) { return nil, nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	clients.Store(s.cluster, client)
	return client
}

// pod is a pod and where it runs.
type pod struct {
	name, node, container, ip string
	restarts                  int32
	ready                     bool
	status                    corev1.PodStatus
}

// podsIn lists the pods of a namespace that a selector finds.
func (s *stack) podsIn(t *testing.T, namespace, selector string) []pod {
	t.Helper()
	list, err := s.kube(t).CoreV1().Pods(namespace).List(interrupted, metav1.ListOptions{LabelSelector: selector})
	if err != nil {
		t.Fatal(err)
	}
	var pods []pod
	for _, item := range list.Items {
		p := pod{name: item.Name, node: item.Spec.NodeName, ip: item.Status.PodIP, status: item.Status}
		for _, condition := range item.Status.Conditions {
			p.ready = p.ready || condition.Type == corev1.PodReady && condition.Status == corev1.ConditionTrue && item.DeletionTimestamp == nil
		}
		if len(item.Status.ContainerStatuses) > 0 {
			first := item.Status.ContainerStatuses[0]
			p.container, p.restarts = strings.TrimPrefix(first.ContainerID, "containerd://"), first.RestartCount
		}
		pods = append(pods, p)
	}
	return pods
}

// pods are the service's.
func (s *stack) pods(t *testing.T) []pod {
	t.Helper()
	return s.podsIn(t, s.project(), "")
}

// ready are those of the service's pods that are ready and not being deleted.
func (s *stack) ready(t *testing.T) []pod {
	t.Helper()
	return slices.DeleteFunc(s.pods(t), func(p pod) bool { return !p.ready })
}

// full waits until as many pods as usual are ready and no other is left.
func (s *stack) full(t *testing.T) {
	t.Helper()
	want, err := strconv.Atoi(s.normal["replicas"])
	if err != nil {
		t.Fatal(err)
	}
	s.settled(t, want)
}

func (s *stack) settled(t *testing.T, want int) {
	t.Helper()
	eventually(t, fmt.Sprintf("%d ready pods and no other", want), func() bool {
		pods := s.pods(t)
		return len(pods) == want && !slices.ContainsFunc(pods, func(p pod) bool { return !p.ready })
	})
}

// readyNodes names the nodes that are ready.
func (s *stack) readyNodes(t *testing.T) (names []string) {
	t.Helper()
	list, err := s.kube(t).CoreV1().Nodes().List(interrupted, metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, node := range list.Items {
		for _, condition := range node.Status.Conditions {
			if condition.Type == corev1.NodeReady && condition.Status == corev1.ConditionTrue {
				names = append(names, node.Name)
			}
		}
	}
	return names
}

// deploymentImage is the image that the stack's Deployment runs.
func (s *stack) deploymentImage(t *testing.T) string {
	t.Helper()
	list, err := s.kube(t).AppsV1().Deployments(s.project()).List(interrupted, metav1.ListOptions{})
	if err != nil || len(list.Items) != 1 {
		t.Fatalf("%d Deployments, %v", len(list.Items), err)
	}
	return list.Items[0].Spec.Template.Spec.Containers[0].Image
}

// process is, in a shell on the pod's node, the process of its container.
func (p pod) process() string {
	return "$(ctr --namespace k8s.io task ls | awk '$1 == \"" + p.container + "\" {print $2}')"
}

// respectsBudget does something while no disruption may leave fewer pods than the budget says.
func (s *stack) respectsBudget(t *testing.T, do func()) {
	t.Helper()
	// The first change is the budget as it is.
	changes, err := s.kube(t).PolicyV1().PodDisruptionBudgets(s.project()).Watch(interrupted, metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	var wrong []string
	seen, ended := 0, make(chan struct{})
	go func() {
		defer close(ended)
		for change := range changes.ResultChan() {
			if budget, ok := change.Object.(*policyv1.PodDisruptionBudget); ok {
				if seen++; budget.Status.CurrentHealthy < budget.Status.DesiredHealthy {
					wrong = append(wrong, fmt.Sprintf("%d of %d", budget.Status.CurrentHealthy, budget.Status.DesiredHealthy))
				}
			}
		}
	}()
	defer func() { // also when do fails
		changes.Stop()
		<-ended
		if len(wrong) > 0 {
			t.Errorf("healthy pods were %q that the budget wants", wrong)
		}
		if seen < 2 {
			t.Error("the budget's status never changed")
		}
	}()
	do()
}

// listed lists what Docker has of this checkout's emulator, with some more labels.
func listed(list string, labels ...string) ([]string, error) {
	arguments := strings.Fields(list)
	for _, label := range append(labels, "emulator="+home()) {
		arguments = append(arguments, "--filter=label=hello-timber."+label)
	}
	names, err := exec.Command("docker", arguments...).Output()
	if err != nil {
		err = fmt.Errorf("docker %s: %w", strings.Join(arguments, " "), err)
	}
	return strings.Fields(string(names)), err
}

func (s *stack) listed(t *testing.T, list string, labels ...string) []string {
	t.Helper()
	names, err := listed(list, labels...)
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// machines names the containers of the stack's clusters, also of one that it does not know.
func (s *stack) machines(t *testing.T) []string {
	t.Helper()
	return s.listed(t, "ps --all --format={{.Names}}", "project="+s.project())
}

// containers names those that play a role in the stack's cluster.
func (s *stack) containers(t *testing.T, role string) []string {
	t.Helper()
	return s.listed(t, "ps --all --format={{.Names}}", "role="+role, "cluster="+s.cluster)
}

// registries names the container that answers for Artifact Registry, if it runs.
func registries() []string {
	names, _ := listed("ps --format={{.Names}}", "role=registry")
	return names
}

// sweep removes what has a label and is of this checkout's emulator.
func sweep(labels ...string) error {
	for _, kind := range []struct{ list, remove string }{
		{"ps --all --format={{.Names}}", "rm --force --volumes"},
		{"network ls --format={{.Name}}", "network rm"},
		{"volume ls --format={{.Name}}", "volume rm --force"},
	} {
		names, err := listed(kind.list, labels...)
		if err != nil {
			return err
		}
		if len(names) == 0 {
			continue
		}
		// A volume may have gone with its container.
		if out, err := exec.Command("docker", append(strings.Fields(kind.remove), names...)...).CombinedOutput(); err != nil && !strings.Contains(strings.ToLower(string(out)), "no such ") {
			return fmt.Errorf("docker %s %q: %w: %s", kind.remove, names, err, out)
		}
	}
	return nil
}

// tidy removes the clusters of the tests. Without a cluster of the user's own, nothing
// needs the registry and the network either.
func tidy() error {
	projects, err := listed(`ps --all --format={{"hello-timber.project"|.Label}}`, "role=control-plane")
	if err != nil {
		return err
	}
	others := 0
	for _, project := range projects {
		if !strings.HasPrefix(project, "hello-timber-e2e") {
			others++
		} else if err := sweep("project=" + project); err != nil {
			return err
		}
	}
	if others > 0 {
		return nil
	}
	return sweep()
}
