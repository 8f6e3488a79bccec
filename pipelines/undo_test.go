package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
)

// Where the Deployment has its image, and what follows from it.
const ofImage, ofVersion = "spec.template.spec.containers[0].image", `spec.template.metadata.labels[\"app.kubernetes.io/version\"]`

const pods, balancer = "kubernetes:apps/v1:Deployment", "kubernetes:core/v1:Service"

// changes are the events of an operation that changes these properties of a resource.
func changes(typ string, paths ...string) string {
	var diff []string
	for _, path := range paths {
		diff = append(diff, `"`+path+`": {"diffKind": "update"}`)
	}
	return fmt.Sprintf(`{"resourcePreEvent": {"metadata": {"op": "update", "urn": "urn:pulumi:prod::p::%s::timber-tutorial", "old": {"custom": true}, "new": {"custom": true}, "detailedDiff": {%s}}}}`+"\n",
		typ, strings.Join(diff, ", "))
}

const end = `{"summaryEvent": {"resourceChanges": {"same": 1}}}` + "\n"

// words are what the program says of pods that fail, with a secret.
const words = `{"diagnosticEvent": {"severity": "error", "message": "[CrashLoopBackOff] exit code 1, token=hunter2"}}` + "\n"

// rollout is a deployment of imageV2 to prod, which runs imageV1.
type rollout struct {
	*runner
	prod *fakeStack
	// update are the events of the update, and return those of a preview of the return.
	update, back string
	// fails has the update fail, and backFails the return.
	fails, backFails bool
	// wrong is how many of a thousand answers are errors, after the update.
	wrong, requests atomic.Int64
	updated         bool
}

func newRollout(t *testing.T) *rollout {
	r := &rollout{runner: newRunner(t, "STACK=prod", "IMAGE="+imageV2, "GITHUB_STEP_SUMMARY="+filepath.Join(t.TempDir(), "summary"))}
	r.prod = r.pulumi.stacks["prod"]
	r.update, r.back = changes(pods, ofImage, ofVersion)+words, changes(pods, ofImage, ofVersion)
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if r.updated && r.requests.Add(1)%1000 < r.wrong.Load() {
			w.WriteHeader(http.StatusInternalServerError)
		}
	}))
	t.Cleanup(service.Close)
	r.at(service.URL)
	r.prod.on = r.on
	return r
}

// asks has the stack check its new versions.
func (r *rollout) asks(t *testing.T) {
	r.write(t, "Pulumi.prod.yaml", "config:\n  hello-timber:checkPath: /index\n  hello-timber:checkSeconds: 60\n")
}

// count is how often pulumi was called so.
func (r *rollout) count(command string) (n int) {
	for _, call := range r.pulumi.calls {
		if strings.HasPrefix(call, command+" ") {
			n++
		}
	}
	return n
}

// at has the service answer at a URL.
func (r *rollout) at(url string) {
	r.prod.outputs = map[string]any{"image": imageV2, "url": url}
	r.prod.state = strings.Replace(stateWith(imageV1, imageV1, "", ""), `"outputs": {`, `"outputs": {"url": "`+url+`", `, 1)
}

func (r *rollout) on(call string) {
	command, _, _ := strings.Cut(call, " ")
	r.prod.complaint, r.prod.events = "", end
	switch {
	case command == "up" && !r.updated:
		r.updated, r.prod.events = true, r.update+end
		r.prod.state = stateWith(imageV2, imageV2, "", "")
		if r.fails {
			r.prod.state, r.prod.complaint = stateWith(imageV1, imageV2, "containers with unready status", ""), "error: update failed\n"
		}
	case command == "up":
		r.updated = false
		r.prod.state = stateWith(imageV1, imageV1, "", "")
		if r.backFails {
			r.prod.complaint = "error: the cluster is unreachable\n"
		}
	case command == "preview" && r.updated && !strings.Contains(call, "--expect-no-changes"):
		r.prod.events = r.back + end
	}
}

const again = "tack prod runs " + imageV1 + " again, and a preview shows no change"

