package target

import (
	"github.com/pulumi/pulumi-gcp/sdk/v7/go/gcp/container"
	"github.com/pulumi/pulumi-gcp/sdk/v7/go/gcp/serviceaccount"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"hello-timber/stacks/config"
)

// newNodePool registers the cluster's nodes. Another machine type renews them one
// by one; a change between spot and standard nodes replaces the pool.
//
// With MaxNodesPerZone, GKE adds nodes for pods that find no place and removes those
// that are empty; Nodes is the minimum.
func (g *google) newNodePool(c *cluster, role pulumi.Resource) (*container.NodePool, error) {
	// GKE sets these itself, and up to pulumi-gcp 8.17 the provider takes them for
	// changes and would undo them with every update, or replace the pool. The fixes
	// are in terraform-provider-google 5.44.2 and 5.45.1.
	ignored := []string{"nodeConfig.resourceLabels", "nodeConfig.kubeletConfig", "nodeConfig.gcfsConfig"}
	var autoscaling container.NodePoolAutoscalingPtrInput
	if g.MaxNodesPerZone > 0 {
		autoscaling = &container.NodePoolAutoscalingArgs{
			MinNodeCount: pulumi.Int(g.NodesPerZone),
			MaxNodeCount: pulumi.Int(g.MaxNodesPerZone),
		}
		ignored = append(ignored, "nodeCount")
	}
	most := max(g.Nodes, g.MaxNodes)
	return container.NewNodePool(g.ctx, g.name, &container.NodePoolArgs{
		Project:  pulumi.String(g.Project),
		Location: pulumi.String(g.Location),
		Cluster:  c.gke.Name,
		// Not InitialNodeCount, which cannot be changed without replacing the pool.
		NodeCount:   pulumi.Int(g.NodesPerZone),
		Autoscaling: autoscaling,
		Management: &container.NodePoolManagementArgs{
			AutoRepair:  pulumi.Bool(true), // CIS 5.5.2
			AutoUpgrade: pulumi.Bool(true), // 5.5.3
		},
		// An upgrade adds nodes before it drains as many old ones.
		UpgradeSettings: &container.NodePoolUpgradeSettingsArgs{
			MaxSurge:       pulumi.Int((most + upgradeRounds - 1) / upgradeRounds),
			MaxUnavailable: pulumi.Int(0),
		},
		NodeConfig: g.nodeConfig(c.account),
	},
		pulumi.Parent(c),
		// A node without its role cannot register with logging and monitoring; nothing
		// of the grant is an input of the pool.
		pulumi.DependsOn([]pulumi.Resource{role}),
		pulumi.IgnoreChanges(ignored),
		// An update may have to renew every node. The jobs of pipelines end after 120 minutes.
		pulumi.Timeouts(&pulumi.CustomTimeouts{Create: "45m", Update: "90m", Delete: "45m"}))
}

// upgradeRounds is how many times nodes are added and removed to renew all of them, when
// they are in one zone. GKE renews one zone after the other, so in a region it may be one
// more. A round takes 3 to 9 minutes, so all of them take an hour at most, whatever the
// number of nodes. Up to five nodes are renewed one by one.
const upgradeRounds = 5

func (g *google) nodeConfig(account *serviceaccount.Account) *container.NodePoolNodeConfigArgs {
	return &container.NodePoolNodeConfigArgs{
		MachineType:    pulumi.String(g.MachineType),
		Spot:           pulumi.Bool(g.Spot),
		DiskType:       pulumi.String(config.DiskType(g.MachineType)),
		DiskSizeGb:     pulumi.Int(config.DiskGB),
		ImageType:      pulumi.String("COS_CONTAINERD"), // CIS 5.5.1
		ServiceAccount: account.Email,
		// The account's roles limit what nodes may do. Scopes are the legacy way.
		OauthScopes: pulumi.ToStringArray([]string{"https://www.googleapis.com/auth/cloud-platform"}),
		// Pods get tokens of their own account from GKE's metadata server (5.4.1), not
		// the node's from Compute Engine's.
		WorkloadMetadataConfig: &container.NodePoolNodeConfigWorkloadMetadataConfigArgs{
			Mode: pulumi.String("GKE_METADATA"),
		},
		Metadata: pulumi.StringMap{"disable-legacy-endpoints": pulumi.String("true")},
		ShieldedInstanceConfig: &container.NodePoolNodeConfigShieldedInstanceConfigArgs{
			EnableIntegrityMonitoring: pulumi.Bool(true), // 5.5.6
			EnableSecureBoot:          pulumi.Bool(true), // 5.5.7
		},
	}
}
