package main

import (
	"cmp"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"

	"hello-timber/pipelines/github"
	"hello-timber/pipelines/run"
	"hello-timber/pipelines/run/runtest"
)

const workflows = "../.github/workflows/"

// The repository's own workflows and actions keep the rules below, which
// actionlint (make lint) does not have.
func TestWorkflows(t *testing.T) {
	for file, text := range filesOf(t, 2, workflows+"*", "../.github/actions/*/*") {
		for _, mistake := range append(checkWorkflow(string(text)), checkTargets(t, string(text))...) {
			t.Errorf("%s: %s", file, mistake)
		}
	}
}

// The stacks are the same wherever they are listed: one that a place lacks would
// have no check, no night watch or no rule.
func TestStackLists(t *testing.T) {
	for file, patterns := range map[string][]string{
		"../.github/workflows/main.yml":    {`(?m)^      stack: (.+)$`},
		"../.github/workflows/deploy.yml":  {`(?m)^        options: \[(.+)\]$`, `(?m)^        inputs\.stack == '(.+?)'`},
		"../.github/workflows/destroy.yml": {`(?m)^        options: \[(.+)\]$`},
		"../.github/workflows/nightly.yml": {`(?m)^        stack: \[(.+)\]$`},
		"../.github/workflows/preview.yml": {`make summary STACKS="(.+?)"`, `make comment STACKS="(.+?)"`},
		"../.drone.yml":                    {`make issue STACKS="(.+?)"`, `make summary STACKS="(.+?)"`, `make comment STACKS="(.+?)"`},
		"../docs/pipelines.md":             {`(?m)^STACKS=\((.+)\)`},
	} {
		for _, pattern := range patterns {
			var stacks []string
			for _, found := range regexp.MustCompile(pattern).FindAllStringSubmatch(runtest.Read(t, file), -1) {
				stacks = append(stacks, strings.Fields(strings.ReplaceAll(found[1], ",", " "))...)
			}
			want := run.DeployEnvironments
			if file == "../.drone.yml" || file == "../.github/workflows/preview.yml" { // where every writer reaches every stack
				want = slices.DeleteFunc(slices.Clone(want), func(stack string) bool { return strings.HasPrefix(stack, "prod") })
			}
			if !slices.Equal(stacks, want) {
				t.Errorf("%s: %s finds %q, want %q", file, pattern, stacks, want)
			}
		}
	}
}

// Dependabot looks at every module, and at every image that is built from others, and
// waits a week with each release. What builds the service is known by its digest.
func TestDependabot(t *testing.T) {
	text := runtest.Read(t, "../.github/dependabot.yml")
	for ecosystem, name := range map[string]string{"gomod": "go.mod", "docker": "Dockerfile"} {
		var want []string
		for file, text := range filesOf(t, 1, "../"+name, "../*/"+name, "../*/*/"+name, "../*/*/*/"+name) {
			if unpinned := regexp.MustCompile(`(?m)^FROM .*\bgolang:[^@\s]+(?: .*)?$`).Find(text); unpinned != nil {
				t.Errorf("%s: %s: golang has no digest. Fix: append @ and what this prints: docker buildx imagetools inspect golang:TAG --format '{{.Manifest.Digest}}'", file, unpinned)
			}
			if !strings.HasPrefix(file, "../.") {
				want = append(want, cmp.Or(strings.TrimPrefix(filepath.Dir(file), ".."), "/"))
			}
		}
		slices.Sort(want)
		found := regexp.MustCompile(`package-ecosystem: ` + ecosystem + `\n +directories: \[(.+)\]`).FindStringSubmatch(text)
		if found == nil {
			t.Fatalf("Dependabot has no directories of %s", ecosystem)
		}
		// Your own service in app/ may have no Go module. Dependabot skips the folder then.
		got := slices.DeleteFunc(strings.Split(found[1], ", "), func(folder string) bool { return folder == "/app" && !slices.Contains(want, folder) })
		if !slices.Equal(got, want) {
			t.Errorf("Dependabot has %q, the repository %q", got, want)
		}
	}
	if all, waits := strings.Count(text, "package-ecosystem:"), strings.Count(text, "default-days: 7\n"); all != waits {
		t.Errorf("of %d ecosystems, Dependabot waits 7 days for %d", all, waits)
	}
}

