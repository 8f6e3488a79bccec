// A program that asks for what the emulator does not have.
package main

import (
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi/config"
)

func main() {
	pulumi.Run(func(ctx *pulumi.Context) error {
		var resource pulumi.CustomResourceState
		if config.Get(ctx, "ask") == "resource" {
			return ctx.RegisterResource("gcp:compute/network:Network", "network", pulumi.Map{}, &resource)
		}
		return ctx.RegisterResource("gcp:container/cluster:Cluster", "cluster", pulumi.Map{
			"location":     pulumi.String("europe-west1-d"),
			"addonsConfig": pulumi.Map{"noSuchAddon": pulumi.Bool(true)},
		}, &resource)
	})
}
