package gcp

import (
	"context"
	"errors"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"

	"hello-timber/emulator/gke"
	"hello-timber/emulator/records"
)

const clusterType = "gcp:container/cluster:Cluster"

// clusterSchema has three properties that are required here only: the emulator has
// no default location and no default node pools.
var clusterSchema = schema{
	token: clusterType, id: "projects/{project}/locations/{location}/clusters/{name}",
	api: "container.googleapis.com", named: true,
	fields: fields{
		"addonsConfig": {kind: block, flags: computed, fields: fields{
			"cloudrunConfig":        {kind: block, flags: computed | refused},
			"configConnectorConfig": {kind: block, flags: computed | refused},
			"dnsCacheConfig": {kind: block, flags: computed, fields: fields{
				"enabled": {kind: truth, flags: required},
			}},
			"gcePersistentDiskCsiDriverConfig": {kind: block, flags: computed, fields: fields{
				"enabled": {kind: truth, flags: required},
			}},
			"gcpFilestoreCsiDriverConfig": {kind: block, flags: computed, fields: fields{
				"enabled": {kind: truth, flags: required},
			}},
			"gcsFuseCsiDriverConfig": {kind: block, flags: computed | refused},
			"gkeBackupAgentConfig":   {kind: block, flags: computed | refused},
			"horizontalPodAutoscaling": {kind: block, flags: computed, fields: fields{
				"disabled": {kind: truth, flags: required},
			}},
			"httpLoadBalancing": {kind: block, flags: computed, fields: fields{
				"disabled": {kind: truth, flags: required},
			}},
			"istioConfig": {kind: block, flags: computed | refused},
			"kalmConfig":  {kind: block, flags: computed | refused},
			"networkPolicyConfig": {kind: block, flags: computed, fields: fields{
				"disabled": {kind: truth, flags: required},
			}},
			"rayOperatorConfigs": {kind: blocks, flags: computed | refused},
			"statefulHaConfig":   {kind: block, flags: computed | refused},
		}},
		"allowNetAdmin":             {kind: truth, flags: refused | unread},
		"authenticatorGroupsConfig": {kind: block, flags: computed | refused},
		"binaryAuthorization": {kind: block, flags: refused, same: sameIfOff, fields: fields{
			"enabled": {kind: truth}, "evaluationMode": {kind: text, flags: computed},
		}},
		"clusterAutoscaling": {kind: block, flags: computed | refused, fields: fields{
			"autoProvisioningDefaults": {kind: block}, "autoProvisioningLocations": {kind: texts}, "autoscalingProfile": {kind: text},
			"enabled": {kind: truth}, "resourceLimits": {kind: blocks},
		}},
		"clusterIpv4Cidr":   {kind: text, flags: computed | forces | refused},
		"clusterTelemetry":  {kind: block, flags: computed | refused},
		"confidentialNodes": {kind: block, flags: computed | forces | refused},
		"costManagementConfig": {kind: block, flags: computed, fields: fields{
			"enabled": {kind: truth, flags: required},
		}},
		"databaseEncryption": {kind: block, flags: computed | refused, fields: fields{
			"keyName": {kind: text}, "state": {kind: text},
		}},
		"datapathProvider":                     {kind: text, flags: computed | forces},
		"defaultMaxPodsPerNode":                {kind: number, flags: computed | forces | refused},
		"defaultSnatStatus":                    {kind: block, flags: computed | refused},
		"deletionProtection":                   {kind: truth, preset: true},
		"description":                          {kind: text, flags: forces},
		"dnsConfig":                            {kind: block, flags: refused},
		"enableAutopilot":                      {kind: truth, flags: forces | refused},
		"enableCiliumClusterwideNetworkPolicy": {kind: truth, flags: refused, preset: false},
		"enableFqdnNetworkPolicy":              {kind: truth, flags: refused, preset: false},
		"enableIntranodeVisibility":            {kind: truth, flags: computed},
		"enableK8sBetaApis":                    {kind: block, flags: refused},
		"enableKubernetesAlpha":                {kind: truth, flags: forces, preset: false},
		"enableL4IlbSubsetting":                {kind: truth, flags: refused, preset: false},
		"enableLegacyAbac":                     {kind: truth, preset: false},
		"enableMultiNetworking":                {kind: truth, flags: forces | refused, preset: false},
		"enableShieldedNodes":                  {kind: truth, preset: true},
		"enableTpu":                            {kind: truth, flags: computed | forces | refused},
		"endpoint":                             {kind: text, flags: output},
		"fleet":                                {kind: block, flags: refused},
		"gatewayApiConfig":                     {kind: block, flags: computed | refused},
		"identityServiceConfig":                {kind: block, flags: computed | refused},
		"initialNodeCount":                     {kind: number, flags: required | forces},
		"ipAllocationPolicy": {kind: block, flags: computed | forces, fields: fields{
			"additionalPodRangesConfig":  {kind: block, flags: refused},
			"clusterIpv4CidrBlock":       {kind: text, flags: computed | forces},
			"clusterSecondaryRangeName":  {kind: text, flags: computed | forces},
			"podCidrOverprovisionConfig": {kind: block, flags: computed | forces | refused},
			"servicesIpv4CidrBlock":      {kind: text, flags: computed | forces},
			"servicesSecondaryRangeName": {kind: text, flags: computed | forces},
			"stackType":                  {kind: text, flags: forces, preset: "IPV4"},
		}},
		"labelFingerprint": {kind: text, flags: output},
		"location":         {kind: text, flags: required | computed | forces},
		"loggingConfig": {kind: block, flags: computed, fields: fields{
			"enableComponents": {kind: texts, flags: required},
		}},
		"loggingService": {kind: text, flags: computed | refused},
		"maintenancePolicy": {kind: block, fields: fields{
			"dailyMaintenanceWindow": {kind: block, fields: fields{
				"duration":  {kind: text, flags: output},
				"startTime": {kind: text, flags: required},
			}},
			"maintenanceExclusions": {kind: blockSet, fields: fields{
				"endTime":       {kind: text, flags: required},
				"exclusionName": {kind: text, flags: required},
				"exclusionOptions": {kind: block, fields: fields{
					"scope": {kind: text, flags: required},
				}},
				"startTime": {kind: text, flags: required},
			}},
			"recurringWindow": {kind: block, fields: fields{
				"endTime":    {kind: text, flags: required},
				"recurrence": {kind: text, flags: required},
				"startTime":  {kind: text, flags: required},
			}},
		}},
		"masterAuth": {kind: block, flags: computed, fields: fields{
			"clientCertificate": {kind: text, flags: output},
			"clientCertificateConfig": {kind: block, flags: required | forces, fields: fields{
				"issueClientCertificate": {kind: truth, flags: required | forces},
			}},
			"clientKey":            {kind: text, flags: output | secret},
			"clusterCaCertificate": {kind: text, flags: output},
		}},
		"masterAuthorizedNetworksConfig": {kind: block, flags: computed, fields: fields{
			"cidrBlocks": {kind: blockSet, fields: fields{
				"cidrBlock":   {kind: text, flags: required},
				"displayName": {kind: text},
			}},
			"gcpPublicCidrsAccessEnabled": {kind: truth, flags: computed},
		}},
		"masterVersion":    {kind: text, flags: output},
		"meshCertificates": {kind: block, flags: computed | refused},
		"minMasterVersion": {kind: text, flags: refused | unread},
		"monitoringConfig": {kind: block, flags: computed, fields: fields{
			"advancedDatapathObservabilityConfigs": {kind: blocks, flags: computed, fields: fields{
				"enableMetrics": {kind: truth, flags: required},
				"enableRelay":   {kind: truth, preset: false},
				"relayMode":     {kind: text, flags: computed},
			}},
			"enableComponents": {kind: texts, flags: computed},
			"managedPrometheus": {kind: block, flags: computed, fields: fields{
				"enabled": {kind: truth, flags: required},
			}},
		}},
		"monitoringService": {kind: text, flags: computed | refused},
		"name":              {kind: text, flags: required | forces},
		"network":           {kind: text, flags: forces, preset: "default", same: sameReference},
		"networkPolicy": {kind: block, flags: refused, same: sameIfOff, fields: fields{
			"enabled": {kind: truth}, "provider": {kind: text},
		}},
		"networkingMode":     {kind: text, flags: computed | forces},
		"nodeConfig":         {kind: block, flags: computed | forces, fields: nodeConfigFields},
		"nodeLocations":      {kind: textSet, flags: computed | refused},
		"nodePoolAutoConfig": {kind: block, flags: computed | refused},
		"nodePoolDefaults": {kind: block, flags: computed | refused, fields: fields{
			"nodeConfigDefaults": {kind: block, fields: fields{
				"containerdConfig": {kind: block}, "gcfsConfig": {kind: block}, "loggingVariant": {kind: text},
			}},
		}},
		"nodePools":   {kind: blocks, flags: computed | forces | refused, fields: poolFields},
		"nodeVersion": {kind: text, flags: computed | refused},
		"notificationConfig": {kind: block, flags: computed, fields: fields{
			"pubsub": {kind: block, flags: required, fields: fields{
				"enabled": {kind: truth, flags: required},
				"filter": {kind: block, fields: fields{
					"eventTypes": {kind: texts, flags: required},
				}},
				"topic": {kind: text},
			}},
		}},
		"operation":               {kind: text, flags: output | unread},
		"podSecurityPolicyConfig": {kind: block, flags: refused, same: sameIfOff, fields: fields{"enabled": {kind: truth}}},
		"privateClusterConfig": {kind: block, flags: computed, fields: fields{
			"enablePrivateEndpoint": {kind: truth, same: bothOff},
			"enablePrivateNodes":    {kind: truth, flags: forces, same: bothOff},
			"masterGlobalAccessConfig": {kind: block, flags: computed, fields: fields{
				"enabled": {kind: truth, flags: required},
			}},
			"masterIpv4CidrBlock":       {kind: text, flags: computed | forces},
			"peeringName":               {kind: text, flags: output},
			"privateEndpoint":           {kind: text, flags: output},
			"privateEndpointSubnetwork": {kind: text, flags: forces, same: sameReference},
			"publicEndpoint":            {kind: text, flags: output},
		}},
		"privateIpv6GoogleAccess": {kind: text, flags: computed | refused},
		"project":                 {kind: text, flags: computed | forces},
		"protectConfig":           {kind: block, flags: computed | refused},
		"releaseChannel": {kind: block, flags: computed, fields: fields{
			"channel": {kind: text, flags: required},
		}},
		"removeDefaultNodePool":     {kind: truth, flags: required},
		"resourceLabels":            {kind: mapping},
		"resourceUsageExportConfig": {kind: block, flags: refused},
		"secretManagerConfig":       {kind: block, flags: refused, same: sameIfOff, fields: fields{"enabled": {kind: truth}}},
		"securityPostureConfig": {kind: block, flags: computed, fields: fields{
			"mode":              {kind: text, flags: computed},
			"vulnerabilityMode": {kind: text, flags: computed},
		}},
		"selfLink":                 {kind: text, flags: output},
		"serviceExternalIpsConfig": {kind: block, flags: computed | refused},
		"servicesIpv4Cidr":         {kind: text, flags: output},
		"subnetwork":               {kind: text, flags: computed | forces, same: sameReference},
		"tpuConfig":                {kind: block, flags: computed | refused},
		"tpuIpv4CidrBlock":         {kind: text, flags: output},
		"verticalPodAutoscaling":   {kind: block, flags: computed | refused},
		"workloadAltsConfig":       {kind: block, flags: computed | refused},
		"workloadIdentityConfig": {kind: block, flags: computed, fields: fields{
			"workloadPool": {kind: text},
		}},
	},
}

