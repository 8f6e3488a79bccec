package gcp

import (
	"fmt"
	"strings"
	"syscall"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
	"github.com/pulumi/pulumi/sdk/v3/go/common/tokens"

	"hello-timber/emulator/gke"
	"hello-timber/emulator/records"
)

// labels returns n labels.
func labels(n int) props {
	many := props{}
	for i := range n {
		many[fmt.Sprintf("label-%d", i)] = "x"
	}
	return many
}

// What Google refuses, it refuses when the resource is created: check and preview
// know nothing of it.
func TestGoogleRefuses(t *testing.T) {
	e := start(t, nil)
	e.up(clusterType, "hello-timber", with(cluster, props{"name": "hello-timber"}))
	e.up(repositoryType, "existing", with(repository, props{"repositoryId": "existing"}))
	long := strings.Repeat("a", 64)
	machine := func(machine string, disk any) props {
		return with(pool, props{"nodeConfig.machineType": machine, "nodeConfig.diskType": disk})
	}
	grant := props{"project": "timber-project", "member": "user:someone@example.com"}
	for _, test := range []struct {
		typ    string
		inputs props
		want   string // "" is accepted
	}{
		{clusterType, with(cluster, props{"location": "Belgium"}), "googleapi: Error 403: Permission denied on 'locations/Belgium' (or it may not exist)., forbidden"},
		{clusterType, with(cluster, props{"project": "Timber"}), "googleapi: Error 403: Permission denied on resource project Timber., forbidden"},
		{clusterType, with(cluster, props{"resourceLabels": props{"project": "My.Shop"}}),
			`googleapi: Error 400: Invalid field 'cluster.resource_labels.value': "My.Shop". It must only contain lowercase letters ([a-z]), numeric characters ([0-9]), underscores (_) and dashes (-). International characters are allowed., badRequest`},
		{clusterType, with(cluster, props{"resourceLabels": props{"Owner": "team"}}), `Invalid field 'cluster.resource_labels.key': "Owner". It must begin with a lowercase letter.`},
		{clusterType, with(cluster, props{"resourceLabels": props{"example.com/owner": "team"}}), `Invalid field 'cluster.resource_labels.key': "example.com/owner". It must only contain`},
		{clusterType, with(cluster, props{"resourceLabels": props{"owner": long}}), "at most 63 characters"},
		{clusterType, with(cluster, props{"resourceLabels": props{long: ""}}), "at most 63 characters"},
		{clusterType, with(cluster, props{"resourceLabels": labels(65)}), "at most 64 entries"},
		{clusterType, with(cluster, props{"resourceLabels": with(labels(62), props{"größe": "größe_1-a", "empty": ""})}), ""},
		{clusterType, with(cluster, props{"network": "projects/host-project/global/networks/shared", "subnetwork": "nodes"}),
			`googleapi: Error 400: Subnetwork "projects/timber-project/regions/europe-west1/subnetworks/nodes" is not valid for Network "shared"., badRequest`},
		{clusterType, with(cluster, props{"subnetwork": "projects/timber-project/regions/us-central1/subnetworks/default"}), "is not valid for Network"},
		{clusterType, with(cluster, props{"ipAllocationPolicy": props{"clusterSecondaryRangeName": "a", "servicesSecondaryRangeName": "a"}}),
			"googleapi: Error 400: Pod secondary range name (a) should not be the same as service secondary range name., badRequest"},
		{clusterType, with(cluster, props{"privateClusterConfig.masterIpv4CidrBlock": "172.17.3.0/28"}), "The IP range 172.17.0.0/16 is reserved for the Docker bridge network."},
		{repositoryType, with(repository, props{"labels": props{"example.com/env": "dev"}}),
			`Error creating Repository: googleapi: Error 400: invalid repository labels (&map[example.com/env:dev]): key "example.com/env" contains invalid character '.' at index 7`},
		{repositoryType, with(repository, props{"labels": props{"owner": "Team"}}), `value "Team" contains invalid character 'T' at index 0`},
		{repositoryType, with(repository, props{"labels": props{"1st": ""}}), `key "1st" must begin with a lowercase letter`},
		{repositoryType, with(repository, props{"labels": props{"owner": long}}), "longer than 63 characters"},
		{repositoryType, with(repository, props{"labels": labels(65)}), "65 labels are more than 64"},
		{repositoryType, with(repository, props{"repositoryId": "Hello_timber"}), `invalid repository id "Hello_timber"`},
		{repositoryType, with(repository, props{"location": "europe-west1-d"}), "is no region"},
		{repositoryType, with(repository, props{"repositoryId": "existing"}), "googleapi: Error 409: Already exists"},
		{iamMemberType, with(grant, props{"role": "viewer"}), "googleapi: Error 400: Role viewer is not supported for this resource., badRequest"},
		{iamMemberType, with(grant, props{"role": "projects/timber-project/roles/custom"}), ""},
		{nodePoolType, machine("n1-standard-1", "pd-standard"), ""},
		{nodePoolType, machine("e2-custom-4-8192", "pd-standard"), ""},
		{nodePoolType, machine("n2d-standard-2", "pd-standard"), ""},
		{nodePoolType, machine("c3-standard-4", "pd-standard"), "error creating NodePool: googleapi: Error 400: pd-standard disk type cannot be used by c3-standard-4 machine type., badRequest"},
		{nodePoolType, machine("c3-standard-4", "pd-balanced"), ""},
		{nodePoolType, machine("c4-standard-2", "pd-standard"), "pd-standard disk type cannot be used by c4-standard-2"},
		{nodePoolType, machine("n4-standard-2", "pd-balanced"), "pd-balanced disk type cannot be used by n4-standard-2"},
		{nodePoolType, machine("n4-standard-2", "hyperdisk-balanced"), ""},
		{nodePoolType, machine("n4-standard-2", nil), ""}, // GKE takes what fits
		{nodePoolType, machine("e2-medium", "hyperdisk-balanced"), "hyperdisk-balanced disk type cannot be used by e2-medium"},
		{nodePoolType, machine("x9-standard-2", nil), `googleapi: Error 400: Invalid machine type "x9-standard-2" in zone "europe-west1-d": GCE_NOT_FOUND`},
		{nodePoolType, machine("e2-huge", nil), `Invalid machine type "e2-huge"`},
		{nodePoolType, machine("f1-micro", nil), "Node pools of f1-micro machines are not supported due to insufficient memory."},
	} {
		name := strings.ReplaceAll(fmt.Sprint(test.typ, len(e.docker.did), test.inputs), ":", "")
		if s := types[test.typ].schema(); s.named {
			test.inputs = with(test.inputs, props{"name": fmt.Sprintf("name-%d", len(e.docker.did))})
		}
		checked, reason := e.check(test.typ, name, test.inputs)
		if reason != "" {
			t.Errorf("%v: refused before Google is asked: %s", test.inputs, reason)
			continue
		}
		if _, err := e.Create(t.Context(), plugin.CreateRequest{URN: urn(test.typ, "x"), Type: tokens.Type(test.typ), Properties: checked, Preview: true}); err != nil {
			t.Errorf("%v: refused in a preview: %v", test.inputs, err)
		}
		before := len(e.docker.clusters) + len(e.docker.nodes)
		err := e.try(test.typ, name, test.inputs)
		if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
			t.Errorf("%v: got %v, want %q", test.inputs, err, test.want)
		}
		if after := len(e.docker.clusters); err != nil && test.typ == clusterType && after > before {
			t.Errorf("%v: refused, and yet there", test.inputs)
		}
	}
}

