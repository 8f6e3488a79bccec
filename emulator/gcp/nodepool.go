package gcp

import (
	"cmp"
	"context"
	"fmt"
	"maps"

	"hello-timber/emulator/gke"
	"hello-timber/emulator/records"
)

const nodePoolType = "gcp:container/nodePool:NodePool"

// nodePoolSchema has two properties that are required here only: the emulator has no
// default location, and no number of nodes that GKE chooses.
var nodePoolSchema = schema{
	token: nodePoolType, id: "projects/{project}/locations/{location}/clusters/{cluster}/nodePools/{name}",
	api: "container.googleapis.com", named: true,
	fields: union(poolFields, fields{
		"cluster":   {kind: text, flags: required | forces},
		"location":  {kind: text, flags: required | computed | forces},
		"operation": {kind: text, flags: output | unread},
		"project":   {kind: text, flags: computed | forces},
	}),
}

func union(a, b fields) fields {
	all := maps.Clone(a)
	maps.Copy(all, b)
	return all
}

// poolFields are the properties of a node pool that a cluster lists too.
var poolFields = fields{
	"autoscaling": {kind: block, fields: fields{
		"locationPolicy":    {kind: text, flags: computed | refused},
		"maxNodeCount":      {kind: number},
		"minNodeCount":      {kind: number},
		"totalMaxNodeCount": {kind: number, flags: refused},
		"totalMinNodeCount": {kind: number, flags: refused},
	}},
	"initialNodeCount":         {kind: number, flags: computed | forces | refused},
	"instanceGroupUrls":        {kind: texts, flags: output},
	"managedInstanceGroupUrls": {kind: texts, flags: output},
	"management": {kind: block, flags: computed, fields: fields{
		"autoRepair":  {kind: truth, preset: true},
		"autoUpgrade": {kind: truth, preset: true},
	}},
	"maxPodsPerNode": {kind: number, flags: computed | forces | refused},
	"name":           {kind: text, flags: computed | forces},
	"namePrefix":     {kind: text, flags: computed | forces | refused},
	"networkConfig": {kind: block, flags: computed | refused, fields: fields{
		"additionalNodeNetworkConfigs": {kind: blocks}, "additionalPodNetworkConfigs": {kind: blocks}, "createPodRange": {kind: truth},
		"enablePrivateNodes": {kind: truth}, "networkPerformanceConfig": {kind: block}, "podCidrOverprovisionConfig": {kind: block},
		"podIpv4CidrBlock": {kind: text}, "podRange": {kind: text},
	}},
	"nodeConfig":         {kind: block, flags: computed | forces, fields: nodeConfigFields},
	"nodeCount":          {kind: number, flags: required | computed},
	"nodeLocations":      {kind: textSet, flags: computed},
	"placementPolicy":    {kind: block, flags: forces | refused},
	"queuedProvisioning": {kind: block, flags: forces | refused},
	"upgradeSettings": {kind: block, flags: computed, fields: fields{
		"blueGreenSettings": {kind: block, flags: computed | refused},
		"maxSurge":          {kind: number, flags: computed},
		"maxUnavailable":    {kind: number, flags: computed},
		"strategy":          {kind: text, preset: "SURGE"},
	}},
	"version": {kind: text, flags: computed | refused},
}