// A version that fails goes back to the image that ran, if nothing else has changed, and
// whatever happens is in the error and in the job's summary.
func TestUndo(t *testing.T) {
	for name, tt := range map[string]struct {
		prepare func(*rollout)
		want    []string // of the error; none is success
		ups     int
	}{
		"it is fine":            {func(*rollout) {}, nil, 1},
		"pods that never start": {func(r *rollout) { r.fails = true }, []string{"deploy stack prod: update failed", "[CrashLoopBackOff] exit code 1, token=[secret]", again}, 2},
		"the first of its kind": {func(r *rollout) { r.fails, r.prod.state = true, "{}" }, []string{"CrashLoopBackOff", "because there is none"}, 1},
		"none before was complete": {func(r *rollout) { r.fails, r.prod.state = true, stateWith("", imageV1, "never ready", "") },
			[]string{"CrashLoopBackOff", "because there is none"}, 1},
		"configuration of others": {func(r *rollout) { r.fails = true; r.update += changes(balancer, "spec.loadBalancerSourceRanges") },
			[]string{"CrashLoopBackOff", "because the deployment also changes " + balancer + " timber-tutorial. To return: make deploy STACK=prod IMAGE=deployed"}, 1},
		"configuration of the pods": {func(r *rollout) {
			r.fails = true
			r.update = changes(pods, ofImage, "spec.template.spec.containers[0].env")
		}, []string{"also changes " + pods}, 1},
		"configuration that comes last": {func(r *rollout) {
			r.fails = true
			r.back += changes("kubernetes:autoscaling/v2:HorizontalPodAutoscaler", "spec.maxReplicas")
		}, []string{"also changes kubernetes:autoscaling"}, 1},
		"switched off":                 {func(r *rollout) { r.fails = true; r.set("ROLLBACK=no") }, []string{"because ROLLBACK is no. To return: make deploy STACK=prod IMAGE=deployed"}, 1},
		"before it reaches the pods":   {func(r *rollout) { r.fails, r.update = true, "" }, []string{"because the pods are as they were", "pulumi cancel --stack prod"}, 1},
		"of a repair":                  {func(r *rollout) { r.fails = true; r.set("IMAGE=deployed") }, []string{"because there is none"}, 1},
		"the return fails, too":        {func(r *rollout) { r.fails, r.backFails = true, true }, []string{"exit code 1", "did not get back to " + imageV1, "the cluster is unreachable", "IMAGE=deployed"}, 2},
		"one that others wait for":     {func(r *rollout) { r.fails = true; r.update += changes(balancer) }, []string{again}, 2},
		"ready and wrong":              {func(r *rollout) { r.wrong.Store(1000); r.asks(t) }, []string{"the check failed", "/index failed, the last one with: status 500", again}, 2},
		"ready and wrong, of a repair": {func(r *rollout) { r.wrong.Store(1000); r.asks(t); r.set("IMAGE=deployed") }, []string{"the check failed", "because there is none"}, 1},
		"wrong now and then":           {func(r *rollout) { r.wrong.Store(5); r.asks(t) }, nil, 1},
		"not asked":                    {func(r *rollout) { r.wrong.Store(1000) }, nil, 1},
	} {
		r := newRollout(t)
		tt.prepare(r)
		_, log, err := r.run(t, "deploy")
		if (err == nil) != (tt.want == nil) {
			t.Errorf("%s: got %v, want %q", name, err, tt.want)
		}
		summary := read(t, r.env["GITHUB_STEP_SUMMARY"])
		for _, part := range tt.want {
			if err != nil && !strings.Contains(err.Error(), part) || !strings.Contains(summary+"pulumi cancel --stack prod", part) {
				t.Errorf("%s: %q is not both in the error and in the summary: %v\n%s", name, part, err, summary)
			}
		}
		if ups := r.count("up"); ups != tt.ups {
			t.Errorf("%s: %d updates, want %d: %q\n%s", name, ups, tt.ups, r.pulumi.calls, log)
		}
		if back := r.called("up", "--message=", "Return to "+imageV1); back != (tt.ups == 2) || back && !r.called("config set", " -- "+imageV1) {
			t.Errorf("%s: returned to the image: %t, %q", name, back, r.pulumi.calls)
		}
	}
}

var anyTime = regexp.MustCompile(`\d\d:\d\d:\d\d UTC`)

