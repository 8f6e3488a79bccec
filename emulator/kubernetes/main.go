// Command kubernetes is Pulumi's own Kubernetes provider, compiled from its Go
// module: pulumi-kubernetes publishes binaries, and the module lacks the main
// package's generated files. It is used where no plugin of this version is installed.
package main

import (
	"embed"
	"fmt"
	"os"

	"github.com/pulumi/pulumi-kubernetes/provider/v4/pkg/provider"
	"github.com/pulumi/pulumi-kubernetes/provider/v4/pkg/version"
)

// A folder, because the module must compile before emulator/setup has copied the
// schema into it.
//
//go:embed all:schema
var files embed.FS

func main() {
	schema, err := files.ReadFile("schema/schema.json")
	if err != nil || version.Version == "" {
		fmt.Fprintln(os.Stderr, "pulumi-resource-kubernetes: compiled without its version or its schema. Fix: make build")
		os.Exit(1)
	}
	// The mapping is for pulumi convert, which translates Terraform programs.
	provider.Serve("kubernetes", version.Version, schema, []byte("{}"))
}
