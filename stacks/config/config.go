// Package config loads and checks the configuration of a stack. Every key is one
// row of the table in keys.go; Pulumi.yaml has its default and description. The package
// knows no SDK but Pulumi's own, so that doctor/ and pipelines/ can share what follows
// from names, locations and machine types.
package config

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi/config"
)

// template is the project whose environments come with the repository.
const template = "hello-timber"

// Config is the configuration of a stack.
type Config struct {
	// Name is PROJECT-STACK, as StackName returns it.
	Name string
	// Owner is the team that is responsible for the stack, a label; may be empty.
	Owner string
	// DeletionProtection refuses to delete or replace what serves or cannot be restored.
	DeletionProtection bool

	// Google is what to create on Google Cloud; nil on an existing cluster.
	Google *Google
	// Existing is the cluster and registry to use; nil on Google Cloud.
	Existing *Existing

	Image   Image
	Service Service
}

// Google is what to create on Google Cloud.
type Google struct {
	// Project is the ID of the Google Cloud project.
	Project string
	// Location is a zone (europe-west1-d), or a region (europe-west1) with control
	// plane and nodes in three zones. Region is the same, or the zone's region.
	Location, Region string
	// Nodes is the number of nodes in all, NodesPerZone the number that GKE is asked for.
	Nodes, NodesPerZone int
	// MaxNodes and MaxNodesPerZone are how many nodes GKE may add up to; 0 keeps the number.
	MaxNodes, MaxNodesPerZone int
	MachineType               string
	// Spot nodes cost less, and Google may take them away at any time.
	Spot bool
	// AuthorizedNetworks are the IPv4 networks, such as 203.0.113.0/24, that may reach
	// the control plane: at least one, sorted.
	AuthorizedNetworks []string
	// Network is the cluster's VPC network, by name or, for a Shared VPC, as
	// projects/PROJECT/global/networks/NAME; empty for the network named default.
	// NetworkProject is the project that it belongs to.
	Network, NetworkProject string
	// Subnetwork is the name of the network's subnet in Region; empty for the one that
	// a network in auto mode has.
	Subnetwork string
	// PodRange and ServiceRange are the names of the subnet's secondary ranges; empty
	// to have GKE add its own.
	PodRange, ServiceRange string
	// ControlPlaneRange are the control plane's private addresses, such as
	// 172.16.0.32/28; empty for a range that follows from the stack's name.
	ControlPlaneRange string
	// ImmutableTags refuses to push another image under an existing tag.
	ImmutableTags bool
	// Budget is what the stack may cost a month in US dollars; 0 for no limit. Only
	// pipelines/ compares it with the cost: the program knows no prices.
	Budget int
}

// Existing is a cluster and a registry that the program uses and does not create.
type Existing struct {
	// Kubeconfig is a path that starts with / or ~/. The file's content stays out of the state.
	Kubeconfig string
	// Context is the name of one of its contexts.
	Context string
	// Registry is what image names start with: HOST or HOST/PATH. Docker is logged in
	// if that is necessary.
	Registry string
	// PullSecret is a Docker config with a login for nodes to pull with; may be empty.
	PullSecret string
}

// Image is the image to build, or an existing one.
type Image struct {
	// Version is the tag of the image to build, and the version that the service reports.
	Version string
	// Name is the existing image to run, by digest; empty to build app/.
	Name string
	// Repository holds the existing image, on Google Cloud; nil otherwise.
	Repository *Repository
}

// Repository is a repository of Artifact Registry.
type Repository struct{ Location, Project, ID string }

