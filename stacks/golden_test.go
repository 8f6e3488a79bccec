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

// promoted is an image that another stack has built.
const promoted = "europe-west4-docker.pkg.dev/staging-project/hello-timber-staging/timber-tutorial@sha256:1b2c3d4e5f60718293a4b5c6d7e8f90123456789abcdef0123456789abcdef01"

// TestGolden shows in a review what a change of the program changes on each stack:
// everything on dev, and where staging, prod, autoscaling and an existing cluster differ from it.
func TestGolden(t *testing.T) {
	dev, _ := deployed(t, "dev", stackConfig(t, "dev"))
	golden(t, "dev.golden.yaml", dump(t, dev))
	for _, stack := range environments[1:] {
		c, _ := deployed(t, stack, stackConfig(t, stack))
		golden(t, stack+".golden.txt", []byte(heading+differences(t, dev, c)))
	}
	dev, _ = deployDev(t, nil)
	scaling, _ := deployDev(t, map[string]string{"hello-timber:maxReplicas": "10", "hello-timber:maxNodes": "6"})
	golden(t, "autoscaling.golden.txt", []byte(heading+differences(t, dev, scaling)))
	existing, _ := deployExisting(t, kubectlAnswers, nil)
	kubeconfig := existing.get(t, typeProvider, "kubeconfig").StringValue()
	golden(t, "existing.golden.txt", []byte(heading+strings.ReplaceAll(differences(t, dev, existing), kubeconfig, "~/kubeconfig")))
}

// heading is the first line of a file with differences.
const heading = "# Where the resources differ from those of dev.golden.yaml. Written by: go test ./stacks -update\n"

// golden compares text with a file in testdata/, or writes the file.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := "testdata/" + name
	if *update {
		if err := os.WriteFile(path, got, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s is not what the program does:\n%s\nIf that is intended: go test ./stacks -update, and review the diff",
			path, firstDifference(string(want), string(got)))
	}
}

func firstDifference(want, got string) string {
	a, b := strings.Split(want, "\n"), strings.Split(got, "\n")
	for i := range max(len(a), len(b)) {
		if i >= len(a) || i >= len(b) || a[i] != b[i] {
			return fmt.Sprintf("line %d:\n- %s\n+ %s", i+1,
				strings.Join(a[min(i, len(a)):min(i+3, len(a))], "\n- "), strings.Join(b[min(i, len(b)):min(i+3, len(b))], "\n+ "))
		}
	}
	return "no difference"
}

// described is a resource in a golden file. Options that are not set are left out.
type described struct {
	Resource            string
	Parent              string            `yaml:",omitempty"`
	Provider            string            `yaml:",omitempty"`
	DependsOn           []string          `yaml:"dependsOn,omitempty"`  // without data
	InputsFrom          []string          `yaml:"inputsFrom,omitempty"` // for an output of it
	IgnoreChanges       []string          `yaml:"ignoreChanges,omitempty"`
	Protect             bool              `yaml:",omitempty"`
	DeleteBeforeReplace bool              `yaml:"deleteBeforeReplace,omitempty"`
	Timeouts            map[string]string `yaml:",omitempty"`
	Inputs              any               `yaml:",omitempty"`
}

// describe returns all resources, each component followed by its children.
func describe(c *cloud) []described {
	all := slices.DeleteFunc(slices.Clone(c.resources), func(r pulumi.MockResourceArgs) bool { return r.TypeToken == "pulumi:pulumi:Stack" })
	component := func(r pulumi.MockResourceArgs) string {
		if parent := resource.URN(r.RegisterRPC.Parent); r.Custom && parent != "" && parent.Type() != "pulumi:pulumi:Stack" {
			return label(r.RegisterRPC.Parent)
		}
		return r.TypeToken + " " + r.Name
	}
	slices.SortFunc(all, func(a, b pulumi.MockResourceArgs) int {
		order := map[bool]int{true: 1}
		return cmp.Or(cmp.Compare(component(a), component(b)), cmp.Compare(order[a.Custom], order[b.Custom]),
			cmp.Compare(a.TypeToken, b.TypeToken), cmp.Compare(a.Name, b.Name))
	})
	var resources []described
	for _, r := range all {
		rpc := r.RegisterRPC
		d := described{
			Resource: r.TypeToken + " " + r.Name, IgnoreChanges: rpc.IgnoreChanges,
			Protect: rpc.GetProtect(), DeleteBeforeReplace: rpc.DeleteBeforeReplace,
		}
		if r.Custom {
			if component(r) != d.Resource {
				d.Parent = component(r)
			}
			d.Inputs = readable(resource.NewProperty(r.Inputs))
		}
		if rpc.Provider != "" {
			d.Provider = label(rpc.Provider[:strings.LastIndex(rpc.Provider, "::")])
		}
		data := map[string]bool{}
		for _, property := range rpc.PropertyDependencies {
			for _, urn := range property.Urns {
				data[urn] = true
			}
		}
		for _, urn := range rpc.Dependencies {
			if !data[urn] {
				d.DependsOn = append(d.DependsOn, label(urn))
			}
		}
		for urn := range data {
			d.InputsFrom = append(d.InputsFrom, label(urn))
		}
		slices.Sort(d.DependsOn)
		slices.Sort(d.InputsFrom)
		d.Timeouts = map[string]string{
			"create": rpc.CustomTimeouts.GetCreate(), "update": rpc.CustomTimeouts.GetUpdate(), "delete": rpc.CustomTimeouts.GetDelete(),
		}
		maps.DeleteFunc(d.Timeouts, func(_, timeout string) bool { return timeout == "" })
		resources = append(resources, d)
	}
	return resources
}

func dump(t *testing.T, c *cloud) []byte {
	t.Helper()
	var out bytes.Buffer
	out.WriteString("# What the program registers. Written by: go test ./stacks -update\n")
	for _, d := range describe(c) {
		out.WriteString("\n---\n" + encode(t, d))
	}
	return out.Bytes()
}

func encode(t *testing.T, v any) string {
	t.Helper()
	var out bytes.Buffer
	encoder := yaml.NewEncoder(&out)
	encoder.SetIndent(2)
	if err := encoder.Encode(v); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// differences returns where the resources of c differ from those of dev, one value a line.
func differences(t *testing.T, dev, c *cloud) string {
	t.Helper()
	flat := func(c *cloud) map[string]string {
		values := map[string]string{}
		for _, d := range describe(c) {
			var tree any
			if err := yaml.Unmarshal([]byte(encode(t, d)), &tree); err != nil {
				t.Fatal(err)
			}
			flatten(d.Resource, tree, values)
		}
		return values
	}
	a, b := flat(dev), flat(c)
	keys := maps.Clone(a)
	maps.Copy(keys, b)
	out := ""
	for _, key := range slices.Sorted(maps.Keys(keys)) {
		if was, is := cmp.Or(a[key], "unset"), cmp.Or(b[key], "unset"); was != is {
			out += fmt.Sprintf("%s: %s → %s\n", key, was, is)
		}
	}
	return out
}

func flatten(path string, tree any, into map[string]string) {
	switch tree := tree.(type) {
	case map[string]any:
		if len(tree) == 0 {
			into[path] = "{}"
		}
		for key, value := range tree {
			flatten(path+" "+key, value, into)
		}
	case []any:
		for i, value := range tree {
			flatten(fmt.Sprintf("%s[%d]", path, i), value, into)
		}
	default:
		into[path] = strings.ReplaceAll(fmt.Sprint(tree), "\n", " ")
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
