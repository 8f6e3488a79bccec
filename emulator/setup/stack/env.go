//go:build linux

// Package stack is about one stack of this machine: the environment in which pulumi and
// kubectl use it, and the config file of a new one. It gets the answer of the stack's
// service. When the stack is gone, it finds and removes what is left.
package stack

import (
	"context"
	"fmt"
	"maps"
	"net/netip"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"hello-timber/emulator/setup/checkout"
	"hello-timber/emulator/setup/machine"
)

// Env is the environment in which the ordinary pulumi and kubectl use the emulator.
func Env(ctx context.Context, c checkout.Checkout, stack string) map[string]string {
	// Pulumi decodes it, so percent signs, hashes and question marks must be encoded.
	backend := url.URL{Scheme: "file", Path: c.Home("state")}
	variables := map[string]string{
		"PATH":                          c.Home("bin") + ":" + c.Path,
		"PULUMI_HOME":                   c.Home("pulumi"),
		"PULUMI_BACKEND_URL":            backend.String(),
		"PULUMI_CONFIG_PASSPHRASE_FILE": c.Home("passphrase"),
		"PULUMI_STACK":                  stack,
		"PULUMI_SKIP_UPDATE_CHECK":      "true",
		// Pulumi reports a missing plugin at once and does not look for it on the internet.
		"PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
		// The emulator's Google Cloud provider writes it when it creates the stack's cluster.
		"KUBECONFIG": c.Home("kubeconfig-" + stack),
	}
	// From the Makefile, which says why.
	for _, name := range []string{"CGO_ENABLED", "GOFLAGS", "GOGC", "GOWORK"} {
		variables[name] = os.Getenv(name)
	}
	if os.Getenv("GOTMPDIR") == "" && !machine.StartsPrograms(os.TempDir()) {
		variables["GOTMPDIR"] = filepath.Join(c.Root, "bin", "tmp")
	}
	if proxied(os.Getenv) {
		exempt := noProxy(os.Getenv, machine.Pools(ctx))
		variables["NO_PROXY"], variables["no_proxy"] = exempt, exempt
	}
	// The docker command knows contexts, libraries only this variable.
	host, err := exec.CommandContext(ctx, "docker", "context", "inspect", "--format", "{{.Endpoints.docker.Host}}").Output()
	if text := strings.TrimSpace(string(host)); err == nil && text != "unix:///var/run/docker.sock" {
		variables["DOCKER_HOST"] = text
	}
	return variables
}

// PrintEnv prints Env for a shell: eval "$(make -s env)".
func PrintEnv(ctx context.Context, c checkout.Checkout, stack string) error {
	variables := Env(ctx, c, stack)
	for _, name := range slices.Sorted(maps.Keys(variables)) {
		fmt.Printf("export %s=%s\n", name, checkout.Quote(variables[name]))
	}
	fmt.Println("unset PULUMI_CONFIG_PASSPHRASE")
	return nil
}

// proxied reports whether a variable names a proxy.
func proxied(get func(string) string) bool {
	for _, name := range []string{"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"} {
		if get(name) != "" {
			return true
		}
	}
	return false
}

// noProxy returns what NO_PROXY must be where a proxy is set: what it is already, and
// the ranges from which clusters and load balancers get their addresses, which no
// proxy reaches. Every program exempts loopback addresses by itself.
func noProxy(get func(string) string, pools []netip.Prefix) string {
	exempt := strings.Split(get("NO_PROXY")+","+get("no_proxy"), ",")
	for _, pool := range pools {
		exempt = append(exempt, pool.String())
	}
	var names []string
	for _, name := range exempt {
		if name = strings.TrimSpace(name); name != "" && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return strings.Join(names, ",")
}