// The job outlasts the tests' own limits, which name the test that hangs.
func TestTimeouts(t *testing.T) {
	limits := regexp.MustCompile(`go test .*-tags e2e .*-timeout (\d+)m -v -run "?(?:TestRows/first|\$\$)`).FindAllStringSubmatch(runtest.Read(t, "../Makefile"), -1)
	if len(limits) < 2 {
		t.Fatalf("limits are %q", limits)
	}
	left, _ := strconv.Atoi(parse(t, "test.yml").jobs()["test"]["timeout-minutes"])
	for _, limit := range limits[:2] { // of make test and of make e2e
		minutes, _ := strconv.Atoi(limit[1])
		left -= minutes
	}
	if left < 20 { // to compile and for the unit tests
		t.Errorf("the job ends %d minutes after the tests", left)
	}
}

// Main requires every job that a pull request has, by its name.
func TestRequiredChecks(t *testing.T) {
	jobs := slices.Sorted(maps.Keys(parse(t, "test.yml").jobs()))
	if want := slices.Sorted(slices.Values(github.RequiredChecks)); !slices.Equal(jobs, want) {
		t.Errorf("test.yml has the jobs %q, want %q", jobs, want)
	}
	for _, check := range github.RequiredChecks {
		if !strings.Contains(runtest.Read(t, "../docs/pipelines.md"), fmt.Sprintf(`{"context": "%s", "integration_id": %d}`, check, github.ActionsApp)) {
			t.Errorf("the document does not require %s", check)
		}
	}
}

// What decides where states, images, identities and runners are has code owners.
func TestCodeOwners(t *testing.T) {
	const file = "../.github/CODEOWNERS"
	for _, path := range []string{"/.drone.yml", "/.github/", "/Makefile", "/Pulumi.prod.yaml", "/pipelines/"} {
		if !regexp.MustCompile(`(?m)^` + path + ` +@\S`).MatchString(runtest.Read(t, file)) {
			t.Errorf("%s has no line for %s", file, path)
		}
	}
	// The last line that matches a file counts. One without owners asks no one.
	for i, line := range regexp.MustCompile(`(?m)^[^#\s].*$`).FindAllString(runtest.Read(t, file), -1) {
		if words := strings.Fields(line); len(words) < 2 || i > 0 && !strings.HasPrefix(words[0], "/") {
			t.Errorf("%s: %q takes files from their owners", file, line)
		}
	}
}

// No machine of one's own runs a pull request's code and main's: the first could leave
// something behind for the second. GitHub's runners are new machines.
func TestRunners(t *testing.T) {
	for _, own := range []bool{false, true} {
		used := map[string]map[bool]bool{}
		for file := range filesOf(t, 2, workflows+"*.yml") {
			w := parse(t, filepath.Base(file))
			for _, job := range w.jobs() {
				label := fmt.Sprint(job["runs-on"], job.below("runs-on"))
				if own { // of machines for everything all are found
					label = "self-hosted"
				}
				if used[label] == nil {
					used[label] = map[bool]bool{}
				}
				used[label][w.on("pull_request")] = true
			}
		}
		shared := slices.DeleteFunc(slices.Collect(maps.Keys(used)), func(label string) bool {
			return label == "map[]" || strings.HasPrefix(label, "ubuntu-") || len(used[label]) < 2
		})
		if (len(shared) > 0) != own {
			t.Errorf("pull requests and main share the runners %q", shared)
		}
	}
}

// filesOf reads the files of some patterns, of which there must be at least so many.
func filesOf(t *testing.T, least int, patterns ...string) map[string][]byte {
	t.Helper()
	texts := map[string][]byte{}
	for _, pattern := range patterns {
		found, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range found {
			if texts[file], err = os.ReadFile(file); err != nil {
				t.Fatal(err)
			}
		}
	}
	if len(texts) < least {
		t.Fatalf("of %q there are only %d files", patterns, len(texts))
	}
	return texts
}

