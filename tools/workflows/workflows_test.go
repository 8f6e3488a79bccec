package main

import (
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "rewrite the golden files")

type values = map[string]any

// pullRequest is an event's description.
func pullRequest(author string, from int) values {
	return values{
		"number": 7, "repository": values{"id": 42},
		"pull_request": values{
			"number": 7, "user": values{"login": author},
			"head": values{"sha": commit, "ref": "change", "repo": values{"id": from}},
			"base": values{"sha": "89abcdef", "ref": "main"},
		},
	}
}

// dispatch runs a workflow manually.
func dispatch(file string, inputs values) scenario {
	return scenario{event: "workflow_dispatch", file: file, payload: values{"inputs": inputs}}
}

// with is a scenario with other answers.
func (s scenario) with(answers map[string]string) scenario {
	s.answers = answers
	return s
}

var (
	merge   = scenario{event: "push", file: "main.yml"}
	nightly = scenario{event: "schedule"}
	release = scenario{event: "push", file: "release.yml", ref: "refs/tags/v1.2.0"}
	// candidate is not in the changelog.
	candidate = scenario{event: "push", file: "release.yml", ref: "refs/tags/v1.2.0-rc.1"}
	// oddTag is another tag in a URL, which ends at the #.
	oddTag = scenario{event: "push", file: "release.yml", ref: "refs/tags/v1.2.0#x"}
	pull   = scenario{event: "pull_request", ref: "refs/pull/7/merge", payload: pullRequest("ann", 42)}
)

// What the rows below look for.
const (
	deploysDev, deploysStaging, deploysProd = "pipelines deploy as deploy-dev", "pipelines deploy as deploy-staging", "pipelines deploy as deploy-prod"
	asks                                    = "the reviewer "
	credential                              = "google-github-actions/auth"
	tests                                   = "make test"
	bot                                     = "github-actions[bot]" // whose token a workflow has
)

// whole are the events of which a golden file has everything that happens.
var whole = []string{"pull-request", "merge", "rollback", "nightly", "destroy"}