// nodeConfigFields describe machines.
var nodeConfigFields = fields{
	"advancedMachineFeatures":        {kind: block, flags: forces | refused},
	"bootDiskKmsKey":                 {kind: text, flags: forces | refused},
	"confidentialNodes":              {kind: block, flags: computed | forces | refused},
	"containerdConfig":               {kind: block, flags: refused},
	"diskSizeGb":                     {kind: number, flags: computed},
	"diskType":                       {kind: text, flags: computed},
	"effectiveTaints":                {kind: blocks, flags: output},
	"enableConfidentialStorage":      {kind: truth, flags: forces | refused},
	"ephemeralStorageConfig":         {kind: block, flags: forces | refused},
	"ephemeralStorageLocalSsdConfig": {kind: block, flags: forces | refused},
	"fastSocket":                     {kind: block, flags: refused},
	"gcfsConfig":                     {kind: block, flags: forces | refused},
	"guestAccelerators":              {kind: blocks, flags: computed | forces | refused},
	"gvnic":                          {kind: block, flags: forces | refused},
	"hostMaintenancePolicy":          {kind: block, flags: forces | refused},
	"imageType":                      {kind: text, flags: computed, same: sameExceptCase},
	"kubeletConfig": {kind: block, fields: fields{
		"cpuCfsQuota":       {kind: truth},
		"cpuCfsQuotaPeriod": {kind: text},
		"cpuManagerPolicy":  {kind: text, flags: required},
		"podPidsLimit":      {kind: number},
	}},
	"labels":                  {kind: mapping, flags: computed},
	"linuxNodeConfig":         {kind: block, flags: refused},
	"localNvmeSsdBlockConfig": {kind: block, flags: forces | refused},
	"localSsdCount":           {kind: number, flags: computed | forces | refused},
	"loggingVariant":          {kind: text, flags: computed | refused},
	"machineType":             {kind: text, flags: computed},
	"metadata":                {kind: mapping, flags: computed | forces},
	"minCpuPlatform":          {kind: text, flags: computed | forces | refused},
	"nodeGroup":               {kind: text, flags: forces | refused},
	"oauthScopes":             {kind: textSet, flags: computed | forces},
	"preemptible":             {kind: truth, flags: forces | refused, preset: false},
	"reservationAffinity":     {kind: block, flags: forces | refused},
	"resourceLabels":          {kind: mapping},
	"resourceManagerTags":     {kind: mapping, flags: refused},
	"sandboxConfig":           {kind: block, flags: forces | refused},
	"secondaryBootDisks":      {kind: blocks, flags: forces | refused},
	"serviceAccount":          {kind: text, flags: computed | forces},
	"shieldedInstanceConfig": {kind: block, flags: computed | forces, fields: fields{
		"enableIntegrityMonitoring": {kind: truth, flags: forces, preset: true},
		"enableSecureBoot":          {kind: truth, flags: forces, preset: false},
	}},
	"soleTenantConfig": {kind: block, flags: forces | refused},
	"spot":             {kind: truth, flags: forces, preset: false},
	"tags":             {kind: texts},
	"taints":           {kind: blocks, flags: refused},
	"workloadMetadataConfig": {kind: block, flags: computed, fields: fields{
		"mode": {kind: text, flags: required},
	}},
}

// nodePoolResource is a pool of like nodes.
type nodePoolResource struct{}

func (nodePoolResource) schema() *schema { return &nodePoolSchema }

// defaultScopes are what the nodes' account may do if the program does not say.
var defaultScopes = []any{
	"https://www.googleapis.com/auth/devstorage.read_only",
	"https://www.googleapis.com/auth/logging.write",
	"https://www.googleapis.com/auth/monitoring",
	"https://www.googleapis.com/auth/service.management.readonly",
	"https://www.googleapis.com/auth/servicecontrol",
	"https://www.googleapis.com/auth/trace.append",
}

// defaultMachine is the machine type that GKE takes without another.
const defaultMachine = "e2-medium"