// Every rule is kept because breaking it is found.
func TestWorkflowMistakes(t *testing.T) {
	const good = `
on: {pull_request: }
permissions: {contents: read}
jobs:
  test:
    timeout-minutes: 5
    permissions: {contents: read, id-token: write}
    container: "golang@sha256:HEX"
    services: {cache: {image: "redis@sha256:HEX"}}
    steps:
      - uses: actions/checkout@3d3c42e5aac5ba805825da76410c181273ba90b1 # v7.0.1
        with: {persist-credentials: false}
      - run: make test
        env: {TITLE: "${{ github.event.pull_request.title }}"}
      - uses: actions/github-script@3d3c42e5aac5ba805825da76410c181273ba90b1 # v7.0.1
        with: {script: "console.log(process.env.TITLE)"}
  deploy:
    timeout-minutes: 5
    environment: prod
    concurrency: {group: "stack-${{ inputs.stack }}", cancel-in-progress: false, queue: max}
    steps:
      - run: make deploy
  approve:
    timeout-minutes: 5
    environment: {name: prod-approval}
    steps: []
`
	const release = `
on: {push: {tags: ["v*"]}}
permissions: {contents: read}
jobs:
  release:
    timeout-minutes: 5
    permissions: {contents: write}
    steps:
      - run: gh release create "$TAG"
`
	for _, tt := range []struct{ text, old, new, want string }{
		{good, "", "", ""},
		{release, "", "", ""},
		{"", "", "", "no jobs"},
		{good, "jobs:", "jobs", "yaml:"},
		{good, "{pull_request: }", "{pull_request_target: }", "on.pull_request_target: <nil>: this gives strangers"},
		{good, "{pull_request: }", "issue_comment", "on: issue_comment: this gives strangers"},
		{good, "permissions: {contents: read}\n", "permissions: {contents: write}\n", "permissions.contents: write: only a job may write"},
		{good, "permissions: {contents: read}\n", "permissions: write-all\n", "permissions: write-all: only a job may write"},
		{good, "permissions: {contents: read}\n", "\n", "no top-level permissions"},
		{good, "permissions: {contents: read, id-token: write}", "permissions: write-all", "a job names what it may"},
		{good, "{contents: read, id", "{contents: write, id", "job test: contents: write"},
		{good, "golang@sha256:HEX", "golang:1.26", "jobs.test.container: golang:1.26: this is not pinned"},
		{good, "redis@sha256:HEX", "redis:8", "jobs.test.services.cache.image: redis:8: this is not pinned"},
		{good, "checkout@3d3c42e5aac5ba805825da76410c181273ba90b1", "checkout@3d3c42e", "actions/checkout@3d3c42e is not pinned"},
		{good, " # v7.0.1\n        with: {p", "\n        with: {p", "no comment with its version"},
		{good, "actions/checkout@", "anchore/checkout@", "of no one whose actions"},
		{good, "- uses: actions/github", "- \"uses\":\n          evil/github", "of no one whose actions"},
		{good, "persist-credentials: false", "fetch-depth: 0", "job test: a checkout must not leave its token"},
		{good, "{contents: read, id", "{contents: read, pull-requests: write, id", "code that may not be main's"},
		{good, "persist-credentials: false", "persist-credentials: false, credentials_json: x", "never needed"},
		{good, "make test", `echo "${{ github.event.pull_request.title }}"`, "an expression becomes code"},
		{good, "process.env.TITLE", "'${{ github.head_ref }}'", "an expression becomes code"},
		{good, "{contents: read}\njobs", "{contents: read}\nenv: {BACKEND: \"${{ vars.BACKEND }}\"}\njobs", "every writer"},
		{good, "github.event.pull_request.title", "' # ' && SECRETS['KEY']", "every writer"},
		{good, "steps:\n", "if: vars.PIPELINES == 'on' && vars.STACK\n    steps:\n", "every writer"},
		{good, "steps:\n", "runs-on: [\"${{ inputs.runner }}\"]\n    steps:\n", "where the job runs"},
		{good, "    steps: []", "    steps: []\n    secrets: inherit", "every writer"},
		{good, "    timeout-minutes: 5\n    permissions", "    permissions", "job test: it has no timeout-minutes"},
		{good, "cancel-in-progress: false", "cancel-in-progress: true", "job deploy: it may be cancelled"},
		{good, `"stack-${{ inputs.stack }}"`, "deploys", "job deploy: it may be cancelled"},
		{good, ", queue: max", "", "job deploy: it may be cancelled"},
		{good, "{name: prod-approval}", "{name: prod-approval}\n    concurrency: {group: stack-prod}", "job approve: it waits"},
		{good, "actions/github-script@", "actions/setup-go@", "other jobs may have written the cache"},
		{good, "id-token: write}", "id-token: write, attestations: write}\n    outputs: {}", ""},
		{good, "id-token: write}\n    container: \"golang@sha256:HEX\"\n    services: {cache: {image: \"redis@sha256:HEX\"}}\n    steps:",
			"attestations: write}\n    steps:\n      - uses: ./.github/actions/google", "could sign any image"},
		{good, "make test", "make issue", "each open an issue"},
		{release, `{push: {tags: ["v*"]}}`, `{push: {branches: [main]}}`, "job release: contents: write"},
		{release, `{tags: ["v*"]}}`, `{tags: ["v*"], branches: [main]}}`, "job release: contents: write"},
		{release, `["v*"]}}`, `["v*"]}, pull_request: }`, "job release: contents: write"},
		{release, "- run: gh", "- run: make test\n      - run: gh", "job release: contents: write"},
	} {
		bad := strings.Replace(tt.text, tt.old, tt.new, 1)
		if bad == tt.text && tt.old != "" {
			t.Fatalf("%q is not in the good workflow", tt.old)
		}
		mistakes := strings.Join(checkWorkflow(strings.ReplaceAll(bad, "HEX", strings.TrimPrefix(runtest.Digest1, "sha256:"))), "\n")
		if (mistakes == "") != (tt.want == "") || !strings.Contains(mistakes, tt.want) {
			t.Errorf("with %q found %q, want %q", tt.new, mistakes, tt.want)
		}
	}
}

