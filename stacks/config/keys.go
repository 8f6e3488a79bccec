package config

// Config is the configuration of a stack. Pulumi.yaml describes the keys; the comments
// are about what is derived from them, or has another form here.
type Config struct {
	Name               string // PROJECT-STACK, as StackName returns it
	Owner              string
	DeletionProtection bool

	Google   *Google   // what to create on Google Cloud; nil on an existing cluster
	Existing *Existing // the cluster and registry to use; nil on Google Cloud

	Image   string // the existing image to run, NAME@sha256:HEX; empty to build app/
	Version string // imageVersion; of an existing image, which may have any, the start of its digest
	Service Service
}

// Google is what to create on Google Cloud.
type Google struct {
	Project                       string
	Location, Region              string // the region is that of a zone, or the location itself
	Nodes, NodesPerZone           int    // GKE is asked for a number in each zone
	MaxNodes, MaxNodesPerZone     int
	MachineType                   string
	Spot                          bool
	AuthorizedNetworks            []string // at least one, sorted
	Network, NetworkProject       string   // of a Shared VPC, the network is a path and the project its owner
	Subnetwork, ControlPlaneRange string
	PodRange, ServiceRange        string // the names in secondaryRanges
	ImmutableTags                 bool
	ImageRepository               *Repository // has the existing image; nil if one is built
	Zone, ZoneProject             string      // of Cloud DNS, for the domain's records; empty if others create them
	Budget                        int         // only pipelines/ compares it with the cost: the program knows no prices
}

// Repository is a repository of Artifact Registry.
type Repository struct{ Location, Project, ID string }

// Existing is a cluster and a registry that the program uses and does not create.
type Existing struct {
	Kubeconfig string // a path that starts with / or ~/: the file's content stays out of the state
	Context    string
	Registry   string // HOST or HOST/PATH
	PullSecret string

	// Who serves the domain, and with which certificate: one of a Secret, NAME or
	// NAMESPACE/NAME, or of an issuer of cert-manager.
	GatewayClass, TLSSecret, ClusterIssuer string
}

// Service is what the program has to know about the service in app/, and how it runs.
type Service struct {
	Name                        string // logical name of its objects and, on Google Cloud, its image's name
	Replicas, MaxReplicas       int
	Port                        int
	LivenessPath, ReadinessPath string
	StartupSeconds              int
	CheckPath                   string // only pipelines/ checks a new version, after an update
	CheckSeconds                int
	Memory                      int // limit of a pod, in MiB
	Environment                 map[string]string
	EnvironmentSecret           bool // all of the environment, if a part of it is secret
	Egress                      bool
	AllowedNetworks             []string // sorted; none means everyone
	Address                     string
	Domain                      string // where the service answers by https; empty for http at an address
}

// Limits that only a typing error exceeds: thirty nodes cost some eight hundred
// dollars a month, and have 4 GiB of memory each.
const (
	maxNodes          = 30
	maxReplicas       = 100
	maxMemory         = 4096 // MiB
	maxStartupSeconds = 600
	maxCheckSeconds   = 600
	maxBudget         = 100000 // US dollars a month
)

// where is on which stacks a key has a meaning.
type where int

const (
	everywhere where = iota
	onGoogleCloud
	onExistingCluster
)

// key is one row of the table of keys.
type key struct {
	name  string
	where where
	value
	// example is what the printed fix sets, as text for a shell.
	example string
}

