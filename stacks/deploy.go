// Package stacks declares the resource graph of a stack: from a Google Cloud
// project, or an existing cluster and registry, to the URL of a web service that
// runs on Kubernetes.
//
// This file is the table of contents. The parts are packages that do not know it:
// config, target, image, workload.
package stacks

import (
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"hello-timber/command"
	"hello-timber/stacks/config"
	"hello-timber/stacks/image"
	"hello-timber/stacks/target"
	"hello-timber/stacks/workload"
)

// application is the logical name of what is not the service's own. It is part of these
// resources' URNs: another name replaces them, unless the old one is given as an alias.
// A project of your own keeps it: your service's name is the key service.
const application = "hello-timber"

// Deploy is the program. It registers nothing unless the whole configuration is
// correct, this machine has the tools, and the image's source can be read. What it
// exports is described in docs/configuration.md.
func Deploy(ctx *pulumi.Context) error { return declare(ctx, true) }

// declare does so with hooks or, for Pulumi's mocks, which have none, without.
func declare(ctx *pulumi.Context, hooks bool) error {
	cfg, err := config.Load(ctx)
	if err != nil {
		return err
	}
	run := command.New(func(line string) { _ = ctx.Log.Info(line, nil) }) // for the user, who may wait for it
	if err := checkMachine(ctx, cfg, run); err != nil {
		return err
	}
	where, err := target.New(ctx, application, cfg, run)
	if err != nil {
		return err
	}
	if !hooks {
		where.Ask, where.Taken = nil, nil
	}
	service := cfg.Service.Name
	digest, err := image.New(ctx, service, &image.Args{
		Image: cfg.Image, Name: where.ImageName, Version: cfg.Version, Platform: where.Platform, TokenHost: where.TokenHost,
	})
	if err != nil {
		return err
	}
	cluster, err := workload.NewProvider(ctx, application, &workload.ProviderArgs{
		Kubeconfig: where.Kubeconfig, Context: where.Context, ClusterID: where.ClusterID, Nodes: where.Nodes,
	})
	if err != nil {
		return err
	}
	var gateway *workload.Gateway
	if d := where.Domain; d != nil {
		gateway = &workload.Gateway{Class: d.Class, Annotations: d.Annotations, Secret: d.Secret, Publish: d.Publish}
	}
	running, err := workload.New(ctx, service, &workload.Args{
		Namespace: cfg.Name, PartOf: application, Owner: cfg.Owner, Protect: cfg.DeletionProtection, Service: cfg.Service,
		Image: digest, Version: cfg.Version, Platform: where.Platform,
		PullGrant: where.PullGrant, PullSecret: where.PullSecret, MoreNodes: where.MoreNodes, Gateway: gateway, Ask: where.Ask, Taken: where.Taken,
	}, pulumi.Provider(cluster))
	if err != nil {
		return err
	}
	ctx.Export("url", running.URL)
	if d := where.Domain; d != nil {
		ctx.Export("dnsRecords", append(pulumi.StringArray{running.Record}, d.Records...))
	}
	ctx.Export("image", running.Image)
	ctx.Export("cluster", where.Cluster)
	ctx.Export("namespace", running.Namespace)
	ctx.Export("kubectl", where.Kubectl)
	if where.Console != nil {
		ctx.Export("console", where.Console)
	}
	return nil
}