// GitHub starts no workflow whose jobs want more than their caller has.
func TestCallersMay(t *testing.T) {
	levels, calls := []string{"", "none", "read", "write"}, 0
	for file := range filesOf(t, 2, workflows+"*.yml") {
		w := parse(t, filepath.Base(file))
		for name, job := range w.jobs() {
			if job["uses"] == "" {
				continue
			}
			called := parse(t, filepath.Base(job["uses"]))
			for inner, calledJob := range called.jobs() {
				for what, access := range calledJob.permissions(called) {
					calls++
					if granted := job.permissions(w)[what]; slices.Index(levels, access) > slices.Index(levels, granted) {
						t.Errorf("%s: job %s grants %s: %q, and job %s of %s wants %s", file, name, what, granted, inner, job["uses"], access)
					}
				}
			}
		}
	}
	if calls < 10 {
		t.Errorf("only %d permissions were compared", calls)
	}
}

// facts are the values of a workflow or a composite action, of a job or of a step, each by
// its path, such as jobs.test.steps.0.run.
type facts map[string]string

func parse(t *testing.T, file string) facts {
	t.Helper()
	found, err := factsOf(runtest.Read(t, workflows+file))
	if err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	return found
}

func factsOf(text string) (facts, error) {
	var all any
	if err := yaml.Unmarshal([]byte(text), &all); err != nil {
		return nil, err
	}
	found := facts{}
	var visit func(path string, v any)
	visit = func(path string, v any) {
		switch v := v.(type) {
		case map[string]any:
			if len(v) == 0 {
				found[strings.TrimPrefix(path, ".")] = "{}"
			}
			for key, value := range v {
				visit(path+"."+key, value)
			}
		case []any:
			for i, value := range v {
				visit(fmt.Sprint(path, ".", i), value)
			}
		default:
			found[strings.TrimPrefix(path, ".")] = fmt.Sprint(v)
		}
	}
	visit("", all)
	return found, nil
}

