package gcp

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
	"github.com/pulumi/pulumi/sdk/v3/go/common/tokens"

	"hello-timber/emulator/gke"
	"hello-timber/emulator/records"
)

type props = map[string]any

const (
	iamMemberType     = "gcp:projects/iAMMember:IAMMember"
	repositoryIAMType = "gcp:artifactregistry/repositoryIamMember:RepositoryIamMember"
)

// fakeBackend remembers what would run, and what was done.
type fakeBackend struct {
	clusters map[string]bool
	nodes    map[string]map[string]int // by cluster/pool and zone
	registry bool
	did      string // last
	fail     error
}

func (f *fakeBackend) CreateCluster(ctx context.Context, c gke.Cluster, progress func(string)) (gke.Endpoint, error) {
	f.clusters[c.Name] = true
	progress("starting")
	return gke.Endpoint{Host: "172.30.0.2", CACertificate: "Q0E="}, errors.Join(f.fail, context.Cause(ctx))
}

func (f *fakeBackend) Cluster(_ context.Context, name string) (gke.Endpoint, bool, error) {
	return gke.Endpoint{Host: "172.30.0.2", CACertificate: "Q0E="}, f.clusters[name], nil
}

func (f *fakeBackend) DeleteCluster(ctx context.Context, name string) error {
	delete(f.clusters, name)
	return ctx.Err()
}

func (f *fakeBackend) Resize(_ context.Context, p gke.Pool, _ func(string)) error {
	f.did = fmt.Sprintf("resize %s/%s to %d in %v for %s", p.Cluster.Name, p.Name, p.NodesPerZone, p.Zones, p.ServiceAccount)
	f.nodes[p.Cluster.Name+"/"+p.Name] = map[string]int{}
	for _, zone := range p.Zones {
		f.nodes[p.Cluster.Name+"/"+p.Name][zone] = p.NodesPerZone
	}
	if p.NodesPerZone > 0 {
		return f.fail
	}
	return nil
}

func (f *fakeBackend) EnableGateways(_ context.Context, cluster string) error {
	f.did = "gateways of " + cluster
	return nil
}

func (f *fakeBackend) Nodes(_ context.Context, cluster, pool string) (map[string]int, error) {
	return f.nodes[cluster+"/"+pool], nil
}

func (f *fakeBackend) EnsureRegistry(context.Context) error { f.registry = true; return nil }
func (f *fakeBackend) RemoveRegistry(context.Context) error { f.registry = false; return nil }

func (f *fakeBackend) DeleteRepositoryContents(_ context.Context, project, repository string) error {
	f.did = "empty " + project + "/" + repository
	return nil
}

// engine drives the provider as Pulumi's engine does.
type engine struct {
	*testing.T
	*google
	docker *fakeBackend
	ids    map[string]resource.ID
	in     map[string]resource.PropertyMap
	out    map[string]resource.PropertyMap
}

// isolated is a provider with nothing running behind its records.
func isolated(t *testing.T) (*google, *fakeBackend) {
	g, d := New(nil).(*google), &fakeBackend{clusters: map[string]bool{}, nodes: map[string]map[string]int{}}
	g.records, g.backend = records.Book{Dir: t.TempDir()}, d
	g.token = func() (string, error) { return "fake-token", nil }
	return g, d
}

func start(t *testing.T) *engine {
	g, d := isolated(t)
	e := &engine{T: t, google: g, docker: d, ids: map[string]resource.ID{}, in: map[string]resource.PropertyMap{}, out: map[string]resource.PropertyMap{}}
	if _, err := g.Configure(t.Context(), plugin.ConfigureRequest{Inputs: values(props{"project": "timber-project"})}); err != nil {
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

// changes returns "path kind" for each change; * marks replacement.
func (e *engine) changes(typ, name string, inputs props, ignore ...string) string {
	e.Helper()
	checked, reason := e.check(typ, name, inputs)
	if reason != "" {
		e.Fatal(reason)
	}
	diff, err := e.Diff(e.Context(), plugin.DiffRequest{URN: urn(typ, name), Type: tokens.Type(typ), ID: e.ids[name],
		OldInputs: e.in[name], OldOutputs: e.out[name], NewInputs: checked, IgnoreChanges: ignore})
	if err != nil {
		e.Fatal(err)
	}
	var found []string
	for path, change := range diff.DetailedDiff {
		kind, mark, _ := strings.Cut(change.Kind.String(), "-replace")
		if change.Kind.IsReplace() {
			mark = "*"
		}
		found = append(found, path+" "+kind+mark)
	}
	slices.Sort(found)
	if diff.DeleteBeforeReplace {
		found = append(found, "delete first")
	}
	if none := diff.Changes == plugin.DiffNone; none != (len(found) == 0) {
		e.Errorf("%s: changes %v, found %q", name, diff.Changes, found)
	}
	return strings.Join(found, " ")
}

func (e *engine) count(typ string) int {
	e.Helper()
	list, err := e.records.List(typ)
	if err != nil {
		e.Fatal(err)
	}
	return len(list)
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
