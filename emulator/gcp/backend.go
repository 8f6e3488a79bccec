package gcp

import (
	"context"

	"hello-timber/emulator/gke"
)

// backend is what runs behind the records: control planes, nodes and a registry.
type backend interface {
	CreateCluster(ctx context.Context, c gke.Cluster, progress func(string)) (gke.Endpoint, error)
	// Cluster returns where a cluster's control plane is, or false if there is none.
	Cluster(ctx context.Context, name string) (gke.Endpoint, bool, error)
	DeleteCluster(ctx context.Context, name string) error
	// Resize starts or stops nodes until a pool has as many as it should.
	Resize(ctx context.Context, p gke.Pool, progress func(string)) error
	// Nodes counts a pool's nodes by zone.
	Nodes(ctx context.Context, cluster, pool string) (map[string]int, error)
	EnsureRegistry(ctx context.Context) error
	RemoveRegistry(ctx context.Context) error
	DeleteRepositoryContents(ctx context.Context, project, repository string) error
}

// containers is the backend in Docker containers: package gke.
type containers struct{}

func (containers) CreateCluster(ctx context.Context, c gke.Cluster, progress func(string)) (gke.Endpoint, error) {
	return gke.Create(ctx, c, progress)
}

func (containers) Cluster(ctx context.Context, name string) (gke.Endpoint, bool, error) {
	return gke.Get(ctx, name)
}

func (containers) DeleteCluster(ctx context.Context, name string) error {
	return gke.Delete(ctx, name)
}

func (containers) Resize(ctx context.Context, p gke.Pool, progress func(string)) error {
	return gke.Resize(ctx, p, progress)
}

func (containers) Nodes(ctx context.Context, cluster, pool string) (map[string]int, error) {
	return gke.Nodes(ctx, cluster, pool)
}

func (containers) EnsureRegistry(ctx context.Context) error { return gke.EnsureRegistry(ctx) }
func (containers) RemoveRegistry(ctx context.Context) error { return gke.RemoveRegistry(ctx) }

func (containers) DeleteRepositoryContents(ctx context.Context, project, repository string) error {
	return gke.DeleteRepositoryContents(ctx, project, repository)
}
