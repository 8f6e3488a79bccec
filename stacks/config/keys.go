package config

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// Limits that only a typing error exceeds: thirty nodes cost some eight hundred
// dollars a month, and have 4 GiB of memory each.
const (
	maxNodes          = 30
	maxReplicas       = 100
	maxMemory         = 4096 // MiB
	maxStartupSeconds = 600
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

// value is the type of a key, and how its text is checked and stored.
type value struct {
	typ  string // as in Pulumi.yaml
	rule string // completes "VALUE is not …"
	// read stores the value. It returns false if the value breaks the rule.
	read func(text string) bool
}

// keys returns the table of keys, in the order of docs/configuration.md, bound to the fields
// of c. To add a key, add it to Pulumi.yaml, add a field and a row here, and use the field.
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
		{"budget", onGoogleCloud, orNone(number(&g.Budget, maxBudget)), "100"},

		{"deletionProtection", everywhere, boolean(&c.DeletionProtection), "true"},
		{"service", everywhere, text(&s.Name, "a name of up to 40 lower-case letters, digits and inner hyphens that starts with a letter", isServiceName), "timber-tutorial"},
		{"replicas", everywhere, number(&s.Replicas, maxReplicas), "3"},
		{"maxReplicas", everywhere, orNone(number(&s.MaxReplicas, maxReplicas)), "10"},
		{"imageVersion", everywhere, text(&c.Version, "v and one to three numbers, such as v2 or v1.10.0-rc.1 (YAML would read 1.10 as 1.1)", isVersion), "v1"},
		{"image", everywhere, text(&c.Image, "an image by its digest, NAME@sha256:HEX (pulumi stack output image), or empty", optional(IsImage)), `""`},
		{"port", everywhere, number(&s.Port, 65535), "8080"},
		{"livenessPath", everywhere, text(&s.LivenessPath, "the path of a URL, such as /healthz", isURLPath), "/livez"},
		{"readinessPath", everywhere, text(&s.ReadinessPath, "the path of a URL, such as /healthz", isURLPath), "/readyz"},
		{"startupSeconds", everywhere, number(&s.StartupSeconds, maxStartupSeconds), "30"},
		{"memory", everywhere, number(&s.Memory, maxMemory), "256"},
		{"environment", everywhere, variables(&s.Environment), ""},
		{"egress", everywhere, boolean(&s.Egress), "false"},
		{"allowedNetworks", everywhere, list(&s.AllowedNetworks, "networks separated by commas, or empty", isNetwork, ""), "203.0.113.0/24,2001:db8::/32"},
		{"address", everywhere, text(&s.Address, "an IP address, such as 203.0.113.9 or 2001:db8::80, or empty", optional(isAddress)), `""`},
		{"owner", everywhere, text(&c.Owner, "up to 63 lower-case letters, digits, - and _ that start and end with a letter or digit, or empty", optional(isOwner)), "team-timber"},
	}
}

// text is a value that is stored as it is.
func text(field *string, rule string, ok func(string) bool) value {
	return value{"string", rule, func(text string) bool {
		*field = text
		return ok(text)
	}}
}

// number is a whole number from 1 to limit.
func number(field *int, limit int) value {
	return value{"integer", fmt.Sprintf("a whole number from 1 to %d", limit), func(text string) bool {
		n, err := strconv.Atoi(text)
		*field = n
		return err == nil && n <= limit && isWholeNumber(text)
	}}
}

// orNone also accepts 0, which leaves the field as it is.
func orNone(v value) value {
	return value{v.typ, v.rule + ", or 0 for none", func(text string) bool { return text == "0" || v.read(text) }}
}

func boolean(field *bool) value {
	return value{"boolean", "true or false", func(text string) bool {
		*field = text == "true"
		return text == "true" || text == "false"
	}}
}

// list is values separated by commas. It is sorted, so that another order in the
// configuration is not a change. The texts in none are an empty list.
func list(field *[]string, rule string, ok func(string) bool, none ...string) value {
	return value{"string", rule, func(text string) bool {
		if slices.Contains(none, text) {
			return true
		}
		items := strings.Split(text, ",")
		slices.Sort(items)
		*field = slices.Compact(items)
		return !slices.ContainsFunc(*field, func(item string) bool { return !ok(item) })
	}}
}

// pair is two different values separated by a comma, in this order, or empty.
func pair(first, second *string, rule string, ok func(string) bool) value {
	return value{"string", rule, func(text string) bool {
		*first, *second, _ = strings.Cut(text, ",")
		return text == "" || ok(*first) && ok(*second) && *first != *second
	}}
}

// variables is names with values. Numbers are kept as they are written. A value
// that is not text, number or boolean becomes noValue, which checkEnvironment refuses.
func variables(field *map[string]string) value {
	return value{"object", "names with values", func(text string) bool {
		var values map[string]any
		decoder := json.NewDecoder(strings.NewReader(text))
		decoder.UseNumber()
		if err := decoder.Decode(&values); err != nil {
			return false
		}
		for name, v := range values {
			if *field == nil {
				*field = map[string]string{}
			}
			switch v.(type) {
			case string, json.Number, bool:
				(*field)[name] = fmt.Sprint(v)
			default:
				(*field)[name] = noValue
			}
		}
		return true
	}}
}

// noValue cannot be the value of an environment variable.
const noValue = "\x00"

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
