package config

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"gopkg.in/yaml.v3"
)

var update = flag.Bool("update", false, "rewrite the table in docs/configuration.md")

// declaration is a key in Pulumi.yaml.
type declaration struct {
	Type, Description string
	Default           any
}

// declared returns the keys of Pulumi.yaml that are this program's.
func declared(t *testing.T) map[string]declaration {
	t.Helper()
	text, err := os.ReadFile("../../Pulumi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var project struct{ Config map[string]yaml.Node }
	if err := yaml.Unmarshal(text, &project); err != nil {
		t.Fatal(err)
	}
	keys := map[string]declaration{}
	for name, node := range project.Config {
		var d declaration
		if strings.Contains(name, ":") {
			continue
		}
		if err := node.Decode(&d); err != nil {
			t.Fatal(err)
		}
		keys[name] = d
	}
	return keys
}

// text is a default as the CLI passes it.
func (d declaration) text() string {
	if d.Type == "object" {
		text, _ := json.Marshal(d.Default)
		return string(text)
	}
	return fmt.Sprint(d.Default)
}

// TestKeys: Pulumi.yaml and the table have the same keys, of the same types, and every
// default and every example is a correct value.
func TestKeys(t *testing.T) {
	keys := declared(t)
	for _, k := range (&Config{}).keys() {
		d, ok := keys[k.name]
		delete(keys, k.name)
		if strings.Contains(k.name, ":") {
			continue
		}
		if !ok || d.Type != k.typ || d.Description == "" || d.Default == nil {
			t.Errorf("%s: Pulumi.yaml has %+v, want type, description and default of a %s", k.name, d, k.typ)
		}
		if k.name != "authorizedNetworks" && !k.read(d.text()) { // a decision of its own for every stack
			t.Errorf("%s: the default %q is not %s", k.name, d.text(), k.rule)
		}
		if k.example != "" && !k.read(strings.Trim(k.example, `'"`)) {
			t.Errorf("%s: the example %s is not %s", k.name, k.example, k.rule)
		}
	}
	for name := range keys {
		t.Errorf("%s is in Pulumi.yaml, but not in the table", name)
	}
	text, err := os.ReadFile("../../Pulumi.yaml")
	if err != nil || !strings.Contains(string(text), "\n  pulumi:disable-default-providers: [kubernetes]\n") {
		t.Errorf("Pulumi.yaml does not disable the default kubernetes provider (%v)", err)
	}
}

// TestDocument: the table in docs/configuration.md is made from Pulumi.yaml and the table of keys.
func TestDocument(t *testing.T) {
	const begin, end = "<!-- config -->\n", "<!-- end -->\n"
	path := "../../docs/configuration.md"
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := bytes.Cut(text, []byte(begin))
	_, after, ended := bytes.Cut(rest, []byte(end))
	if !ok || !ended {
		t.Fatalf("docs/configuration.md has no lines %s and %s", begin, end)
	}
	table := "| key | default | value | meaning |\n|---|---|---|---|\n"
	keys := declared(t)
	groups := map[where]string{onExistingCluster: "**On an existing cluster**", onGoogleCloud: "**On Google Cloud**", everywhere: "**Everywhere**"}
	for _, k := range (&Config{}).keys() {
		if group := groups[k.where]; group != "" {
			table += "| " + group + " | | | |\n"
			delete(groups, k.where)
		}
		d, shown := keys[k.name], ""
		if value := d.text(); d.Default != nil && value != "" && value != "{}" {
			shown = "`" + value + "`"
		}
		table += fmt.Sprintf("| `%s` | %s | %s | %s |\n", k.name, shown, strings.ReplaceAll(k.rule, "|", `\|`), strings.TrimSpace(d.Description))
	}
	want := slices.Concat(before, []byte(begin+"\n"+table+"\n"+end), after)
	if *update {
		if err := os.WriteFile(path, want, 0o666); err != nil {
			t.Fatal(err)
		}
	} else if !bytes.Equal(text, want) {
		t.Error("the table of keys in docs/configuration.md is not current. Fix: go test ./stacks/config -update")
	}
}

// mocks answers nothing: Load registers no resource.
type mocks struct{}

func (mocks) NewResource(args pulumi.MockResourceArgs) (string, resource.PropertyMap, error) {
	return args.Name, args.Inputs, nil
}

func (mocks) Call(pulumi.MockCallArgs) (resource.PropertyMap, error) { return nil, nil }

func load(t *testing.T, changes map[string]string) (*Config, error) {
	t.Helper()
	values := map[string]string{"gcp:project": "my-project"}
	for name, d := range declared(t) {
		values["hello-timber:"+name] = d.text()
	}
	values["hello-timber:authorizedNetworks"] = "203.0.113.0/24"
	for name, value := range changes {
		values["hello-timber:"+name] = value
	}
	var got *Config
	err := pulumi.RunErr(func(ctx *pulumi.Context) (err error) {
		got, err = Load(ctx)
		return err
	}, pulumi.WithMocks("hello-timber", "dev", mocks{}), func(info *pulumi.RunInfo) { info.Config = values })
	return got, err
}

func TestLoad(t *testing.T) {
	const digest = "@sha256:6d1ef012b5674ad8a127ecfa9b5e6f5178d171b90ee462846974177fd9bdd39f"
	defaults := func() *Config {
		return &Config{
			Name: "hello-timber-dev", DeletionProtection: true,
			Google: &Google{
				Project: "my-project", NetworkProject: "my-project", Location: "europe-west1-d", Region: "europe-west1", Nodes: 3, NodesPerZone: 3,
				MachineType: "e2-medium", AuthorizedNetworks: []string{"203.0.113.0/24"}, ImmutableTags: true,
			},
			Image:   Image{Version: "v1"},
			Service: Service{Name: "timber-tutorial", Replicas: 3, Port: 8080, LivenessPath: "/livez", ReadinessPath: "/readyz", StartupSeconds: 30, Memory: 256},
		}
	}
	for _, test := range []struct {
		name    string
		changes map[string]string
		want    func(*Config)
	}{
		{"the defaults", nil, func(*Config) {}},
		{"scaled", map[string]string{"replicas": "100"}, func(c *Config) { c.Service.Replicas = 100 }},
		{"scaled by the load", map[string]string{"maxReplicas": "3", "maxNodes": "4"}, func(c *Config) {
			c.Service.MaxReplicas, c.Google.MaxNodes, c.Google.MaxNodesPerZone = 3, 4, 4
		}},
		{"up to six nodes in a region", map[string]string{"maxNodes": "6", "location": "us-central1"}, func(c *Config) {
			c.Google.Location, c.Google.Region, c.Google.NodesPerZone, c.Google.MaxNodes, c.Google.MaxNodesPerZone = "us-central1", "us-central1", 1, 6, 2
		}},
		{"semantic version", map[string]string{"imageVersion": "v1.10.0-rc.1"}, func(c *Config) { c.Image.Version = "v1.10.0-rc.1" }},
		{"four nodes in a zone", map[string]string{"nodes": "4"}, func(c *Config) { c.Google.Nodes, c.Google.NodesPerZone = 4, 4 }},
		{"six nodes in a region", map[string]string{"nodes": "6", "location": "us-central1"}, func(c *Config) {
			c.Google.Location, c.Google.Region, c.Google.Nodes, c.Google.NodesPerZone = "us-central1", "us-central1", 6, 2
		}},
		{"a region of two directions", map[string]string{"location": "northamerica-northeast2-a"}, func(c *Config) {
			c.Google.Location, c.Google.Region = "northamerica-northeast2-a", "northamerica-northeast2"
		}},
		{"a region with a number of two digits", map[string]string{"location": "europe-west12"}, func(c *Config) {
			c.Google.Location, c.Google.Region, c.Google.NodesPerZone = "europe-west12", "europe-west12", 1
		}},
		{"custom machine", map[string]string{"machineType": "e2-custom-2-4096"}, func(c *Config) { c.Google.MachineType = "e2-custom-2-4096" }},
		{"AMD machine", map[string]string{"machineType": "t2d-standard-1"}, func(c *Config) { c.Google.MachineType = "t2d-standard-1" }},
		{"networks in any order", map[string]string{"authorizedNetworks": "203.0.113.0/24,198.51.100.7/32,203.0.113.0/24", "allowedNetworks": "2001:db8::/32,0.0.0.0/0"}, func(c *Config) {
			c.Google.AuthorizedNetworks, c.Service.AllowedNetworks = []string{"198.51.100.7/32", "203.0.113.0/24"}, []string{"0.0.0.0/0", "2001:db8::/32"}
		}},
		{"a network of one's own", map[string]string{"network": "my-network", "controlPlaneRange": "10.9.0.16/28"}, func(c *Config) {
			c.Google.Network, c.Google.ControlPlaneRange = "my-network", "10.9.0.16/28"
		}},
		{"a subnet with ranges", map[string]string{"network": "projects/my-project/global/networks/n", "subnetwork": "s", "secondaryRanges": "z-pods,a-services"}, func(c *Config) {
			c.Google.Network, c.Google.Subnetwork, c.Google.PodRange, c.Google.ServiceRange = "projects/my-project/global/networks/n", "s", "z-pods", "a-services"
		}},
		{"a Shared VPC", map[string]string{"network": "projects/host-project/global/networks/n", "subnetwork": "s", "secondaryRanges": "pods,services"}, func(c *Config) {
			c.Google.Network, c.Google.NetworkProject = "projects/host-project/global/networks/n", "host-project"
			c.Google.Subnetwork, c.Google.PodRange, c.Google.ServiceRange = "s", "pods", "services"
		}},
		{"a reserved address", map[string]string{"address": "203.0.113.9"}, func(c *Config) { c.Service.Address = "203.0.113.9" }},
		{"IPv6 alone, on an existing cluster", map[string]string{"kubeconfig": "/k", "context": "c", "registry": "localhost", "address": "2001:db8::80", "allowedNetworks": "2001:db8::/32"}, func(c *Config) {
			c.Google, c.Existing, c.Service.Address = nil, &Existing{Kubeconfig: "/k", Context: "c", Registry: "localhost"}, "2001:db8::80"
			c.Service.AllowedNetworks = []string{"2001:db8::/32"}
		}},
		{"an image in a folder, stored in several regions", map[string]string{"image": "europe-docker.pkg.dev/other-project/images/team/timber" + digest}, func(c *Config) {
			c.Image.Name, c.Image.Repository = "europe-docker.pkg.dev/other-project/images/team/timber"+digest, &Repository{"europe", "other-project", "images"}
		}},
		{"another service", map[string]string{"port": "80", "livenessPath": "/health?deep=no", "readinessPath": "/", "memory": "4096", "egress": "true", "startupSeconds": "600", "owner": "team_timber-1"}, func(c *Config) {
			c.Service.Port, c.Service.LivenessPath, c.Service.ReadinessPath, c.Service.Memory, c.Service.Egress, c.Service.StartupSeconds = 80, "/health?deep=no", "/", 4096, true, 600
			c.Owner = "team_timber-1"
		}},
		{"variables", map[string]string{"environment": `{"GREETING": "hello", "_LIMIT": 1.10, "DEBUG": false, "EMPTY": ""}`}, func(c *Config) {
			c.Service.Environment = map[string]string{"GREETING": "hello", "_LIMIT": "1.10", "DEBUG": "false", "EMPTY": ""}
		}},
		{"spot nodes, tags and stack that may go", map[string]string{"spot": "true", "immutableTags": "false", "deletionProtection": "false"}, func(c *Config) {
			c.Google.Spot, c.Google.ImmutableTags, c.DeletionProtection = true, false, false
		}},
		{"a budget", map[string]string{"budget": "100000"}, func(c *Config) { c.Google.Budget = 100000 }},
		{"an existing cluster", map[string]string{"kubeconfig": "~/my files/config", "context": "Prod (EU West)", "registry": "localhost/team", "image": "localhost/team/timber" + digest, "nodes": "of no interest"}, func(c *Config) {
			c.Google, c.Existing = nil, &Existing{Kubeconfig: "~/my files/config", Context: "Prod (EU West)", Registry: "localhost/team"}
			c.Image.Name = "localhost/team/timber" + digest
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			want := defaults()
			test.want(want)
			got, err := load(t, test.changes)
			if err != nil || !reflect.DeepEqual(got, want) {
				a, _ := json.Marshal(got)
				b, _ := json.Marshal(want)
				t.Errorf("Load = %s, %v, want\n%s", a, err, b)
			}
		})
	}
}

// TestUnreadableEnvironment: keys that cannot be checked are an error.
func TestUnreadableEnvironment(t *testing.T) {
	t.Setenv(pulumi.EnvConfig, "{")
	if _, err := load(t, nil); err == nil || !strings.Contains(err.Error(), "read the configuration from PULUMI_CONFIG") {
		t.Errorf("error is %v", err)
	}
}

// TestDerivedVariables: the variables that the program sets follow existing keys.
func TestDerivedVariables(t *testing.T) {
	var names []string
	for _, k := range (&Config{}).keys() {
		names = append(names, k.name)
	}
	for variable, key := range maps.All(derived) {
		if !slices.Contains(names, key) {
			t.Errorf("%s follows %s, which is not a key", variable, key)
		}
	}
}
