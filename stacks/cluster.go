package stacks

import (
	"github.com/pulumi/pulumi-gcp/sdk/v7/go/gcp/container"
	"github.com/pulumi/pulumi-gcp/sdk/v7/go/gcp/projects"
	"github.com/pulumi/pulumi-gcp/sdk/v7/go/gcp/serviceaccount"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// ClusterArgs are the arguments of NewCluster.
type ClusterArgs struct {
	Project            string // ID of the Google Cloud project
	Location           string // zone, or region for a control plane in three zones; a change replaces the cluster
	StackName          string // name of the node account
	Labels             pulumi.StringMap
	AuthorizedNetworks []string // IPv4 networks that may reach the control plane
	DeletionProtection bool     // refuse to delete or replace it
	APIs               *APIs
}

// Cluster is a GKE Standard cluster without nodes, and the identity of the nodes to come.
type Cluster struct {
	pulumi.ResourceState

	ID            pulumi.IDOutput     // projects/P/locations/L/clusters/NAME
	Name          pulumi.StringOutput // ends in a random suffix, so that a replaced cluster is told from the old one
	Endpoint      pulumi.StringOutput // address of the control plane, without a scheme
	CACertificate pulumi.StringOutput // the control plane's, base64 of PEM

	NodeAccount *serviceaccount.Account
	NodeRole    *projects.IAMMember // lets the account do what a node must; nodes depend on it
}

// NewCluster registers the cluster. What would replace it if changed later is
// decided here once and spelled out, defaults included: CIS GKE Benchmark 1.9
// (its numbers in the comments) and Google's hardening guide.
func NewCluster(ctx *pulumi.Context, name string, args *ClusterArgs, opts ...pulumi.ResourceOption) (*Cluster, error) {
	c := &Cluster{}
	if err := ctx.RegisterComponentResource("hello-timber:stacks:Cluster", name, c, opts...); err != nil {
		return nil, err
	}

	// An account of their own (5.2.1): without one, nodes act as Compute Engine's
	// default account, which may edit the whole project.
	account, err := serviceaccount.NewAccount(ctx, name, &serviceaccount.AccountArgs{
		Project:     pulumi.String(args.Project),
		AccountId:   pulumi.String(args.StackName),
		DisplayName: pulumi.Sprintf("Nodes of %s", args.StackName),
	}, pulumi.Parent(c), pulumi.DependsOn([]pulumi.Resource{args.APIs.IAM}))
	if err != nil {
		return nil, err
	}
	// IAMMember adds one member to a role; IAMBinding and IAMPolicy would remove everybody else's.
	role, err := projects.NewIAMMember(ctx, name, &projects.IAMMemberArgs{
		Project: pulumi.String(args.Project),
		Role:    pulumi.String("roles/container.defaultNodeServiceAccount"),
		Member:  account.Member,
	}, pulumi.Parent(c))
	if err != nil {
		return nil, err
	}

	var networks container.ClusterMasterAuthorizedNetworksConfigCidrBlockArray
	for _, network := range args.AuthorizedNetworks {
		networks = append(networks, container.ClusterMasterAuthorizedNetworksConfigCidrBlockArgs{CidrBlock: pulumi.String(network)})
	}
	cluster, err := container.NewCluster(ctx, name, &container.ClusterArgs{
		Project:            pulumi.String(args.Project),
		Location:           pulumi.String(args.Location),
		DeletionProtection: pulumi.Bool(args.DeletionProtection),
		ResourceLabels:     args.Labels,

		// The node pool that a cluster is created with cannot be changed without
		// replacing the cluster; so it goes at once, and NewNodePool makes the real
		// one. NodeConfig stays unset: it describes the pool that is gone, and the
		// provider would replace the cluster over it (pulumi-gcp#744).
		RemoveDefaultNodePool: pulumi.Bool(true),
		InitialNodeCount:      pulumi.Int(1),

		// Versions stay unset: Google upgrades within the channel (5.5.4), and a
		// pinned version would fight that.
		ReleaseChannel: &container.ClusterReleaseChannelArgs{Channel: pulumi.String("REGULAR")},
		// When it upgrades: weekend nights. The dates give the hours only; in another
		// form than this, Google's answer would be a change in every preview.
		MaintenancePolicy: &container.ClusterMaintenancePolicyArgs{RecurringWindow: &container.ClusterMaintenancePolicyRecurringWindowArgs{
			StartTime:  pulumi.String("2026-01-03T00:00:00Z"),
			EndTime:    pulumi.String("2026-01-03T08:00:00Z"), // Google asks for 48 hours in 32 days
			Recurrence: pulumi.String("FREQ=WEEKLY;BYDAY=SA,SU"),
		}},

		// Pods have addresses of the VPC (5.6.2). The stack type, though the default,
		// keeps the block from being empty: the provider drops an empty one.
		NetworkingMode:     pulumi.String("VPC_NATIVE"),
		IpAllocationPolicy: &container.ClusterIpAllocationPolicyArgs{StackType: pulumi.String("IPV4")},
		// Without Dataplane V2, NetworkPolicy objects are accepted and ignored.
		DatapathProvider: pulumi.String("ADVANCED_DATAPATH"),
		// Nodes have no public address (5.6.5), which also saves its price; they reach
		// Google's APIs and registries privately, and nothing else outside the VPC. The
		// control plane keeps its public one: this program calls it from anywhere.
		PrivateClusterConfig: &container.ClusterPrivateClusterConfigArgs{
			EnablePrivateNodes:    pulumi.Bool(true),
			EnablePrivateEndpoint: pulumi.Bool(false),
			MasterIpv4CidrBlock:   pulumi.String(controlPlaneRange(args.StackName)),
		},

		// Of those that have its address, only these are heard (5.6.3); not, for one, any
		// machine that somebody rents from Google.
		MasterAuthorizedNetworksConfig: &container.ClusterMasterAuthorizedNetworksConfigArgs{
			CidrBlocks:                  networks,
			GcpPublicCidrsAccessEnabled: pulumi.Bool(false),
		},

		// Pods authenticate to Google as themselves, never as their node (5.2.2).
		WorkloadIdentityConfig: &container.ClusterWorkloadIdentityConfigArgs{
			WorkloadPool: pulumi.String(args.Project + ".svc.id.goog"),
		},
		// No credential that never expires (5.8.1), no rights besides RBAC's (5.8.3).
		MasterAuth: &container.ClusterMasterAuthArgs{ClientCertificateConfig: &container.ClusterMasterAuthClientCertificateConfigArgs{
			IssueClientCertificate: pulumi.Bool(false),
		}},
		EnableLegacyAbac:      pulumi.Bool(false),
		EnableKubernetesAlpha: pulumi.Bool(false), // 5.10.2
		EnableShieldedNodes:   pulumi.Bool(true),  // 5.5.5
		// Free audits of workloads (5.10.4). The vulnerability scan is one that Google has ended.
		SecurityPostureConfig: &container.ClusterSecurityPostureConfigArgs{
			Mode:              pulumi.String("BASIC"),
			VulnerabilityMode: pulumi.String("VULNERABILITY_DISABLED"),
		},

		LoggingConfig: &container.ClusterLoggingConfigArgs{ // 5.7.1
			EnableComponents: pulumi.ToStringArray([]string{"SYSTEM_COMPONENTS", "WORKLOADS"}),
		},
		MonitoringConfig: &container.ClusterMonitoringConfigArgs{
			EnableComponents: pulumi.ToStringArray([]string{"SYSTEM_COMPONENTS"}),
			// On by default, on every node, billed by the sample; the service has no metrics to collect.
			ManagedPrometheus: &container.ClusterMonitoringConfigManagedPrometheusArgs{Enabled: pulumi.Bool(false)},
		},
		CostManagementConfig: &container.ClusterCostManagementConfigArgs{Enabled: pulumi.Bool(true)},
	},
		pulumi.Parent(c),
		pulumi.DependsOn([]pulumi.Resource{args.APIs.Container, args.APIs.Compute}),
		// DeletionProtection alone is asked only when the cluster's turn has come, after
		// all that runs on it has been deleted. This refuses while planning.
		pulumi.Protect(args.DeletionProtection),
		// A new cluster cannot have the control plane range of the old one while that exists.
		pulumi.DeleteBeforeReplace(true),
		// Minutes as a rule, but Google queues operations behind its own upgrades.
		pulumi.Timeouts(&pulumi.CustomTimeouts{Create: "45m", Update: "60m", Delete: "45m"}))
	if err != nil {
		return nil, err
	}

	c.ID, c.Name, c.Endpoint = cluster.ID(), cluster.Name, cluster.Endpoint
	c.CACertificate = cluster.MasterAuth.ClusterCaCertificate().Elem()
	c.NodeAccount, c.NodeRole = account, role
	return c, ctx.RegisterResourceOutputs(c, pulumi.Map{"name": c.Name, "endpoint": c.Endpoint})
}
