package stacks

import (
	"fmt"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
)

// promoted is an image that another stack has built.
const promoted = "europe-west4-docker.pkg.dev/staging-project/hello-timber-staging/timber-tutorial@sha256:1b2c3d4e5f60718293a4b5c6d7e8f90123456789abcdef0123456789abcdef01"

// TestGoogleFollowsConfig: what the environments do not show.
func TestGoogleFollowsConfig(t *testing.T) {
	c, _ := deployDev(t, map[string]string{
		"gcp:project": "another-project", "hello-timber:location": "us-central1", "hello-timber:nodes": "6", "hello-timber:machineType": "n4-standard-2",
		"hello-timber:authorizedNetworks": "203.0.113.0/24,198.51.100.7/32", "hello-timber:owner": "team-timber", "hello-timber:immutableTags": "true",
	})
	cluster, pool, repository := c.inputs(t, typeCluster), c.inputs(t, typeNodePool), c.inputs(t, typeRepository)
	want(t, cluster, "location", "us-central1")
	want(t, cluster, "project", "another-project")
	want(t, cluster, "workloadIdentityConfig.workloadPool", "another-project.svc.id.goog")
	want(t, cluster, "masterAuthorizedNetworksConfig.cidrBlocks", "[map[cidrBlock:198.51.100.7/32] map[cidrBlock:203.0.113.0/24]]")
	want(t, cluster, "resourceLabels.owner", "team-timber")
	want(t, pool, "nodeCount", 2)
	want(t, pool, "nodeConfig.diskType", "hyperdisk-balanced")
	want(t, repository, "location", "us-central1")
	want(t, repository, "dockerConfig.immutableTags", true)
	want(t, repository, "labels.owner", "team-timber")
	want(t, c.inputs(t, typeImage), "registry.server", "us-central1-docker.pkg.dev")
}

// TestUpgrades: all nodes are renewed within the time that Pulumi and a pipeline wait,
// however many there are.
func TestUpgrades(t *testing.T) {
	for _, test := range []struct{ location, nodes, maxNodes, surge string }{
		{"europe-west1-d", "1", "0", "1"}, {"europe-west1-d", "3", "0", "1"}, {"europe-west1-d", "5", "0", "1"}, {"europe-west1-d", "6", "0", "2"},
		{"europe-west1-d", "30", "0", "6"}, {"europe-west1-d", "3", "30", "6"}, {"europe-west1", "30", "0", "6"},
	} {
		c, _ := deployDev(t, map[string]string{"hello-timber:location": test.location, "hello-timber:nodes": test.nodes, "hello-timber:maxNodes": test.maxNodes})
		want(t, c.inputs(t, typeNodePool), "upgradeSettings.maxSurge", test.surge)
	}
}

// TestNetwork: the cluster is in the network that the config names, which is that of
// the stack's project, or of another one.
func TestNetwork(t *testing.T) {
	const shared = "projects/host-project/global/networks/shared"
	for name, test := range map[string]struct {
		changes map[string]string
		want    map[string]string // of the cluster's inputs; empty is unset
	}{
		"the default": {nil, map[string]string{"network": "", "subnetwork": "", "ipAllocationPolicy": "map[stackType:IPV4]",
			"privateClusterConfig.masterIpv4CidrBlock": "172.16.149.112/28"}},
		"another in auto mode": {map[string]string{"network": "mine"}, map[string]string{"network": "mine", "subnetwork": "", "ipAllocationPolicy": "map[stackType:IPV4]"}},
		"another in custom mode": {map[string]string{"network": "mine", "subnetwork": "s", "controlPlaneRange": "10.9.0.0/28"},
			map[string]string{"network": "mine", "subnetwork": "projects/my-project/regions/europe-west1/subnetworks/s", "ipAllocationPolicy": "map[stackType:IPV4]",
				"privateClusterConfig.masterIpv4CidrBlock": "10.9.0.0/28"}},
		"a Shared VPC": {map[string]string{"network": shared, "subnetwork": "s", "secondaryRanges": "pods,services", "location": "us-central1"},
			map[string]string{"network": shared, "subnetwork": "projects/host-project/regions/us-central1/subnetworks/s",
				"ipAllocationPolicy": "map[clusterSecondaryRangeName:pods servicesSecondaryRangeName:services stackType:IPV4]"}},
	} {
		t.Run(name, func(t *testing.T) {
			changes := map[string]string{}
			for key, value := range test.changes {
				changes["hello-timber:"+key] = value
			}
			c, _ := deployDev(t, changes)
			for property, value := range test.want {
				if inputs := c.inputs(t, typeCluster); value != "" {
					want(t, inputs, property, value)
				} else if inputs.HasValue(resource.PropertyKey(property)) {
					t.Errorf("%s is %v, want none", property, inputs[resource.PropertyKey(property)])
				}
			}
		})
	}
}

