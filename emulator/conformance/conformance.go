// Package conformance compares the emulator's provider plugins with the official ones,
// for tests. It replays requests that the Pulumi engine sent to an official plugin,
// and compares the answers with the recorded ones.
package conformance

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

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
	urn, _ := e.Request["urn"].(string)
	if parts := strings.Split(urn, "::"); len(parts) == 4 {
		return parts[2][strings.LastIndex(parts[2], "$")+1:]
	}
	token, _ := e.Request["tok"].(string)
	return token
}

// Preview reports whether the request is part of a preview.
func (e Exchange) Preview() bool { return e.Request["preview"] == true }

// Difference is a known one between the answers, and why it may stay.
type Difference struct {
	// Methods, Type and Path are regular expressions that match whole values. Paths
	// are like response.properties.nodeConfig.taints[0].
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
	// Before runs before each exchange; it may change the request. It may be nil.
	Before func(t *testing.T, e *Exchange)
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
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var e Exchange
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			t.Fatal(err)
		}
		all = append(all, e)
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return all
}

// Run sends every request to a server, in the order of the recording. It reports each
// difference that is not known, and each known one that no longer occurs.
func (r Replay) Run(t *testing.T, server pulumirpc.ResourceProviderServer) {
	used := make([]bool, len(r.Known))
	for i, e := range r.Exchanges {
		t.Run(fmt.Sprintf("%03d %s %s %s", i, e.Scene, e.Method, e.Type()), func(t *testing.T) {
			r.replay(t, server, e, used)
		})
	}
	for i, known := range r.Known {
		if !used[i] {
			t.Errorf("no longer a difference: %+v. Fix: remove it from the list", known)
		}
	}
}

func (r Replay) replay(t *testing.T, server pulumirpc.ResourceProviderServer, e Exchange, used []bool) {
	if e.Method == "CheckConfig" || e.Method == "DiffConfig" {
		for _, values := range slices.Concat(slices.Collect(maps.Values(e.Request)), slices.Collect(maps.Values(e.Response))) {
			if properties, ok := values.(map[string]any); ok {
				maps.DeleteFunc(properties, func(name string, _ any) bool { return slices.Contains(r.Settings, name) })
			}
		}
	}
	if r.Before != nil {
		r.Before(t, &e)
	}
	answer, err := call(t.Context(), server, e)
	if err != nil {
		t.Fatal(err)
	}
	c := comparison{madeUp: r.MadeUp, report: func(path string, want, got any) {
		if !r.known(e, path, want, got, used) {
			t.Errorf("%s: got %s, want %s", path, show(got), show(want))
		}
	}}
	// Terraform reads nothing and an empty list differently from call to call.
	c.emptyIsNone = !e.Preview() && slices.Contains([]string{"Create", "Update", "Read"}, e.Method)
	c.compare("response", e.Response, answer)
}

func (r Replay) known(e Exchange, path string, want, got any, used []bool) bool {
	for i, known := range r.Known {
		if matches(known.Methods, e.Method) && matches(known.Type, e.Type()) && matches(known.Path, path) && like(known.Like, want) && like(known.Like, got) {
			used[i] = true
			return true
		}
	}
	return false
}

func matches(pattern, value string) bool {
	return pattern == "" || regexp.MustCompile("^(?:"+pattern+")$").MatchString(value)
}

func like(pattern string, value any) bool {
	text, isText := value.(string)
	return pattern == "" || isText && matches(pattern, text)
}

// call sends a request to a server and returns the answer as it is on the wire.
func call(ctx context.Context, server pulumirpc.ResourceProviderServer, e Exchange) (map[string]any, error) {
	method, ok := map[string]func(context.Context, map[string]any) (proto.Message, error){
		"CheckConfig": on(server.CheckConfig), "DiffConfig": on(server.DiffConfig), "Invoke": on(server.Invoke),
		"Check": on(server.Check), "Diff": on(server.Diff), "Create": on(server.Create),
		"Read": on(server.Read), "Update": on(server.Update), "Delete": on(server.Delete),
	}[e.Method]
	if !ok {
		return nil, fmt.Errorf("cannot replay %s", e.Method)
	}
	answer, err := method(ctx, e.Request)
	if err != nil {
		return nil, err
	}
	text, err := protojson.Marshal(answer)
	if err != nil {
		return nil, err
	}
	var plain map[string]any
	return plain, json.Unmarshal(text, &plain)
}

// on adapts a method of a server to requests in JSON.
func on[Request any, R interface {
	*Request
	proto.Message
}, Answer proto.Message](method func(context.Context, R) (Answer, error)) func(context.Context, map[string]any) (proto.Message, error) {
	return func(ctx context.Context, plain map[string]any) (proto.Message, error) {
		text, err := json.Marshal(plain)
		if err != nil {
			return nil, err
		}
		var request R = new(Request)
		if err := protojson.Unmarshal(text, request); err != nil {
			return nil, err
		}
		return method(ctx, request)
	}
}

type comparison struct {
	madeUp      []string
	emptyIsNone bool
	report      func(path string, want, got any)
}

func (c comparison) compare(path string, want, got any) {
	if c.none(want) && c.none(got) {
		return
	}
	switch want := want.(type) {
	case map[string]any:
		if got, ok := got.(map[string]any); ok {
			c.objects(path, want, got)
			return
		}
	case []any:
		if got, ok := got.([]any); ok && len(got) == len(want) {
			for i := range want {
				c.compare(fmt.Sprintf("%s[%d]", path, i), want[i], got[i])
			}
			return
		}
	default:
		if want == got {
			return
		}
	}
	c.report(path, want, got)
}

func (c comparison) objects(path string, want, got map[string]any) {
	all := maps.Clone(want)
	maps.Copy(all, got)
	for _, name := range slices.Sorted(maps.Keys(all)) {
		wanted, expected := want[name]
		has, there := got[name]
		at := path + "." + name
		switch {
		case expected != there:
			c.report(at, absent(wanted, expected), absent(has, there))
		case !slices.Contains(c.madeUp, name):
			c.compare(at, wanted, has)
		case fmt.Sprintf("%T", wanted) != fmt.Sprintf("%T", has):
			c.report(at, wanted, has)
		}
	}
}

// missing is the value of a property that an answer does not have.
type missing struct{}

func absent(value any, there bool) any {
	if there {
		return value
	}
	return missing{}
}

func (c comparison) none(value any) bool {
	if !c.emptyIsNone {
		return false
	}
	switch value := value.(type) {
	case nil:
		return true
	case []any:
		return len(value) == 0
	case map[string]any:
		return len(value) == 0
	}
	return false
}

func show(value any) string {
	if value == (missing{}) {
		return "no such property"
	}
	text, err := json.Marshal(value)
	if err != nil {
		return fmt.Sprint(value)
	}
	return string(text)
}