// What is refused of a new resource is refused of a changed one.
func TestGoogleRefusesChanges(t *testing.T) {
	e := start(t, nil)
	named := with(cluster, props{"name": "hello-timber"})
	e.up(clusterType, "hello-timber", named)
	e.up(nodePoolType, "pool", pool)
	for name, test := range map[string]struct {
		typ    string
		inputs props
		want   string
	}{
		"hello-timber": {clusterType, with(named, props{"resourceLabels": props{"Owner": "team"}}), "begin with a lowercase letter"},
		"pool":         {nodePoolType, with(pool, props{"nodeConfig.machineType": "c4-standard-2", "nodeConfig.diskType": "pd-standard"}), "cannot be used by c4-standard-2"},
	} {
		if err := e.try(test.typ, name, test.inputs); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: got %v, want %q", name, err, test.want)
		}
	}
}

func TestQuota(t *testing.T) {
	e := start(t, nil)
	limit := func(metric string, value any) {
		t.Helper()
		if err := e.records.Put(quotaType, records.Record{ID: "timber-project/europe-west1/" + metric, Properties: props{"limit": value}}); err != nil {
			t.Fatal(err)
		}
	}
	e.up(clusterType, "hello-timber", with(cluster, props{"name": "hello-timber"}))
	e.up(nodePoolType, "first", with(pool, props{"nodeConfig.machineType": "n1-standard-2"})) // 6 of the processors
	limit("CPUS", 8.0)
	limit("N2_CPUS", 4.0)
	for i, test := range []struct {
		changes props
		want    string
	}{
		{props{"nodeConfig.machineType": "e2-standard-4"}, `error creating NodePool: googleapi: Error 403: Insufficient regional quota to satisfy request: resource "CPUS": ` +
			`request requires '12.0' and is short '10.0'. project has a quota of '8.0' with '2.0' available. ` +
			`View and manage quotas at https://console.cloud.google.com/iam-admin/quotas?usage=USED&project=timber-project., forbidden`},
		{props{"nodeConfig.machineType": "n2-standard-2"}, `resource "N2_CPUS": request requires '6.0' and is short '2.0'`},
		{props{"nodeConfig.machineType": "t2d-standard-8"}, ""},
		{props{"nodeConfig.machineType": "e2-standard-2", "nodeCount": 1}, ""},
	} {
		err := e.try(nodePoolType, fmt.Sprintf("pool-%d", i), with(pool, test.changes))
		if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
			t.Errorf("%v: got %v, want %q", test.changes, err, test.want)
		}
	}
	// All 8 are in use now: a pool may shrink, and may not grow.
	if err := e.try(nodePoolType, "first", with(pool, props{"nodeConfig.machineType": "n1-standard-2", "nodeCount": 4})); err == nil ||
		!strings.Contains(err.Error(), "request requires '2.0' and is short '2.0'") {
		t.Errorf("growing: %v", err)
	}
	e.up(nodePoolType, "first", with(pool, props{"nodeConfig.machineType": "n1-standard-2", "nodeCount": 2}))
	limit("CPUS", "eight")
	if err := e.try(nodePoolType, "first", with(pool, props{"nodeConfig.machineType": "n1-standard-2", "nodeCount": 3})); err == nil || !strings.Contains(err.Error(), "has no number limit") {
		t.Errorf("a limit that is no number: %v", err)
	}
}

