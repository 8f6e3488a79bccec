// Command network is the part of a cluster's network that Kubernetes leaves to
// others: cluster DNS and the enforcement of network policies. Like hyperkube it
// runs as the program that it is called by. It is a module of its own, because
// CoreDNS would raise forty of the versions that Kubernetes was released with;
// its own versions are those of the emulator, so that both share compiled packages.
package main

import (
	"fmt"
	"os"
	"path/filepath"
)

// programs maps the name that the binary is called by to what it does.
var programs = map[string]func() error{
	"coredns":               coredns,
	"kube-network-policies": networkPolicies,
}

func main() {
	name := filepath.Base(os.Args[0])
	program, ok := programs[name]
	if !ok {
		fmt.Fprintf(os.Stderr, "network: unknown program %q. Fix: call it through a link named coredns or kube-network-policies\n", name)
		os.Exit(2)
	}
	if err := program(); err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", name, err)
		os.Exit(1)
	}
}
