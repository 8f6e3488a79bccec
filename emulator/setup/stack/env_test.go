//go:build linux

package stack

import (
	"os"
	"regexp"
	"testing"

	"hello-timber/emulator/setup/checkout/checkouttest"
)

// What depends on the machine: proxies exempt Docker's networks, in both spellings because
// programs differ; libraries do not know Docker's contexts; and nothing may be started in
// some /tmp.
func TestEnvironment(t *testing.T) {
	fake := checkouttest.Programs(t, map[string]string{"docker": `case $1 in
info) echo '{"DefaultAddressPools":[{"Base":"10.9.0.1/16","Size":24},{"Base":"10.8.0.0/16","Size":24}]}' ;;
context) echo "${CONTEXT:-unix:///var/run/docker.sock}" ;;
esac`})
	type variables = map[string]string
	for name, tt := range map[string]struct {
		has, gets variables
		lacks     []string
	}{
		"nothing":          {lacks: []string{"NO_PROXY", "no_proxy", "DOCKER_HOST", "GOTMPDIR"}},
		"a proxy":          {has: variables{"HTTPS_PROXY": "http://proxy:3128"}, gets: variables{"NO_PROXY": "10.9.0.0/16,10.8.0.0/16", "no_proxy": "10.9.0.0/16,10.8.0.0/16"}},
		"in small letters": {has: variables{"http_proxy": "http://proxy:3128", "no_proxy": "a.example, b.example"}, gets: variables{"NO_PROXY": "a.example,b.example,10.9.0.0/16,10.8.0.0/16"}},
		"exempt already":   {has: variables{"ALL_PROXY": "http://proxy:3128", "NO_PROXY": "10.9.0.0/16,x", "no_proxy": "x"}, gets: variables{"no_proxy": "10.9.0.0/16,x,10.8.0.0/16"}},
		"another context":  {has: variables{"CONTEXT": "unix:///run/user/1000/docker.sock"}, gets: variables{"DOCKER_HOST": "unix:///run/user/1000/docker.sock"}},
		"noexec":           {has: variables{"TMPDIR": noexec(t)}, gets: variables{"GOTMPDIR": "/clone/bin/tmp"}},
		"make's settings":  {has: variables{"CGO_ENABLED": "0", "GOFLAGS": "-x", "GOGC": "1", "GOWORK": "off"}, gets: variables{"CGO_ENABLED": "0", "GOFLAGS": "-x", "GOGC": "1", "GOWORK": "off"}},
	} {
		t.Run(name, func(t *testing.T) {
			for _, name := range []string{"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy", "NO_PROXY", "no_proxy", "GOTMPDIR"} {
				t.Setenv(name, "")
			}
			t.Setenv("TMPDIR", fake)
			for name, value := range tt.has {
				if name == "TMPDIR" && value == "" {
					t.Skip("nothing is mounted noexec on this machine")
				}
				t.Setenv(name, value)
			}
			c := checkouttest.New(t)
			c.Root = "/clone"
			got := environment(t.Context(), c, "local")
			for name, want := range tt.gets {
				if got[name] != want {
					t.Errorf("%s is %q, want %q", name, got[name], want)
				}
			}
			for _, name := range tt.lacks {
				if value, set := got[name]; set {
					t.Errorf("%s is set to %q", name, value)
				}
			}
		})
	}
}

// noexec is a folder where nothing may be started, or empty.
func noexec(t *testing.T) string {
	t.Helper()
	mounts, err := os.ReadFile("/proc/mounts")
	if err != nil {
		t.Fatal(err)
	}
	if mount := regexp.MustCompile(`(?m)^\S+ (\S+) \S+ \S*\bnoexec\b`).FindSubmatch(mounts); mount != nil {
		return string(mount[1])
	}
	return ""
}