// events are what starts a workflow, and what can fail. What must hold, whatever a
// golden file has, is in has and hasNot.
var events = map[string]struct {
	scenario
	has, hasNot []string
}{
	"pull-request":           {pull, []string{"pipelines comment: ", "checkout ref=main", "make lint", "POST /issues/7/comments", "| dev | 1 changed |"}, []string{"pipelines deploy", "prod"}},
	"pull-request-fork":      {pullFrom("mallory", 43), []string{"notice: There is no preview", tests, "make lint", "BASE=89abcdef", "run: success"}, []string{credential, "GITHUB_TOKEN"}},
	"pull-request-bot":       {pullFrom("dependabot[bot]", 42), []string{"notice: There is no preview", tests, "make lint", "BASE=89abcdef", "run: success"}, []string{credential, "GITHUB_TOKEN"}},
	"pull-request-no-login":  {pull.with(answers{"fails": credential}), []string{"POST /issues/7/comments", "run: failure", "| dev | ❌ **failed**", tests}, []string{"1 changed", "pipelines summary"}},
	"merge-queue":            {scenario{event: "merge_group", payload: values{"merge_group": values{"base_sha": "89abcdef"}}}, []string{tests, "BASE=89abcdef", "make e2e", "make lint", "make vulnerabilities", "run: success"}, []string{credential}},
	"merge":                  {merge, []string{deploysDev + ": STACK=dev IMAGE=configured", deploysStaging + ": STACK=staging IMAGE=" + built, deploysProd + ": STACK=prod IMAGE=" + built, asks + "approves", "APPROVED=of-prod", "pipelines sbom: ", "run: success"}, []string{"ROLLBACK=true"}},
	"dev-same-image":         {dispatch("deploy.yml", values{"stack": "dev", "image": "configured"}).with(answers{"built": "false"}), []string{"pipelines verify as deploy-dev", "run: success", "gh attestation verify oci://" + built, "ROLLBACK=true"}, []string{"actions/attest", "pipelines sbom", "docker export"}},
	"prod-changes-nothing":   {dispatch("deploy.yml", values{"stack": "prod", "image": earlier}).with(answers{"changes": "false"}), []string{"pipelines summary as watch-prod", "run: success"}, []string{asks, "as deploy-prod"}},
	"prod-refused":           {dispatch("deploy.yml", values{"stack": "prod", "image": earlier}).with(answers{"reviewer": "refuses"}), []string{asks + "refuses", "run: failure"}, []string{"as deploy-prod"}},
	"merge-tests-fail":       {merge.with(answers{"fails": "lint"}), []string{"run: failure", "test/lint: failure"}, []string{credential, "pipelines "}},
	"merge-dev-fails":        {merge.with(answers{"fails": "deploy dev"}), []string{deploysDev, "run: failure", "dev/deploy: failure"}, []string{"staging as", "prod as", deploysStaging, asks, "actions/attest", "pipelines sbom"}},
	"merge-staging-returns":  {merge.with(answers{"returns": "staging"}), []string{deploysStaging, "again, and a preview shows no change", "run: failure", deploysDev, "staging/deploy: failure", "summary: returns to "}, []string{"STACK=prod", asks}},
	"prod-preview-fails":     {dispatch("deploy.yml", values{"stack": "prod", "image": earlier}).with(answers{"fails": "summary prod"}), []string{"pipelines summary as watch-prod", "run: failure"}, []string{asks, "as deploy-prod"}},
	"rollback-not-attested":  {dispatch("deploy.yml", values{"stack": "staging", "image": earlier}).with(answers{"fails": "gh"}), []string{"gh attestation verify", "run: failure", "GitHub does not attest that main's sign workflow signed it"}, []string{deploysStaging}},
	"merge-not-set-up":       {scenario{event: "push", file: "main.yml", off: true}, []string{tests, "run: success"}, []string{credential, "pipelines "}},
	"rollback":               {dispatch("deploy.yml", values{"stack": "prod", "image": earlier}), []string{"IMAGE=" + earlier, asks + "approves", deploysProd, "ROLLBACK=true", "run: success"}, []string{"pipelines sbom"}},
	"rollback-staging":       {dispatch("deploy.yml", values{"stack": "staging", "image": earlier}), []string{"IMAGE=" + earlier, deploysStaging, "gh attestation verify oci://" + earlier, "ROLLBACK=true", "run: success"}, []string{asks, "actions/attest"}},
	"rollback-no-image":      {dispatch("deploy.yml", values{"stack": "prod", "image": "v1"}), []string{`IMAGE: "v1" is not an image by its digest`, "run: failure"}, []string{"configure-docker europe", "gh attestation", asks, "pipelines deploy"}},
	"rollback-builds":        {dispatch("deploy.yml", values{"stack": "staging", "image": "configured"}), []string{`IMAGE: "configured" is not an image by its digest`, "run: failure"}, []string{"pipelines deploy"}},
	"rollback-forged-cli":    {dispatch("deploy.yml", values{"stack": "staging", "image": earlier}).with(answers{"forged": "x"}), []string{"run: failure", "curl https://get.pulumi.com/"}, []string{credential, "pipelines "}},
	"staging-claims-to-sign": {dispatch("deploy.yml", values{"stack": "staging", "image": earlier}).with(answers{"built": "true"}), []string{deploysStaging, "run: success"}, []string{"actions/attest"}},
	"rollback-again":         {again(), []string{deploysStaging + ": STACK=staging", "IMAGE=" + earlier, "run: success"}, []string{"ROLLBACK=true"}},
	"rerun-without-approval": {rerun(), []string{"error: The approval was for an earlier attempt", "run: failure"}, []string{"as deploy-prod"}},
	"nightly":                {nightly, []string{"pipelines issue as watch-dev: STACK=dev ", "pipelines issue as watch-staging: STACK=staging ", "pipelines issue as watch-prod: STACK=prod ", "run: success"}, []string{"POST"}},
	"nightly-drift":          {nightly.with(answers{"fails": "pulumi staging"}), []string{"POST /issues The cloud is not as deployed: staging", "run: failure", "pipelines issue as watch-dev", "pipelines issue as watch-prod", "| staging | ❌ **failed**"}, []string{"deployed: dev", "deployed: prod"}},
	"nightly-no-login":       {nightly.with(answers{"fails": credential}), []string{"POST /issues The cloud is not as deployed: prod", "run: failure", "deployed: dev", "deployed: staging"}, []string{" as watch-"}},
	"destroy":                {dispatch("destroy.yml", values{"stack": "prod", "confirm": "prod"}), []string{asks + "approves", "pipelines destroy as deploy-prod", "run: success"}, nil},
	"prod-by-a-bot":          {scenario{event: "workflow_dispatch", file: "deploy.yml", payload: values{"inputs": values{"stack": "prod", "image": earlier}}, again: bot}, []string{"error: A bot started this run", "run: failure"}, []string{"as deploy-prod"}},
	"merge-by-an-app":        {scenario{event: "push", file: "main.yml", actor: "x-github-merge-queue[bot]"}, []string{deploysStaging, "error: A bot started this run", "run: failure"}, []string{deploysProd}},
	"merge-by-the-queue":     {scenario{event: "push", file: "main.yml", actor: "github-merge-queue[bot]"}, []string{deploysProd, "run: success"}, nil},
	"destroy-by-a-bot":       {scenario{event: "workflow_dispatch", file: "destroy.yml", payload: values{"inputs": values{"stack": "prod", "confirm": "prod"}}, actor: bot}, []string{"error: A bot started this run", "run: failure"}, []string{credential}},
	"destroy-dev":            {dispatch("destroy.yml", values{"stack": "dev", "confirm": "dev"}), []string{"pipelines destroy as deploy-dev", "run: success", "lock stack-dev", "CONFIRM=dev"}, []string{asks}},
	"destroy-refused":        {dispatch("destroy.yml", values{"stack": "prod", "confirm": "prod"}).with(answers{"reviewer": "refuses"}), []string{"run: failure", asks + "refuses"}, []string{"pipelines destroy", credential}},
	"destroy-mistyped":       {dispatch("destroy.yml", values{"stack": "prod", "confirm": "staging"}), []string{"error: confirm is not the name", "run: failure"}, []string{asks, credential}},
	"destroy-dev-mistyped":   {dispatch("destroy.yml", values{"stack": "dev", "confirm": "prod"}), []string{"error: confirm is not the name", "run: failure"}, []string{credential}},
	"destroy-other-case":     {dispatch("destroy.yml", values{"stack": "dev", "confirm": "DEV"}), []string{`CONFIRM: "DEV" is not the stack's name`, "run: failure"}, nil},
	"release":                {release, []string{tests, "gh release create v1.2.0 --verify-tag --title v1.2.0 --notes-file notes.md", `notes "\n- A note\n"`, "run: success", "make lint", "release/release: success\n  on ubuntu-24.04, may contents:write\n"}, []string{credential, "--prerelease"}},
	"release-unmerged":       {release.with(answers{"compared": "ahead"}), []string{"is not on main", "run: failure"}, []string{tests, "gh release"}},
	"release-odd-tag":        {oddTag, []string{"has other characters than", "run: failure"}, []string{tests, "gh "}},
	"release-moved":          {release.with(answers{"moved": "ahead"}), []string{tests, "leads to another commit", "run: failure"}, []string{"gh release"}},
	"release-no-notes":       {candidate, []string{"CHANGELOG.md has no heading ## [1.2.0-rc.1]", "run: failure"}, []string{tests, "gh release"}},
	"release-tests-fail":     {release.with(answers{"fails": strings.TrimPrefix(tests, "make ")}), []string{"run: failure", "test/test: failure"}, []string{"gh release", "may contents:write"}},
}

