package deploy_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"

	"hello-timber/pipelines/deploy"
	"hello-timber/pipelines/run/runtest"
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

// words are what the program says of pods that fail, with a secret.
const words = `{"diagnosticEvent": {"severity": "error", "message": "[CrashLoopBackOff] exit code 1, token=hunter2"}}` + "\n"

// rollout is a deployment of imageV2 to prod, which runs imageV1.
type rollout struct {
	*runtest.Runner
	prod *runtest.Stack
	// update are the events of the update, and return those of a preview of the return.
	update, back string
	// fails has the update fail, and backFails the return.
	fails, backFails bool
	// wrong is how many of a thousand answers are errors, one now and then, after the update.
	wrong, requests atomic.Int64
	updated         bool
}

func newRollout(t *testing.T) *rollout {
	r := &rollout{Runner: runtest.New(t, "STACK=prod", "IMAGE="+imageV2, "GITHUB_STEP_SUMMARY="+filepath.Join(t.TempDir(), "summary"))}
	r.prod = r.Pulumi.Stacks["prod"]
	r.update, r.back = changes(pods, ofImage, ofVersion)+words, changes(pods, ofImage, ofVersion)
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if wrong := r.wrong.Load(); r.updated && r.requests.Add(1)*wrong%1000 < wrong {
			w.WriteHeader(http.StatusInternalServerError)
		}
	}))
	t.Cleanup(service.Close)
	r.at(service.URL)
	r.prod.On = r.on
	return r
}

// asks has the stack check its new versions at a path.
func (r *rollout) asks(path string) {
	r.Write("Pulumi.prod.yaml", "config:\n  hello-timber:checkPath: '"+path+"'\n  hello-timber:checkSeconds: 60\n")
}

// at has the service answer at a URL.
func (r *rollout) at(url string) {
	r.prod.Outputs = map[string]any{"image": imageV2, "url": url}
	r.prod.State = strings.Replace(runtest.StateWith(imageV1, imageV1, "", ""), `"outputs": {`, `"outputs": {"url": "`+url+`", `, 1)
}

func (r *rollout) on(call string) {
	command, _, _ := strings.Cut(call, " ")
	r.prod.Complaint, r.prod.Events = "", runtest.End
	switch {
	case command == "up" && !r.updated:
		r.updated, r.prod.Events = true, r.update+runtest.End
		r.prod.State = runtest.StateWith(imageV2, imageV2, "", "")
		if r.fails {
			r.prod.State, r.prod.Complaint = runtest.StateWith(imageV1, imageV2, "containers with unready status", ""), "error: update failed\n"
		}
	case command == "up":
		r.updated = false
		r.prod.State = runtest.StateWith(imageV1, imageV1, "", "")
		if r.backFails {
			r.prod.Complaint = "error: the cluster is unreachable\n"
		}
	case command == "preview" && r.updated && !strings.Contains(call, "--expect-no-changes"):
		r.prod.Events = r.back + runtest.End
	}
}

const again = "tack prod runs " + imageV1 + " again, and a preview shows no change"

var anyTime = regexp.MustCompile(`\d\d:\d\d:\d\d UTC`)

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
		"the first of its kind": {func(r *rollout) { r.fails, r.prod.State = true, "{}" }, []string{"CrashLoopBackOff", "because there is none"}, 1},
		"none before was complete": {func(r *rollout) { r.fails, r.prod.State = true, runtest.StateWith("", imageV1, "never ready", "") },
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
		"switched off":                 {func(r *rollout) { r.fails = true; r.Set("ROLLBACK=no") }, []string{"because ROLLBACK is no. To return: make deploy STACK=prod IMAGE=deployed"}, 1},
		"before it reaches the pods":   {func(r *rollout) { r.fails, r.update = true, "" }, []string{"because the pods are as they were", "pulumi cancel --stack prod"}, 1},
		"of a repair":                  {func(r *rollout) { r.fails = true; r.Set("IMAGE=deployed") }, []string{"because this deployment was of that image"}, 1},
		"the return fails, too":        {func(r *rollout) { r.fails, r.backFails = true, true }, []string{"exit code 1", "did not get back to " + imageV1, "the cluster is unreachable", "IMAGE=deployed"}, 2},
		"one that others wait for":     {func(r *rollout) { r.fails = true; r.update += changes(balancer) }, []string{again}, 2},
		"ready and wrong":              {func(r *rollout) { r.wrong.Store(1000); r.asks("/index") }, []string{"the check failed", "/index failed, the last one with: status 500", again}, 2},
		"ready and wrong, of a repair": {func(r *rollout) { r.wrong.Store(1000); r.asks("/index"); r.Set("IMAGE=deployed") }, []string{"the check failed", "because this deployment was of that image"}, 1},
		"wrong now and then":           {func(r *rollout) { r.wrong.Store(9); r.asks("/index") }, nil, 1},
		"wrong more often than that":   {func(r *rollout) { r.wrong.Store(12); r.asks("/index") }, []string{"7 of 584 requests", again}, 2},
		"asked elsewhere by its path": {func(r *rollout) {
			r.wrong.Store(1000)
			r.asks("@" + strings.TrimPrefix(r.prod.Outputs["url"].(string), "http://") + "/x")
			r.at("http://127.0.0.1:1")
		}, nil, 1},
		"not asked": {func(r *rollout) { r.wrong.Store(1000) }, nil, 1},
	} {
		r := newRollout(t)
		tt.prepare(r)
		_, log, err := r.Run(deploy.Deploy)
		if (err == nil) != (tt.want == nil) {
			t.Errorf("%s: got %v, want %q", name, err, tt.want)
		}
		summary := runtest.Read(t, r.Env["GITHUB_STEP_SUMMARY"])
		if name == "pods that never start" {
			runtest.Golden(t, "returned", anyTime.ReplaceAllString(summary, "TIME"))
		}
		for _, part := range tt.want {
			if err != nil && !strings.Contains(err.Error(), part) || !strings.Contains(summary+"pulumi cancel --stack prod", part) {
				t.Errorf("%s: %q is not both in the error and in the summary: %v\n%s", name, part, err, summary)
			}
		}
		if ups := r.Count("up"); ups != tt.ups {
			t.Errorf("%s: %d updates, want %d: %q\n%s", name, ups, tt.ups, r.Pulumi.Calls, log)
		}
		if back := r.Called("up", "--message=", "Return to "+imageV1); back != (tt.ups == 2) || back && !r.Called("config set", " -- "+imageV1) {
			t.Errorf("%s: returned to the image: %t, %q", name, back, r.Pulumi.Calls)
		}
	}
}

