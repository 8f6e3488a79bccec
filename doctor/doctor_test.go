package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// commands are what pulumi, docker and gcloud answer, by their command line. An
// answer that starts with ! is a complaint, and the command fails.
type commands map[string]string

const engineVersion = "docker --host unix:///var/run/docker.sock version --format {{.Server.Version}}"

// healthy is a machine and a project that lack nothing, as the commands show it
// (Google Cloud SDK 528).
var healthy = commands{
	"pulumi version":                                             "v3.250.0\n",
	"pulumi config --json --stack dev":                           `{"gcp:project": {"value": "acme-timber", "secret": false}, "hello-timber:location": {"value": "europe-west1-d"}, "hello-timber:nodes": {"value": "3"}, "hello-timber:machineType": {"value": "n1-standard-1"}, "hello-timber:spot": {"value": "false"}}`,
	"pulumi stack output --json --stack dev":                     `{}`,
	engineVersion:                                                "28.3.1\n",
	"gcloud version --format=json":                               `{"Google Cloud SDK": "528.0.0", "core": "2025.06.20"}`,
	"gke-gcloud-auth-plugin --version":                           "",
	"gcloud auth list --filter=status:ACTIVE --format=json":      `[{"account": "me@example.com", "status": "ACTIVE"}]`,
	"gcloud auth application-default print-access-token":         "ya29.token\n",
	"gcloud projects describe acme-timber --format=json":         `{"lifecycleState": "ACTIVE", "name": "Timber", "projectId": "acme-timber"}`,
	"gcloud billing projects describe acme-timber --format=json": `{"billingAccountName": "billingAccounts/0", "billingEnabled": true}`,
	"gcloud services list --enabled --filter=config.name=cloudresourcemanager.googleapis.com --project=acme-timber --format=json": `[{"config": {"name": "cloudresourcemanager.googleapis.com"}, "state": "ENABLED"}]`,
	"gcloud compute networks subnets list --network=default --regions=europe-west1 --project=acme-timber --format=json":           `[{"name": "default", "privateIpGoogleAccess": true}]`,
	"gcloud compute regions describe europe-west1 --project=acme-timber --format=json": `{"zones": ["https://www.googleapis.com/compute/v1/projects/acme-timber/zones/europe-west1-b"], "quotas": [` +
		`{"metric": "CPUS", "limit": 24.0, "usage": 20.0}, {"metric": "PREEMPTIBLE_CPUS", "limit": 0.0, "usage": 0.0}, {"metric": "N2_CPUS", "limit": 8.0, "usage": 0.0}, {"metric": "INSTANCES", "limit": 24.0, "usage": 7.0}, {"metric": "IN_USE_ADDRESSES", "limit": 8.0, "usage": 1.0}, {"metric": "DISKS_TOTAL_GB", "limit": 4096.0, "usage": 0.0}, {"metric": "SSD_TOTAL_GB", "limit": 250.0, "usage": 0.0}]}`,
	"gcloud compute project-info describe --project=acme-timber --format=json":                                      `{"quotas": [{"metric": "CPUS_ALL_REGIONS", "limit": 32.0, "usage": 20.0}]}`,
	"gcloud compute machine-types describe n1-standard-1 --zone=europe-west1-d --project=acme-timber --format=json": `{"guestCpus": 1, "name": "n1-standard-1"}`,
}

// configured is a change to a stack's config, as the members of a JSON object, and to
// what the commands answer.
func configured(keys string, change commands) commands {
	const list = "pulumi config --json --stack dev"
	var values map[string]string
	if err := json.Unmarshal([]byte("{"+keys+"}"), &values); err != nil {
		panic(err)
	}
	for key, value := range values {
		change[list] = strings.Replace(cmp.Or(change[list], healthy[list]), "{", fmt.Sprintf(`{"hello-timber:%s": {"value": %q}, `, key, value), 1)
	}
	return change
}

// of is the command that lists the subnets of a network in europe-west1.
func of(network, project string) string {
	return "gcloud compute networks subnets list --network=" + network + " --regions=europe-west1 --project=" + project + " --format=json"
}

