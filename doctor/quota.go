package main

import (
	"context"
	"fmt"
	"path"
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

// diskQuota is the quota that limits disks of a type.
var diskQuota = map[string]string{
	"pd-standard": "DISKS_TOTAL_GB", "pd-balanced": "SSD_TOTAL_GB", "hyperdisk-balanced": "HDB_TOTAL_GB",
}

// quota compares what the region and the project have left with what the stack needs.
// Quotas that gcloud does not list don't exist, but for that of the nodes' processors.
func quota(ctx context.Context, s *stack) (string, error) {
	if s.up {
		return "in use by the stack", nil
	}
	var region, project quotas
	if err := gcloud(ctx, s.project(), &region, "compute", "regions", "describe", s.region()); err != nil {
		return "", err
	}
	if err := gcloud(ctx, s.project(), &project, "compute", "project-info", "describe"); err != nil {
		return "", err
	}
	zone, machine := s.config["location"], s.config["machineType"]
	if !config.IsZone(zone) && len(region.Zones) > 0 {
		zone = path.Base(region.Zones[0])
	}
	var node struct{ GuestCPUs int }
	if err := gcloud(ctx, s.project(), &node, "compute", "machine-types", "describe", machine, "--zone="+zone); err != nil {
		return "", err
	}
	processors, free := config.ProcessorQuota(machine), map[string]float64{}
	for _, q := range append(region.Quotas, project.Quotas...) {
		free[q.Metric] = q.Limit - q.Usage
		// Spot nodes have a quota of their own where one was requested.
		if q.Metric == "PREEMPTIBLE_CPUS" && q.Limit > 0 && s.config["spot"] == "true" {
			processors = q.Metric
		}
	}
	// The nodes that GKE creates a cluster with are like these, at most as many, and are
	// removed before. GKE may add up to maxNodes.
	nodes := max(s.number("nodes"), s.number("maxNodes"))
	var all, short []string
	for _, need := range []struct {
		metric string
		amount int
	}{
		{processors, nodes * node.GuestCPUs},
		{"CPUS_ALL_REGIONS", nodes * node.GuestCPUs},
		{diskQuota[config.DiskType(machine)], nodes * config.DiskGB},
		{"INSTANCES", nodes},
		{"IN_USE_ADDRESSES", 1}, // the Service's; nodes are private
	} {
		left, listed := free[need.metric]
		if !listed {
			continue
		}
		line := fmt.Sprintf("%s %d of %.0f free", need.metric, need.amount, left)
		if all = append(all, line); float64(need.amount) > left {
			short = append(short, line)
		}
	}
	console := "https://console.cloud.google.com/iam-admin/quotas?project=" + s.project()
	if len(short) > 0 {
		return "", missing("request more at "+console+", or choose fewer nodes or a smaller machineType", "too little in %s: %s", s.region(), strings.Join(short, ", "))
	}
	if _, listed := free[processors]; !listed {
		return "", fmt.Errorf("gcloud lists no %s for %s; compare %d at %s", processors, s.region(), nodes*node.GuestCPUs, console)
	}
	return strings.Join(all, ", "), nil
}
