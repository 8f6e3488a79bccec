package stacks

import (
	"github.com/pulumi/pulumi-gcp/sdk/v7/go/gcp/container"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// NodePoolArgs are the arguments of NewNodePool.
type NodePoolArgs struct {
	Project      string // ID of the Google Cloud project
	Location     string // the cluster's zone or region
	NodesPerZone int    // in a region, a third of all nodes
	MachineType  string // a change renews the nodes one by one
	Spot         bool   // cheaper, and Google may take them away; a change replaces the pool
	Cluster      *Cluster
}

// NodePool is the cluster's machines, all alike.
type NodePool struct {
	pulumi.ResourceState

	// Nodes is what to depend on, rather than the NodePool: of a component, the SDK
	// passes on only those children that have got their turn already.
	Nodes pulumi.Resource
}

// NewNodePool registers the nodes.
func NewNodePool(ctx *pulumi.Context, name string, args *NodePoolArgs, opts ...pulumi.ResourceOption) (*NodePool, error) {
	p := &NodePool{}
	if err := ctx.RegisterComponentResource("hello-timber:stacks:NodePool", name, p, opts...); err != nil {
		return nil, err
	}
	nodes, err := container.NewNodePool(ctx, name, &container.NodePoolArgs{
		Project:  pulumi.String(args.Project),
		Location: pulumi.String(args.Location),
		Cluster:  args.Cluster.Name,
		// Not InitialNodeCount, which cannot be changed without replacing the pool.
		NodeCount: pulumi.Int(args.NodesPerZone),
		Management: &container.NodePoolManagementArgs{
			AutoRepair:  pulumi.Bool(true), // CIS 5.5.2
			AutoUpgrade: pulumi.Bool(true), // 5.5.3
		},
		// An upgrade first adds a node, then drains an old one.
		UpgradeSettings: &container.NodePoolUpgradeSettingsArgs{
			MaxSurge:       pulumi.Int(1),
			MaxUnavailable: pulumi.Int(0),
		},
		NodeConfig: &container.NodePoolNodeConfigArgs{
			MachineType: pulumi.String(args.MachineType),
			Spot:        pulumi.Bool(args.Spot),
			// The default, 100 GB of pd-balanced, costs eight times as much, and counts
			// against the small quota for SSDs of a new project.
			DiskType:       pulumi.String("pd-standard"),
			DiskSizeGb:     pulumi.Int(30),
			ImageType:      pulumi.String("COS_CONTAINERD"), // 5.5.1
			ServiceAccount: args.Cluster.NodeAccount.Email,
			// What nodes may do is limited by the account's roles; scopes are the legacy way.
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
		},
	},
		pulumi.Parent(p),
		// A node without its role cannot register with logging and monitoring; nothing
		// of the grant is an input here.
		pulumi.DependsOn([]pulumi.Resource{args.Cluster.NodeRole}),
		// GKE sets these itself, and up to pulumi-gcp 8.17 the provider takes them for
		// changes and would undo them with every update, or replace the pool:
		// terraform-provider-google 5.44.2 and 5.45.1 have the fixes.
		pulumi.IgnoreChanges([]string{
			"nodeConfig.resourceLabels",
			"nodeConfig.kubeletConfig",
			"nodeConfig.gcfsConfig",
		}),
		// An update may have to renew every node, one after the other.
		pulumi.Timeouts(&pulumi.CustomTimeouts{Create: "45m", Update: "60m", Delete: "45m"}))
	if err != nil {
		return nil, err
	}
	p.Nodes = nodes
	return p, ctx.RegisterResourceOutputs(p, pulumi.Map{})
}
