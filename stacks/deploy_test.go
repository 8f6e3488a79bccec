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
		"url":       "http://192.0.2.80",
		"image":     testDigest,
		"cluster":   "hello-timber-1a2b3c4",
		"namespace": "hello-timber-dev",
		"kubectl":   "gcloud container clusters get-credentials hello-timber-1a2b3c4 --location europe-west1-d --project my-project",
		"console":   "https://console.cloud.google.com/kubernetes/clusters/details/europe-west1-d/hello-timber-1a2b3c4/details?project=my-project",
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
		if delete(outputs, "namespace"); len(outputs) != 0 { // its name is fixed
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
