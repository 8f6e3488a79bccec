//go:build e2e

package e2e

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// Rows about those who run the service: whatever they or their machine do, the documented
// commands lead back to a stack that is as it should be.

// recovers is what an update does, after which another finds nothing to do.
func (s *stack) recovers(t *testing.T, update func()) {
	t.Helper()
	began := time.Now()
	update()
	s.note("recovered in %s", since(began))
	s.updated(t)
	s.isAsDeployed(t)
	answers(t, s.url+"/index", v1)
	s.clean = true
}

// shows asks the documented preview, which must show all of these.
func (s *stack) shows(t *testing.T, changes ...string) {
	t.Helper()
	said := s.followManual(t, "Drift: see it")
	for _, change := range changes {
		if !regexp.MustCompile(change).MatchString(said) {
			t.Errorf("the preview does not show %s:\n%s", change, said)
		}
	}
}

func (s *stack) undone(t *testing.T) {
	t.Helper()
	s.recovers(t, func() { s.followManual(t, "Drift: undo it") })
}

func edited(t *testing.T, s *stack) {
	s.healthy(t)
	s.kubectl(t, s.namespace(), "scale", "deployments", "--all", "--replicas=1")
	service := s.kubectl(t, s.namespace(), "get", "services", "--output=name")
	s.kubectl(t, s.namespace(), "patch", service, "--type=json", `--patch=[{"op": "replace", "path": "/spec/externalTrafficPolicy", "value": "Local"}]`)
	s.shows(t, `replicas *: 1 => 3`, `externalTrafficPolicy *: "Local" => "Cluster"`)
	s.undone(t)
	s.pulumi(t, "up", "--yes", "--skip-preview", "--expect-no-changes")
}

func deleted(t *testing.T, s *stack) {
	s.healthy(t)
	s.kubectl(t, s.namespace(), "delete", "deployments,services", "--all")
	s.shows(t, `\+ kubernetes:apps/v1:Deployment: \(create\)`, `\+ kubernetes:core/v1:Service: \(create\)`)
	s.undone(t)
}

func nodeRemoved(t *testing.T, s *stack) {
	s.healthy(t)
	s.run(t, "docker", "rm", "--force", "--volumes", s.containers(t, "node")[0])
	s.shows(t, `nodeCount *: 2 => 3`)
	s.undone(t)
	if nodes := s.containers(t, "node"); len(nodes) != 3 {
		t.Errorf("there are nodes %q, want three", nodes)
	}
}

// imageRemoved: neither the official provider nor Kubernetes looks whether an image
// is still in its repository, so that nothing shows until a node has to pull it.
func imageRemoved(t *testing.T, s *stack) {
	s.healthy(t)
	registry := registries()[0]
	digest := func() string {
		_, hex, _ := strings.Cut(s.output(t, "image"), "@sha256:")
		return "/var/lib/registry/docker/registry/v2/repositories/" + s.project() + "/" + s.project() + "/timber-tutorial/_manifests/revisions/sha256/" + hex
	}
	s.run(t, "docker", "exec", registry, "rm", "-r", strings.SplitAfter(digest(), "/timber-tutorial")[0])
	s.recovers(t, func() { s.followManual(t, "Image gone") })
	s.run(t, "docker", "exec", registry, "test", "-e", digest())
}

func apiSwitchedOff(t *testing.T, s *stack) {
	s.healthy(t)
	s.run(t, "gcloud", "services", "disable", "container.googleapis.com", "--project", s.project())
	s.shows(t, `\+ gcp:projects/service:Service: \(create\)`)
	s.undone(t)
}

func clusterMoved(t *testing.T, s *stack) {
	s.healthy(t)
	old := s.containers(t, "node")
	s.normal["location"] = "europe-west1-b"
	s.restore(t)
	s.recovers(t, func() { s.followManual(t, "Replace the cluster", "IMAGE=configured") })
	for _, node := range s.containers(t, "node") {
		if slices.Contains(old, node) {
			t.Errorf("node %s of the old cluster is still there", node)
		}
	}
}

// badUpdate has an update fail with its reason, unnoticed by users. It is never what the
// stack is said to run, and the documented command goes back to what it does run.
func (s *stack) badUpdate(t *testing.T, reason ...string) {
	t.Helper()
	runs := s.make(t, "image")
	reason = append(reason, "To return to the image that ran before: make deploy STACK="+s.name+" IMAGE=deployed")
	began := time.Now()
	load := s.underLoad(t, []string{v1}, func() { s.fails(t, reason, "pulumi", "up", "--yes", "--skip-preview") })
	s.note("%d of %d failed, up ended after %s", len(load.failures()), len(load.results), since(began))
	if output, image := s.output(t, "image"), s.make(t, "image"); output != runs || image != runs {
		t.Errorf("after an update that failed, the output image is %s and make image prints %s, want %s", output, image, runs)
	}
	s.restore(t) // or it would be deployed again
	began = time.Now()
	s.underLoad(t, []string{v1}, func() { s.followManual(t, "An update fails") })
	s.note("recovered in %s", since(began))
	s.full(t)
	if image := s.make(t, "image"); image != runs {
		t.Errorf("the repaired stack runs %s, want %s", image, runs)
	}
}

