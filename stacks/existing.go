package stacks

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// Existing is a cluster and a registry that somebody has made already, anywhere.
type Existing struct {
	Kubeconfig string // path of a file, from / or ~/ on; what it holds stays out of the state
	Context    string // of the kubeconfig: which cluster, and as whom
	Registry   string // what image names start with, HOST/PATH; Docker is logged in where that is needed
	PullSecret string // a Docker config with a login for the registry, which the nodes pull with; or empty
}

// onExistingCluster finds the cluster, and makes nothing but the access to it.
func onExistingCluster(ctx *pulumi.Context, cfg Config, _ string) (*place, error) {
	e := cfg.Existing
	cluster, err := e.ask()
	if err != nil {
		return nil, fmt.Errorf("stack %s has no cluster, nothing was changed:\n  - %w", ctx.Stack(), err)
	}
	kubernetes, err := NewKubernetes(ctx, platform, &KubernetesArgs{
		Kubeconfig: pulumi.String(e.Kubeconfig), Context: e.Context, Identifier: pulumi.String(cluster.identifier),
	})
	if err != nil {
		return nil, err
	}
	return &place{
		registry: pulumi.String(e.Registry), pullSecret: e.PullSecret, platform: "linux/" + cluster.architecture, kubernetes: kubernetes,
		cluster: pulumi.String(e.Context),
		kubectl: pulumi.Sprintf("kubectl config use-context %s --kubeconfig %s", e.Context, e.Kubeconfig),
	}, nil
}

// answers are what a stack has to know of a cluster.
type answers struct {
	// identifier is what no other cluster has, whatever a kubeconfig calls it: the
	// UID of a namespace that is as old as the cluster.
	identifier string
	// architecture is that of the nodes, which are all alike: amd64 or arm64.
	architecture string
}

// ask asks the cluster.
func (e *Existing) ask() (*answers, error) {
	if err := e.readable(); err != nil {
		return nil, fmt.Errorf("kubeconfig %s: %w; to mend it: pulumi config set kubeconfig %s", e.Kubeconfig, err, kubeconfigExample)
	}
	contexts, err := e.kubectl("config", "get-contexts", "--output=name")
	if err != nil {
		return nil, fmt.Errorf("kubeconfig %s: %w; to mend it: see that it answers to kubectl --kubeconfig %[1]s config view", e.Kubeconfig, err)
	}
	if known := strings.Fields(contexts); !slices.Contains(known, e.Context) {
		return nil, fmt.Errorf("context %s is not in kubeconfig %s, which has %s; to mend it: pulumi config set context %s",
			e.Context, e.Kubeconfig, cmp.Or(strings.Join(known, ", "), "none"), contextExample)
	}
	var system struct{ Metadata struct{ UID string } }
	var nodes struct {
		Items []struct {
			Status struct{ NodeInfo struct{ Architecture string } }
		}
	}
	err = e.get("/api/v1/namespaces/kube-system", &system)
	if err == nil {
		err = e.get("/api/v1/nodes?limit=1", &nodes)
	}
	if err == nil && (system.Metadata.UID == "" || len(nodes.Items) == 0) {
		err = errors.New("it has no identity, or no nodes")
	}
	if err != nil {
		return nil, fmt.Errorf("the cluster of context %s gives no access: %w; to mend it: see that it answers to kubectl --kubeconfig %s --context %[1]s get namespaces,nodes",
			e.Context, err, e.Kubeconfig)
	}
	return &answers{identifier: system.Metadata.UID, architecture: nodes.Items[0].Status.NodeInfo.Architecture}, nil
}

// get reads an object of the API. Raw, because kubectl otherwise first asks for all
// that the API has, five times over if nothing answers.
func (e *Existing) get(path string, object any) error {
	text, err := e.kubectl("--context="+e.Context, "get", "--raw="+path, "--request-timeout=15s")
	if err != nil {
		return err
	}
	return json.Unmarshal([]byte(text), object)
}

func (e *Existing) path() string {
	if inHome, ok := strings.CutPrefix(e.Kubeconfig, "~/"); ok {
		home, _ := os.UserHomeDir() // without a home, the path below does not exist
		return filepath.Join(home, inHome)
	}
	return e.Kubeconfig
}

func (e *Existing) readable() error {
	file, err := os.Open(e.path())
	if err != nil {
		return errors.Unwrap(err) // the reason without the path
	}
	return file.Close()
}

func (e *Existing) kubectl(args ...string) (string, error) {
	cmd := exec.Command("kubectl", append([]string{"--kubeconfig=" + e.path()}, args...)...)
	var complaint strings.Builder
	cmd.Stderr = &complaint
	out, err := cmd.Output()
	if err != nil {
		return "", errors.New(reason([]byte(complaint.String()), err))
	}
	return string(out), nil
}
