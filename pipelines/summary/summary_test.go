package summary_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/apitype"

	"hello-timber/pipelines/deploy"
	"hello-timber/pipelines/plan"
	"hello-timber/pipelines/run/runtest"
	"hello-timber/pipelines/summary"
)

// The texts, whole, as people see them on GitHub.
func TestGolden(t *testing.T) {
	for name, tt := range map[string]struct{ stacks, want string }{
		"preview": {"dev staging prod", ""}, "preview-failed": {"refused staging none", ": refused, none"},
	} {
		r := runtest.New(t, "STACKS="+tt.stacks)
		out, _ := r.Try(name, tt.want, summary.Summary)
		runtest.Golden(t, name, out)
		for _, absent := range []string{"hunter2", "go build", "<{%"} {
			if strings.Contains(out, absent) {
				t.Errorf("%s: %q is in a summary", name, absent)
			}
		}
	}
}

// The text on GitHub says what exceeds the budget, and what the budget is. What a failed
// preview has seen of the costs is not compared.
func TestBudgetText(t *testing.T) {
	r := runtest.New(t, "STACKS=dev staging refused")
	for _, stack := range []string{"dev", "staging", "refused"} {
		r.Budget(stack, "80")
	}
	out, _ := r.Try("over", "the preview failed: dev, staging, refused", summary.Summary)
	for _, line := range []string{
		"| dev | ❌ **over budget**, with: 1 created, 3 changed | $62 (or $135) → $103 (or $176), budget $80 |\n",
		"| staging | ❌ **over budget**, and no changes | $103 (or $176), budget $80 |\n",
		"**staging failed:**\n\n```\nbudget: $102.57 a month is more than the $80 that stack staging may cost",
		"| refused | ❌ **failed**: whether anything would change is unknown | unknown |\n",
	} {
		if !strings.Contains(out, line) {
			t.Errorf("no %q in\n%s", line, out)
		}
	}
}

// What is approved is shown: whole values, and otherwise nothing can be approved.
func TestSummaryIsWhole(t *testing.T) {
	r := runtest.New(t, "STACK=prod", "GITHUB_STEP_SUMMARY="+filepath.Join(t.TempDir(), "summary"))
	for size, complaint := range map[int]string{200_000: "", 1_100_000: "no one could approve this plan"} {
		r.Pulumi.Stacks["prod"].Events = runtest.Events(t, apitype.EngineEvent{ResourcePreEvent: &apitype.ResourcePreEvent{Metadata: apitype.StepEventMetadata{
			Op: apitype.OpCreate, URN: "urn:pulumi:prod::p::a:b:C::name",
			New: &apitype.StepEventStateMetadata{Custom: true, Inputs: map[string]any{"long": strings.Repeat("x", size) + " the end"}},
		}}})
		out, _ := r.Try(fmt.Sprint(size), complaint, summary.Summary)
		if strings.Contains(out, "the end") != (complaint == "") || len(out) > 1<<20 {
			t.Errorf("a value of %d bytes is in a text of %d bytes", size, len(out))
		}
	}
}

// Only the first of several stacks has what its config says: there is no image yet that the
// others could get. An IMAGE is for all.
func TestSummaryImages(t *testing.T) {
	for image, stagingGets := range map[string]string{"-": runtest.ImageV1, "configured": "", runtest.ImageV2: runtest.ImageV2} {
		r := runtest.New(t, "STACKS=prod staging", "IMAGE="+image)
		r.Try("IMAGE="+image, "", summary.Summary)
		for stack, gets := range map[string]string{"prod": strings.TrimLeft(strings.TrimPrefix(image, "configured"), "-"), "staging": stagingGets} {
			if r.Called("config set", "bin/config/"+stack, "image") != (gets != "") || gets != "" && !r.Called("config set", "bin/config/"+stack, gets) {
				t.Errorf("IMAGE=%s: %s does not get %q: %q", image, stack, gets, r.Pulumi.Calls)
			}
		}
	}
}

