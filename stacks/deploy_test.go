package stacks

import (
	"errors"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

func TestOutputs(t *testing.T) {
	_, outputs := deployDev(t, nil)
	want := map[string]any{
		"url":     "http://192.0.2.80",
		"image":   testDigest,
		"cluster": "hello-timber-1a2b3c4",
		"kubectl": "gcloud container clusters get-credentials hello-timber-1a2b3c4 --location europe-west1-d --project my-project",
		"console": "https://console.cloud.google.com/kubernetes/clusters/details/europe-west1-d/hello-timber-1a2b3c4/details?project=my-project",
	}
	if !maps.Equal(outputs, want) {
		t.Errorf("outputs are\n%v, want\n%v", outputs, want)
	}
}

// TestPreview runs the program as the first preview does: only inputs are known.
func TestPreview(t *testing.T) {
	for _, stack := range environments {
		c := newCloud()
		c.preview = true
		outputs, err := deploy(t, c, stack, stackConfig(t, stack))
		if err != nil {
			t.Fatal(err)
		}
		if len(outputs) != 0 {
			t.Errorf("outputs %v are known before anything exists", outputs)
		}
		full, _ := deployStack(t, stack, nil)
		if len(c.resources) != len(full.resources) {
			t.Errorf("the preview registers %d resources, the update %d", len(c.resources), len(full.resources))
		}
	}
}

// TestFailures lets the registration of each type fail in turn, with a built image
// and with an existing one.
func TestFailures(t *testing.T) {
	for _, image := range []string{"", promoted} {
		config := stackConfig(t, "prod")
		config["hello-timber:image"] = image
		full, _ := deployStack(t, "prod", config)
		types := map[string]bool{}
		for _, r := range full.resources {
			types[r.TypeToken] = true
		}
		if len(types) < 18 {
			t.Fatalf("only %d types are registered", len(types))
		}
		for _, typ := range slices.Sorted(maps.Keys(types)) {
			t.Run(typ, func(t *testing.T) {
				c := newCloud()
				c.fail = typ
				_, err := deploy(t, c, "prod", config)
				if err == nil || !strings.Contains(err.Error(), errInjected.Error()) {
					t.Errorf("error is %v, want %v", err, errInjected)
				}
			})
		}
	}
}

// TestEnvironments: the repository never says who may reach a control plane that
// people depend on.
func TestEnvironments(t *testing.T) {
	for _, stack := range environments[1:] {
		text, err := os.ReadFile("../Pulumi." + stack + ".yaml")
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(text), ":authorizedNetworks") || strings.Contains(string(text), "0.0.0.0") {
			t.Errorf("Pulumi.%s.yaml has authorizedNetworks", stack)
		}
	}
}

// TestNothingWaitsWithoutReason: steps that take minutes run at the same time.
func TestNothingWaitsWithoutReason(t *testing.T) {
	c, _ := deployDev(t, nil)
	for typ, independent := range map[string][]string{
		typeCluster:    {typeIAMMember, typeRepository, typeImage},
		typeImage:      {typeCluster, typeNodePool, typeReader, typeAccount},
		typeRepository: {typeCluster, typeNodePool, typeAccount},
		typeService:    {typeDeployment, typeImage, typeReader},
	} {
		waits := c.waitsFor(t, c.find(t, typ))
		for _, other := range independent {
			for waited := range waits {
				if strings.HasPrefix(waited, other+" ") {
					t.Errorf("%s waits for %s", typ, other)
				}
			}
		}
	}
}

// waitsFor returns type and name of everything that a resource depends on, directly or not.
func (c *cloud) waitsFor(t *testing.T, r pulumi.MockResourceArgs) map[string]bool {
	t.Helper()
	all := map[string]bool{}
	var visit func(r pulumi.MockResourceArgs)
	visit = func(r pulumi.MockResourceArgs) {
		urns := r.RegisterRPC.Dependencies
		if provider := r.RegisterRPC.Provider; provider != "" {
			urns = append(slices.Clone(urns), provider[:strings.LastIndex(provider, "::")])
		}
		for _, urn := range urns {
			if name := label(urn); !all[name] {
				all[name] = true
				u := resource.URN(urn)
				visit(c.find(t, string(u.Type()), u.Name()))
			}
		}
	}
	visit(r)
	return all
}

