//go:build linux

package programs

import (
	"context"

	"hello-timber/emulator/setup/checkout"
	"hello-timber/emulator/setup/progress"
)

// Metrics compiles the metrics-server, which autoscalers need, and which takes one core
// more than two minutes: only for a stack that has an autoscaler, and for the tests.
// Clusters that run already start it.
func Metrics(ctx context.Context, c checkout.Checkout) error {
	server := &Program{name: "metrics-server", folder: "emulator/network", pkg: "./metrics", output: c.Home("bin", "metrics-server"),
		sources: []string{"emulator/network/go.mod", "emulator/network/go.sum", "emulator/network/metrics"}, linker: "-s -w"}
	unlock, err := c.Lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	if fresh(c, server) {
		return nil
	}
	return progress.One(ctx, c, server.name, func(ctx context.Context, p *progress.Report) error { return compile(ctx, c, p, server) })
}
