package target

import (
	"errors"
	"os"
	"regexp"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"hello-timber/command"
	"hello-timber/stacks/config"
)

// google is a target on Google Cloud.
type google struct {
	*config.Google
	ctx     *pulumi.Context
	name    string // logical, of all its resources
	stack   string // name of what must be guessable
	labels  pulumi.StringMap
	protect bool // refuse to delete or replace the cluster and the images
	apis    *apis
	domain  string // where the service answers by https; may be empty
}

// newGoogle creates the target on Google Cloud: a GKE cluster with its nodes, and an
// Artifact Registry repository. It returns an error before it registers anything if the
// credentials would not work for all of it.
func newGoogle(ctx *pulumi.Context, name string, cfg *config.Config, run *command.Runner) (*Target, error) {
	if err := checkCredentials(ctx); err != nil {
		return nil, err
	}
	g := &google{Google: cfg.Google, ctx: ctx, name: name, stack: cfg.Name, labels: resourceLabels(ctx.Project(), cfg), protect: cfg.DeletionProtection, domain: cfg.Service.Domain}
	err := g.checkZone()
	if err != nil {
		return nil, err
	}
	if g.apis, err = g.newAPIs(); err != nil {
		return nil, err
	}
	cluster, err := g.newCluster()
	if err != nil {
		return nil, err
	}
	registry, err := g.newRegistry(cluster.account.Member)
	if err != nil {
		return nil, err
	}
	domain, err := g.newDomain()
	if err != nil {
		return nil, err
	}
	kubeconfig := pulumi.Sprintf(googleKubeconfig, cluster.gke.Endpoint, cluster.gke.MasterAuth.ClusterCaCertificate().Elem())
	return &Target{
		ImageName: pulumi.Sprintf("%s/%s", registry.url, cfg.Service.Name), TokenHost: g.Region + "-docker.pkg.dev", PullGrant: registry.readerGrant,
		Platform:   "linux/amd64", // config refuses other machine types
		Kubeconfig: kubeconfig,
		ClusterID:  cluster.gke.ID(),
		Nodes:      []pulumi.Resource{cluster.nodes},
		MoreNodes:  g.MaxNodes > 0,
		Domain:     domain,
		Cluster:    cluster.gke.Name,
		Kubectl: pulumi.Sprintf("gcloud container clusters get-credentials %s --location %s --project %s",
			cluster.gke.Name, g.Location, g.Project),
		Console: pulumi.Sprintf("https://console.cloud.google.com/kubernetes/clusters/details/%s/%s/details?project=%s",
			g.Location, cluster.gke.Name, g.Project),
		Ask: asker(ctx, run, kubeconfig),
	}, nil
}

// asker returns what asks the cluster of a kubeconfig, which is known later. Nothing else here needs
// kubectl, so it may be missing.
func asker(ctx *pulumi.Context, run *command.Runner, kubeconfig pulumi.StringOutput) func(path string) (string, error) {
	known := make(chan string, 1)
	kubeconfig.ApplyT(func(text string) string {
		known <- text
		return text
	})
	return func(path string) (string, error) {
		file, err := os.CreateTemp("", "kubeconfig")
		if err != nil {
			return "", err
		}
		defer os.Remove(file.Name())
		text := <-known
		known <- text
		_, err = file.WriteString(text)
		if err := errors.Join(err, file.Close()); err != nil {
			return "", err
		}
		return run.Run(ctx.Context(), "kubectl", "--kubeconfig="+file.Name(), "get", "--raw="+path, "--request-timeout=15s")
	}
}

// resourceLabels split bills and searches in Google's console by project, stack and owner.
func resourceLabels(project string, cfg *config.Config) pulumi.StringMap {
	labels := pulumi.StringMap{
		"managed-by": pulumi.String("pulumi"),
		"project":    pulumi.String(labelValue(project)),
		"stack":      pulumi.String(cfg.Name),
	}
	if cfg.Owner != "" {
		labels["owner"] = pulumi.String(cfg.Owner)
	}
	return labels
}

var notInLabels = regexp.MustCompile(`[^a-z0-9_-]+`)

// labelValue returns text as Google accepts it in the value of a label: up to 63
// lower-case letters, digits, - and _. Pulumi's projects may have other names.
func labelValue(text string) string {
	value := notInLabels.ReplaceAllString(strings.ToLower(text), "-")
	return value[:min(len(value), 63)]
}

// googleKubeconfig holds no credential: the plugin fetches one for every run. A token
// would be a change in every preview, and expired in every later destroy.
//
// The plugin uses the Application Default Credentials, as the gcp provider does. By
// default it asks gcloud, which may be logged in with another account, and caches
// the answer for the cluster that kubectl is set to.
const googleKubeconfig = `apiVersion: v1
kind: Config
clusters:
- name: hello-timber
  cluster:
    server: https://%s
    certificate-authority-data: %s
contexts:
- name: hello-timber
  context:
    cluster: hello-timber
    user: hello-timber
current-context: hello-timber
users:
- name: hello-timber
  user:
    exec:
      apiVersion: client.authentication.k8s.io/v1beta1
      command: gke-gcloud-auth-plugin
      args: [--use_application_default_credentials]
      installHint: "gke-gcloud-auth-plugin is missing. Fix: gcloud components install gke-gcloud-auth-plugin"
      provideClusterInfo: true
      interactiveMode: Never
`