// below splits off what is below a path, by the next name in it.
func (f facts) below(path string) map[string]facts {
	parts := map[string]facts{}
	for key, value := range f {
		if rest, ok := strings.CutPrefix(key, path+"."); ok {
			name, inner, _ := strings.Cut(rest, ".")
			if parts[name] == nil {
				parts[name] = facts{}
			}
			parts[name][inner] = value
		}
	}
	return parts
}

func (f facts) jobs() map[string]facts { return f.below("jobs") }

// on reports whether an event starts the workflow.
func (f facts) on(event string) bool {
	for key, value := range f {
		if name, ok := strings.CutPrefix(key, "on"); ok && (value == event || strings.HasPrefix(name+".", "."+event+".")) {
			return true
		}
	}
	return false
}

// permissions are a job's, or else its workflow's.
func (f facts) permissions(w facts) map[string]string {
	found := map[string]string{}
	for what, access := range f.below("permissions") {
		found[what] = access[""]
	}
	if len(found) == 0 && f["permissions"] == "" && w != nil {
		return w.permissions(nil)
	}
	return found
}

var (
	// action is one that may be called: of this repository, or by its full commit and of the
	// only ones that are trusted. Some actions of others download and run what no commit pins.
	action = regexp.MustCompile(`^(\./.*|(actions|google-github-actions)/[\w./-]+@[0-9a-f]{40})$`)
	// versions are the comments that say which release a commit is.
	versions = regexp.MustCompile(`@[0-9a-f]{40} # v\d+\.\d+\.\d+\n`)
	// mayWrite are the only things that a job may write, and only where it says so.
	mayWrite = []string{"attestations", "id-token", "issues", "pull-requests"}
)

// forbidden are values that no workflow may have, as path: value.
var forbidden = map[string]string{
	`^on\b.*\b(pull_request_target|workflow_run|issue_comment|repository_dispatch)\b`: "this gives strangers the rights of this repository",
	`^permissions.*: write`:                                       "only a job may write, and what it says",
	`^jobs\.[^.]+\.permissions: [^{]`:                             "a job names what it may",
	`(?i)\b(vars|secrets)\b`:                                      "every writer can set what it reads; commit it, as in pipelines/google.env",
	`allow-unsafe-pr-checkout|credentials_json`:                   "this is never needed",
	`steps\.\d+\.(run|with\.script): (?s:.*)\$\{\{`:               "an expression becomes code; pass it in env",
	`^jobs\.[^.]+\.runs-on.*\$\{\{`:                               "where the job runs is not written here",
	`^jobs\.[^.]+\.(container|services\.[^.]+)(\.image)?: [^@]*$`: "this is not pinned by its digest",
}

// checkWorkflow lists how a workflow or a composite action breaks the rules that keep
// strangers' code from credentials, and credentials from doing much.
func checkWorkflow(text string) (mistakes []string) {
	w, err := factsOf(text)
	if err != nil {
		return []string{err.Error()}
	}
	complain := func(broken bool, format string, args ...any) {
		if broken {
			mistakes = append(mistakes, fmt.Sprintf(format, args...))
		}
	}
	used := 0
	for path, value := range w {
		// The one variable that is read switches the pipelines on and off.
		line := path + ": " + strings.ReplaceAll(value, "vars.PIPELINES == 'on'", "")
		for pattern, why := range forbidden {
			complain(regexp.MustCompile(pattern).MatchString(line), "%s: %s", line, why)
		}
		if strings.HasSuffix(path, ".uses") {
			complain(!action.MatchString(value), "%s is not pinned by its full commit, or of no one whose actions run here", value)
			if !strings.HasPrefix(value, "./") {
				used++
			}
		}
	}
	complain(used != len(versions.FindAllString(text, -1)), "an action has no comment with its version")
	jobs := w.jobs()
	complain(len(jobs)+len(w.below("runs")) == 0, "there are no jobs")
	complain(len(jobs) > 0 && w["permissions"] == "" && len(w.permissions(nil)) == 0, "there are no top-level permissions")
	for _, step := range w.below("runs.steps") {
		mistakes = append(mistakes, step.misused(map[string]string{"id-token": "write"})...)
	}
	for name, job := range jobs {
		for _, mistake := range job.mistakes(w) {
			complain(true, "job %s: %s", name, mistake)
		}
	}
	return mistakes
}

