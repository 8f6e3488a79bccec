//go:build linux

package main

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
)

// autoscaled finds the key that gives a stack an autoscaler.
var autoscaled = regexp.MustCompile(`(?m)^\s+[^:#]+:maxReplicas:\s*['"]?[1-9]`)

// metrics compiles the metrics-server, which autoscalers need, and which takes one
// core more than two minutes: only for a stack that has an autoscaler, or without a stack.
// Clusters that run already start it.
func metrics(ctx context.Context, c checkout) error {
	if c.stack != "" {
		config, err := os.ReadFile(filepath.Join(c.root, "Pulumi."+c.stack+".yaml"))
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil || !autoscaled.Match(config) {
			return err
		}
	}
	server := &program{name: "metrics-server", folder: "emulator/network", pkg: "./metrics", output: c.home("bin", "metrics-server"),
		sources: []string{"emulator/network/go.mod", "emulator/network/go.sum", "emulator/network/metrics"}, linker: "-s -w"}
	unlock, err := c.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	if c.fresh(server) {
		return nil
	}
	return c.watched(ctx, server.name, func(ctx context.Context, p *progress) error { return c.compile(ctx, p, server) })
}
