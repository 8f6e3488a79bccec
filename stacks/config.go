package stacks

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"net/netip"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi/config"
)

// Config is what can be chosen for a stack. Keys, types, defaults and
// descriptions stand in Pulumi.yaml, the rules here.
type Config struct {
	// Existing is the cluster and the registry to use; nil to make both on Google
	// Cloud, as the fields up to DeletionProtection say, which are empty otherwise.
	Existing *Existing
	// Project is the ID of the Google Cloud project (gcp:project).
	Project string
	// Location is where the cluster is: a zone (europe-west1-d), or a region
	// (europe-west1), which spreads control plane and nodes over three zones.
	Location string
	// Region is Location, or the region that Location is a zone of.
	Region string
	// NodesPerZone is the number of nodes divided by the zones: GKE counts per zone.
	NodesPerZone int
	// MachineType is the Compute Engine machine type of the nodes.
	MachineType string
	// Spot nodes are cheaper, and Google may take them away at any time.
	Spot bool
	// AuthorizedNetworks are the IPv4 networks, such as 203.0.113.0/24, that may
	// reach the control plane; at least one, sorted.
	AuthorizedNetworks []string
	// ImmutableTags refuses to push another image under a tag that exists.
	ImmutableTags bool
	// DeletionProtection refuses to delete or replace the cluster and the images.
	DeletionProtection bool
	// Replicas is the number of pods.
	Replicas int
	// ImageVersion is the image's tag and the version that the service reports.
	ImageVersion string
	// Image is the name of the image to run, one that exists, by its digest; empty
	// to build it from app/.
	Image string
	// Port is where the service listens.
	Port int
	// LivenessPath and ReadinessPath answer with success as long as the service is
	// alive, and as long as it may get requests.
	LivenessPath, ReadinessPath string
	// Memory is how much a pod may use, in MiB.
	Memory int
	// Environment are the service's environment variables; all of them are secret
	// if one is.
	Environment       map[string]string
	EnvironmentSecret bool
	// Egress lets pods open connections, to anywhere.
	Egress bool
	// Owner is who answers for the stack, as the value of a label; may be empty.
	Owner string
}

// Upper limits that only a slip of the finger exceeds: thirty nodes cost some
// eight hundred dollars a month, and have 4 GiB each.
const (
	maxNodes    = 30
	maxReplicas = 100
	maxMemory   = 4096
)

// zonesPerRegion is how many of a region's zones GKE uses unless told which.
const zonesPerRegion = 3

// LoadConfig reads the configuration of ctx's stack. Its error names every
// mistake at once: key, value, rule and the command that mends it.
func LoadConfig(ctx *pulumi.Context) (Config, error) {
	r := reader{ctx: ctx, known: map[string]bool{}}
	var c Config
	isImage, imageRule := isImageName, "NAME@sha256:HEX"
	if c.Existing = r.existing(); c.Existing == nil {
		r.google(&c)
		isImage, imageRule = isGoogleImageName, "REGION-docker.pkg.dev/PROJECT/REPOSITORY/IMAGE@sha256:HEX"
	} else {
		r.pass("location", "nodes", "machineType", "spot", "authorizedNetworks", "immutableTags", "deletionProtection")
	}
	c.Replicas = r.number("replicas", maxReplicas, "3")
	c.ImageVersion = r.text("imageVersion", isVersion, "v and one to three numbers, such as v2 or v1.10.0-rc.1 (YAML would read 1.10 as 1.1)", "v1")
	c.Image = r.text("image", orEmpty(isImage), "empty, to build the image from app/, or the name of one that exists by its digest, "+
		imageRule+" (pulumi stack output image)", `""`)
	c.Port = r.number("port", 65535, "8080")
	c.LivenessPath = r.text("livenessPath", isURLPath, urlPathRule, "/livez")
	c.ReadinessPath = r.text("readinessPath", isURLPath, urlPathRule, "/readyz")
	c.Memory = r.number("memory", maxMemory, "64")
	c.Environment, c.EnvironmentSecret = r.variables("environment")
	c.Egress = r.boolean("egress", "false")
	c.Owner = r.text("owner", isOwner, "empty, or at most 63 lower-case letters, digits, - and _, from a letter or digit to another", "team-timber")
	if err := r.checkKeys(); err != nil {
		return Config{}, err
	}
	if len(r.mistakes) > 0 {
		return Config{}, fmt.Errorf("the configuration of stack %s is wrong, nothing was changed:\n  - %s",
			ctx.Stack(), strings.Join(r.mistakes, "\n  - "))
	}
	return c, nil
}

