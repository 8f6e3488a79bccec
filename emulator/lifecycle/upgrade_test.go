package lifecycle

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/pkg/v3/engine"
	"github.com/pulumi/pulumi/pkg/v3/resource/stack"
	"github.com/pulumi/pulumi/pkg/v3/secrets/b64"
	"github.com/pulumi/pulumi/sdk/v3/go/common/apitype"
)

var release = flag.String("release", "", "the version to keep the states of, such as 0.2.0, before it is tagged")

// TestUpgrade: today's program replaces and deletes nothing that a released version has
// created, unless CHANGELOG.md names it above that version, as TYPE NAME. A rename needs an
// alias.
func TestUpgrade(t *testing.T) {
	text, err := os.ReadFile("CHANGELOG.md")
	if err != nil {
		t.Fatal(err)
	}
	if *release != "" {
		for _, name := range upgraded {
			l := unprotected(t, name)
			l.up(name)
			l.keep(filepath.Join(states, *release, name+".json"))
		}
	}
	versions, err := filepath.Glob(states + "/[0-9]*")
	if err != nil || len(versions) == 0 {
		t.Fatalf("%s has no version: %v", states, err)
	}
	for _, folder := range versions {
		news, _, found := strings.Cut(string(text), "\n## ["+filepath.Base(folder)+"]")
		if !found {
			t.Errorf("CHANGELOG.md has no version %s", filepath.Base(folder))
		}
		for _, name := range upgraded {
			t.Run(filepath.Base(folder)+"/"+name, func(t *testing.T) {
				l := unprotected(t, name)
				l.restore(filepath.Join(folder, name+".json"))
				changes, err := l.run(engine.Update, true)
				if err != nil {
					t.Fatal(err)
				}
				for _, change := range changes {
					operation, resource, _ := strings.Cut(change, " ")
					lost := strings.Contains(operation, "replace") || strings.Contains(operation, "delete")
					if strings.HasPrefix(resource, "pulumi:providers:") && strings.Contains(resource, " default_") {
						continue // of the provider's version
					}
					if lost && !strings.Contains(news, resource) {
						t.Errorf("an update from this version does %q. Fix: give the resource its former name as an alias, or write %q into CHANGELOG.md with what the users of a stack have to do", change, resource)
					}
				}
			})
		}
	}
}

// states has a folder for each released version.
const states = "emulator/lifecycle/testdata"

var upgraded = []string{"dev", "staging", "prod", "existing"}

// unprotected returns the life of a stack whose preview shows replacements, and does not
// refuse them. Prod and existing have every resource that a key adds.
func unprotected(t *testing.T, name string) *life {
	t.Helper()
	l := begin(t, name)
	var settings []setting
	if name == "existing" {
		settings = append(settings, setting{key{name: "pullSecret", secret: true}, login})
	}
	if name == "existing" || name == "prod" {
		settings = append(settings, set("maxReplicas", "10"), setting{key{name: "environment", secret: true}, `{"PASSWORD": "hush"}`})
	}
	l.own[prefix+"deletionProtection"] = "false"
	l.choose(settings...)
	return l
}

// keep writes the state, a resource in a line.
func (l *life) keep(path string) {
	l.t.Helper()
	l.snapshot.SecretsManager = b64.NewBase64SecretsManager()
	deployment, err := stack.SerializeDeployment(l.t.Context(), l.snapshot, false)
	if err != nil {
		l.t.Fatal(err)
	}
	var lines []string
	for _, resource := range deployment.Resources {
		line, err := json.Marshal(resource)
		if err != nil {
			l.t.Fatal(err)
		}
		lines = append(lines, strings.ReplaceAll(string(line), home, "/home/me"))
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		l.t.Fatal(err)
	}
	if err := os.WriteFile(path, fmt.Appendf(nil, "[\n%s\n]\n", strings.Join(lines, ",\n")), 0o644); err != nil {
		l.t.Fatal(err)
	}
}

// restore reads what keep wrote.
func (l *life) restore(path string) {
	l.t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		l.t.Fatal(err)
	}
	deployment := apitype.DeploymentV3{SecretsProviders: &apitype.SecretsProvidersV1{Type: b64.Type}}
	if err := json.Unmarshal(text, &deployment.Resources); err != nil {
		l.t.Fatal(err)
	}
	if l.snapshot, err = stack.DeserializeDeploymentV3(l.t.Context(), deployment, b64.Base64SecretsProvider); err != nil {
		l.t.Fatal(err)
	}
}
