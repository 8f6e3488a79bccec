package gcp

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"hello-timber/emulator/gcp/terraform"
	"hello-timber/emulator/gke"
	"hello-timber/emulator/records"
)

const clusterType = "gcp:container/cluster:Cluster"

// clusterResource is a GKE Standard cluster. Three properties are required here only, because the emulator
// has no default location and no default node pools.
var clusterResource = register(resourceType{
	Schema: schema{Token: clusterType, ID: "projects/{project}/locations/{location}/clusters/{name}", Named: true, Fields: clusterFields},
	api:    kubernetesEngine,
	rules:  rules{"location": locationRule, "resourceLabels": labelRule},
	apply:  applyCluster,
	read:   readCluster,
	spare: func(properties map[string]any) (bool, error) {
		if properties["deletionProtection"] == false {
			return false, nil
		}
		//nolint:staticcheck // Google's provider says it with a capital letter
		return true, errors.New("Cannot destroy cluster because deletion_protection is set to true. Set it to false to proceed with cluster deletion. " +
			"(deletionProtection: false takes effect with the next: pulumi up)")
	},
	remove: removeCluster,
	commands: []command{
		{"container clusters get-credentials NAME [--location=LOCATION] [--project=PROJECT]", (*call).credentials},
	},
})

var kubernetesEngine = api{"container.googleapis.com", "Kubernetes Engine API"}

// enabled is a block with a switch.
var enabled = fields{"enabled": {Kind: truth, Flags: required}}

