package main

import (
	"math"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/apitype"
)

func clusterAt(location string) *apitype.StepEventStateMetadata {
	return &apitype.StepEventStateMetadata{Type: "gcp:container/cluster:Cluster", Inputs: map[string]any{"location": location}}
}

func poolOf(location, machine string, count float64, spot bool) *apitype.StepEventStateMetadata {
	return &apitype.StepEventStateMetadata{Type: "gcp:container/nodePool:NodePool", Inputs: map[string]any{
		"location": location, "nodeCount": count,
		"nodeConfig": map[string]any{"machineType": machine, "spot": spot, "diskType": "pd-standard", "diskSizeGb": 30.0},
	}}
}

var balancer = &apitype.StepEventStateMetadata{Type: "kubernetes:core/v1:Service", Inputs: map[string]any{"spec": map[string]any{"type": "LoadBalancer"}}}

// The sums are those of docs/environments.md.
func TestCost(t *testing.T) {
	for name, tt := range map[string]struct {
		resources []*apitype.StepEventStateMetadata
		total     float64
		amount    string
	}{
		"dev":     {[]*apitype.StepEventStateMetadata{clusterAt("europe-west1-d"), poolOf("europe-west1-d", "n1-standard-1", 3, true), balancer}, 76.70, "$77"},
		"staging": {[]*apitype.StepEventStateMetadata{clusterAt("europe-west1-d"), poolOf("europe-west1-d", "e2-medium", 3, false), balancer}, 102.57, "$103"},
		"prod":    {[]*apitype.StepEventStateMetadata{clusterAt("europe-west1"), poolOf("europe-west1", "e2-medium", 1, false), balancer}, 175.57, "$176"},
		"unknown": {[]*apitype.StepEventStateMetadata{clusterAt("europe-west1"), poolOf("europe-west1", "c3-standard-4", 1, false), balancer}, 91.25, "$91 + unknown"},
		"region":  {[]*apitype.StepEventStateMetadata{poolOf("asia-east1-a", "e2-medium", 3, false)}, 0, "unknown"},
		"nothing": {nil, 0, "–"},
	} {
		var c costs
		for _, resource := range tt.resources {
			c.count(apitype.StepEventMetadata{Op: apitype.OpCreate, New: resource})
		}
		if math.Abs(c.After.Total-tt.total) > 0.01 || c.After.amount() != tt.amount {
			t.Errorf("%s: $%.2f, %s, want $%.2f, %s: %q", name, c.After.Total, c.After.amount(), tt.total, tt.amount, c.After.Items)
		}
	}
}

// A change says what it costs and why; a replacement counts once.
func TestCostChange(t *testing.T) {
	var c costs
	before, after := poolOf("europe-west1-d", "n1-standard-1", 3, true), poolOf("europe-west1-d", "e2-medium", 3, false)
	for _, step := range []apitype.StepEventMetadata{
		{Op: apitype.OpSame, Old: clusterAt("europe-west1-d"), New: clusterAt("europe-west1-d")},
		{Op: apitype.OpCreateReplacement, Old: before, New: after},
		{Op: apitype.OpReplace, Old: before, New: after},
		{Op: apitype.OpDeleteReplaced, Old: before},
		{Op: apitype.OpSame, Old: balancer, New: balancer},
	} {
		c.count(step)
	}
	if c.change() != "$77 → $103" || !strings.HasPrefix(c.why(), "3 × e2-medium $80.72 instead of 3 × n1-standard-1 spot $54.85; unchanged: ") {
		t.Errorf("%s: %s", c.change(), c.why())
	}
	var gone costs
	gone.count(apitype.StepEventMetadata{Op: apitype.OpDelete, Old: balancer})
	if gone.change() != "$18 → –" || !strings.HasPrefix(gone.why(), "no longer: ") {
		t.Errorf("%s: %s", gone.change(), gone.why())
	}
}
