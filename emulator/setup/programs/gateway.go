//go:build linux

package programs

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"hello-timber/emulator/setup/checkout"
)

// copyGatewayAPI copies the definitions of the Gateway API from its module, whose packages
// need newer ones than the emulator has, and GKE's own, to where control planes find them.
func copyGatewayAPI(ctx context.Context, c checkout.Checkout) error {
	wanted, err := os.ReadFile(filepath.Join(c.Root, "emulator", "network", "gateway-api.txt"))
	if err != nil {
		return err
	}
	name, sum, _ := strings.Cut(strings.TrimSpace(string(wanted)), " ")
	text, err := c.Output(ctx, "go", "mod", "download", "-json", name)
	if err != nil {
		return err
	}
	var module struct{ Dir, Sum string }
	if err := json.Unmarshal([]byte(text), &module); err != nil {
		return err
	}
	if module.Sum != sum {
		return fmt.Errorf("%s has the checksum %s, not %s", name, module.Sum, sum)
	}
	// Of the former, classes, Gateways, routes and grants: what GKE installs.
	_, err = c.Output(ctx, "sh", "-c", `mkdir -p "$1" && install -m 644 emulator/network/gke.yaml "$2"/gateway.networking.k8s.io_[ghr]*.yaml "$1"`,
		"sh", c.Home("bin", "gateway-api"), filepath.Join(module.Dir, "config", "crd", "standard"))
	return err
}
