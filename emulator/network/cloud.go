package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"net"
	"os"

	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/klog/v2"

	"hello-timber/emulator/network/cloud"
)

// cloudControllers connects a cluster to the emulated cloud. It reads
// LOADBALANCER_RANGE, a CIDR of the container's network.
func cloudControllers() error {
	pods := flag.String("cluster-cidr", "", "range of the pods' addresses")
	return withClient(func(ctx context.Context, config *rest.Config, client kubernetes.Interface) error {
		if err := warningsOnly(); err != nil {
			return err
		}
		_, podRange, err := net.ParseCIDR(*pods)
		if err != nil {
			return fmt.Errorf("--cluster-cidr: %w", err)
		}
		objects, err := dynamic.NewForConfig(config)
		if err != nil {
			return err
		}
		return cloud.Run(ctx, client, objects, podRange, os.Getenv("LOADBALANCER_RANGE"))
	})
}

// warningsOnly keeps informational lines out of the container's log: the route
// controller prints one every second.
func warningsOnly() error {
	flags := flag.NewFlagSet("klog", flag.ContinueOnError)
	klog.InitFlags(flags)
	klog.SetOutput(io.Discard)
	return flags.Parse([]string{"-logtostderr=false", "-stderrthreshold=WARNING"})
}
