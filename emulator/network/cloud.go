package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"syscall"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/klog/v2"

	"hello-timber/emulator/network/cloud"
)

// cloudControllers connects a cluster to the emulated cloud. It reads
// LOADBALANCER_RANGE, a CIDR of the container's network.
func cloudControllers() error {
	kubeconfig := flag.String("kubeconfig", "", "path of the kubeconfig of a user who may change services and nodes")
	pods := flag.String("cluster-cidr", "", "range of the pods' addresses")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := warningsOnly(); err != nil {
		return err
	}
	_, podRange, err := net.ParseCIDR(*pods)
	if err != nil {
		return fmt.Errorf("--cluster-cidr: %w", err)
	}
	config, err := clientcmd.BuildConfigFromFlags("", *kubeconfig)
	if err != nil {
		return err
	}
	config.ContentType = runtime.ContentTypeProtobuf
	// The limits of Kubernetes' own cloud-controller-manager.
	config.QPS, config.Burst = 20, 30
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	return cloud.Run(ctx, client, podRange, os.Getenv("LOADBALANCER_RANGE"))
}

// warningsOnly keeps informational lines out of the container's log: the route
// controller prints one every second.
func warningsOnly() error {
	flags := flag.NewFlagSet("klog", flag.ContinueOnError)
	klog.InitFlags(flags)
	klog.SetOutput(io.Discard)
	return flags.Parse([]string{"-logtostderr=false", "-stderrthreshold=WARNING"})
}
