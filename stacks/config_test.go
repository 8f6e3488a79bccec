package stacks

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// TestConfigRefused checks each rule through the front door: the program fails
// with the line, and has registered nothing.
func TestConfigRefused(t *testing.T) {
	const (
		replicas = "must be a whole number from 1 to 100; to mend it: pulumi config set replicas 3 --stack dev"
		nodes    = "must be a whole number from 1 to 30; to mend it: pulumi config set nodes 3 --stack dev"
		version  = "must be v and one to three numbers, such as v2 or v1.10.0-rc.1 (YAML would read 1.10 as 1.1); to mend it: pulumi config set imageVersion v1 --stack dev"
		project  = "must be the ID (not name or number) of a Google Cloud project; to mend it: pulumi config set gcp:project PROJECT_ID --stack dev"
		location = "must be a zone or region of Google Cloud (gcloud compute zones list); to mend it: pulumi config set location europe-west1-d --stack dev"
		machine  = "must be a machine type with x86 processors, which the image is built for; to mend it: pulumi config set machineType e2-medium --stack dev"
		networks = "must be IPv4 networks, separated by commas; 0.0.0.0/0 is everybody; to mend it: pulumi config set authorizedNetworks 203.0.113.0/24,198.51.100.7/32 --stack dev"
		image    = "must be empty, to build the image from app/, or the name of one that exists by its digest, " +
			"REGION-docker.pkg.dev/PROJECT/REPOSITORY/IMAGE@sha256:HEX (pulumi stack output image); to mend it: pulumi config set image \"\" --stack dev"
		owner     = "must be empty, or at most 63 lower-case letters, digits, - and _, from a letter or digit to another; to mend it: pulumi config set owner team-timber --stack dev"
		port      = "must be a whole number from 1 to 65535; to mend it: pulumi config set port 8080 --stack dev"
		liveness  = "must be the path of a URL, such as /healthz; to mend it: pulumi config set livenessPath /livez --stack dev"
		readiness = "must be the path of a URL, such as /healthz; to mend it: pulumi config set readinessPath /readyz --stack dev"
		memory    = "must be a whole number from 1 to 4096; to mend it: pulumi config set memory 64 --stack dev"
		egress    = "must be true or false; to mend it: pulumi config set egress false --stack dev"
		protect   = "must be true or false; to mend it: pulumi config set deletionProtection true --stack dev"
		tags      = "must be true or false; to mend it: pulumi config set immutableTags true --stack dev"
		spot      = "must be true or false; to mend it: pulumi config set spot false --stack dev"

		digest = "@sha256:6d1ef012b5674ad8a127ecfa9b5e6f5178d171b90ee462846974177fd9bdd39f"
	)
	for _, test := range []struct{ key, value, rule string }{
		{"hello-timber:replicas", "three", replicas},
		{"hello-timber:replicas", "010", replicas},
		{"hello-timber:replicas", "-1", replicas},
		{"hello-timber:replicas", "+1", replicas},
		{"hello-timber:replicas", "0", replicas},
		{"hello-timber:replicas", "1e3", replicas},
		{"hello-timber:replicas", "1.0", replicas},
		{"hello-timber:replicas", "0x3", replicas},
		{"hello-timber:replicas", "1_0", replicas},
		{"hello-timber:replicas", "٣", replicas}, // a digit, but not of ours
		{"hello-timber:replicas", " 3", replicas},
		{"hello-timber:replicas", "3\n", replicas},
		{"hello-timber:replicas", "101", replicas},
		{"hello-timber:replicas", "99999999999999999999", replicas},
		{"hello-timber:replicas", "", replicas},

		{"hello-timber:nodes", "0", nodes},
		{"hello-timber:nodes", "31", nodes},
		{"hello-timber:nodes", "three", nodes},

		{"hello-timber:imageVersion", "1.1", version}, // what YAML makes of an unquoted 1.10
		{"hello-timber:imageVersion", "1.10", version},
		{"hello-timber:imageVersion", "2024-01-01 00:00:00 +0000 UTC", version}, // and of a date
		{"hello-timber:imageVersion", "latest", version},
		{"hello-timber:imageVersion", "v", version},
		{"hello-timber:imageVersion", "V1", version},
		{"hello-timber:imageVersion", "v1.", version},
		{"hello-timber:imageVersion", "v1-", version},
		{"hello-timber:imageVersion", "v1+build", version},
		{"hello-timber:imageVersion", "v1:v2", version},
		{"hello-timber:imageVersion", "v1-" + strings.Repeat("a", 61), version},
		{"hello-timber:imageVersion", "", version},

		{"gcp:project", "", project},
		{"gcp:project", "123456789012", project},
		{"gcp:project", "My Project", project},
		{"gcp:project", "short", project},
		{"gcp:project", "ends-in-hyphen-", project},
		{"gcp:project", "example.com:my-project", project},
		{"gcp:project", "a" + strings.Repeat("b", 30), project},

		{"hello-timber:location", "", location},
		{"hello-timber:location", "europe", location},
		{"hello-timber:location", "eu-west-1", location}, // Amazon's
		{"hello-timber:location", "westeurope", location},
		{"hello-timber:location", "mars-north1-a", location},
		{"hello-timber:location", "europe-west1-", location},
		{"hello-timber:location", "europe-west1-z", location},
		{"hello-timber:location", "europe-west1-dd", location},
		{"hello-timber:location", "europe-west1d", location},
		{"hello-timber:location", "Europe-West1-d", location},

		{"hello-timber:machineType", "", machine},
		{"hello-timber:machineType", "medium", machine},
		{"hello-timber:machineType", "n1-standard-", machine},
		{"hello-timber:machineType", "t2a-standard-1", machine}, // Arm
		{"hello-timber:machineType", "c4a-standard-1", machine},

		{"hello-timber:deletionProtection", "", protect},
		{"hello-timber:deletionProtection", "yes", protect},
		{"hello-timber:deletionProtection", "True", protect},
		{"hello-timber:deletionProtection", "1", protect},
		{"hello-timber:immutableTags", "on", tags},
		{"hello-timber:spot", "no", spot},

		{"hello-timber:authorizedNetworks", "", networks}, // nobody? everybody? neither unsaid
		{"hello-timber:authorizedNetworks", "[]", networks},
		{"hello-timber:authorizedNetworks", `["0.0.0.0/0"]`, networks},
		{"hello-timber:authorizedNetworks", "203.0.113.7", networks},
		{"hello-timber:authorizedNetworks", "203.0.113.7/24", networks}, // GKE would answer 203.0.113.0/24
		{"hello-timber:authorizedNetworks", "203.0.113.0/33", networks},
		{"hello-timber:authorizedNetworks", "203.0.113.0/24,", networks},
		{"hello-timber:authorizedNetworks", "203.0.113.0/24, 198.51.100.0/24", networks},
		{"hello-timber:authorizedNetworks", "2001:db8::/32", networks},
		{"hello-timber:authorizedNetworks", "office", networks},

		{"hello-timber:image", "timber-tutorial:v1", image},
		{"hello-timber:image", "europe-west1-docker.pkg.dev/my-project/hello-timber-dev/timber-tutorial:v1", image},
		{"hello-timber:image", "europe-west1-docker.pkg.dev/my-project/hello-timber-dev/timber-tutorial:v1" + digest, image},
		{"hello-timber:image", digest, image},
		{"hello-timber:image", "europe-west1-docker.pkg.dev/my-project/hello-timber-dev/timber-tutorial" + digest[:40], image},
		{"hello-timber:image", "europe-west1-docker.pkg.dev/my-project/hello-timber-dev/timber-tutorial" + strings.ToUpper(digest), image},
		{"hello-timber:image", "europe-west1-docker.pkg.dev/my-project/timber-tutorial" + digest, image},
		{"hello-timber:image", "docker.io/library/my-project/hello-timber-dev/timber-tutorial" + digest, image},
		{"hello-timber:image", "gcr.io/my-project/timber-tutorial" + digest, image},
		{"hello-timber:image", " " + testDigest, image},

		{"hello-timber:port", "0", port},
		{"hello-timber:port", "65536", port},
		{"hello-timber:port", "http", port},
		{"hello-timber:livenessPath", "", liveness},
		{"hello-timber:livenessPath", "livez", liveness},
		{"hello-timber:readinessPath", "http://localhost/readyz", readiness},
		{"hello-timber:readinessPath", "/ready now", readiness},
		{"hello-timber:memory", "64Mi", memory},
		{"hello-timber:memory", "0", memory},
		{"hello-timber:memory", "4097", memory},
		{"hello-timber:egress", "yes", egress},

		{"hello-timber:owner", "Timber", owner},
		{"hello-timber:owner", "team timber", owner},
		{"hello-timber:owner", "-timber", owner},
		{"hello-timber:owner", "timber_", owner},
		{"hello-timber:owner", "timber@example.com", owner},
		{"hello-timber:owner", strings.Repeat("a", 64), owner},
	} {
		t.Run(test.key+"="+test.value, func(t *testing.T) {
			config := stackConfig(t, "dev")
			config[test.key] = test.value
			key := strings.TrimPrefix(test.key, "hello-timber:")
			value := fmt.Sprintf("%q", test.value)
			refused(t, config, key+" is "+value+", "+test.rule)

			delete(config, test.key)
			refused(t, config, key+" is not set, "+test.rule)
		})
	}
}