// Names and keys that a user chose cannot leave their place in the text.
func TestInjection(t *testing.T) {
	evil := "x`\n\n## Approved\n@everyone [link](https://evil) | <img src=x> \u202e\u2028\r```"
	r := runtest.New(t, "STACKS=dev")
	r.Pulumi.Stacks["dev"].Events = runtest.Events(t,
		apitype.EngineEvent{ResourcePreEvent: &apitype.ResourcePreEvent{Metadata: apitype.StepEventMetadata{Op: apitype.OpReplace, URN: "urn:pulumi:dev::p::a:b:C::" + evil,
			Old: &apitype.StepEventStateMetadata{Custom: true}, New: &apitype.StepEventStateMetadata{Custom: true},
			DetailedDiff: map[string]apitype.PropertyDiff{"[\"" + "k\n## Key" + "\"]": {Kind: "update-replace", InputDiff: true}}}}},
		apitype.EngineEvent{DiagnosticEvent: &apitype.DiagnosticEvent{Severity: "error", Message: "first\n" + evil}})
	text, _ := r.Try("evil", "the preview failed", summary.Summary)
	if !strings.Contains(text, "1 replaced") || !strings.Contains(text, "@everyone") {
		t.Errorf("got\n%s", text)
	}
	fence := ""
	for line := range strings.Lines(text) {
		mark := line[:len(line)-len(strings.TrimLeft(line, "`"))]
		switch {
		case fence != "":
			if strings.TrimSpace(line) == fence {
				fence = ""
			}
		case len(mark) >= 3:
			fence = mark
		case strings.HasPrefix(line, "## Approved"), strings.HasPrefix(line, "## Key"):
			t.Errorf("a heading was injected: %q in\n%s", line, text)
		case strings.Contains(line, "@everyone"):
			if before, _, _ := strings.Cut(line, "@everyone"); strings.Count(before, "`")%2 == 0 {
				t.Errorf("a mention left its code: %q", line)
			}
		}
	}
	if strings.ContainsAny(text, "\u202e\u2028\r") {
		t.Errorf("a mark that is not seen is in\n%q", text)
	}
}

// Policy violations, exit status, and what comes without events.
func TestFailures(t *testing.T) {
	for name, tt := range map[string]struct{ events, complaint, says, absent string }{
		"exit status after a whole result": {runtest.End, "error: update failed\n", "error: update failed", ""},
		"a mandatory policy":               {`{"policyEvent":{"message":"no public buckets","policyName":"buckets","enforcementLevel":"mandatory"}}` + "\n" + runtest.End, "", "policy buckets: no public buckets", ""},
		"no event at all":                  {"", "error: could not decrypt: ya29.a0-secret_x is expired\n", "could not decrypt: [secret] is expired", "secret_x"},
		"no JSON":                          {"what is this\n" + runtest.End, "", "invalid character", ""},
		"an error of the engine":           {`{"errorEvent":{"error":"plugin crashed"}}` + "\n" + runtest.End, "", "plugin crashed", ""},
	} {
		r := runtest.New(t, "STACKS=dev")
		r.Pulumi.Stacks["dev"].Events, r.Pulumi.Stacks["dev"].Complaint = tt.events, tt.complaint
		out, _ := r.Try(name, "the preview failed: dev", summary.Summary)
		if !strings.Contains(out, "❌ **failed**") || !strings.Contains(out, tt.says) || tt.absent != "" && strings.Contains(out, tt.absent) || !strings.Contains(out, "/actions/runs/12345678901") {
			t.Errorf("%s: got\n%s\nwant %q", name, out, tt.says)
		}
		for _, command := range []runtest.Command{plan.Preview, deploy.Deploy} {
			if _, _, err := r.Run(command, "STACK=dev"); err == nil {
				t.Errorf("%s: it succeeds", name)
			}
		}
	}
	for events, has := range map[string]bool{
		`{"diagnosticEvent":{"severity":"error","message":"not ready yet","ephemeral":true}}`:             false, // a passing status
		`{"policyEvent":{"message":"not ready yet","policyName":"labels","enforcementLevel":"advisory"}}`: true,
	} {
		r := runtest.New(t, "STACKS=dev")
		r.Pulumi.Stacks["dev"].Events = events + "\n" + runtest.End
		if out, _ := r.Try(events, "", summary.Summary); strings.Contains(out, "not ready yet") != has || !strings.Contains(out, "| dev | no changes |") {
			t.Errorf("%s:\n%s", events, out)
		}
	}
}