var clusterFields = terraform.Union(
	terraform.Each("endpoint labelFingerprint masterVersion selfLink servicesIpv4Cidr tpuIpv4CidrBlock", field{Kind: text, Flags: output}),
	terraform.Each("authenticatorGroupsConfig clusterTelemetry defaultSnatStatus identityServiceConfig meshCertificates nodePoolAutoConfig "+
		"protectConfig serviceExternalIpsConfig tpuConfig verticalPodAutoscaling workloadAltsConfig", field{Kind: block, Flags: computed | refused}),
	terraform.Each("dnsConfig enableK8sBetaApis fleet resourceUsageExportConfig", field{Kind: block, Flags: refused}),
	terraform.Each("loggingService monitoringService nodeVersion privateIpv6GoogleAccess", field{Kind: text, Flags: computed | refused}),
	terraform.Each("enableCiliumClusterwideNetworkPolicy enableFqdnNetworkPolicy enableL4IlbSubsetting", field{Kind: truth, Flags: refused, Default: false}),
	terraform.Each("podSecurityPolicyConfig secretManagerConfig", field{Kind: block, Flags: refused, Same: terraform.SameIfOff, Fields: fields{"enabled": {Kind: truth}}}),
	fields{
		"addonsConfig": {Kind: block, Flags: computed, Fields: terraform.Union(
			terraform.Each("cloudrunConfig configConnectorConfig gcsFuseCsiDriverConfig gkeBackupAgentConfig istioConfig kalmConfig statefulHaConfig",
				field{Kind: block, Flags: computed | refused}),
			terraform.Each("dnsCacheConfig gcePersistentDiskCsiDriverConfig gcpFilestoreCsiDriverConfig", field{Kind: block, Flags: computed, Fields: enabled}),
			terraform.Each("horizontalPodAutoscaling httpLoadBalancing networkPolicyConfig",
				field{Kind: block, Flags: computed, Fields: fields{"disabled": {Kind: truth, Flags: required}}}),
			fields{"rayOperatorConfigs": {Kind: blocks, Flags: computed | refused}},
		)},
		"allowNetAdmin": {Kind: truth, Flags: refused | unread},
		"binaryAuthorization": {Kind: block, Flags: refused, Same: terraform.SameIfOff, Fields: fields{
			"enabled": {Kind: truth}, "evaluationMode": {Kind: text, Flags: computed},
		}},
		"clusterAutoscaling": {Kind: block, Flags: computed | refused, Fields: fields{
			"autoProvisioningDefaults": {Kind: block}, "autoProvisioningLocations": {Kind: texts}, "autoscalingProfile": {Kind: text},
			"enabled": {Kind: truth}, "resourceLimits": {Kind: blocks},
		}},
		"clusterIpv4Cidr":           {Kind: text, Flags: computed | forces | refused},
		"confidentialNodes":         {Kind: block, Flags: computed | forces | refused},
		"costManagementConfig":      {Kind: block, Flags: computed, Fields: enabled},
		"databaseEncryption":        {Kind: block, Flags: computed | refused, Fields: terraform.Each("keyName state", field{Kind: text})},
		"datapathProvider":          {Kind: text, Flags: computed | forces},
		"defaultMaxPodsPerNode":     {Kind: number, Flags: computed | forces | refused},
		"deletionProtection":        {Kind: truth, Default: true},
		"description":               {Kind: text, Flags: forces},
		"enableAutopilot":           {Kind: truth, Flags: forces | refused},
		"enableIntranodeVisibility": {Kind: truth, Flags: computed},
		"enableKubernetesAlpha":     {Kind: truth, Flags: forces, Default: false},
		"enableLegacyAbac":          {Kind: truth, Default: false},
		"enableMultiNetworking":     {Kind: truth, Flags: forces | refused, Default: false},
		"enableShieldedNodes":       {Kind: truth, Default: true},
		"enableTpu":                 {Kind: truth, Flags: computed | forces | refused},
		"initialNodeCount": {Kind: number, Flags: required | forces, Rules: []terraform.Rule{
			terraform.Match("^[1-9]", "initialNodeCount must be at least 1, even when the default node pool is removed")}},
		"gatewayApiConfig": {Kind: block, Flags: computed, Fields: fields{"channel": {Kind: text, Flags: required}}},
		"ipAllocationPolicy": {Kind: block, Flags: computed | forces, Fields: terraform.Union(
			terraform.Each("clusterIpv4CidrBlock clusterSecondaryRangeName servicesIpv4CidrBlock servicesSecondaryRangeName", field{Kind: text, Flags: computed | forces}),
			fields{
				"additionalPodRangesConfig":  {Kind: block, Flags: refused},
				"podCidrOverprovisionConfig": {Kind: block, Flags: computed | forces | refused},
				"stackType":                  {Kind: text, Flags: forces, Default: "IPV4"},
			})},
		"location":      {Kind: text, Flags: required | computed | forces},
		"loggingConfig": {Kind: block, Flags: computed, Fields: fields{"enableComponents": {Kind: texts, Flags: required}}},
		"maintenancePolicy": {Kind: block, Fields: fields{
			"dailyMaintenanceWindow": {Kind: block, Fields: fields{
				"duration": {Kind: text, Flags: output}, "startTime": {Kind: text, Flags: required},
			}},
			"maintenanceExclusions": {Kind: blockSet, Fields: terraform.Union(
				terraform.Each("endTime exclusionName startTime", field{Kind: text, Flags: required}),
				fields{"exclusionOptions": {Kind: block, Fields: fields{"scope": {Kind: text, Flags: required}}}})},
			"recurringWindow": {Kind: block, Fields: terraform.Each("endTime recurrence startTime", field{Kind: text, Flags: required})},
		}},
		"masterAuth": {Kind: block, Flags: computed, Fields: fields{
			"clientCertificate": {Kind: text, Flags: output},
			"clientCertificateConfig": {Kind: block, Flags: required | forces, Fields: fields{
				"issueClientCertificate": {Kind: truth, Flags: required | forces},
			}},
			"clientKey":            {Kind: text, Flags: output | secret},
			"clusterCaCertificate": {Kind: text, Flags: output},
		}},
		"masterAuthorizedNetworksConfig": {Kind: block, Flags: computed, Fields: fields{
			"cidrBlocks":                  {Kind: blockSet, Fields: fields{"cidrBlock": {Kind: text, Flags: required}, "displayName": {Kind: text}}},
			"gcpPublicCidrsAccessEnabled": {Kind: truth, Flags: computed},
		}},
		"minMasterVersion": {Kind: text, Flags: refused | unread},
		"monitoringConfig": {Kind: block, Flags: computed, Fields: fields{
			"advancedDatapathObservabilityConfigs": {Kind: blocks, Flags: computed, Fields: fields{
				"enableMetrics": {Kind: truth, Flags: required},
				"enableRelay":   {Kind: truth, Default: false},
				"relayMode":     {Kind: text, Flags: computed},
			}},
			"enableComponents":  {Kind: texts, Flags: computed},
			"managedPrometheus": {Kind: block, Flags: computed, Fields: enabled},
		}},
		"name":    {Kind: text, Flags: required | forces, Rules: nameRules},
		"network": {Kind: text, Flags: forces, Default: "default", Same: terraform.SameReference},
		"networkPolicy": {Kind: block, Flags: refused, Same: terraform.SameIfOff, Fields: fields{
			"enabled": {Kind: truth}, "provider": {Kind: text},
		}},
		"networkingMode": {Kind: text, Flags: computed | forces},
		"nodeConfig":     {Kind: block, Flags: computed | forces, Fields: nodeConfigFields},
		"nodeLocations":  {Kind: textSet, Flags: computed | refused},
		"nodePoolDefaults": {Kind: block, Flags: computed | refused, Fields: fields{"nodeConfigDefaults": {Kind: block, Fields: fields{
			"containerdConfig": {Kind: block}, "gcfsConfig": {Kind: block}, "loggingVariant": {Kind: text},
		}}}},
		"nodePools": {Kind: blocks, Flags: computed | forces | refused, Fields: poolFields},
		"notificationConfig": {Kind: block, Flags: computed, Fields: fields{"pubsub": {Kind: block, Flags: required, Fields: fields{
			"enabled": {Kind: truth, Flags: required},
			"filter":  {Kind: block, Fields: fields{"eventTypes": {Kind: texts, Flags: required}}},
			"topic":   {Kind: text},
		}}}},
		"operation": {Kind: text, Flags: output | unread},
		"privateClusterConfig": {Kind: block, Fields: fields{
			"enablePrivateEndpoint":     {Kind: truth, Same: terraform.BothOff},
			"enablePrivateNodes":        {Kind: truth, Flags: forces, Same: terraform.BothOff},
			"masterGlobalAccessConfig":  {Kind: block, Flags: computed, Fields: enabled},
			"masterIpv4CidrBlock":       {Kind: text, Flags: computed | forces, Rules: []terraform.Rule{controlPlaneRange}},
			"peeringName":               {Kind: text, Flags: output},
			"privateEndpoint":           {Kind: text, Flags: output},
			"privateEndpointSubnetwork": {Kind: text, Flags: forces, Same: terraform.SameReference},
			"publicEndpoint":            {Kind: text, Flags: output},
		}},
		"project":        {Kind: text, Flags: computed | forces},
		"releaseChannel": {Kind: block, Flags: computed, Fields: fields{"channel": {Kind: text, Flags: required}}},
		"removeDefaultNodePool": {Kind: truth, Flags: required, Rules: []terraform.Rule{
			terraform.Match("^true$", "the emulator's clusters have no default node pool: set removeDefaultNodePool to true and declare a gcp:container/nodePool:NodePool")}},
		"resourceLabels":         {Kind: mapping},
		"securityPostureConfig":  {Kind: block, Flags: computed, Fields: terraform.Each("mode vulnerabilityMode", field{Kind: text, Flags: computed})},
		"subnetwork":             {Kind: text, Flags: computed | forces, Same: terraform.SameReference},
		"workloadIdentityConfig": {Kind: block, Flags: computed, Fields: fields{"workloadPool": {Kind: text}}},
	},
)