func imageMissing(t *testing.T, s *stack) {
	s.healthy(t)
	name, _, _ := strings.Cut(s.output(t, "image"), "@")
	missing := name + "@sha256:" + strings.Repeat("0", 64)
	s.set(t, "image", missing)
	s.badUpdate(t, "ErrImagePull", missing+": not found")
}

func podsCrash(t *testing.T, s *stack) {
	s.healthy(t)
	s.normal["environment"] = "" // to recover
	s.pulumi(t, "config", "set", "--path", "environment.LOG_LEVEL", "rotten")
	s.badUpdate(t, "CrashLoopBackOff", "exit code 1", "The end of its log:", `LOG_LEVEL is "rotten"`)
	s.followManual(t, "Roll back", "IMAGE="+s.make(t, "image"))
}

func twoUpdates(t *testing.T, s *stack) {
	s.healthy(t)
	s.set(t, "imageVersion", "v2")
	first := s.begin(t, "Updating", "pulumi", "up", "--yes", "--skip-preview")
	s.fails(t, []string{"locked by 1 lock", "created by ", fmt.Sprintf("(pid %d)", first.Process.Pid), "pulumi cancel"},
		"pulumi", "up", "--yes", "--skip-preview")
	if failed, said := first.end(t, nil); failed {
		t.Errorf("the first update failed:\n%s", said)
	}
	s.full(t) // an update is done when the last old pod gets its signal to end, which may still answer
	answers(t, s.url+"/index", v2)
}

func (s *stack) backup(t *testing.T) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "backup.json")
	s.followManual(t, "State: back it up", "BACKUP="+path)
	return path
}

// stateGone does something to the stack's state, after which an update is refused with a reason.
func stateGone(reason, heading string, spoil func(t *testing.T, path string)) func(*testing.T, *stack) {
	return func(t *testing.T, s *stack) {
		s.healthy(t)
		backup := s.backup(t)
		spoil(t, s.stateFile())
		s.fails(t, []string{reason}, "pulumi", "up", "--yes", "--skip-preview", "--stack", s.name)
		s.recovers(t, func() { s.followManual(t, heading, "BACKUP="+backup, "STATE="+filepath.Join(home(), "state")) })
	}
}

