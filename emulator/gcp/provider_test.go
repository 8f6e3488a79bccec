package gcp

import (
	"errors"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
	"github.com/pulumi/pulumi/sdk/v3/go/common/tokens"
	"k8s.io/client-go/tools/clientcmd"

	"hello-timber/emulator/records"
)

type props = map[string]any

const (
	iamMemberType     = "gcp:projects/iAMMember:IAMMember"
	repositoryIAMType = "gcp:artifactregistry/repositoryIamMember:RepositoryIamMember"
)

// engine drives the provider as Pulumi's engine does.
type engine struct {
	*testing.T
	*google
	docker *fakeBackend
	ids    map[string]resource.ID
	in     map[string]resource.PropertyMap
	out    map[string]resource.PropertyMap
}

func start(t *testing.T, config props) *engine {
	d := newFake()
	g := New(nil).(*google)
	g.records, g.backend = records.Book{Dir: t.TempDir()}, d
	g.token = func() (string, error) { return "ya29.token", nil }
	if config == nil {
		config = props{"project": "timber-project", "region": "europe-west1", "zone": "europe-west1-d"}
	}
	e := &engine{T: t, google: g, docker: d, ids: map[string]resource.ID{}, in: map[string]resource.PropertyMap{}, out: map[string]resource.PropertyMap{}}
	if _, err := g.Configure(t.Context(), plugin.ConfigureRequest{Inputs: values(config)}); err != nil {
		t.Fatal(err)
	}
	for _, api := range []string{"container", "artifactregistry", "iam"} {
		e.up(serviceType, api, props{"service": api + ".googleapis.com", "disableOnDestroy": false})
	}
	return e
}

func values(m props) resource.PropertyMap { return resource.NewPropertyMapFromMap(m) }

func urn(typ, name string) resource.URN {
	return resource.NewURN("test", "hello-timber", "", tokens.Type(typ), name)
}

func (e *engine) check(typ, name string, inputs props) (resource.PropertyMap, string) {
	e.Helper()
	response, err := e.Check(e.Context(), plugin.CheckRequest{URN: urn(typ, name), Name: name, Type: tokens.Type(typ), Olds: e.in[name], News: values(inputs), RandomSeed: []byte(name)})
	if err != nil {
		return nil, err.Error()
	}
	var reasons []string
	for _, failure := range response.Failures {
		reasons = append(reasons, failure.Reason)
	}
	return response.Properties, strings.Join(reasons, "; ")
}

func (e *engine) diff(typ, name string, inputs props, ignore ...string) plugin.DiffResponse {
	e.Helper()
	checked, reason := e.check(typ, name, inputs)
	if reason != "" {
		e.Fatal(reason)
	}
	response, err := e.Diff(e.Context(), plugin.DiffRequest{URN: urn(typ, name), Type: tokens.Type(typ), ID: e.ids[name],
		OldInputs: e.in[name], OldOutputs: e.out[name], NewInputs: checked, IgnoreChanges: ignore})
	if err != nil {
		e.Fatal(err)
	}
	return response
}

// try makes a resource, or changes it when it is there.
func (e *engine) try(typ, name string, inputs props) error {
	e.Helper()
	checked, reason := e.check(typ, name, inputs)
	if reason != "" {
		return errors.New(reason)
	}
	if id, ok := e.ids[name]; ok {
		response, err := e.Update(e.Context(), plugin.UpdateRequest{URN: urn(typ, name), Type: tokens.Type(typ), ID: id,
			OldInputs: e.in[name], OldOutputs: e.out[name], NewInputs: checked})
		if err == nil {
			e.in[name], e.out[name] = checked, response.Properties
		}
		return err
	}
	response, err := e.Create(e.Context(), plugin.CreateRequest{URN: urn(typ, name), Type: tokens.Type(typ), Properties: checked})
	if err == nil {
		e.ids[name], e.in[name], e.out[name] = response.ID, checked, response.Properties
	}
	return err
}

func (e *engine) up(typ, name string, inputs props) props {
	e.Helper()
	if err := e.try(typ, name, inputs); err != nil {
		e.Fatal(err)
	}
	return e.out[name].Mappable()
}

func (e *engine) down(typ, name string) error {
	e.Helper()
	_, err := e.Delete(e.Context(), plugin.DeleteRequest{URN: urn(typ, name), Type: tokens.Type(typ), ID: e.ids[name], Inputs: e.in[name], Outputs: e.out[name]})
	return err
}

func (e *engine) refresh(typ, name string) bool {
	e.Helper()
	response, err := e.Read(e.Context(), plugin.ReadRequest{URN: urn(typ, name), Type: tokens.Type(typ), ID: e.ids[name], Inputs: e.in[name], State: e.out[name]})
	if err != nil {
		e.Fatal(err)
	}
	if response.ID != "" {
		e.in[name], e.out[name] = response.Inputs, response.Outputs
	}
	return response.ID != ""
}

