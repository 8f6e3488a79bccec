// A program that asks for what the emulator does not have.
package main

import "github.com/pulumi/pulumi/sdk/v3/go/pulumi"

func main() {
	pulumi.Run(func(ctx *pulumi.Context) error {
		var network, cluster struct{ pulumi.CustomResourceState }
		if err := ctx.RegisterResource("gcp:compute/network:Network", "network", pulumi.Map{}, &network); err != nil {
			return err
		}
		return ctx.RegisterResource("gcp:container/cluster:Cluster", "cluster", pulumi.Map{
			"location":     pulumi.String("europe-west1-d"),
			"addonsConfig": pulumi.Map{"noSuchAddon": pulumi.Bool(true)},
		}, &cluster)
	})
}
