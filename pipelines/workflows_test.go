package main

import (
	"cmp"
	"fmt"
	"io/fs"
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

// The repository's own workflows and actions keep the rules below, which
// actionlint (make lint) does not have.
func TestWorkflows(t *testing.T) {
	for file, text := range filesOf(t, 2, "../.github/workflows/*", "../.github/actions/*/*") {
		for _, mistake := range append(checkWorkflow(text), checkTargets(t, string(text))...) {
			t.Errorf("%s: %s", file, mistake)
		}
	}
}

// The stacks are the same wherever they are listed: one that a place lacks would
// have no check, no night watch or no rule.
func TestStackLists(t *testing.T) {
	for file, patterns := range map[string][]string{
		"../.github/workflows/main.yml":    {`(?m)^      stack: (.+)$`},
		"../.github/workflows/deploy.yml":  {`(?m)^        options: \[(.+)\]$`},
		"../.github/workflows/destroy.yml": {`(?m)^        options: \[(.+)\]$`},
		"../.github/workflows/nightly.yml": {`(?m)^        stack: \[(.+)\]$`},
		"../.drone.yml":                    {`make drift STACKS="(.+)"`, `make issue STACKS="(.+?)"`},
		"../docs/pipelines.md":             {`(?m)^for stack in (.+); do\n  # Deploy`, `(?m)^for stack in (.+); do\n  environment `},
	} {
		for _, pattern := range patterns {
			var stacks []string
			for _, found := range regexp.MustCompile(pattern).FindAllStringSubmatch(string(filesOf(t, 1, file)[file]), -1) {
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
	want := map[string][]string{}
	err := filepath.WalkDir("..", func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		ecosystem := map[string]string{"go.mod": "gomod", "Dockerfile": "docker"}[entry.Name()]
		folder := strings.TrimPrefix(filepath.Dir(path), "..")
		switch {
		case entry.IsDir() && path != ".." && (strings.HasPrefix(entry.Name(), ".") || entry.Name() == "bin" || entry.Name() == "testdata"):
			return fs.SkipDir
		case ecosystem != "":
			want[ecosystem] = append(want[ecosystem], cmp.Or(folder, "/"))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	var config struct {
		Updates []struct {
			Ecosystem   string `yaml:"package-ecosystem"`
			Directories []string
			Cooldown    struct {
				Days int `yaml:"default-days"`
			}
		}
	}
	const file = "../.github/dependabot.yml"
	if err := yaml.Unmarshal(filesOf(t, 1, file)[file], &config); err != nil {
		t.Fatal(err)
	}
	got := map[string][]string{}
	for _, update := range config.Updates {
		if update.Cooldown.Days < 7 {
			t.Errorf("Dependabot proposes a release of %s after %d days, want 7", update.Ecosystem, update.Cooldown.Days)
		}
		if update.Ecosystem != "github-actions" {
			// Your own service in app/ may have no Go module. Dependabot skips the folder then.
			got[update.Ecosystem] = slices.DeleteFunc(slices.Sorted(slices.Values(update.Directories)), func(folder string) bool {
				return folder == "/app" && !slices.Contains(want[update.Ecosystem], folder)
			})
		}
	}
	for _, folders := range want {
		slices.Sort(folders)
	}
	if !maps.EqualFunc(got, want, slices.Equal) {
		t.Errorf("Dependabot has %q, the repository %q", got, want)
	}
}

// The job outlasts the tests' own limits, which name the test that hangs.
func TestTimeouts(t *testing.T) {
	const makefile, workflow = "../Makefile", "../.github/workflows/test.yml"
	limits := regexp.MustCompile(`go test .*-tags e2e .*-timeout (\d+)m -v -run "?(?:TestRows/first|\$\$)`).FindAllSubmatch(filesOf(t, 1, makefile)[makefile], -1)
	job := at(parse(filesOf(t, 1, workflow)[workflow]), "jobs", "test", "timeout-minutes")
	if len(limits) < 2 || job == nil {
		t.Fatalf("limits are %s and %v", limits, job)
	}
	tests := 0
	for _, limit := range limits[:2] { // of make test and of make e2e
		minutes, err := strconv.Atoi(string(limit[1]))
		if err != nil {
			t.Fatal(err)
		}
		tests += minutes
	}
	if minutes, err := strconv.Atoi(job.Value); err != nil || minutes < tests+20 { // to compile and for the unit tests
		t.Errorf("the job ends after %s minutes, the tests after %d", job.Value, tests)
	}
}

// Main requires every job that a pull request has, by its name.
func TestRequiredChecks(t *testing.T) {
	const workflow, document = "../.github/workflows/test.yml", "../docs/pipelines.md"
	jobs := slices.Sorted(maps.Keys(jobsOf(parse(filesOf(t, 1, workflow)[workflow]))))
	if want := slices.Sorted(slices.Values(github.RequiredChecks)); !slices.Equal(jobs, want) {
		t.Errorf("%s has the jobs %q, want %q", workflow, jobs, want)
	}
	text := string(filesOf(t, 1, document)[document])
	for _, check := range github.RequiredChecks {
		if !strings.Contains(text, fmt.Sprintf(`{"context": "%s", "integration_id": %d}`, check, github.ActionsApp)) {
			t.Errorf("%s does not require %s", document, check)
		}
	}
}

// What decides where states, images, identities and runners are has code owners.
func TestCodeOwners(t *testing.T) {
	const file = "../.github/CODEOWNERS"
	for _, path := range []string{"/.drone.yml", "/.github/", "/Makefile", "/pipelines/"} {
		if !regexp.MustCompile(`(?m)^` + path + ` +@\S`).Match(filesOf(t, 1, file)[file]) {
			t.Errorf("%s has no line for %s", file, path)
		}
	}
}

// No machine of one's own runs a pull request's code and main's: the first could leave
// something behind for the second. GitHub's runners are new machines.
func TestRunners(t *testing.T) {
	texts := filesOf(t, 2, "../.github/workflows/*.yml")
	if shared := sharedRunners(texts); len(shared) > 0 {
		t.Errorf("pull requests and main share the runners %q", shared)
	}
	for file, text := range texts {
		texts[file] = []byte(strings.ReplaceAll(string(text), "runs-on: ubuntu-24.04", "runs-on: [self-hosted, timber]"))
	}
	if shared := sharedRunners(texts); len(shared) != 1 {
		t.Errorf("of machines for everything only %q are found", shared)
	}
}

// sharedRunners are the labels of machines that run a pull request's code and main's.
func sharedRunners(texts map[string][]byte) (shared []string) {
	used := map[bool][]string{}
	for _, text := range texts {
		workflow := parse(text)
		pulls := at(workflow, "on", "pull_request") != nil
		for _, job := range jobsOf(workflow) {
			if on := at(job, "runs-on"); on != nil && !strings.HasPrefix(on.Value, "ubuntu-") {
				labels := on.Value
				for _, label := range on.Content {
					labels += label.Value + " "
				}
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
    container: "golang@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
    services: {cache: {image: "redis@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"}}
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
	if mistakes := checkWorkflow([]byte(good)); len(mistakes) > 0 {
		t.Fatalf("a good workflow is refused: %q", mistakes)
	}
	for want, edit := range map[string][2]string{
		"line 2: pull_request_target":                  {"{pull_request: }", "{pull_request_target: }"},
		"line 2: workflow_run":                         {"{pull_request: }", "[push, workflow_run]"},
		"line 2: issue_comment":                        {"{pull_request: }", "issue_comment"},
		"contents: write; top-level permissions may":   {"permissions: {contents: read}\n", "permissions: {contents: write}\n"},
		"line 3: permissions must be listed":           {"permissions: {contents: read}\n", "permissions: write-all\n"},
		"no top-level permissions":                     {"permissions: {contents: read}\n", "\n"},
		"line 7: contents: write":                      {"{contents: read, id", "{contents: write, id"},
		"line 8: container":                            {"golang@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef", "golang:1.26"},
		"line 9: container redis:8":                    {"redis@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef", "redis:8"},
		"line 11: actions/checkout@v7":                 {"checkout@3d3c42e5aac5ba805825da76410c181273ba90b1", "checkout@v7"},
		"line 11: actions/checkout@3d3c42e":            {"checkout@3d3c42e5aac5ba805825da76410c181273ba90b1", "checkout@3d3c42e"},
		"no comment with its version":                  {" # v7.0.1\n        with: {p", "\n        with: {p"},
		"line 12: a checkout must not leave its token": {"persist-credentials: false", "fetch-depth: 0"},
		"is of no one whose actions":                   {"actions/checkout@", "anchore/checkout@"},
		"code that may not be main's":                  {"{contents: read, id", "{contents: read, pull-requests: write, id"},
		"line 12: credentials_json":                    {"persist-credentials: false", "persist-credentials: false, credentials_json: x"},
		"line 13: an expression inside run":            {"make test", `echo "${{ github.event.pull_request.title }}"`},
		"line 16: an expression inside script":         {"process.env.TITLE", "'${{ github.head_ref }}'"},
		"line 4: vars: every writer":                   {"{contents: read}\njobs", "{contents: read}\nenv: {BACKEND: \"${{ vars.BACKEND }}\"}\njobs"},
		"line 14: SECRETS: every writer":               {"github.event.pull_request.title", "SECRETS['KEY']"},
		"line 10: vars: every writer":                  {"steps:\n", "if: vars.PIPELINES == 'on' && vars.STACK\n    steps:\n"},
		"line 10: where the job runs":                  {"steps:\n", "runs-on: [\"${{ inputs.runner }}\"]\n    steps:\n"},
		"secrets: inherit":                             {"    steps: []", "    steps: []\n    secrets: inherit"},
		"line 6: job test has no timeout-minutes":      {"    timeout-minutes: 5\n    permissions", "    permissions"},
		"job deploy may be cancelled":                  {"cancel-in-progress: false", "cancel-in-progress: true"},
		"job deploy may be":                            {`"stack-${{ inputs.stack }}"`, "deploys"},
		"job deploy may be cancelled while":            {", queue: max", ""},
		"job approve waits":                            {"{name: prod-approval}", "{name: prod-approval}\n    concurrency: {group: stack-prod}"},
		"each open an issue":                           {"make test", "make issue"},
		"yaml:":                                        {"jobs:", "jobs"},
	} {
		bad := strings.Replace(good, edit[0], edit[1], 1)
		if bad == good {
			t.Fatalf("%q is not in the good workflow", edit[0])
		}
		if mistakes := checkWorkflow([]byte(bad)); !strings.Contains(strings.Join(mistakes, "\n"), want) {
			t.Errorf("found %q, want %q", mistakes, want)
		}
	}
	if mistakes := checkWorkflow(nil); len(mistakes) == 0 {
		t.Error("an empty file is accepted")
	}
}

// GitHub starts no workflow whose jobs want more than their caller has.
func TestCallersMay(t *testing.T) {
	texts := filesOf(t, 2, "../.github/workflows/*")
	for file, text := range texts {
		for _, mistake := range checkCalls(text, texts) {
			t.Errorf("%s: %s", file, mistake)
		}
	}
	const right = "      attestations: write\n"
	less := []byte(strings.Replace(string(texts["../.github/workflows/main.yml"]), right, "", 1))
	if mistakes := checkCalls(less, texts); !strings.Contains(strings.Join(mistakes, "\n"), "job dev grants attestations: none, and job plan of deploy.yml wants read") {
		t.Errorf("found %q", mistakes)
	}
}

// checkCalls compares the permissions of a workflow's jobs with those of the
// workflows that they call.
func checkCalls(text []byte, texts map[string][]byte) []string {
	var mistakes []string
	workflow := parse(text)
	for name, job := range jobsOf(workflow) {
		uses := at(job, "uses")
		if uses == nil {
			continue
		}
		granted, called := permissionsOf(job, workflow), parse(texts["../"+strings.TrimPrefix(uses.Value, "./")])
		for inner, calledJob := range jobsOf(called) {
			for what, access := range permissionsOf(calledJob, called) {
				if levels := []string{"", "none", "read", "write"}; slices.Index(levels, access) > slices.Index(levels, granted[what]) {
					mistakes = append(mistakes, fmt.Sprintf("job %s grants %s: %s, and job %s of %s wants %s",
						name, what, cmp.Or(granted[what], "none"), inner, filepath.Base(uses.Value), access))
				}
			}
		}
	}
	return mistakes
}

// parse reads a workflow; one that cannot be read has no jobs.
func parse(text []byte) *yaml.Node {
	var document yaml.Node
	if err := yaml.Unmarshal(text, &document); err != nil || len(document.Content) == 0 {
		return &yaml.Node{}
	}
	return document.Content[0]
}

func jobsOf(workflow *yaml.Node) map[string]*yaml.Node {
	list := map[string]*yaml.Node{}
	if jobs := at(workflow, "jobs"); jobs != nil {
		for i := 0; i < len(jobs.Content); i += 2 {
			list[jobs.Content[i].Value] = resolve(jobs.Content[i+1])
		}
	}
	return list
}

// permissionsOf are a job's, or else its workflow's.
func permissionsOf(job, workflow *yaml.Node) map[string]string {
	n := at(job, "permissions")
	if n == nil {
		n = at(workflow, "permissions")
	}
	list := map[string]string{}
	if n != nil && n.Decode(&list) != nil {
		return nil
	}
	return list
}

// Only a job that does nothing but release a tag may write to the repository.
func TestReleaseMayWrite(t *testing.T) {
	const good = `
on: {push: {tags: ["v*"]}}
permissions: {contents: read}
jobs:
  release:
    timeout-minutes: 5
    permissions: {contents: write}
    steps:
      - run: make release
`
	if mistakes := checkWorkflow([]byte(good)); len(mistakes) > 0 {
		t.Fatalf("a good workflow is refused: %q", mistakes)
	}
	for old, new := range map[string]string{
		`{push: {tags: ["v*"]}}`: `{push: {branches: [main]}}`,
		`{tags: ["v*"]}}`:        `{tags: ["v*"], branches: [main]}}`,
		`["v*"]}}`:               `["v*"]}, pull_request: }`,
		"make release":           "make test",
		"- run: make release":    "- run: make release\n      - run: make test",
	} {
		bad := strings.Replace(good, old, new, 1)
		if mistakes := checkWorkflow([]byte(bad)); !strings.Contains(strings.Join(mistakes, "\n"), "line 7: contents: write") {
			t.Errorf("with %s found %q", new, mistakes)
		}
	}
}

var (
	pinned  = regexp.MustCompile(`^[\w.-]+/[\w./-]+@[0-9a-f]{40}$`)
	digests = regexp.MustCompile(`@sha256:[0-9a-f]{64}$`)
	version = regexp.MustCompile(`^# v\d+\.\d+\.\d+$`)
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

// checker lists how a workflow or a composite action breaks the rules that keep
// strangers' code from credentials, and credentials from doing much.
type checker struct{ mistakes []string }

func (c *checker) complain(n *yaml.Node, format string, args ...any) {
	c.mistakes = append(c.mistakes, fmt.Sprintf("line %d: ", n.Line)+fmt.Sprintf(format, args...))
}

func checkWorkflow(text []byte) []string {
	var document yaml.Node
	if err := yaml.Unmarshal(text, &document); err != nil {
		return []string{err.Error()}
	}
	if len(document.Content) == 0 {
		return []string{"the file is empty"}
	}
	c, root := &checker{}, document.Content[0]
	if jobs := at(root, "jobs"); jobs != nil {
		c.workflow(root, jobs)
	}
	walk(root, c.anywhere)
	for _, step := range steps(root) {
		uses := at(step, "uses")
		if uses == nil || !strings.HasPrefix(uses.Value, "actions/checkout@") {
			continue
		}
		if keep := at(step, "with", "persist-credentials"); keep == nil || keep.Value != "false" {
			where := at(step, "with")
			if where == nil {
				where = step
			}
			c.complain(where, "a checkout must not leave its token: persist-credentials: false")
		}
	}
	c.settable(root)
	return c.mistakes
}

// settable complains about values that a writer can change without a review. The one
// variable that is read switches the pipelines on and off.
func (c *checker) settable(n *yaml.Node) {
	value := strings.ReplaceAll(n.Value, "vars.PIPELINES == 'on'", "")
	if found := settable.FindString(value); found != "" && n.Kind == yaml.ScalarNode {
		c.complain(n, "%s: every writer can set what it reads; commit it, as in pipelines/google.env", found)
	}
	for i, child := range n.Content {
		if n.Kind != yaml.MappingNode || i%2 == 1 {
			c.settable(child)
		}
	}
}

// workflow checks events, permissions and jobs.
func (c *checker) workflow(root, jobs *yaml.Node) {
	on := at(root, "on")
	if on == nil {
		c.complain(root, "nothing starts it")
		return
	}
	for _, n := range append([]*yaml.Node{on}, on.Content...) {
		if slices.Contains(strangers, n.Value) {
			c.complain(n, "%s gives strangers the rights of this repository", n.Value)
		}
	}
	if top := at(root, "permissions"); top == nil {
		c.complain(root, "there are no top-level permissions")
	} else {
		c.permissions(top, nil, "top-level permissions may only read")
	}
	for _, step := range steps(root) {
		if run := at(step, "run"); run != nil && strings.Contains(run.Value, "make issue") && at(root, "concurrency", "group") == nil {
			c.complain(run, "two runs at once would each open an issue: concurrency")
		}
	}
	for i := 0; i < len(jobs.Content); i += 2 {
		name, job := jobs.Content[i].Value, resolve(jobs.Content[i+1])
		if p := at(job, "permissions"); p != nil {
			may := mayWrite
			if onTags(on) && releases(job) {
				may = append(slices.Clone(may), "contents")
			}
			c.permissions(p, may, "a job may write only "+strings.Join(may, ", "))
		}
		c.job(name, job)
	}
}

func (c *checker) permissions(n *yaml.Node, mayWrite []string, rule string) {
	if n.Kind != yaml.MappingNode {
		c.complain(n, "permissions must be listed, not %s", n.Value)
		return
	}
	for i := 0; i < len(n.Content); i += 2 {
		what, access := n.Content[i].Value, n.Content[i+1].Value
		if access != "read" && access != "none" && !slices.Contains(mayWrite, what) {
			c.complain(n, "%s: %s; %s", what, access, rule)
		}
	}
}

// job checks the limits of a job's time and of what runs beside it.
func (c *checker) job(name string, job *yaml.Node) {
	if at(job, "uses") == nil && at(job, "timeout-minutes") == nil {
		c.complain(job, "job %s has no timeout-minutes", name)
	}
	group, cancel := at(job, "concurrency", "group"), at(job, "concurrency", "cancel-in-progress")
	if writes := at(job, "permissions", "pull-requests"); writes != nil && writes.Value == "write" {
		for _, step := range steps(job) {
			if uses := at(step, "uses"); uses != nil && strings.HasPrefix(uses.Value, "actions/checkout@") {
				if ref := at(step, "with", "ref"); ref == nil || ref.Value != "main" {
					c.complain(step, "job %s writes to pull requests, and runs code that may not be main's", name)
				}
			}
		}
	}
	environment := at(job, "environment")
	if named := at(job, "environment", "name"); named != nil {
		environment = named
	}
	if environment != nil && strings.HasSuffix(environment.Value, "-approval") && group != nil {
		c.complain(job, "job %s waits for an approval and holds a lock meanwhile", name)
	}
	for _, step := range steps(job) {
		run := at(step, "run")
		if run == nil || !strings.Contains(run.Value, "make deploy") && !strings.Contains(run.Value, "make destroy") {
			continue
		}
		if group == nil || !strings.HasPrefix(group.Value, "stack-") || cancel == nil || cancel.Value != "false" {
			c.complain(job, "job %s may be cancelled in the middle of an update, or run beside another", name)
		}
		if queue := at(job, "concurrency", "queue"); queue == nil || queue.Value != "max" {
			c.complain(job, "job %s may be cancelled while it waits for another: queue: max", name)
		}
	}
}

// anywhere checks a key wherever it is.
func (c *checker) anywhere(key string, value *yaml.Node) {
	switch key {
	case "uses":
		switch {
		case strings.HasPrefix(value.Value, "./"):
		case !trusted.MatchString(value.Value):
			c.complain(value, "%s is of no one whose actions run here", value.Value)
		case !pinned.MatchString(value.Value):
			c.complain(value, "%s is not pinned by its full commit", value.Value)
		case !version.MatchString(value.LineComment):
			c.complain(value, "%s has no comment with its version", value.Value)
		}
	case "container":
		c.container(value)
	case "services":
		for i := 1; i < len(value.Content); i += 2 {
			c.container(resolve(value.Content[i]))
		}
	case "run", "script":
		if strings.Contains(value.Value, "${{") {
			c.complain(value, "an expression inside %s, where its value becomes code; pass it in env", key)
		}
	case "runs-on":
		for _, label := range append([]*yaml.Node{value}, value.Content...) {
			if strings.Contains(label.Value, "${{") {
				c.complain(value, "where the job runs is not written here")
			}
		}
	case "secrets":
		if value.Value == "inherit" {
			c.complain(value, "secrets: inherit passes every secret on")
		}
	case "allow-unsafe-pr-checkout", "credentials_json":
		c.complain(value, "%s is never needed", key)
	}
}

// container checks a job's container or one of its services.
func (c *checker) container(n *yaml.Node) {
	if image := at(n, "image"); image != nil {
		n = image
	}
	if !digests.MatchString(n.Value) {
		c.complain(n, "container %s is not pinned by its digest", n.Value)
	}
}

// onTags reports whether nothing but a pushed tag starts a workflow.
func onTags(on *yaml.Node) bool {
	push := at(on, "push")
	return push != nil && len(on.Content) == 2 && len(push.Content) == 2 && at(push, "tags") != nil
}

// releases reports whether a job has nothing to run but make release.
func releases(job *yaml.Node) bool {
	var commands []string
	for _, step := range steps(job) {
		if run := at(step, "run"); run != nil {
			commands = append(commands, run.Value)
		}
	}
	return slices.Equal(commands, []string{"make release"})
}

// at returns the value at a path of keys, or nil.
func at(n *yaml.Node, path ...string) *yaml.Node {
	for _, key := range path {
		var found *yaml.Node
		if n = resolve(n); n.Kind == yaml.MappingNode {
			for i := 0; i < len(n.Content); i += 2 {
				if n.Content[i].Value == key {
					found = resolve(n.Content[i+1])
				}
			}
		}
		if n = found; n == nil {
			return nil
		}
	}
	return n
}

func resolve(n *yaml.Node) *yaml.Node {
	if n.Kind == yaml.AliasNode {
		return n.Alias
	}
	return n
}

// walk visits every key with its value.
func walk(n *yaml.Node, visit func(key string, value *yaml.Node)) {
	for i, child := range n.Content {
		if n.Kind == yaml.MappingNode && i%2 == 1 {
			visit(n.Content[i-1].Value, resolve(child))
		}
		walk(child, visit)
	}
}

// steps lists every step below a node.
func steps(n *yaml.Node) []*yaml.Node {
	var list []*yaml.Node
	walk(n, func(key string, value *yaml.Node) {
		if key == "steps" {
			list = append(list, value.Content...)
		}
	})
	return list
}

var (
	makeTarget  = regexp.MustCompile(`\bmake (?:-\S+ )*([a-z][a-z0-9]*)`)
	declaration = regexp.MustCompile(`(?m)^([a-z][a-z0-9]*):`)
)

// checkTargets lists the make targets that a text calls and the Makefile does not have.
func checkTargets(t *testing.T, text string) []string {
	t.Helper()
	makefile, err := os.ReadFile("../Makefile")
	if err != nil {
		t.Fatal(err)
	}
	var targets, mistakes []string
	for _, m := range declaration.FindAllStringSubmatch(string(makefile), -1) {
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
