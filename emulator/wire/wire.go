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
	options := plugin.MarshalOptions{Label: "Diff", KeepUnknowns: true, PropagateNil: true}
	oldInputs, err := plugin.UnmarshalProperties(request.GetOldInputs(), options)
	if err != nil {
		return nil, err
	}
	oldOutputs, err := plugin.UnmarshalProperties(request.GetOlds(), options)
	if err != nil {
		return nil, err
	}
	newInputs, err := plugin.UnmarshalProperties(request.GetNews(), options)
	if err != nil {
		return nil, err
	}
	urn := resource.URN(request.GetUrn())
	diff, err := s.provider.Diff(ctx, plugin.DiffRequest{
		URN: urn, Name: urn.Name(), Type: urn.Type(), ID: resource.ID(request.GetId()),
		OldInputs: oldInputs, OldOutputs: oldOutputs, NewInputs: newInputs,
		AllowUnknowns: true, IgnoreChanges: request.GetIgnoreChanges(),
	})
	if err != nil {
		return nil, err
	}
	return answer(diff), nil
}

func answer(diff plugin.DiffResult) *pulumirpc.DiffResponse {
	response := &pulumirpc.DiffResponse{DeleteBeforeReplace: diff.DeleteBeforeReplace,
		HasDetailedDiff: diff.Changes == plugin.DiffNone || len(diff.DetailedDiff) > 0,
		Changes: map[plugin.DiffChanges]pulumirpc.DiffResponse_DiffChanges{
			plugin.DiffNone: pulumirpc.DiffResponse_DIFF_NONE, plugin.DiffSome: pulumirpc.DiffResponse_DIFF_SOME,
		}[diff.Changes]}
	changed, replaced := map[string]bool{}, map[string]bool{}
	for at, change := range diff.DetailedDiff {
		if response.DetailedDiff == nil {
			response.DetailedDiff = map[string]*pulumirpc.PropertyDiff{}
		}
		// The kinds of both packages have the same numbers.
		response.DetailedDiff[at] = &pulumirpc.PropertyDiff{Kind: pulumirpc.PropertyDiff_Kind(change.Kind), InputDiff: change.InputDiff}
		name := Root(at)
		changed[name] = true
		if change.Kind.IsReplace() {
			replaced[name] = true
		}
	}
	response.Diffs, response.Replaces = slices.Sorted(maps.Keys(changed)), slices.Sorted(maps.Keys(replaced))
	for _, key := range diff.StableKeys {
		response.Stables = append(response.Stables, string(key))
	}
	return response
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
