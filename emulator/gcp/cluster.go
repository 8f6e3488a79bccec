package gcp

import (
	"context"
	"errors"
	"path"
	"slices"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"

	"hello-timber/emulator/gke"
	"hello-timber/emulator/records"
)

// version is that of the emulated control planes and nodes.
const version = "1.34.4-gke.1"

func checkCluster(in resource.PropertyMap, report func(reason string)) {
	if v := in["removeDefaultNodePool"]; v.IsBool() && !v.BoolValue() {
		report("the emulator's clusters have no default node pool: set removeDefaultNodePool to true and declare a gcp:container/nodePool:NodePool")
	}
	if v := in["initialNodeCount"]; v.IsNumber() && v.NumberValue() < 1 {
		report("initialNodeCount must be at least 1, even when the default node pool is removed")
	}
}

func clusterOf(properties map[string]any) gke.Cluster {
	name := text(properties, "name")
	if cluster := text(properties, "cluster"); cluster != "" {
		name = path.Base(cluster)
	}
	return gke.Cluster{Name: name, Project: text(properties, "project"), Location: text(properties, "location")}
}

// zonesOf returns where a cluster's or a pool's nodes are, unless it says so
// itself: in the cluster's zone, or in three zones of its region.
func zonesOf(location string) []string {
	if strings.Count(location, "-") == 2 {
		return []string{location}
	}
	return []string{location + "-b", location + "-c", location + "-d"}
}

func (g *google) applyCluster(ctx context.Context, c *change) error {
	if c.old == nil {
		endpoint, err := g.clusters.Create(ctx, clusterOf(c.new), c.log)
		if err != nil {
			return err
		}
		c.new["endpoint"] = endpoint.Host
		auth := object(c.new, "masterAuth")
		auth["clusterCaCertificate"], auth["clientCertificate"], auth["clientKey"] = endpoint.CACertificate, "", ""
	}
	c.new["masterVersion"], c.new["nodeVersion"] = version, version
	c.new["selfLink"] = "https://container.googleapis.com/v1/" + c.id
	// Google counts a zonal cluster's own zone as its location, not among these.
	location := text(c.new, "location")
	c.new["nodeLocations"] = slices.DeleteFunc(zonesOf(location), func(zone string) bool { return zone == location })
	return nil
}

func (g *google) readCluster(ctx context.Context, r records.Record) (bool, error) {
	_, exists, err := g.clusters.Get(ctx, clusterOf(r.Properties).Name)
	return exists, err
}

func (g *google) removeCluster(ctx context.Context, r records.Record) error {
	name := clusterOf(r.Properties).Name
	all, err := g.records.List(clusterType)
	if err != nil {
		return err
	}
	for _, other := range all {
		// Container names are unique in a way that Google's cluster names are not.
		if other.ID != r.ID && clusterOf(other.Properties).Name == name {
			return nil
		}
	}
	if err := g.clusters.Delete(ctx, name); err != nil {
		return err
	}
	pools, err := g.records.List(nodePoolType)
	for _, pool := range pools {
		if strings.HasPrefix(pool.ID, r.ID+"/") {
			err = errors.Join(err, g.records.Delete(nodePoolType, pool.ID))
		}
	}
	return err
}

func refuseProtected(outputs resource.PropertyMap) error {
	if v := outputs["deletionProtection"]; v.IsBool() && !v.BoolValue() {
		return nil
	}
	//nolint:staticcheck // Google's provider says it with a capital letter
	return errors.New("Cannot destroy cluster because deletion_protection is set to true. Set it to false to proceed with cluster deletion. (deletionProtection: false takes effect with the next: pulumi up)")
}