// refused runs the program and expects an error of exactly these lines, and no resource.
func refused(t *testing.T, config map[string]string, lines ...string) {
	t.Helper()
	c := newCloud()
	_, err := deploy(t, c, "dev", config)
	want := "the configuration of stack dev is wrong, nothing was changed:\n  - " + strings.Join(lines, "\n  - ")
	if err == nil {
		t.Errorf("accepted, want error:\n%s", want)
	} else if got := err.Error(); !strings.HasSuffix(strings.TrimSpace(got), want) {
		t.Errorf("error is:\n%s\nwant:\n%s", got, want)
	}
	if len(c.resources) != 0 {
		t.Errorf("%d resources were registered", len(c.resources))
	}
}

// TestEnvironmentRefused: without the values, which may be secret.
func TestEnvironmentRefused(t *testing.T) {
	const rest = " must be a name of letters, digits and _ with one value; to mend it: pulumi config rm --path 'environment"
	for value, lines := range map[string][]string{
		`hush`:                           {"environment must be names with values; to mend it: pulumi config rm environment && pulumi config set --path environment.NAME VALUE --stack dev"},
		`["hush"]`:                       {"environment must be names with values; to mend it: pulumi config rm environment && pulumi config set --path environment.NAME VALUE --stack dev"},
		`{"A": {"B": "hush"}}`:           {`environment.A` + rest + `["A"]' --stack dev`},
		`{"1A": "hush", "B C": "hush"}`:  {`environment.1A` + rest + `["1A"]' --stack dev`, `environment.B C` + rest + `["B C"]' --stack dev`},
		`{"A": null, "B": [], "C": "x"}`: {`environment.A` + rest + `["A"]' --stack dev`, `environment.B` + rest + `["B"]' --stack dev`},
	} {
		config := stackConfig(t, "dev")
		config["hello-timber:environment"] = value
		refused(t, config, lines...)
	}
}