func TestProcessors(t *testing.T) {
	for machine, want := range map[string]int{"e2-micro": 2, "e2-medium": 2, "g1-small": 1, "n1-standard-1": 1, "e2-highcpu-16": 16, "n2-custom-6-3072": 6,
		"c3-standard-8-lssd": 8, "a2-highgpu-1g": 1, "standard": 0, "": 0} {
		if got := processors(machine); got != want {
			t.Errorf("%s has %d processors, want %d", machine, got, want)
		}
	}
	if metric, region := quotaOf(gke.Pool{MachineType: "c3d-standard-4", Cluster: gke.Cluster{Location: "europe-west1-d"}}); metric != "C3D_CPUS" || region != "europe-west1" {
		t.Errorf("quota %s in %s", metric, region)
	}
}

// Only a process that is gone has left something behind: of another user's, kill
// reports EPERM.
func TestSweepAsksForTheProcess(t *testing.T) {
	for answer, removed := range map[error]bool{nil: false, syscall.EPERM: false, syscall.ESRCH: true} {
		e := start(t, nil)
		properties := values(with(cluster, props{"name": "timber", "project": "timber-project", maker: 4711})).Mappable()
		if err := e.records.Put(clusterType, records.Record{ID: clusterSchema.identify(properties), Properties: properties}); err != nil {
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
		if there := e.docker.clusters["timber"]; there == removed {
			t.Errorf("kill answers %v: the cluster is there: %t", answer, there)
		}
	}
}
