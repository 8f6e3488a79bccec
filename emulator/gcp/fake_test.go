package gcp

import (
	"context"
	"errors"
	"fmt"

	"hello-timber/emulator/gke"
)

// fakeBackend remembers what would run, and what was done.
type fakeBackend struct {
	clusters map[string]bool
	nodes    map[string]map[string]int // by cluster/pool and zone
	registry bool
	did      []string
	fail     error
}

func newFake() *fakeBackend {
	return &fakeBackend{clusters: map[string]bool{}, nodes: map[string]map[string]int{}}
}

func (f *fakeBackend) CreateCluster(ctx context.Context, c gke.Cluster, progress func(string)) (gke.Endpoint, error) {
	f.did = append(f.did, "create "+c.Name)
	f.clusters[c.Name] = true
	progress("starting")
	return gke.Endpoint{Host: "172.30.0.2", CACertificate: "Q0E="}, errors.Join(f.fail, context.Cause(ctx))
}

func (f *fakeBackend) Cluster(_ context.Context, name string) (gke.Endpoint, bool, error) {
	return gke.Endpoint{Host: "172.30.0.2", CACertificate: "Q0E="}, f.clusters[name], nil
}

func (f *fakeBackend) DeleteCluster(ctx context.Context, name string) error {
	f.did = append(f.did, "delete "+name)
	delete(f.clusters, name)
	return ctx.Err()
}

func (f *fakeBackend) Resize(_ context.Context, p gke.Pool, _ func(string)) error {
	f.did = append(f.did, fmt.Sprintf("resize %s/%s to %d in %v for %s", p.Cluster.Name, p.Name, p.NodesPerZone, p.Zones, p.ServiceAccount))
	f.nodes[p.Cluster.Name+"/"+p.Name] = map[string]int{}
	for _, zone := range p.Zones {
		f.nodes[p.Cluster.Name+"/"+p.Name][zone] = p.NodesPerZone
	}
	if p.NodesPerZone > 0 {
		return f.fail
	}
	return nil
}

func (f *fakeBackend) Nodes(_ context.Context, cluster, pool string) (map[string]int, error) {
	return f.nodes[cluster+"/"+pool], nil
}

func (f *fakeBackend) EnsureRegistry(context.Context) error { f.registry = true; return nil }
func (f *fakeBackend) RemoveRegistry(context.Context) error { f.registry = false; return nil }

func (f *fakeBackend) DeleteRepositoryContents(_ context.Context, project, repository string) error {
	f.did = append(f.did, "empty "+project+"/"+repository)
	return nil
}
