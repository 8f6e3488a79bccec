package gcp

import (
	"context"
	"fmt"
	"strings"
	"time"

	"hello-timber/emulator/records"
)

func (g *google) applyRepository(ctx context.Context, c *change) error {
	if location := text(c.new, "location"); strings.Count(location, "-") != 1 {
		return fmt.Errorf("googleapi: Error 400: location %q is no region: repositories are in a region such as europe-west1, badRequest", location)
	}
	g.registry.Lock()
	defer g.registry.Unlock()
	if err := g.clusters.EnsureRegistry(ctx); err != nil {
		return err
	}
	now := time.Now().UTC().Format(time.RFC3339Nano)
	if c.old == nil {
		c.new["createTime"] = now
	}
	c.new["updateTime"], c.new["name"] = now, c.new["repositoryId"]
	return nil
}

func (g *google) removeRepository(ctx context.Context, r records.Record) error {
	g.registry.Lock()
	defer g.registry.Unlock()
	if err := g.clusters.DeleteRepositoryContents(ctx, text(r.Properties, "project"), text(r.Properties, "repositoryId")); err != nil {
		return err
	}
	if err := g.records.Delete(repositoryType, r.ID); err != nil {
		return err
	}
	rest, err := g.records.List(repositoryType)
	if err != nil || len(rest) > 0 {
		return err
	}
	return g.clusters.RemoveRegistry(ctx)
}
