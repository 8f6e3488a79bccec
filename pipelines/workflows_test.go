package main

import (
	"cmp"
	"errors"
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
)

// workflow is what the rules below are about, of a workflow or a composite action.
type workflow struct {
	On          any
	Permissions map[string]string
	Concurrency struct{ Group string }
	Jobs        map[string]job
	Runs        struct{ Steps []step }
}

type job struct {
	Uses        string
	Timeout     int `yaml:"timeout-minutes"`
	Permissions map[string]string
	Environment any
	Concurrency struct {
		Group  string
		Cancel any `yaml:"cancel-in-progress"`
		Queue  string
	}
	RunsOn    any `yaml:"runs-on"`
	Container any
	Services  map[string]any
	Steps     []step
}

type step struct {
	Uses, Run string
	With      map[string]any
}

func parse(t *testing.T, path string) workflow {
	t.Helper()
	var w workflow
	if err := yaml.Unmarshal([]byte(read(t, path)), &w); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return w
}

// The repository's own workflows and actions keep the rules below, which
// actionlint (make lint) does not have.
func TestWorkflows(t *testing.T) {
	for file, text := range filesOf(t, 2, "../.github/workflows/*", "../.github/actions/*/*") {
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
		"../.drone.yml":                    {`make issue STACKS="(.+?)"`},
		"../docs/pipelines.md":             {`(?m)^STACKS=\((.+)\)`},
	} {
		for _, pattern := range patterns {
			var stacks []string
			for _, found := range regexp.MustCompile(pattern).FindAllStringSubmatch(read(t, file), -1) {
				stacks = append(stacks, strings.Fields(strings.ReplaceAll(found[1], ",", " "))...)
			}
			want := run.DeployEnvironments
			if file == "../.drone.yml" { // where every writer reaches every stack
				want = slices.DeleteFunc(slices.Clone(want), func(stack string) bool { return stack == "prod" })
			}
			if !slices.Equal(stacks, want) {
				t.Errorf("%s: %s finds %q, want %q", file, pattern, stacks, want)
			}
		}
	}
}