// existing reads which cluster and registry to use, nil if the stack is to make its own.
func (r *reader) existing() *Existing {
	e := &Existing{
		Kubeconfig: r.text("kubeconfig", orEmpty(isPath), "empty, or the path of a kubeconfig, from / or ~/ on", kubeconfigExample),
		Context:    r.text("context", orEmpty(isContext), "empty, or the name of one of the kubeconfig's contexts (kubectl config get-contexts)", contextExample),
		Registry:   r.text("registry", orEmpty(isRegistry), "empty, or the address of a registry, with a path or without", registryExample),
	}
	e.PullSecret = r.pullSecret(e.Registry)
	missing := map[string]string{"kubeconfig": kubeconfigExample, "context": contextExample, "registry": registryExample}
	all := len(missing)
	maps.DeleteFunc(missing, func(key, _ string) bool {
		value, err := config.Try(r.ctx, key)
		return err != nil || value != "" // a wrong one has been noted
	})
	if len(missing) == all {
		return nil
	}
	for _, key := range slices.Sorted(maps.Keys(missing)) {
		r.refuse(key, "", "set, because kubeconfig, context and registry belong together", missing[key])
	}
	return e
}

// pullSecret reads the login that nodes pull with. Its mistakes do not show it.
func (r *reader) pullSecret(registry string) string {
	r.known["pullSecret"] = true
	text, err := config.Try(r.ctx, "pullSecret")
	if err != nil || text == "" {
		return ""
	}
	var file struct {
		Auths map[string]struct{ Auth, Username, Password string }
	}
	err = json.Unmarshal([]byte(text), &file)
	logins := 0
	for _, login := range file.Auths {
		if login.Auth != "" || login.Username != "" && login.Password != "" {
			logins++
		}
	}
	if host, _, _ := strings.Cut(registry, "/"); err != nil || logins == 0 {
		// Docker's own file often says only that the login is kept elsewhere.
		r.mistake("pullSecret has no login, must be a Docker config with one; to mend it: kubectl create secret docker-registry login --docker-server %s --docker-username USER --docker-password TOKEN "+
			`--dry-run=client --output 'jsonpath={.data.\.dockerconfigjson}' | base64 --decode | pulumi config set --secret pullSecret`, cmp.Or(host, "HOST"))
	} else if !r.ctx.IsConfigSecret(r.ctx.Project() + ":pullSecret") {
		r.mistake("pullSecret stands in clear text in the config; to mend it: pulumi config get pullSecret | pulumi config set --secret pullSecret")
	}
	return text
}

// google reads what is made on Google Cloud.
func (r *reader) google(c *Config) {
	c.Project = r.text("gcp:project", isProjectID, "the ID (not name or number) of a Google Cloud project", "PROJECT_ID")
	c.Location = r.text("location", isLocation, "a zone or region of Google Cloud (gcloud compute zones list)", "europe-west1-d")
	c.MachineType = r.text("machineType", isX86Machine, "a machine type with x86 processors, which the image is built for", "e2-medium")
	c.Spot = r.boolean("spot", "false")
	c.AuthorizedNetworks = parseNetworks(r.text("authorizedNetworks", isNetworks, "IPv4 networks, separated by commas; 0.0.0.0/0 is everybody", "203.0.113.0/24,198.51.100.7/32"))
	c.ImmutableTags = r.boolean("immutableTags", "true")
	c.DeletionProtection = r.boolean("deletionProtection", "true")
	nodes := r.number("nodes", maxNodes, "3")
	if zone := zoneSuffix.FindString(c.Location); zone != "" {
		c.Region, c.NodesPerZone = strings.TrimSuffix(c.Location, zone), nodes
	} else if c.Location != "" {
		c.Region, c.NodesPerZone = c.Location, nodes/zonesPerRegion
		if nodes%zonesPerRegion != 0 {
			r.refuse("nodes", strconv.Itoa(nodes), "a multiple of 3 in a region, whose three zones get as many nodes each", "3")
		}
	}
}