func TestConfigMistakesTogether(t *testing.T) {
	config := stackConfig(t, "dev")
	delete(config, "gcp:project")
	config["hello-timber:replicas"] = "three"
	config["hello-timber:location"] = "europe-west1"
	config["hello-timber:nodes"] = "4"
	config["hello-timber:replica"] = "3"
	config["hello-timber:Nodes"] = "3"
	config["other:replica"] = "not ours"
	refused(t, config,
		"gcp:project is not set, must be the ID (not name or number) of a Google Cloud project; to mend it: pulumi config set gcp:project PROJECT_ID --stack dev",
		`nodes is "4", must be a multiple of 3 in a region, whose three zones get as many nodes each; to mend it: pulumi config set nodes 3 --stack dev`,
		`replicas is "three", must be a whole number from 1 to 100; to mend it: pulumi config set replicas 3 --stack dev`,
		"Nodes is not a key of this program, see the config section of Pulumi.yaml; to mend it: pulumi config rm Nodes --stack dev",
		"replica is not a key of this program, see the config section of Pulumi.yaml; to mend it: pulumi config rm replica --stack dev",
	)
}

// TestConfigOfRenamedProject: the files that came with a template have its name.
func TestConfigOfRenamedProject(t *testing.T) {
	text, err := json.Marshal(map[string]string{"hello-timber:replicas": "1", "hello-timber:nodes": "3", "shop:replicas": "one"})
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv(pulumi.EnvConfig, string(text))
	c := newCloud()
	err = pulumi.RunErr(Deploy, pulumi.WithMocks("shop", "dev", c))
	if err == nil || !strings.Contains(err.Error(), `replicas is "one"`) ||
		!strings.Contains(err.Error(), "\n  - what begins with hello-timber: is no config of project shop; to mend it: perl -pi -e 's/^  hello-timber:/  shop:/' Pulumi.dev.yaml\n") {
		t.Errorf("error is %v", err)
	}
	if len(c.resources) > 1 { // the stack itself
		t.Errorf("%d resources were registered", len(c.resources))
	}
}