// install puts these commands, and no other, on the PATH.
func (c commands) install(t *testing.T) {
	t.Helper()
	folder := t.TempDir()
	t.Setenv("PATH", folder)
	t.Setenv("DOCKER_HOST", "")
	for line, answer := range c {
		name, _, _ := strings.Cut(line, " ")
		script := "#!/bin/sh\ncase \"" + name + " $*\" in\n"
		for _, other := range slices.Sorted(maps.Keys(c)) {
			if !strings.HasPrefix(other, name+" ") {
				continue
			}
			said, redirect, code := c[other], "", 0
			if complaint, fails := strings.CutPrefix(said, "!"); fails {
				said, redirect, code = complaint, " >&2", 1
			}
			script += fmt.Sprintf("%s) printf %%s %s%s; exit %d;;\n", quote(other), quote(said), redirect, code)
		}
		script += "esac\necho \"unexpected command: $0 $*\" >&2\nexit 2\n"
		if answer == "gone" {
			continue
		}
		if err := os.WriteFile(filepath.Join(folder, name), []byte(script), 0o700); err != nil {
			t.Fatal(err)
		}
	}
}

func quote(text string) string { return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'" }

// grantAll is a Google that grants each permission but these.
func grantAll(t *testing.T, but ...string) {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var question struct{ Permissions []string }
		if err := json.NewDecoder(r.Body).Decode(&question); err != nil {
			t.Error(err)
		}
		if r.URL.Path != "/v1/projects/acme-timber:testIamPermissions" || r.Header.Get("Authorization") != "Bearer ya29.token" || len(question.Permissions) < 6 {
			http.Error(w, `{"error": {"code": 401, "message": "Request had invalid authentication credentials."}}`, http.StatusUnauthorized)
			return
		}
		granted := slices.DeleteFunc(question.Permissions, func(permission string) bool { return slices.Contains(but, permission) })
		if err := json.NewEncoder(w).Encode(map[string][]string{"permissions": granted}); err != nil {
			t.Error(err)
		}
	}))
	t.Cleanup(server.Close)
	t.Setenv("CLOUDSDK_API_ENDPOINT_OVERRIDES_CLOUDRESOURCEMANAGER", server.URL+"/")
}

func examined(t *testing.T) (lines map[string]string, err error) {
	t.Helper()
	var out strings.Builder
	err = examine(t.Context(), "dev", &out)
	if strings.Contains(out.String(), "ya29") {
		t.Errorf("it prints the token:\n%s", &out)
	}
	lines = map[string]string{}
	for line := range strings.Lines(out.String()) {
		lines[strings.Fields(line)[1]] = strings.TrimSpace(line)
	}
	return lines, err
}

func TestHealthy(t *testing.T) {
	healthy.install(t)
	grantAll(t)
	lines, err := examined(t)
	if err != nil {
		t.Error(err)
	}
	for what, line := range lines {
		if !strings.HasPrefix(line, "ok ") {
			t.Errorf("%s: %s", what, line)
		}
	}
	if len(lines) != len(checks) {
		t.Errorf("%d lines of %d checks", len(lines), len(checks))
	}
	if want := "CPUS 3 of 4 free, CPUS_ALL_REGIONS 3 of 12 free, DISKS_TOTAL_GB 90 of 4096 free, INSTANCES 3 of 17 free, IN_USE_ADDRESSES 1 of 7 free"; !strings.HasSuffix(lines["quota"], want) {
		t.Errorf("%s, want %s", lines["quota"], want)
	}
}

// The roles are the same wherever they are listed.
func TestRoles(t *testing.T) {
	for file, prefix := range map[string]string{"../docs/google-cloud.md": "`", "../docs/pipelines.md": " "} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for role := range permissions {
			if !strings.Contains(string(text), prefix+strings.TrimPrefix(role, "roles/")) {
				t.Errorf("%s does not have %s", file, role)
			}
		}
	}
}

// ofStack finds printed commands that act on the selected stack, unless they name one.
var ofStack = regexp.MustCompile(`pulumi (?:config|stack output|up|destroy|refresh|cancel)\b[^;|&(]*`)

// premium is what gcloud lists of an address of the region.
const premium = `[{"name": "timber", "addressType": "EXTERNAL", "networkTier": "PREMIUM", "region": "https://www.googleapis.com/compute/v1/projects/acme-timber/regions/europe-west1", "status": "RESERVED", "users": ["https://www.googleapis.com/compute/v1/projects/acme-timber/regions/europe-west1/forwardingRules/web"]}]`

