package gke

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/network"
	"github.com/gofrs/flock"
)

// Locks of a checkout, by what they keep others from changing meanwhile.
const (
	networkLock  = "network.lock"  // the network and its addresses
	registryLock = "registry.lock" // whether there is a registry
)

const largerPools = `set "default-address-pools": [{"base": "172.16.0.0/12", "size": 24}] in /etc/docker/daemon.json, then sudo systemctl restart docker`

// lock waits until no one else, in this process or another, holds the lock. Docker
// itself would allow two networks of one name.
func (m *Machines) lock(ctx context.Context, name string) (unlock func(), err error) {
	lock := flock.New(filepath.Join(m.home, name))
	if _, err := lock.TryLockContext(ctx, 50*time.Millisecond); err != nil {
		return nil, fmt.Errorf("wait for %s: %w", lock.Path(), cmp.Or(context.Cause(ctx), err))
	}
	return func() { _ = lock.Unlock() }, nil // the file is closed in any case
}

// network returns this checkout's network, making it if need be. The caller
// holds the lock.
func (m *Machines) network(ctx context.Context) (network.Inspect, error) {
	name := networkName(m.home)
	found, err := m.docker.NetworkInspect(ctx, name, network.InspectOptions{})
	if err == nil || !errdefs.IsNotFound(err) {
		return found, err
	}
	var failed error
	err = until(ctx, func() error {
		failed = m.createNetwork(ctx, name)
		if failed != nil && strings.Contains(failed.Error(), "overlaps") {
			return failed // another checkout was given the subnet meanwhile
		}
		return nil
	})
	if err = cmp.Or(err, failed); err != nil {
		return found, fmt.Errorf("create network %s: %w", name, err)
	}
	return m.docker.NetworkInspect(ctx, name, network.InspectOptions{})
}

// createNetwork makes the network in a subnet of the engine's choice. Fixed
// addresses, which outlive a restart of the engine, are allowed only in a subnet
// that was asked for; the engine knows best which one is free. So: let it choose
// one, then ask for that.
func (m *Machines) createNetwork(ctx context.Context, name string) error {
	options := network.CreateOptions{Driver: "bridge", Labels: map[string]string{labelEmulator: m.home}}
	if _, err := m.docker.NetworkCreate(ctx, name, options); err != nil {
		if strings.Contains(err.Error(), "address pools") {
			err = fmt.Errorf("%w. The engine has no subnet left for another network. Fix: docker network prune", err)
		}
		return err
	}
	chosen, err := m.docker.NetworkInspect(ctx, name, network.InspectOptions{})
	if err == nil {
		_, _, err = ranges(chosen.IPAM.Config)
	}
	if err := errors.Join(err, m.docker.NetworkRemove(context.WithoutCancel(ctx), name)); err != nil {
		return err
	}
	options.IPAM = &network.IPAM{Config: chosen.IPAM.Config[:1]}
	_, err = m.docker.NetworkCreate(ctx, name, options)
	return err
}

// ranges splits a network's subnet: machines have its lower half, load balancers the upper.
func ranges(config []network.IPAMConfig) (machines netip.Addr, balancers netip.Prefix, err error) {
	var subnet string
	if len(config) > 0 {
		subnet = config[0].Subnet
	}
	prefix, err := netip.ParsePrefix(subnet)
	if err != nil || !prefix.Addr().Is4() || prefix.Bits() > 26 {
		return netip.Addr{}, netip.Prefix{}, fmt.Errorf("subnet %q: nodes and load balancers need an IPv4 subnet of at least 64 addresses (/26). Fix: %s", subnet, largerPools)
	}
	base := prefix.Masked().Addr().As4()
	half := base
	half[prefix.Bits()/8] |= 0x80 >> (prefix.Bits() % 8)
	return netip.AddrFrom4(base), netip.PrefixFrom(netip.AddrFrom4(half), prefix.Bits()+1), nil
}

// freeAddress returns the lowest address that no container of the network has,
// stopped ones included: theirs must be free when they start again. It also returns the
// load balancers' addresses.
func (m *Machines) freeAddress(ctx context.Context, net network.Inspect) (free string, balancers netip.Prefix, err error) {
	address, balancers, err := ranges(net.IPAM.Config)
	if err != nil {
		return "", balancers, err
	}
	all, err := m.docker.ContainerList(ctx, container.ListOptions{All: true, Filters: filters.NewArgs(filters.Arg("network", net.Name))})
	if err != nil {
		return "", balancers, err
	}
	var taken []string
	for _, c := range all {
		if endpoint := c.NetworkSettings.Networks[net.Name]; endpoint != nil {
			taken = append(taken, endpoint.IPAddress)
			if endpoint.IPAMConfig != nil {
				taken = append(taken, endpoint.IPAMConfig.IPv4Address)
			}
		}
	}
	// The subnet's own address and the bridge's come first.
	for address = address.Next().Next(); slices.Contains(taken, address.String()); {
		address = address.Next()
	}
	if balancers.Contains(address) {
		return "", balancers, fmt.Errorf("network %s (%s) has no address left for another container: %d are in use. Fix: %s",
			net.Name, net.IPAM.Config[0].Subnet, len(all), largerPools)
	}
	return address.String(), balancers, nil
}