func TestConfigAccepted(t *testing.T) {
	zonal := Config{
		Project: "my-project", Location: "europe-west1-d", Region: "europe-west1", NodesPerZone: 3,
		MachineType: "n1-standard-1", Spot: true, AuthorizedNetworks: []string{"0.0.0.0/0"},
		Replicas: 1, ImageVersion: "v1", ImmutableTags: false, DeletionProtection: false,
		Port: 8080, LivenessPath: "/livez", ReadinessPath: "/readyz", Memory: 64,
	}
	for _, test := range []struct {
		name    string
		changes map[string]string
		want    func(*Config)
	}{
		{"the tutorial's numbers", nil, func(*Config) {}},
		{"scaled", map[string]string{"replicas": "100"}, func(c *Config) { c.Replicas = 100 }},
		{"updated", map[string]string{"imageVersion": "v2"}, func(c *Config) { c.ImageVersion = "v2" }},
		{"semantic version", map[string]string{"imageVersion": "v1.10.0-rc.1"}, func(c *Config) { c.ImageVersion = "v1.10.0-rc.1" }},
		{"four nodes in a zone", map[string]string{"nodes": "4"}, func(c *Config) { c.NodesPerZone = 4 }},
		{"six nodes in a region", map[string]string{"nodes": "6", "location": "us-central1"}, func(c *Config) {
			c.Location, c.Region, c.NodesPerZone = "us-central1", "us-central1", 2
		}},
		{"a region of two directions", map[string]string{"location": "northamerica-northeast2-a"}, func(c *Config) {
			c.Location, c.Region = "northamerica-northeast2-a", "northamerica-northeast2"
		}},
		{"a region with a number of two digits", map[string]string{"location": "europe-west12"}, func(c *Config) {
			c.Location, c.Region, c.NodesPerZone = "europe-west12", "europe-west12", 1
		}},
		{"custom machine", map[string]string{"machineType": "e2-custom-2-4096"}, func(c *Config) { c.MachineType = "e2-custom-2-4096" }},
		{"AMD machine", map[string]string{"machineType": "t2d-standard-1"}, func(c *Config) { c.MachineType = "t2d-standard-1" }},
		{"one network", map[string]string{"authorizedNetworks": "203.0.113.0/24"}, func(c *Config) { c.AuthorizedNetworks = []string{"203.0.113.0/24"} }},
		{"networks in any order", map[string]string{"authorizedNetworks": "203.0.113.0/24,198.51.100.7/32,203.0.113.0/24"}, func(c *Config) {
			c.AuthorizedNetworks = []string{"198.51.100.7/32", "203.0.113.0/24"}
		}},
		{"an image of this stack", map[string]string{"image": testDigest}, func(c *Config) {
			c.Image = testDigest
		}},
		{"an image in a folder, stored in several regions", map[string]string{"image": "europe-docker.pkg.dev/other-project/images/team/timber@sha256:" + strings.Repeat("a", 64)}, func(c *Config) {
			c.Image = "europe-docker.pkg.dev/other-project/images/team/timber@sha256:" + strings.Repeat("a", 64)
		}},
		{"immutable tags", map[string]string{"immutableTags": "true"}, func(c *Config) { c.ImmutableTags = true }},
		{"nodes that stay", map[string]string{"spot": "false"}, func(c *Config) { c.Spot = false }},
		{"another service", map[string]string{"port": "3000", "livenessPath": "/health?deep=no", "readinessPath": "/", "memory": "4096", "egress": "true"}, func(c *Config) {
			c.Port, c.LivenessPath, c.ReadinessPath, c.Memory, c.Egress = 3000, "/health?deep=no", "/", 4096, true
		}},
		{"variables", map[string]string{"environment": `{"GREETING": "hello", "_LIMIT": 1.10, "DEBUG": false, "EMPTY": ""}`}, func(c *Config) {
			c.Environment = map[string]string{"GREETING": "hello", "_LIMIT": "1.10", "DEBUG": "false", "EMPTY": ""}
		}},
		{"owned", map[string]string{"owner": "team_timber-1"}, func(c *Config) { c.Owner = "team_timber-1" }},
		{"protected", map[string]string{"deletionProtection": "true"}, func(c *Config) { c.DeletionProtection = true }},
	} {
		t.Run(test.name, func(t *testing.T) {
			want := zonal
			test.want(&want)
			values := stackConfig(t, "dev")
			for key, value := range test.changes {
				values["hello-timber:"+key] = value
			}
			var got Config
			load := func(ctx *pulumi.Context) (err error) {
				got, err = LoadConfig(ctx)
				return err
			}
			err := pulumi.RunErr(load, pulumi.WithMocks("hello-timber", "dev", newCloud()),
				func(info *pulumi.RunInfo) { info.Config = values })
			if err != nil || !reflect.DeepEqual(got, want) {
				t.Errorf("LoadConfig = %+v, %v, want %+v", got, err, want)
			}
		})
	}
}

