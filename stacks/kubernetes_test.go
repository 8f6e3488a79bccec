package stacks

import (
	"strings"
	"testing"

	"gopkg.in/yaml.v3"
)

func TestKubeconfig(t *testing.T) {
	c, _ := deployDev(t, nil)
	text := c.inputs(t, typeProvider)["kubeconfig"].StringValue()
	var got struct {
		Clusters []struct {
			Name    string
			Cluster struct {
				Server string
				CA     string `yaml:"certificate-authority-data"`
			}
		}
		Contexts []struct {
			Name    string
			Context struct{ Cluster, User string }
		}
		CurrentContext string `yaml:"current-context"`
		Users          []struct {
			Name string
			User struct {
				Exec struct {
					Command string
					Args    []string
				}
			}
		}
	}
	if err := yaml.Unmarshal([]byte(text), &got); err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	cluster, context, user := got.Clusters[0], got.Contexts[0], got.Users[0]
	if cluster.Cluster.Server != "https://192.0.2.1" || cluster.Cluster.CA != "Y2VydGlmaWNhdGU=" {
		t.Errorf("the cluster is %+v", cluster)
	}
	if got.CurrentContext != context.Name || context.Context.Cluster != cluster.Name || context.Context.User != user.Name {
		t.Errorf("the context %+v does not join cluster and user", context)
	}
	if exec := user.User.Exec; exec.Command != "gke-gcloud-auth-plugin" || len(exec.Args) != 1 || exec.Args[0] != "--use_application_default_credentials" {
		t.Errorf("the user's credentials come from %+v", exec)
	}
	if strings.Contains(text, "token") || strings.Contains(text, "client-key") {
		t.Errorf("the kubeconfig has a credential:\n%s", text)
	}
}

// TestKubernetesProvider: replaced with the cluster and only with it; ready when there are nodes.
func TestKubernetesProvider(t *testing.T) {
	c, _ := deployDev(t, nil)
	want(t, c.inputs(t, typeProvider), "clusterIdentifier", "hello-timber-id")
	if !c.dependencies(t, typeProvider)[typeNodePool+" hello-timber"] {
		t.Error("the provider does not wait for the nodes")
	}
}

// TestEverythingOnTheClusterUsesTheProvider: the default one might be of any cluster.
func TestEverythingOnTheClusterUsesTheProvider(t *testing.T) {
	c, _ := deployDev(t, nil)
	for _, r := range c.resources {
		if strings.HasPrefix(r.TypeToken, "kubernetes:") && !strings.Contains(r.Provider, "Kubernetes$pulumi:providers:kubernetes::hello-timber::") {
			t.Errorf("the provider of %s %s is %q", r.TypeToken, r.Name, r.Provider)
		}
	}
}
