// Package conformance compares the emulator's provider plugins with the official ones,
// for tests. It replays requests that the Pulumi engine sent to an official plugin,
// and compares the answers with the recorded ones.
package conformance

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
)

// Exchange is a recorded request and its answer.
type Exchange struct {
	// Scene is what was run, such as dev-2-up.
	Scene string
	// Method is that of the ResourceProvider service, such as Create.
	Method            string
	Request, Response map[string]any
}

// Type is the type of the resource that the exchange is about, or the token of the
// function that it calls.
func (e Exchange) Type() string {
	if urn, ok := e.Request["urn"].(string); ok {
		return string(resource.URN(urn).Type())
	}
	token, _ := e.Request["tok"].(string)
	return token
}

// Difference is a known one between the answers, and why it may stay.
type Difference struct {
	// Methods, Type and Path are regular expressions that match whole values. A path is like
	// response.properties.nodeConfig.taints[0], and includes everything in it.
	Methods, Type, Path string
	// Like, if set, is what both values match.
	Like   string
	Reason string
}

// Replay is a recording and the rules to compare with it.
type Replay struct {
	Exchanges []Exchange
	// Settings of the recording's own provider, which are left out of requests to
	// configure it and of the answers.
	Settings []string
	// MadeUp are properties that the service behind the plugin made up, such as
	// times: only the type of their values is compared.
	MadeUp []string
	// Known are the differences that may stay.
	Known []Difference
}

// Load reads a recording: an exchange in JSON on each line.
func Load(t *testing.T, path string) []Exchange {
	t.Helper()
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	var all []Exchange
	for lines := json.NewDecoder(file); lines.More(); {
		var e Exchange
		if err := lines.Decode(&e); err != nil {
			t.Fatal(err)
		}
		all = append(all, e)
	}
	return all
}

// Run sends every request to a server, in the order of the recording. It reports each
// difference that is not known, and each known one that no longer occurs.
func (r Replay) Run(t *testing.T, server pulumirpc.ResourceProviderServer) {
	used := make([]bool, len(r.Known))
	for i, e := range r.Exchanges {
		t.Run(fmt.Sprintf("%03d %s %s %s", i, e.Scene, e.Method, e.Type()), func(t *testing.T) {
			if e.Method == "CheckConfig" || e.Method == "DiffConfig" {
				r.removeSettings(e.Request)
				r.removeSettings(e.Response)
			}
			answer, err := call(t.Context(), server, e)
			if err != nil {
				t.Fatal(err)
			}
			want, got := r.flatten(e, e.Response), r.flatten(e, answer)
			all := maps.Clone(want)
			maps.Copy(all, got)
			for _, path := range slices.Sorted(maps.Keys(all)) {
				if want[path] != got[path] && !r.known(e, path, want[path], got[path], used) {
					t.Errorf("%s: got %s, want %s", path, cmp.Or(got[path], "no such property"), cmp.Or(want[path], "no such property"))
				}
			}
		})
	}
	for i, known := range r.Known {
		if !used[i] {
			t.Errorf("no longer a difference: %+v. Fix: remove it from the list", known)
		}
	}
}

func (r Replay) removeSettings(of map[string]any) {
	for _, values := range of {
		if properties, ok := values.(map[string]any); ok {
			maps.DeleteFunc(properties, func(name string, _ any) bool { return slices.Contains(r.Settings, name) })
		}
	}
}

// flatten returns the values in an answer, in JSON, by path.
func (r Replay) flatten(e Exchange, answer any) map[string]string {
	// Terraform reads nothing and an empty list differently from call to call.
	emptyIsNone := e.Request["preview"] != true && slices.Contains([]string{"Create", "Update", "Read"}, e.Method)
	flat := map[string]string{}
	var add func(path string, value any)
	add = func(path string, value any) {
		text, err := json.Marshal(value)
		if err != nil {
			panic(err) // it was read from JSON
		}
		empty := slices.Contains([]string{"null", "[]", "{}"}, string(text))
		object, _ := value.(map[string]any)
		list, _ := value.([]any)
		switch {
		case empty && emptyIsNone:
			flat[path] = "nothing"
		case empty || object == nil && list == nil:
			flat[path] = string(text)
		}
		for name, value := range object {
			if slices.Contains(r.MadeUp, name) {
				flat[path+"."+name] = fmt.Sprintf("a %T", value)
			} else {
				add(path+"."+name, value)
			}
		}
		for i, value := range list {
			add(fmt.Sprintf("%s[%d]", path, i), value)
		}
	}
	add("response", answer)
	return flat
}

func (r Replay) known(e Exchange, path, want, got string, used []bool) bool {
	for i, known := range r.Known {
		if matches(known.Methods, e.Method) && matches(known.Type, e.Type()) && matches("(?:"+known.Path+`)([.[].*)?`, path) &&
			matches(known.Like, strings.Trim(want, `"`)) && matches(known.Like, strings.Trim(got, `"`)) {
			used[i] = true
			return true
		}
	}
	return false
}

func matches(pattern, value string) bool {
	return pattern == "" || regexp.MustCompile("^(?:"+pattern+")$").MatchString(value)
}

// call sends a request to a server and returns the answer as it is on the wire.
func call(ctx context.Context, server pulumirpc.ResourceProviderServer, e Exchange) (plain map[string]any, err error) {
	request, err := json.Marshal(e.Request)
	if err != nil {
		return nil, err
	}
	for _, method := range pulumirpc.ResourceProvider_ServiceDesc.Methods {
		if method.MethodName != e.Method {
			continue
		}
		answer, err := method.Handler(server, ctx, func(into any) error { return protojson.Unmarshal(request, into.(proto.Message)) }, nil)
		if err != nil {
			return nil, err
		}
		text, err := protojson.Marshal(answer.(proto.Message))
		if err != nil {
			return nil, err
		}
		return plain, json.Unmarshal(text, &plain)
	}
	return nil, fmt.Errorf("cannot replay %s", e.Method)
}
