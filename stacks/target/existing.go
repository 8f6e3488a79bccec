package target

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"hello-timber/command"
	"hello-timber/stacks/config"
)

// oldestMinor is the first Kubernetes 1 that has every field of the Deployment by
// default: the newest of them is matchLabelKeys in an affinity. An older one would drop
// it, and have a change in every preview.
const oldestMinor = 31

// findExisting asks an existing cluster what it is like. It creates nothing there.
//
// What it checks is what the work uses:
//
//	checked                by                        used by                  they agree, because
//	path of kubeconfig     the account's home        the Kubernetes provider  another HOME is refused
//	files that it names    kubectl config view       the provider             relative paths are refused
//	context and login      kubectl --context         the provider             both use Kubernetes' client-go
//	version and identity   the API server            the API server
//	processor              the nodes' taints         the scheduler            nodes that repel pods do not count
//	metrics server         its API, if maxReplicas   the autoscaler           both call that API
//	right to read          these requests            this program             it reads nothing else
//	right to write         no one, because previews  the provider             the list in docs/your-service.md
//	                       do not need it
func findExisting(ctx *pulumi.Context, cfg *config.Config, run *command.Runner) (*Target, error) {
	e := cfg.Existing
	q := &question{ctx: ctx, Existing: e, run: run, namespace: cfg.Name, scales: cfg.Service.MaxReplicas > 0}
	wrong := q.open()
	if wrong == nil {
		wrong = q.ask()
	}
	if len(wrong) > 0 {
		return nil, config.Problems("stack "+ctx.Stack()+" has no cluster", wrong...)
	}
	return &Target{
		// Registries such as Docker Hub allow one level below the team, so the service's
		// name is not another one.
		ImageName:  pulumi.String(e.Registry + "/" + cfg.Name),
		PullSecret: e.PullSecret,
		Platform:   "linux/" + q.architecture,
		Kubeconfig: pulumi.String(e.Kubeconfig),
		Context:    e.Context,
		ClusterID:  pulumi.String(q.id),
		Cluster:    pulumi.String(e.Context),
		Kubectl: pulumi.String("kubectl config use-context " + config.Quote(e.Context) +
			" --kubeconfig " + config.Quote(e.Kubeconfig)),
	}, nil
}

// question asks a cluster.
type question struct {
	*config.Existing
	ctx       *pulumi.Context
	run       *command.Runner
	namespace string // of the service
	scales    bool   // the number of pods follows the load
	path      string // of the kubeconfig, once it is open

	// The answers. id is the UID of a namespace that is as old as the cluster: no other
	// cluster has it, whatever a kubeconfig calls them. architecture is the processor of
	// the nodes that run the service: amd64 or arm64.
	id, architecture string
}

// set is the command that sets a key.
func (q *question) set(key, value string) string {
	return "pulumi config set " + key + " " + value + " --stack " + q.ctx.Stack()
}

// list is what the program reads of the API's lists of nodes and Deployments.
type list struct {
	Items []struct {
		Spec struct {
			Taints   []taint
			Template struct {
				Spec struct{ NodeSelector map[string]string }
			}
		}
		Status struct {
			NodeInfo struct{ Architecture, OperatingSystem string }
		}
	}
}