// What the summary of the job has, whole.
func TestUndoGolden(t *testing.T) {
	r := newRollout(t)
	r.fails = true
	r.run(t, "deploy")
	got, golden := anyTime.ReplaceAllString(read(t, r.env["GITHUB_STEP_SUMMARY"]), "TIME"), filepath.Join("testdata", "returned.golden.md")
	if *update {
		writeFile(t, golden, got)
	}
	if got != read(t, golden) {
		t.Errorf("got\n%s\nwant %s; if the new text is right: go test ./pipelines -update", got, golden)
	}
}

// A run that was killed while it returned leaves a stack whose last complete rollout is
// known, also if the version that failed was ready.
func TestUndoKilled(t *testing.T) {
	for name, tt := range map[string]struct{ state, failedCheck string }{
		"never ready":     {stateWith(imageV1, imageV2, "never ready", ""), ""},
		"ready and wrong": {stateWith(imageV2, imageV2, "", ""), strings.TrimPrefix(imageV2, strings.TrimSuffix(imageV1, "sha256:"+hex64)) + " " + imageV1},
	} {
		state := strings.TrimSuffix(tt.state, "}") + `, "pending_operations": [{}]}`
		killed := func() *rollout {
			r := newRollout(t)
			r.prod.state, r.prod.failedCheck = state, tt.failedCheck
			return r
		}
		r := killed()
		if out, _, err := r.run(t, "image", "COMMIT=-"); err != nil || out != imageV1+"\n" {
			t.Errorf("%s: make image prints %q, %v", name, out, err)
		}
		r.set("IMAGE=deployed")
		if _, log, err := r.run(t, "deploy"); err != nil || !r.called("config set", " -- "+imageV1) || !r.called("up", "--refresh") {
			t.Errorf("%s: the repair ended with %v: %q\n%s", name, err, r.pulumi.calls, log)
		}
		if r.prod.failedCheck != "" {
			t.Errorf("%s: the repaired stack has the tag %q", name, r.prod.failedCheck)
		}
		r = killed()
		r.fails = true
		_, log, err := r.run(t, "deploy")
		want(t, name, err, again)
		if !strings.Contains(log, "after an update that was killed") || !r.called("up", "--refresh") || r.count("up") != 2 {
			t.Errorf("%s: the same again did %q\n%s", name, r.pulumi.calls, log)
		}
	}
}

// A check that failed has the next run know what ran before, also if there was no return.
func TestCheckIsKnown(t *testing.T) {
	r := newRollout(t)
	r.wrong.Store(1000)
	r.asks(t)
	_, _, err := r.run(t, "deploy", "ROLLBACK=no")
	want(t, "no return", err, "ROLLBACK is no")
	if out, _, err := r.run(t, "image", "COMMIT=-"); err != nil || out != imageV1+"\n" {
		t.Errorf("make image prints %q, %v", out, err)
	}
	r.updated, r.prod.state = false, stateWith(imageV2, imageV2, "", "")
	r.wrong.Store(0)
	if _, log, err := r.run(t, "deploy"); err != nil {
		t.Errorf("when it is right: %v\n%s", err, log)
	}
	if out, _, err := r.run(t, "image", "COMMIT=-"); err != nil || out != imageV2+"\n" {
		t.Errorf("when it is right, make image prints %q, %v", out, err)
	}
}

// Where the service cannot be reached, a deployment says so before it begins, and is not checked.
func TestCheckUnreachable(t *testing.T) {
	r := newRollout(t)
	r.at("http://127.0.0.1:1")
	r.asks(t)
	_, log, err := r.run(t, "deploy")
	want(t, "unreachable", err, "")
	if !strings.Contains(log, "checkPath is not checked, because there is no answer here: ") || !strings.Contains(log, "pulumi config rm checkPath --stack prod") {
		t.Errorf("the log has\n%s", log)
	}
	at := strings.Index(strings.Join(r.pulumi.calls, "\n"), "\nup ")
	if at < 0 {
		t.Errorf("not updated: %q", r.pulumi.calls)
	}
}

// What runs after a return is not what the commit built.
func TestImageReturned(t *testing.T) {
	r := newRunner(t, "STACK=staging")
	r.pulumi.stacks["staging"].message = "Return to " + imageV1
	_, _, err := r.run(t, "image")
	want(t, "returned", err, `is "returned", not succeeded`)
}
