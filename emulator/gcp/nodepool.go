package gcp

import (
	"cmp"
	"context"
	"fmt"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"

	"hello-timber/emulator/gke"
	"hello-timber/emulator/records"
)

func poolOf(properties map[string]any) gke.Pool {
	config := object(properties, "nodeConfig")
	pool := gke.Pool{Cluster: clusterOf(properties), Name: text(properties, "name"), Labels: map[string]string{},
		MachineType: cmp.Or(text(config, "machineType"), "e2-medium"), ServiceAccount: text(config, "serviceAccount")}
	zones, _ := properties["nodeLocations"].([]any)
	for _, zone := range zones {
		pool.Zones = append(pool.Zones, fmt.Sprint(zone))
	}
	if len(pool.Zones) == 0 {
		pool.Zones = zonesOf(pool.Cluster.Location)
	}
	count, _ := properties["nodeCount"].(float64)
	pool.NodesPerZone = int(count)
	for key, value := range object(config, "labels") {
		pool.Labels[key] = fmt.Sprint(value)
	}
	if spot, _ := config["spot"].(bool); spot {
		pool.Labels[spotLabel] = "true"
	}
	return pool
}

// spotLabel is what GKE labels spot nodes with, for workloads to choose or avoid.
const spotLabel = "cloud.google.com/gke-spot"

// What today's GKE adds to every node pool's nodeConfig: see diffServerSet.
const (
	provisioningLabel = "goog-gke-node-pool-provisioning-model"
	kubeletConfig     = "kubeletConfig"
)

func (g *google) applyNodePool(ctx context.Context, c *change) error {
	pool := poolOf(c.new)
	cluster := map[string]any{"project": pool.Cluster.Project, "location": pool.Cluster.Location, "name": pool.Cluster.Name}
	if err := g.require(clusterType, kinds[clusterType].identify(cluster)); err != nil {
		return err
	}
	if err := g.requireAccount(pool.ServiceAccount); err != nil {
		return err
	}
	pool.Warn = func(message string) { g.log("", message) }
	if err := g.clusters.Resize(ctx, pool, c.log); err != nil {
		return err
	}
	config := object(c.new, "nodeConfig")
	model := "on-demand"
	if spot, _ := config["spot"].(bool); spot {
		model = "spot"
	}
	object(config, "resourceLabels")[provisioningLabel] = model
	if config[kubeletConfig] == nil {
		config[kubeletConfig] = map[string]any{"cpuManagerPolicy": "", "cpuCfsQuota": false, "cpuCfsQuotaPeriod": "", "podPidsLimit": 0}
	}
	config["machineType"], c.new["nodeLocations"], c.new["version"] = pool.MachineType, pool.Zones, version
	return nil
}

// diffServerSet compares what GKE added with what the program asks for. Terraform's
// google-beta 5.42 takes neither property for one that Google fills in, so that it
// finds them removed at every run, unless the program ignores their changes.
// See https://github.com/GoogleCloudPlatform/k8s-config-connector/issues/3798.
func diffServerSet(req plugin.DiffRequest, found map[string]plugin.PropertyDiff) {
	state, wanted := req.OldOutputs["nodeConfig"], req.NewInputs["nodeConfig"]
	if !state.IsObject() || !wanted.IsObject() {
		return
	}
	for _, name := range []resource.PropertyKey{"resourceLabels", kubeletConfig} {
		at := resource.PropertyPath{"nodeConfig", string(name)}
		set, asked := state.ObjectValue()[name], wanted.ObjectValue()[name]
		same := !set.IsObject() || asked.IsObject() && (name == kubeletConfig || asked.ObjectValue().HasValue(provisioningLabel))
		if !same && !ignored(req.IgnoreChanges, at) && !asked.IsComputed() {
			found[at.String()] = plugin.PropertyDiff{Kind: plugin.DiffDelete}
		}
	}
}

func ignored(changes []string, at resource.PropertyPath) bool {
	for _, change := range changes {
		if path, err := resource.ParsePropertyPath(change); err == nil && path.Contains(at) {
			return true
		}
	}
	return false
}

func (g *google) readNodePool(ctx context.Context, r records.Record) (bool, error) {
	pool := poolOf(r.Properties)
	if _, exists, err := g.clusters.Get(ctx, pool.Cluster.Name); err != nil || !exists {
		return false, err
	}
	nodes, err := g.clusters.Nodes(ctx, pool.Cluster.Name, pool.Name)
	for _, zone := range pool.Zones {
		if nodes[zone] != pool.NodesPerZone {
			r.Properties["nodeCount"] = float64(nodes[zone])
		}
	}
	return true, err
}

func (g *google) removeNodePool(ctx context.Context, r records.Record) error {
	pool := poolOf(r.Properties)
	pool.NodesPerZone = 0
	return g.clusters.Resize(ctx, pool, func(string) {})
}