// clusterResource is a GKE Standard cluster.
type clusterResource struct{}

func (clusterResource) schema() *schema { return &clusterSchema }

// version is that of the emulated control planes and nodes.
const version = "1.34.4-gke.1"

func checkCluster(in resource.PropertyMap, report func(reason string)) {
	if v := in["removeDefaultNodePool"]; v.IsBool() && !v.BoolValue() {
		report("the emulator's clusters have no default node pool: set removeDefaultNodePool to true and declare a gcp:container/nodePool:NodePool")
	}
	if v := in["initialNodeCount"]; v.IsNumber() && v.NumberValue() < 1 {
		report("initialNodeCount must be at least 1, even when the default node pool is removed")
	}
}

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

func (clusterResource) apply(ctx context.Context, g *google, c *change) error {
	if err := errors.Join(refuseLocation(str(c.new, "location")), refuseClusterLabels(object(c.new, "resourceLabels")), refuseNetwork(c.new)); err != nil {
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
	c.new["network"], c.new["subnetwork"] = networkOf(c.new).path(), subnetOf(c.new)
	off := map[string]any{"enabled": false}
	fill(c.new, map[string]any{
		"addonsConfig":            map[string]any{"gcePersistentDiskCsiDriverConfig": map[string]any{"enabled": true}},
		"binaryAuthorization":     off,
		"clusterAutoscaling":      off,
		"clusterIpv4Cidr":         "10.4.0.0/14",
		"databaseEncryption":      map[string]any{"state": "DECRYPTED"},
		"defaultMaxPodsPerNode":   110.0,
		"ipAllocationPolicy":      map[string]any{"stackType": "IPV4"},
		"loggingService":          "logging.googleapis.com/kubernetes",
		"masterAuth":              map[string]any{"clientCertificateConfig": map[string]any{"issueClientCertificate": false}},
		"monitoringService":       "monitoring.googleapis.com/kubernetes",
		"networkPolicy":           off,
		"nodeConfig":              map[string]any{"loggingVariant": "DEFAULT", "oauthScopes": defaultScopes},
		"nodePoolDefaults":        map[string]any{"nodeConfigDefaults": map[string]any{"loggingVariant": "DEFAULT"}},
		"notificationConfig":      map[string]any{"pubsub": map[string]any{"enabled": false}},
		"podSecurityPolicyConfig": off,
		"privateClusterConfig":    map[string]any{"masterGlobalAccessConfig": map[string]any{"enabled": false}},
		"secretManagerConfig":     off,
		"servicesIpv4Cidr":        "10.8.0.0/20",
	})
	// Google counts a zonal cluster's own zone as its location, not among these.
	c.new["nodeLocations"] = slices.DeleteFunc(zonesOf(location), func(zone string) bool { return zone == location })
}

// fill adds what is missing, in objects too.
func fill(properties, missing map[string]any) {
	for key, value := range missing {
		have, set := properties[key]
		if nested, ok := value.(map[string]any); ok {
			if !set {
				have = map[string]any{}
				properties[key] = have
			}
			if object, ok := have.(map[string]any); ok {
				fill(object, nested)
			}
		} else if !set {
			properties[key] = value
		}
	}
}

// read also lists the cluster's node pools, as Google does.
func (clusterResource) read(ctx context.Context, g *google, r records.Record) (bool, error) {
	_, exists, err := g.backend.Cluster(ctx, clusterOf(r.Properties).Name)
	if err != nil || !exists {
		return false, err
	}
	pools, err := g.poolsOf(r.ID)
	list := []any{}
	for _, pool := range pools {
		list = append(list, pool.Properties)
	}
	r.Properties["nodePools"] = list
	return true, err
}

// poolsOf returns the records of a cluster's node pools.
func (g *google) poolsOf(cluster string) ([]records.Record, error) {
	pools, err := g.records.List(nodePoolType)
	return slices.DeleteFunc(pools, func(pool records.Record) bool { return !strings.HasPrefix(pool.ID, cluster+"/") }), err
}

func (clusterResource) remove(ctx context.Context, g *google, r records.Record) error {
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
	pools, err := g.poolsOf(r.ID)
	for _, pool := range pools {
		err = errors.Join(err, g.records.Delete(nodePoolType, pool.ID))
	}
	return err
}

func refuseProtected(outputs resource.PropertyMap) error {
	if v := outputs["deletionProtection"]; v.IsBool() && !v.BoolValue() {
		return nil
	}
	//nolint:staticcheck // Google's provider says it with a capital letter
	return errors.New("Cannot destroy cluster because deletion_protection is set to true. Set it to false to proceed with cluster deletion. " +
		"(deletionProtection: false takes effect with the next: pulumi up)")
}