// with returns a copy of m with changes: dotted paths; nil removes.
func with(m props, changes props) props {
	m = maps.Clone(m)
	for path, value := range changes {
		head, rest, nested := strings.Cut(path, ".")
		switch inner, _ := m[head].(props); {
		case nested:
			m[head] = with(inner, props{rest: value})
		case value == nil:
			delete(m, head)
		default:
			m[head] = value
		}
		if m[head] != nil && nested && m[head].(props) == nil {
			m[head] = props{}
		}
	}
	return m
}

var (
	cluster = props{"location": "europe-west1-d", "removeDefaultNodePool": true, "initialNodeCount": 1, "deletionProtection": false,
		"ipAllocationPolicy": props{}, "releaseChannel": props{"channel": "REGULAR"},
		"privateClusterConfig":           props{"enablePrivateNodes": true, "masterIpv4CidrBlock": "172.16.0.0/28"},
		"masterAuthorizedNetworksConfig": props{"cidrBlocks": []any{props{"cidrBlock": "10.0.0.0/8"}}}}
	pool = props{"cluster": "hello-timber", "location": "europe-west1-d", "nodeCount": 3,
		"nodeConfig": props{"machineType": "e2-medium", "spot": true, "labels": props{"a": "b"}, "oauthScopes": []any{"cloud-platform"},
			"shieldedInstanceConfig": props{"enableSecureBoot": true}}}
	repository = props{"repositoryId": "hello-timber-dev", "location": "europe-west1", "format": "DOCKER"}
	account    = props{"accountId": "hello-timber-dev"}
)

func TestCheck(t *testing.T) {
	e := start(t, nil)
	for _, test := range []struct {
		typ    string
		inputs props
		want   string // "" accepts
	}{
		{clusterType, cluster, ""},
		{clusterType, with(cluster, props{"location": "europe-west1"}), ""},
		{clusterType, with(cluster, props{"location": resource.Computed{Element: resource.NewProperty("")}}), ""},
		{clusterType, with(cluster, props{"location": "Belgium"}), ""}, // Google's to refuse
		{clusterType, with(cluster, props{"location": nil}), "Missing required property 'location'"},
		{clusterType, with(cluster, props{"releaseChannel": props{}}), "Missing required property 'releaseChannel.channel'"},
		{clusterType, with(cluster, props{"enableAutopilot": true}), "the emulator's gcp:container/cluster:Cluster has no property enableAutopilot"},
		{clusterType, with(cluster, props{"masterAuthorizedNetworksConfig.cidrBlocks": []any{props{"cidrBlock": "10.0.0.0/8", "name": "x"}}}),
			"the emulator's gcp:container/cluster:Cluster has no property masterAuthorizedNetworksConfig.cidrBlocks[0].name"},
		{clusterType, with(cluster, props{"removeDefaultNodePool": false}), "no default node pool"},
		{clusterType, with(cluster, props{"initialNodeCount": 0}), "must be at least 1"},
		{clusterType, with(cluster, props{"name": "Hello"}), `"name" can only contain lowercase letters, numbers and hyphens`},
		{clusterType, with(cluster, props{"name": "1st"}), `"name" must start with a letter`},
		{clusterType, with(cluster, props{"name": "last-"}), `"name" must end with a number or a letter`},
		{clusterType, with(cluster, props{"name": strings.Repeat("a", 41)}), `"name" cannot be longer than 40 characters`},
		{clusterType, with(cluster, props{"endpoint": "1.2.3.4"}), "has no property endpoint"},
		{clusterType, with(cluster, props{"network": "mine", "subnetwork": "nodes", "ipAllocationPolicy.clusterSecondaryRangeName": "pods", "ipAllocationPolicy.servicesSecondaryRangeName": "services"}), ""},
		{clusterType, with(cluster, props{"privateClusterConfig.masterIpv4CidrBlock": ""}), ""},
		{clusterType, with(cluster, props{"privateClusterConfig.masterIpv4CidrBlock": "172.16.0.0/24"}),
			`expected "private_cluster_config.0.master_ipv4_cidr_block" to contain a network Value with between 28 and 28 significant bits, got: 24`},
		{clusterType, with(cluster, props{"privateClusterConfig.masterIpv4CidrBlock": "172.16.0.1/28"}), "to contain a valid network Value, expected 172.16.0.0/28, got 172.16.0.1/28"},
		{clusterType, with(cluster, props{"privateClusterConfig.masterIpv4CidrBlock": "172.16.0.0"}), "to contain a valid Value, got: 172.16.0.0 with err: invalid CIDR address"},
		{clusterType, with(cluster, props{"maintenancePolicy": props{"recurringWindow": props{"startTime": "2026-01-03T00:00:00Z", "endTime": "2026-01-03T08:00:00Z", "recurrence": "FREQ=WEEKLY;BYDAY=SA,SU"}}}), ""},
		{clusterType, with(cluster, props{"maintenancePolicy": props{"recurringWindow": props{"startTime": "2026-01-03T00:00:00Z"}}}), "Missing required property 'maintenancePolicy.recurringWindow.endTime'"},
		{nodePoolType, pool, ""},
		{nodePoolType, with(pool, props{"nodeConfig.gpu": 1}), "has no property nodeConfig.gpu"},
		{accountType, account, ""},
		{accountType, props{"accountId": "short"}, `"account_id" ("short") doesn't match regexp "^(?:[a-z](?:[-a-z0-9]{4,28}[a-z0-9]))$"`},
		{accountType, props{"accountId": strings.Repeat("a", 31)}, "doesn't match regexp"},
		{serviceType, props{"service": "container"}, "expected container to be a domain like serviceusage.googleapis.com"},
		{repositoryType, with(repository, props{"dockerConfig": props{"immutableTags": true}, "cleanupPolicyDryRun": false, "cleanupPolicies": []any{
			props{"id": "delete-untagged", "action": "DELETE", "condition": props{"tagState": "UNTAGGED", "olderThan": "2592000s"}},
			props{"id": "keep-recent", "action": "KEEP", "mostRecentVersions": props{"keepCount": 10}}}}), ""},
		{repositoryType, with(repository, props{"cleanupPolicies": []any{props{"action": "KEEP"}}}), "Missing required property 'cleanupPolicies[0].id'"},
		{repositoryType, with(repository, props{"format": "NPM"}), "the emulator's repositories are DOCKER"},
		{iamMemberType, props{"project": "timber-project", "role": "viewer", "member": "someone"}, "invalid value for member (IAM members must have one of the values outlined here"},
		{iamMemberType, props{"role": "roles/viewer", "member": "user:a@b.c"}, "Missing required property 'project'"},
		{"gcp:compute/network:Network", props{}, "the emulator has no gcp:compute/network:Network"},
	} {
		_, reason := e.check(test.typ, "x", test.inputs)
		if test.want == "" && reason != "" || !strings.Contains(reason, test.want) {
			t.Errorf("%s %v: got %q, want %q", test.typ, test.inputs, reason, test.want)
		}
	}
	e.project = ""
	if err := e.try(accountType, "x", account); err == nil || !strings.Contains(err.Error(), "pulumi config set gcp:project PROJECT_ID --stack ") {
		t.Errorf("without a project: %v", err)
	}
	response, err := e.CheckConfig(t.Context(), plugin.CheckConfigRequest{URN: "urn:pulumi:dev::hello-timber::pulumi:providers:gcp::default", News: values(props{"project": "p", "credentials": "x"})})
	if err != nil || len(response.Failures) != 1 || !strings.Contains(response.Failures[0].Reason, "pulumi config rm gcp:credentials --stack dev") {
		t.Errorf("configuration: %v, %v", response.Failures, err)
	}
}

