package e2e

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"gopkg.in/yaml.v3"
)

// Rows of the table faults about those who run the service: whatever they or their
// machine do, the documented commands lead back to a stack that is as it should be.

// recovers is what an update does, after which another finds nothing to do.
func (l *lab) recovers(t *testing.T, update func()) {
	t.Helper()
	began := time.Now()
	update()
	l.note("recovered in %s", since(began))
	l.pulumi(t, "up", "--yes", "--skip-preview", "--expect-no-changes")
	l.pulumi(t, "preview", "--refresh", "--expect-no-changes", "--diff")
	l.url = l.pulumi(t, "stack", "output", "url")
	answers(t, l.url, v1)
}

// shows asks the documented preview, which must show all of these.
func (l *lab) shows(t *testing.T, changes ...string) {
	t.Helper()
	said := l.followManual(t, "Drift: see it")
	for _, change := range changes {
		if !regexp.MustCompile(change).MatchString(said) {
			t.Errorf("the preview does not show %s:\n%s", change, said)
		}
	}
}

func (l *lab) undone(t *testing.T) {
	t.Helper()
	l.recovers(t, func() { l.followManual(t, "Drift: undo it") })
}

func edited(t *testing.T, l *lab) {
	l.healthy(t)
	l.kubectl(t, l.namespace(), "scale", "deployments", "--all", "--replicas=1")
	service := l.kubectl(t, l.namespace(), "get", "services", "--output=name")
	l.kubectl(t, l.namespace(), "patch", service, "--type=json", `--patch=[{"op": "replace", "path": "/spec/externalTrafficPolicy", "value": "Local"}]`)
	l.shows(t, `replicas *: 1 => 3`, `externalTrafficPolicy *: "Local" => "Cluster"`)
	l.undone(t)
}

func deleted(t *testing.T, l *lab) {
	l.healthy(t)
	l.kubectl(t, l.namespace(), "delete", "deployments,services", "--all")
	l.shows(t, `\+ kubernetes:apps/v1:Deployment: \(create\)`, `\+ kubernetes:core/v1:Service: \(create\)`)
	l.undone(t)
}

func nodeRemoved(t *testing.T, l *lab) {
	l.healthy(t)
	l.run(t, "docker", "rm", "--force", "--volumes", l.containers(t, "node")[0])
	l.shows(t, `nodeCount *: 2 => 3`)
	l.undone(t)
	if nodes := l.containers(t, "node"); len(nodes) != 3 {
		t.Errorf("there are nodes %q, want three", nodes)
	}
}

// imageRemoved: neither the official provider nor Kubernetes looks whether an image
// is still in its repository, so that nothing shows until a node has to pull it.
func imageRemoved(t *testing.T, l *lab) {
	l.healthy(t)
	registry := l.registry(t)
	digest := func() string {
		_, hex, _ := strings.Cut(l.pulumi(t, "stack", "output", "image"), "@sha256:")
		return "/var/lib/registry/docker/registry/v2/repositories/hello-timber-" + l.name + "/hello-timber-" + l.name + "/timber-tutorial/_manifests/revisions/sha256/" + hex
	}
	l.run(t, "docker", "exec", registry, "rm", "-r", strings.SplitAfter(digest(), "/timber-tutorial")[0])
	l.recovers(t, func() { l.followManual(t, "Image gone") })
	l.run(t, "docker", "exec", registry, "test", "-e", digest())
}

func apiSwitchedOff(t *testing.T, l *lab) {
	l.healthy(t)
	l.run(t, "gcloud", "services", "disable", "container.googleapis.com", "--project", "hello-timber-"+l.name)
	l.shows(t, `\+ gcp:projects/service:Service: \(create\)`)
	l.undone(t)
}

func clusterMoved(t *testing.T, l *lab) {
	l.healthy(t)
	zone := "europe-west1-b"
	if l.pulumi(t, "config", "get", "location") == zone { // the row has run before
		zone = "europe-west1-c"
	}
	old := l.containers(t, "node")
	l.set(t, "location", zone)
	l.recovers(t, func() { l.followManual(t, "Replace the cluster", "IMAGE=configured") })
	for _, node := range l.containers(t, "node") {
		if slices.Contains(old, node) {
			t.Errorf("node %s of the old cluster is still there", node)
		}
	}
}

