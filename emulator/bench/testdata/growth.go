//go:build ignore

// A program of as many stacks' workloads as its config says, on one cluster: the
// parts of the real one.
package main

import (
	"fmt"

	"github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi/config"

	"hello-timber/stacks/workload"
)

func main() {
	pulumi.Run(func(ctx *pulumi.Context) error {
		c := config.New(ctx, "")
		provider, err := kubernetes.NewProvider(ctx, "cluster", &kubernetes.ProviderArgs{Kubeconfig: pulumi.String(c.Require("kubeconfig"))})
		if err != nil {
			return err
		}
		for i := range c.RequireInt("workloads") {
			// URNs must differ, and one of the logical names is fixed: the parent's type tells them apart.
			name := fmt.Sprintf("growth-%d", i)
			parent := &group{}
			if err := ctx.RegisterComponentResource(fmt.Sprintf("hello-timber:bench:Group%d", i), name, parent); err != nil {
				return err
			}
			opts := []pulumi.ResourceOption{pulumi.Provider(provider), pulumi.Parent(parent)}
			if err := declare(ctx, name, c.Require("image"), opts); err != nil {
				return err
			}
		}
		return nil
	})
}

type group struct{ pulumi.ResourceState }

func declare(ctx *pulumi.Context, name, image string, opts []pulumi.ResourceOption) error {
	namespace, err := workload.NewNamespace(ctx, name, &workload.NamespaceArgs{Name: name}, opts...)
	if err != nil {
		return err
	}
	labels := workload.Labels(name, "growth", "")
	policy, err := workload.NewNetworkPolicy(ctx, name, &workload.NetworkPolicyArgs{Namespace: namespace.Name, Labels: labels, Port: 8080}, opts...)
	if err != nil {
		return err
	}
	if _, err := workload.NewDeployment(ctx, name, &workload.DeploymentArgs{
		Namespace: namespace.Name, Labels: labels, Image: pulumi.String(image), Version: "v1", Replicas: 1,
		Port: 8080, LivenessPath: "/livez", ReadinessPath: "/readyz", Memory: 64, Policy: policy,
	}, opts...); err != nil {
		return err
	}
	_, err = workload.NewService(ctx, name, &workload.ServiceArgs{Namespace: namespace.Name, Labels: labels}, opts...)
	return err
}
