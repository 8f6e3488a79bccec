//go:build linux

package machine

import (
	"net/netip"
	"reflect"
	"testing"
)

func TestFree(t *testing.T) {
	one := func(base string, size int) []pool { return []pool{{netip.MustParsePrefix(base), size}} }
	for name, tt := range map[string]struct {
		pools []pool
		taken string
		want  string // empty: none
	}{
		"docker0 alone":          {defaultPools, "172.17.0.0/16", "172.18.0.0/16"},
		"a network in the gap":   {defaultPools, "172.17.0.0/16 172.19.0.0/16", "172.18.0.0/16"},
		"a VPN's route":          {defaultPools, "172.16.0.0/12", "192.168.0.0/20"},
		"and the home's network": {defaultPools, "172.16.0.0/12 192.168.17.0/24", "192.168.0.0/20"},
		"all of it":              {defaultPools, "172.16.0.0/12 192.168.0.0/16", ""},
		"small subnets":          {one("10.9.0.0/24", 28), "10.9.0.0/28 10.9.0.16/28", "10.9.0.32/28"},
		"one subnet is taken":    {one("10.9.0.0/24", 24), "10.9.0.128/30", ""},
		"the end of all ranges":  {one("255.255.255.0/24", 24), "255.255.255.0/24", ""},
		"IPv6 takes nothing":     {one("10.9.0.0/24", 24), "fd00::/8", "10.9.0.0/24"},
	} {
		t.Run(name, func(t *testing.T) {
			got, found := free(tt.pools, subnets(tt.taken))
			if found != (tt.want != "") || found && got.String() != tt.want {
				t.Errorf("got %v, %v, want %q", got, found, tt.want)
			}
		})
	}
}

func TestRoutes(t *testing.T) {
	const table = `Iface	Destination	Gateway 	Flags	RefCnt	Use	Metric	Mask		MTU	Window	IRTT
eth0	00000000	0111A8C0	0003	0	0	0	00000000	0	0	0
docker0	000011AC	00000000	0001	0	0	0	0000FFFF	0	0	0
eth0	0011A8C0	00000000	0001	0	0	0	00FFFFFF	0	0	0
`
	want := subnets("172.17.0.0/16 192.168.17.0/24")
	if got := routes(table); !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestAddresses(t *testing.T) {
	e := engine{networks: networks{taken: subnets("172.16.0.0/12 192.168.0.0/16")}}
	if f := addresses(e); f.Fix != "docker network prune" {
		t.Errorf("without a subnet: %v", f)
	}
	e.networks.ours = true // made while there was one
	if f := addresses(e); f.Fix != "" {
		t.Errorf("with a network of its own: %v", f)
	}
}
