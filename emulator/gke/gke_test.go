package gke

import (
	"testing"

	"github.com/docker/docker/api/types/container"
)

func TestRangesSplitANetworkInHalves(t *testing.T) {
	for subnet, want := range map[string]struct{ first, balancers string }{
		"172.18.0.0/16":     {"172.18.0.0", "172.18.128.0/17"},
		"192.168.48.0/20":   {"192.168.48.0", "192.168.56.0/21"},
		"10.1.2.0/24":       {"10.1.2.0", "10.1.2.128/25"},
		"172.18.0.1/16":     {"172.18.0.0", "172.18.128.0/17"},
		"10.1.2.0/27":       {}, // too small for a cluster and its load balancers
		"fd00::/64":         {},
		"":                  {},
		"172.18.0.0":        {},
		"172.18.0.0/33":     {},
		"300.18.0.0/16":     {},
		"172.18.0.0/16/16/": {},
	} {
		first, balancers, err := ranges(subnet)
		if (err != nil) != (want.first == "") {
			t.Errorf("ranges(%q): error %v", subnet, err)
		}
		if err == nil && (first.String() != want.first || balancers.String() != want.balancers) {
			t.Errorf("ranges(%q) = %s, %s, want %s, %s", subnet, first, balancers, want.first, want.balancers)
		}
	}
}

func TestRegion(t *testing.T) {
	for location, want := range map[string]string{"europe-west1-d": "europe-west1", "europe-west1": "europe-west1"} {
		if got := Region(location); got != want {
			t.Errorf("Region(%q) = %q, want %q", location, got, want)
		}
	}
}

// A pool's nodes are told apart by what they were made as, not by how many there are.
func TestPickFindsOutdatedNodes(t *testing.T) {
	before := Pool{MachineType: "n1-standard-1", NodesPerZone: 3, Zones: []string{"a"}}
	after := before
	after.NodesPerZone = 4
	if before.spec() != after.spec() {
		t.Error("another number of nodes makes another specification")
	}
	after.MachineType = "e2-medium"
	nodes := []container.Summary{
		{ID: "old", Labels: map[string]string{labelSpec: before.spec()}},
		{ID: "new", Labels: map[string]string{labelSpec: after.spec()}},
	}
	if current := pick(nodes, after, true); len(current) != 1 || current[0].ID != "new" {
		t.Errorf("current nodes: %v", current)
	}
	if outdated := pick(nodes, after, false); len(outdated) != 1 || outdated[0].ID != "old" {
		t.Errorf("outdated nodes: %v", outdated)
	}
}
