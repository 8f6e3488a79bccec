package target

import (
	"cmp"
	"crypto/sha256"
	"fmt"

	"github.com/pulumi/pulumi-gcp/sdk/v7/go/gcp/container"
	"github.com/pulumi/pulumi-gcp/sdk/v7/go/gcp/projects"
	"github.com/pulumi/pulumi-gcp/sdk/v7/go/gcp/serviceaccount"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"hello-timber/stacks/config"
)

// cluster is a GKE Standard cluster with its nodes and their identity.
type cluster struct {
	pulumi.ResourceState

	account *serviceaccount.Account
	gke     *container.Cluster
	// nodes is what to depend on, rather than the component: of a component, the SDK
	// only passes on those children that are registered already.
	nodes *container.NodePool
}

func (g *google) newCluster() (*cluster, error) {
	c := &cluster{}
	if err := g.ctx.RegisterComponentResource("hello-timber:google:Cluster", g.name, c); err != nil {
		return nil, err
	}
	// Without an account of their own (CIS 5.2.1), nodes act as Compute Engine's
	// default account, which may edit the whole project.
	var err error
	c.account, err = serviceaccount.NewAccount(g.ctx, g.name, &serviceaccount.AccountArgs{
		Project:     pulumi.String(g.Project),
		AccountId:   pulumi.String(g.stack),
		DisplayName: pulumi.Sprintf("Nodes of %s", g.stack),
	}, pulumi.Parent(c), pulumi.DependsOn([]pulumi.Resource{g.apis.iam}))
	if err != nil {
		return nil, err
	}
	// IAMMember adds one member to a role. IAMBinding and IAMPolicy would remove everyone else's.
	role, err := projects.NewIAMMember(g.ctx, g.name, &projects.IAMMemberArgs{
		Project: pulumi.String(g.Project),
		Role:    pulumi.String("roles/container.defaultNodeServiceAccount"),
		Member:  c.account.Member,
	}, pulumi.Parent(c))
	if err != nil {
		return nil, err
	}
	if c.gke, err = g.newGKE(c); err != nil {
		return nil, err
	}
	if c.nodes, err = g.newNodePool(c, role); err != nil {
		return nil, err
	}
	return c, g.ctx.RegisterResourceOutputs(c, pulumi.Map{"name": c.gke.Name, "endpoint": c.gke.Endpoint})
}

// newGKE registers the cluster without nodes. Everything that would replace it if it
// changed later is decided and set here, defaults included, by the CIS GKE Benchmark
// 1.9 (its numbers are in the comments) and Google's hardening guide.
func (g *google) newGKE(c *cluster) (*container.Cluster, error) {
	gke := &container.ClusterArgs{
		Project:            pulumi.String(g.Project),
		Location:           pulumi.String(g.Location),
		DeletionProtection: pulumi.Bool(g.protect),
		ResourceLabels:     g.labels,

		// The node pool that a cluster is created with cannot be changed without
		// replacing the cluster. So it is removed at once, and newNodePool creates another.
		RemoveDefaultNodePool: pulumi.Bool(true),
		InitialNodeCount:      pulumi.Int(1),
		NodeConfig:            g.firstNodes(c.account),

		// Versions stay unset: Google upgrades within the channel (5.5.4), which a pinned
		// version would undo.
		ReleaseChannel: &container.ClusterReleaseChannelArgs{Channel: pulumi.String("REGULAR")},
		// Upgrades happen in weekend nights. The dates only give the hours; in any other
		// form than this, Google's answer would be a change in every preview.
		MaintenancePolicy: &container.ClusterMaintenancePolicyArgs{RecurringWindow: &container.ClusterMaintenancePolicyRecurringWindowArgs{
			StartTime:  pulumi.String("2026-01-03T00:00:00Z"),
			EndTime:    pulumi.String("2026-01-03T08:00:00Z"), // Google requires 48 hours in 32 days
			Recurrence: pulumi.String("FREQ=WEEKLY;BYDAY=SA,SU"),
		}},
		CostManagementConfig: &container.ClusterCostManagementConfigArgs{Enabled: pulumi.Bool(true)},
	}
	if g.domain != "" { // else the cluster keeps what it has: a Gateway goes after this
		gke.GatewayApiConfig = &container.ClusterGatewayApiConfigArgs{Channel: pulumi.String("CHANNEL_STANDARD")}
	}
	g.setNetwork(gke)
	g.setAccess(gke)
	setObservation(gke)
	return container.NewCluster(g.ctx, g.name, gke,
		pulumi.Parent(c),
		pulumi.DependsOn([]pulumi.Resource{g.apis.container, g.apis.compute}),
		// It describes the removed pool. The provider compares it with the other one, and would
		// replace the cluster (pulumi-gcp#744).
		pulumi.IgnoreChanges([]string{"nodeConfig"}),
		// DeletionProtection alone is checked only when the cluster itself is deleted,
		// after everything that runs on it. Protect refuses before.
		pulumi.Protect(g.protect),
		// A new cluster cannot have the control plane's range while the old one has it.
		pulumi.DeleteBeforeReplace(true),
		// It takes minutes, but Google queues operations behind its own upgrades.
		pulumi.Timeouts(&pulumi.CustomTimeouts{Create: "45m", Update: "60m", Delete: "45m"}))
}

