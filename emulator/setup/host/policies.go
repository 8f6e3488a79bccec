//go:build linux

package host

import (
	"context"
	"strings"

	"hello-timber/emulator/setup/checkout"
)

// Policies warns if a node that runs cannot enforce network policies. All nodes have this
// machine's kernel, and each writes what it has found out.
func Policies(ctx context.Context, c checkout.Checkout) []Finding {
	nodes, err := c.Output(ctx, "docker", "ps", "--quiet", "--filter=label=hello-timber.emulator="+c.Home(), "--filter=label=hello-timber.role=node")
	if err != nil || nodes == "" {
		return nil
	}
	verdict, err := c.Output(ctx, "docker", "exec", strings.Fields(nodes)[0], "cat", "/run/network-policies")
	if err != nil || verdict == "enforced" {
		return nil
	}
	return []Finding{{What: "policies", Optional: true, Says: "NETWORK POLICIES ARE NOT ENFORCED, and any pod can reach any other: " + verdict,
		Fix: "sudo modprobe -a nfnetlink_queue nf_tables nft_queue (on Debian's cloud kernels after sudo apt-get install linux-image-amd64 and a restart), then: make down && make up"}}
}