// Each event does what docs/pipelines.md says.
func TestWorkflows(t *testing.T) {
	for name, tt := range events {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := start(t, tt.scenario, t.TempDir()).wait(t)
			for _, text := range tt.has {
				if !strings.Contains(got, text) {
					t.Errorf("%q is missing", text)
				}
			}
			for _, text := range tt.hasNot {
				if strings.Contains(got, text) {
					t.Errorf("%q must not happen", text)
				}
			}
			if slices.Contains(whole, name) {
				golden(t, name, got)
			}
		})
	}
}

type answers = map[string]string

func pullFrom(author string, from int) scenario {
	s := pull
	s.payload = pullRequest(author, from)
	return s
}

// rerun is the second attempt of a failed deployment alone: what its approval said
// is of the first.
func rerun() scenario {
	s := dispatch("deploy.yml", values{"stack": "prod", "image": earlier})
	s.attempt = "2"
	s.edit = func(file, text string) string {
		return strings.ReplaceAll(text, "${{ steps.approved.outputs.attempt }}", "1")
	}
	return s
}

// again is the second attempt of a rollback, which newer merges may have followed.
func again() scenario {
	s := dispatch("deploy.yml", values{"stack": "staging", "image": earlier})
	s.attempt = "2"
	return s
}

// A rollback of prod does not wait while another deployment of prod waits for its
// approval, and the other goes on after it.
func TestRollbackDoesNotWait(t *testing.T) {
	t.Parallel()
	locks := t.TempDir()
	waiting := start(t, dispatch("deploy.yml", values{"stack": "prod", "image": built}).with(answers{"reviewer": "waits"}), locks)
	for !strings.Contains(waiting.so(), "environment prod-approval") {
		select {
		case <-waiting.done:
			t.Fatal("no one is asked")
		case <-time.After(20 * time.Millisecond):
		}
	}
	rollback := start(t, dispatch("deploy.yml", values{"stack": "prod", "image": earlier}), locks)
	if got := rollback.wait(t); !strings.Contains(got, "run: success") || !strings.Contains(got, "pipelines deploy as deploy-prod") {
		t.Errorf("the rollback did\n%s", got)
	}
	if got := waiting.so(); strings.Contains(got, "pipelines deploy") {
		t.Errorf("no one approved, and the run did\n%s", got)
	}
	waiting.answer(t, answers{"reviewer": "approves"})
	if got := waiting.wait(t); !strings.Contains(got, "run: success") || !strings.Contains(got, "pipelines deploy as deploy-prod") {
		t.Errorf("after the approval the run did\n%s", got)
	}
}

// golden compares what a run did with a file, which leaves out what is long.
func golden(t *testing.T, name, got string) {
	t.Helper()
	got = strings.NewReplacer(commit, "COMMIT", built, "BUILT", earlier, "EARLIER", images, "IMAGES").Replace(got)
	path := filepath.Join("testdata", name+".txt")
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if want, err := os.ReadFile(path); err != nil || got != string(want) {
		t.Errorf("got\n%s\nwant %s, %v\n%s", got, path, err, want)
	}
}