var nameRules = []terraform.Rule{
	terraform.Match(`^.{0,40}$`, `"name" cannot be longer than 40 characters`),
	terraform.Match(`^[a-z0-9-]*$`, `"name" can only contain lowercase letters, numbers and hyphens`),
	terraform.Match(`^[a-z]`, `"name" must start with a letter`),
	terraform.Match(`[a-z0-9]$`, `"name" must end with a number or a letter`),
}

func controlPlaneRange(value any) string {
	block, err := netip.ParsePrefix(fmt.Sprint(value))
	if value == "" || err == nil && block.Bits() == 28 && block == block.Masked() {
		return ""
	}
	return fmt.Sprintf("expected private_cluster_config.0.master_ipv4_cidr_block to contain a valid network Value with 28 significant bits, got: %s", value)
}

const (
	kubernetes = "1.34.4"
	// version is that of the emulated control planes and nodes.
	version = kubernetes + "-gke.1"
)

func clusterOf(properties map[string]any) gke.Cluster {
	name := str(properties, "name")
	if cluster := str(properties, "cluster"); cluster != "" {
		name = path.Base(cluster)
	}
	return gke.Cluster{Name: name, Project: str(properties, "project"), Location: str(properties, "location")}
}

// zonesOf returns the zones of a cluster's or a pool's nodes if none are chosen: the
// cluster's zone, or three zones of its region.
func zonesOf(location string) []string {
	if strings.Count(location, "-") == 2 {
		return []string{location}
	}
	return []string{location + "-b", location + "-c", location + "-d"}
}

