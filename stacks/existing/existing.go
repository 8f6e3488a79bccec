// Package existing finds a place for a service on an existing cluster. It creates
// nothing there.
package existing

import (
	"cmp"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"hello-timber/stacks/command"
	"hello-timber/stacks/config"
	"hello-timber/stacks/place"
	"hello-timber/stacks/problem"
)

// Find asks the cluster what the service's place is like. Its error says what is
// wrong with the kubeconfig, the context or the cluster.
func Find(ctx *pulumi.Context, cfg *config.Config, run *command.Runner) (*place.Place, error) {
	e := cfg.Existing
	q := &question{ctx: ctx, Existing: e, run: run, namespace: cfg.Name}
	cluster, wrong := q.ask()
	if wrong != nil {
		return nil, problem.All("stack "+ctx.Stack()+" has no cluster", *wrong)
	}
	return &place.Place{
		// Registries such as Docker Hub allow one level below the team, so the service's
		// name is not another one.
		ImageName:  pulumi.String(e.Registry + "/" + cfg.Name),
		PullSecret: e.PullSecret,
		Platform:   "linux/" + cluster.architecture,
		Kubeconfig: pulumi.String(e.Kubeconfig),
		Context:    e.Context,
		ClusterID:  pulumi.String(cluster.id),
		Cluster:    pulumi.String(e.Context),
		Kubectl: pulumi.String("kubectl config use-context " + problem.Quote(e.Context) +
			" --kubeconfig " + problem.Quote(e.Kubeconfig)),
	}, nil
}

// answer is what the program has to know about a cluster.
type answer struct {
	// id is the UID of a namespace that is as old as the cluster. No other cluster has
	// it, whatever a kubeconfig calls them.
	id string
	// architecture is the processor of the nodes that run the service: amd64 or arm64.
	architecture string
}

// question asks a cluster.
type question struct {
	*config.Existing
	ctx       *pulumi.Context
	run       *command.Runner
	namespace string // of the service
}

func (q *question) ask() (*answer, *problem.Problem) {
	set := func(key, example string) string {
		return "pulumi config set " + key + " " + example + " --stack " + q.ctx.Stack()
	}
	file := "kubeconfig " + q.Kubeconfig
	if err := q.readable(); err != nil {
		return nil, &problem.Problem{What: file, Rule: "cannot be read: " + err.Error(), Fix: set("kubeconfig", `'~/.kube/config'`)}
	}
	contexts, err := q.kubectl("config", "get-contexts", "--output=name")
	if err != nil {
		return nil, &problem.Problem{What: file, Rule: "is refused by kubectl: " + err.Error(),
			Fix: "correct the file until this succeeds: kubectl --kubeconfig " + problem.Quote(q.Kubeconfig) + " config view"}
	}
	if known := strings.Split(strings.TrimSpace(contexts), "\n"); !slices.Contains(known, q.Context) {
		example := problem.Quote(cmp.Or(known[0], "CONTEXT"))
		return nil, &problem.Problem{What: "context", Value: problem.Show(q.Context),
			Rule: "is not in " + file + ", which has " + cmp.Or(strings.Join(known, ", "), "none"), Fix: set("context", example)}
	}
	cluster, err := q.cluster()
	var other *problem.Problem
	if errors.As(err, &other) {
		other.Fix = set("context", "CONTEXT")
		return nil, other
	}
	if err != nil {
		return nil, &problem.Problem{What: "The cluster of context " + problem.Show(q.Context), Rule: "cannot be reached: " + err.Error(),
			Fix: "log in or start the cluster until this succeeds: kubectl --kubeconfig " + problem.Quote(q.Kubeconfig) +
				" --context " + problem.Quote(q.Context) + " get namespaces,nodes"}
	}
	return cluster, nil
}

// list is what the program reads of the API's lists of nodes and Deployments.
type list struct {
	Items []struct {
		Spec struct {
			Template struct {
				Spec struct{ NodeSelector map[string]string }
			}
		}
		Status struct {
			NodeInfo struct{ Architecture, OperatingSystem string }
		}
	}
}

func (q *question) cluster() (*answer, error) {
	var system struct {
		Metadata struct {
			UID         string
			Annotations map[string]string
		}
	}
	var nodes, deployments list
	err := q.get("/api/v1/namespaces/kube-system", &system)
	if err == nil {
		err = q.get("/api/v1/nodes", &nodes)
	}
	if err == nil {
		err = q.get("/apis/apps/v1/namespaces/"+q.namespace+"/deployments", &deployments)
	}
	if err != nil {
		return nil, err
	}
	if system.Metadata.UID == "" {
		return nil, errors.New("it has no kube-system namespace")
	}
	if _, ok := system.Metadata.Annotations["openshift.io/sa.scc.uid-range"]; ok {
		return nil, &problem.Problem{What: "The cluster of context " + problem.Show(q.Context),
			Rule: "is OpenShift, which runs pods as users that it chooses: this program's pods run as user 65532 only"}
	}
	architecture := choose(nodes, deployments)
	if architecture == "" {
		return nil, errors.New("it has no Linux nodes")
	}
	return &answer{id: system.Metadata.UID, architecture: architecture}, nil
}

// choose returns the processor that the image is built for: the one of the running
// Deployment as long as there are nodes with it, so that a new node changes nothing,
// else the one of most nodes.
func choose(nodes, deployments list) string {
	count := map[string]int{}
	for _, node := range nodes.Items {
		if node.Status.NodeInfo.OperatingSystem == "linux" {
			count[node.Status.NodeInfo.Architecture]++
		}
	}
	for _, deployment := range deployments.Items {
		if architecture := deployment.Spec.Template.Spec.NodeSelector["kubernetes.io/arch"]; count[architecture] > 0 {
			return architecture
		}
	}
	most := ""
	for architecture, n := range count {
		if n > count[most] || n == count[most] && architecture < most {
			most = architecture
		}
	}
	return most
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

func (q *question) path() string {
	if inHome, ok := strings.CutPrefix(q.Kubeconfig, "~/"); ok {
		home, _ := os.UserHomeDir() // without a home, the path below does not exist
		return filepath.Join(home, inHome)
	}
	return q.Kubeconfig
}

// readable returns why the kubeconfig cannot be read, without its path.
func (q *question) readable() error {
	file, err := os.Open(q.path())
	var failed *fs.PathError
	if errors.As(err, &failed) {
		return failed.Err
	}
	if err != nil {
		return err
	}
	return file.Close()
}

func (q *question) kubectl(args ...string) (string, error) {
	return q.run.Run(q.ctx.Context(), "kubectl", append([]string{"--kubeconfig=" + q.path()}, args...)...)
}