// Load reads the configuration of ctx's stack. Its error lists every mistake with
// the command that fixes it. It shows no value that is secret.
func Load(ctx *pulumi.Context) (*Config, error) {
	l := &loader{ctx: ctx, Config: &Config{
		Name: StackName(ctx.Project(), ctx.Stack()), Google: &Google{}, Existing: &Existing{},
	}}
	onExisting := l.set("kubeconfig") || l.set("context") || l.set("registry")
	for _, k := range l.keys() {
		// The three keys that decide must be set on every stack, if only to nothing.
		if k.where == onGoogleCloud && onExisting || k.name == "pullSecret" && !onExisting {
			continue
		}
		l.load(k)
	}
	if onExisting {
		l.Google = nil
		l.checkExisting()
	} else {
		l.Existing = nil
		l.checkGoogle()
	}
	l.checkLimit("maxReplicas", "replicas", l.Service.MaxReplicas, l.Service.Replicas)
	l.checkEnvironment()
	if err := l.checkNames(); err != nil {
		return nil, err
	}
	if err := Problems(fmt.Sprintf("the configuration of stack %s has errors", ctx.Stack()), l.problems...); err != nil {
		return nil, err
	}
	return l.Config, nil
}

// loader loads values and collects problems. It does without the typed getters of
// Pulumi's config package: GetInt returns 0 for "three" and 8 for "010".
type loader struct {
	*Config
	ctx      *pulumi.Context
	problems []Problem
}

// set reports whether key has a value.
func (l *loader) set(key string) bool {
	value, err := config.Try(l.ctx, key)
	return err == nil && value != ""
}

// load stores the value of a key in Config, or adds a problem.
func (l *loader) load(k key) {
	value, err := config.Try(l.ctx, k.name)
	if err != nil {
		if k.example != "" { // the others have no default, and need none
			l.refuse(k.name, "", "is not set, but must be "+k.rule, k.example)
		}
		return
	}
	switch ok := k.read(value); {
	case ok:
	case k.typ == "object": // the value may be secret
		l.add(k.name, "", "is not "+k.rule, l.command("pulumi config rm "+k.name)+" && "+l.command("pulumi config set --path "+k.name+".NAME VALUE"))
	default:
		l.refuse(k.name, Show(value), "is not "+k.rule, k.example)
	}
}

// refuse adds a problem that the value example solves.
func (l *loader) refuse(key, value, rule, example string) {
	l.add(key, value, rule, l.command("pulumi config set "+key+" "+example))
}

func (l *loader) add(what, value, rule, fix string) {
	l.problems = append(l.problems, Problem{What: what, Value: value, Rule: rule, Fix: fix})
}

// command returns a command of pulumi that acts on this stack. Every part of a
// pipeline needs it: without, pulumi takes the selected stack.
func (l *loader) command(text string) string { return text + " --stack " + l.ctx.Stack() }

// secret reports whether the value of key is encrypted in the configuration.
func (l *loader) secret(key string) bool { return l.ctx.IsConfigSecret(l.ctx.Project() + ":" + key) }

// checkNames refuses every key of the project's namespace that is not in the table:
// a misspelt one would silently leave a default in force. The SDK has no list of
// the keys, so checkNames reads them where the SDK reads the values.
func (l *loader) checkNames() error {
	text := os.Getenv(pulumi.EnvConfig)
	if text == "" {
		return nil
	}
	var values map[string]string
	if err := json.Unmarshal([]byte(text), &values); err != nil {
		return fmt.Errorf("read the configuration from %s: %w", pulumi.EnvConfig, err)
	}
	project, renamed := l.ctx.Project(), false
	keys := l.keys()
	for _, name := range slices.Sorted(maps.Keys(values)) {
		renamed = renamed || strings.HasPrefix(name, template+":") && project != template
		own, ok := strings.CutPrefix(name, project+":")
		if ok && !slices.ContainsFunc(keys, func(k key) bool { return k.name == own }) {
			l.add(Show(own), "", "is not a key of this program, Pulumi.yaml lists them all",
				l.command("pulumi config rm "+Quote(own)))
		}
	}
	if renamed { // The files of a project that pulumi new made from this repository have its keys.
		l.add("The prefix "+template+":", "", fmt.Sprintf("is not that of project %s, the keys that have it are not used", project),
			fmt.Sprintf("perl -pi -e 's/^  %s:/  %s:/' Pulumi.%s.yaml", template, project, l.ctx.Stack()))
	}
	return nil
}