func TestNames(t *testing.T) {
	e := start(t, nil)
	first, _ := e.check(clusterType, "hello-timber", cluster)
	name := first["name"].StringValue()
	if !strings.HasPrefix(name, "hello-timber-") || len(name) != len("hello-timber-")+7 {
		t.Errorf("autoname %q", name)
	}
	e.in["hello-timber"] = first
	if again, _ := e.check(clusterType, "hello-timber", cluster); !again.DeepEquals(first) {
		t.Errorf("the second check changed the first one's inputs: %v, %v", again, first)
	}
	if named, _ := e.check(clusterType, "hello-timber", with(cluster, props{"name": "mine"})); named["name"].StringValue() != "mine" {
		t.Errorf("explicit name: %v", named)
	}
}

func TestDiff(t *testing.T) {
	e := start(t, nil)
	e.up(clusterType, "hello-timber", with(cluster, props{"name": "hello-timber"}))
	e.up(clusterType, "auto", cluster)
	e.up(nodePoolType, "pool", pool)
	e.up(accountType, "account", account)
	e.up(repositoryType, "repository", repository)
	ignored := []string{"nodeConfig.resourceLabels", "nodeConfig.kubeletConfig", "nodeConfig.gcfsConfig"}
	named := with(cluster, props{"name": "hello-timber"})
	for _, test := range []struct {
		typ, name string
		inputs    props
		want      string // "path kind", * marks replacement
	}{
		{clusterType, "auto", cluster, ""},
		{clusterType, "auto", with(cluster, props{"deletionProtection": nil}), "deletionProtection update"},
		{clusterType, "auto", with(cluster, props{"location": "europe-west1"}), "location update*"},
		{clusterType, "auto", with(cluster, props{"enableLegacyAbac": false, "description": "", "resourceLabels": props{}}), ""},
		{clusterType, "auto", with(cluster, props{"resourceLabels": props{"a": "b"}}), "resourceLabels update resourceLabels.a add"},
		{clusterType, "auto", with(cluster, props{"releaseChannel": nil}), ""}, // Google fills it in: the old one stays
		{clusterType, "auto", with(cluster, props{"masterAuthorizedNetworksConfig": nil}), ""},
		{clusterType, "auto", with(cluster, props{"masterAuthorizedNetworksConfig.cidrBlocks": []any{props{"cidrBlock": "10.1.0.0/16"}}}), "masterAuthorizedNetworksConfig.cidrBlocks[0].cidrBlock update"},
		{clusterType, "auto", with(cluster, props{"masterAuthorizedNetworksConfig.cidrBlocks": []any{props{"cidrBlock": "10.1.0.0/16"}, props{"cidrBlock": "10.0.0.0/8"}}}),
			"masterAuthorizedNetworksConfig.cidrBlocks update masterAuthorizedNetworksConfig.cidrBlocks[0].cidrBlock update masterAuthorizedNetworksConfig.cidrBlocks[1].cidrBlock add"},
		{clusterType, "auto", with(cluster, props{"privateClusterConfig.enablePrivateEndpoint": true}), "privateClusterConfig.enablePrivateEndpoint update"},
		{clusterType, "auto", with(cluster, props{"privateClusterConfig.enablePrivateNodes": false}), "privateClusterConfig.enablePrivateNodes update*"},
		{clusterType, "auto", with(cluster, props{"masterAuth": props{"clientCertificateConfig": props{"issueClientCertificate": false}}}), ""}, // what Google chose anyway
		{clusterType, "auto", with(cluster, props{"masterAuth": props{"clientCertificateConfig": props{"issueClientCertificate": true}}}), "masterAuth.clientCertificateConfig.issueClientCertificate update*"},
		{clusterType, "auto", with(cluster, props{"network": "projects/timber-project/global/networks/default"}), ""},
		{clusterType, "auto", with(cluster, props{"subnetwork": "default"}), ""}, // what Google chose anyway
		{clusterType, "auto", with(cluster, props{"network": "mine"}), "network update*"},
		{clusterType, "auto", with(cluster, props{"subnetwork": "nodes"}), "subnetwork update*"},
		{clusterType, "auto", with(cluster, props{"privateClusterConfig.masterIpv4CidrBlock": "172.16.0.16/28"}), "privateClusterConfig.masterIpv4CidrBlock update*"},
		{clusterType, "hello-timber", with(named, props{"location": "europe-west1"}), "location update* delete first"},
		{clusterType, "hello-timber", with(named, props{"name": "other"}), "name update*"},
		{nodePoolType, "pool", pool, ""},
		{nodePoolType, "pool", with(pool, props{"nodeCount": 4}), "nodeCount update"},
		{nodePoolType, "pool", with(pool, props{"autoscaling": props{"minNodeCount": 3, "maxNodeCount": 6}}), "autoscaling update autoscaling.locationPolicy add autoscaling.maxNodeCount add autoscaling.minNodeCount add"},
		{nodePoolType, "pool", with(pool, props{"nodeConfig.machineType": "e2-small"}), "nodeConfig.machineType update"},
		{nodePoolType, "pool", with(pool, props{"nodeConfig.spot": false}), "nodeConfig.spot update*"},
		{nodePoolType, "pool", with(pool, props{"nodeConfig.serviceAccount": "a@b"}), "nodeConfig.serviceAccount update*"},
		{nodePoolType, "pool", with(pool, props{"nodeConfig.oauthScopes": []any{"cloud-platform", "monitoring"}}), "nodeConfig.oauthScopes update*"},
		{nodePoolType, "pool", with(pool, props{"nodeConfig.labels": props{}}), "nodeConfig.labels update nodeConfig.labels.a delete"},
		{nodePoolType, "pool", with(pool, props{"nodeConfig.shieldedInstanceConfig.enableIntegrityMonitoring": false}), "nodeConfig.shieldedInstanceConfig.enableIntegrityMonitoring update*"},
		{nodePoolType, "pool", with(pool, props{"cluster": resource.Computed{Element: resource.NewProperty("")}}), "cluster update*"},
		{accountType, "account", with(account, props{"displayName": "nodes"}), "displayName add"},
		{accountType, "account", with(account, props{"project": "other-project"}), "project update*"},
		{repositoryType, "repository", with(repository, props{"dockerConfig": props{"immutableTags": true}}), "dockerConfig update dockerConfig.immutableTags add"},
		{repositoryType, "repository", with(repository, props{"dockerConfig": props{"immutableTags": false}}), "dockerConfig update dockerConfig.immutableTags add"},
		{repositoryType, "repository", with(repository, props{"labels": props{"owner": "team"}}), "effectiveLabels update labels update labels.owner add pulumiLabels update"},
		{repositoryType, "repository", with(repository, props{"location": "europe-west4"}), "location update*"},
	} {
		got := e.diff(test.typ, test.name, test.inputs, ignored...)
		var have []string
		for path, change := range got.DetailedDiff {
			kind, mark, _ := strings.Cut(change.Kind.String(), "-replace")
			if change.Kind.IsReplace() {
				mark = "*"
			}
			have = append(have, path+" "+kind+mark)
		}
		slices.Sort(have)
		if got.DeleteBeforeReplace {
			have = append(have, "delete first")
		}
		if have := strings.Join(have, " "); have != test.want {
			t.Errorf("%s %v: got %q, want %q", test.name, test.inputs, have, test.want)
		}
		if none := got.Changes == plugin.DiffNone; none != (test.want == "") {
			t.Errorf("%s: Changes is %v for %q", test.name, got.Changes, test.want)
		}
	}
	// A project that changes under resources which do not name one themselves.
	e.project = "other-project"
	if got := e.diff(accountType, "account", account); got.DetailedDiff["project"].Kind != plugin.DiffUpdateReplace {
		t.Errorf("another gcp:project: %v", got.DetailedDiff)
	}
}

