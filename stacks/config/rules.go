package config

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Docker's grammar of names. A host has a dot or a port or is localhost: Docker takes
// anything else for a path on Docker Hub.
const (
	hostName  = `(([A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+|\[[0-9a-fA-F:]+\]|localhost)(:[0-9]+)?|[A-Za-z0-9-]+:[0-9]+)`
	pathPart  = `/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*`
	digestHex = `@sha256:[0-9a-f]{64}`
)

// Names of Google, and of Kubernetes.
const (
	projectID    = `[a-z][a-z0-9-]{4,28}[a-z0-9]`
	resourceName = `[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?`
	objectName   = `[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?`
)

var (
	// Control characters would break the lines that kubectl prints, and no file or context has them.
	isPath     = regexp.MustCompile(`^~?/[^[:cntrl:]]*[^[:cntrl:]/]$`).MatchString
	isContext  = regexp.MustCompile(`^[^[:cntrl:]]+$`).MatchString
	isRegistry = regexp.MustCompile(`^` + hostName + `(` + pathPart + `)*$`).MatchString
	image      = regexp.MustCompile(`^` + hostName + `(` + pathPart + `)+` + digestHex + `$`)

	// A repository of Artifact Registry, of which the nodes are granted to read.
	googleImage = regexp.MustCompile(`^([a-z][a-z0-9-]*)-docker\.pkg\.dev/(` + projectID + `)/(` + resourceName + `)(?:` + pathPart + `)+` + digestHex + `$`)

	// IDs with a domain (example.com:project) are refused: image names cannot contain them.
	isProjectID = regexp.MustCompile(`^` + projectID + `$`).MatchString

	// A resource of Compute Engine (RFC 1035), and a network in one project for others.
	isResourceName = regexp.MustCompile(`^` + resourceName + `$`).MatchString
	sharedVPC      = regexp.MustCompile(`^projects/(` + projectID + `)/global/networks/` + resourceName + `$`)

	isLocation = regexp.MustCompile(`^(africa|asia|australia|europe|me|northamerica|southamerica|us)-` +
		`(central|north|south|(north|south)?(east|west))[1-9][0-9]?(-[a-f])?$`).MatchString

	isMachine = regexp.MustCompile(`^[a-z]+[0-9]+[a-z]*(-[a-z0-9]+)+$`).MatchString

	version = regexp.MustCompile(`^v[0-9]+(\.[0-9]+){0,2}(-[a-z0-9]([a-z0-9.-]*[a-z0-9])?)?$`)

	// Part of an image's name, and of names in Kubernetes, to which Pulumi adds a suffix.
	serviceName = regexp.MustCompile(`^[a-z]([a-z0-9-]{0,38}[a-z0-9])?$`)

	// Names of most objects of Kubernetes, and a Secret of this namespace or another.
	isObject = regexp.MustCompile(`^` + objectName + `$`).MatchString
	isSecret = regexp.MustCompile(`^(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?/)?` + objectName + `$`).MatchString

	// IsURLPath reports whether a text can follow the name of a host.
	IsURLPath  = regexp.MustCompile(`^/[!-~]*$`).MatchString
	isVariable = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`).MatchString

	// Google's labels have no upper case, and Kubernetes' labels start and end with a letter or digit.
	isOwner = regexp.MustCompile(`^[a-z0-9]([a-z0-9_-]{0,61}[a-z0-9])?$`).MatchString

	// No sign, no exponent, and no leading zero, which YAML takes for octal.
	isWholeNumber = regexp.MustCompile(`^[1-9][0-9]*$`).MatchString
)

// IsImage reports whether a text is an image by its digest, NAME@sha256:HEX.
func IsImage(text string) bool { return image.MatchString(text) }

// optional accepts what ok does, and the empty text.
func optional(ok func(string) bool) func(string) bool {
	return func(s string) bool { return s == "" || ok(s) }
}

func anything(string) bool { return true }

// isServiceName refuses what another policy and another Secret of a stack are called: Pulumi
// knows two of one type by their names only.
func isServiceName(s string) bool {
	return serviceName.MatchString(s) && s != "default-deny" && s != "pull"
}

func isVPC(s string) bool { return isResourceName(s) || sharedVPC.MatchString(s) }

func isX86Machine(s string) bool { return isMachine(s) && !ofFamily(s, armFamilies) }

// isVersion accepts what is both the tag of an image and the value of a label, which has up to 63 characters.
func isVersion(s string) bool { return version.MatchString(s) && len(s) <= 63 }

func isIPv4Network(s string) bool {
	prefix, err := netip.ParsePrefix(s)
	return err == nil && prefix.Addr().Is4() && isNetwork(s)
}

// isNetwork accepts networks without host bits: Google answers 203.0.113.7/24 with
// 203.0.113.0/24, which would be a change in every preview.
func isNetwork(s string) bool {
	prefix, err := netip.ParsePrefix(s)
	return err == nil && prefix == prefix.Masked() && prefix.Addr().Zone() == ""
}

// dockerBridge is a network that GKE's machines have themselves
// (terraform-provider-google#7956).
var dockerBridge = netip.MustParsePrefix("172.17.0.0/16")

// isControlPlaneRange accepts what GKE does: the provider checks that it is a /28, and
// https://cloud.google.com/kubernetes-engine/docs/how-to/legacy/network-isolation has
// the other rules. Whether something else has the addresses, only Google knows.
func isControlPlaneRange(s string) bool {
	prefix, err := netip.ParsePrefix(s)
	return err == nil && isIPv4Network(s) && prefix.Bits() == 28 && !dockerBridge.Overlaps(prefix)
}

// isAddress accepts addresses in the form that the Service's status has them.
func isAddress(s string) bool {
	address, err := netip.ParseAddr(s)
	return err == nil && address.String() == s && address.Zone() == "" && !address.IsUnspecified() && !address.Is4In6()
}

// checkGoogle derives what GKE and IAM need, and checks what one key alone does not show.
func (l *loader) checkGoogle() {
	g := l.Google
	g.Region, g.NodesPerZone, g.MaxNodesPerZone = Region(g.Location), g.Nodes, g.MaxNodes
	if !IsZone(g.Location) {
		g.NodesPerZone, g.MaxNodesPerZone = g.Nodes/ZonesPerRegion, g.MaxNodes/ZonesPerRegion
		l.checkZones("nodes", g.Nodes)
		l.checkZones("maxNodes", g.MaxNodes)
	}
	l.checkLimit("maxNodes", "nodes", g.MaxNodes, g.Nodes)
	l.checkNetwork()
	if strings.Contains(l.Service.Address, ":") {
		l.refuse("address", Show(l.Service.Address), "is not an IPv4 address, and the cluster has no others", `""`)
	}
	if networks := l.Service.AllowedNetworks; len(networks) > 0 && !slices.ContainsFunc(networks, isIPv4Network) {
		// GKE leaves out the ranges of the other family, and then admits everyone (ingress-gce#1903).
		l.refuse("allowedNetworks", Show(strings.Join(networks, ",")), "has no IPv4 network, and the cluster has IPv4 addresses only", "203.0.113.0/24")
	}
	if from := googleImage.FindStringSubmatch(l.Image); from != nil {
		g.ImageRepository = &Repository{Location: from[1], Project: from[2], ID: from[3]}
	} else if l.Image != "" {
		l.refuse("image", Show(l.Image), "is not an image of Artifact Registry, REGION-docker.pkg.dev/PROJECT/REPOSITORY/IMAGE@sha256:HEX, which the nodes can be granted to pull", `""`)
	}
}

// checkZones refuses a number of nodes that a region cannot divide among its zones.
func (l *loader) checkZones(key string, number int) {
	if more := ZonesPerRegion - number%ZonesPerRegion; more < ZonesPerRegion && isLocation(l.Google.Location) {
		l.refuse(key, strconv.Itoa(number), "is not a multiple of 3: each of a region's three zones gets as many nodes", strconv.Itoa(number+more))
	}
}

// checkLimit refuses a limit that is less than what it limits. 0 is no limit.
func (l *loader) checkLimit(key, least string, limit, number int) {
	rule, enough := fmt.Sprintf("is less than %s, which is %d", least, number), strconv.Itoa(number)
	if l.secret(least) {
		rule, enough = "is less than "+least, "0"
	}
	if limit > 0 && limit < number && !l.refused(least) {
		l.refuse(key, strconv.Itoa(limit), rule, enough)
	}
}

// checkNetwork derives whose the network is. GKE finds neither a subnet of another
// project by itself, nor may it add ranges to one:
// https://cloud.google.com/kubernetes-engine/docs/how-to/cluster-shared-vpc
func (l *loader) checkNetwork() {
	g := l.Google
	g.NetworkProject = g.Project
	if shared := sharedVPC.FindStringSubmatch(g.Network); shared != nil {
		g.NetworkProject = shared[1]
	}
	const rule = "is not set, but must be for the network of another project"
	if g.NetworkProject != g.Project && g.Subnetwork == "" {
		l.refuse("subnetwork", "", rule, "SUBNET")
	}
	if g.NetworkProject != g.Project && g.PodRange == "" {
		l.refuse("secondaryRanges", "", rule, "PODS,SERVICES")
	}
}

// checkExisting checks that the keys of an existing cluster are set together.
func (l *loader) checkExisting() {
	e := l.Existing
	for _, k := range l.keys() {
		if value, _ := l.get(k.name); value == "" && slices.Contains(deciding, k.name) {
			l.refuse(k.name, "", "is not set, but kubeconfig, context and registry belong together", k.example)
		}
	}
	if e.PullSecret == "" {
		return
	}
	var file struct {
		Auths map[string]struct{ Auth, Username, Password string }
	}
	err := json.Unmarshal([]byte(e.PullSecret), &file)
	login := false
	for _, a := range file.Auths {
		login = login || a.Auth != "" || a.Username != "" && a.Password != ""
	}
	if err != nil || !login {
		// Docker's own file often only says that the login is kept elsewhere.
		host, _, _ := strings.Cut(e.Registry, "/")
		if l.secret("registry") {
			host = ""
		}
		l.add("pullSecret", "", "is not a Docker config with a login in it", l.command("kubectl create secret docker-registry login --docker-server "+Quote(cmp.Or(host, "HOST"))+
			` --docker-username USER --docker-password TOKEN --dry-run=client --output 'jsonpath={.data.\.dockerconfigjson}' | base64 --decode | pulumi config set --secret pullSecret`))
	} else if !l.secret("pullSecret") {
		l.add("pullSecret", "", "is not encrypted in the configuration", l.command("pulumi config get pullSecret")+" | "+l.command("pulumi config set --secret pullSecret"))
	}
}

// derived are the variables that the program sets, with the keys that they follow.
var derived = map[string]string{"PORT": "port", "GOMEMLIMIT": "memory", "IDLE_SECONDS": "domain"}

// checkEnvironment checks the names of variables, and that each has a value. It
// shows no value: it may be secret.
func (l *loader) checkEnvironment() {
	l.Service.EnvironmentSecret = l.secret("environment")
	for _, name := range slices.Sorted(maps.Keys(l.Service.Environment)) {
		what := "environment." + name
		path := `environment["` + strings.ReplaceAll(name, `"`, `\"`) + `"]`
		remove := l.command("pulumi config rm --path " + Quote(path))
		switch {
		case !isVariable(name):
			l.add(Show(what), "", "is not a name of letters, digits and _ that starts with a letter or _", remove)
		case strings.Contains(l.Service.Environment[name], noValue):
			l.add(what, "", "is not a text, a number or a boolean", remove)
		case derived[name] != "":
			l.add(what, "", "is set by the program, which derives it from "+derived[name], remove)
		}
	}
}
