// Package config loads and checks the configuration of a stack. Every key is one
// row of the table in keys.go; Pulumi.yaml has its default and description.
//
// The package imports no SDK, so doctor/ and pipelines/ share it without compiling one:
// names, locations and machine types, and how a problem is reported.
package config

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
)

// template is the project whose environments come with the repository.
const template = "hello-timber"

// Context is what Load needs of a *pulumi.Context. Pulumi's typed getters are not used:
// GetInt returns 0 for "three" and 8 for "010".
type Context interface {
	Project() string
	Stack() string
	GetConfig(key string) (string, bool)
	IsConfigSecret(key string) bool
}

// Load reads the configuration of ctx's stack. Its error lists every mistake with
// the command that fixes it. It shows no value that is secret.
func Load(ctx Context) (*Config, error) {
	l := &loader{Context: ctx, Config: &Config{
		Name: StackName(ctx.Project(), ctx.Stack()), Google: &Google{}, Existing: &Existing{},
	}}
	onExisting := slices.ContainsFunc(deciding, func(key string) bool {
		value, _ := l.get(key)
		return value != ""
	})
	for _, k := range l.keys() {
		// The three keys that decide must be set on every stack, if only to nothing.
		if k.where == onGoogleCloud && onExisting || k.name == "pullSecret" && !onExisting {
			continue
		}
		l.load(k)
	}
	if IsImage(l.Image) {
		_, digest, _ := strings.Cut(l.Image, "@")
		l.Version = strings.Replace(digest, ":", "-", 1)[:len("sha256-")+12]
	}
	l.checkDomain(onExisting)
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

// deciding are the keys that choose an existing cluster.
var deciding = []string{"kubeconfig", "context", "registry"}

// loader loads values and collects problems.
type loader struct {
	*Config
	Context
	problems []Problem
}

// get returns the value of a key, as the CLI passes it.
func (l *loader) get(key string) (string, bool) { return l.GetConfig(l.qualified(key)) }

// secret reports whether the value of key is encrypted in the configuration.
func (l *loader) secret(key string) bool { return l.IsConfigSecret(l.qualified(key)) }

func (l *loader) qualified(key string) string {
	if strings.Contains(key, ":") {
		return key
	}
	return l.Project() + ":" + key
}

// load stores the value of a key in Config, or adds a problem.
func (l *loader) load(k key) {
	value, set := l.get(k.name)
	switch {
	case !set && k.example == "": // it has no default, and needs none
	case !set:
		l.refuse(k.name, "", "is not set, but must be "+k.rule, k.example)
	case k.read(value):
	case k.typ == "object": // the value may be secret
		l.add(k.name, "", "is not "+k.rule, l.command("pulumi config rm "+k.name)+" && "+l.command("pulumi config set --path "+k.name+".NAME VALUE"))
	default:
		l.refuse(k.name, Show(value), "is not "+k.rule, k.example)
	}
}

// refuse adds a problem that the value example solves, unless the key has a problem. A
// secret value is not shown: without a value, the command asks for it, and encrypts it.
func (l *loader) refuse(key, value, rule, example string) {
	if l.refused(key) {
		return
	}
	set := "pulumi config set " + key + " " + example
	if l.secret(key) {
		if value = ""; example != `""` {
			set = "pulumi config set --secret " + key
		}
	}
	l.add(key, value, rule, l.command(set))
}

func (l *loader) refused(key string) bool {
	return slices.ContainsFunc(l.problems, func(p Problem) bool { return p.What == key })
}

func (l *loader) add(what, value, rule, fix string) {
	l.problems = append(l.problems, Problem{What: what, Value: value, Rule: rule, Fix: fix})
}

// command returns a command of pulumi that acts on this stack. Every part of a
// pipeline needs it: without, pulumi takes the selected stack.
func (l *loader) command(text string) string { return text + " --stack " + l.Stack() }

// checkNames refuses every key of the project's namespace that is not in the table:
// a misspelt one would silently leave a default in force. The SDK has no list of
// the keys, so checkNames reads them where the SDK reads the values.
func (l *loader) checkNames() error {
	const variable = "PULUMI_CONFIG"
	text := os.Getenv(variable)
	if text == "" {
		return nil
	}
	var values map[string]string
	if err := json.Unmarshal([]byte(text), &values); err != nil {
		return fmt.Errorf("read the configuration from %s: %w", variable, err)
	}
	project, renamed := l.Project(), false
	keys := l.keys()
	for _, name := range slices.Sorted(maps.Keys(values)) {
		renamed = renamed || strings.HasPrefix(name, template+":") && project != template
		own, ok := strings.CutPrefix(name, project+":")
		if ok && !slices.ContainsFunc(keys, func(k key) bool { return k.name == own }) {
			l.add(Show(own), "", "is not a key of this program, Pulumi.yaml lists them all", l.command("pulumi config rm "+Quote(own)))
		}
	}
	if renamed { // The files of a project that pulumi new made from this repository have its keys.
		// Until they are used, other mistakes are not real, and a key that is set for one is there twice after the fix.
		l.problems = nil
		l.add("The prefix "+template+":", "", fmt.Sprintf("is not that of project %s, the keys that have it are not used", project),
			fmt.Sprintf("perl -pi -e 's/^  %s:/  %s:/' Pulumi.%s.yaml", template, project, l.Stack()))
	}
	return nil
}
