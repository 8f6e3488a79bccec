// Package wire is what the emulator's provider plugins have in common: how they answer
// the Pulumi engine, end when the user interrupts a command, and report progress.
package wire

import (
	"context"
	"maps"
	"slices"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
)

// server is the SDK's plugin server (pulumi/sdk 3.250) except for Diff. That sends a
// detailed diff without the flag that announces it, paths where the engine expects
// names of properties, and no stable properties. The engine would show that a
// resource changes, but not how.
type server struct {
	pulumirpc.ResourceProviderServer
	provider plugin.Provider
}

// Server returns a server of a provider.
func Server(provider plugin.Provider) pulumirpc.ResourceProviderServer {
	return server{plugin.NewProviderServer(provider), provider}
}

func (s server) Diff(ctx context.Context, request *pulumirpc.DiffRequest) (*pulumirpc.DiffResponse, error) {
	kept := &keeper{Provider: s.provider}
	response, err := plugin.NewProviderServer(kept).Diff(ctx, request)
	if err != nil {
		return nil, err
	}
	response.HasDetailedDiff = kept.diff.Changes == plugin.DiffNone || len(kept.diff.DetailedDiff) > 0
	changed, replaced := map[string]bool{}, map[string]bool{}
	for at, change := range kept.diff.DetailedDiff {
		// The kinds of both packages have the same numbers. The SDK's server mixes up two.
		response.DetailedDiff[at].Kind = pulumirpc.PropertyDiff_Kind(change.Kind)
		name := Root(at)
		changed[name] = true
		if change.Kind.IsReplace() {
			replaced[name] = true
		}
	}
	response.Diffs, response.Replaces = slices.Sorted(maps.Keys(changed)), slices.Sorted(maps.Keys(replaced))
	for _, key := range kept.diff.StableKeys {
		response.Stables = append(response.Stables, string(key))
	}
	return response, nil
}

// keeper keeps a provider's own answer. It is for one request.
type keeper struct {
	plugin.Provider
	diff plugin.DiffResult
}

func (k *keeper) Diff(ctx context.Context, req plugin.DiffRequest) (plugin.DiffResult, error) {
	diff, err := k.Provider.Diff(ctx, req)
	k.diff = diff
	return diff, err
}

// Root returns the property that a path is in.
func Root(path string) string {
	at, err := resource.ParsePropertyPath(path)
	if err != nil || len(at) == 0 {
		return path
	}
	name, _ := at[0].(string)
	return name
}