// What GKE sets on node pools today shows as a change at every run, until the
// program ignores exactly that.
func TestServerSetNodeConfig(t *testing.T) {
	e := start(t, nil)
	e.up(clusterType, "hello-timber", with(cluster, props{"name": "hello-timber"}))
	outputs := e.up(nodePoolType, "pool", pool)
	if labels := outputs["nodeConfig"].(props)["resourceLabels"]; !reflect.DeepEqual(labels, props{provisioningLabel: "spot"}) {
		t.Errorf("resourceLabels %v", labels)
	}
	both := []string{"nodeConfig.kubeletConfig", "nodeConfig.resourceLabels"}
	roots := func(found map[string]plugin.PropertyDiff) []string {
		var roots []string
		for at := range found {
			path, err := resource.ParsePropertyPath(at)
			if err != nil {
				t.Fatal(err)
			}
			roots = append(roots, path[:2].String())
		}
		slices.Sort(roots)
		return slices.Compact(roots)
	}
	for _, test := range []struct {
		ignore []string
		inputs props
		want   []string
	}{
		{nil, pool, both},
		{[]string{"nodeConfig.resourceLabels"}, pool, both[:1]},
		{[]string{"nodeConfig.kubeletConfig"}, pool, both[1:]},
		{append(both, "nodeConfig.gcfsConfig"), pool, nil},
		{[]string{"nodeConfig"}, pool, nil},
		{[]string{"nodeCount"}, pool, both},
		{nil, with(pool, props{"nodeConfig": nil}), nil},
		{nil, with(pool, props{"nodeConfig.resourceLabels": props{provisioningLabel: "spot"}, "nodeConfig.kubeletConfig": props{"cpuManagerPolicy": "none"}}),
			both[:1]},
	} {
		got := roots(e.diff(nodePoolType, "pool", test.inputs, test.ignore...).DetailedDiff)
		if !slices.Equal(got, test.want) {
			t.Errorf("ignoring %v: got %v, want %v", test.ignore, got, test.want)
		}
	}
	e.up(nodePoolType, "pool", pool) // does not help
	if got := roots(e.diff(nodePoolType, "pool", pool).DetailedDiff); !slices.Equal(got, both) {
		t.Errorf("after an update: %v", got)
	}
	// Asked for by the program, the label is no change any more.
	labelled := with(pool, props{"nodeConfig.resourceLabels": props{provisioningLabel: "spot"}})
	e.up(nodePoolType, "pool", labelled)
	if got := roots(e.diff(nodePoolType, "pool", labelled).DetailedDiff); !slices.Equal(got, both[:1]) {
		t.Errorf("with the label: %v", got)
	}
}

