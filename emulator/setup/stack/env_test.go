//go:build linux

package stack

import (
	"net/netip"
	"strings"
	"testing"

	"hello-timber/emulator/setup/checkout/checkouttest"
)

func TestNoProxy(t *testing.T) {
	pools := []netip.Prefix{netip.MustParsePrefix("10.9.0.0/16"), netip.MustParsePrefix("10.8.0.0/16")}
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
	c := checkouttest.New(t)
	t.Setenv("HTTPS_PROXY", "http://127.0.0.1:9")
	t.Setenv("NO_PROXY", "own.example")
	variables := Env(t.Context(), c, "local")
	if got := variables["NO_PROXY"]; !strings.HasPrefix(got, "own.example,") || got != variables["no_proxy"] {
		t.Errorf("NO_PROXY is %q and no_proxy %q", got, variables["no_proxy"])
	}
}
