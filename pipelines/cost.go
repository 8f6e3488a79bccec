package main

import (
	"encoding/json"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/common/apitype"
)

// Prices are US dollars, list prices of Google's billing catalogue, read on
// 2026-08-20 by way of github.com/Cyclenerd/google-cloud-pricing-cost-calculator.
// What is not here is unknown, not guessed.
const (
	pricesOf = "2026-08-20"
	// hours are those of a month.
	hours = 730.0
	// controlPlane is per hour. Google waives it for one zonal cluster of a billing account.
	controlPlane = 0.10
	// forwarding is per hour for the first five forwarding rules together.
	forwarding = 0.025
)

// nodePrice is the hourly price of a machine type in a region. fullMonth is what
// is left of it for a node that runs all month.
type nodePrice struct{ hourly, fullMonth, spot float64 }

var nodePrices = map[string]map[string]nodePrice{
	"europe-west1": {
		"n1-standard-1": {0.05225175, 0.7, 0.0250475}, // sustained-use discount
		"e2-small":      {0.018428865, 1, 0.010333},
		"e2-medium":     {0.03685773, 1, 0.020666},
	},
}

// diskPrices are per GB and month.
var diskPrices = map[string]float64{"pd-standard": 0.04, "pd-balanced": 0.10}

// cost is what a stack costs a month, item by item.
type cost struct {
	Total float64
	// Items explain the total, in the order of the resources.
	Items []string
	// Unknown are resources whose price is not in the table.
	Unknown []string
}

// costs are those before and after a change.
type costs struct{ Before, After cost }

// count adds a resource's states before and after a step.
func (c *costs) count(step apitype.StepEventMetadata) {
	if step.Op == apitype.OpCreateReplacement || step.Op == apitype.OpDeleteReplaced || step.Op == apitype.OpRefresh || strings.HasPrefix(string(step.Op), "read") {
		return // replace is the step with both states
	}
	if step.Op != apitype.OpCreate && step.Old != nil {
		c.Before.add(step.Old)
	}
	if step.Op != apitype.OpDelete && step.New != nil {
		c.After.add(step.New)
	}
}

func (c *cost) add(s *apitype.StepEventStateMetadata) {
	switch s.Type {
	case "gcp:container/cluster:Cluster":
		location, _ := s.Inputs["location"].(string)
		c.cluster(location)
	case "gcp:container/nodePool:NodePool":
		c.nodes(s.Inputs)
	case "kubernetes:core/v1:Service":
		if spec, _ := s.Inputs["spec"].(map[string]any); spec["type"] == "LoadBalancer" {
			c.item("load balancer", forwarding*hours)
		}
	}
}

func (c *cost) item(what string, monthly float64) {
	c.Total += monthly
	c.Items = append(c.Items, fmt.Sprintf("%s $%.2f", what, monthly))
}

// zone is such as europe-west1-d, in the region europe-west1.
var zone = regexp.MustCompile(`^([a-z]+-[a-z]+[0-9]+)-[a-z]$`)

func (c *cost) cluster(location string) {
	switch {
	case zone.MatchString(location):
		c.Items = append(c.Items, "zonal control plane free for one cluster of the billing account (others $73.00)")
	case location == "":
		c.Unknown = append(c.Unknown, "control plane somewhere")
	default:
		c.item("regional control plane", controlPlane*hours)
	}
}

// nodes adds a node pool. In a region, nodeCount is per zone, of which there are three.
func (c *cost) nodes(inputs map[string]any) {
	var pool struct {
		Location      string
		NodeCount     float64
		NodeLocations []string
		NodeConfig    struct {
			MachineType, DiskType string
			DiskSizeGb            float64
			Spot                  bool
		}
	}
	encoded, err := json.Marshal(inputs)
	if err == nil {
		err = json.Unmarshal(encoded, &pool)
	}
	region, count := pool.Location, pool.NodeCount
	if found := zone.FindStringSubmatch(pool.Location); found != nil {
		region = found[1]
	} else {
		count *= 3
	}
	if len(pool.NodeLocations) > 0 {
		count = pool.NodeCount * float64(len(pool.NodeLocations))
	}
	price, known := nodePrices[region][pool.NodeConfig.MachineType]
	disk, knownDisk := diskPrices[pool.NodeConfig.DiskType]
	if err != nil || !known || !knownDisk || count == 0 {
		c.Unknown = append(c.Unknown, fmt.Sprintf("%s nodes with %s in %s", pool.NodeConfig.MachineType, pool.NodeConfig.DiskType, pool.Location))
		return
	}
	kind, hourly := "", price.hourly*price.fullMonth
	if pool.NodeConfig.Spot {
		kind, hourly = " spot", price.spot
	}
	c.item(fmt.Sprintf("%.0f × %s%s", count, pool.NodeConfig.MachineType, kind), count*hourly*hours)
	c.item(fmt.Sprintf("%.0f × %.0f GB %s", count, pool.NodeConfig.DiskSizeGb, pool.NodeConfig.DiskType), count*pool.NodeConfig.DiskSizeGb*disk)
}

// amount is such as $77, or "$18 + unknown".
func (c cost) amount() string {
	switch {
	case len(c.Unknown) > 0 && c.Total == 0:
		return "unknown"
	case len(c.Unknown) > 0:
		return fmt.Sprintf("$%.0f + unknown", c.Total)
	case len(c.Items) == 0:
		return "–"
	}
	return fmt.Sprintf("$%.0f", math.Round(c.Total))
}

// change is such as "$77 → $103".
func (c costs) change() string {
	before, after := c.Before.amount(), c.After.amount()
	if before == after {
		return after
	}
	return before + " → " + after
}

// why explains the amounts, with what differs first.
func (c costs) why() string {
	before, after := c.Before.explained(), c.After.explained()
	gone, added, kept := without(before, after), without(after, before), without(after, without(after, before))
	var parts []string
	switch {
	case len(added) > 0 && len(gone) > 0:
		parts = append(parts, strings.Join(added, ", ")+" instead of "+strings.Join(gone, ", "))
	case len(added) > 0:
		parts = append(parts, "new: "+strings.Join(added, ", "))
	case len(gone) > 0:
		parts = append(parts, "no longer: "+strings.Join(gone, ", "))
	}
	if len(kept) > 0 {
		parts = append(parts, "unchanged: "+strings.Join(kept, ", "))
	}
	return strings.Join(parts, "; ")
}

// without lists what is in one list and not in another.
func without(list, other []string) []string {
	return slices.DeleteFunc(slices.Clone(list), func(item string) bool { return slices.Contains(other, item) })
}

func (c cost) explained() []string {
	list := slices.Clone(c.Items)
	for _, unknown := range c.Unknown {
		list = append(list, printable(unknown, false)+": unknown price")
	}
	return list
}
