package gke

import (
	"slices"
	"testing"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/network"
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
		first, balancers, err := ranges([]network.IPAMConfig{{Subnet: subnet}})
		if (err != nil) != (want.first == "") {
			t.Errorf("ranges(%q): error %v", subnet, err)
		}
		if err == nil && (first.String() != want.first || balancers.String() != want.balancers) {
			t.Errorf("ranges(%q) = %s, %s, want %s, %s", subnet, first, balancers, want.first, want.balancers)
		}
	}
}

func TestPlanAddsRemovesAndRenewsByZone(t *testing.T) {
	pool := Pool{MachineType: "e2-medium", NodesPerZone: 2, Zones: []string{"a", "b"}}
	before := pool
	before.MachineType, before.NodesPerZone = "n1-standard-1", 5 // the number does not count
	node := func(id, zone string, made Pool) container.Summary {
		return container.Summary{ID: id, Labels: map[string]string{labelZone: zone, labelSpec: made.spec()}}
	}
	plan := pool.plan([]container.Summary{
		node("a-old", "a", before), node("a-1", "a", pool), node("a-2", "a", pool), // one too many: the outdated one goes
		node("b-old", "b", before), // renewed, and one is missing
		node("c-1", "c", pool),     // in a zone that the pool has left
	})
	surplus, outdated := ids(plan.surplus), ids(plan.outdated)
	slices.Sort(surplus)
	if want := []string{"b"}; !slices.Equal(plan.missing, want) {
		t.Errorf("missing in %v, want %v", plan.missing, want)
	}
	if want := []string{"a-old", "c-1"}; !slices.Equal(surplus, want) {
		t.Errorf("surplus %v, want %v", surplus, want)
	}
	if want := []string{"b-old"}; !slices.Equal(outdated, want) {
		t.Errorf("outdated %v, want %v", outdated, want)
	}
}

// The pool's own labels never replace those that GKE sets.
func TestNodeLabels(t *testing.T) {
	pool := Pool{Cluster: Cluster{Location: "europe-west1-d"}, Name: "pool", MachineType: "e2-medium",
		Labels: map[string]string{"team": "wood", labelNodePool: "mine"}}
	want := "cloud.google.com/gke-nodepool=pool,node.kubernetes.io/instance-type=e2-medium,team=wood," +
		"topology.kubernetes.io/region=europe-west1,topology.kubernetes.io/zone=europe-west1-d"
	if got := pool.nodeLabels("europe-west1-d"); got != want {
		t.Errorf("labels %s, want %s", got, want)
	}
}

// With an engine's own defaults, a node would arrange this machine's groups, or could
// not read what it mounts. It can neither load modules, set the clock, restart the
// machine, nor reach its memory and devices.
func TestHostConfig(t *testing.T) {
	m := &Machines{home: "/home/me/hello-timber/.emulator"}
	for _, kernel := range []bool{true, false} {
		host := m.hostConfig(machine{kernel: kernel, volumes: []string{"/var/lib/kubelet"}, labels: map[string]string{labelProject: "p"}})
		if host.CgroupnsMode != container.CgroupnsModePrivate || host.UsernsMode != "host" || !slices.Contains(host.SecurityOpt, "label=disable") {
			t.Errorf("cgroup namespace %q, user namespace %q, security options %q", host.CgroupnsMode, host.UsernsMode, host.SecurityOpt)
		}
		if host.Privileged || slices.Contains(host.SecurityOpt, "seccomp=unconfined") != kernel {
			t.Errorf("needs much of the kernel: %t; privileged %t, security options %q", kernel, host.Privileged, host.SecurityOpt)
		}
		for _, capability := range []string{"ALL", "MAC_ADMIN", "SYS_BOOT", "SYS_MODULE", "SYS_RAWIO", "SYS_TIME"} {
			if slices.Contains(host.CapAdd, capability) {
				t.Errorf("has %s", capability)
			}
		}
		if labels := host.Mounts[0].VolumeOptions.Labels; labels[labelProject] != "p" {
			t.Errorf("a volume has the labels %v, want its container's", labels)
		}
	}
}
