// Package cost says what a stack costs a month, item by item, from Google's list
// prices in prices.csv. What is not in that table is unknown, not guessed.
package cost

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/common/apitype"

	"hello-timber/stacks/config"
)

// Cost is what a stack costs a month. The zero Cost is that of an empty stack.
type Cost struct {
	// Sum is the price of what has one, and Priced explains it in the order of the resources.
	Sum    float64
	Priced []string
	// Waived is not part of Sum: Google charges it unless the stack's zonal cluster is the
	// one cluster of the billing account that is free.
	Waived float64
	// Unpriced are resources whose price is not in the table.
	Unpriced []string
	// Google reports that the stack has a cluster on Google Cloud, whose load
	// balancers Google charges for.
	Google    bool
	Balancers int
}

// Add adds a resource by its type and inputs. Most resources cost nothing by themselves.
func (c *Cost) Add(typ string, inputs map[string]any) {
	switch typ {
	case "gcp:container/cluster:Cluster":
		where, _ := inputs["location"].(string)
		c.cluster(where)
	case "gcp:container/nodePool:NodePool":
		c.nodes(inputs)
	case "kubernetes:core/v1:Service":
		if spec, _ := inputs["spec"].(map[string]any); spec["type"] == "LoadBalancer" {
			c.Balancers++
		}
	case "kubernetes:gateway.networking.k8s.io/v1:Gateway":
		c.Balancers++ // two rules, for http and https, which cost as much as one; the certificate is free
	}
}

func (c *Cost) item(what string, monthly float64) {
	c.Sum += monthly
	c.Priced = append(slices.Clip(c.Priced), fmt.Sprintf("%s $%.2f", what, monthly))
}

func (c *Cost) cluster(where string) {
	c.Google = true
	switch {
	case config.IsZone(where):
		c.Waived += controlPlane * hours
		c.Priced = append(c.Priced, fmt.Sprintf("zonal control plane free for one cluster of the billing account (others $%.2f)", controlPlane*hours))
	case where == "":
		c.Unpriced = append(c.Unpriced, "control plane")
	default:
		c.item("regional control plane", controlPlane*hours)
	}
}

// nodes adds a node pool, with as many nodes as its autoscaling may create. In a
// region, counts are per zone.
func (c *Cost) nodes(inputs map[string]any) {
	var pool struct {
		Location      string
		NodeCount     float64
		Autoscaling   struct{ MaxNodeCount float64 }
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
	perZone, upTo := pool.NodeCount, ""
	if pool.Autoscaling.MaxNodeCount > 0 {
		perZone, upTo = pool.Autoscaling.MaxNodeCount, "up to "
	}
	region, count := config.Region(pool.Location), perZone
	if !config.IsZone(pool.Location) {
		count *= config.ZonesPerRegion
	}
	if len(pool.NodeLocations) > 0 {
		count = perZone * float64(len(pool.NodeLocations))
	}
	config := pool.NodeConfig
	perNode, known := node(region, config.MachineType, config.Spot)
	perGB, knownDisk := disk(region, config.DiskType)
	if err != nil || !known || !knownDisk || count == 0 {
		c.Unpriced = append(c.Unpriced, fmt.Sprintf("%s nodes with %s in %s", word(config.MachineType), word(config.DiskType), word(pool.Location)))
		return
	}
	kind := ""
	if config.Spot {
		kind = " spot"
	}
	c.item(fmt.Sprintf("%s%.0f × %s%s", upTo, count, config.MachineType, kind), count*perNode)
	c.item(fmt.Sprintf("%s%.0f × %.0f GB %s", upTo, count, config.DiskSizeGb, config.DiskType), count*config.DiskSizeGb*perGB)
}

var isWord = regexp.MustCompile(`^[a-z0-9-]{1,50}$`).MatchString

// word is a name of Google's. Anything else is not repeated: a pull request's program
// chooses it, and it would be Markdown in a comment.
func word(name string) string {
	if isWord(name) {
		return name
	}
	return "unknown"
}

// whole adds the load balancers. They come last, because only the cluster says who
// charges for them, and when a stack is deleted it comes after them.
func (c Cost) whole() Cost {
	switch {
	case c.Balancers == 0:
	case c.Google:
		c.item("load balancer", forwarding*hours)
	default:
		c.Unpriced = append(slices.Clip(c.Unpriced), "load balancer of an existing cluster")
	}
	return c
}

// Total is the price of what has one, without what Google may waive.
func (c Cost) Total() float64 { return c.whole().Sum }

// Known reports whether everything has a price.
func (c Cost) Known() bool { return len(c.whole().Unpriced) == 0 }

// Items explain the cost, one by one.
func (c Cost) Items() []string {
	c = c.whole()
	list := slices.Clone(c.Priced)
	for _, unknown := range c.Unpriced {
		list = append(list, unknown+": unknown price")
	}
	return list
}

// Amount is such as "$176", "$77 (or $150)" if Google may waive a part, or "$18 + unknown".
func (c Cost) Amount() string {
	c = c.whole()
	amount := fmt.Sprintf("$%.0f", c.Sum)
	if c.Waived > 0 {
		amount += fmt.Sprintf(" (or $%.0f)", c.Sum+c.Waived)
	}
	switch {
	case len(c.Unpriced) > 0 && c.Sum == 0:
		return "unknown"
	case len(c.Unpriced) > 0:
		return amount + " + unknown"
	case len(c.Priced) == 0:
		return "–"
	}
	return amount
}

// Change is what a stack costs before and after a change.
type Change struct{ Before, After Cost }

// Count adds a resource's states before and after a step.
func (c *Change) Count(step apitype.StepEventMetadata) {
	if step.Op == apitype.OpCreateReplacement || step.Op == apitype.OpDeleteReplaced || step.Op == apitype.OpRefresh || strings.HasPrefix(string(step.Op), "read") {
		return // replace is the step with both states
	}
	if step.Op != apitype.OpCreate && step.Old != nil {
		c.Before.Add(step.Old.Type, step.Old.Inputs)
	}
	if step.Op != apitype.OpDelete && step.New != nil {
		c.After.Add(step.New.Type, step.New.Inputs)
	}
}

// Amounts is such as "$77 (or $150) → $176", or one of them if that stays.
func (c Change) Amounts() string {
	before, after := c.Before.Amount(), c.After.Amount()
	if before == after {
		return after
	}
	return before + " → " + after
}

// Why explains the amounts, with what differs first.
func (c Change) Why() string {
	before, after := c.Before.Items(), c.After.Items()
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