func remove(t *testing.T, path string) {
	for _, path := range []string{path, path + ".bak"} {
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
}

func truncate(t *testing.T, path string) {
	text := readFile(t, path)
	writeFile(t, path, text[:len(text)/2])
}

func stateOutdated(t *testing.T, s *stack) {
	s.normal["replicas"] = "1"
	s.healthy(t)
	backup := s.backup(t)
	s.normal["replicas"] = "3"
	s.healthy(t)
	s.recovers(t, func() { s.followManual(t, "State: from before a change", "BACKUP="+backup) })
	s.full(t)
}

// Where an update is interrupted: at what it says of a resource.
const (
	making, updating = "created", "updating"

	// The cluster is being made then, and takes seconds more, while whatever has a name of
	// its own is there. A kill between making a thing and recording it leaves what Pulumi
	// does not know: see the manual.
	besideCluster = "gcp:artifactregistry:RepositoryIamMember hello-timber"
	image         = "docker:index:Image timber-tutorial"
	deployment    = "kubernetes:apps/v1:Deployment timber-tutorial"
)

// cutShort begins an update and ends it with a signal while it is at a resource.
func cutShort(t *testing.T, s *stack, operation, resource string, signal os.Signal) {
	t.Helper()
	if operation == making {
		if len(s.resources(t))+len(s.machines(t)) > 0 {
			s.gone(t)
		}
		s.restore(t)
	} else {
		s.healthy(t)
		s.set(t, "imageVersion", "v2")
	}
	update := s.begin(t, resource+" "+operation, "pulumi", "up", "--yes", "--skip-preview")
	if failed, said := update.end(t, signal); !failed {
		t.Errorf("the update went through:\n%s", said)
	}
}

// converges: after an update there is one of everything, and nothing to do.
func (s *stack) converges(t *testing.T, update func()) {
	t.Helper()
	update()
	s.updated(t)
	// Of a rollout that goes on, a refresh would find that. After an interrupt, Pulumi's
	// Kubernetes provider may take the rollout before for this one, and not wait.
	s.full(t)
	s.isAsDeployed(t)
	// Also of a cluster that the state does not have, because it was made twice.
	if want := map[string]int{"": 0, "1": 2}[s.normal["nodes"]]; len(s.machines(t)) != want {
		t.Errorf("there are the containers %q, want %d", s.machines(t), want)
	}
	made := map[string]int{}
	for object := range strings.FieldsSeq(s.kubectl(t, s.namespace(), "get", "deployments,services,serviceaccounts,networkpolicies,poddisruptionbudgets,resourcequotas,limitranges", "--output=name")) {
		kind, _, _ := strings.Cut(object, "/")
		made[kind]++
	}
	want := map[string]int{"deployment.apps": 1, "service": 1, "serviceaccount": 2, "networkpolicy.networking.k8s.io": 2, "poddisruptionbudget.policy": 1, "resourcequota": 1, "limitrange": 1}
	if !maps.Equal(made, want) {
		t.Errorf("there are %v, want %v", made, want)
	}
}

func upInterrupted(operation, resource string) func(*testing.T, *stack) {
	return func(t *testing.T, s *stack) {
		cutShort(t, s, operation, resource, os.Interrupt)
		s.converges(t, func() { s.pulumi(t, "up", "--yes", "--skip-preview") })
		s.clean = operation == making
	}
}

func upKilled(operation, resource string) func(*testing.T, *stack) {
	return func(t *testing.T, s *stack) {
		cutShort(t, s, operation, resource, os.Kill)
		s.fails(t, []string{"locked by 1 lock", "pulumi cancel"}, "pulumi", "up", "--yes", "--skip-preview")
		s.followManual(t, "An update was killed")
		s.converges(t, func() { s.pulumi(t, "up", "--yes", "--skip-preview") })
		s.clean = operation == making
	}
}

// gone destroys the stack, after which nothing of it may be left on this machine.
func (s *stack) gone(t *testing.T) {
	t.Helper()
	s.pulumi(t, "destroy", "--yes", "--skip-preview")
	s.nothingLeft(t)
}

func (s *stack) nothingLeft(t *testing.T) {
	t.Helper()
	if left := s.resources(t); len(left) > 0 {
		t.Errorf("the state still has %q", left)
	}
	if left := append(s.machines(t), s.listed(t, "volume ls --quiet", "project="+s.project())...); len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
}

func destroyInterrupted(t *testing.T, s *stack) {
	s.healthy(t)
	for _, at := range []string{"kubernetes:apps/v1:Deployment timber-tutorial deleting", "gcp:container:NodePool hello-timber deleting", "gcp:container:Cluster hello-timber deleting"} {
		destroy := s.begin(t, at, "pulumi", "destroy", "--yes", "--skip-preview")
		destroy.end(t, os.Interrupt)
	}
	s.gone(t)
}

func destroyedWithoutCluster(t *testing.T, s *stack) {
	s.healthy(t)
	s.run(t, "docker", append([]string{"rm", "--force", "--volumes"}, append(s.containers(t, "node"), s.containers(t, "control-plane")...)...)...)
	s.fails(t, []string{"unreachable", "PULUMI_K8S_DELETE_UNREACHABLE"}, "pulumi", "destroy", "--yes", "--skip-preview")
	s.followManual(t, "Destroy when the cluster is gone")
	s.nothingLeft(t)
}

// refused: an update that something is missing for says so in one line, and makes nothing.
// Of what a provider prints, tests look only for Google's own words: the original may
// print other words around them.
func (s *stack) refused(t *testing.T, line string, env ...string) {
	t.Helper()
	before := s.env
	defer func() { s.env = before }()
	s.env = append(slices.Clone(before), env...)
	_, err := s.try("pulumi", "up", "--yes", "--skip-preview")
	if err == nil {
		t.Fatalf("the update went through, want %q", line)
	}
	// Above the diagnostics, progress says it too; below, each resource that it keeps from being made.
	_, diagnostics, _ := strings.Cut(said(err), "Diagnostics:")
	lines := regexp.MustCompile("(?m)^.*"+line+".*$").FindAllString(diagnostics, -1)
	if slices.Sort(lines); len(slices.Compact(lines)) != 1 {
		t.Errorf("%d different lines say %q, want one:\n%v", len(lines), line, err)
	}
	if made := s.resources(t); len(made) > 0 {
		t.Errorf("it made %q", made)
	}
}

func credentialsMissing(t *testing.T, s *stack) {
	s.run(t, "gcloud", "auth", "application-default", "revoke")
	login := func() { s.followManual(t, "Credentials") }
	defer login()
	s.refused(t, "google: could not find default credentials")
	login()
	old := filepath.Join(t.TempDir(), "old")
	writeFile(t, old, "ya29.of-yesterday")
	s.refused(t, "invalid_grant.*Token has been expired or revoked", "GOOGLE_APPLICATION_CREDENTIALS="+old)
	s.refused(t, "GOOGLE_APPLICATION_CREDENTIALS.*open /nowhere: no such file", "GOOGLE_APPLICATION_CREDENTIALS=/nowhere")
}

func projectMissing(t *testing.T, s *stack) {
	s.set(t, "gcp:project", "")
	s.refused(t, "gcp:project is not set.*pulumi config set gcp:project")
	s.set(t, "gcp:project", s.project())
	s.run(t, "gcloud", "services", "disable", "cloudresourcemanager.googleapis.com", "--project", s.project())
	defer s.followManual(t, "API off", "PROJECT="+s.project())
	s.refused(t, "Cloud Resource Manager API has not been used in project .* before or it is disabled")
}