// A run that was killed while it returned leaves a stack whose last complete rollout is
// known, also if the version that failed was ready.
func TestUndoKilled(t *testing.T) {
	for name, tt := range map[string]struct{ state, failedCheck string }{
		"never ready":     {runtest.StateWith(imageV1, imageV2, "never ready", ""), ""},
		"ready and wrong": {runtest.StateWith(imageV2, imageV2, "", ""), runtest.Digest2 + " " + imageV1},
	} {
		state := strings.TrimSuffix(tt.state, "}") + `, "pending_operations": [{}]}`
		killed := func() *rollout {
			r := newRollout(t)
			r.prod.State, r.prod.FailedCheck = state, tt.failedCheck
			return r
		}
		r := killed()
		if out, _ := r.Try(name, "", deploy.Image, "COMMIT=-"); out != imageV1+"\n" {
			t.Errorf("%s: make image prints %q", name, out)
		}
		r.Set("IMAGE=deployed")
		if _, log := r.Try(name, "", deploy.Deploy); !r.Called("config set", " -- "+imageV1) || !r.Called("up", "--refresh") {
			t.Errorf("%s: the repair did %q\n%s", name, r.Pulumi.Calls, log)
		}
		if r.prod.FailedCheck != "" {
			t.Errorf("%s: the repaired stack has the tag %q", name, r.prod.FailedCheck)
		}
		r = killed()
		r.fails = true
		_, log := r.Try(name, again, deploy.Deploy)
		if !strings.Contains(log, "after an update that was killed") || !r.Called("up", "--refresh") || r.Count("up") != 2 {
			t.Errorf("%s: the same again did %q\n%s", name, r.Pulumi.Calls, log)
		}
	}
}

// A check that failed has the next run know what ran before, also if there was no return.
func TestCheckIsKnown(t *testing.T) {
	r := newRollout(t)
	runs := func(image string) {
		t.Helper()
		if out, _ := r.Try("make image", "", deploy.Image, "COMMIT=-"); out != image+"\n" {
			t.Errorf("make image prints %q, want %q", out, image)
		}
	}
	r.wrong.Store(1000)
	r.asks("/index")
	r.Try("no return", "ROLLBACK is no", deploy.Deploy, "ROLLBACK=no")
	runs(imageV1)
	r.updated, r.prod.State = false, runtest.StateWith(imageV2, imageV2, "", "")
	r.wrong.Store(0)
	r.Try("when it is right", "", deploy.Deploy)
	runs(imageV2)
}

// Where the service cannot be reached, or not yet, a deployment says so, and is not checked.
func TestCheckUnreachable(t *testing.T) {
	for want, prepare := range map[string]func(*rollout){
		"there is no answer here: ":                              func(r *rollout) { r.at("http://127.0.0.1:1") },
		"and DNS may not lead to https://timber.example.com yet": func(r *rollout) { r.prod.Outputs["url"] = "https://timber.example.com" },
	} {
		r := newRollout(t)
		prepare(r)
		r.asks("/index")
		_, log := r.Try(want, "", deploy.Deploy)
		if !strings.Contains(log, "checkPath is not checked, because ") || !strings.Contains(log, want) {
			t.Errorf("no %q in the log\n%s", want, log)
		}
		if r.Count("up") != 1 {
			t.Errorf("%s: %q", want, r.Pulumi.Calls)
		}
	}
}