// keys returns the table of keys, which docs/configuration.md has in this order, bound to the
// fields of c. To add a key, add it to Pulumi.yaml, add a field and a row here, and use the field.
func (c *Config) keys() []key {
	g, e, s := c.Google, c.Existing, &c.Service
	if g == nil {
		g = &Google{}
	}
	if e == nil {
		e = &Existing{}
	}
	return []key{
		{"kubeconfig", onExistingCluster, text(&e.Kubeconfig, "a path that starts with / or ~/, or empty", optional(isPath)), `'~/.kube/config'`},
		{"context", onExistingCluster, text(&e.Context, "a context of the kubeconfig (kubectl config get-contexts), or empty", optional(isContext)), "CONTEXT"},
		{"registry", onExistingCluster, text(&e.Registry, "the address of a registry, with or without a path, or empty", optional(isRegistry)), "registry.example.com/team"},
		{"pullSecret", onExistingCluster, text(&e.PullSecret, "a Docker config with a login", anything), ""},
		{"gatewayClass", onExistingCluster, text(&e.GatewayClass, "the name of a GatewayClass, or empty", optional(isObject)), "traefik"},
		{"tlsSecret", onExistingCluster, text(&e.TLSSecret, "a Secret, NAME or NAMESPACE/NAME, or empty", optional(isSecret)), "timber-tls"},
		{"clusterIssuer", onExistingCluster, text(&e.ClusterIssuer, "the name of a ClusterIssuer, or empty", optional(isObject)), "letsencrypt"},

		{"gcp:project", onGoogleCloud, text(&g.Project, "the ID (not name or number) of a Google Cloud project", isProjectID), "PROJECT_ID"},
		{"location", onGoogleCloud, text(&g.Location, "a zone or region of Google Cloud (gcloud compute zones list)", isLocation), "europe-west1-d"},
		{"nodes", onGoogleCloud, number(&g.Nodes, maxNodes), "3"},
		{"maxNodes", onGoogleCloud, orNone(number(&g.MaxNodes, maxNodes)), "6"},
		{"machineType", onGoogleCloud, text(&g.MachineType, "a machine type with x86 processors, which the image is built for", isX86Machine), "e2-medium"},
		{"spot", onGoogleCloud, boolean(&g.Spot), "false"},
		{"authorizedNetworks", onGoogleCloud, list(&g.AuthorizedNetworks, "one or more IPv4 networks, separated by commas; 0.0.0.0/0 is everyone", isIPv4Network), "203.0.113.0/24,198.51.100.7/32"},
		{"network", onGoogleCloud, text(&g.Network, "the name of a VPC network, or projects/PROJECT/global/networks/NAME, or empty", optional(isVPC)), "my-network"},
		{"subnetwork", onGoogleCloud, text(&g.Subnetwork, "the name of a subnet, or empty", optional(isResourceName)), "my-subnet"},
		{"secondaryRanges", onGoogleCloud, pair(&g.PodRange, &g.ServiceRange, "the names of two different secondary ranges, separated by a comma, or empty", isResourceName), "pods,services"},
		{"controlPlaneRange", onGoogleCloud, text(&g.ControlPlaneRange, "a network of 16 IPv4 addresses (/28) outside 172.17.0.0/16, or empty", optional(isControlPlaneRange)), "172.16.0.32/28"},
		{"immutableTags", onGoogleCloud, boolean(&g.ImmutableTags), "true"},
		{"dnsZone", onGoogleCloud, text(&g.Zone, "a managed zone of Cloud DNS, NAME or PROJECT/NAME, or empty", optional(isZone)), `""`},
		{"budget", onGoogleCloud, orNone(number(&g.Budget, maxBudget)), "100"},

		{"deletionProtection", everywhere, boolean(&c.DeletionProtection), "true"},
		{"service", everywhere,
			text(&s.Name, "a name of up to 40 lower-case letters, digits and inner hyphens that starts with a letter, other than default-deny and pull", isServiceName), "timber-tutorial"},
		{"replicas", everywhere, number(&s.Replicas, maxReplicas), "3"},
		{"maxReplicas", everywhere, orNone(number(&s.MaxReplicas, maxReplicas)), "10"},
		{"imageVersion", everywhere, text(&c.Version, "v and one to three numbers, such as v2 or v1.10.0-rc.1 (YAML would read 1.10 as 1.1)", isVersion), "v1"},
		{"image", everywhere, text(&c.Image, "an image by its digest, NAME@sha256:HEX (pulumi stack output image), or empty", optional(IsImage)), `""`},
		{"port", everywhere, number(&s.Port, 65535), "8080"},
		{"livenessPath", everywhere, text(&s.LivenessPath, "the path of a URL, such as /healthz", IsURLPath), "/livez"},
		{"readinessPath", everywhere, text(&s.ReadinessPath, "the path of a URL, such as /healthz", IsURLPath), "/readyz"},
		{"startupSeconds", everywhere, number(&s.StartupSeconds, maxStartupSeconds), "30"},
		{"checkPath", everywhere, text(&s.CheckPath, "the path of a URL, such as /healthz, or empty", optional(IsURLPath)), "/index"},
		{"checkSeconds", everywhere, number(&s.CheckSeconds, maxCheckSeconds), "30"},
		{"memory", everywhere, number(&s.Memory, maxMemory), "256"},
		{"environment", everywhere, variables(&s.Environment), ""},
		{"egress", everywhere, boolean(&s.Egress), "false"},
		{"allowedNetworks", everywhere, list(&s.AllowedNetworks, "networks separated by commas, or empty", isNetwork, ""), "203.0.113.0/24,2001:db8::/32"},
		{"address", everywhere, text(&s.Address, "an IP address, such as 203.0.113.9 or 2001:db8::80, or empty", optional(isAddress)), `""`},
		{"domain", everywhere, text(&s.Domain, "a domain name such as timber.example.com, or empty", anything), `""`},
		{"owner", everywhere, text(&c.Owner, "up to 63 lower-case letters, digits, - and _ that start and end with a letter or digit, or empty", optional(isOwner)), "team-timber"},
	}
}
