package gcp

import (
	"fmt"
	"strings"
	"syscall"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
	"github.com/pulumi/pulumi/sdk/v3/go/common/tokens"

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
		{clusterType, with(cluster, props{"resourceLabels": props{"project": "My.Shop"}}), `googleapi: Error 400: Invalid label "project": "My.Shop". Both must only contain`},
		{clusterType, with(cluster, props{"resourceLabels": props{"Owner": "team"}}), `Invalid label "Owner"`},
		{clusterType, with(cluster, props{"resourceLabels": props{"example.com/owner": "team"}}), `Invalid label "example.com/owner"`},
		{clusterType, with(cluster, props{"resourceLabels": props{"owner": long}}), "Invalid label"},
		{clusterType, with(cluster, props{"resourceLabels": props{long: ""}}), "Invalid label"},
		{clusterType, with(cluster, props{"resourceLabels": labels(65)}), "65 are more than 64"},
		{clusterType, with(cluster, props{"resourceLabels": with(labels(62), props{"größe": "größe_1-a", "empty": ""})}), ""},
		{clusterType, with(cluster, props{"network": "projects/host-project/global/networks/shared", "subnetwork": "nodes"}),
			`googleapi: Error 400: Subnetwork "projects/timber-project/regions/europe-west1/subnetworks/nodes" is not valid for Network "shared"., badRequest`},
		{clusterType, with(cluster, props{"subnetwork": "projects/timber-project/regions/us-central1/subnetworks/default"}), "is not valid for Network"},
		{clusterType, with(cluster, props{"ipAllocationPolicy": props{"clusterSecondaryRangeName": "a", "servicesSecondaryRangeName": "a"}}),
			"googleapi: Error 400: Pod secondary range name (a) should not be the same as service secondary range name., badRequest"},
		{clusterType, with(cluster, props{"privateClusterConfig.masterIpv4CidrBlock": "172.17.3.0/28"}), "The IP range 172.17.0.0/16 is reserved for the Docker bridge network."},
		{repositoryType, with(repository, props{"labels": props{"1st": ""}}), `Invalid label "1st": ""`},
		{repositoryType, with(repository, props{"repositoryId": "Hello_timber"}), `invalid repository id "Hello_timber"`},
		{repositoryType, with(repository, props{"location": "europe-west1-d"}), "is no region"},
		{repositoryType, with(repository, props{"repositoryId": "existing"}), "googleapi: Error 409: Already exists"},
		{iamMemberType, with(grant, props{"role": "viewer"}), "googleapi: Error 400: Role viewer is not supported for this resource., badRequest"},
		{iamMemberType, with(grant, props{"role": "projects/timber-project/roles/custom"}), ""},
		{nodePoolType, machine("n1-standard-1", "pd-standard"), ""},
		{nodePoolType, machine("e2-custom-4-8192", "pd-standard"), ""},
		{nodePoolType, machine("n2d-standard-2", "pd-standard"), ""},
		{nodePoolType, machine("c3-standard-4", "pd-standard"), "googleapi: Error 400: pd-standard disk type cannot be used by c3-standard-4 machine type., badRequest"},
		{nodePoolType, machine("c3-standard-4", "pd-balanced"), ""},
		{nodePoolType, machine("c4-standard-2", "pd-standard"), "pd-standard disk type cannot be used by c4-standard-2"},
		{nodePoolType, machine("n4-standard-2", "pd-balanced"), "pd-balanced disk type cannot be used by n4-standard-2"},
		{nodePoolType, machine("n4-standard-2", "hyperdisk-balanced"), ""},
		{nodePoolType, machine("n4-standard-2", nil), ""}, // GKE takes what fits
		{nodePoolType, machine("e2-medium", "hyperdisk-balanced"), "hyperdisk-balanced disk type cannot be used by e2-medium"},
		{nodePoolType, machine("x9-standard-2", nil), `googleapi: Error 400: Invalid machine type "x9-standard-2": GCE_NOT_FOUND`},
		{nodePoolType, machine("e2-huge", nil), `Invalid machine type "e2-huge"`},
		{nodePoolType, machine("f1-micro", nil), `Invalid machine type "f1-micro"`},
	} {
		name := strings.ReplaceAll(fmt.Sprint(test.typ, len(e.docker.did), test.inputs), ":", "")
		if types[test.typ].Named {
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
		"hello-timber": {clusterType, with(named, props{"resourceLabels": props{"Owner": "team"}}), "a key must begin with a letter"},
		"pool":         {nodePoolType, with(pool, props{"nodeConfig.machineType": "c4-standard-2", "nodeConfig.diskType": "pd-standard"}), "cannot be used by c4-standard-2"},
	} {
		if err := e.try(test.typ, name, test.inputs); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: got %v, want %q", name, err, test.want)
		}
	}
}

// Only a process that is gone has left something behind: of another user's, kill
// reports EPERM.
func TestSweepAsksForTheProcess(t *testing.T) {
	for answer, removed := range map[error]bool{nil: false, syscall.EPERM: false, syscall.ESRCH: true} {
		e := start(t, nil)
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
		if there := e.docker.clusters["timber"]; there == removed {
			t.Errorf("kill answers %v: the cluster is there: %t", answer, there)
		}
	}
}
