package stacks

import (
	"fmt"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
)

// TestClusterHasNoNodesOfItsOwn: with these, a change of the nodes would replace the cluster.
func TestClusterHasNoNodesOfItsOwn(t *testing.T) {
	c, _ := deployDev(t, nil)
	inputs := c.inputs(t, typeCluster)
	want(t, inputs, "removeDefaultNodePool", true)
	for _, key := range []resource.PropertyKey{"nodeConfig", "nodePools", "nodeLocations"} {
		if inputs.HasValue(key) {
			t.Errorf("%s is set", key)
		}
	}
}

// TestNothingPinsAVersion: a pinned version fights Google's upgrades.
func TestNothingPinsAVersion(t *testing.T) {
	c, _ := deployDev(t, nil)
	want(t, c.inputs(t, typeCluster), "releaseChannel.channel", "REGULAR")
	for typ, keys := range map[string][]resource.PropertyKey{
		typeCluster:  {"minMasterVersion", "nodeVersion"},
		typeNodePool: {"version"},
	} {
		for _, key := range keys {
			if c.inputs(t, typ).HasValue(key) {
				t.Errorf("%s: %s is set", typ, key)
			}
		}
	}
}

func TestClusterFollowsConfig(t *testing.T) {
	c, _ := deployDev(t, map[string]string{
		"hello-timber:location": "us-central1", "gcp:project": "another-project",
	})
	inputs := c.inputs(t, typeCluster)
	want(t, inputs, "location", "us-central1")
	want(t, inputs, "project", "another-project")
	want(t, inputs, "workloadIdentityConfig.workloadPool", "another-project.svc.id.goog")
}

// TestDeletionProtection: by the engine, before anything is deleted, and by the provider.
func TestDeletionProtection(t *testing.T) {
	for _, protection := range []bool{true, false} {
		c, _ := deployDev(t, map[string]string{"hello-timber:deletionProtection": fmt.Sprint(protection)})
		want(t, c.inputs(t, typeCluster), "deletionProtection", protection)
		for _, typ := range []string{typeCluster, typeRepository} {
			if got := c.find(t, typ).RegisterRPC.GetProtect(); got != protection {
				t.Errorf("deletionProtection %t: protect of %s is %t", protection, typ, got)
			}
		}
	}
}

// TestNodeAccount: all that nodes may do is the node role, and reading this one repository.
func TestNodeAccount(t *testing.T) {
	c, _ := deployDev(t, nil)
	member := c.outputs[typeAccount]["member"].StringValue()
	role := c.inputs(t, typeIAMMember)
	want(t, role, "role", "roles/container.defaultNodeServiceAccount")
	want(t, role, "member", member)
	reader := c.inputs(t, typeReader)
	want(t, reader, "role", "roles/artifactregistry.reader")
	want(t, reader, "member", member)
	want(t, reader, "repository", "hello-timber-dev")
	for _, r := range c.resources {
		if strings.Contains(r.TypeToken, "Binding") || strings.Contains(r.TypeToken, "Policy") {
			t.Errorf("%s removes what others have granted", r.TypeToken)
		}
	}
}
