package gcp

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"syscall"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
	"github.com/pulumi/pulumi/sdk/v3/go/common/tokens"
	"k8s.io/client-go/tools/clientcmd"

	"hello-timber/emulator/records"
)

var unknown = resource.Computed{Element: resource.NewProperty("")}

// What Terraform refuses, and what the emulator has nothing behind.
func TestCheck(t *testing.T) {
	e := start(t)
	const noProperty = "the emulator's gcp:container/cluster:Cluster has no property "
	for _, test := range []struct {
		typ    string
		inputs props
		want   string // "" accepts
	}{
		{clusterType, with(cluster, props{"location": unknown}), ""},
		{clusterType, with(cluster, props{"location": "Belgium"}), ""}, // Google's to refuse
		{clusterType, with(cluster, props{"location": nil}), "Missing required property 'location'"},
		{clusterType, with(cluster, props{"releaseChannel": props{}}), "Missing required property 'releaseChannel.channel'"},
		{clusterType, with(cluster, props{"enableAutopilot": true}), noProperty + "enableAutopilot"},
		{clusterType, with(cluster, props{"endpoint": "1.2.3.4"}), noProperty + "endpoint"},
		{clusterType, with(cluster, props{"masterAuthorizedNetworksConfig.cidrBlocks": []any{props{"cidrBlock": "10.0.0.0/8", "name": "x"}}}),
			noProperty + "masterAuthorizedNetworksConfig.cidrBlocks[0].name"},
		{clusterType, with(cluster, props{"removeDefaultNodePool": false}), "no default node pool"},
		{clusterType, with(cluster, props{"initialNodeCount": 0}), "must be at least 1"},
		{clusterType, with(cluster, props{"name": "Hello"}), `"name" can only contain lowercase letters, numbers and hyphens`},
		{clusterType, with(cluster, props{"name": "1st"}), `"name" must start with a letter`},
		{clusterType, with(cluster, props{"name": "last-"}), `"name" must end with a number or a letter`},
		{clusterType, with(cluster, props{"name": strings.Repeat("a", 41)}), `"name" cannot be longer than 40 characters`},
		{clusterType, with(cluster, props{"privateClusterConfig.masterIpv4CidrBlock": ""}), ""},
		{clusterType, with(cluster, props{"privateClusterConfig.masterIpv4CidrBlock": "172.16.0.0/24"}), "with 28 significant bits, got: 172.16.0.0/24"},
		{clusterType, with(cluster, props{"privateClusterConfig.masterIpv4CidrBlock": "172.16.0.1/28"}), "got: 172.16.0.1/28"},
		{nodePoolType, with(pool, props{"nodeConfig.gpu": 1}), "has no property nodeConfig.gpu"},
		{accountType, props{"accountId": "short"}, `"account_id" ("short") doesn't match regexp "^(?:[a-z](?:[-a-z0-9]{4,28}[a-z0-9]))$"`},
		{serviceType, props{"service": "container"}, "expected container to be a domain like serviceusage.googleapis.com"},
		{repositoryType, with(repository, props{"cleanupPolicies": []any{props{"action": "KEEP"}}}), "Missing required property 'cleanupPolicies[0].id'"},
		{repositoryType, with(repository, props{"format": "NPM"}), "the emulator's repositories are DOCKER, not NPM"},
		{iamMemberType, props{"project": "timber-project", "role": "viewer", "member": "someone"}, "invalid value for member (IAM members must have one of the values outlined here"},
		{"gcp:compute/network:Network", props{}, "the emulator has no gcp:compute/network:Network"},
	} {
		_, reason := e.check(test.typ, "x", test.inputs)
		if test.want == "" && reason != "" || !strings.Contains(reason, test.want) {
			t.Errorf("%s %v: got %q, want %q", test.typ, test.inputs, reason, test.want)
		}
	}
	// Where a program ignores changes, the engine hands in the inputs of before, with their defaults.
	e.up(clusterType, "before", with(cluster, props{"nodeConfig": props{"machineType": "e2-medium"}}))
	if again, reason := e.check(clusterType, "before", e.in["before"].Mappable()); reason != "" || !again["name"].DeepEquals(e.in["before"]["name"]) {
		t.Errorf("the inputs of before: %s, %v", reason, again)
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

func TestDiff(t *testing.T) {
	e := start(t)
	e.up(clusterType, "hello-timber", with(cluster, props{"name": "hello-timber"}))
	e.up(clusterType, "auto", cluster)
	e.up(nodePoolType, "pool", pool)
	e.up(accountType, "account", account)
	e.up(repositoryType, "repository", repository)
	named := with(cluster, props{"name": "hello-timber"})
	networks := func(all ...any) props { return with(cluster, props{"masterAuthorizedNetworksConfig.cidrBlocks": all}) }
	issue := func(certificate bool) props {
		return with(cluster, props{"masterAuth": props{"clientCertificateConfig": props{"issueClientCertificate": certificate}}})
	}
	for _, test := range []struct {
		typ, name string
		inputs    props
		want      string // "path kind", * marks replacement
	}{
		{clusterType, "auto", with(cluster, props{"enableLegacyAbac": false, "description": "", "resourceLabels": props{}}), ""},
		{clusterType, "auto", with(cluster, props{"resourceLabels": props{"a": "b"}}), "resourceLabels update resourceLabels.a add"},
		{clusterType, "auto", with(cluster, props{"releaseChannel": nil}), ""}, // Google fills it in: the old one stays
		{clusterType, "auto", networks(props{"cidrBlock": "10.1.0.0/16"}), "masterAuthorizedNetworksConfig.cidrBlocks[0].cidrBlock update"},
		{clusterType, "auto", networks(props{"cidrBlock": "10.1.0.0/16"}, props{"cidrBlock": "10.0.0.0/8"}),
			"masterAuthorizedNetworksConfig.cidrBlocks update masterAuthorizedNetworksConfig.cidrBlocks[0].cidrBlock update masterAuthorizedNetworksConfig.cidrBlocks[1].cidrBlock add"},
		{clusterType, "auto", with(cluster, props{"privateClusterConfig.enablePrivateEndpoint": true}), "privateClusterConfig.enablePrivateEndpoint update"},
		{clusterType, "auto", with(cluster, props{"privateClusterConfig.enablePrivateNodes": false}), "privateClusterConfig.enablePrivateNodes update*"},
		{clusterType, "auto", issue(false), ""}, // what Google chose anyway
		{clusterType, "auto", issue(true), "masterAuth.clientCertificateConfig.issueClientCertificate update*"},
		{clusterType, "auto", with(cluster, props{"network": "mine"}), "network update*"},
		{clusterType, "auto", with(cluster, props{"subnetwork": "nodes"}), "subnetwork update*"},
		{clusterType, "hello-timber", with(named, props{"location": "europe-west1"}), "location update* delete first"},
		{clusterType, "hello-timber", with(named, props{"name": "other"}), "name update*"},
		{nodePoolType, "pool", with(pool, props{"autoscaling": props{"minNodeCount": 3, "maxNodeCount": 6}}),
			"autoscaling update autoscaling.locationPolicy add autoscaling.maxNodeCount add autoscaling.minNodeCount add"},
		{nodePoolType, "pool", with(pool, props{"nodeConfig.oauthScopes": []any{"cloud-platform", "monitoring"}}), "nodeConfig.oauthScopes update*"},
		{nodePoolType, "pool", with(pool, props{"nodeConfig.labels": props{}}), "nodeConfig.labels update nodeConfig.labels.a delete"},
		{nodePoolType, "pool", with(pool, props{"nodeConfig.shieldedInstanceConfig.enableIntegrityMonitoring": false}), "nodeConfig.shieldedInstanceConfig.enableIntegrityMonitoring update*"},
		{nodePoolType, "pool", with(pool, props{"cluster": unknown}), "cluster update*"},
		{accountType, "account", with(account, props{"displayName": "nodes"}), "displayName add"},
		{accountType, "account", with(account, props{"project": "other-project"}), "project update*"},
		{repositoryType, "repository", with(repository, props{"labels": props{"owner": "team"}}), "effectiveLabels update labels update labels.owner add pulumiLabels update"},
	} {
		if got := e.changes(test.typ, test.name, test.inputs, "nodeConfig.resourceLabels", "nodeConfig.kubeletConfig"); got != test.want {
			t.Errorf("%s %v: got %q, want %q", test.name, test.inputs, got, test.want)
		}
	}
	// What GKE sets on node pools today shows as a change at every run, until the program
	// ignores exactly that. Another update does not help.
	e.up(nodePoolType, "pool", pool)
	const labels, kubelet = "nodeConfig.resourceLabels update nodeConfig.resourceLabels[\"goog-gke-node-pool-provisioning-model\"] delete", "nodeConfig.kubeletConfig update"
	for ignored, want := range map[string]string{
		"": kubelet + " " + labels, "nodeConfig.resourceLabels": kubelet, "nodeConfig.kubeletConfig": labels, "nodeConfig": "",
	} {
		if got := e.changes(nodePoolType, "pool", pool, strings.Fields(ignored)...); got != want {
			t.Errorf("ignoring %q: got %q, want %q", ignored, got, want)
		}
	}
}

func TestClusterLife(t *testing.T) {
	e := start(t)
	t.Setenv("KUBECONFIG", filepath.Join(filepath.Dir(e.records.Dir), "kubeconfig-local"))
	protected := with(cluster, props{"deletionProtection": nil, "name": "timber"})
	outputs := e.up(clusterType, "c", protected)
	const context = "gke_timber-project_europe-west1-d_timber"
	if config, err := clientcmd.LoadFromFile(os.Getenv("KUBECONFIG")); err != nil || config.CurrentContext != context || config.Clusters[context].Server != "https://172.30.0.2" {
		t.Errorf("kubectl would use %+v, %v", config, err)
	}
	if outputs["endpoint"] != "172.30.0.2" || outputs["project"] != "timber-project" || outputs[maker] != nil {
		t.Errorf("outputs %v", outputs)
	}
	if err := e.down(clusterType, "c"); err == nil || !strings.HasPrefix(err.Error(), "Cannot destroy cluster because deletion_protection is set to true. Set it to false to proceed with cluster deletion.") {
		t.Errorf("a protected cluster: %v", err)
	}
	outputs = e.up(clusterType, "c", with(protected, props{"deletionProtection": false, "masterAuth": props{"clientCertificateConfig": props{"issueClientCertificate": false}}}))
	if outputs["endpoint"] != "172.30.0.2" || outputs["masterAuth"].(props)["clusterCaCertificate"] != "Q0E=" {
		t.Errorf("outputs after an update %v", outputs)
	}
	imported, err := e.Read(t.Context(), plugin.ReadRequest{URN: urn(clusterType, "c"), Type: clusterType, ID: e.ids["c"]})
	if err != nil || imported.Inputs["name"].StringValue() != "timber" || imported.Inputs.HasValue("endpoint") || imported.Inputs["masterAuth"].ObjectValue().HasValue("clusterCaCertificate") {
		t.Errorf("import: %v, %v", imported.Inputs, err)
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
	if err := e.down(clusterType, "c"); err != nil || e.refresh(clusterType, "c") || e.refresh(nodePoolType, "pool") || len(e.docker.clusters) > 0 {
		t.Errorf("something of the cluster is left: %v", err)
	}
	delete(e.ids, "c")
	e.up(clusterType, "c", with(protected, props{"deletionProtection": false}))
	delete(e.docker.clusters, "timber") // by docker rm
	if gone := !e.refresh(clusterType, "c"); !gone || e.count(clusterType) != 0 {
		t.Errorf("a cluster whose containers are gone: %t, %d records", gone, e.count(clusterType))
	}
	if err := e.down(clusterType, "c"); err != nil {
		t.Errorf("deleted again: %v", err)
	}
}

func TestFailedCreate(t *testing.T) {
	e := start(t)
	e.docker.fail = errors.New("no room")
	if err := e.try(clusterType, "c", cluster); err == nil || !strings.Contains(err.Error(), "no room") || e.count(clusterType)+len(e.docker.clusters) > 0 {
		t.Errorf("failure: %v, left %v", err, e.docker.clusters)
	}
	e.docker.fail = nil
	e.up(clusterType, "hello-timber", with(cluster, props{"name": "hello-timber"}))
	e.docker.fail = errors.New("no node")
	if err := e.try(nodePoolType, "pool", with(pool, props{"name": "p"})); err == nil || !strings.HasPrefix(e.docker.did, "resize hello-timber/p to 0") {
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

// A killed run leaves a control plane and its record. The next run removes both, unless
// the process that creates it is still there: of another user's, kill reports EPERM.
func TestKilledCreate(t *testing.T) {
	for answer, removed := range map[error]bool{nil: false, syscall.EPERM: false, syscall.ESRCH: true} {
		e := start(t)
		properties := values(with(cluster, props{"name": "timber", "project": "timber-project", maker: 4711})).Mappable()
		if err := e.records.Put(clusterType, records.Record{ID: types[clusterType].Identify(properties), Properties: properties}); err != nil {
			t.Fatal(err)
		}
		e.docker.clusters["timber"] = true
		e.signal = func(pid int) error {
			if pid != 4711 {
				t.Errorf("asked for process %d", pid)
			}
			return answer
		}
		if _, err := e.Configure(t.Context(), plugin.ConfigureRequest{}); err != nil {
			t.Fatal(err)
		}
		if e.docker.clusters["timber"] == removed || (e.count(clusterType) == 0) != removed {
			t.Errorf("kill answers %v: clusters %v, %d records", answer, e.docker.clusters, e.count(clusterType))
		}
	}
}

// Whatever form a network is given in, Google answers with its path, and there is
// nothing to change.
func TestNetworks(t *testing.T) {
	e := start(t)
	const here, host, compute = "projects/timber-project/", "projects/host-project/", "https://www.googleapis.com/compute/v1/"
	for name, test := range map[string]struct {
		changes             props
		network, subnetwork string
	}{
		"default": {props{}, here + "global/networks/default", here + "regions/europe-west1/subnetworks/default"},
		"auto":    {props{"network": "mine"}, here + "global/networks/mine", here + "regions/europe-west1/subnetworks/mine"},
		"custom":  {props{"network": "mine", "subnetwork": "nodes"}, here + "global/networks/mine", here + "regions/europe-west1/subnetworks/nodes"},
		"shared": {props{"network": host + "global/networks/shared", "subnetwork": host + "regions/us-central1/subnetworks/nodes", "location": "us-central1"},
			host + "global/networks/shared", host + "regions/us-central1/subnetworks/nodes"},
		"urls": {props{"network": compute + host + "global/networks/shared", "subnetwork": compute + host + "regions/europe-west1/subnetworks/nodes"},
			host + "global/networks/shared", host + "regions/europe-west1/subnetworks/nodes"},
	} {
		inputs := with(cluster, test.changes)
		if out := e.up(clusterType, name, inputs); out["network"] != test.network || out["subnetwork"] != test.subnetwork {
			t.Errorf("%s: the cluster is in %v, %v", name, out["network"], out["subnetwork"])
		}
		if before, there := e.changes(clusterType, name, inputs), e.refresh(clusterType, name); before != "" || !there || e.changes(clusterType, name, inputs) != "" {
			t.Errorf("%s: the cluster changes: %s", name, before)
		}
	}
}

func TestNodePool(t *testing.T) {
	e := start(t)
	e.up(clusterType, "hello-timber", with(cluster, props{"name": "hello-timber"}))
	e.up(clusterType, "regional", with(cluster, props{"name": "hello-timber", "location": "europe-west1"}))
	email := e.up(accountType, "account", account)["email"].(string)
	for _, test := range []struct {
		name    string
		changes props
		did     string
	}{
		{"zonal", props{}, "to 3 in [europe-west1-d] for "},
		{"regional-pool", props{"location": "europe-west1", "nodeCount": 1}, "to 1 in [europe-west1-b europe-west1-c europe-west1-d] for "},
		{"two-zones", props{"location": "europe-west1", "nodeCount": 2, "nodeLocations": []any{"europe-west1-b", "europe-west1-c"}}, "to 2 in [europe-west1-b europe-west1-c] for "},
		{"with-account", props{"nodeConfig.serviceAccount": email}, "to 3 in [europe-west1-d] for " + email},
	} {
		e.up(nodePoolType, test.name, with(with(pool, test.changes), props{"name": test.name}))
		if !strings.HasSuffix(e.docker.did, test.did) {
			t.Errorf("%s: did %q, want %q", test.name, e.docker.did, test.did)
		}
	}
	if labels := poolOf(pool).Labels; !reflect.DeepEqual(labels, map[string]string{"a": "b", spotLabel: "true"}) {
		t.Errorf("nodes are labelled %v", labels)
	}
	// Drift: a node that was removed manually comes back with the next update.
	named := with(pool, props{"name": "zonal"})
	e.docker.nodes["hello-timber/zonal"]["europe-west1-d"] = 2
	if there, got := e.refresh(nodePoolType, "zonal"), e.changes(nodePoolType, "zonal", named, "nodeConfig"); !there || got != "nodeCount update" {
		t.Errorf("drift not seen: %s", got)
	}
	e.up(nodePoolType, "zonal", named)
	if got := e.docker.nodes["hello-timber/zonal"]["europe-west1-d"]; got != 3 {
		t.Errorf("%d nodes after the update", got)
	}
	if err := e.down(nodePoolType, "zonal"); err != nil || !strings.Contains(e.docker.did, "resize hello-timber/zonal to 0") || e.refresh(nodePoolType, "zonal") {
		t.Errorf("delete: %v, %s", err, e.docker.did)
	}
}

func TestRepository(t *testing.T) {
	e := start(t)
	if outputs := e.up(repositoryType, "r", repository); outputs["name"] != "hello-timber-dev" || outputs["createTime"] == "" || !e.docker.registry {
		t.Errorf("outputs %v", outputs)
	}
	e.up(repositoryType, "other", with(repository, props{"repositoryId": "other"}))
	if outputs := e.up(repositoryType, "r", with(repository, props{"dockerConfig": props{"immutableTags": true}})); outputs["dockerConfig"].(props)["immutableTags"] != true {
		t.Errorf("outputs %v", outputs)
	}
	if err := e.down(repositoryType, "r"); err != nil || !e.docker.registry || e.docker.did != "empty timber-project/hello-timber-dev" {
		t.Errorf("first delete: %v, registry %t, did %s", err, e.docker.registry, e.docker.did)
	}
	if err := e.down(repositoryType, "other"); err != nil || e.docker.registry {
		t.Errorf("last delete: %v, registry %t", err, e.docker.registry)
	}
}

func TestServices(t *testing.T) {
	e := start(t)
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

// What Google refuses, it refuses when the resource is created or changed: check and
// preview know nothing of it.
func TestGoogleRefuses(t *testing.T) {
	e := start(t)
	e.up(clusterType, "hello-timber", with(cluster, props{"name": "hello-timber"}))
	e.up(repositoryType, "existing", repository)
	e.up(accountType, "account", account)
	long := strings.Repeat("a", 64)
	many := props{}
	for i := range 65 {
		many[fmt.Sprint("label-", i)] = ""
	}
	machine := func(machine string, disk any) props {
		return with(pool, props{"nodeConfig.machineType": machine, "nodeConfig.diskType": disk})
	}
	labelled := func(labels props) props { return with(cluster, props{"resourceLabels": labels}) }
	grant := props{"project": "timber-project", "member": "user:someone@example.com"}
	reader := props{"repository": "hello-timber-dev", "location": "europe-west1", "role": "roles/artifactregistry.reader",
		"member": "serviceAccount:hello-timber-dev@timber-project.iam.gserviceaccount.com"}
	for _, test := range []struct {
		typ    string
		inputs props
		want   string // "" is accepted
	}{
		{clusterType, with(cluster, props{"location": "Belgium"}), "googleapi: Error 403: Permission denied on 'locations/Belgium' (or it may not exist)., forbidden"},
		{clusterType, with(cluster, props{"project": "Timber"}), "googleapi: Error 403: Permission denied on resource project Timber., forbidden"},
		{clusterType, labelled(props{"project": "My.Shop"}), `googleapi: Error 400: Invalid label "project": "My.Shop". Both must only contain`},
		{clusterType, labelled(props{"Owner": "team"}), `Invalid label "Owner"`},
		{clusterType, labelled(props{long: ""}), "Invalid label"},
		{clusterType, labelled(many), "65 are more than 64"},
		{clusterType, labelled(props{"größe": "größe_1-a", "empty": ""}), ""},
		{clusterType, with(cluster, props{"network": "projects/host-project/global/networks/shared", "subnetwork": "nodes"}),
			`googleapi: Error 400: Subnetwork "projects/timber-project/regions/europe-west1/subnetworks/nodes" is not valid for Network "shared"., badRequest`},
		{clusterType, with(cluster, props{"subnetwork": "projects/timber-project/regions/us-central1/subnetworks/default"}), "is not valid for Network"},
		{clusterType, with(cluster, props{"ipAllocationPolicy": props{"clusterSecondaryRangeName": "a", "servicesSecondaryRangeName": "a"}}), "Pod secondary range name (a) should not be the same"},
		{repositoryType, with(repository, props{"repositoryId": "labelled", "labels": props{"1st": ""}}), `Invalid label "1st": ""`},
		{repositoryType, with(repository, props{"repositoryId": "Hello_timber"}), `invalid repository id "Hello_timber"`},
		{repositoryType, with(repository, props{"repositoryId": "zonal", "location": "europe-west1-d"}), "is no region"},
		{repositoryType, repository, "googleapi: Error 409: Already exists"},
		{repositoryIAMType, reader, ""},
		{repositoryIAMType, with(reader, props{"repository": "other"}), "Not found: projects/timber-project/locations/europe-west1/repositories/other"},
		{repositoryIAMType, with(reader, props{"member": "serviceAccount:stranger@timber-project.iam.gserviceaccount.com"}), "Service account stranger@timber-project.iam.gserviceaccount.com does not exist"},
		{iamMemberType, with(grant, props{"role": "viewer"}), "googleapi: Error 400: Role viewer is not supported for this resource., badRequest"},
		{iamMemberType, with(grant, props{"role": "projects/timber-project/roles/custom"}), ""},
		{nodePoolType, with(pool, props{"cluster": "other"}), "Not found: projects/timber-project/locations/europe-west1-d/clusters/other"},
		{nodePoolType, with(pool, props{"nodeConfig.serviceAccount": "stranger@timber-project.iam.gserviceaccount.com"}), "Service account stranger@timber-project.iam.gserviceaccount.com does not exist"},
		{nodePoolType, machine("e2-custom-4-8192", "pd-standard"), ""},
		{nodePoolType, machine("c3-standard-4", "pd-standard"), "googleapi: Error 400: pd-standard disk type cannot be used by c3-standard-4 machine type., badRequest"},
		{nodePoolType, machine("c3-standard-4-lssd", "pd-balanced"), ""},
		{nodePoolType, machine("n4-standard-2", "pd-balanced"), "pd-balanced disk type cannot be used by n4-standard-2"},
		{nodePoolType, machine("n4-standard-2", nil), ""}, // GKE takes what fits
		{nodePoolType, machine("x9-standard-2", nil), `googleapi: Error 400: Invalid machine type "x9-standard-2": GCE_NOT_FOUND`},
		{nodePoolType, machine("e2-huge", nil), `Invalid machine type "e2-huge"`},
	} {
		checked, reason := e.check(test.typ, "new", test.inputs)
		if reason != "" {
			t.Errorf("%v: refused before Google is asked: %s", test.inputs, reason)
		}
		if _, err := e.Create(t.Context(), plugin.CreateRequest{URN: urn(test.typ, "new"), Type: tokens.Type(test.typ), Properties: checked, Preview: true}); err != nil {
			t.Errorf("%v: refused in a preview: %v", test.inputs, err)
		}
		before := e.count(test.typ)
		err := e.try(test.typ, "new", test.inputs)
		if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
			t.Errorf("%v: got %v, want %q", test.inputs, err, test.want)
		}
		if err != nil && e.count(test.typ) != before {
			t.Errorf("%v: refused, and yet there", test.inputs)
		}
		if err == nil {
			if err := e.down(test.typ, "new"); err != nil {
				t.Fatal(err)
			}
			delete(e.ids, "new")
		}
	}
	e.up(nodePoolType, "pool", pool)
	if err := e.try(nodePoolType, "pool", machine("c4-standard-2", "pd-standard")); err == nil || !strings.Contains(err.Error(), "cannot be used by c4-standard-2") {
		t.Errorf("a change to what is refused of a new one: %v", err)
	}
}

// The file of an entry has a certificate for its host. It is there as long as the entry. A Gateway needs a cluster that has the Gateway API.
func TestCertificate(t *testing.T) {
	const types, host = "gcp:certificatemanager/", "timber.example.com"
	e := start(t)
	e.up(serviceType, "certificatemanager", props{"service": certificateManager.host, "disableOnDestroy": false})
	e.up(types+"certificate:Certificate", "issued", props{"managed": props{"domains": []any{host}}})
	if e.refresh(types+"certificate:Certificate", "issued"); e.out["issued"].Mappable()["managed"].(props)["state"] != "ACTIVE" {
		t.Errorf("the certificate is %v", e.out["issued"])
	}
	name := e.up(types+"certificateMap:CertificateMap", "map", nil)["name"]
	e.up(types+"certificateMapEntry:CertificateMapEntry", "entry", props{"map": name, "hostname": host, "certificates": []any{string(e.ids["issued"])}})

	files, err := filepath.Glob(filepath.Join(e.records.Dir, "certificates", fmt.Sprintf("projects~timber-project~%s~%s.pem", name, host)))
	if err != nil || len(files) != 1 {
		t.Fatalf("files: %q, %v", files, err)
	}
	if pair, err := tls.LoadX509KeyPair(files[0], files[0]); err != nil || pair.Leaf.VerifyHostname(host) != nil {
		t.Errorf("the file has %v, %v", pair.Leaf, err)
	}
	if err := e.down(types+"certificateMapEntry:CertificateMapEntry", "entry"); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(files[0]); err == nil {
		t.Errorf("%s is left", files[0])
	}

	e.up(clusterType, "cluster", cluster)
	if e.up(clusterType, "cluster", with(cluster, props{"gatewayApiConfig": props{"channel": "CHANNEL_STANDARD"}})); !strings.HasPrefix(e.docker.did, "gateways of cluster-") {
		t.Errorf("the last is: %s", e.docker.did)
	}
}

// The emulator reads no state of real resources, which it would not find.
func TestOnlyTheEmulatorsState(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a b#c")
	if err := os.MkdirAll(filepath.Join(dir, "state"), 0o700); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(dir, link); err != nil {
		t.Fatal(err)
	}
	file := func(path string) string { return (&url.URL{Scheme: "file", Path: path}).String() }
	for backend, ok := range map[string]bool{
		file(filepath.Join(dir, "state")): true, file(filepath.Join(link, "state")): true, file(dir): false,
		"gs://acme-timber-dev": false, "https://api.pulumi.com": false, "": false,
	} {
		if err := checkState(dir, backend); (err == nil) != ok {
			t.Errorf("%q: %v", backend, err)
		}
	}
}