// TestProtection: a destroy deletes nothing. The engine deletes what nothing else
// depends on first and checks protection one resource at a time, so everything that
// is not protected itself must be needed by something that is.
func TestProtection(t *testing.T) {
	t.Setenv(pulumi.EnvConfigSecretKeys, `["hello-timber:environment", "hello-timber:pullSecret"]`)
	secret := map[string]string{"hello-timber:environment": `{"PASSWORD": "hush"}`}
	google, _ := deployStack(t, "prod", secret)
	dev, _ := deployDev(t, nil)
	released, _ := deployStack(t, "prod", map[string]string{"hello-timber:image": promoted})
	config := existingConfig(t)
	maps.Copy(config, secret)
	config["hello-timber:deletionProtection"] = "true"
	config["hello-timber:pullSecret"] = `{"auths": {"registry.example.com:5000": {"auth": "dXNlcjpodXNo"}}}`
	onlyTools(t, map[string]string{"docker": "true", "kubectl": kubectlAnswers})
	existing := newCloud()
	if _, err := deploy(t, existing, "dev", config); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]*cloud{"google": google, "an existing image": released, "existing": existing} {
		needed := map[string]bool{}
		for _, r := range c.resources {
			if r.RegisterRPC.GetProtect() {
				maps.Copy(needed, c.waitsFor(t, r))
			}
		}
		for _, r := range c.resources {
			if resource := r.TypeToken + " " + r.Name; r.Custom && !r.RegisterRPC.GetProtect() && !needed[resource] {
				t.Errorf("%s: a destroy deletes %s", name, resource)
			}
		}
	}
	for _, r := range dev.resources {
		if r.RegisterRPC.GetProtect() {
			t.Errorf("deletionProtection is false, but %s %s is protected", r.TypeToken, r.Name)
		}
	}
}

// TestOrdinaryChangesAreNotRefused: the engine refuses to delete or replace protected
// resources, so no change of a key may do that. What replaces a resource is what the
// official providers answered (gcp 7.38.0, docker 4.11.2), and kubernetes 4.25.0's table.
func TestOrdinaryChangesAreNotRefused(t *testing.T) {
	replaces := map[string][]string{
		typeCluster:                         {"location", "project", "masterAuth", "networkingMode", "privateClusterConfig", "datapathProvider", "network", "subnetwork", "ipAllocationPolicy"},
		typeRepository:                      {"location", "project", "repositoryId", "format"},
		typeNamespace:                       {"metadata.name"},
		typeDeployment:                      {"metadata.name", "metadata.namespace", "spec.selector"},
		typeService:                         {"metadata.name", "metadata.namespace", "spec.clusterIP"},
		typeBudget:                          {"metadata.name", "metadata.namespace"},
		typePolicy:                          {"metadata.name", "metadata.namespace"},
		typeReader:                          {"location", "project", "repository", "member", "role"},
		typeSecret:                          {"metadata.name", "metadata.namespace", "stringData", "data", "type"},
		"kubernetes:core/v1:ServiceAccount": {"metadata.name", "metadata.namespace"},
		"kubernetes:core/v1:LimitRange":     {"metadata.name", "metadata.namespace"},
		"kubernetes:core/v1:ResourceQuota":  {"metadata.name", "metadata.namespace", "spec.scopes"},
	}
	before, _ := deployStack(t, "prod", nil)
	for key, value := range map[string]string{
		"nodes": "6", "machineType": "n4-standard-2", "spot": "true", "authorizedNetworks": "198.51.100.0/24", "immutableTags": "false", "budget": "100",
		"replicas": "60", "imageVersion": "v2", "image": promoted, "port": "80", "livenessPath": "/", "readinessPath": "/", "startupSeconds": "300",
		"memory": "512", "environment": `{"A": "b"}`, "egress": "true", "allowedNetworks": "198.51.100.0/24", "address": "203.0.113.9", "owner": "team-timber",
	} {
		after, _ := deployStack(t, "prod", map[string]string{"hello-timber:" + key: value})
		for _, old := range before.resources {
			if !old.RegisterRPC.GetProtect() {
				continue
			}
			properties, known := replaces[old.TypeToken]
			if !known {
				t.Fatalf("%s is protected: add which of its properties replace it", old.TypeToken)
			}
			renewed := after.find(t, old.TypeToken, old.Name) // fails if it would be deleted
			if !renewed.RegisterRPC.GetProtect() {
				t.Errorf("%s=%s: %s loses its protection", key, value, old.TypeToken)
			}
			for _, property := range properties {
				path, err := resource.ParsePropertyPath(property)
				if err != nil {
					t.Fatal(err)
				}
				was, _ := path.Get(resource.NewProperty(old.Inputs))
				is, _ := path.Get(resource.NewProperty(renewed.Inputs))
				if !was.DeepEquals(is) {
					t.Errorf("%s=%s replaces %s %s, which is protected: %s changes", key, value, old.TypeToken, old.Name, property)
				}
			}
		}
	}
}

// TestNoCredentials: without Google's credentials there is no token for the registry.
func TestNoCredentials(t *testing.T) {
	c := &cloudWithoutCredentials{newCloud()}
	err := pulumi.RunErr(Deploy, pulumi.WithMocks("hello-timber", "dev", c), func(info *pulumi.RunInfo) {
		info.Config = stackConfig(t, "dev")
	})
	if err == nil || !strings.Contains(err.Error(), "no credentials") {
		t.Errorf("error is %v", err)
	}
}

type cloudWithoutCredentials struct{ *cloud }

func (*cloudWithoutCredentials) Call(pulumi.MockCallArgs) (resource.PropertyMap, error) {
	return nil, errors.New("no credentials")
}
