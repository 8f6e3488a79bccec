package target

import (
	"cmp"
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

// existing is a cluster that the program asks. It creates nothing there. What it checks is
// what the work uses:
//
//	checked                by                        used by                  they agree, because
//	path of kubeconfig     the account's home        the Kubernetes provider  both take it from the account
//	files that it names    kubectl config view       the provider             relative paths are refused
//	context and login      kubectl --context         the provider             both use Kubernetes' client-go
//	version and identity   the API server            the API server
//	processor              the nodes' taints         the scheduler            nodes that repel pods do not count
//	metrics server         its API, if maxReplicas   the autoscaler           both call that API
//	gatewayClass           the Gateway API           its controller           it takes Gateways of its class only
//	no such namespace      the API server, before    the provider             the namespace's name is fixed
//	                       a create
//	right to read          these requests            this program             it reads nothing else
//	right to write         no one, because previews  the provider             the list in docs/your-service.md
//	                       do not need it
type existing struct {
	*config.Existing
	ctx  *pulumi.Context
	run  *command.Runner
	path string // of the kubeconfig
}

// findExisting asks an existing cluster what it is like.
func findExisting(ctx *pulumi.Context, cfg *config.Config, run *command.Runner) (*Target, error) {
	e := &existing{Existing: cfg.Existing, ctx: ctx, run: run, path: cfg.Existing.Kubeconfig}
	var is answers
	wrong := e.open()
	if wrong == nil {
		is, wrong = e.ask(cfg.Name)
	}
	architecture, repelled := choose(is.nodes, is.deployments)
	if wrong == nil {
		wrong = e.judge(is, architecture, repelled)
		if cfg.Service.MaxReplicas > 0 {
			wrong = append(wrong, e.measures()...)
		}
	}
	if wrong != nil {
		return nil, config.Problems("stack "+ctx.Stack()+" has no cluster", wrong...)
	}
	return &Target{
		// Registries such as Docker Hub allow one level below the team, so the service's
		// name is not another one.
		ImageName:  pulumi.String(e.Registry + "/" + cfg.Name),
		PullSecret: e.PullSecret,
		Platform:   "linux/" + architecture,
		Kubeconfig: pulumi.String(e.Kubeconfig),
		Context:    e.Context,
		ClusterID:  pulumi.String(is.system.Metadata.UID),
		Domain:     e.domain(cfg.Service),
		Cluster:    pulumi.String(e.Context),
		Kubectl:    pulumi.String("kubectl config use-context " + config.Quote(e.Context) + " --kubeconfig " + config.Quote(e.Kubeconfig)),
		Ask:        e.read,
		Taken:      e.taken,
	}, nil
}

// answers are what the program reads of a cluster.
type answers struct {
	version struct{ Minor, GitVersion string }
	// system is a namespace that is as old as the cluster: no other cluster has its UID,
	// whatever a kubeconfig calls them.
	system struct {
		Metadata struct {
			UID         string
			Annotations map[string]string
		}
	}
	nodes, deployments, classes list
}

type list struct {
	Items []struct {
		Metadata struct{ Name string }
		Spec     struct {
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

// problem is one of the cluster.
func (e *existing) problem(rule, fix string) config.Problem {
	return config.Problem{What: "The cluster of context " + config.Show(e.Context), Rule: rule, Fix: fix}
}

// ask asks the cluster. If a request has no answer, that is all that is wrong.
func (e *existing) ask(namespace string) (is answers, wrong []config.Problem) {
	for _, request := range []struct {
		path string
		into any
	}{
		{"/version", &is.version},
		{"/api/v1/namespaces/kube-system", &is.system},
		{"/api/v1/nodes", &is.nodes},
		{"/apis/apps/v1/namespaces/" + namespace + "/deployments", &is.deployments},
		{"/apis/gateway.networking.k8s.io/v1/gatewayclasses", &is.classes},
	} {
		ofClasses := request.into == &is.classes
		if ofClasses && e.GatewayClass == "" {
			continue
		}
		switch err := e.get(request.path, request.into); {
		case err == nil:
		case ofClasses && strings.Contains(err.Error(), "(NotFound)"): // it has no Gateway API
		case strings.Contains(err.Error(), "(Forbidden)"):
			wrong = append(wrong, e.problem("does not let you read "+request.path+": "+err.Error(),
				"ask its administrator for the rights that docs/your-service.md lists under Rights on an existing cluster"))
		default:
			return is, []config.Problem{e.problem("cannot be reached: "+err.Error(), "log in or start the cluster until this succeeds: "+e.command()+" get namespaces,nodes")}
		}
	}
	return is, wrong
}

// judge returns everything that is wrong with the cluster.
func (e *existing) judge(is answers, architecture string, repelled []string) (wrong []config.Problem) {
	another := e.set("context", "CONTEXT")
	refuse := func(rule, fix string) { wrong = append(wrong, e.problem(rule, fix)) }
	if minor, err := strconv.Atoi(strings.TrimSuffix(is.version.Minor, "+")); err == nil && minor < oldestMinor {
		refuse(fmt.Sprintf("has Kubernetes %s, and pods of this program need 1.%d or newer", config.Show(is.version.GitVersion), oldestMinor), another)
	}
	if is.system.Metadata.UID == "" {
		refuse("has no kube-system namespace", another)
	}
	if _, ok := is.system.Metadata.Annotations["openshift.io/sa.scc.uid-range"]; ok {
		refuse("is OpenShift, which runs pods as users that it chooses: this program's pods run as user 65532 only", another)
	}
	if architecture == "" {
		rule := "has no Linux nodes"
		if len(repelled) > 0 {
			rule += " that pods may use: they have the taints " + strings.Join(repelled, ", ")
		}
		refuse(rule, "add a node, or choose another cluster: "+another)
	}
	var classes []string
	for _, class := range is.classes.Items {
		classes = append(classes, class.Metadata.Name)
	}
	if e.GatewayClass != "" && !slices.Contains(classes, e.GatewayClass) {
		wrong = append(wrong, config.Problem{What: "gatewayClass", Value: config.Show(e.GatewayClass),
			Rule: "is not a class of the cluster of context " + config.Show(e.Context) + ", which has " + cmp.Or(strings.Join(classes, ", "), "none"),
			Fix:  "choose another, or have one installed with the Gateway API (" + e.command() + " get gatewayclasses): " + e.set("gatewayClass", "CLASS")})
	}
	return wrong
}

// measures refuses an autoscaler that would never scale. A metrics server that is there
// and does not answer is not a reason to refuse: an update may be what repairs it.
func (e *existing) measures() []config.Problem {
	err := e.get("/apis/metrics.k8s.io/v1beta1", &struct{}{})
	if err != nil && strings.Contains(err.Error(), "(NotFound)") {
		return []config.Problem{{What: "maxReplicas", Rule: "needs a metrics server, and the cluster of context " + config.Show(e.Context) + " has none",
			Fix: "install one (https://github.com/kubernetes-sigs/metrics-server), or " + e.set("maxReplicas", "0")}}
	}
	if err != nil {
		_ = e.ctx.Log.Warn(config.Printable("maxReplicas has no effect until the metrics server answers: "+err.Error()), nil)
	}
	return nil
}

// taint is what keeps pods off a node.
type taint struct{ Key, Effect string }

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
	for _, architecture := range slices.Sorted(maps.Keys(count)) {
		if count[architecture] > count[most] {
			most = architecture
		}
	}
	return most, repelled
}

// taken refuses a namespace that is there before the stack creates it.
func (e *existing) taken(namespace string) error {
	_, err := e.read("/api/v1/namespaces/" + namespace)
	switch {
	case err == nil:
	case strings.Contains(err.Error(), "(NotFound)"):
		return nil
	default:
		return e.problem("does not answer whether it has namespace "+namespace+": "+err.Error(), "repeat this when it is answered: "+e.command()+" get namespace "+namespace)
	}
	stack := e.ctx.Stack()
	return config.Problem{What: "namespace", Value: namespace, Rule: "already exists on the cluster of context " + config.Show(e.Context) + ", and stack " + stack + " did not create it",
		Fix: "choose another name for the stack, and so for its namespace: pulumi stack rename NAME --stack " + stack +
			"; or, if a killed update of this stack left it empty (" + e.command() + " get all --namespace " + namespace + "): " + e.command() + " delete namespace " + namespace +
			"; or, if the state was lost: docs/operations.md"}
}

// read reads a path of the API. Raw, because kubectl would otherwise first ask for
// everything that the API has, five times if nothing answers.
func (e *existing) read(path string) (string, error) {
	return e.kubectl("--context="+e.Context, "get", "--raw="+path, "--request-timeout=15s")
}

// get reads an object of the API.
func (e *existing) get(path string, object any) error {
	text, err := e.read(path)
	if err != nil {
		return err
	}
	return json.Unmarshal([]byte(text), object)
}
