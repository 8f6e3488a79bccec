package main

import (
	"cmp"
	"context"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"

	"hello-timber/stacks/config"
)

// quotas is what gcloud lists of a region or a project.
type quotas struct {
	Quotas []struct {
		Metric       string
		Limit, Usage float64
	}
	Zones []string
}

// need is an amount of what a quota limits.
type need struct {
	metric string
	amount int
}

// quota compares what the region and the project have left with what the stack needs.
func quota(ctx context.Context, s *stack) finding {
	if s.up {
		return ok("in use by the stack")
	}
	var region, project quotas
	if err := s.gcloud(ctx, &region, "compute", "regions", "describe", s.region()); err != nil {
		return unknown("%v", err)
	}
	if err := s.gcloud(ctx, &project, "compute", "project-info", "describe"); err != nil {
		return unknown("%v", err)
	}
	limit, left := map[string]float64{}, map[string]float64{}
	for _, q := range append(region.Quotas, project.Quotas...) {
		limit[q.Metric], left[q.Metric] = q.Limit, q.Limit-q.Usage
	}
	zone := s.config["location"]
	if !config.IsZone(zone) && len(region.Zones) > 0 {
		zone = path.Base(region.Zones[0])
	}
	nodes, err := strconv.Atoi(s.config["nodes"])
	if err != nil {
		return unknown("nodes is %q", s.config["nodes"])
	}
	most, err := strconv.Atoi(cmp.Or(s.config["maxNodes"], "0"))
	if err != nil {
		return unknown("maxNodes is %q", s.config["maxNodes"])
	}
	nodes = max(nodes, most) // GKE may add as many
	var node struct{ GuestCPUs int }
	if err := s.gcloud(ctx, &node, "compute", "machine-types", "describe", s.config["machineType"], "--zone="+zone); err != nil {
		return unknown("%v", err)
	}
	// The nodes that GKE creates a cluster with are like these, at most as many, and are
	// removed before.
	return s.compare([]need{
		{processorQuota(s.config["machineType"], s.config["spot"] == "true", limit), nodes * node.GuestCPUs},
		{"CPUS_ALL_REGIONS", nodes * node.GuestCPUs},
		{diskQuota[config.DiskType(s.config["machineType"])], nodes * config.DiskGB},
		{"INSTANCES", nodes},
		{"IN_USE_ADDRESSES", 1}, // the Service's; nodes are private
	}, left)
}

// compare names every quota that is too small. Those that gcloud does not list cannot
// be compared; the nodes' processors are then unknown, all others don't exist.
func (s *stack) compare(needs []need, left map[string]float64) finding {
	console := "https://console.cloud.google.com/iam-admin/quotas?project=" + s.project()
	var all, short []string
	for _, need := range needs {
		free, listed := left[need.metric]
		if !listed {
			continue
		}
		line := fmt.Sprintf("%s %d of %.0f free", need.metric, need.amount, free)
		if all = append(all, line); float64(need.amount) > free {
			short = append(short, line)
		}
	}
	switch _, listed := left[needs[0].metric]; {
	case len(short) > 0:
		return missing("request more at "+console+", or choose fewer nodes or a smaller machineType", "too little in %s: %s", s.region(), strings.Join(short, ", "))
	case !listed:
		return unknown("gcloud lists no %s for %s; compare %d at %s", needs[0].metric, s.region(), needs[0].amount, console)
	}
	return ok("%s", strings.Join(all, ", "))
}

// shared are the machine families whose processors count against CPUS. All newer ones
// have a quota of their own (cloud.google.com/compute/resource-usage).
var shared = []string{"e2", "f1", "g1", "n1"}

// processorQuota is the quota that limits a machine type's processors in a region.
func processorQuota(machineType string, spot bool, limit map[string]float64) string {
	// Spot nodes have a quota of their own where one was requested.
	if spot && limit["PREEMPTIBLE_CPUS"] > 0 {
		return "PREEMPTIBLE_CPUS"
	}
	family := config.MachineFamily(machineType)
	if slices.Contains(shared, family) {
		return "CPUS"
	}
	return strings.ToUpper(family) + "_CPUS"
}

// diskQuota is the quota that limits disks of a type.
var diskQuota = map[string]string{
	"pd-standard": "DISKS_TOTAL_GB", "pd-balanced": "SSD_TOTAL_GB", "hyperdisk-balanced": "HDB_TOTAL_GB",
}
