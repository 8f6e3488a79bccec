// Command network is the part of a cluster's network that Kubernetes leaves to
// others: cluster DNS, the enforcement of network policies, and the cloud's load
// balancer addresses and routes. Like hyperkube, it runs as the program that it is
// called by.
//
// It is a module of its own, because CoreDNS would raise forty of the versions that
// Kubernetes was released with. Its own versions are the emulator's, so that both
// share compiled packages.
package main

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// programs maps the name that the binary is called by to what it does.
var programs = map[string]func() error{
	"cloud-controller-manager": cloudControllers,
	"coredns":                  coredns,
	"kube-network-policies":    networkPolicies,
}

func main() {
	name := filepath.Base(os.Args[0])
	program, ok := programs[name]
	if !ok {
		fmt.Fprintf(os.Stderr, "network: unknown program %q. Fix: call it through a link named %s\n", name, strings.Join(slices.Sorted(maps.Keys(programs)), " or "))
		os.Exit(2)
	}
	if err := program(); err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", name, err)
		os.Exit(1)
	}
}
