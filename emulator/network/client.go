package main

import (
	"context"
	"flag"
	"os"
	"os/signal"
	"syscall"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

// withClient parses the flags, adds --kubeconfig to those of the program, and runs it
// with a client of that cluster until a signal ends the context.
func withClient(run func(context.Context, *rest.Config, kubernetes.Interface) error) error {
	kubeconfig := flag.String("kubeconfig", "", "path of the kubeconfig of this program's user")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	config, err := clientcmd.BuildConfigFromFlags("", *kubeconfig)
	if err != nil {
		return err
	}
	// With JSON, `ingress: []` arrives as an empty list, which kube-network-policies
	// takes for "everything is allowed"; with Protocol Buffers it arrives as none.
	config.ContentType = runtime.ContentTypeProtobuf
	// The limits of Kubernetes' own cloud-controller-manager.
	config.QPS, config.Burst = 20, 30
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	return run(ctx, config, client)
}
