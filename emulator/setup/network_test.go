//go:build linux

package main

import (
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"strings"
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
	if f := addresses(e); f.fix != "docker network prune" {
		t.Errorf("without a subnet: %v", f)
	}
	e.networks.ours = true // made while there was one
	if f := addresses(e); f.fix != "" {
		t.Errorf("with a network of its own: %v", f)
	}
}

func TestNoProxy(t *testing.T) {
	pools := []pool{{netip.MustParsePrefix("10.9.0.0/16"), 24}, {netip.MustParsePrefix("10.8.0.1/16"), 24}}
	for name, tt := range map[string]struct {
		variables map[string]string
		proxied   bool
		want      string
	}{
		"no proxy":         {nil, false, "10.9.0.0/16,10.8.0.0/16"},
		"a proxy":          {map[string]string{"HTTPS_PROXY": "http://proxy:3128"}, true, "10.9.0.0/16,10.8.0.0/16"},
		"in small letters": {map[string]string{"http_proxy": "http://proxy:3128", "no_proxy": "a.example, b.example"}, true, "a.example,b.example,10.9.0.0/16,10.8.0.0/16"},
		"already there":    {map[string]string{"ALL_PROXY": "http://proxy:3128", "NO_PROXY": "10.9.0.0/16,x", "no_proxy": "x"}, true, "10.9.0.0/16,x,10.8.0.0/16"},
	} {
		t.Run(name, func(t *testing.T) {
			get := func(name string) string { return tt.variables[name] }
			if got := proxied(get); got != tt.proxied {
				t.Errorf("proxied is %v", got)
			}
			if got := noProxy(get, pools); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

// Users of a proxy get the exemption in both spellings, because programs differ.
func TestProxyEnvironment(t *testing.T) {
	c := newCheckout(t)
	t.Setenv("HTTPS_PROXY", "http://127.0.0.1:9")
	t.Setenv("NO_PROXY", "own.example")
	variables := c.env(t.Context())
	if got := variables["NO_PROXY"]; !strings.HasPrefix(got, "own.example,") || got != variables["no_proxy"] {
		t.Errorf("NO_PROXY is %q and no_proxy %q", got, variables["no_proxy"])
	}
}

// The node image's build gets the proxies, which no other user can read among the
// arguments of a process.
func TestNodeImageGetsProxies(t *testing.T) {
	c := newCheckout(t)
	fake := filepath.Join(c.root, "fake")
	write(t, filepath.Join(c.root, "emulator", "node", "Dockerfile"), "")
	write(t, filepath.Join(fake, "docker"), "#!/bin/sh\n[ \"$1\" = build ] || exit 1\n{ echo \"$*\"; env; } > \"$0.was\"\n")
	if err := os.Chmod(filepath.Join(fake, "docker"), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", fake+":/usr/bin:/bin")
	t.Setenv("HTTP_PROXY", "http://me:hush@proxy.example:3128")
	t.Setenv("no_proxy", "own.example")
	if err := runSteps(t.Context(), c, []step{{name: "node", run: c.nodeImage}}); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(fake, "docker.was"))
	if err != nil {
		t.Fatal(err)
	}
	arguments, environment, _ := strings.Cut(string(text), "\n")
	for name, value := range map[string]string{"HTTP_PROXY": "http://me:hush@proxy.example:3128", "http_proxy": "http://me:hush@proxy.example:3128", "NO_PROXY": "own.example", "no_proxy": "own.example"} {
		if !strings.Contains(arguments, " --build-arg="+name) || !strings.Contains("\n"+environment, "\n"+name+"="+value+"\n") {
			t.Errorf("the build does not get %s: docker %s", name, arguments)
		}
	}
	if strings.Contains(arguments, "hush") {
		t.Errorf("arguments with the password: docker %s", arguments)
	}
}