// pass takes keys for known that mean nothing to this stack.
func (r *reader) pass(keys ...string) {
	for _, key := range keys {
		r.known[key] = true
	}
}

var (
	// IDs of a domain (example.com:project) are refused: image names have no place for them.
	isProjectID = regexp.MustCompile(`^[a-z][a-z0-9-]{4,28}[a-z0-9]$`).MatchString

	isLocation = regexp.MustCompile(`^(africa|asia|australia|europe|me|northamerica|southamerica|us)-` +
		`(central|north|south|(north|south)?(east|west))[1-9][0-9]?(-[a-f])?$`).MatchString
	zoneSuffix = regexp.MustCompile(`-[a-f]$`)

	isMachine    = regexp.MustCompile(`^[a-z]+[0-9]+[a-z]*(-[a-z0-9]+)+$`).MatchString
	isArmMachine = regexp.MustCompile(`^(a4x|c4a|n4a|t2a)-`).MatchString

	version = regexp.MustCompile(`^v[0-9]+(\.[0-9]+){0,2}(-[a-z0-9]([a-z0-9.-]*[a-z0-9])?)?$`)

	// Of contexts and paths, those that a shell takes as they are: the output kubectl is a command.
	isPath    = regexp.MustCompile(`^~?(/[A-Za-z0-9._@+-]+)+$`).MatchString
	isContext = regexp.MustCompile(`^[A-Za-z0-9._:/@+-]+$`).MatchString
	// With a dot or a port, or Docker would take the host for a name on Docker Hub.
	isRegistry = regexp.MustCompile(`^` + registryName + `$`).MatchString

	owner = regexp.MustCompile(`^[a-z0-9]([a-z0-9_-]{0,61}[a-z0-9])?$`)

	isURLPath  = regexp.MustCompile(`^/[!-~]*$`).MatchString
	isVariable = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`).MatchString

	// No sign, no exponent, and no leading zero, which YAML takes for octal.
	isWholeNumber = regexp.MustCompile(`^[1-9][0-9]*$`).MatchString
)

const (
	kubeconfigExample = "~/.kube/config"
	contextExample    = "CONTEXT"
	registryExample   = "registry.example.com/team"
)

const urlPathRule = "the path of a URL, such as /healthz"

// orEmpty accepts what ok does, and nothing at all.
func orEmpty(ok func(string) bool) func(string) bool {
	return func(s string) bool { return s == "" || ok(s) }
}

func isX86Machine(s string) bool { return isMachine(s) && !isArmMachine(s) }

// isVersion: a version is a tag of an image and the value of a label, which is the stricter.
func isVersion(s string) bool { return version.MatchString(s) && len(s) <= 63 }

// isNetworks: an empty list is none. GKE takes it for nobody, but the provider for
// a setting that is off, which is everybody; that must be asked for by its name.
func isNetworks(s string) bool {
	for _, network := range strings.Split(s, ",") {
		prefix, err := netip.ParsePrefix(network)
		if err != nil || !prefix.Addr().Is4() || prefix != prefix.Masked() {
			return false
		}
	}
	return true
}

// parseNetworks returns networks in the order of their text, so that another
// order in the config is no change.
func parseNetworks(s string) []string {
	networks := strings.Split(s, ",")
	slices.Sort(networks)
	return slices.Compact(networks)
}

// isOwner: Google's labels have no upper case, Kubernetes' start and end with a letter or digit.
func isOwner(s string) bool { return s == "" || owner.MatchString(s) }

func isBoolean(s string) bool { return s == "true" || s == "false" }

// reader reads values one by one and collects the mistakes. It does without the
// typed getters of Pulumi's config package: GetInt makes 0 of "three" and 8 of "010".
type reader struct {
	ctx      *pulumi.Context
	known    map[string]bool // the keys asked for
	mistakes []string
}

// text returns the value of key, or "" after noting that it is missing or not ok.
func (r *reader) text(key string, ok func(string) bool, rule, example string) string {
	r.known[key] = true
	value, err := config.Try(r.ctx, key)
	if err != nil {
		r.mistake("%s is not set, must be %s; to mend it: pulumi config set %s %s", key, rule, key, example)
		return ""
	}
	if !ok(value) {
		r.refuse(key, value, rule, example)
		return ""
	}
	return value
}

// number returns the value of key, a whole number from 1 to limit, or 0 after noting that it is none.
func (r *reader) number(key string, limit int, example string) int {
	inRange := func(s string) bool {
		n, err := strconv.Atoi(s)
		return err == nil && n <= limit && isWholeNumber(s)
	}
	value := r.text(key, inRange, fmt.Sprintf("a whole number from 1 to %d", limit), example)
	n, _ := strconv.Atoi(value) // "" has been noted, all else is a number
	return n
}

// boolean returns the value of key, or false after noting that it is none.
func (r *reader) boolean(key, example string) bool {
	return r.text(key, isBoolean, "true or false", example) == "true"
}

// variables returns the value of key, names with values, and whether any is
// secret; for which its mistakes name no value. Numbers are as they were written.
func (r *reader) variables(key string) (variables map[string]string, secret bool) {
	r.known[key] = true
	text, err := config.Try(r.ctx, key)
	if err != nil { // none
		return nil, false
	}
	var values map[string]any
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.UseNumber()
	if err := decoder.Decode(&values); err != nil {
		r.mistake("%s must be names with values; to mend it: pulumi config rm %[1]s && pulumi config set --path %[1]s.NAME VALUE", key)
	}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		switch value := values[name].(type) {
		case string, json.Number, bool:
			if isVariable(name) {
				if variables == nil {
					variables = map[string]string{}
				}
				variables[name] = fmt.Sprint(value)
				continue
			}
		}
		r.mistake("%s.%s must be a name of letters, digits and _ with one value; to mend it: pulumi config rm --path '%[1]s[%[2]q]'", key, name)
	}
	return variables, r.ctx.IsConfigSecret(r.ctx.Project() + ":" + key)
}

func (r *reader) refuse(key, value, rule, example string) {
	r.mistake("%s is %q, must be %s; to mend it: pulumi config set %s %s", key, value, rule, key, example)
}

func (r *reader) mistake(format string, args ...any) {
	r.mistakes = append(r.mistakes, fmt.Sprintf(format, args...)+" --stack "+r.ctx.Stack())
}

// checkKeys notes every key of the project's namespace that has not been read:
// a misspelt one would silently leave a default in force. The SDK has no list of
// the keys, so it is taken from where the SDK takes the values.
func (r *reader) checkKeys() error {
	text := os.Getenv(pulumi.EnvConfig)
	if text == "" {
		return nil
	}
	var values map[string]string
	if err := json.Unmarshal([]byte(text), &values); err != nil {
		return fmt.Errorf("read the configuration from %s: %w", pulumi.EnvConfig, err)
	}
	renamed := false
	for _, key := range slices.Sorted(maps.Keys(values)) {
		renamed = renamed || strings.HasPrefix(key, platform+":") && r.ctx.Project() != platform
		if own, ok := strings.CutPrefix(key, r.ctx.Project()+":"); ok && !r.known[own] {
			r.mistake("%s is not a key of this program, see the config section of Pulumi.yaml; to mend it: pulumi config rm %s", own, own)
		}
	}
	if renamed {
		// As in the files of a project that pulumi new has made of this one.
		r.mistakes = append(r.mistakes, fmt.Sprintf("what begins with %s: is no config of project %s; to mend it: perl -pi -e 's/^  %[1]s:/  %[2]s:/' Pulumi.%s.yaml",
			platform, r.ctx.Project(), r.ctx.Stack()))
	}
	return nil
}
