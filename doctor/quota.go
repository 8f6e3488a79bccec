package main

import (
	"context"
	"fmt"
	"path"
	"strconv"
	"strings"
)

// Sizes in GB, as stacks/nodepool.go and GKE choose them.
const (
	nodeDisk = 30
	// GKE makes a cluster with a node of its own kind in each zone, which is there
	// for a minute.
	firstNodeDisk  = 100
	zonesPerRegion = 3
)

// quota compares what the region has left with what the stack takes.
func quota(ctx context.Context, p *patient) finding {
	if p.up {
		return ok("in use by the stack")
	}
	var region struct {
		Quotas []struct {
			Metric       string
			Limit, Usage float64
		}
		Zones []string
	}
	if err := p.gcloud(ctx, &region, "compute", "regions", "describe", p.region()); err != nil {
		return unknown("%v", err)
	}
	location, zones := p.config["location"], 1
	if location == p.region() && len(region.Zones) > 0 {
		location, zones = path.Base(region.Zones[0]), zonesPerRegion
	}
	nodes, err := strconv.Atoi(p.config["nodes"])
	if err != nil {
		return unknown("nodes is %q", p.config["nodes"])
	}
	var machine struct{ GuestCPUs int }
	if err := p.gcloud(ctx, &machine, "compute", "machine-types", "describe", p.config["machineType"], "--zone="+location); err != nil {
		return unknown("%v", err)
	}
	left := map[string]float64{}
	limit := map[string]float64{}
	for _, q := range region.Quotas {
		limit[q.Metric], left[q.Metric] = q.Limit, q.Limit-q.Usage
	}
	processors := "CPUS"
	// Spot nodes have a quota of their own, where one has been asked for.
	if p.config["spot"] == "true" && limit["PREEMPTIBLE_CPUS"] > 0 {
		processors = "PREEMPTIBLE_CPUS"
	}
	var all, short []string
	for _, need := range []struct {
		metric string
		amount int
	}{
		{processors, nodes * machine.GuestCPUs},
		{"DISKS_TOTAL_GB", nodes * nodeDisk},
		{"SSD_TOTAL_GB", zones * firstNodeDisk},
	} {
		free, known := left[need.metric]
		if !known {
			continue
		}
		line := fmt.Sprintf("%s %d of %.0f free", need.metric, need.amount, free)
		if all = append(all, line); float64(need.amount) > free {
			short = append(short, line)
		}
	}
	switch {
	case len(short) > 0:
		return finding{says: "too little in " + p.region() + ": " + strings.Join(short, ", "),
			mend: "ask for more at https://console.cloud.google.com/iam-admin/quotas?project=" + p.project() + ", or choose fewer nodes or a smaller machineType"}
	case len(all) == 0:
		return unknown("gcloud lists none of %s", p.region())
	}
	return ok("%s", strings.Join(all, ", "))
}
