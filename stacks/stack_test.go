package stacks

import (
	"bytes"
	"cmp"
	"flag"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"gopkg.in/yaml.v3"
)

var update = flag.Bool("update", false, "rewrite the golden files in testdata/")

// environments are the stacks whose configuration is in the repository.
var environments = []string{"dev", "staging", "prod"}

// TestGolden shows in review what a change of the program changes on each stack.
func TestGolden(t *testing.T) {
	for _, stack := range environments {
		t.Run(stack, func(t *testing.T) {
			c := newCloud()
			if _, err := deploy(t, c, stack, stackConfig(t, stack)); err != nil {
				t.Fatal(err)
			}
			c.golden(t, stack)
		})
	}
}

// golden compares all resources with those in a file.
func (c *cloud) golden(t *testing.T, name string) {
	t.Helper()
	got := dump(t, c)
	path := "testdata/" + name + ".golden.yaml"
	if *update {
		if err := os.WriteFile(path, got, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	golden, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, golden) {
		t.Errorf("the resources of stack %s differ from %s:\n%s\nto accept this: go test ./stacks -update, and review its diff",
			name, path, firstDifference(string(golden), string(got)))
	}
}

// golden is how a resource stands in a golden file. Options that are not set are left out.
type golden struct {
	Resource            string
	Parent              string            `yaml:",omitempty"`
	Provider            string            `yaml:",omitempty"`
	DependsOn           []string          `yaml:"dependsOn,omitempty"`  // for its own sake
	InputsFrom          []string          `yaml:"inputsFrom,omitempty"` // for an output of it
	IgnoreChanges       []string          `yaml:"ignoreChanges,omitempty"`
	Protect             bool              `yaml:",omitempty"`
	DeleteBeforeReplace bool              `yaml:"deleteBeforeReplace,omitempty"`
	RetainOnDelete      bool              `yaml:"retainOnDelete,omitempty"`
	Timeouts            map[string]string `yaml:",omitempty"`
	Inputs              any               `yaml:",omitempty"`
}

// dump renders all resources, each part followed by its children.
func dump(t *testing.T, c *cloud) []byte {
	t.Helper()
	all := slices.Clone(c.resources)
	part := func(r pulumi.MockResourceArgs) string {
		if r.Custom {
			return label(r.RegisterRPC.Parent)
		}
		return r.TypeToken + " " + r.Name
	}
	slices.SortFunc(all, func(a, b pulumi.MockResourceArgs) int {
		return cmp.Or(cmp.Compare(part(a), part(b)), compareBool(a.Custom, b.Custom),
			cmp.Compare(a.TypeToken, b.TypeToken), cmp.Compare(a.Name, b.Name))
	})
	var out bytes.Buffer
	out.WriteString("# What the program registers. Written by: go test ./stacks -update\n")
	for _, r := range all {
		rpc := r.RegisterRPC
		g := golden{
			Resource:            r.TypeToken + " " + r.Name,
			IgnoreChanges:       rpc.IgnoreChanges,
			Protect:             rpc.GetProtect(),
			DeleteBeforeReplace: rpc.DeleteBeforeReplace,
			RetainOnDelete:      rpc.GetRetainOnDelete(),
		}
		if r.Custom {
			g.Parent = label(rpc.Parent)
			g.Inputs = readable(resource.NewProperty(r.Inputs))
		}
		if rpc.Provider != "" {
			g.Provider = label(rpc.Provider[:strings.LastIndex(rpc.Provider, "::")])
		}
		data := map[string]bool{}
		for _, property := range rpc.PropertyDependencies {
			for _, urn := range property.Urns {
				data[urn] = true
			}
		}
		for _, urn := range rpc.Dependencies {
			if !data[urn] {
				g.DependsOn = append(g.DependsOn, label(urn))
			}
		}
		for urn := range data {
			g.InputsFrom = append(g.InputsFrom, label(urn))
		}
		slices.Sort(g.DependsOn)
		slices.Sort(g.InputsFrom)
		g.Timeouts = map[string]string{
			"create": rpc.CustomTimeouts.GetCreate(), "update": rpc.CustomTimeouts.GetUpdate(), "delete": rpc.CustomTimeouts.GetDelete(),
		}
		maps.DeleteFunc(g.Timeouts, func(_, timeout string) bool { return timeout == "" })
		out.WriteString("\n---\n")
		encoder := yaml.NewEncoder(&out)
		encoder.SetIndent(2)
		if err := encoder.Encode(g); err != nil {
			t.Fatal(err)
		}
	}
	return out.Bytes()
}

func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	default:
		return 1
	}
}

// readable turns a value into plain maps, lists and scalars, with secrets hidden.
func readable(v resource.PropertyValue) any {
	switch {
	case v.IsSecret():
		return "[secret]"
	case v.IsObject():
		m := map[string]any{}
		for key, value := range v.ObjectValue() {
			m[string(key)] = readable(value)
		}
		return m
	case v.IsArray():
		var list []any
		for _, value := range v.ArrayValue() {
			list = append(list, readable(value))
		}
		return list
	default:
		return v.Mappable()
	}
}

func firstDifference(golden, got string) string {
	a, b := strings.Split(golden, "\n"), strings.Split(got, "\n")
	for i := range max(len(a), len(b)) {
		if i >= len(a) || i >= len(b) || a[i] != b[i] {
			return fmt.Sprintf("line %d:\n- %s\n+ %s", i+1, strings.Join(a[i:min(i+3, len(a))], "\n- "), strings.Join(b[i:min(i+3, len(b))], "\n+ "))
		}
	}
	return "no difference"
}

