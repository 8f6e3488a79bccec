package gcp

import (
	"cmp"
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"hello-timber/emulator/gcp/terraform"
	"hello-timber/emulator/gke"
	"hello-timber/emulator/records"
)

const nodePoolType = "gcp:container/nodePool:NodePool"

// A pool of like nodes. Two properties are required here only, because the emulator has
// no default location, and no number of nodes that GKE chooses.
var _ = register(resourceType{
	Schema: schema{
		Token: nodePoolType, ID: "projects/{project}/locations/{location}/clusters/{.../cluster}/nodePools/{name}", Named: true,
		Fields: terraform.Union(poolFields, fields{
			"cluster":   {Kind: text, Flags: required | forces},
			"location":  {Kind: text, Flags: required | computed | forces},
			"operation": {Kind: text, Flags: output | unread},
			"project":   {Kind: text, Flags: computed | forces},
		})},
	api:    kubernetesEngine,
	rules:  rules{"nodeConfig": machineRule},
	apply:  applyNodePool,
	read:   readNodePool,
	remove: removeNodePool,
})

// poolFields are the properties of a node pool that a cluster lists too.
var poolFields = fields{
	"autoscaling": {Kind: block, Fields: fields{
		"locationPolicy":    {Kind: text, Flags: computed | refused},
		"maxNodeCount":      {Kind: number},
		"minNodeCount":      {Kind: number},
		"totalMaxNodeCount": {Kind: number, Flags: refused},
		"totalMinNodeCount": {Kind: number, Flags: refused},
	}},
	"initialNodeCount":         {Kind: number, Flags: computed | forces | refused},
	"instanceGroupUrls":        {Kind: texts, Flags: output},
	"managedInstanceGroupUrls": {Kind: texts, Flags: output},
	"management": {Kind: block, Flags: computed, Fields: fields{
		"autoRepair":  {Kind: truth, Default: true},
		"autoUpgrade": {Kind: truth, Default: true},
	}},
	"maxPodsPerNode": {Kind: number, Flags: computed | forces | refused},
	"name":           {Kind: text, Flags: computed | forces, Rules: nameRules},
	"namePrefix":     {Kind: text, Flags: computed | forces | refused},
	"networkConfig": {Kind: block, Flags: computed | refused, Fields: fields{
		"additionalNodeNetworkConfigs": {Kind: blocks}, "additionalPodNetworkConfigs": {Kind: blocks}, "createPodRange": {Kind: truth},
		"enablePrivateNodes": {Kind: truth}, "networkPerformanceConfig": {Kind: block}, "podCidrOverprovisionConfig": {Kind: block},
		"podIpv4CidrBlock": {Kind: text}, "podRange": {Kind: text},
	}},
	"nodeConfig":         {Kind: block, Flags: computed | forces, Fields: nodeConfigFields},
	"nodeCount":          {Kind: number, Flags: required | computed},
	"nodeLocations":      {Kind: textSet, Flags: computed},
	"placementPolicy":    {Kind: block, Flags: forces | refused},
	"queuedProvisioning": {Kind: block, Flags: forces | refused},
	"upgradeSettings": {Kind: block, Flags: computed, Fields: fields{
		"blueGreenSettings": {Kind: block, Flags: computed | refused},
		"maxSurge":          {Kind: number, Flags: computed},
		"maxUnavailable":    {Kind: number, Flags: computed},
		"strategy":          {Kind: text, Default: "SURGE"},
	}},
	"version": {Kind: text, Flags: computed | refused},
}

