package plan_test

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/apitype"

	"hello-timber/pipelines/deploy"
	"hello-timber/pipelines/run"
	"hello-timber/pipelines/run/runtest"
	"hello-timber/pipelines/summary"
)

type object = map[string]any

// approval is everything that a plan of prod follows from: the engine's steps, and what
// the stack and the run have besides.
type approval struct {
	steps                        []apitype.StepEventMetadata
	state, config, commit, image string
}

// named are a resource's names as a preview draws them.
type named struct{ secret, other, pool string }

func drawNames() named {
	return named{fmt.Sprintf("environment-%08x", rand.Uint32()), fmt.Sprintf("other-%08x", rand.Uint32()), fmt.Sprintf("pool-%07x", rand.Uint32()>>4)}
}

func stepOf(op apitype.OpType, typ, name string, old, new object) apitype.StepEventMetadata {
	state := func(inputs object) *apitype.StepEventStateMetadata {
		if inputs == nil {
			return nil
		}
		// What a preview computes differs each time, and is not what the update will do.
		return &apitype.StepEventStateMetadata{Custom: true, Type: typ, Inputs: inputs, Outputs: object{"uid": fmt.Sprint(rand.Uint64())}}
	}
	return apitype.StepEventMetadata{Op: op, URN: "urn:pulumi:prod::hello-timber::" + typ + "::" + name, Type: typ, Old: state(old), New: state(new)}
}

const (
	secretType, deploymentType = "kubernetes:core/v1:Secret", "kubernetes:apps/v1:Deployment"
	poolType, clusterType      = "gcp:container/nodePool:NodePool", "gcp:container/cluster:Cluster"
)

// theApproval is the same plan in every preview, but for the names.
func theApproval(n named) approval {
	autonamed := func(name string) object {
		return object{"name": name, "annotations": object{"pulumi.com/autonamed": "true"}}
	}
	hiddenSecret := object{"4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270", "ciphertext": run.Hidden}
	deployment := stepOf(apitype.OpUpdate, deploymentType, "timber", object{"replicas": 1.0}, object{
		"replicas": 3.0, "args": []any{"one", "two"}, "long": strings.Repeat("x", 400) + "1", "login": "password=hunter1",
		"envFrom": []any{object{"name": n.secret}, object{"name": n.other}}, "pool": "projects/p/nodePools/" + n.pool + "/x",
	})
	deployment.Diffs = []string{"replicas", "args"}
	deployment.DetailedDiff = map[string]apitype.PropertyDiff{"replicas": {Kind: "update", InputDiff: true}, "args": {Kind: "add", InputDiff: true}}
	before, after := object{"location": "a"}, object{"location": "b"}
	return approval{
		steps: []apitype.StepEventMetadata{
			stepOf(apitype.OpCreateReplacement, clusterType, "main", before, after),
			stepOf(apitype.OpReplace, clusterType, "main", before, after),
			stepOf(apitype.OpDeleteReplaced, clusterType, "main", before, nil),
			stepOf(apitype.OpCreate, secretType, "environment", nil, object{"metadata": autonamed(n.secret), "data": hiddenSecret}),
			stepOf(apitype.OpCreate, secretType, "other", nil, object{"metadata": autonamed(n.other)}),
			stepOf(apitype.OpCreate, poolType, "pool", nil, object{"name": n.pool, "__defaults": []any{"name"}}),
			stepOf(apitype.OpCreate, poolType, "fixed", nil, object{"name": "fixed-1234567"}),
			deployment,
			stepOf(apitype.OpDelete, poolType, "gone", object{"name": "gone"}, nil),
		},
		state: `{"resources": [{"urn": "urn:pulumi:prod::p::t::n", "outputs": {"login": {"ciphertext": "v1:a:b"}}}]}`, config: "config:\n  hello-timber:environment:\n    TOKEN:\n      secure: v1:c:d\n",
		commit: "0123456789", image: runtest.ImageV1,
	}
}

// shuffled are the steps in another order, but those of one resource in theirs.
func (a approval) shuffled() approval {
	place := map[string]int{}
	for _, step := range a.steps {
		place[step.URN] = rand.Int()
	}
	slices.SortStableFunc(a.steps, func(a, b apitype.StepEventMetadata) int { return cmp.Compare(place[a.URN], place[b.URN]) })
	return a
}

// prepare sets up the stack prod, and returns the variables of a run.
func (a approval) prepare(r *runtest.Runner) []string {
	r.Helper()
	var events []apitype.EngineEvent
	for _, step := range a.steps {
		events = append(events, apitype.EngineEvent{ResourcePreEvent: &apitype.ResourcePreEvent{Metadata: step, Planning: true}})
	}
	r.Pulumi.Stacks["prod"].Events, r.Pulumi.Stacks["prod"].State = runtest.Events(r.T, events...), a.state
	r.Write("Pulumi.prod.yaml", a.config)
	return []string{"COMMIT=" + a.commit, "IMAGE=" + a.image}
}

// summarize returns the fingerprint that make summary reports.
func (a approval) summarize(r *runtest.Runner) string {
	r.Helper()
	out := r.Reports(summary.Summary, a.prepare(r)...)
	fingerprint := strings.TrimPrefix(strings.TrimSpace(out), "changes=true\nplan=")
	if len(fingerprint) != 64 {
		r.Fatalf("reported %q", out)
	}
	return fingerprint
}

