package stacks

import (
	"fmt"
	"slices"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
)

// TestNodesPerZone: three nodes in all, whether in one zone or in a region's three.
func TestNodesPerZone(t *testing.T) {
	for location, perZone := range map[string]int{"europe-west1-d": 3, "europe-west1": 1} {
		c, _ := deployDev(t, map[string]string{"hello-timber:location": location})
		inputs := c.inputs(t, typeNodePool)
		want(t, inputs, "location", location)
		want(t, inputs, "nodeCount", perZone)
		if inputs.HasValue("initialNodeCount") || inputs.HasValue("nodeLocations") {
			t.Errorf("%s: nodes are not counted by nodeCount and location alone", location)
		}
	}
}

// TestNodePoolIgnoresWhatGoogleSets: exact paths, since the provider silently
// accepts misspelt ones.
func TestNodePoolIgnoresWhatGoogleSets(t *testing.T) {
	c, _ := deployDev(t, nil)
	got := c.find(t, typeNodePool).RegisterRPC.IgnoreChanges
	want := []string{"nodeConfig.resourceLabels", "nodeConfig.kubeletConfig", "nodeConfig.gcfsConfig"}
	if !slices.Equal(got, want) {
		t.Errorf("ignored are %v, want %v", got, want)
	}
	nodeConfig := c.inputs(t, typeNodePool)["nodeConfig"].ObjectValue()
	for _, key := range []string{"resourceLabels", "kubeletConfig", "gcfsConfig"} {
		if nodeConfig.HasValue(resource.PropertyKey(key)) {
			t.Errorf("nodeConfig.%s is set, but its changes are ignored", key)
		}
	}
}

func TestSpot(t *testing.T) {
	for _, spot := range []bool{true, false} {
		c, _ := deployDev(t, map[string]string{"hello-timber:spot": fmt.Sprint(spot)})
		want(t, c.inputs(t, typeNodePool), "nodeConfig.spot", spot)
	}
}

func TestNodePoolWiring(t *testing.T) {
	c, _ := deployDev(t, map[string]string{"hello-timber:machineType": "e2-small"})
	inputs := c.inputs(t, typeNodePool)
	want(t, inputs, "cluster", c.outputs[typeCluster]["name"].StringValue())
	want(t, inputs, "nodeConfig.serviceAccount", c.outputs[typeAccount]["email"].StringValue())
	want(t, inputs, "nodeConfig.machineType", "e2-small")
	if !c.dependencies(t, typeNodePool)[typeIAMMember+" hello-timber"] {
		t.Error("the nodes do not wait for the role of their account")
	}
}
