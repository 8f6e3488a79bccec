// Command emulator is every part of the emulated Google Cloud that runs as a
// process of its own. The name by which it is called decides which part it is, so
// that one binary serves the Pulumi engine, kubectl and your shell.
package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi/provider"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"

	"hello-timber/emulator/docker"
	"hello-timber/emulator/gcp"
	"hello-timber/emulator/language"
	"hello-timber/emulator/registry"
	"hello-timber/emulator/wire"
)

var programs = map[string]func(args []string) error{
	"pulumi-resource-docker": serve(docker.New),
	"pulumi-resource-gcp":    serve(gcp.New),
	"pulumi-language-go":     language.Main,
	"gke-gcloud-auth-plugin": func(args []string) error { return gcp.AuthPlugin(args, os.Stdout) },
	"gcloud":                 func(args []string) error { return gcp.Gcloud(args, os.Stdout, os.Stderr) },
	"registry":               func([]string) error { return registry.Main() },
}

func serve(newProvider func(*provider.HostClient) plugin.Provider) func([]string) error {
	return func([]string) error {
		return provider.Main("emulator", func(host *provider.HostClient) (pulumirpc.ResourceProviderServer, error) {
			return wire.Server(newProvider(host)), nil
		})
	}
}

func main() {
	name, args := filepath.Base(os.Args[0]), os.Args[1:]
	// In the registry's container there are no links: `emulator registry`.
	if name == "emulator" && len(args) > 0 {
		name, args = args[0], args[1:]
	}
	program, ok := programs[name]
	if !ok {
		fmt.Fprintf(os.Stderr, "emulator: unknown program %q. Run it by one of its links in .emulator/bin and .emulator/pulumi/plugins\n", name)
		os.Exit(2)
	}
	if err := program(args); err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", name, err)
		os.Exit(1)
	}
}
