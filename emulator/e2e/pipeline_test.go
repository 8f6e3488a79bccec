//go:build e2e

package e2e

import (
	"flag"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// pipeline takes a change from a pull request to prod, and back, with the
// targets that the pipelines call, as docs/pipelines.md describes it. There is no
// staging, to which the same happens as to prod; tools/workflows has the jobs of all.
func pipeline(t *testing.T, _ *stack) {
	dev, prod := environment(t, "dev"), environment(t, "prod")
	dev.set(t, "nodes", "1", "immutableTags", "true")
	prod.set(t, "authorizedNetworks", "203.0.113.0/24", "owner", "team-timber", "maxNodes", "6")
	prod.pulumi(t, "config", "set", "--path", "environment.TOKEN", "secret", "--secret")
	step := func(what string, do func(t *testing.T)) {
		if !t.Run(what, do) {
			t.FailNow()
		}
	}
	// merge deploys a change of the config to dev, and what dev built to prod.
	merge := func(t *testing.T, answer string) (image string) {
		dev.make(t, "deploy")
		if strings.Contains(dev.pulumi(t, "stack", "export", "--show-secrets"), token(t)) {
			t.Error("dev's state has the deployer's access token, which previews could decrypt")
		}
		image = dev.make(t, "image")
		prod.make(t, "deploy", "IMAGE="+image)
		for _, s := range []*stack{dev, prod} {
			if got := s.make(t, "image"); got != image || !strings.Contains(got, "/hello-timber-e2e-dev/timber-tutorial@sha256:") {
				t.Errorf("%s runs %s, want %s, which dev built", s.name, got, image)
			}
			s.updated(t)
			answers(t, s.url+"/index", answer)
		}
		return image
	}

	// summarize returns what a summary of prod reports.
	summarize := func(t *testing.T, image string) map[string]string {
		outputs := filepath.Join(t.TempDir(), "outputs")
		prod.make(t, "summary", "IMAGE="+image, "GITHUB_OUTPUT="+outputs)
		values := map[string]string{}
		for line := range strings.Lines(readFile(t, outputs)) {
			name, value, _ := strings.Cut(strings.TrimSpace(line), "=")
			values[name] = value
		}
		return values
	}
	// Each preview draws the names of new resources, in whatever order, and encrypts secrets again.
	step("a plan has one fingerprint before the first deployment", func(t *testing.T) {
		if one, two := summarize(t, "configured"), summarize(t, "configured"); one["plan"] != two["plan"] || len(one["plan"]) != 64 || one["changes"] != "true" {
			t.Errorf("two summaries of one plan report %v and %v", one, two)
		}
	})
	var first, second string
	step("a merge reaches dev and prod as one image", func(t *testing.T) { first = merge(t, v1) })
	step("prod is in three zones, and kube-score likes it", func(t *testing.T) { prod.isSpread(t); prod.score(t) })
	step("a pull request gets a summary", func(t *testing.T) {
		dev.set(t, "imageVersion", "v2", "replicas", "2")
		prod.set(t, "spot", "true")
		golden(t, "comment.golden.md", dev.make(t, "summary", "STACKS=e2e-dev e2e-prod", "COMMIT=0123456")+"\n")
		prod.set(t, "spot", "false")
	})
	step("its merge rolls v2 through both", func(t *testing.T) { second = merge(t, v2) })
	if first == second {
		t.Errorf("both versions are %s", first)
	}
	step("what is approved is what was previewed", func(t *testing.T) {
		if same := summarize(t, second); same["changes"] != "false" {
			t.Errorf("nothing is to be approved, and the summary reports %v", same)
		}
		approved := summarize(t, first)
		if approved["changes"] != "true" {
			t.Errorf("the summary reports %v", approved)
		}
		if _, err := prod.try("make", "-s", "deploy", "STACK=e2e-prod", "IMAGE="+second, "APPROVED="+approved["plan"]); err == nil || !strings.Contains(said(err), "than what was approved") {
			t.Errorf("another image than the approved one ended with %v", err)
		}
	})
	step("a manual change is found and reported, and not undone", func(t *testing.T) {
		scale := func(to string) {
			prod.kubectl(t, prod.namespace(), "scale", "deployments", "--all", "--replicas="+to)
		}
		both := "STACKS=e2e-dev e2e-prod"
		scale("1")
		if out, err := prod.try("make", "-s", "drift", both); err == nil || !strings.Contains(out, "- spec.replicas: 3\n+ spec.replicas: 1\n") || !strings.Contains(out, "| e2e-dev | as deployed |") {
			t.Errorf("drift ended with %v and said\n%s", err, out)
		}
		scale("3")
		prod.make(t, "drift", both)
	})
	step("a rollback of prod is the deployment of an earlier image", func(t *testing.T) {
		prod.make(t, "deploy", "IMAGE="+first, "APPROVED="+summarize(t, first)["plan"])
		prod.updated(t)
		answers(t, prod.url+"/index", v1)
		answers(t, dev.url+"/index", v2)
		prod.make(t, "drift")
	})
	step("the same bytes under a tag that exists: immutable tags allow that", func(t *testing.T) {
		dev.set(t, "imageVersion", "v1")
		dev.make(t, "deploy")
		if again := dev.output(t, "image"); again != first {
			t.Errorf("built again, %s is %s", first, again)
		}
	})
	step("destroy wants no protection", func(t *testing.T) {
		had := prod.resources(t)
		prod.fails(t, []string{`" cannot be deleted`}, "make", "-s", "destroy", "STACK=e2e-prod", "CONFIRM=e2e-prod")
		if has := prod.resources(t); !slices.Equal(has, had) {
			t.Errorf("the refused destroy deleted resources: %q are left of %q", has, had)
		}
		answers(t, prod.url+"/index", v1)
		prod.followManual(t, "Destroy a protected stack")
		prod.nothingLeft(t)
		dev.make(t, "destroy", "CONFIRM=e2e-dev")
		dev.nothingLeft(t)
	})
}

// isSpread: the nodes are in three zones, and the pods on three nodes.
func (s *stack) isSpread(t *testing.T) {
	t.Helper()
	zones := strings.Fields(s.kubectl(t, "get", "nodes", `--output=jsonpath={.items[*].metadata.labels.topology\.kubernetes\.io/zone}`))
	if slices.Sort(zones); !slices.Equal(zones, []string{"europe-west1-b", "europe-west1-c", "europe-west1-d"}) {
		t.Errorf("the nodes are in %q, want b, c and d of europe-west1", zones)
	}
	nodes := map[string]bool{}
	for _, p := range s.pods(t) {
		nodes[p.node] = true
	}
	if len(nodes) != 3 {
		t.Errorf("the pods are on %v, want three nodes", nodes)
	}
}

// score: of all checks that kube-score has on by default, one does not pass, with a reason:
// the image is given by its digest. To pull it again would get the same bytes, and a
// restart would need the registry.
func (s *stack) score(t *testing.T) {
	t.Helper()
	// Annotations could turn checks off.
	command := exec.Command("go", "tool", "kube-score", "score", "--output-format=ci", "--kubernetes-version=v1.34", "--disable-ignore-checks-annotations", "-")
	objects := s.kubectl(t, s.namespace(), "get", "deployments,services,serviceaccounts,networkpolicies,poddisruptionbudgets", "--output=yaml")
	command.Dir, command.Stdin = "../../tools/kubescore", strings.NewReader(objects)
	command.Stderr = t.Output()
	out, _ := command.Output() // fails because of that check
	bad := slices.DeleteFunc(strings.Split(strings.TrimSpace(string(out)), "\n"), func(line string) bool { return strings.HasPrefix(line, "[OK]") || strings.HasPrefix(line, "[SKIPPED]") })
	if len(bad) != 1 || !strings.Contains(bad[0], "ImagePullPolicy") {
		t.Errorf("kube-score does not only miss an ImagePullPolicy of Always:\n%s", strings.Join(bad, "\n"))
	}
}

// make runs a target for the stack and returns what it printed.
func (s *stack) make(t *testing.T, target string, variables ...string) string {
	t.Helper()
	out, err := s.start(interrupted, root(), "make", append([]string{"-s", target, "STACK=" + s.name}, variables...)...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// environment is a stack with the config of one of the pipelines' environments. On GitHub
// Actions the tests' own run has nothing to do with it.
func environment(t *testing.T, name string) *stack {
	t.Helper()
	docker := t.TempDir() // with a login at the registry, as pipelines have
	s := newStack(t, "e2e-"+name, options{from: name, folder: root(), env: []string{"GITHUB_ACTIONS=", "GITHUB_RUN_ID=", "GITHUB_OUTPUT=", "GITHUB_STEP_SUMMARY=", "DOCKER_CONFIG=" + docker}})
	s.login(t, docker, "europe-west1-docker.pkg.dev")
	return s
}

var (
	anyDigest  = regexp.MustCompile(`sha256:[0-9a-f]{64}`)
	anyContext = regexp.MustCompile(`"contextDigest":"[0-9a-f]{64}"`)
	anySuffix  = regexp.MustCompile(`-[0-9a-f]{7,8}\b`)
)

// golden asserts a text for GitHub, without what differs each time, and that it holds no
// secret.
func golden(t *testing.T, name, text string) {
	t.Helper()
	if strings.Contains(text, token(t)) {
		t.Error("the access token is in it")
	}
	got := anySuffix.ReplaceAllString(anyDigest.ReplaceAllString(text, "sha256:DIGEST"), "-SUFFIX")
	got = anyContext.ReplaceAllString(got, `"contextDigest":"DIGEST"`) // of app/, which any edit changes
	path := filepath.Join("testdata", name)
	if *update {
		writeFile(t, path, got)
	}
	if got != readFile(t, path) {
		t.Errorf("got\n%s\nwant %s", got, path)
	}
}