// firstNodes describes the nodes that are removed at once. By default, they act as Compute
// Engine's default account, which a project need not have, and have no secure boot, which
// an organization may require (constraints/compute.requireShieldedVm). With the size of
// the other nodes, they need no other quota.
func (g *google) firstNodes(account *serviceaccount.Account) *container.ClusterNodeConfigArgs {
	return &container.ClusterNodeConfigArgs{
		MachineType:    pulumi.String(g.MachineType),
		DiskType:       pulumi.String(config.DiskType(g.MachineType)),
		DiskSizeGb:     pulumi.Int(config.DiskGB),
		Spot:           pulumi.Bool(g.Spot),
		ServiceAccount: account.Email,
		OauthScopes:    pulumi.ToStringArray([]string{"https://www.googleapis.com/auth/cloud-platform"}),
		ShieldedInstanceConfig: &container.ClusterNodeConfigShieldedInstanceConfigArgs{
			EnableIntegrityMonitoring: pulumi.Bool(true),
			EnableSecureBoot:          pulumi.Bool(true),
		},
	}
}

// setNetwork sets who can reach control plane, nodes and pods.
func (g *google) setNetwork(gke *container.ClusterArgs) {
	// Pods have addresses of the VPC (5.6.2). The stack type, although it is the
	// default, keeps the block from being empty: the provider drops an empty one.
	gke.NetworkingMode = pulumi.String("VPC_NATIVE")
	gke.IpAllocationPolicy = &container.ClusterIpAllocationPolicyArgs{
		StackType:                  pulumi.String("IPV4"),
		ClusterSecondaryRangeName:  given(g.PodRange),
		ServicesSecondaryRangeName: given(g.ServiceRange),
	}
	gke.Network = given(g.Network)
	if g.Subnetwork != "" {
		// A name alone would be one in the stack's project.
		gke.Subnetwork = pulumi.String("projects/" + g.NetworkProject + "/regions/" + g.Region + "/subnetworks/" + g.Subnetwork)
	}
	// Without Dataplane V2, NetworkPolicy objects are accepted and ignored.
	gke.DatapathProvider = pulumi.String("ADVANCED_DATAPATH")
	// The network's firewall rules, and its flow logs if the subnet has them, also see
	// connections between pods of one node (5.6.1).
	gke.EnableIntranodeVisibility = pulumi.Bool(true)
	// Nodes have no public address (5.6.5), which also saves its price. They reach
	// Google's APIs and registries privately, and nothing else outside the VPC. The
	// control plane keeps its public address: this program calls it from anywhere.
	gke.PrivateClusterConfig = &container.ClusterPrivateClusterConfigArgs{
		EnablePrivateNodes:    pulumi.Bool(true),
		EnablePrivateEndpoint: pulumi.Bool(false),
		// GKE 1.29 and newer can use an address of the subnet instead, but this version of
		// the provider requires a range (terraform-google-kubernetes-engine#2181).
		MasterIpv4CidrBlock: pulumi.String(cmp.Or(g.ControlPlaneRange, controlPlaneRange(g.stack))),
	}
	var networks container.ClusterMasterAuthorizedNetworksConfigCidrBlockArray
	for _, network := range g.AuthorizedNetworks {
		networks = append(networks, container.ClusterMasterAuthorizedNetworksConfigCidrBlockArgs{CidrBlock: pulumi.String(network)})
	}
	// Only these networks may reach the control plane (5.6.3). Google Cloud's public
	// IP ranges, which anyone can rent, are excluded.
	gke.MasterAuthorizedNetworksConfig = &container.ClusterMasterAuthorizedNetworksConfigArgs{
		CidrBlocks:                  networks,
		GcpPublicCidrsAccessEnabled: pulumi.Bool(false),
	}
}