// badImage has an update fail with its reason, unnoticed by users. It is never what the
// stack is said to run, and the documented command goes back to what it does run.
func (l *lab) badImage(t *testing.T, program *lab, reason ...string) {
	t.Helper()
	// Nothing happens to the pods that serve, and other tests run at the same time.
	const perSecond = 10
	runs := l.make(t, "image")
	began := time.Now()
	load := underLoadOf(t, perSecond, l.url, []string{v1}, func() {
		program.fails(t, reason, "pulumi", "up", "--yes", "--skip-preview")
	})
	l.note("%d of %d failed, up ended after %s", len(load.Failures()), len(load.Results), since(began))
	if output, image := l.pulumi(t, "stack", "output", "image"), l.make(t, "image"); output != runs || image != runs {
		t.Errorf("after an update that failed, the output image is %s and make image prints %s, want %s", output, image, runs)
	}
	began = time.Now()
	underLoadOf(t, perSecond, l.url, []string{v1}, func() { l.followManual(t, "An update fails") })
	l.note("recovered in %s", since(began))
	l.full(t)
	if image := l.make(t, "image"); image != runs {
		t.Errorf("the repaired stack runs %s, want %s", image, runs)
	}
}

func imageMissing(t *testing.T, l *lab) {
	l.healthy(t)
	name, _, _ := strings.Cut(l.pulumi(t, "stack", "output", "image"), "@")
	missing := name + "@sha256:" + strings.Repeat("0", 64)
	l.set(t, "image", missing)
	l.badImage(t, l, "ErrImagePull", missing+": not found")
	l.followManual(t, "Roll back", "IMAGE="+l.make(t, "image"))
}

func imageCrashes(t *testing.T, l *lab) {
	l.healthy(t)
	program := l.copy(t)
	program.edit(t, "app/main.go", "	port, level, err := config(os.Getenv)\n", "	port, level, err := config(func(string) string { return \"rotten\" })\n")
	l.badImage(t, program, "CrashLoopBackOff", "exit code 1", `PORT is "rotten"`)
}

func imageNeverReady(t *testing.T, l *lab) {
	l.healthy(t)
	program := l.copy(t)
	program.edit(t, "app/handler.go", "if h.draining.Load() {\n			http.Error", "if true {\n			http.Error")
	l.badImage(t, program, "containers with unready status: [timber-tutorial]")
}

func twoUpdates(t *testing.T, l *lab) {
	l.healthy(t)
	l.set(t, "imageVersion", "v2")
	first := l.begin(t, "Updating", "pulumi", "up", "--yes", "--skip-preview")
	l.fails(t, []string{"locked by 1 lock", "created by ", fmt.Sprintf("(pid %d)", first.Process.Pid), "pulumi cancel"},
		"pulumi", "up", "--yes", "--skip-preview")
	if failed, said := first.end(t, nil); failed {
		t.Errorf("the first update failed:\n%s", said)
	}
	l.full(t) // an update is done when the last old pod gets its signal to end, which may still answer
	answers(t, l.url, v2)
	l.healthy(t)
}

// stateFile is where the state is kept.
func (l *lab) stateFile() string {
	return filepath.Join(l.home, "state", ".pulumi", "stacks", "hello-timber", l.name+".json")
}

func (l *lab) backup(t *testing.T) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "backup.json")
	l.followManual(t, "State: back it up", "BACKUP="+path)
	return path
}