func poolOf(properties map[string]any) gke.Pool {
	config := object(properties, "nodeConfig")
	pool := gke.Pool{Cluster: clusterOf(properties), Name: str(properties, "name"), Labels: map[string]string{},
		MachineType: cmp.Or(str(config, "machineType"), defaultMachine), ServiceAccount: str(config, "serviceAccount")}
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

// provisioningLabel is one of two things that today's GKE adds to every node pool;
// kubeletConfig is the other. google-beta 5.42 takes neither for something that
// Google fills in, so it finds them removed in every plan, unless the program
// ignores their changes.
// See https://github.com/GoogleCloudPlatform/k8s-config-connector/issues/3798.
const (
	provisioningLabel = "goog-gke-node-pool-provisioning-model"
	kubeletConfig     = "kubeletConfig"
)

func (nodePoolResource) apply(ctx context.Context, g *google, c *change) error {
	pool := poolOf(c.new)
	cluster := clusterSchema.identify(map[string]any{"project": pool.Cluster.Project, "location": pool.Cluster.Location, "name": pool.Cluster.Name})
	if err := g.require(clusterType, cluster); err != nil {
		return err
	}
	config := object(c.new, "nodeConfig")
	if err := refuseMachine(pool.MachineType, str(config, "diskType"), pool.Zones[0]); err != nil {
		return err
	}
	if err := g.requireAccount(pool.ServiceAccount); err != nil {
		return err
	}
	if err := g.refuseQuota(c, pool); err != nil {
		return err
	}
	pool.Warn = func(message string) { g.Line("", message) }
	if scaling, ok := c.new["autoscaling"].(map[string]any); ok {
		fill(scaling, map[string]any{"locationPolicy": "BALANCED"})
		pool.Warn("The emulator does not add nodes to a pool with autoscaling: pods that find no place stay pending.")
	}
	if err := g.backend.Resize(ctx, pool, c.log); err != nil {
		return err
	}
	fillPool(c, pool)
	return nil
}

// fillPool adds what GKE chooses for a pool that does not ask for anything else.
func fillPool(c *change, pool gke.Pool) {
	config := object(c.new, "nodeConfig")
	model := "on-demand"
	if spot, _ := config["spot"].(bool); spot {
		model = "spot"
	}
	object(config, "resourceLabels")[provisioningLabel] = model
	disks := families[seriesOf(pool.MachineType)].disks
	fill(c.new, map[string]any{
		"initialNodeCount": c.new["nodeCount"],
		"management":       map[string]any{"autoRepair": true, "autoUpgrade": true},
		"maxPodsPerNode":   110.0,
		"networkConfig":    map[string]any{"enablePrivateNodes": false},
		"nodeConfig": map[string]any{
			"diskSizeGb": 100.0, "diskType": disks[min(1, len(disks)-1)], "imageType": "COS_CONTAINERD", "loggingVariant": "DEFAULT",
			"machineType": pool.MachineType, "metadata": map[string]any{"disable-legacy-endpoints": "true"}, "oauthScopes": defaultScopes,
			"serviceAccount":         "default",
			"shieldedInstanceConfig": map[string]any{"enableIntegrityMonitoring": true, "enableSecureBoot": false},
			kubeletConfig:            map[string]any{"cpuManagerPolicy": "", "cpuCfsQuota": false, "cpuCfsQuotaPeriod": "", "podPidsLimit": 0.0},
		},
		"upgradeSettings": map[string]any{"maxSurge": 1.0, "maxUnavailable": 0.0, "strategy": "SURGE"},
	})
	groups, managers := []any{}, []any{}
	for _, zone := range pool.Zones {
		at := fmt.Sprintf("https://www.googleapis.com/compute/v1/projects/%s/zones/%s/", pool.Cluster.Project, zone)
		name := fmt.Sprintf("gke-%s-%s-grp", pool.Cluster.Name, pool.Name)
		groups, managers = append(groups, at+"instanceGroups/"+name), append(managers, at+"instanceGroupManagers/"+name)
	}
	c.new["instanceGroupUrls"], c.new["managedInstanceGroupUrls"] = managers, groups
	c.new["nodeLocations"], c.new["version"] = pool.Zones, version
}

func (nodePoolResource) read(ctx context.Context, g *google, r records.Record) (bool, error) {
	pool := poolOf(r.Properties)
	if _, exists, err := g.backend.Cluster(ctx, pool.Cluster.Name); err != nil || !exists {
		return false, err
	}
	nodes, err := g.backend.Nodes(ctx, pool.Cluster.Name, pool.Name)
	for _, zone := range pool.Zones {
		if nodes[zone] != pool.NodesPerZone {
			r.Properties["nodeCount"] = float64(nodes[zone])
		}
	}
	return true, err
}

func (nodePoolResource) remove(ctx context.Context, g *google, r records.Record) error {
	pool := poolOf(r.Properties)
	pool.NodesPerZone = 0
	return g.backend.Resize(ctx, pool, func(string) {})
}