// TestNoEmptyBlocks: Google answers a block of nothing but false with no block, which
// would be a change in every preview.
func TestNoEmptyBlocks(t *testing.T) {
	c, _ := deployDev(t, map[string]string{"hello-timber:immutableTags": "false"})
	if inputs := c.inputs(t, typeRepository); inputs.HasValue("dockerConfig") {
		t.Errorf("dockerConfig is %v", inputs["dockerConfig"])
	}
}

// TestReaderOfTheImagesRepository: the nodes may read the repository that they
// pull from, which is another stack's after a promotion, and no other.
func TestReaderOfTheImagesRepository(t *testing.T) {
	for image, want := range map[string][3]string{
		"":         {"my-project", "europe-west1", "hello-timber-dev"},
		testDigest: {"my-project", "europe-west1", "hello-timber-dev"},
		promoted:   {"staging-project", "europe-west4", "hello-timber-staging"},
	} {
		c, _ := deployDev(t, map[string]string{"hello-timber:image": image})
		reader := c.inputs(t, typeReader) // there is only one
		if got := [3]string{reader["project"].StringValue(), reader["location"].StringValue(), reader["repository"].StringValue()}; got != want {
			t.Errorf("image %q: the nodes may read %v, want %v", image, got, want)
		}
		if !c.waitsFor(t, c.find(t, typeReader))[typeRepository+" hello-timber"] {
			t.Errorf("image %q: the right to read does not wait for the repository", image)
		}
	}
}

// TestRegistryTokenIsSecret: otherwise it would be in the state in plain text.
func TestRegistryTokenIsSecret(t *testing.T) {
	c, _ := deployDev(t, nil)
	password := c.inputs(t, typeImage)["registry"].ObjectValue()["password"]
	if !password.IsSecret() || password.SecretValue().Element.StringValue() != "ya29.token" {
		t.Errorf("the registry's password is %v, want the secret token", password)
	}
}

// TestExistingImage: a rollback and a promotion build nothing, need neither Docker
// nor a token for a registry, and run exactly the digest.
func TestExistingImage(t *testing.T) {
	onlyTools(t, map[string]string{"gke-gcloud-auth-plugin": "true"})
	c, outputs := deployDev(t, map[string]string{"hello-timber:image": promoted, "hello-timber:imageVersion": "v9"})
	for _, r := range c.resources {
		if strings.HasPrefix(r.TypeToken, "docker:") {
			t.Errorf("%s is registered", r.TypeToken)
		}
	}
	if c.calls > 0 {
		t.Error("a token is requested")
	}
	deployment := c.inputs(t, typeDeployment)
	want(t, deployment, "spec.template.spec.containers[0].image", promoted)
	// The image is not of the version that imageVersion has, so the label must not have it.
	want(t, deployment, `spec.template.metadata.labels["app.kubernetes.io/version"]`, "sha256-1b2c3d4e5f60")
	if outputs["image"] != promoted {
		t.Errorf("output image is %v", outputs["image"])
	}
}

// TestCredentialsOfTheWholeStack: credentials that work for Google's part alone are
// refused; the same file under two names is not.
func TestCredentialsOfTheWholeStack(t *testing.T) {
	for _, variable := range []string{"GOOGLE_CREDENTIALS", "GOOGLE_CLOUD_KEYFILE_JSON", "GCLOUD_KEYFILE_JSON", "GOOGLE_OAUTH_ACCESS_TOKEN", "GOOGLE_IMPERSONATE_SERVICE_ACCOUNT"} {
		t.Run(variable, func(t *testing.T) {
			t.Setenv(variable, "hush")
			refused(t, stackConfig(t, "dev"), variable, "unset "+variable)
			t.Setenv("GOOGLE_APPLICATION_CREDENTIALS", "hush")
			if strings.Contains(variable, "CREDENTIALS") || strings.Contains(variable, "KEYFILE") {
				deployDev(t, nil)
			}
		})
	}
	for _, key := range []string{"gcp:credentials", "gcp:accessToken", "gcp:impersonateServiceAccount"} {
		config := stackConfig(t, "dev")
		config[key] = "hush"
		refused(t, config, key, fmt.Sprintf("pulumi config rm %s --stack dev", key))
	}
}
