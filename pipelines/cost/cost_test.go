package cost

import (
	"math"
	"os"
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

func scaledPoolOf(location, machine string, count, limit float64) *apitype.StepEventStateMetadata {
	pool := poolOf(location, machine, count, false)
	pool.Inputs["autoscaling"] = map[string]any{"minNodeCount": count, "maxNodeCount": limit}
	return pool
}

var balancer = &apitype.StepEventStateMetadata{Type: "kubernetes:core/v1:Service", Inputs: map[string]any{"spec": map[string]any{"type": "LoadBalancer"}}}

var gateway = &apitype.StepEventStateMetadata{Type: "kubernetes:gateway.networking.k8s.io/v1:Gateway"}

// fixed has a test calculate with fixed prices.
func fixed(t *testing.T) {
	t.Helper()
	text, err := os.ReadFile("../run/runtest/testdata/prices.csv")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { Fix(table) })
	Fix(string(text))
}

func TestCost(t *testing.T) {
	fixed(t)
	for name, tt := range map[string]struct {
		resources []*apitype.StepEventStateMetadata
		total     float64
		amount    string
	}{
		"dev":              {[]*apitype.StepEventStateMetadata{clusterAt("europe-west1-d"), poolOf("europe-west1-d", "n1-standard-1", 3, true), balancer}, 76.70, "$77 (or $150)"},
		"staging":          {[]*apitype.StepEventStateMetadata{clusterAt("europe-west1-d"), poolOf("europe-west1-d", "e2-medium", 3, false), balancer}, 102.57, "$103 (or $176)"},
		"prod":             {[]*apitype.StepEventStateMetadata{clusterAt("europe-west1"), poolOf("europe-west1", "e2-medium", 1, false), balancer}, 175.57, "$176"},
		"autoscaling":      {[]*apitype.StepEventStateMetadata{scaledPoolOf("europe-west1", "e2-medium", 1, 2)}, 168.64, "$169"},
		"another size":     {[]*apitype.StepEventStateMetadata{poolOf("europe-west1-b", "e2-standard-4", 2, false)}, 217.65, "$218"},
		"sustained use":    {[]*apitype.StepEventStateMetadata{poolOf("us-central1-b", "n2-standard-2", 1, false)}, 57.93, "$58"},
		"a domain":         {[]*apitype.StepEventStateMetadata{clusterAt("europe-west1-d"), gateway}, 18.25, "$18 (or $91)"},
		"several services": {[]*apitype.StepEventStateMetadata{clusterAt("europe-west1-d"), balancer, balancer}, 18.25, "$18 (or $91)"},
		"unknown":          {[]*apitype.StepEventStateMetadata{clusterAt("europe-west1"), poolOf("europe-west1", "c4-standard-4", 1, false), balancer}, 91.25, "$91 + unknown"},
		"zone, unknown":    {[]*apitype.StepEventStateMetadata{clusterAt("europe-west1-d"), poolOf("europe-west1-d", "c4-standard-4", 1, false), balancer}, 18.25, "$18 (or $91) + unknown"},
		"region":           {[]*apitype.StepEventStateMetadata{poolOf("asia-east1-a", "e2-medium", 3, false)}, 0, "unknown"},
		"existing cluster": {[]*apitype.StepEventStateMetadata{balancer}, 0, "unknown"},
		"nothing":          {nil, 0, "–"},
	} {
		var c Change
		for _, resource := range tt.resources {
			c.Count(apitype.StepEventMetadata{Op: apitype.OpCreate, New: resource})
		}
		if math.Abs(c.After.Total()-tt.total) > 0.01 || c.After.Amount() != tt.amount {
			t.Errorf("%s: $%.2f, %s, want $%.2f, %s: %q", name, c.After.Total(), c.After.Amount(), tt.total, tt.amount, c.After.Items())
		}
		if c.After.Known() == strings.Contains(tt.amount, "unknown") {
			t.Errorf("%s: Known is %t", name, c.After.Known())
		}
	}
}

// Names that are none of Google's do not get into a comment.
func TestNamesInItems(t *testing.T) {
	pool := poolOf("`x`", "@team [here](https://example.com)\n# now", 1, false)
	var c Cost
	c.Add(pool.Type, pool.Inputs)
	if items := strings.Join(c.Items(), ""); items != "unknown nodes with pd-standard in unknown: unknown price" {
		t.Errorf("items are %q", items)
	}
}

// A change says what it costs and why; a replacement counts once.
func TestChange(t *testing.T) {
	fixed(t)
	var c Change
	before, after := poolOf("europe-west1-d", "n1-standard-1", 3, true), poolOf("europe-west1-d", "e2-medium", 3, false)
	for _, step := range []apitype.StepEventMetadata{
		{Op: apitype.OpSame, Old: clusterAt("europe-west1-d"), New: clusterAt("europe-west1-d")},
		{Op: apitype.OpCreateReplacement, Old: before, New: after},
		{Op: apitype.OpReplace, Old: before, New: after},
		{Op: apitype.OpDeleteReplaced, Old: before},
		{Op: apitype.OpSame, Old: balancer, New: balancer},
	} {
		c.Count(step)
	}
	if c.Amounts() != "$77 (or $150) → $103 (or $176)" || !strings.HasPrefix(c.Why(), "3 × e2-medium $80.72 instead of 3 × n1-standard-1 spot $54.85; unchanged: ") {
		t.Errorf("%s: %s", c.Amounts(), c.Why())
	}
	var gone Change
	for _, resource := range []*apitype.StepEventStateMetadata{balancer, clusterAt("europe-west1-d")} { // in the order of a deletion
		gone.Count(apitype.StepEventMetadata{Op: apitype.OpDelete, Old: resource})
	}
	if gone.Amounts() != "$18 (or $91) → –" || !strings.HasPrefix(gone.Why(), "no longer: ") {
		t.Errorf("%s: %s", gone.Amounts(), gone.Why())
	}
}