// Each problem is in its line, with its fix, and the checks that need it are skipped.
func TestFindings(t *testing.T) {
	const (
		pulumiConfig = "pulumi config --json --stack dev"
		services     = "gcloud services list --enabled --filter=config.name=cloudresourcemanager.googleapis.com --project=acme-timber --format=json"
		subnets      = "gcloud compute networks subnets list --network=default --regions=europe-west1 --project=acme-timber --format=json"
		region       = "gcloud compute regions describe europe-west1 --project=acme-timber --format=json"
		describe     = "gcloud projects describe acme-timber --format=json"
		bill         = "gcloud billing projects describe acme-timber --format=json"
		addresses    = "gcloud compute addresses list --filter=address=203.0.113.9 --project=acme-timber --format=json"
	)
	for name, tt := range map[string]struct {
		change  commands
		lacks   []string // permissions
		what    string
		want    []string
		unknown string // of what depends on it
		failed  bool
	}{
		"no pulumi": {commands{"pulumi version": "gone"}, nil, "pulumi", []string{"MISSING", "https://www.pulumi.com/docs/install"}, "stack", true},
		"pulumi 2":  {commands{"pulumi version": "v2.9.0"}, nil, "pulumi", []string{"MISSING", "v2.9.0", "install Pulumi 3"}, "docker", true},
		"no stack":  {commands{pulumiConfig: "!error: no stack named 'dev' found"}, nil, "stack", []string{"MISSING", "no stack named 'dev'", "pulumi stack init dev"}, "project", true},
		"no stack here": {commands{pulumiConfig: "!error: no stack named 'dev' found", "pulumi whoami --json": `{"user": "me", "url": "file://~"}`}, nil, "stack",
			[]string{"MISSING", "no stack named 'dev' found in backend file://~. Fix: pulumi stack init dev, or if another backend has it: pulumi login BACKEND_URL"}, "project", true},
		"no passphrase": {commands{pulumiConfig: "!error: constructing secrets manager of type \"passphrase\": passphrase must be set with PULUMI_CONFIG_PASSPHRASE or PULUMI_CONFIG_PASSPHRASE_FILE environment variables"}, nil, "stack",
			[]string{"MISSING", "Fix: read -rs PULUMI_CONFIG_PASSPHRASE && export PULUMI_CONFIG_PASSPHRASE"}, "project", true},
		"no passphrase for the outputs": {commands{"pulumi stack output --json --stack dev": "!error: passphrase must be set with PULUMI_CONFIG_PASSPHRASE or PULUMI_CONFIG_PASSPHRASE_FILE environment variables"}, nil, "stack",
			[]string{"MISSING", "Fix: read -rs PULUMI_CONFIG_PASSPHRASE"}, "project", true},
		"no passphrase for the config": {commands{pulumiConfig: strings.Replace(healthy[pulumiConfig], `"hello-timber:spot"`, `"hello-timber:pullSecret": {"secret": true}, "hello-timber:spot"`, 1),
			"pulumi config --json --show-secrets --stack dev": "!error: could not decrypt configuration value: passphrase must be set with PULUMI_CONFIG_PASSPHRASE or PULUMI_CONFIG_PASSPHRASE_FILE environment variables"}, nil, "stack",
			[]string{"MISSING", "Fix: read -rs PULUMI_CONFIG_PASSPHRASE"}, "project", true},
		"another passphrase": {commands{pulumiConfig: "!error: constructing secrets manager of type \"passphrase\": incorrect passphrase"}, nil, "stack", []string{"MISSING", "Fix: read -rs PULUMI_CONFIG_PASSPHRASE"}, "project", true},
		"no passphrase file": {commands{pulumiConfig: "!error: unable to read PULUMI_CONFIG_PASSPHRASE_FILE: open /x: no such file or directory"}, nil, "stack", []string{"MISSING", "Fix: read -rs PULUMI_CONFIG_PASSPHRASE"}, "project", true},
		"expired login":      {commands{pulumiConfig: "!error: https://api.pulumi.com: Unauthorized: No credentials provided or are invalid."}, nil, "stack", []string{"MISSING", "Fix: unset PULUMI_ACCESS_TOKEN; pulumi logout; pulumi login"}, "project", true},
		"no login for the bucket": {commands{pulumiConfig: "!error: unable to open bucket gs://acme: google: could not find default credentials."}, nil, "stack",
			[]string{"MISSING", "Fix: gcloud auth application-default login"}, "project", true},
		"expired login for the bucket": {commands{pulumiConfig: `!error: read ".pulumi/meta.yaml": oauth2: "invalid_grant" "reauth related error (invalid_rapt)"`}, nil, "stack",
			[]string{"MISSING", "Fix: gcloud auth application-default login"}, "project", true},
		"wrong bucket":  {commands{pulumiConfig: `!error: read ".pulumi/meta.yaml": blob (code=Unknown): storage: bucket doesn't exist`}, nil, "stack", []string{"MISSING", "Fix: pulumi login BACKEND_URL"}, "project", true},
		"another error": {commands{pulumiConfig: "!error: something else"}, nil, "stack", []string{"MISSING", "something else. Fix: pulumi stack select dev"}, "project", true},
		"quota of the machine family": {commands{pulumiConfig: strings.Replace(healthy[pulumiConfig], "n1-standard-1", "n2-standard-4", 1),
			"gcloud compute machine-types describe n2-standard-4 --zone=europe-west1-d --project=acme-timber --format=json": `{"guestCpus": 4}`}, nil, "quota",
			[]string{"MISSING", "too little in europe-west1: N2_CPUS 12 of 8 free. Fix: request more"}, "", true},
		"quota of nodes that GKE may add": {commands{pulumiConfig: strings.Replace(healthy[pulumiConfig], `"hello-timber:nodes"`, `"hello-timber:maxNodes": {"value": "5"}, "hello-timber:nodes"`, 1)}, nil, "quota",
			[]string{"MISSING", "CPUS 5 of 4 free"}, "", true},
		"quota of all regions": {commands{"gcloud compute project-info describe --project=acme-timber --format=json": `{"quotas": [{"metric": "CPUS_ALL_REGIONS", "limit": 12, "usage": 10}]}`}, nil, "quota",
			[]string{"MISSING", "CPUS_ALL_REGIONS 3 of 2 free"}, "", true},
		"quota that gcloud does not list": {commands{pulumiConfig: strings.Replace(healthy[pulumiConfig], "n1-standard-1", "c4-standard-2", 1),
			"gcloud compute machine-types describe c4-standard-2 --zone=europe-west1-d --project=acme-timber --format=json": `{"guestCpus": 2}`}, nil, "quota",
			[]string{"unknown", "gcloud lists no C4_CPUS for europe-west1; compare 6 at https://console.cloud.google.com/iam-admin/quotas?project=acme-timber"}, "", false},
		"quota of disks": {commands{pulumiConfig: strings.Replace(healthy[pulumiConfig], "n1-standard-1", "c3-standard-4", 1),
			region: `{"quotas": [{"metric": "CPUS", "limit": 24, "usage": 0}, {"metric": "C3_CPUS", "limit": 24, "usage": 0}, {"metric": "SSD_TOTAL_GB", "limit": 100, "usage": 20}]}`,
			"gcloud compute machine-types describe c3-standard-4 --zone=europe-west1-d --project=acme-timber --format=json": `{"guestCpus": 4}`}, nil, "quota",
			[]string{"MISSING", "SSD_TOTAL_GB 90 of 80 free"}, "", true},
		"no backend": {commands{pulumiConfig: "!error: PULUMI_ACCESS_TOKEN must be set for login during non-interactive CLI sessions"}, nil, "stack", []string{"MISSING", "pulumi login"}, "project", true},
		"no project": {commands{pulumiConfig: `{"hello-timber:nodes": {"value": "3"}}`}, nil, "stack", []string{"MISSING", "pulumi config set gcp:project PROJECT_ID --stack dev"}, "project", true},
		"no docker":  {commands{engineVersion: "!Cannot connect to the Docker daemon"}, nil, "docker", []string{"MISSING", "Cannot connect", "https://docs.docker.com/engine/install"}, "", true},
		"docker, in a context only": {commands{engineVersion: "!Cannot connect to the Docker daemon at unix:///var/run/docker.sock", "docker version --format {{.Server.Version}}": "28.3.1"}, nil,
			"docker", []string{"MISSING", "Cannot connect", "docker context inspect"}, "", true},
		"old docker":        {commands{engineVersion: "27.5.1"}, nil, "docker", []string{"MISSING", "27.5.1", "28 or newer"}, "", true},
		"no gcloud":         {commands{"gcloud version --format=json": "!gcloud: not found"}, nil, "gcloud", []string{"MISSING", "https://cloud.google.com/sdk"}, "login", true},
		"no account":        {commands{"gcloud auth list --filter=status:ACTIVE --format=json": "[]"}, nil, "account", []string{"MISSING", "gcloud auth login"}, "project", true},
		"no plugin":         {commands{"gke-gcloud-auth-plugin --version": "gone"}, nil, "plugin", []string{"MISSING", "gcloud components install gke-gcloud-auth-plugin"}, "", true},
		"not logged in":     {commands{"gcloud auth application-default print-access-token": "!ERROR: (gcloud.auth) Your default credentials were not found."}, nil, "login", []string{"MISSING", "were not found", "gcloud auth application-default login"}, "roles", true},
		"no project access": {commands{describe: "!ERROR: (gcloud.projects.describe) [me] does not have permission\n- details"}, nil, "project", []string{"MISSING", "does not have permission", "pulumi config set gcp:project"}, "quota", true},
		"deleted project":   {commands{describe: `{"lifecycleState": "DELETE_REQUESTED"}`}, nil, "project", []string{"MISSING", "DELETE_REQUESTED", "gcloud projects undelete acme-timber"}, "quota", true},
		"no billing":        {commands{bill: `{"billingEnabled": false}`}, nil, "billing", []string{"MISSING", "gcloud billing projects link acme-timber"}, "", true},
		"billing is secret": {commands{bill: "!ERROR: (gcloud.billing) The caller does not have permission"}, nil, "billing", []string{"unknown", "does not have permission"}, "", false},
		"API off":           {commands{services: `[]`}, nil, "apis", []string{"MISSING", "gcloud services enable cloudresourcemanager.googleapis.com --project acme-timber"}, "", true},
		"no role":           {nil, []string{"iam.serviceAccounts.actAs", "container.deployments.create"}, "roles", []string{"MISSING", "for role in roles/container.admin roles/iam.serviceAccountUser; do"}, "", true},
		"no subnet":         {commands{subnets: `[]`}, nil, "network", []string{"MISSING", "network default has no subnet default in europe-west1. Fix: gcloud compute networks create default"}, "", true},
		"no private access": {commands{subnets: `[{"name": "default", "privateIpGoogleAccess": false}]`}, nil, "network", []string{"MISSING", "gcloud compute networks subnets update default --region europe-west1 --enable-private-ip-google-access"}, "", true},
		"custom mode":       {commands{subnets: `[{"name": "nodes", "privateIpGoogleAccess": true}]`}, nil, "network", []string{"MISSING", "network default has no subnet default in europe-west1. Fix: pulumi config set subnetwork nodes --stack dev"}, "", true},
		"no such network":   {configured(`"network": "mine", "subnetwork": "nodes"`, commands{of("mine", "acme-timber"): `[]`}), nil, "network", []string{"MISSING", "network mine has no subnet nodes in europe-west1. Fix: gcloud compute networks subnets create nodes --network mine --region europe-west1 --range RANGE"}, "", true},
		"no such range": {configured(`"network": "projects/acme-host/global/networks/shared", "subnetwork": "nodes", "secondaryRanges": "pods,services"`,
			commands{of("shared", "acme-host"): `[{"name": "nodes", "privateIpGoogleAccess": true, "secondaryIpRanges": [{"rangeName": "pods", "ipCidrRange": "10.4.0.0/14"}]}]`}), nil, "network",
			[]string{"MISSING", "has no secondary range services. Fix: gcloud compute networks subnets update nodes --region europe-west1 --add-secondary-ranges services=RANGE --project acme-host"}, "", true},
		"another's network": {configured(`"network": "projects/acme-host/global/networks/shared"`, commands{of("shared", "acme-host"): "!ERROR: (gcloud.compute) Required 'compute.subnetworks.list' permission for 'projects/acme-host'"}), nil, "network",
			[]string{"unknown", "Required 'compute.subnetworks.list' permission"}, "", false},
		"no such address": {configured(`"address": "203.0.113.9"`, commands{addresses: `[]`}), nil, "address",
			[]string{"MISSING", "203.0.113.9 is not reserved in europe-west1. Fix: gcloud compute addresses create NAME --region europe-west1 --project acme-timber"}, "", true},
		"an address elsewhere": {configured(`"address": "203.0.113.9"`, commands{addresses: `[{"name": "timber", "region": "https://www.googleapis.com/compute/v1/projects/acme-timber/regions/us-central1"}]`}), nil, "address",
			[]string{"MISSING", "203.0.113.9 is not reserved in europe-west1"}, "", true},
		"an internal address": {configured(`"address": "203.0.113.9"`, commands{addresses: `[{"name": "timber", "addressType": "INTERNAL", "region": "https://www.googleapis.com/compute/v1/projects/acme-timber/regions/europe-west1", "status": "RESERVED"}]`}), nil, "address",
			[]string{"MISSING", "203.0.113.9, reserved as timber, is an internal address. Fix: gcloud compute addresses create NAME"}, "", true},
		"an address of the other tier": {configured(`"address": "203.0.113.9"`, commands{addresses: `[{"name": "timber", "addressType": "EXTERNAL", "networkTier": "STANDARD", "region": "https://www.googleapis.com/compute/v1/projects/acme-timber/regions/europe-west1", "status": "RESERVED"}]`}), nil, "address",
			[]string{"MISSING", "is of the Standard network tier"}, "", true},
		"an address in use": {configured(`"address": "203.0.113.9"`, commands{addresses: strings.Replace(premium, "RESERVED", "IN_USE", 1), "pulumi stack output --json --stack dev": `{"cluster": "c", "url": "http://203.0.113.90"}`}), nil, "address",
			[]string{"MISSING", "203.0.113.9, reserved as timber, is in use by web. Fix: "}, "", true},
		"a global address": {configured(`"address": "203.0.113.9"`, commands{addresses: `[{"name": "timber"}]`}), nil, "address", []string{"MISSING", "is not reserved in europe-west1"}, "", true},
		"compute API off":  {commands{region: "!ERROR: (gcloud.compute) API [compute.googleapis.com] not enabled"}, nil, "quota", []string{"unknown", "not enabled"}, "", false},
		"quota":            {commands{region: `{"quotas": [{"metric": "CPUS", "limit": 4, "usage": 2}, {"metric": "SSD_TOTAL_GB", "limit": 500, "usage": 0}]}`}, nil, "quota", []string{"MISSING", "CPUS 3 of 2 free. Fix: request more", "iam-admin/quotas?project=acme-timber"}, "", true},
	} {
		t.Run(name, func(t *testing.T) {
			changed := maps.Clone(healthy)
			maps.Copy(changed, tt.change)
			changed.install(t)
			grantAll(t, tt.lacks...)
			lines, err := examined(t)
			if (err != nil) != tt.failed {
				t.Errorf("ended with %v", err)
			}
			for _, command := range ofStack.FindAllString(lines[tt.what], -1) {
				if !strings.Contains(command, " --stack dev") {
					t.Errorf("a command does not name the stack: %s", command)
				}
			}
			for _, want := range tt.want {
				if !strings.Contains(lines[tt.what], want) {
					t.Errorf("the line is %q, want %q", lines[tt.what], want)
				}
			}
			if tt.unknown != "" && !strings.HasPrefix(lines[tt.unknown], "unknown ") {
				t.Errorf("%q, want unknown", lines[tt.unknown])
			}
		})
	}
}

