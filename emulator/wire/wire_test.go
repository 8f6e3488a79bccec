package wire

import (
	"context"
	"slices"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"
)

type fixed struct {
	plugin.UnimplementedProvider
	asked  plugin.DiffRequest
	result plugin.DiffResult
}

func (f *fixed) Diff(_ context.Context, req plugin.DiffRequest) (plugin.DiffResult, error) {
	f.asked = req
	return f.result, nil
}

func TestDiff(t *testing.T) {
	properties := func(name string) *structpb.Struct {
		return &structpb.Struct{Fields: map[string]*structpb.Value{"name": structpb.NewStringValue(name)}}
	}
	for _, test := range []struct {
		result plugin.DiffResult
		want   *pulumirpc.DiffResponse
	}{
		{plugin.DiffResult{Changes: plugin.DiffNone, StableKeys: []resource.PropertyKey{"name"}},
			&pulumirpc.DiffResponse{Changes: pulumirpc.DiffResponse_DIFF_NONE, HasDetailedDiff: true, Stables: []string{"name"}}},
		{plugin.DiffResult{}, &pulumirpc.DiffResponse{}},
		{plugin.DiffResult{Changes: plugin.DiffSome, DeleteBeforeReplace: true, DetailedDiff: map[string]plugin.PropertyDiff{
			`labels["a.b"]`: {Kind: plugin.DiffAdd}, "labels.c": {Kind: plugin.DiffDelete, InputDiff: true}, "list[0].spot": {Kind: plugin.DiffUpdateReplace},
			"added": {Kind: plugin.DiffAddReplace}, "deleted": {Kind: plugin.DiffDeleteReplace}, "updated": {Kind: plugin.DiffUpdate}}},
			&pulumirpc.DiffResponse{Changes: pulumirpc.DiffResponse_DIFF_SOME, DeleteBeforeReplace: true, HasDetailedDiff: true,
				Diffs: []string{"added", "deleted", "labels", "list", "updated"}, Replaces: []string{"added", "deleted", "list"},
				DetailedDiff: map[string]*pulumirpc.PropertyDiff{
					`labels["a.b"]`: {Kind: pulumirpc.PropertyDiff_ADD}, "labels.c": {Kind: pulumirpc.PropertyDiff_DELETE, InputDiff: true},
					"list[0].spot": {Kind: pulumirpc.PropertyDiff_UPDATE_REPLACE}, "added": {Kind: pulumirpc.PropertyDiff_ADD_REPLACE},
					"deleted": {Kind: pulumirpc.PropertyDiff_DELETE_REPLACE}, "updated": {Kind: pulumirpc.PropertyDiff_UPDATE}}}},
	} {
		provider := &fixed{result: test.result}
		got, err := Server(provider).Diff(t.Context(), &pulumirpc.DiffRequest{Urn: "urn:pulumi:s::p::a:b:C::n", Id: "id",
			OldInputs: properties("1"), Olds: properties("2"), News: properties("3"), IgnoreChanges: []string{"x"}})
		if err != nil || !proto.Equal(got, test.want) {
			t.Errorf("got %v, %v, want %v", got, err, test.want)
		}
		asked := provider.asked
		if asked.Name != "n" || asked.Type != "a:b:C" || asked.ID != "id" || !slices.Equal(asked.IgnoreChanges, []string{"x"}) ||
			asked.OldInputs["name"].V != "1" || asked.OldOutputs["name"].V != "2" || asked.NewInputs["name"].V != "3" {
			t.Errorf("asked %+v", asked)
		}
	}
}