// nodeConfigFields describe machines.
var nodeConfigFields = terraform.Union(
	terraform.Each("advancedMachineFeatures ephemeralStorageConfig ephemeralStorageLocalSsdConfig gcfsConfig gvnic hostMaintenancePolicy "+
		"localNvmeSsdBlockConfig reservationAffinity sandboxConfig soleTenantConfig", field{Kind: block, Flags: forces | refused}),
	terraform.Each("containerdConfig fastSocket linuxNodeConfig", field{Kind: block, Flags: refused}),
	terraform.Each("bootDiskKmsKey nodeGroup", field{Kind: text, Flags: forces | refused}),
	terraform.Each("diskType machineType", field{Kind: text, Flags: computed}),
	fields{
		"confidentialNodes":         {Kind: block, Flags: computed | forces | refused},
		"diskSizeGb":                {Kind: number, Flags: computed},
		"effectiveTaints":           {Kind: blocks, Flags: output},
		"enableConfidentialStorage": {Kind: truth, Flags: forces | refused},
		"guestAccelerators":         {Kind: blocks, Flags: computed | forces | refused},
		"imageType":                 {Kind: text, Flags: computed, Same: terraform.SameExceptCase},
		"kubeletConfig": {Kind: block, Fields: fields{
			"cpuCfsQuota":       {Kind: truth},
			"cpuCfsQuotaPeriod": {Kind: text},
			"cpuManagerPolicy":  {Kind: text, Flags: required},
			"podPidsLimit":      {Kind: number},
		}},
		"labels":              {Kind: mapping, Flags: computed},
		"localSsdCount":       {Kind: number, Flags: computed | forces | refused},
		"loggingVariant":      {Kind: text, Flags: computed | refused},
		"metadata":            {Kind: mapping, Flags: computed | forces},
		"minCpuPlatform":      {Kind: text, Flags: computed | forces | refused},
		"oauthScopes":         {Kind: textSet, Flags: computed | forces},
		"preemptible":         {Kind: truth, Flags: forces | refused, Default: false},
		"resourceLabels":      {Kind: mapping},
		"resourceManagerTags": {Kind: mapping, Flags: refused},
		"secondaryBootDisks":  {Kind: blocks, Flags: forces | refused},
		"serviceAccount":      {Kind: text, Flags: computed | forces},
		"shieldedInstanceConfig": {Kind: block, Flags: computed | forces, Fields: fields{
			"enableIntegrityMonitoring": {Kind: truth, Flags: forces, Default: true},
			"enableSecureBoot":          {Kind: truth, Flags: forces, Default: false},
		}},
		"spot":                   {Kind: truth, Flags: forces, Default: false},
		"tags":                   {Kind: texts},
		"taints":                 {Kind: blocks, Flags: refused},
		"workloadMetadataConfig": {Kind: block, Flags: computed, Fields: fields{"mode": {Kind: text, Flags: required}}},
	},
)

// bootDisks are those of machine series, the first of them GKE's default:
// https://cloud.google.com/compute/docs/disks#machine_series_support.
var bootDisks = map[string]string{
	"e2 n1 g1 n2 n2d t2d t2a c2 c2d m1 m2 a2": "pd-balanced pd-standard pd-ssd",
	"c3 c3d m3 z3 a3 g2":                      "pd-balanced pd-ssd hyperdisk-balanced",
	"h3":                                      "pd-balanced hyperdisk-balanced",
	"c4 c4a c4d n4 n4a n4d m4":                "hyperdisk-balanced",
}

// disksOf returns the boot disks that machines of a type can have.
func disksOf(machine string) []string {
	series, _, _ := strings.Cut(machine, "-")
	for all, disks := range bootDisks {
		if slices.Contains(strings.Fields(all), series) {
			return strings.Fields(disks)
		}
	}
	return nil
}

var machineType = regexp.MustCompile(`^[a-z0-9]+-(micro|small|medium|(custom|[a-z]+)-[1-9][0-9]*[a-z]?(-.+)?)$`)

// machineRule refuses machines that do not exist and boot disks that they cannot
// use: nkoson/gke-tutorial/issues/7, keras-team/kinetic/issues/305,
// rancher/harvester-cloud/issues/249.
func machineRule(value any) string {
	config, _ := value.(map[string]any)
	machine, disk := cmp.Or(str(config, "machineType"), defaultMachine), str(config, "diskType")
	disks := disksOf(machine)
	if disks == nil || !machineType.MatchString(machine) {
		return fmt.Sprintf("400: Invalid machine type %q: GCE_NOT_FOUND., badRequest", machine)
	}
	if disk != "" && !slices.Contains(disks, disk) {
		return fmt.Sprintf("400: %s disk type cannot be used by %s machine type., badRequest", disk, machine)
	}
	return ""
}

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
	if config["spot"] == true {
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

func applyNodePool(ctx context.Context, g *google, c *change) error {
	pool := poolOf(c.new)
	if _, err := clusterResource.require(g, map[string]any{"project": pool.Cluster.Project, "location": pool.Cluster.Location, "name": pool.Cluster.Name}); err != nil {
		return err
	}
	if err := g.requireAccount(pool.ServiceAccount); err != nil {
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
	object(config, "resourceLabels")[provisioningLabel] = "on-demand"
	if config["spot"] == true {
		object(config, "resourceLabels")[provisioningLabel] = "spot"
	}
	fill(c.new, map[string]any{
		"initialNodeCount": c.new["nodeCount"],
		"management":       map[string]any{"autoRepair": true, "autoUpgrade": true},
		"maxPodsPerNode":   110.0,
		"networkConfig":    map[string]any{"enablePrivateNodes": false},
		"nodeConfig": map[string]any{
			"diskSizeGb": 100.0, "diskType": disksOf(pool.MachineType)[0], "imageType": "COS_CONTAINERD", "loggingVariant": "DEFAULT",
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

func readNodePool(ctx context.Context, g *google, r records.Record) (bool, error) {
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

func removeNodePool(ctx context.Context, g *google, r records.Record) error {
	pool := poolOf(r.Properties)
	pool.NodesPerZone = 0
	return g.backend.Resize(ctx, pool, func(string) {})
}