// What a stack's config and state say decides what is asked.
func TestStacks(t *testing.T) {
	with := func(change commands) commands {
		changed := maps.Clone(healthy)
		maps.Copy(changed, change)
		return changed
	}
	for name, tt := range map[string]struct {
		commands commands
		what     string
		want     string // empty: no such line
	}{
		"up": {with(commands{"pulumi stack output --json --stack dev": `{"cluster": "c"}`}), "quota", "ok       quota    in use by the stack"},
		"an image, no docker": {with(commands{"pulumi config --json --stack dev": `{"gcp:project": {"value": "acme-timber"}, "hello-timber:image": {"value": "x"}}`,
			engineVersion: "!no"}), "docker", "ok       docker   not needed"},
		"a region": {with(commands{"pulumi config --json --stack dev": strings.Replace(healthy["pulumi config --json --stack dev"], "europe-west1-d", "europe-west1", 1),
			"gcloud compute project-info describe --project=acme-timber --format=json":                                      `{"quotas": [{"metric": "CPUS_ALL_REGIONS", "limit": 32.0, "usage": 20.0}]}`,
			"gcloud compute machine-types describe n1-standard-1 --zone=europe-west1-b --project=acme-timber --format=json": `{"guestCpus": 2}`}), "quota", "MISSING  quota    too little in europe-west1: CPUS 6 of 4 free"},
		"another network": {with(configured(`"network": "mine"`, commands{of("mine", "acme-timber"): `[{"name": "mine", "privateIpGoogleAccess": true}]`})), "network", "ok       network  mine, with Private Google Access in europe-west1"},
		"a Shared VPC": {with(configured(`"network": "projects/acme-host/global/networks/shared", "subnetwork": "nodes", "secondaryRanges": "pods,services"`,
			commands{of("shared", "acme-host"): `[{"name": "other"}, {"name": "nodes", "privateIpGoogleAccess": true, "secondaryIpRanges": [{"rangeName": "services"}, {"rangeName": "pods"}]}]`})),
			"network", "ok       network  shared, with Private Google Access in europe-west1"},
		"its own address": {with(configured(`"address": "203.0.113.9"`, commands{"gcloud compute addresses list --filter=address=203.0.113.9 --project=acme-timber --format=json": strings.Replace(premium, "RESERVED", "IN_USE", 1),
			"pulumi stack output --json --stack dev": `{"cluster": "c", "url": "http://203.0.113.9"}`})), "address", "ok       address  203.0.113.9, reserved as timber"},
		"an address that another network has, too": {with(configured(`"address": "203.0.113.9"`, commands{"gcloud compute addresses list --filter=address=203.0.113.9 --project=acme-timber --format=json": `[{"name": "db", "addressType": "INTERNAL", "region": "regions/europe-west1"}, ` + premium[1:]})),
			"address", "ok       address  203.0.113.9, reserved as timber"},
		"a reserved address": {with(configured(`"address": "203.0.113.9"`, commands{"gcloud compute addresses list --filter=address=203.0.113.9 --project=acme-timber --format=json": `[{"name": "timber", "region": "https://www.googleapis.com/compute/v1/projects/acme-timber/regions/europe-west1"}]`})),
			"address", "ok       address  203.0.113.9, reserved as timber"},
		"an existing cluster": {with(commands{"pulumi config --json --stack dev": `{"hello-timber:kubeconfig": {"value": "/k"}, "hello-timber:context": {"value": "mine"}}`}), "login", ""},
	} {
		t.Run(name, func(t *testing.T) {
			tt.commands.install(t)
			grantAll(t)
			lines, _ := examined(t)
			if line := lines[tt.what]; !strings.HasPrefix(line, tt.want) || (tt.want == "") != (line == "") {
				t.Errorf("%q, want %q", line, tt.want)
			}
		})
	}
}