// ask asks the cluster, and returns everything that is wrong with it. If a request has
// no answer, that is all that is wrong.
func (q *question) ask() (wrong []config.Problem) {
	cluster := "The cluster of context " + config.Show(q.Context)
	refuse := func(rule, fix string) { wrong = append(wrong, config.Problem{What: cluster, Rule: rule, Fix: fix}) }
	var version struct{ Minor, GitVersion string }
	var system struct {
		Metadata struct {
			UID         string
			Annotations map[string]string
		}
	}
	var nodes, deployments list
	for _, request := range []struct {
		path string
		into any
	}{
		{"/version", &version},
		{"/api/v1/namespaces/kube-system", &system},
		{"/api/v1/nodes", &nodes},
		{"/apis/apps/v1/namespaces/" + q.namespace + "/deployments", &deployments},
	} {
		err := q.get(request.path, request.into)
		if err != nil && !strings.Contains(err.Error(), "(Forbidden)") {
			return []config.Problem{{What: cluster, Rule: "cannot be reached: " + err.Error(),
				Fix: "log in or start the cluster until this succeeds: " + q.command() + " get namespaces,nodes"}}
		}
		if err != nil {
			refuse("does not let you read "+request.path+": "+err.Error(),
				"ask its administrator for the rights that docs/your-service.md lists under Rights on an existing cluster")
		}
	}
	if len(wrong) > 0 {
		return wrong
	}
	another := q.set("context", "CONTEXT")
	if minor, err := strconv.Atoi(strings.TrimSuffix(version.Minor, "+")); err == nil && minor < oldestMinor {
		refuse(fmt.Sprintf("has Kubernetes %s, and pods of this program need 1.%d or newer", config.Show(version.GitVersion), oldestMinor), another)
	}
	if q.id = system.Metadata.UID; q.id == "" {
		refuse("has no kube-system namespace", another)
	}
	if _, ok := system.Metadata.Annotations["openshift.io/sa.scc.uid-range"]; ok {
		refuse("is OpenShift, which runs pods as users that it chooses: this program's pods run as user 65532 only", another)
	}
	var repelled []string
	if q.architecture, repelled = choose(nodes, deployments); q.architecture == "" {
		rule := "has no Linux nodes"
		if len(repelled) > 0 {
			rule += " that pods may use: they have the taints " + strings.Join(repelled, ", ")
		}
		refuse(rule, "add a node, or choose another cluster: "+another)
	}
	return append(wrong, q.measures()...)
}

// measures refuses an autoscaler that would never scale. A metrics server that is there
// and does not answer is not a reason to refuse: an update may be what repairs it.
func (q *question) measures() []config.Problem {
	if !q.scales {
		return nil
	}
	err := q.get("/apis/metrics.k8s.io/v1beta1", &struct{}{})
	switch {
	case err == nil:
	case strings.Contains(err.Error(), "(NotFound)"):
		return []config.Problem{{What: "maxReplicas", Rule: "needs a metrics server, and the cluster of context " + config.Show(q.Context) + " has none",
			Fix: "install one (https://github.com/kubernetes-sigs/metrics-server), or " + q.set("maxReplicas", "0")}}
	default:
		_ = q.ctx.Log.Warn("maxReplicas has no effect until the metrics server answers: "+err.Error(), nil)
	}
	return nil
}

// taint is what keeps pods off a node.
type taint struct{ Key, Value, Effect string }

// repels reports whether the taint keeps the service's pods off the node for good.
// Taints of Kubernetes' own controllers describe a condition that passes. The one that
// GKE gives arm64 nodes is tolerated by pods that select their processor, as these do.
func (t taint) repels() bool {
	prefix, _, _ := strings.Cut(t.Key, "/")
	passes := slices.Contains([]string{"node.kubernetes.io", "node.cloudprovider.kubernetes.io", "ToBeDeletedByClusterAutoscaler"}, prefix)
	return t.Effect != "PreferNoSchedule" && !passes && t.Key != "kubernetes.io/arch"
}

// choose returns the processor that the image is built for: the one of the running
// Deployment as long as there are nodes with it that pods may use, so that a new node
// changes nothing, else the one of most such nodes. It also returns the taints of the
// others.
func choose(nodes, deployments list) (most string, repelled []string) {
	count, taints := map[string]int{}, map[string]bool{}
	for _, node := range nodes.Items {
		if node.Status.NodeInfo.OperatingSystem != "linux" {
			continue
		}
		if i := slices.IndexFunc(node.Spec.Taints, taint.repels); i >= 0 {
			taints[node.Spec.Taints[i].Key] = true
			continue
		}
		count[node.Status.NodeInfo.Architecture]++
	}
	repelled = slices.Sorted(maps.Keys(taints))
	for _, deployment := range deployments.Items {
		if architecture := deployment.Spec.Template.Spec.NodeSelector["kubernetes.io/arch"]; count[architecture] > 0 {
			return architecture, repelled
		}
	}
	for architecture, n := range count {
		if n > count[most] || n == count[most] && architecture < most {
			most = architecture
		}
	}
	return most, repelled
}

// get reads an object of the API. Raw, because kubectl would otherwise first ask for
// everything that the API has, five times if nothing answers.
func (q *question) get(path string, object any) error {
	text, err := q.kubectl("--context="+q.Context, "get", "--raw="+path, "--request-timeout=15s")
	if err != nil {
		return err
	}
	return json.Unmarshal([]byte(text), object)
}