func TestOutputs(t *testing.T) {
	_, outputs := deployDev(t, nil)
	want := map[string]any{
		"url":     "http://192.0.2.80",
		"image":   testDigest,
		"cluster": "hello-timber-1a2b3c4",
		"kubectl": "gcloud container clusters get-credentials hello-timber-1a2b3c4 --location europe-west1-d --project my-project",
		"console": "https://console.cloud.google.com/kubernetes/clusters/details/europe-west1-d/hello-timber-1a2b3c4/details?project=my-project",
	}
	if !maps.Equal(outputs, want) {
		t.Errorf("outputs are\n%v, want\n%v", outputs, want)
	}
}

// TestPreview runs the program as the first preview does, when nothing is known of
// what does not exist yet.
func TestPreview(t *testing.T) {
	for _, stack := range environments {
		c := newCloud()
		c.preview = true
		outputs, err := deploy(t, c, stack, stackConfig(t, stack))
		if err != nil {
			t.Fatal(err)
		}
		if len(outputs) != 0 {
			t.Errorf("outputs %v are known before anything exists", outputs)
		}
		full, _ := deployStack(t, stack, nil)
		if len(c.resources) != len(full.resources) {
			t.Errorf("the preview registers %d resources, the update %d", len(c.resources), len(full.resources))
		}
	}
}

// TestFailures lets the registration of each type fail in turn, with an image that
// is built and with one that exists.
func TestFailures(t *testing.T) {
	for _, image := range []string{"", promoted} {
		config := stackConfig(t, "prod")
		config["hello-timber:image"] = image
		full, _ := deployStack(t, "prod", config)
		types := map[string]bool{}
		for _, r := range full.resources {
			types[r.TypeToken] = true
		}
		if len(types) < 23 {
			t.Fatalf("only %d types are registered", len(types))
		}
		for _, typ := range slices.Sorted(maps.Keys(types)) {
			t.Run(typ, func(t *testing.T) {
				c := newCloud()
				c.fail = typ
				_, err := deploy(t, c, "prod", config)
				if err == nil || !strings.Contains(err.Error(), errInjected.Error()) {
					t.Errorf("error is %v, want %v", err, errInjected)
				}
			})
		}
	}
}

// TestEnvironments: what must hold whatever else the files in the repository choose.
func TestEnvironments(t *testing.T) {
	for _, stack := range environments {
		c, _ := deployStack(t, stack, nil)
		cluster, pool := c.inputs(t, typeCluster), c.inputs(t, typeNodePool)
		perZone := 3.0
		if stack == "prod" {
			perZone = 1
			want(t, cluster, "location", "europe-west1")
			want(t, c.inputs(t, typeDeployment), "spec.replicas", 3)
		}
		if got := pool["nodeCount"].NumberValue(); got != perZone {
			t.Errorf("%s has %v nodes in a zone, want three in all", stack, got)
		}
		if stack == "dev" {
			continue // a trial
		}
		want(t, cluster, "deletionProtection", true)
		want(t, pool, "nodeConfig.spot", false)
		want(t, c.inputs(t, typeRepository), "dockerConfig.immutableTags", true)

		// Who may reach the control plane is never a default of the repository's.
		text, err := os.ReadFile("../Pulumi." + stack + ".yaml")
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(text), "hello-timber:authorizedNetworks") || strings.Contains(string(text), "0.0.0.0") {
			t.Errorf("Pulumi.%s.yaml says who may reach the control plane", stack)
		}
	}
}

// TestParents: what hangs on a part shows and moves with it.
func TestParents(t *testing.T) {
	c, _ := deployDev(t, nil)
	for _, r := range c.resources {
		parent := resource.URN(r.RegisterRPC.Parent).Type()
		if r.Custom && !strings.HasPrefix(string(parent), "hello-timber:stacks:") {
			t.Errorf("the parent of %s %s is of type %s, want a part of the stack", r.TypeToken, r.Name, parent)
		}
	}
}

// TestNothingWaitsWithoutReason: what takes minutes runs side by side.
func TestNothingWaitsWithoutReason(t *testing.T) {
	c, _ := deployDev(t, nil)
	for typ, independent := range map[string][]string{
		typeCluster:    {typeAccount, typeIAMMember, typeRepository, typeImage},
		typeImage:      {typeCluster, typeNodePool, typeReader, typeAccount},
		typeRepository: {typeCluster, typeNodePool, typeAccount},
		typeService:    {typeDeployment, typeImage, typeReader},
	} {
		waits := c.waitsFor(t, typ)
		for _, other := range independent {
			if waits[other] {
				t.Errorf("%s waits for %s", typ, other)
			}
		}
	}
}

// waitsFor returns the types of all that a resource depends on, directly or not.
func (c *cloud) waitsFor(t *testing.T, typ string) map[string]bool {
	t.Helper()
	all := map[string]bool{}
	var visit func(r pulumi.MockResourceArgs)
	visit = func(r pulumi.MockResourceArgs) {
		urns := r.RegisterRPC.Dependencies
		if provider := r.RegisterRPC.Provider; provider != "" {
			urns = append(slices.Clone(urns), provider[:strings.LastIndex(provider, "::")])
		}
		for _, urn := range urns {
			u := resource.URN(urn)
			if !all[string(u.Type())] {
				all[string(u.Type())] = true
				visit(c.find(t, string(u.Type()), u.Name()))
			}
		}
	}
	visit(c.find(t, typ))
	return all
}