// One plan has one fingerprint, in whatever order the engine works and whatever names it
// draws. Every difference that a person could mind has another. Only what was approved is
// deployed.
func TestFingerprint(t *testing.T) {
	r := runtest.New(t, "STACK=prod")
	approved := theApproval(drawNames()).summarize(r)
	for range 20 {
		if got := theApproval(drawNames()).shuffled().summarize(r); got != approved {
			t.Fatalf("the same plan has the fingerprints %s and %s", approved, got)
		}
	}
	n := drawNames()
	inputs := func(a *approval, i int) object { return a.steps[i].New.Inputs }
	const replace, secret, fixed, deployment, deletion = 1, 3, 6, 7, 8
	seen := map[string]string{approved: "the approved plan"}
	for name, edit := range map[string]func(a *approval){
		"a value":                    func(a *approval) { inputs(a, deployment)["replicas"] = 4.0 },
		"a text for a number":        func(a *approval) { inputs(a, deployment)["replicas"] = "3" },
		"a value behind byte 300":    func(a *approval) { inputs(a, deployment)["long"] = strings.Repeat("x", 400) + "2" },
		"a masked value":             func(a *approval) { inputs(a, deployment)["login"] = "password=hunter2" },
		"a secret in the config":     func(a *approval) { a.config = strings.Replace(a.config, "v1:c:d", "v1:c:e", 1) },
		"a secret in the state":      func(a *approval) { a.state = strings.Replace(a.state, "v1:a:b", "v1:a:c", 1) },
		"whether a value is secret":  func(a *approval) { inputs(a, secret)["data"] = run.Hidden },
		"the order of a list":        func(a *approval) { inputs(a, deployment)["args"] = []any{"two", "one"} },
		"one value more":             func(a *approval) { inputs(a, deployment)["extra"] = nil },
		"a name that a person chose": func(a *approval) { inputs(a, fixed)["name"] = "fixed-7654321" },
		"which new resource is used": func(a *approval) {
			inputs(a, deployment)["envFrom"] = []any{object{"name": n.other}, object{"name": n.secret}}
		},
		"a literal for a reference": func(a *approval) { inputs(a, deployment)["pool"] = "projects/p/nodePools/urn/x" },
		"an update that replaces": func(a *approval) {
			a.steps[deployment].DetailedDiff["replicas"] = apitype.PropertyDiff{Kind: "update-replace", InputDiff: true}
			a.steps[deployment].Op = apitype.OpReplace
		},
		"what differs": func(a *approval) { delete(a.steps[deployment].DetailedDiff, "args") },
		"a deletion more": func(a *approval) {
			a.steps = append(a.steps, stepOf(apitype.OpDelete, poolType, "last", object{}, nil))
		},
		"a deletion less":           func(a *approval) { a.steps = a.steps[:deletion] },
		"a creation for a deletion": func(a *approval) { s := &a.steps[deletion]; s.Op, s.Old, s.New = apitype.OpCreate, nil, s.Old },
		"the resource":              func(a *approval) { a.steps[deletion].URN += "-2" },
		"the provider": func(a *approval) {
			a.steps[deployment].New.Provider = "urn:pulumi:prod::p::pulumi:providers:gcp::other::1"
		},
		"the protection":       func(a *approval) { a.steps[deployment].New.Protect = true },
		"what is replaced":     func(a *approval) { a.steps[replace].Old.Inputs = object{"location": "c"} },
		"the image":            func(a *approval) { a.image = strings.ReplaceAll(runtest.ImageV1, "0", "1") },
		"the configured image": func(a *approval) { a.image = run.Configured },
		"the commit":           func(a *approval) { a.commit = "1123456789" },
	} {
		a := theApproval(n)
		edit(&a)
		fingerprint := a.summarize(r)
		if same := seen[fingerprint]; same != "" {
			t.Errorf("%s: the fingerprint is that of %s", name, same)
		}
		seen[fingerprint] = name
		r.Pulumi.Calls = nil
		r.Try(name, "than what was approved", deploy.Deploy, append(a.prepare(r), "APPROVED="+approved)...)
		if r.Called("up") {
			t.Errorf("%s: it was deployed", name)
		}
	}
	for given, want := range map[string]string{approved: "", "": "than what was approved"} {
		r.Pulumi.Calls = nil
		r.Try("approved as "+given, want, deploy.Deploy, append(theApproval(n).prepare(r), "APPROVED="+given)...)
		if r.Called("up") != (want == "") {
			t.Errorf("approved as %q: %q", given, r.Pulumi.Calls)
		}
	}
	// No more than what was approved, also after an update that was killed.
	killed := theApproval(n)
	killed.state = strings.TrimSuffix(killed.state, "}") + `, "pending_operations": [{}]}`
	plan := killed.summarize(r)
	r.Pulumi.Calls = nil
	r.Try("after a kill", "", deploy.Deploy, append(killed.prepare(r), "APPROVED="+plan)...)
	if !r.Called("up") || r.Called("up", "--refresh") {
		t.Errorf("after a kill: %q", r.Pulumi.Calls)
	}
	nothing := theApproval(n)
	nothing.steps = nil
	if out := r.Reports(summary.Summary, nothing.prepare(r)...); !strings.HasPrefix(out, "changes=false\n") {
		t.Errorf("reported %q", out)
	}
}