// TestConfigDefaults: a stack that chooses nothing but its project, and who may
// reach it, is right, and safe.
func TestConfigDefaults(t *testing.T) {
	config := stackConfig(t, "dev")
	var project struct{ Config map[string]any }
	readYAML(t, "../Pulumi.yaml", &project)
	for key, declared := range project.Config {
		declaration, ok := declared.(map[string]any)
		if !ok {
			continue
		}
		for _, field := range []string{"type", "description", "default"} {
			if declaration[field] == nil {
				t.Errorf("Pulumi.yaml: config key %s has no %s", key, field)
			}
		}
		config["hello-timber:"+key] = configText(t, declaration["default"])
	}
	refused(t, config, `authorizedNetworks is "", must be IPv4 networks, separated by commas; 0.0.0.0/0 is everybody; `+
		"to mend it: pulumi config set authorizedNetworks 203.0.113.0/24,198.51.100.7/32 --stack dev")
	config["hello-timber:authorizedNetworks"] = "203.0.113.0/24"
	c := newCloud()
	if _, err := deploy(t, c, "dev", config); err != nil {
		t.Fatal(err)
	}
	want(t, c.inputs(t, typeCluster), "deletionProtection", true)
	want(t, c.inputs(t, typeRepository), "dockerConfig.immutableTags", true)
	want(t, c.inputs(t, typeNodePool), "nodeConfig.spot", false)
	want(t, c.inputs(t, typeDeployment), "spec.replicas", 3)

	// The engine reads this, not the program.
	if got := fmt.Sprint(project.Config["pulumi:disable-default-providers"]); got != "[kubernetes]" {
		t.Errorf("Pulumi.yaml: default providers %s are disabled, want [kubernetes]", got)
	}
}

// TestConfigOfUnreadableEnvironment: keys that cannot be checked are not passed over.
func TestConfigOfUnreadableEnvironment(t *testing.T) {
	t.Setenv(pulumi.EnvConfig, "{")
	values := stackConfig(t, "dev")
	err := pulumi.RunErr(Deploy, pulumi.WithMocks("hello-timber", "dev", newCloud()),
		func(info *pulumi.RunInfo) { info.Config = values })
	if err == nil || !strings.Contains(err.Error(), "read the configuration from PULUMI_CONFIG") {
		t.Errorf("error is %v", err)
	}
}

// FuzzConfig: whatever a value is, the program either accepts it or refuses it
// with the joined error and no resource registered.
func FuzzConfig(f *testing.F) {
	for _, seed := range []string{"", "3", "010", "three", "v2", "europe-west1", "true", "\x00", "${x}", strings.Repeat("9", 400)} {
		f.Add("hello-timber:replicas", seed)
		f.Add("hello-timber:imageVersion", seed)
		f.Add("hello-timber:location", seed)
		f.Add("hello-timber:authorizedNetworks", seed)
		f.Add("hello-timber:image", seed)
		f.Add("hello-timber:kubeconfig", seed)
		f.Add("hello-timber:environment", seed)
		f.Add("gcp:project", seed)
		f.Add("hello-timber:"+seed, seed)
	}
	f.Fuzz(func(t *testing.T, key, value string) {
		config := stackConfig(t, "dev")
		config[key] = value
		c := newCloud()
		_, err := deploy(t, c, "dev", config)
		if err != nil && !strings.Contains(err.Error(), "nothing was changed:\n  - ") {
			t.Errorf("%q=%q: error is %v", key, value, err)
		}
		if err != nil && len(c.resources) > 0 {
			t.Errorf("%q=%q: refused with %d resources registered", key, value, len(c.resources))
		}
	})
}
