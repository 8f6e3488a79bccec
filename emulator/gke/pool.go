package gke

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/docker/docker/api/types/container"
	"k8s.io/client-go/kubernetes"
)

// Pool is a node pool as it should be.
type Pool struct {
	Cluster Cluster
	Name    string
	// Zones each hold NodesPerZone nodes.
	Zones        []string
	NodesPerZone int
	MachineType  string
	Labels       map[string]string
	// ServiceAccount is the email the nodes show to the registry.
	ServiceAccount string
	// Warn, if set, shows the user what must not be overlooked.
	Warn func(string)
}

// spec distinguishes nodes made to one specification from those made to another.
func (p Pool) spec() string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s %v %s", p.MachineType, p.Labels, p.ServiceAccount))
	return hex.EncodeToString(sum[:4])
}

// Resize makes a pool's nodes as many, and such, as they should be: missing ones
// are created and waited for until Ready, surplus ones drained and removed, and
// those of another specification renewed one by one.
func (m *Machines) Resize(ctx context.Context, p Pool, log func(string)) error {
	endpoint, ok, err := m.Cluster(ctx, p.Cluster.Name)
	if err != nil {
		return err
	}
	if !ok && p.NodesPerZone == 0 {
		return nil
	}
	if !ok {
		return fmt.Errorf("cluster %s does not exist", p.Cluster.Name)
	}
	client, err := connectTo(endpoint)
	if err != nil {
		return err
	}
	nodes, err := m.list(ctx, labelRole+"=node", labelCluster+"="+p.Cluster.Name, labelPool+"="+p.Name)
	if err != nil {
		return err
	}
	if err := forgetLost(ctx, client, p.Name, nodes); err != nil {
		return err
	}
	plan := p.plan(nodes)
	if err := m.addNodes(ctx, client, endpoint, p, plan.missing, log); err != nil {
		return err
	}
	// One at a time, so that pods find room on what is left; a renewed one after
	// its successor is ready: Google's surge of one, none unavailable.
	for _, node := range plan.surplus {
		if err := m.retire(ctx, client, node, log); err != nil {
			return err
		}
	}
	for _, node := range plan.outdated {
		if err := m.addNode(ctx, client, endpoint, p, node.Labels[labelZone], log); err != nil {
			return err
		}
		if err := m.retire(ctx, client, node, log); err != nil {
			return err
		}
	}
	return nil
}

// resizing is what makes a pool of the nodes that there are.
type resizing struct {
	missing           []string // a zone for each new node
	surplus, outdated []container.Summary
}

func (p Pool) plan(nodes []container.Summary) resizing {
	byZone := map[string][]container.Summary{}
	for _, node := range nodes {
		byZone[node.Labels[labelZone]] = append(byZone[node.Labels[labelZone]], node)
	}
	var plan resizing
	for zone, have := range byZone {
		want := 0
		if slices.Contains(p.Zones, zone) {
			want = min(p.NodesPerZone, len(have))
		}
		have = slices.Concat(pick(have, p, true), pick(have, p, false)) // outdated ones go first
		plan.surplus = append(plan.surplus, have[want:]...)
		plan.outdated = append(plan.outdated, pick(have[:want], p, false)...)
	}
	for _, zone := range p.Zones {
		for range p.NodesPerZone - len(byZone[zone]) {
			plan.missing = append(plan.missing, zone)
		}
	}
	return plan
}

// addNodes adds a node to each of the zones, all at once.
func (m *Machines) addNodes(ctx context.Context, client *kubernetes.Clientset, endpoint Endpoint, p Pool, zones []string, log func(string)) error {
	errs := make([]error, len(zones))
	var group sync.WaitGroup
	for i, zone := range zones {
		group.Go(func() { errs[i] = m.addNode(ctx, client, endpoint, p, zone, log) })
	}
	group.Wait()
	return errors.Join(errs...)
}

// pick picks the nodes that were made as the pool is now, or those that were not.
func pick(nodes []container.Summary, p Pool, current bool) []container.Summary {
	return slices.DeleteFunc(slices.Clone(nodes), func(c container.Summary) bool {
		return (c.Labels[labelSpec] == p.spec()) != current
	})
}

// Nodes counts a pool's running nodes by zone.
func (m *Machines) Nodes(ctx context.Context, cluster, pool string) (map[string]int, error) {
	nodes, err := m.list(ctx, labelRole+"=node", labelCluster+"="+cluster, labelPool+"="+pool)
	if err != nil {
		return nil, err
	}
	count := map[string]int{}
	for _, node := range nodes {
		if node.State == container.StateRunning {
			count[node.Labels[labelZone]]++
		}
	}
	return count, nil
}

// Region returns the region of a zone or of itself: europe-west1 for europe-west1-d.
func Region(location string) string {
	if parts := strings.Split(location, "-"); len(parts) == 3 {
		return parts[0] + "-" + parts[1]
	}
	return location
}