// If Google does not answer which permissions are granted, its error is printed.
func TestRolesUnknown(t *testing.T) {
	changed := maps.Clone(healthy)
	changed["gcloud auth application-default print-access-token"] = "ya29.outdated"
	changed.install(t)
	grantAll(t)
	lines, err := examined(t)
	if want := "unknown  roles    401 Unauthorized: Request had invalid authentication credentials."; err != nil || lines["roles"] != want {
		t.Errorf("%q, %v, want %q", lines["roles"], err, want)
	}
}

// make ignores a go.work above the checkout, and pulumi does not, which the user must know.
func TestGoWork(t *testing.T) {
	folder := t.TempDir()
	below := filepath.Join(folder, "a", "b")
	if err := os.MkdirAll(below, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Chdir(below)
	if f := goVersion(t.Context(), nil); strings.Contains(f.says, folder) {
		t.Errorf("without a go.work: %v", f)
	}
	if err := os.WriteFile(filepath.Join(folder, "go.work"), []byte("go 1.26\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if f := goVersion(t.Context(), nil); f.verdict() != "ok" || !strings.Contains(f.says, filepath.Join(folder, "go.work")) || !strings.Contains(f.says, "export GOWORK=off") {
		t.Errorf("with a go.work: %v", f)
	}
}
