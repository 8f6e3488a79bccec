package wire

import (
	"context"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/protobuf/proto"
)

type fixed struct {
	plugin.UnimplementedProvider
	result plugin.DiffResult
}

func (f *fixed) Diff(context.Context, plugin.DiffRequest) (plugin.DiffResult, error) {
	return f.result, nil
}

func TestDiff(t *testing.T) {
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
		got, err := Server(&fixed{result: test.result}).Diff(t.Context(), &pulumirpc.DiffRequest{Urn: "urn:pulumi:s::p::a:b:C::n"})
		if err != nil || !proto.Equal(got, test.want) {
			t.Errorf("got %v, %v, want %v", got, err, test.want)
		}
	}
}
