package stacks

import (
	"fmt"
	"strings"
	"testing"
	"time"

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

// TestAuthorizedNetworks: those of the config and no other, so also not Google's.
func TestAuthorizedNetworks(t *testing.T) {
	c, _ := deployDev(t, map[string]string{"hello-timber:authorizedNetworks": "203.0.113.0/24,198.51.100.7/32"})
	inputs := c.inputs(t, typeCluster)
	want(t, inputs, "masterAuthorizedNetworksConfig.cidrBlocks", "[map[cidrBlock:198.51.100.7/32] map[cidrBlock:203.0.113.0/24]]")
	want(t, inputs, "masterAuthorizedNetworksConfig.gcpPublicCidrsAccessEnabled", false)
}

// TestMaintenanceWindow: a form that Google answers as it was asked, and long
// enough for Google, which wants 48 hours in any 32 days.
func TestMaintenanceWindow(t *testing.T) {
	c, _ := deployDev(t, nil)
	window := c.inputs(t, typeCluster)["maintenancePolicy"].ObjectValue()["recurringWindow"].ObjectValue()
	const zulu = "2006-01-02T15:04:05Z"
	start, err := time.Parse(zulu, window["startTime"].StringValue())
	if err != nil {
		t.Fatal(err)
	}
	end, err := time.Parse(zulu, window["endTime"].StringValue())
	if err != nil {
		t.Fatal(err)
	}
	days, ok := strings.CutPrefix(window["recurrence"].StringValue(), "FREQ=WEEKLY;BYDAY=")
	if !ok || start.Weekday() != time.Saturday || days != "SA,SU" {
		t.Errorf("the window starts on %s and recurs %s", start.Weekday(), window["recurrence"])
	}
	if hours := 4 * 2 * end.Sub(start).Hours(); hours < 48 {
		t.Errorf("%v hours in four weeks", hours)
	}
}

// TestLabels: whoever reads a bill sees what it is for.
func TestLabels(t *testing.T) {
	for _, owner := range []string{"", "team-timber"} {
		c, _ := deployDev(t, map[string]string{"hello-timber:owner": owner})
		for _, labels := range []resource.PropertyValue{c.inputs(t, typeCluster)["resourceLabels"], c.inputs(t, typeRepository)["labels"]} {
			want(t, labels.ObjectValue(), "project", "hello-timber")
			want(t, labels.ObjectValue(), "stack", "hello-timber-dev")
		}
		for _, r := range c.resources {
			labels := r.Inputs["resourceLabels"]
			switch {
			case r.TypeToken == typeRepository:
				labels = r.Inputs["labels"]
			case strings.HasPrefix(r.TypeToken, "kubernetes:"):
				labels = r.Inputs["metadata"].ObjectValue()["labels"]
			case r.TypeToken != typeCluster:
				continue
			}
			got, ok := labels.ObjectValue()["owner"]
			if ok != (owner != "") || ok && got.StringValue() != owner {
				t.Errorf("owner %q: %s %s has the labels %v", owner, r.TypeToken, r.Name, labels)
			}
		}
	}
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
		if strings.HasPrefix(r.TypeToken, "gcp:") && (strings.Contains(r.TypeToken, "Binding") || strings.Contains(r.TypeToken, "Policy")) {
			t.Errorf("%s removes what others have granted", r.TypeToken)
		}
	}
}