// mistakes are what is wrong with a job.
func (f facts) mistakes(w facts) (mistakes []string) {
	complain := func(broken bool, format string, args ...any) {
		if broken {
			mistakes = append(mistakes, fmt.Sprintf(format, args...))
		}
	}
	commands := ""
	for _, step := range f.below("steps") {
		commands += step["run"] + "\n"
		mistakes = append(mistakes, step.misused(f.permissions(facts{}))...)
	}
	complain(f.permissions(facts{})["attestations"] == "write" && strings.Contains(fmt.Sprint(f.below("steps")), "./.github/actions/google"),
		"it could sign any image that a stack's state names")
	releases := len(w.below("on")) == 1 && len(w.below("on.push")) == 1 && w.on("push.tags") && !strings.Contains(commands, "make ")
	for what, access := range f.permissions(facts{}) {
		complain(access == "write" && !slices.Contains(mayWrite, what) && (what != "contents" || !releases), "%s: write; a job may write only %q", what, mayWrite)
	}
	complain(f["uses"] == "" && f["timeout-minutes"] == "", "it has no timeout-minutes")
	complain(strings.Contains(commands, "make issue") && w["concurrency.group"] == "", "two runs at once would each open an issue: concurrency")
	lock := f["concurrency.group"]
	complain(strings.Contains(f["environment"]+f["environment.name"], "-approval") && lock != "", "it waits for an approval and holds a lock meanwhile")
	complain(regexp.MustCompile("make (deploy|destroy)").MatchString(commands) &&
		(!strings.HasPrefix(lock, "stack-") || f["concurrency.cancel-in-progress"] != "false" || f["concurrency.queue"] != "max"),
		"it may be cancelled in the middle of an update or while it waits, or run beside another")
	return mistakes
}

// misused is what is wrong with an action, in a job that may do this.
func (f facts) misused(may map[string]string) (mistakes []string) {
	name, _, _ := strings.Cut(f["uses"], "@")
	if name == "actions/checkout" && f["with.persist-credentials"] != "false" {
		mistakes = append(mistakes, "a checkout must not leave its token: persist-credentials: false")
	}
	if name == "actions/checkout" && may["pull-requests"] == "write" && f["with.ref"] != "main" {
		mistakes = append(mistakes, "it writes to pull requests, and runs code that may not be main's")
	}
	if name == "actions/setup-go" && slices.Contains(slices.Collect(maps.Values(may)), "write") && f["with.cache"] != "false" {
		mistakes = append(mistakes, "other jobs may have written the cache that it compiles: cache: false")
	}
	return mistakes
}

var (
	makeTarget  = regexp.MustCompile(`\bmake (?:-\S+ )*([a-z][a-z0-9]*)`)
	declaration = regexp.MustCompile(`(?m)^([a-z][a-z0-9]*):`)
)

// checkTargets lists the make targets that a text calls and the Makefile does not have.
func checkTargets(t *testing.T, text string) []string {
	t.Helper()
	var targets, mistakes []string
	for _, m := range declaration.FindAllStringSubmatch(runtest.Read(t, "../Makefile"), -1) {
		targets = append(targets, m[1])
	}
	for line := range strings.Lines(text) {
		if strings.HasPrefix(strings.TrimSpace(line), "#") {
			continue
		}
		for _, m := range makeTarget.FindAllStringSubmatch(line, -1) {
			if !slices.Contains(targets, m[1]) {
				mistakes = append(mistakes, "the Makefile has no target "+m[1])
			}
		}
	}
	return mistakes
}