// given leaves the choice to Google if a value is empty.
func given(value string) pulumi.StringPtrInput {
	if value == "" {
		return nil
	}
	return pulumi.String(value)
}

// setAccess sets who can do what on the cluster.
func (g *google) setAccess(gke *container.ClusterArgs) {
	// Pods authenticate to Google as themselves, never as their node (5.2.2).
	gke.WorkloadIdentityConfig = &container.ClusterWorkloadIdentityConfigArgs{
		WorkloadPool: pulumi.String(g.Project + ".svc.id.goog"),
	}
	// No credential that never expires (5.8.1), and no rights besides those of RBAC (5.8.3).
	gke.MasterAuth = &container.ClusterMasterAuthArgs{ClientCertificateConfig: &container.ClusterMasterAuthClientCertificateConfigArgs{
		IssueClientCertificate: pulumi.Bool(false),
	}}
	gke.EnableLegacyAbac = pulumi.Bool(false)
	gke.EnableKubernetesAlpha = pulumi.Bool(false) // 5.10.2
	gke.EnableShieldedNodes = pulumi.Bool(true)    // 5.5.5
}

// setObservation sets what Google records.
func setObservation(gke *container.ClusterArgs) {
	gke.LoggingConfig = &container.ClusterLoggingConfigArgs{ // 5.7.1
		EnableComponents: pulumi.ToStringArray([]string{"SYSTEM_COMPONENTS", "WORKLOADS"}),
	}
	gke.MonitoringConfig = &container.ClusterMonitoringConfigArgs{
		EnableComponents: pulumi.ToStringArray([]string{"SYSTEM_COMPONENTS"}),
		// By default it runs on every node and is billed by the sample. The service has no metrics to collect.
		ManagedPrometheus: &container.ClusterMonitoringConfigManagedPrometheusArgs{Enabled: pulumi.Bool(false)},
	}
	// Free audits of workloads (5.10.4). Google has ended the vulnerability scan.
	gke.SecurityPostureConfig = &container.ClusterSecurityPostureConfigArgs{
		Mode:              pulumi.String("BASIC"),
		VulnerabilityMode: pulumi.String("VULNERABILITY_DISABLED"),
	}
}

// controlPlaneRange returns the private addresses of a stack's control plane: a
// block of 16 in 172.16.0.0/16, which is not in Google's automatic subnets or the
// ranges that GKE chooses for pods and services. Clusters in one network must not
// share a block, so the stack's name selects one of 4096.
func controlPlaneRange(stack string) string {
	sum := sha256.Sum256([]byte(stack))
	return fmt.Sprintf("172.16.%d.%d/28", sum[0], sum[1]&0xf0)
}
