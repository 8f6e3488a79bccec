package deploy_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"hello-timber/pipelines/deploy"
	"hello-timber/pipelines/run/runtest"
)

const imageV1, imageV2 = runtest.ImageV1, runtest.ImageV2

const deployment = `{"resOutputsEvent":{"metadata":{"op":"update","urn":"urn:pulumi:dev::p::docker:index/image:Image::timber-tutorial","type":"docker:index/image:Image","new":{"custom":true,"outputs":{"repoDigest":"IMAGE"}},"detailedDiff":null}}}
` + runtest.End

// Only an image that this run built is vouched for.
func TestDeployReports(t *testing.T) {
	for name, tt := range map[string]struct{ events, built string }{
		"built":            {strings.Replace(deployment, "IMAGE", imageV1, 1), "true"},
		"built another":    {strings.Replace(deployment, "IMAGE", "other", 1), "false"},
		"image unchanged":  {strings.Replace(strings.Replace(deployment, "update", "same", 1), "IMAGE", imageV1, 1), "false"},
		"a preview builds": {strings.Replace(strings.Replace(deployment, `}}}`+"\n", `},"planning":true}}`+"\n", 1), "IMAGE", imageV1, 1), "false"},
	} {
		r := runtest.New(t, "STACK=dev")
		r.Pulumi.Stacks["dev"].Events = tt.events
		expected := "built=" + tt.built + "\ndigest=" + runtest.Digest1 + "\nimage=" + imageV1 + "\nname=" + runtest.Repository + "\nurl=http://203.0.113.1/index\n"
		if got := r.Reports(deploy.Deploy); got != expected {
			t.Errorf("%s: reported\n%swant\n%s", name, got, expected)
		}
		if !r.Called("preview", "--expect-no-changes") {
			t.Errorf("%s: no preview follows: %q", name, r.Pulumi.Calls)
		}
	}
}

// An output is one line, whatever a state has.
func TestOutputIsOneLine(t *testing.T) {
	r := runtest.New(t, "STACK=dev")
	r.Pulumi.Stacks["dev"].Outputs = map[string]any{"image": imageV1, "url": "http://x\nbuilt=true"}
	r.Try("several lines", "the output url has several lines", deploy.Deploy, "GITHUB_OUTPUT="+filepath.Join(t.TempDir(), "outputs"))
}

// A commit never undoes a newer one, unless a rollback is asked for.
func TestNotOlder(t *testing.T) {
	r := runtest.New(t, "STACK=dev")
	whole, noClone := r.Folder, t.TempDir()
	if err := os.CopyFS(noClone, os.DirFS(whole)); err != nil {
		t.Fatal(err)
	}
	commit := func(message string) string {
		git(t, whole, "commit", "--quiet", "--allow-empty", "--message", message)
		return git(t, whole, "rev-parse", "HEAD")
	}
	git(t, whole, "init", "--quiet", "--initial-branch=main")
	git(t, whole, "add", ".")
	first, second, third := commit("first"), commit("second"), commit("third")
	git(t, whole, "checkout", "--quiet", "-b", "side", first)
	side := commit("on another branch")
	git(t, whole, "checkout", "--quiet", second)
	shallow := filepath.Join(t.TempDir(), "shallow")
	git(t, whole, "clone", "--quiet", "--depth=1", "--branch=main", "file://"+whole, shallow)
	for name, tt := range map[string]struct{ folder, last, rollback, want string }{
		"the first deployment":   {whole, "", "", ""},
		"the same commit":        {whole, second, "", ""},
		"a newer commit":         {whole, first, "", ""},
		"an older commit":        {whole, third, "", "runs commit " + third + ", which is newer than this one, " + second},
		"a rollback":             {whole, third, "true", ""},
		"no way back":            {whole, third, "no", "which is newer than this one"},
		"of another branch":      {whole, side, "", ""},
		"of no branch":           {whole, strings.Repeat("a", 40), "", ""},
		"no commit":              {whole, "--help", "", ""},
		"shallow":                {shallow, first, "", "not a whole clone. Fix: git fetch --unshallow"},
		"shallow, the same":      {shallow, third, "", ""},
		"shallow, of a rollback": {shallow, first, "true", ""},
		"no clone":               {noClone, first, "", "not a whole clone"},
	} {
		r.Pulumi.Stacks["dev"].Head, r.Folder, r.Pulumi.Calls = tt.last, tt.folder, nil
		r.Try(name, tt.want, deploy.Deploy, "ROLLBACK="+tt.rollback)
		if r.Called("up") != (tt.want == "") {
			t.Errorf("%s: updated: %q", name, r.Pulumi.Calls)
		}
	}
}