// Where a program ignores changes, the engine hands in the inputs of before, with their defaults.
func TestInputsOfBefore(t *testing.T) {
	e := start(t, nil)
	e.up(clusterType, "hello-timber", with(cluster, props{"name": "hello-timber", "nodeConfig": props{"machineType": "e2-medium"}}))
	if _, reason := e.check(clusterType, "hello-timber", e.in["hello-timber"].Mappable()); reason != "" {
		t.Error(reason)
	}
}

func TestClusterLife(t *testing.T) {
	e := start(t, nil)
	t.Setenv("KUBECONFIG", filepath.Join(filepath.Dir(e.records.Dir), "kubeconfig-local"))
	protected := with(cluster, props{"deletionProtection": nil, "name": "timber"})
	outputs := e.up(clusterType, "c", protected)
	const context = "gke_timber-project_europe-west1-d_timber"
	if config, err := clientcmd.LoadFromFile(os.Getenv("KUBECONFIG")); err != nil || config.CurrentContext != context || config.Clusters[context].Server != "https://172.30.0.2" {
		t.Errorf("kubectl would use %+v, %v", config, err)
	}
	if outputs["endpoint"] != "172.30.0.2" || outputs["masterAuth"].(props)["clusterCaCertificate"] != "Q0E=" || outputs["project"] != "timber-project" || outputs[maker] != nil {
		t.Errorf("outputs %v", outputs)
	}
	if id := e.ids["c"]; id != "projects/timber-project/locations/europe-west1-d/clusters/timber" {
		t.Errorf("id %s", id)
	}
	if err := e.down(clusterType, "c"); err == nil || !strings.HasPrefix(err.Error(), "Cannot destroy cluster because deletion_protection is set to true. Set it to false to proceed with cluster deletion.") {
		t.Errorf("a protected cluster: %v", err)
	}
	outputs = e.up(clusterType, "c", with(protected, props{"deletionProtection": false, "masterAuth": props{"clientCertificateConfig": props{"issueClientCertificate": false}}}))
	if outputs["endpoint"] != "172.30.0.2" || outputs["masterAuth"].(props)["clusterCaCertificate"] != "Q0E=" {
		t.Errorf("outputs after an update %v", outputs)
	}
	if err := e.try(clusterType, "second", protected); err == nil || !strings.Contains(err.Error(), "Error 409: Already exists") {
		t.Errorf("the same name twice: %v", err)
	}
	e.up(nodePoolType, "pool", with(pool, props{"cluster": string(e.ids["c"])}))
	e.docker.fail = errors.New("the container name is in use")
	if err := e.try(clusterType, "elsewhere", with(protected, props{"location": "europe-west4-a"})); err == nil || !e.refresh(clusterType, "c") {
		t.Errorf("the same name elsewhere: %v", err)
	}
	e.docker.fail = nil
	if err := e.down(clusterType, "c"); err != nil {
		t.Error(err)
	}
	if e.refresh(clusterType, "c") || e.refresh(nodePoolType, "pool") || len(e.docker.clusters) > 0 {
		t.Error("something of the cluster is left")
	}
	delete(e.ids, "c")
	e.up(clusterType, "c", with(protected, props{"deletionProtection": false}))
	delete(e.docker.clusters, "timber") // by docker rm
	if list, err := e.records.List(clusterType); e.refresh(clusterType, "c") || err != nil || len(list) != 1 {
		t.Errorf("a cluster whose containers are gone: %v, %v", list, err)
	}
	if list, err := e.records.List(clusterType); err != nil || len(list) != 0 {
		t.Errorf("its record is still there: %v, %v", list, err)
	}
	if err := e.down(clusterType, "c"); err != nil {
		t.Errorf("deleted again: %v", err)
	}
}

