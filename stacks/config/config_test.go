package config

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"
)

var update = flag.Bool("update", false, "rewrite the table in docs/configuration.md")

func fromRepository(name string) ([]byte, error) { return os.ReadFile("../../" + name) }

// declaration is a key in Pulumi.yaml.
type declaration struct {
	Type, Description string
	Default           any
}

// declared returns the keys of Pulumi.yaml that are this program's.
func declared(t *testing.T) map[string]declaration {
	t.Helper()
	text, err := fromRepository("Pulumi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var project struct{ Config map[string]yaml.Node }
	if err := yaml.Unmarshal(text, &project); err != nil {
		t.Fatal(err)
	}
	var disabled any // a list, which pulumi new writes as the value of a map
	node := project.Config["pulumi:disable-default-providers"]
	if err := node.Decode(&disabled); err != nil || !slices.Contains([]string{"[kubernetes]", "map[value:[kubernetes]]"}, fmt.Sprint(disabled)) {
		t.Errorf("Pulumi.yaml disables the default providers %v (%v), and must disable that of kubernetes", disabled, err)
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
		if k.name != "authorizedNetworks" && !k.read(asText(d.Default)) { // a decision of its own for every stack
			t.Errorf("%s: the default %q is not %s", k.name, d.Default, k.rule)
		}
		if k.example != "" && !k.read(strings.Trim(k.example, `'"`)) {
			t.Errorf("%s: the example %s is not %s", k.name, k.example, k.rule)
		}
	}
	for name := range keys {
		t.Errorf("%s is in Pulumi.yaml, but not in the table", name)
	}
	for variable, key := range derived {
		if _, ok := declared(t)[key]; !ok {
			t.Errorf("%s follows %s, which is not a key", variable, key)
		}
	}
}

// TestDocument: the table in docs/configuration.md is made from Pulumi.yaml and the table of keys.
func TestDocument(t *testing.T) {
	const path = "docs/configuration.md"
	text, err := fromRepository(path)
	if err != nil {
		t.Fatal(err)
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
		if value := asText(d.Default); d.Default != nil && value != "" && value != "{}" {
			shown = "`" + value + "`"
		}
		table += fmt.Sprintf("| `%s` | %s | %s | %s |\n", k.name, shown, strings.ReplaceAll(k.rule, "|", `\|`), strings.TrimSpace(d.Description))
	}
	part := regexp.MustCompile(`(?s)<!-- config -->\n.*?<!-- end -->\n`)
	if !part.Match(text) {
		t.Fatalf("%s has no part %s", path, part)
	}
	want := part.ReplaceAllLiteral(text, []byte("<!-- config -->\n\n"+table+"\n<!-- end -->\n"))
	if *update {
		if err := os.WriteFile("../../"+path, want, 0o666); err != nil {
			t.Fatal(err)
		}
	} else if !bytes.Equal(text, want) {
		t.Error("the table of keys in docs/configuration.md is not current. Fix: go test ./stacks/config -update")
	}
}

// program is a stack as the program sees it.
type program map[string]string

func (program) Project() string                       { return "hello-timber" }
func (program) Stack() string                         { return "dev" }
func (program) IsConfigSecret(string) bool            { return false }
func (p program) GetConfig(key string) (string, bool) { value, ok := p[key]; return value, ok }

// secrets is a stack some of whose keys are encrypted.
type secrets struct {
	program
	keys map[string]string
}

func (s secrets) IsConfigSecret(key string) bool {
	_, secret := s.keys[strings.TrimPrefix(key, "hello-timber:")]
	return secret
}

// TestSecrets: no error shows a value that is secret, or a part of it. The commands that fix
// it ask for the value, and encrypt it.
func TestSecrets(t *testing.T) {
	for name, test := range map[string]map[string]string{
		"a key of a certificate":       {"tlsSecret": "-----BEGIN PRIVATE KEY-----\nhush\n", "context": "hush", "registry": "hush.example.com", "kubeconfig": "/hush"},
		"DNS has it in another form":   {"domain": "HUSH.example.com"},
		"a limit and what it limits":   {"replicas": "77", "maxReplicas": "7"},
		"nodes that a region lacks":    {"location": "europe-west1", "nodes": "7"},
		"the login's registry":         {"pullSecret": "hush", "context": "hush", "registry": "hush.example.com", "kubeconfig": "/hush"},
		"what needs other keys":        {"kubeconfig": "/hush", "dnsZone": "hush", "allowedNetworks": "2001:db8::/32"},
		"a network of another project": {"network": "projects/hush-hush/global/networks/hush"},
	} {
		_, err := Load(secrets{configured(t, test), test})
		if err == nil || regexp.MustCompile(`(?i)hush|7|8`).MatchString(err.Error()) {
			t.Errorf("%s: the error is %v", name, err)
			continue
		}
		for _, set := range regexp.MustCompile(`config set (\w+) [^"\n]+\n?`).FindAllStringSubmatch(err.Error(), -1) {
			if _, secret := test[set[1]]; secret {
				t.Errorf("%s: a fix is %s", name, set[0])
			}
		}
	}
}

// load loads the defaults with some changes.
func load(t *testing.T, changes map[string]string) (*Config, error) {
	t.Helper()
	return Load(configured(t, changes))
}

func configured(t *testing.T, changes map[string]string) program {
	t.Helper()
	values, _, err := Read(fromRepository, "none")
	if err != nil {
		t.Fatal(err)
	}
	values["authorizedNetworks"] = "203.0.113.0/24"
	maps.Copy(values, changes)
	p := program{"gcp:project": "my-project"}
	for key, value := range values {
		p["hello-timber:"+key] = value
	}
	return p
}

const digest = "@sha256:6d1ef012b5674ad8a127ecfa9b5e6f5178d171b90ee462846974177fd9bdd39f"

// TestLoad: what is derived from keys, and values that are not stored as they are written,
// unless stacks/testdata/keys.golden.txt has them. The defaults are in docs/configuration.md.
func TestLoad(t *testing.T) {
	type values map[string]string
	for name, test := range map[string]struct {
		changes values
		want    func(*Config)
	}{
		"nothing": {nil, func(c *Config) {
			c.Name, c.Version = "hello-timber-dev", "v1"
			c.Google.NetworkProject, c.Google.Region, c.Google.NodesPerZone, c.Google.MaxNodesPerZone = "my-project", "europe-west1", 3, 0
		}},
		"up to six nodes in a region": {values{"maxNodes": "6", "location": "us-central1"}, func(c *Config) {
			c.Google.Location, c.Google.Region, c.Google.NodesPerZone, c.Google.MaxNodes, c.Google.MaxNodesPerZone = "us-central1", "us-central1", 1, 6, 2
		}},
		"networks in any order": {values{"authorizedNetworks": "203.0.113.0/24,198.51.100.7/32,203.0.113.0/24", "allowedNetworks": "2001:db8::/32,0.0.0.0/0"}, func(c *Config) {
			c.Google.AuthorizedNetworks, c.Service.AllowedNetworks = []string{"198.51.100.7/32", "203.0.113.0/24"}, []string{"0.0.0.0/0", "2001:db8::/32"}
		}},
		"a network of one's own, with ranges": {values{"network": "projects/my-project/global/networks/n", "subnetwork": "s", "secondaryRanges": "z-pods,a-services"}, func(c *Config) {
			c.Google.Network, c.Google.Subnetwork, c.Google.PodRange, c.Google.ServiceRange = "projects/my-project/global/networks/n", "s", "z-pods", "a-services"
		}},
		"an image in a folder, stored in several regions": {values{"image": "europe-docker.pkg.dev/other-project/images/team/timber" + digest}, func(c *Config) {
			c.Image, c.Version = "europe-docker.pkg.dev/other-project/images/team/timber"+digest, "sha256-6d1ef012b567"
			c.Google.ImageRepository = &Repository{"europe", "other-project", "images"}
		}},
		"variables": {values{"environment": `{"GREETING": "hello", "_LIMIT": 1.10, "DEBUG": false, "EMPTY": ""}`}, func(c *Config) {
			c.Service.Environment = map[string]string{"GREETING": "hello", "_LIMIT": "1.10", "DEBUG": "false", "EMPTY": ""}
		}},
		"an existing cluster and image": {values{"kubeconfig": "~/my files/config", "context": "Prod (EU West)", "registry": "localhost/team", "image": "localhost/team/timber" + digest,
			"nodes": "of no interest", "address": "2001:db8::80", "allowedNetworks": "2001:db8::/32"}, func(c *Config) {
			c.Google, c.Existing = nil, &Existing{Kubeconfig: "~/my files/config", Context: "Prod (EU West)", Registry: "localhost/team"}
			c.Image, c.Version = "localhost/team/timber"+digest, "sha256-6d1ef012b567"
			c.Service.Address, c.Service.AllowedNetworks = "2001:db8::80", []string{"2001:db8::/32"}
		}},
	} {
		want, err := load(t, nil)
		if err != nil {
			t.Fatal(err)
		}
		test.want(want)
		if got, err := load(t, test.changes); err != nil || !reflect.DeepEqual(got, want) {
			a, _ := json.Marshal(got)
			b, _ := json.Marshal(want)
			t.Errorf("%s: Load = %s, %v, want\n%s", name, a, err, b)
		}
	}
}

// TestAccepted: values that a rule could refuse by mistake. Those that it refuses are in
// stacks/keys_test.go.
func TestAccepted(t *testing.T) {
	for key, values := range map[string][]string{
		"replicas": {"100"}, "maxReplicas": {"0", "3"}, "nodes": {"1", "30"}, "maxNodes": {"3"}, "budget": {"100000"}, "memory": {"4096"}, "startupSeconds": {"600"}, "checkPath": {"/index?deep=no"}, "checkSeconds": {"600"}, "port": {"1", "65535"},
		"imageVersion": {"v2", "v1.10.0-rc.1"}, "location": {"northamerica-northeast2-a", "europe-west12"}, "machineType": {"e2-custom-2-4096", "t2d-standard-1"},
		"network": {"my-network"}, "subnetwork": {"s"}, "controlPlaneRange": {"10.9.0.16/28"}, "address": {"203.0.113.9"}, "owner": {"team_timber-1"},
		"livenessPath": {"/health?deep=no"}, "readinessPath": {"/"}, "spot": {"true"}, "egress": {"true"}, "immutableTags": {"false"}, "deletionProtection": {"false"},
	} {
		for _, value := range values {
			if _, err := load(t, map[string]string{key: value}); err != nil {
				t.Errorf("%s=%s: %v", key, value, err)
			}
		}
	}
}

// TestUnreadableEnvironment: keys that cannot be checked are an error.
func TestUnreadableEnvironment(t *testing.T) {
	t.Setenv("PULUMI_CONFIG", "{")
	if _, err := load(t, nil); err == nil || !strings.Contains(err.Error(), "read the configuration from PULUMI_CONFIG") {
		t.Errorf("error is %v", err)
	}
}

// TestRead: the stack's values, else the defaults, as the CLI passes them.
func TestRead(t *testing.T) {
	files := map[string]string{
		"Pulumi.yaml": "name: shop\nconfig:\n  replicas: {type: integer, default: 3}\n  image: {type: string, default: \"\"}\n  environment: {type: object, default: {}}\n  pulumi:disable-default-providers: [kubernetes]\n",
		"Pulumi.dev.yaml": "config:\n  gcp:project: my-project\n  shop:replicas: 1\n  shop:budget: {secure: AAAB}\n  hello-timber:nodes: 3\n" +
			"  shop:environment: {A: 1.5, B: {secure: AAAB}}\n",
	}
	read := func(name string) ([]byte, error) {
		if text, ok := files[name]; ok {
			return []byte(text), nil
		}
		return nil, &os.PathError{Op: "open", Path: name, Err: os.ErrNotExist}
	}
	values, secret, err := Read(read, "acme/dev")
	if want := map[string]string{"gcp:project": "my-project", "replicas": "1", "image": "", "hello-timber:nodes": "3"}; err != nil || !maps.Equal(values, want) || !slices.Equal(secret, []string{"budget", "environment"}) {
		t.Errorf("got %v, %v, %v, want %v", values, secret, err, want)
	}
	values, secret, err = Read(read, "new")
	if want := map[string]string{"replicas": "3", "image": "", "environment": "{}"}; err != nil || !maps.Equal(values, want) || secret != nil {
		t.Errorf("got %v, %v, %v, want %v", values, secret, err, want)
	}
	files["Pulumi.dev.yaml"] = "- no\n"
	if _, _, err := Read(read, "dev"); err == nil || !strings.Contains(err.Error(), "read Pulumi.dev.yaml: ") {
		t.Errorf("a file that is not YAML: %v", err)
	}
}