// A repair builds nothing, and undoes what was changed manually. Everything else a
// deployment leaves to the nightly check.
func TestRepair(t *testing.T) {
	for env, want := range map[string]struct{ refreshed, kept bool }{
		"STACK=prod IMAGE=deployed": {true, false}, "STACK=dev IMAGE=deployed": {true, true},
		"STACK=dev IMAGE=configured": {false, false}, "STACK=prod IMAGE=" + imageV1: {false, false},
	} {
		r := runtest.New(t)
		r.Try(env, "", deploy.Deploy, strings.Fields(env)...)
		const kept = "--exclude=" + runtest.ImageURN
		if r.Called("up", "--refresh") != want.refreshed || r.Called("up", kept) != want.kept || r.Called("preview", kept) != want.kept {
			t.Errorf("%s: want %+v, got %q", env, want, r.Pulumi.Calls)
		}
	}
}

func TestDestroy(t *testing.T) {
	r := runtest.New(t, "STACK=prod")
	for _, confirm := range []string{"-", "", "staging", "prod "} {
		r.Try(confirm, "make destroy STACK=prod CONFIRM=prod", deploy.Destroy, "CONFIRM="+confirm)
	}
	if len(r.Pulumi.Calls) > 0 {
		t.Errorf("pulumi was started: %q", r.Pulumi.Calls)
	}
	r.Try("confirmed", "", deploy.Destroy, "CONFIRM=prod")
	calls := strings.Join(r.Pulumi.Calls, "\n")
	if preview, destroy := strings.Index(calls, "--preview-only"), strings.Index(calls, "--yes"); preview < 0 || destroy < preview {
		t.Errorf("the preview does not come first:\n%s", calls)
	}
}

// A watch that may not read Secrets leaves them out, and a stack that is being
// updated is not called drifted.
func TestDrift(t *testing.T) {
	r := runtest.New(t, "STACKS=staging drifted fresh updating")
	out, _ := r.Try("all", "the check failed: updating; these differ: drifted", deploy.Drift)
	runtest.Golden(t, "drift", out)
	for stack, complaint := range map[string]string{"staging": "", "drifted": "not as deployed: drifted", "none": "the check failed: none"} {
		r.Try(stack, complaint, deploy.Drift, "STACKS="+stack)
	}
	if !r.Called("refresh", "--exclude=urn:pulumi:drifted::p::kubernetes:core/v1:Secret::environment") {
		t.Errorf("Secrets are read: %q", r.Pulumi.Calls)
	}
	if r.Called("preview") || r.Called("up") {
		t.Errorf("the program runs: %q", r.Pulumi.Calls)
	}
}

// git runs Git in a folder, without the machine's own settings. In a hook or in a rebase, Git
// names the repository itself, which the test would change.
func git(t *testing.T, folder string, args ...string) string {
	t.Helper()
	for _, variable := range []string{"GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"} {
		os.Unsetenv(variable)
	}
	command := exec.Command("git", append([]string{"-C", folder, "-c", "user.name=t", "-c", "user.email=t@example.com"}, args...)...)
	command.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null")
	out, err := command.CombinedOutput()
	if err != nil {
		t.Fatalf("git %q: %v\n%s", args, err, out)
	}
	return strings.TrimSpace(string(out))
}