func stateLost(t *testing.T, l *lab) {
	l.healthy(t)
	backup := l.backup(t)
	for _, path := range []string{l.stateFile(), l.stateFile() + ".bak"} {
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
	l.fails(t, []string{"no stack named '" + l.name + "' found"}, "pulumi", "up", "--yes", "--skip-preview", "--stack", l.name)
	l.recovers(t, func() { l.followManual(t, "State: lost", "BACKUP="+backup) })
}

func stateTruncated(t *testing.T, l *lab) {
	l.healthy(t)
	backup := l.backup(t)
	text, err := os.ReadFile(l.stateFile())
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(l.stateFile(), text[:len(text)/2], 0o600); err != nil {
		t.Fatal(err)
	}
	l.fails(t, []string{"unexpected end of JSON"}, "pulumi", "up", "--yes", "--skip-preview")
	l.recovers(t, func() { l.followManual(t, "State: broken", "BACKUP="+backup, "STATE="+filepath.Join(l.home, "state")) })
}

func stateOutdated(t *testing.T, l *lab) {
	l.healthy(t)
	l.set(t, "replicas", "1")
	l.up(t)
	backup := l.backup(t)
	l.healthy(t)
	l.recovers(t, func() { l.followManual(t, "State: from before a change", "BACKUP="+backup) })
	l.full(t)
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
func cutShort(t *testing.T, l *lab, operation, resource string, signal os.Signal) {
	t.Helper()
	if operation == making {
		l.gone(t)
		l.pulumi(t, "config", "set", "replicas", "3")
	} else {
		l.healthy(t)
		l.set(t, "imageVersion", "v2")
	}
	update := l.begin(t, resource+" "+operation, "pulumi", "up", "--yes", "--skip-preview")
	if failed, said := update.end(t, signal); !failed {
		t.Errorf("the update went through:\n%s", said)
	}
}

// converges: after an update there is one of everything, and nothing to do.
func (l *lab) converges(t *testing.T, update func()) {
	t.Helper()
	update()
	l.opened(t)
	// Of a rollout that goes on, a refresh would find that. After an interrupt, Pulumi's
	// Kubernetes provider may take the rollout before for this one, and not wait.
	l.full(t)
	l.pulumi(t, "preview", "--refresh", "--expect-no-changes", "--diff")
	// Also of a cluster that the state does not have, because it was made twice.
	machines := slices.DeleteFunc(l.machines(t), func(thing string) bool { return !strings.HasPrefix(thing, "ps ") })
	if len(machines) != 4 {
		t.Errorf("there are the machines %q, want a control plane and three nodes", machines)
	}
	for kind, want := range map[string]int{"deployments": 1, "services": 1, "serviceaccounts": 2, "networkpolicies": 2, "poddisruptionbudgets": 1, "resourcequotas": 1, "limitranges": 1} {
		if made := strings.Fields(l.kubectl(t, l.namespace(), "get", kind, "--output=name")); len(made) != want {
			t.Errorf("there are %q, want %d", made, want)
		}
	}
}

func upInterrupted(operation, resource string) func(*testing.T, *lab) {
	return func(t *testing.T, l *lab) {
		cutShort(t, l, operation, resource, os.Interrupt)
		l.converges(t, func() { l.pulumi(t, "up", "--yes", "--skip-preview") })
	}
}

func upKilled(operation, resource string) func(*testing.T, *lab) {
	return func(t *testing.T, l *lab) {
		cutShort(t, l, operation, resource, os.Kill)
		l.fails(t, []string{"locked by 1 lock", "pulumi cancel"}, "pulumi", "up", "--yes", "--skip-preview")
		l.followManual(t, "An update was killed")
		l.converges(t, func() { l.pulumi(t, "up", "--yes", "--skip-preview") })
	}
}

// gone destroys the stack, after which nothing of it may be left on this machine.
func (l *lab) gone(t *testing.T) {
	t.Helper()
	l.pulumi(t, "config", "set", "deletionProtection", "false")
	l.pulumi(t, "destroy", "--yes", "--skip-preview")
	l.nothingLeft(t)
}

func (l *lab) nothingLeft(t *testing.T) {
	t.Helper()
	if left := l.resources(t); len(left) > 0 {
		t.Errorf("the state still has %q", left)
	}
	if left := l.machines(t); len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
}

func destroyedProtected(t *testing.T, l *lab) {
	l.healthy(t)
	l.set(t, "deletionProtection", "true")
	l.up(t)
	had := l.resources(t)
	l.fails(t, []string{`" cannot be deleted`}, "pulumi", "destroy", "--yes", "--skip-preview")
	if has := l.resources(t); !slices.Equal(has, had) {
		t.Errorf("the refused destroy deleted resources: %q are left of %q", has, had)
	}
	answers(t, l.url, v1)
	l.full(t)
	l.followManual(t, "Destroy a protected stack")
	l.nothingLeft(t)
}

func destroyInterrupted(t *testing.T, l *lab) {
	for _, at := range []string{"kubernetes:apps/v1:Deployment timber-tutorial deleting", "gcp:container:NodePool hello-timber deleting", "gcp:container:Cluster hello-timber deleting"} {
		l.healthy(t)
		destroy := l.begin(t, at, "pulumi", "destroy", "--yes", "--skip-preview")
		_, said := destroy.end(t, os.Interrupt)
		if _, err := l.try("pulumi", "destroy", "--yes", "--skip-preview"); err != nil {
			t.Errorf("interrupted at %q, the next destroy ended with %v; the first said\n%s", at, err, said)
		}
		l.nothingLeft(t)
		if testing.Short() {
			return
		}
	}
}

func destroyedWithoutCluster(t *testing.T, l *lab) {
	l.healthy(t)
	l.run(t, "docker", append([]string{"rm", "--force", "--volumes"}, append(l.containers(t, "node"), l.containers(t, "control-plane")...)...)...)
	l.fails(t, []string{"unreachable", "PULUMI_K8S_DELETE_UNREACHABLE"}, "pulumi", "destroy", "--yes", "--skip-preview")
	l.followManual(t, "Destroy when the cluster is gone")
	l.nothingLeft(t)
}

// refused: an update that something is missing for says so in one line, and makes nothing.
func (l *lab) refused(t *testing.T, line string, env ...string) {
	t.Helper()
	before := l.env
	defer func() { l.env = before }()
	l.env = append(slices.Clone(before), env...)
	_, err := l.try("pulumi", "up", "--yes", "--skip-preview")
	if err == nil {
		t.Fatalf("the update went through, want %q", line)
	}
	// Above the diagnostics, progress says it too; below, each resource that it keeps from being made.
	_, diagnostics, _ := strings.Cut(said(err), "Diagnostics:")
	lines := regexp.MustCompile("(?m)^.*"+line+".*$").FindAllString(diagnostics, -1)
	if slices.Sort(lines); len(slices.Compact(lines)) != 1 {
		t.Errorf("%d different lines say %q, want one:\n%v", len(lines), line, err)
	}
	if made := l.resources(t); len(made) > 0 {
		t.Errorf("it made %q", made)
	}
}

func credentialsMissing(t *testing.T, l *lab) {
	l.gone(t)
	l.run(t, "gcloud", "auth", "application-default", "revoke")
	login := func() { l.followManual(t, "Credentials") }
	defer login()
	l.refused(t, "no Google credentials.*Fix: gcloud auth application-default login")
	login()
	old := filepath.Join(t.TempDir(), "old")
	if err := os.WriteFile(old, []byte("ya29.of-yesterday"), 0o600); err != nil {
		t.Fatal(err)
	}
	l.refused(t, "expired or revoked.*Fix: gcloud auth application-default login", "GOOGLE_APPLICATION_CREDENTIALS="+old)
	l.refused(t, "no Google credentials: GOOGLE_APPLICATION_CREDENTIALS: open .*nowhere", "GOOGLE_APPLICATION_CREDENTIALS=/nowhere")
}

func projectMissing(t *testing.T, l *lab) {
	l.gone(t)
	project := "hello-timber-" + l.name
	l.pulumi(t, "config", "rm", "gcp:project")
	defer l.set(t, "gcp:project", project)
	l.refused(t, "gcp:project is not set.*pulumi config set gcp:project")
	l.set(t, "gcp:project", project)
	l.run(t, "gcloud", "services", "disable", "cloudresourcemanager.googleapis.com", "--project", project)
	defer l.followManual(t, "API off", "PROJECT="+project)
	l.refused(t, "Cloud Resource Manager API has not been used.*gcloud services enable cloudresourcemanager.googleapis.com --project "+project)
}

func toolsMissing(t *testing.T, l *lab) {
	l.gone(t)
	l.refused(t, "The Docker engine does not answer.*Fix:", "DOCKER_HOST=unix:///nowhere")
	// All commands that an update takes, but the plugin.
	folder := t.TempDir()
	for _, command := range []string{"pulumi", "pulumi-language-go", "go", "docker", "sh"} {
		path, err := exec.LookPath(command)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(path, filepath.Join(folder, command)); err != nil {
			t.Fatal(err)
		}
	}
	l.refused(t, "gke-gcloud-auth-plugin is not in PATH.*Fix: gcloud components install gke-gcloud-auth-plugin", "PATH="+folder)
}

// oddValues are what hands, editors and YAML make of a config.
var oddValues = []any{
	"", " ", "0", "1", "3", "100", "101", "-1", "1.5", "1e3", "010", "0x10", "three", "999999999999999999999", 3, 0, -7, 2.5, true, false, "true", "yes", nil,
	"v1", "v2", "V2", "v1.2.3", "v1.10", 1.10, "latest", "v1 ", "v1\n", "v1;rm -rf", "$(id)", "${nodes}", "%s%n", "\x00", "\u202e", "🪵", strings.Repeat("a", 10_000),
	"europe-west1", "europe-west1-d", "europe-west1-z", "us-central1", "e2-medium", "t2a-standard-1", "n1", "10.0.0.0/8", "10.0.0.1/8", "0.0.0.0/0", "::/0", "10.0.0.0/8,,",
	[]any{"a"}, map[string]any{"a": "b"}, map[string]any{"secure": "v1:AAAA:AAAA"}, "my-project", "Project", "/nowhere/config", "~/.kube/config", "minikube", "registry.example.com/team", "team-timber", "Team Timber",
	"europe-west1-docker.pkg.dev/my-project/repository/image@sha256:" + "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef", "nginx",
}

// refusal is what the program or the CLI prints about a config that it does not accept.
var refusal = regexp.MustCompile(`nothing was changed:\n +- |must be of type|missing configuration value|validating stack config|could not be decrypted|unmarshal|decrypt`)

func fuzzedConfigs(t *testing.T, l *lab) {
	l.gone(t)
	text, err := os.ReadFile(filepath.Join(l.folder, "Pulumi."+l.name+".yaml"))
	if err != nil {
		t.Fatal(err)
	}
	seed := rand.Uint64()
	random := rand.New(rand.NewPCG(seed, 0))
	path := filepath.Join(t.TempDir(), "fuzzed.yaml")
	accepted, refused := 0, 0
	for i := range times(10) * 10 {
		var file map[string]any
		if err := yaml.Unmarshal(text, &file); err != nil {
			t.Fatal(err)
		}
		config := file["config"].(map[string]any)
		keys := []string{"gcp:project", "hello-timber:nosuchkey"}
		for _, key := range []string{"location", "nodes", "machineType", "spot", "authorizedNetworks", "network", "subnetwork", "secondaryRanges", "controlPlaneRange", "deletionProtection", "replicas", "imageVersion", "image", "immutableTags", "budget", "owner",
			"kubeconfig", "context", "registry", "pullSecret", "port", "livenessPath", "readinessPath", "startupSeconds", "memory", "environment", "egress", "allowedNetworks", "address"} {
			keys = append(keys, "hello-timber:"+key)
		}
		for range min(i, 1+random.IntN(3)) { // the first as it is
			key, value := keys[random.IntN(len(keys))], oddValues[random.IntN(len(oddValues))]
			if config[key] = value; random.IntN(10) == 0 {
				delete(config, key)
			}
		}
		fuzzed, err := yaml.Marshal(file)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, fuzzed, 0o600); err != nil {
			t.Fatal(err)
		}
		_, err = l.try("pulumi", "preview", "--config-file", path)
		if err == nil {
			accepted++
			continue
		}
		refused++
		// By the program or, for what is not of the declared type, by the CLI.
		if reason := said(err); !refusal.MatchString(reason) || strings.Contains(reason, "panic") || strings.Contains(reason, "goroutine ") {
			t.Errorf("seed %d: refused with\n%v\nwas\n%s", seed, err, fuzzed)
		}
		if _, err := l.try("pulumi", "up", "--yes", "--skip-preview", "--config-file", path); err == nil {
			t.Errorf("seed %d: up accepts what preview refuses:\n%s", seed, fuzzed)
		}
		l.nothingLeft(t)
	}
	if accepted == 0 || refused == 0 {
		t.Errorf("seed %d: %d were accepted and %d refused", seed, accepted, refused)
	}
	l.note("%d accepted, %d refused", accepted, refused)
}