func applyCluster(ctx context.Context, g *google, c *change) error {
	if err := checkNetwork(c.new); err != nil {
		return err
	}
	if c.old == nil {
		endpoint, err := g.backend.CreateCluster(ctx, clusterOf(c.new), c.log)
		if err != nil {
			return err
		}
		c.new["endpoint"] = endpoint.Host
		object(c.new, "masterAuth")["clusterCaCertificate"] = endpoint.CACertificate
	}
	if gateways, _ := c.new["gatewayApiConfig"].(map[string]any); gateways["channel"] == "CHANNEL_STANDARD" {
		if err := g.backend.EnableGateways(ctx, str(c.new, "name")); err != nil {
			return err
		}
	}
	fillCluster(c)
	// In the emulator's environment, kubectl uses the stack's cluster without another command.
	if filepath.Dir(os.Getenv("KUBECONFIG")) == filepath.Dir(g.records.Dir) {
		return writeKubeconfig(c.new)
	}
	return nil
}

// fillCluster adds what GKE chooses for a cluster that does not ask for anything else.
func fillCluster(c *change) {
	location := str(c.new, "location")
	c.new["masterVersion"], c.new["nodeVersion"], c.new["labelFingerprint"] = version, version, etag()
	c.new["selfLink"] = "https://container.googleapis.com/v1/" + c.id
	c.new["network"], c.new["subnetwork"], _ = networksOf(c.new)
	off := map[string]any{"enabled": false}
	fill(c.new, map[string]any{
		"addonsConfig":            map[string]any{"gcePersistentDiskCsiDriverConfig": map[string]any{"enabled": true}},
		"binaryAuthorization":     off,
		"clusterAutoscaling":      off,
		"clusterIpv4Cidr":         "10.4.0.0/14",
		"databaseEncryption":      map[string]any{"state": "DECRYPTED"},
		"defaultMaxPodsPerNode":   110.0,
		"ipAllocationPolicy":      map[string]any{"stackType": "IPV4"},
		"loggingConfig":           map[string]any{"enableComponents": []any{"SYSTEM_COMPONENTS", "WORKLOADS"}},
		"loggingService":          "logging.googleapis.com/kubernetes",
		"masterAuth":              map[string]any{"clientCertificateConfig": map[string]any{"issueClientCertificate": false}},
		"monitoringService":       "monitoring.googleapis.com/kubernetes",
		"networkPolicy":           off,
		"networkingMode":          "VPC_NATIVE",
		"nodeConfig":              map[string]any{"loggingVariant": "DEFAULT", "oauthScopes": defaultScopes},
		"nodePoolDefaults":        map[string]any{"nodeConfigDefaults": map[string]any{"loggingVariant": "DEFAULT"}},
		"notificationConfig":      map[string]any{"pubsub": off},
		"podSecurityPolicyConfig": off,
		"releaseChannel":          map[string]any{"channel": "REGULAR"},
		"secretManagerConfig":     off,
		"securityPostureConfig":   map[string]any{"mode": "BASIC", "vulnerabilityMode": "VULNERABILITY_DISABLED"},
		"servicesIpv4Cidr":        "10.8.0.0/20",
	})
	if c.new["monitoringConfig"] == nil {
		c.new["monitoringConfig"] = map[string]any{"enableComponents": []any{"SYSTEM_COMPONENTS"}, "managedPrometheus": map[string]any{"enabled": true},
			"advancedDatapathObservabilityConfigs": []any{map[string]any{"relayMode": "DISABLED"}}}
	}
	if private, ok := c.new["privateClusterConfig"].(map[string]any); ok {
		fill(private, map[string]any{"masterGlobalAccessConfig": off})
	}
	// Google counts a zonal cluster's own zone as its location, not among these.
	c.new["nodeLocations"] = slices.DeleteFunc(zonesOf(location), func(zone string) bool { return zone == location })
}

