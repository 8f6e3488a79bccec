//go:build e2e

package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Rows about make deploy, which undoes a deployment that fails.

// wrongImage pushes an image of testdata/wrong, and returns its name by digest.
func (s *stack) wrongImage(t *testing.T, ready string) string {
	t.Helper()
	folder, name := t.TempDir(), s.office.registry+"/"+s.project()+":wrong"+ready
	s.run(t, "go", "-C", filepath.Join(root(), "emulator"), "build", "-ldflags", "-X main.ready="+ready, "-o", filepath.Join(folder, "wrong"), "./e2e/testdata/wrong")
	s.run(t, "sh", "-ec", `tar --create --directory "$1" wrong | docker import --change 'ENTRYPOINT ["/wrong"]' --change 'USER 65532:65532' - "$2"`, "sh", folder, name)
	s.run(t, "docker", "push", "--quiet", name)
	return s.run(t, "docker", "image", "inspect", "--format={{index .RepoDigests 0}}", name)
}

// deployFails deploys an image, which must fail and say all of these, and returns the summary of the job.
func (s *stack) deployFails(t *testing.T, image string, says ...string) (summary string) {
	t.Helper()
	there := *s
	there.folder = root()
	path := filepath.Join(t.TempDir(), "summary")
	there.fails(t, says, "make", "-s", "deploy", "STACK="+s.name, "IMAGE="+image, "GITHUB_STEP_SUMMARY="+path)
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// returned: the stack runs the image that it ran, as if nothing had been deployed.
func (s *stack) returned(t *testing.T, summary, runs string) {
	t.Helper()
	if want := "UTC stack " + s.name + " runs " + runs + " again, and a preview shows no change"; !strings.Contains(summary, want) {
		t.Errorf("the summary does not have %q:\n%s", want, summary)
	}
	s.full(t)
	if said, is := s.make(t, "image"), s.deploymentImage(t); said != runs || is != runs {
		t.Errorf("make image prints %s, and the Deployment has %s, want %s", said, is, runs)
	}
	answers(t, s.url+"/index", v1)
}

func podsNeverReady(t *testing.T, s *stack) {
	s.healthy(t)
	runs, wrong := s.make(t, "image"), s.wrongImage(t, "")
	var summary string
	s.unnoticed(t, func() {
		summary = s.deployFails(t, wrong, "containers with unready status: [timber-tutorial]", "Unhealthy: Readiness probe failed: HTTP probe failed with statuscode: 500",
			"the database is gone", "Stack "+s.name+" runs "+runs+" again")
		s.full(t)
	})
	s.returned(t, summary, runs)
}

func versionIsWrong(t *testing.T, s *stack) {
	s.normal["checkPath"], s.normal["checkSeconds"] = "/index", "5"
	s.healthy(t)
	runs, wrong := s.make(t, "image"), s.wrongImage(t, "yes")
	began := time.Now()
	s.returned(t, s.deployFails(t, wrong, "the check failed", "/index failed, the last one with: status 500", "Stack "+s.name+" runs "+runs+" again"), runs)
	s.note("returned in %s", since(began))

	t.Log("killed in the middle of the return")
	there := *s
	there.folder = root()
	// In a session of its own, so that everything that it starts is killed, as when the machine ends.
	run := there.begin(t, "returns to "+runs, "setsid", "make", "-s", "deploy", "STACK="+s.name, "IMAGE="+wrong)
	eventually(t, "the return is at the pods", func() bool {
		_, after, _ := strings.Cut(readFile(t, run.output), "returns to "+runs)
		return strings.Contains(after, deployment+" updating")
	})
	s.run(t, "pkill", "-KILL", "--session", fmt.Sprint(run.Process.Pid))
	run.end(t, nil)
	if image := s.make(t, "image"); image != runs {
		t.Errorf("after the kill, make image prints %s, want %s", image, runs)
	}
	s.deployFails(t, wrong, "locked by 1 lock", "pulumi cancel")
	s.followManual(t, "An update was killed")
	s.returned(t, s.deployFails(t, wrong, "after an update that was killed", "Stack "+s.name+" runs "+runs+" again"), runs)

	t.Log("configuration changed, too")
	s.set(t, "replicas", "2")
	summary := s.deployFails(t, wrong, "did not return", "because the deployment also changes kubernetes:apps/v1:Deployment timber-tutorial. To return: make deploy STACK="+s.name+" IMAGE=deployed")
	if image := s.make(t, "image"); image != runs || s.deploymentImage(t) != wrong || !strings.Contains(summary, "did not return") {
		t.Errorf("make image prints %s, and the Deployment has %s:\n%s", image, s.deploymentImage(t), summary)
	}
	s.restore(t)
	s.followManual(t, "An update fails")
	s.full(t)
	answers(t, s.url+"/index", v1)
}