// Dependabot looks at every module, and at every image that is built from others, and
// waits a week with each release.
func TestDependabot(t *testing.T) {
	text := read(t, "../.github/dependabot.yml")
	for ecosystem, name := range map[string]string{"gomod": "go.mod", "docker": "Dockerfile"} {
		var want []string
		for file := range filesOf(t, 1, "../"+name, "../*/"+name, "../*/*/"+name, "../*/*/*/"+name) {
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
	limits := regexp.MustCompile(`go test .*-tags e2e .*-timeout (\d+)m -v -run "?(?:TestRows/first|\$\$)`).FindAllStringSubmatch(read(t, "../Makefile"), -1)
	if len(limits) < 2 {
		t.Fatalf("limits are %q", limits)
	}
	tests := 0
	for _, limit := range limits[:2] { // of make test and of make e2e
		minutes, err := strconv.Atoi(limit[1])
		if err != nil {
			t.Fatal(err)
		}
		tests += minutes
	}
	if minutes := parse(t, "../.github/workflows/test.yml").Jobs["test"].Timeout; minutes < tests+20 { // to compile and for the unit tests
		t.Errorf("the job ends after %d minutes, the tests after %d", minutes, tests)
	}
}

// Main requires every job that a pull request has, by its name.
func TestRequiredChecks(t *testing.T) {
	const file = "../.github/workflows/test.yml"
	jobs := slices.Sorted(maps.Keys(parse(t, file).Jobs))
	if want := slices.Sorted(slices.Values(github.RequiredChecks)); !slices.Equal(jobs, want) {
		t.Errorf("%s has the jobs %q, want %q", file, jobs, want)
	}
	for _, check := range github.RequiredChecks {
		if !strings.Contains(read(t, "../docs/pipelines.md"), fmt.Sprintf(`{"context": "%s", "integration_id": %d}`, check, github.ActionsApp)) {
			t.Errorf("the document does not require %s", check)
		}
	}
}

// What decides where states, images, identities and runners are has code owners.
func TestCodeOwners(t *testing.T) {
	const file = "../.github/CODEOWNERS"
	for _, path := range []string{"/.drone.yml", "/.github/", "/Makefile", "/pipelines/"} {
		if !regexp.MustCompile(`(?m)^` + path + ` +@\S`).MatchString(read(t, file)) {
			t.Errorf("%s has no line for %s", file, path)
		}
	}
}

// No machine of one's own runs a pull request's code and main's: the first could leave
// something behind for the second. GitHub's runners are new machines.
func TestRunners(t *testing.T) {
	workflows := map[string]workflow{}
	for file := range filesOf(t, 2, "../.github/workflows/*.yml") {
		workflows[file] = parse(t, file)
	}
	if shared := sharedRunners(workflows); len(shared) > 0 {
		t.Errorf("pull requests and main share the runners %q", shared)
	}
	for _, w := range workflows {
		for name, job := range w.Jobs {
			job.RunsOn = []any{"self-hosted", "timber"}
			w.Jobs[name] = job
		}
	}
	if shared := sharedRunners(workflows); len(shared) != 1 {
		t.Errorf("of machines for everything only %q are found", shared)
	}
}

// sharedRunners are the labels of machines that run a pull request's code and main's.
func sharedRunners(workflows map[string]workflow) (shared []string) {
	used := map[bool][]string{}
	for _, w := range workflows {
		pulls := slices.Contains(events(w.On), "pull_request")
		for _, job := range w.Jobs {
			if labels := fmt.Sprint(job.RunsOn); job.RunsOn != nil && !strings.HasPrefix(labels, "ubuntu-") {
				used[pulls] = append(used[pulls], labels)
			}
		}
	}
	for _, labels := range used[true] {
		if slices.Contains(used[false], labels) && !slices.Contains(shared, labels) {
			shared = append(shared, labels)
		}
	}
	return shared
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
		{good, "{pull_request: }", "{pull_request_target: }", "pull_request_target gives strangers"},
		{good, "{pull_request: }", "[push, workflow_run]", "workflow_run gives strangers"},
		{good, "{pull_request: }", "issue_comment", "issue_comment gives strangers"},
		{good, "permissions: {contents: read}\n", "permissions: {contents: write}\n", "top level: contents: write"},
		{good, "permissions: {contents: read}\n", "permissions: write-all\n", "cannot unmarshal"},
		{good, "permissions: {contents: read}\n", "\n", "no top-level permissions"},
		{good, "{contents: read, id", "{contents: write, id", "job test: contents: write"},
		{good, "golang@sha256:HEX", "golang:1.26", "container golang:1.26"},
		{good, "redis@sha256:HEX", "redis:8", "container map[image:redis:8]"},
		{good, "checkout@3d3c42e5aac5ba805825da76410c181273ba90b1", "checkout@v7", "actions/checkout@v7 is not pinned"},
		{good, "checkout@3d3c42e5aac5ba805825da76410c181273ba90b1", "checkout@3d3c42e", "actions/checkout@3d3c42e is not pinned"},
		{good, " # v7.0.1\n        with: {p", "\n        with: {p", "no comment with its version"},
		{good, "persist-credentials: false", "fetch-depth: 0", "a checkout must not leave its token"},
		{good, "actions/checkout@", "anchore/checkout@", "is of no one whose actions"},
		{good, "- uses: actions/github", "- \"uses\": evil/github", "1 of its actions are written so that"},
		{good, "- uses: actions/github", "- uses:\n          evil/github", "1 of its actions are written so that"},
		{good, "{contents: read, id", "{contents: read, pull-requests: write, id", "code that may not be main's"},
		{good, "persist-credentials: false", "persist-credentials: false, credentials_json: x", "credentials_json"},
		{good, "make test", `echo "${{ github.event.pull_request.title }}"`, "an expression becomes code in job test"},
		{good, "process.env.TITLE", "'${{ github.head_ref }}'", "an expression becomes code in job test"},
		{good, "{contents: read}\njobs", "{contents: read}\nenv: {BACKEND: \"${{ vars.BACKEND }}\"}\njobs", "vars: every writer"},
		{good, "github.event.pull_request.title", "SECRETS['KEY']", "SECRETS: every writer"},
		{good, "github.event.pull_request.title", "' # ' && vars.TITLE", "vars: every writer"},
		{good, "steps:\n", "if: vars.PIPELINES == 'on' && vars.STACK\n    steps:\n", "vars: every writer"},
		{good, "steps:\n", "runs-on: [\"${{ inputs.runner }}\"]\n    steps:\n", "where job test runs"},
		{good, "    steps: []", "    steps: []\n    secrets: inherit", "secrets: every writer"},
		{good, "    timeout-minutes: 5\n    permissions", "    permissions", "job test has no timeout-minutes"},
		{good, "cancel-in-progress: false", "cancel-in-progress: true", "job deploy may be cancelled"},
		{good, `"stack-${{ inputs.stack }}"`, "deploys", "job deploy may be cancelled"},
		{good, ", queue: max", "", "job deploy may be cancelled"},
		{good, "{name: prod-approval}", "{name: prod-approval}\n    concurrency: {group: stack-prod}", "job approve waits"},
		{good, "make test", "make issue", "each open an issue"},
		{good, "jobs:", "jobs", "yaml:"},
		{release, `{push: {tags: ["v*"]}}`, `{push: {branches: [main]}}`, "job release: contents: write"},
		{release, `{tags: ["v*"]}}`, `{tags: ["v*"], branches: [main]}}`, "job release: contents: write"},
		{release, `["v*"]}}`, `["v*"]}, pull_request: }`, "job release: contents: write"},
		{release, "gh release create", "make test", "job release: contents: write"},
		{release, "- run: gh", "- run: make test\n      - run: gh", "job release: contents: write"},
	} {
		bad := strings.Replace(tt.text, tt.old, tt.new, 1)
		if bad == tt.text && tt.old != "" {
			t.Fatalf("%q is not in the good workflow", tt.old)
		}
		mistakes := strings.Join(checkWorkflow(strings.ReplaceAll(bad, "HEX", hex64)), "\n")
		if (mistakes == "") != (tt.want == "") || !strings.Contains(mistakes, tt.want) {
			t.Errorf("with %q found %q, want %q", tt.new, mistakes, tt.want)
		}
	}
}

// GitHub starts no workflow whose jobs want more than their caller has.
func TestCallersMay(t *testing.T) {
	main := parse(t, "../.github/workflows/main.yml")
	if len(main.Jobs) < 2 {
		t.Fatalf("main.yml has the jobs %v", main.Jobs)
	}
	for file := range filesOf(t, 2, "../.github/workflows/*") {
		for _, mistake := range checkCalls(t, parse(t, file)) {
			t.Errorf("%s: %s", file, mistake)
		}
	}
	delete(main.Jobs["dev"].Permissions, "attestations")
	if mistakes := checkCalls(t, main); !strings.Contains(strings.Join(mistakes, "\n"), "job dev grants attestations: none, and job plan of deploy.yml wants read") {
		t.Errorf("found %q", mistakes)
	}
}

// checkCalls compares the permissions of a workflow's jobs with those of the
// workflows that they call.
func checkCalls(t *testing.T, w workflow) (mistakes []string) {
	levels := []string{"", "none", "read", "write"}
	for name, job := range w.Jobs {
		if job.Uses == "" {
			continue
		}
		granted, called := permissions(job, w), parse(t, "../"+strings.TrimPrefix(job.Uses, "./"))
		for inner, calledJob := range called.Jobs {
			for what, access := range permissions(calledJob, called) {
				if slices.Index(levels, access) > slices.Index(levels, granted[what]) {
					mistakes = append(mistakes, fmt.Sprintf("job %s grants %s: %s, and job %s of %s wants %s",
						name, what, cmp.Or(granted[what], "none"), inner, filepath.Base(job.Uses), access))
				}
			}
		}
	}
	return mistakes
}

// permissions are a job's, or else its workflow's.
func permissions(j job, w workflow) map[string]string {
	if j.Permissions != nil {
		return j.Permissions
	}
	return w.Permissions
}

var (
	usesLine = regexp.MustCompile(`(?m)\buses: *(\S+)(.*)$`)
	pinned   = regexp.MustCompile(`^[\w.-]+/[\w./-]+@[0-9a-f]{40}$`)
	digests  = regexp.MustCompile(`@sha256:[0-9a-f]{64}\b`)
	version  = regexp.MustCompile(`^ # v\d+\.\d+\.\d+$`)
	// settable are the contexts whose values every writer can set.
	settable = regexp.MustCompile(`(?i)\b(vars|secrets)\b`)
	// trusted are the only ones whose actions run. Some actions of others download and
	// run what no commit pins.
	trusted = regexp.MustCompile(`^(actions|google-github-actions|pulumi)/`)
	// mayWrite are the only things that a job may write, and only where it says so.
	mayWrite = []string{"attestations", "id-token", "issues", "pull-requests"}
	// strangers are events that give other people's code or words this repository's rights.
	strangers = []string{"pull_request_target", "workflow_run", "issue_comment", "repository_dispatch"}
)

// checkWorkflow lists how a workflow or a composite action breaks the rules that keep
// strangers' code from credentials, and credentials from doing much.
func checkWorkflow(text string) (mistakes []string) {
	complain := func(broken bool, format string, args ...any) {
		if broken {
			mistakes = append(mistakes, fmt.Sprintf(format, args...))
		}
	}
	var w workflow
	var all any
	if err := errors.Join(yaml.Unmarshal([]byte(text), &w), yaml.Unmarshal([]byte(text), &all)); err != nil {
		return []string{err.Error()}
	}
	complain(len(w.Jobs)+len(w.Runs.Steps) == 0, "there are no jobs")
	for _, event := range events(w.On) {
		complain(slices.Contains(strangers, event), "%s gives strangers the rights of this repository", event)
	}
	complain(len(w.Jobs) > 0 && w.Permissions == nil, "there are no top-level permissions")
	for what, access := range w.Permissions {
		complain(access == "write", "the top level: %s: %s; only a job may write", what, access)
	}
	written := usesLine.FindAllStringSubmatch(text, -1)
	hidden := w.uses() - len(written)
	complain(hidden != 0, "%d of its actions are written so that the next rules miss them", hidden)
	for _, uses := range written {
		switch {
		case strings.HasPrefix(uses[1], "./"):
		case !trusted.MatchString(uses[1]):
			complain(true, "%s is of no one whose actions run here", uses[1])
		default:
			complain(!pinned.MatchString(uses[1]), "%s is not pinned by its full commit", uses[1])
			complain(!version.MatchString(uses[2]), "%s has no comment with its version", uses[1])
		}
	}
	// The one variable that is read switches the pipelines on and off.
	code := strings.ReplaceAll(fmt.Sprint(all), "vars.PIPELINES == 'on'", "") // without comments
	found := settable.FindString(code)
	complain(found != "", "%s: every writer can set what it reads; commit it, as in pipelines/google.env", found)
	for _, never := range []string{"allow-unsafe-pr-checkout", "credentials_json"} {
		complain(strings.Contains(code, never), "%s is never needed", never)
	}
	for name, job := range w.Jobs {
		mistakes = append(mistakes, job.check(name, w)...)
	}
	return append(mistakes, checkSteps("the action", w.Runs.Steps)...)
}

// uses is how many actions and workflows it calls.
func (w workflow) uses() (number int) {
	steps := w.Runs.Steps
	for _, job := range w.Jobs {
		steps = slices.Concat(steps, job.Steps, []step{{Uses: job.Uses}})
	}
	for _, step := range steps {
		if step.Uses != "" {
			number++
		}
	}
	return number
}

// check lists what is wrong with a job.
func (j job) check(name string, w workflow) (mistakes []string) {
	complain := func(format string, args ...any) { mistakes = append(mistakes, fmt.Sprintf(format, args...)) }
	var commands []string
	for _, step := range j.Steps {
		if step.Run != "" {
			commands = append(commands, step.Run)
		}
		if ref := step.With["ref"]; j.Permissions["pull-requests"] == "write" && strings.HasPrefix(step.Uses, "actions/checkout@") && ref != "main" {
			complain("job %s writes to pull requests, and runs code that may not be main's", name)
		}
	}
	all := strings.Join(commands, "\n")
	for what, access := range j.Permissions {
		releases := what == "contents" && onTags(w.On) && len(commands) == 1 && strings.Contains(all, "gh release create ")
		if access == "write" && !slices.Contains(mayWrite, what) && !releases {
			complain("job %s: %s: write; a job may write only %q", name, what, mayWrite)
		}
	}
	if j.Uses == "" && j.Timeout == 0 {
		complain("job %s has no timeout-minutes", name)
	}
	if strings.Contains(all, "make issue") && w.Concurrency.Group == "" {
		complain("job %s: two runs at once would each open an issue: concurrency", name)
	}
	lock := j.Concurrency
	if strings.Contains(fmt.Sprint(j.Environment), "-approval") && lock.Group != "" {
		complain("job %s waits for an approval and holds a lock meanwhile", name)
	}
	if (strings.Contains(all, "make deploy") || strings.Contains(all, "make destroy")) &&
		(!strings.HasPrefix(lock.Group, "stack-") || lock.Cancel != false || lock.Queue != "max") {
		complain("job %s may be cancelled in the middle of an update or while it waits, or run beside another", name)
	}
	for _, container := range append(slices.Collect(maps.Values(j.Services)), j.Container) {
		if container != nil && !digests.MatchString(fmt.Sprint(container)) {
			complain("container %v is not pinned by its digest", container)
		}
	}
	if strings.Contains(fmt.Sprint(j.RunsOn), "${{") {
		complain("where job %s runs is not written here", name)
	}
	return append(mistakes, checkSteps("job "+name, j.Steps)...)
}

func checkSteps(where string, steps []step) (mistakes []string) {
	for _, step := range steps {
		if keep := step.With["persist-credentials"]; strings.HasPrefix(step.Uses, "actions/checkout@") && keep != false {
			mistakes = append(mistakes, "a checkout must not leave its token in "+where+": persist-credentials: false")
		}
		if strings.Contains(step.Run+fmt.Sprint(step.With["script"]), "${{") {
			mistakes = append(mistakes, "an expression becomes code in "+where+"; pass it in env")
		}
	}
	return mistakes
}

// events are what starts a workflow.
func events(on any) (names []string) {
	switch on := on.(type) {
	case string:
		names = []string{on}
	case []any:
		for _, event := range on {
			names = append(names, fmt.Sprint(event))
		}
	case map[string]any:
		names = slices.Collect(maps.Keys(on))
	}
	return names
}

// onTags reports whether nothing but a pushed tag starts a workflow.
func onTags(on any) bool {
	all, _ := on.(map[string]any)
	push, _ := all["push"].(map[string]any)
	return len(all) == 1 && len(push) == 1 && push["tags"] != nil
}

var (
	makeTarget  = regexp.MustCompile(`\bmake (?:-\S+ )*([a-z][a-z0-9]*)`)
	declaration = regexp.MustCompile(`(?m)^([a-z][a-z0-9]*):`)
)

// checkTargets lists the make targets that a text calls and the Makefile does not have.
func checkTargets(t *testing.T, text string) []string {
	t.Helper()
	var targets, mistakes []string
	for _, m := range declaration.FindAllStringSubmatch(read(t, "../Makefile"), -1) {
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
