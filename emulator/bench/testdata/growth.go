//go:build ignore

// A program of as many stacks' workloads as its config says, on one cluster: the
// parts of the real one.
package main

import (
	"fmt"
	"runtime"

	"github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	settings "github.com/pulumi/pulumi/sdk/v3/go/pulumi/config"

	"hello-timber/stacks/config"
	"hello-timber/stacks/workload"
)

func main() {
	pulumi.Run(func(ctx *pulumi.Context) error {
		c := settings.New(ctx, "")
		provider, err := kubernetes.NewProvider(ctx, "cluster", &kubernetes.ProviderArgs{Kubeconfig: pulumi.String(c.Require("kubeconfig"))})
		if err != nil {
			return err
		}
		for i := range c.RequireInt("workloads") {
			// One of the logical names is fixed, so the parent's type makes the URNs differ.
			name := fmt.Sprintf("growth-%d", i)
			parent := &group{}
			if err := ctx.RegisterComponentResource(fmt.Sprintf("hello-timber:bench:Group%d", i), name, parent); err != nil {
				return err
			}
			if _, err := workload.New(ctx, name, &workload.Args{
				Namespace: name, PartOf: name, Image: pulumi.String(c.Require("image")), Version: "v1", Platform: "linux/" + runtime.GOARCH,
				Service: config.Service{Replicas: 1, Port: 8080, LivenessPath: "/livez", ReadinessPath: "/readyz", StartupSeconds: 30, Memory: 256},
			}, pulumi.Provider(provider), pulumi.Parent(parent)); err != nil {
				return err
			}
		}
		return nil
	})
}

type group struct{ pulumi.ResourceState }
