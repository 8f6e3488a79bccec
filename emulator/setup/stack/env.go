//go:build linux

// Package stack is about one stack of this machine: the environment in which pulumi and
// kubectl use it, and the config file of a new one. It gets the answer of the stack's
// service. When the stack is gone, it finds and removes what is left.
package stack

import (
	"context"
	"fmt"
	"maps"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"hello-timber/emulator/setup/checkout"
	"hello-timber/emulator/setup/host"
)

// Environment has the variables with which the ordinary pulumi and kubectl use the emulator.
type Environment map[string]string

// Enter makes a stack's environment that of this process.
func Enter(ctx context.Context, c checkout.Checkout, stack string) (Environment, error) {
	if err := check("STACK", stack, "local"); stack != "" && err != nil {
		return nil, err
	}
	e := environment(ctx, c, stack)
	for name, value := range e {
		if err := os.Setenv(name, value); err != nil {
			return nil, err
		}
	}
	if folder := os.Getenv("GOTMPDIR"); folder != "" {
		if err := os.MkdirAll(folder, 0o755); err != nil {
			return nil, err
		}
	}
	// It would win over the passphrase's file.
	return e, os.Unsetenv("PULUMI_CONFIG_PASSPHRASE")
}

// Run runs a command in place of this process. Without a command it prints the environment
// for a shell: eval "$(make -s env)".
func (e Environment) Run(command []string) error {
	if len(command) > 0 {
		path, err := exec.LookPath(command[0])
		if err != nil {
			return err
		}
		return syscall.Exec(path, command, os.Environ())
	}
	for _, name := range slices.Sorted(maps.Keys(e)) {
		fmt.Printf("export %s=%s\n", name, checkout.Quote(e[name]))
	}
	fmt.Println("unset PULUMI_CONFIG_PASSPHRASE")
	return nil
}

func environment(ctx context.Context, c checkout.Checkout, stack string) Environment {
	// Pulumi decodes it, so percent signs, hashes and question marks must be encoded.
	backend := url.URL{Scheme: "file", Path: c.Home("state")}
	variables := Environment{
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
	if os.Getenv("GOTMPDIR") == "" && !host.StartsPrograms(os.TempDir()) {
		variables["GOTMPDIR"] = filepath.Join(c.Root, "bin", "tmp")
	}
	if slices.ContainsFunc(proxies, func(name string) bool { return os.Getenv(name) != "" }) {
		exempt := noProxy(host.Pools(ctx))
		variables["NO_PROXY"], variables["no_proxy"] = exempt, exempt
	}
	// The docker command knows contexts, libraries only this variable.
	host, err := exec.CommandContext(ctx, "docker", "context", "inspect", "--format", "{{.Endpoints.docker.Host}}").Output()
	if text := strings.TrimSpace(string(host)); err == nil && text != "unix:///var/run/docker.sock" {
		variables["DOCKER_HOST"] = text
	}
	return variables
}

// proxies are the variables that name a proxy.
var proxies = []string{"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"}

// noProxy returns what NO_PROXY must be where a proxy is set: what it is already, and
// the ranges from which clusters and load balancers get their addresses, which no
// proxy reaches. Every program exempts loopback addresses by itself.
func noProxy(pools []string) string {
	exempt := strings.Split(os.Getenv("NO_PROXY")+","+os.Getenv("no_proxy"), ",")
	var names []string
	for _, name := range append(exempt, pools...) {
		if name = strings.TrimSpace(name); name != "" && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return strings.Join(names, ",")
}