// readCluster also lists the cluster's node pools, as Google does.
func readCluster(ctx context.Context, g *google, r records.Record) (bool, error) {
	_, exists, err := g.backend.Cluster(ctx, clusterOf(r.Properties).Name)
	if err != nil || !exists {
		return false, err
	}
	pools, err := poolsOf(g.records, r.ID)
	list := []any{}
	for _, pool := range pools {
		list = append(list, pool.Properties)
	}
	r.Properties["nodePools"] = list
	return true, err
}

// poolsOf returns the records of a cluster's node pools.
func poolsOf(book records.Book, cluster string) ([]records.Record, error) {
	pools, err := book.List(nodePoolType)
	return slices.DeleteFunc(pools, func(pool records.Record) bool { return !strings.HasPrefix(pool.ID, cluster+"/") }), err
}

func removeCluster(ctx context.Context, g *google, r records.Record) error {
	name := clusterOf(r.Properties).Name
	all, err := g.records.List(clusterType)
	if err != nil {
		return err
	}
	for _, other := range all {
		// Container names are unique in a way that Google's cluster names are not.
		if other.ID != r.ID && clusterOf(other.Properties).Name == name {
			return nil
		}
	}
	if err := g.backend.DeleteCluster(ctx, name); err != nil {
		return err
	}
	pools, err := poolsOf(g.records, r.ID)
	for _, pool := range pools {
		err = errors.Join(err, g.records.Delete(nodePoolType, pool.ID))
	}
	return err
}

func (c *call) credentials() error {
	found, err := c.records.List(clusterType)
	if err != nil {
		return err
	}
	found = slices.DeleteFunc(found, func(r records.Record) bool {
		is := clusterOf(r.Properties)
		return c.name != is.Name || c.location != "" && c.location != is.Location || c.project != "" && c.project != is.Project
	})
	if len(found) != 1 {
		return fmt.Errorf("%d clusters match %s. Fix: run what pulumi stack output kubectl prints", len(found), c.name)
	}
	fmt.Fprintln(c.errOut, "Fetching cluster endpoint and auth data.")
	if err := writeKubeconfig(found[0].Properties); err != nil {
		return err
	}
	_, err = fmt.Fprintf(c.errOut, "kubeconfig entry generated for %s.\n", c.name)
	return err
}
