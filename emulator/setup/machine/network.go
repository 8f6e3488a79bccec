//go:build linux

package machine

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"strings"

	"hello-timber/emulator/setup/checkout"
)

// pool is a range from which the engine takes subnets of a size.
type pool struct {
	Base netip.Prefix
	Size int
}

// defaultPools are those of an engine that is not configured otherwise
// (libnetwork/ipamutils, engine 20.10 to 28).
var defaultPools = []pool{
	{netip.MustParsePrefix("172.17.0.0/16"), 16},
	{netip.MustParsePrefix("172.18.0.0/16"), 16},
	{netip.MustParsePrefix("172.19.0.0/16"), 16},
	{netip.MustParsePrefix("172.20.0.0/14"), 16},
	{netip.MustParsePrefix("172.24.0.0/14"), 16},
	{netip.MustParsePrefix("172.28.0.0/14"), 16},
	{netip.MustParsePrefix("192.168.0.0/16"), 20},
}

// pools are the ranges from which the engine takes subnets.
func (e engine) pools() []pool {
	if len(e.DefaultAddressPools) > 0 {
		return e.DefaultAddressPools
	}
	return defaultPools
}

// networks are the subnets that are in use, by Docker's networks and by routes.
type networks struct {
	ours  bool // this checkout's network is among them
	taken []netip.Prefix
}

// usedNetworks asks the engine. What it does not answer counts as free: this is only to
// say early what creating the network would say late.
func usedNetworks(ctx context.Context, c checkout.Checkout) networks {
	var n networks
	ids, err := c.Output(ctx, "docker", "network", "ls", "--quiet", "--filter=driver=bridge")
	if err != nil || ids == "" {
		return n
	}
	const format = `{{json .Labels}}{{range .IPAM.Config}} {{.Subnet}}{{end}}`
	text, err := c.Output(ctx, "docker", append([]string{"network", "inspect", "--format=" + format}, strings.Fields(ids)...)...)
	if err != nil {
		return n
	}
	n.ours = strings.Contains(text, fmt.Sprintf("%q:%q", "hello-timber.emulator", c.Home()))
	n.taken = subnets(text)
	if text, err := os.ReadFile("/proc/net/route"); err == nil {
		n.taken = append(n.taken, routes(string(text))...)
	}
	return n
}

// subnets returns the IPv4 subnets among words.
func subnets(text string) []netip.Prefix {
	var found []netip.Prefix
	for word := range strings.FieldsSeq(text) {
		if p, err := netip.ParsePrefix(word); err == nil && p.Addr().Is4() {
			found = append(found, p)
		}
	}
	return found
}

// routes reads /proc/net/route, whose addresses are hexadecimal in the machine's
// byte order. The default route takes no subnet.
func routes(text string) []netip.Prefix {
	var found []netip.Prefix
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		if len(fields) < 8 {
			continue
		}
		address, err1 := hex.DecodeString(fields[1])
		mask, err2 := hex.DecodeString(fields[7])
		if err1 != nil || err2 != nil || len(address) != 4 || len(mask) != 4 {
			continue // the heading
		}
		bits := 0
		for m := binary.LittleEndian.Uint32(mask); m != 0; m <<= 1 {
			bits++
		}
		if bits > 0 {
			found = append(found, netip.PrefixFrom(netip.AddrFrom4([4]byte{address[3], address[2], address[1], address[0]}), bits))
		}
	}
	return found
}

// smallest is the smallest subnet that the emulator works in: half of it is for
// machines, half for load balancers.
const smallest = 26

// addresses checks that the engine has a subnet left, and that it is large enough.
func addresses(e engine) Finding {
	if e.networks.ours {
		return Finding{}
	}
	subnet, found := free(e.pools(), e.networks.taken)
	switch {
	case !found:
		return Missing("docker", "docker network prune", "Docker's networks and this machine's routes use every subnet of the engine's address pools")
	case subnet.Bits() > smallest:
		return Missing("docker", `put "default-address-pools": [{"base": "172.16.0.0/12", "size": 24}] into /etc/docker/daemon.json, then: sudo systemctl restart docker`,
			"the engine would give the emulator the subnet %s, and it needs at least a /%d", subnet, smallest)
	}
	return Finding{}
}

// free returns the first subnet of the pools that overlaps with none that is taken.
func free(pools []pool, taken []netip.Prefix) (netip.Prefix, bool) {
	for _, pool := range pools {
		address := pool.Base.Masked().Addr()
		for pool.Base.Contains(address) {
			subnet := netip.PrefixFrom(address, pool.Size)
			busy := netip.Prefix{}
			for _, t := range taken {
				if t.Overlaps(subnet) {
					busy = t
				}
			}
			if !busy.IsValid() {
				return subnet, true
			}
			// Past the larger of the two.
			if busy.Bits() > subnet.Bits() {
				busy = subnet
			}
			next, more := after(busy)
			if !more {
				break
			}
			address = next
		}
	}
	return netip.Prefix{}, false
}

// after returns the first address after a subnet, if there is one.
func after(p netip.Prefix) (netip.Addr, bool) {
	first := p.Masked().Addr().As4()
	next := uint64(binary.BigEndian.Uint32(first[:])) + 1<<(32-p.Bits())
	if next > 0xffffffff {
		return netip.Addr{}, false
	}
	var a [4]byte
	binary.BigEndian.PutUint32(a[:], uint32(next))
	return netip.AddrFrom4(a), true
}

// Pools asks the engine for the ranges from which networks get their addresses.
func Pools(ctx context.Context) []netip.Prefix {
	text, err := exec.CommandContext(ctx, "docker", "info", "--format", "{{json .}}").Output()
	var bases []netip.Prefix
	for _, p := range readEngine(string(text), err).pools() {
		bases = append(bases, p.Base.Masked())
	}
	return bases
}