func TestFailedCreate(t *testing.T) {
	e := start(t, nil)
	e.docker.fail = errors.New("no room")
	if err := e.try(clusterType, "c", cluster); err == nil || !strings.Contains(err.Error(), "no room") {
		t.Errorf("failure: %v", err)
	}
	if list, _ := e.records.List(clusterType); len(list)+len(e.docker.clusters) > 0 {
		t.Errorf("left: %v %v", list, e.docker.clusters)
	}
	e.docker.fail = nil
	e.up(clusterType, "hello-timber", with(cluster, props{"name": "hello-timber"}))
	e.docker.fail = errors.New("no node")
	if err := e.try(nodePoolType, "pool", pool); err == nil || !strings.HasPrefix(e.docker.did[len(e.docker.did)-1], "resize hello-timber/pool-") || !strings.Contains(e.docker.did[len(e.docker.did)-1], "to 0") {
		t.Errorf("a pool that fails: %v, %v", err, e.docker.did)
	}
	e.docker.fail = nil
	if err := e.SignalCancellation(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := e.try(clusterType, "c", cluster); err == nil || !strings.Contains(err.Error(), "interrupted") || len(e.docker.clusters) != 1 {
		t.Errorf("interrupted: %v, %v", err, e.docker.clusters)
	}
}

// A killed run leaves a control plane and its record; the next run takes both
// down, but not what another run is still making.
func TestKilledCreate(t *testing.T) {
	e := start(t, nil)
	dead := exec.Command("true")
	if err := dead.Run(); err != nil {
		t.Skip(err)
	}
	for name, process := range map[string]int{"dead": dead.Process.Pid, "alive": os.Getpid()} {
		properties := values(with(cluster, props{"name": name, "project": "timber-project", maker: process})).Mappable()
		if err := e.records.Put(clusterType, records.Record{ID: types[clusterType].Identify(properties), Properties: properties}); err != nil {
			t.Fatal(err)
		}
		e.docker.clusters[name] = true
	}
	if _, err := e.Configure(t.Context(), plugin.ConfigureRequest{}); err != nil {
		t.Fatal(err)
	}
	list, err := e.records.List(clusterType)
	if err != nil || len(list) != 1 || !reflect.DeepEqual(e.docker.clusters, map[string]bool{"alive": true}) {
		t.Errorf("left: %v %v, %v", list, e.docker.clusters, err)
	}
}

// Whatever form a network is given in, Google answers with its path, and there is
// nothing to change.
func TestNetworks(t *testing.T) {
	e := start(t, nil)
	for name, test := range map[string]struct {
		changes             props
		network, subnetwork string
	}{
		"default": {props{}, "projects/timber-project/global/networks/default", "projects/timber-project/regions/europe-west1/subnetworks/default"},
		"auto":    {props{"network": "mine"}, "projects/timber-project/global/networks/mine", "projects/timber-project/regions/europe-west1/subnetworks/mine"},
		"custom":  {props{"network": "mine", "subnetwork": "nodes"}, "projects/timber-project/global/networks/mine", "projects/timber-project/regions/europe-west1/subnetworks/nodes"},
		"shared": {props{"network": "projects/host-project/global/networks/shared", "subnetwork": "projects/host-project/regions/us-central1/subnetworks/nodes", "location": "us-central1"},
			"projects/host-project/global/networks/shared", "projects/host-project/regions/us-central1/subnetworks/nodes"},
		"urls": {props{"network": "https://www.googleapis.com/compute/v1/projects/host-project/global/networks/shared",
			"subnetwork": "https://www.googleapis.com/compute/v1/projects/host-project/regions/europe-west1/subnetworks/nodes"},
			"projects/host-project/global/networks/shared", "projects/host-project/regions/europe-west1/subnetworks/nodes"},
	} {
		inputs := with(cluster, test.changes)
		if out := e.up(clusterType, name, inputs); out["network"] != test.network || out["subnetwork"] != test.subnetwork {
			t.Errorf("%s: the cluster is in %v, %v", name, out["network"], out["subnetwork"])
		}
		if d := e.diff(clusterType, name, inputs); d.Changes != plugin.DiffNone || !e.refresh(clusterType, name) || e.diff(clusterType, name, inputs).Changes != plugin.DiffNone {
			t.Errorf("%s: the cluster changes: %v", name, d.DetailedDiff)
		}
	}
}

func TestNodePool(t *testing.T) {
	e := start(t, nil)
	last := func() string { return e.docker.did[len(e.docker.did)-1] }
	e.up(clusterType, "hello-timber", with(cluster, props{"name": "hello-timber"}))
	e.up(clusterType, "regional", with(cluster, props{"name": "hello-timber", "location": "europe-west1"}))
	email := e.up(accountType, "account", account)["email"].(string)
	for _, test := range []struct {
		name    string
		changes props
		did     string
	}{
		{"zonal", props{}, "to 3 in [europe-west1-d] for "},
		{"regional pool", props{"location": "europe-west1", "nodeCount": 1}, "to 1 in [europe-west1-b europe-west1-c europe-west1-d] for "},
		{"two zones", props{"location": "europe-west1", "nodeCount": 2, "nodeLocations": []any{"europe-west1-b", "europe-west1-c"}}, "to 2 in [europe-west1-b europe-west1-c] for "},
		{"with account", props{"nodeConfig.serviceAccount": email}, "to 3 in [europe-west1-d] for " + email},
	} {
		inputs := with(pool, test.changes)
		e.up(nodePoolType, test.name, with(inputs, props{"name": strings.ReplaceAll(test.name, " ", "-")}))
		if !strings.HasSuffix(last(), test.did) {
			t.Errorf("%s: did %q, want %q", test.name, last(), test.did)
		}
	}
	if labels := poolOf(pool).Labels; !reflect.DeepEqual(labels, map[string]string{"a": "b", spotLabel: "true"}) {
		t.Errorf("nodes are labelled %v", labels)
	}
	for name, test := range map[string]struct {
		changes props
		want    string
	}{
		"no-account": {props{"nodeConfig.serviceAccount": "stranger@timber-project.iam.gserviceaccount.com"}, "Service account stranger@timber-project.iam.gserviceaccount.com does not exist"},
		"no-cluster": {props{"cluster": "other"}, "Not found: projects/timber-project/locations/europe-west1-d/clusters/other"},
	} {
		if err := e.try(nodePoolType, name, with(pool, test.changes)); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	// Drift: a node that was removed manually comes back with the next update.
	named := with(pool, props{"name": "zonal"})
	e.docker.nodes["hello-timber/zonal"]["europe-west1-d"] = 2
	if !e.refresh(nodePoolType, "zonal") || e.diff(nodePoolType, "zonal", named, "nodeConfig").DetailedDiff["nodeCount"].Kind != plugin.DiffUpdate {
		t.Errorf("drift not seen: %v", e.in["zonal"])
	}
	e.up(nodePoolType, "zonal", named)
	if got := e.docker.nodes["hello-timber/zonal"]["europe-west1-d"]; got != 3 {
		t.Errorf("%d nodes after the update", got)
	}
	if err := e.down(nodePoolType, "zonal"); err != nil || !strings.Contains(last(), "resize hello-timber/zonal to 0") || e.refresh(nodePoolType, "zonal") {
		t.Errorf("delete: %v, %s", err, last())
	}
}

func TestRepository(t *testing.T) {
	e := start(t, nil)
	outputs := e.up(repositoryType, "r", repository)
	if outputs["name"] != "hello-timber-dev" || outputs["createTime"] == "" || !e.docker.registry {
		t.Errorf("outputs %v", outputs)
	}
	e.up(repositoryType, "other", with(repository, props{"repositoryId": "other"}))
	e.up(repositoryType, "r", with(repository, props{"dockerConfig": props{"immutableTags": true}}))
	r, _, err := e.records.Get(repositoryType, "projects/timber-project/locations/europe-west1/repositories/hello-timber-dev")
	if err != nil || r.Properties["dockerConfig"].(props)["immutableTags"] != true {
		t.Errorf("record %v, %v", r, err)
	}
	if err := e.try(repositoryType, "zonal", with(repository, props{"repositoryId": "zonal", "location": "europe-west1-d"})); err == nil || !strings.Contains(err.Error(), "is no region") {
		t.Errorf("a repository in a zone: %v", err)
	}
	if err := e.down(repositoryType, "r"); err != nil || !e.docker.registry || !slices.Contains(e.docker.did, "empty timber-project/hello-timber-dev") {
		t.Errorf("first delete: %v, registry %v", err, e.docker.registry)
	}
	if err := e.down(repositoryType, "other"); err != nil || e.docker.registry {
		t.Errorf("last delete: %v, registry %v", err, e.docker.registry)
	}
}

func TestGrants(t *testing.T) {
	e := start(t, nil)
	e.up(repositoryType, "r", repository)
	member := e.up(accountType, "a", account)["member"]
	if member != "serviceAccount:hello-timber-dev@timber-project.iam.gserviceaccount.com" {
		t.Errorf("member %v", member)
	}
	reader := props{"repository": "hello-timber-dev", "location": "europe-west1", "role": "roles/artifactregistry.reader", "member": member}
	e.up(repositoryIAMType, "reader", reader)
	if id := e.ids["reader"]; id != resource.ID("projects/timber-project/locations/europe-west1/repositories/hello-timber-dev/roles/artifactregistry.reader/"+member.(string)) {
		t.Errorf("id %s", id)
	}
	e.up(iamMemberType, "role", props{"project": "timber-project", "role": "roles/viewer", "member": "user:someone@example.com"})
	for want, inputs := range map[string]props{
		"Service account stranger@timber-project.iam.gserviceaccount.com does not exist": with(reader, props{"member": "serviceAccount:stranger@timber-project.iam.gserviceaccount.com"}),
		"Not found: projects/timber-project/locations/europe-west1/repositories/other":   with(reader, props{"repository": "other"}),
	} {
		if err := e.try(repositoryIAMType, want, inputs); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

func TestServices(t *testing.T) {
	e := start(t, nil)
	e.up(serviceType, "again", props{"service": "iam.googleapis.com"})
	if err := e.down(serviceType, "iam"); err != nil || !e.refresh(serviceType, "again") {
		t.Errorf("disableOnDestroy false, and yet disabled: %v", err)
	}
	if err := e.down(serviceType, "again"); err != nil || e.refresh(serviceType, "again") {
		t.Errorf("not disabled: %v", err)
	}
	if err := e.try(accountType, "a", account); err == nil || !strings.Contains(err.Error(), "Identity and Access Management (IAM) API has not been used in project timber-project before or it is disabled") {
		t.Errorf("API off: %v", err)
	}
}

func TestPreview(t *testing.T) {
	e := start(t, nil)
	checked, _ := e.check(clusterType, "c", with(cluster, props{"description": resource.Computed{Element: resource.NewProperty("")}}))
	created, err := e.Create(t.Context(), plugin.CreateRequest{URN: urn(clusterType, "c"), Type: clusterType, Properties: checked, Preview: true})
	if err != nil || created.ID != "" || !created.Properties["description"].IsComputed() || !created.Properties["endpoint"].IsComputed() || len(e.docker.did) > 0 {
		t.Errorf("create: %v, %v", created, err)
	}
	e.up(clusterType, "c", cluster)
	checked, _ = e.check(clusterType, "c", with(cluster, props{"resourceLabels": props{"a": "b"}}))
	updated, err := e.Update(t.Context(), plugin.UpdateRequest{URN: urn(clusterType, "c"), Type: clusterType, ID: e.ids["c"],
		OldInputs: e.in["c"], OldOutputs: e.out["c"], NewInputs: checked, Preview: true})
	if err != nil || !updated.Properties["endpoint"].DeepEquals(e.out["c"]["endpoint"]) || !updated.Properties.HasValue("resourceLabels") {
		t.Errorf("update: %v, %v", updated, err)
	}
}

func TestImport(t *testing.T) {
	e := start(t, nil)
	e.up(clusterType, "c", with(cluster, props{"name": "timber"}))
	response, err := e.Read(t.Context(), plugin.ReadRequest{URN: urn(clusterType, "c"), Type: clusterType, ID: e.ids["c"]})
	if err != nil || response.Inputs["name"].StringValue() != "timber" || response.Inputs.HasValue("endpoint") || response.Inputs["masterAuth"].ObjectValue().HasValue("clusterCaCertificate") {
		t.Errorf("import: %v, %v", response.Inputs, err)
	}
	e.ids["nothing"] = "projects/timber-project/locations/europe-west1-d/clusters/nothing"
	if e.refresh(clusterType, "nothing") {
		t.Error("read a cluster that does not exist")
	}
}

func TestClientConfig(t *testing.T) {
	e := start(t, nil)
	response, err := e.Invoke(t.Context(), plugin.InvokeRequest{Tok: "gcp:organizations/getClientConfig:getClientConfig"})
	want := props{"accessToken": "ya29.token", "project": "timber-project", "region": "europe-west1", "zone": "europe-west1-d",
		"id": `projects/"timber-project"/regions/"europe-west1"/zones/"europe-west1-d"`}
	if got := response.Properties.Mappable(); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, %v", got, err)
	}
	if _, err := e.Invoke(t.Context(), plugin.InvokeRequest{Tok: "gcp:compute/getZones:getZones"}); err == nil || err.Error() != "the emulator has no function gcp:compute/getZones:getZones" {
		t.Errorf("another function: %v", err)
	}
}
