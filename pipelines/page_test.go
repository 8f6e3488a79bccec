package main

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/apitype"

	"hello-timber/pipelines/plan"
	"hello-timber/pipelines/run"
	"hello-timber/pipelines/summary"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// The texts, whole, as people see them on GitHub.
func TestGolden(t *testing.T) {
	for _, tt := range []struct{ golden, command, stacks, wantErr string }{
		{"preview", "summary", "dev staging prod", ""},
		{"preview-failed", "summary", "refused staging none", "refused, none"},
		{"drift", "drift", "staging drifted fresh updating", "updating"},
	} {
		t.Run(tt.golden, func(t *testing.T) {
			r := newRunner(t, map[string]string{"STACKS": tt.stacks})
			out, _, err := r.run(t, tt.command)
			if (err != nil) != (tt.wantErr != "") || err != nil && !strings.Contains(err.Error(), ": "+tt.wantErr) {
				t.Errorf("got %v, want %q", err, tt.wantErr)
			}
			golden := filepath.Join("testdata", tt.golden+".golden.md")
			if *update {
				if err := os.WriteFile(golden, []byte(out), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if out != string(want) {
				t.Errorf("got\n%s\nwant %s; if the new text is right: go test ./pipelines -update", out, golden)
			}
			for _, absent := range []string{"hunter2", "go build", "<{%"} {
				if strings.Contains(out, absent) {
					t.Errorf("%q is in a summary", absent)
				}
			}
		})
	}
}

// Names and keys that a user chose cannot leave their place in the page.
func TestInjection(t *testing.T) {
	evil := "x`\n\n## Approved\n@everyone [link](https://evil) | <img src=x> \u202e\u2028\r```"
	var events strings.Builder
	for _, event := range []apitype.EngineEvent{
		{ResourcePreEvent: &apitype.ResourcePreEvent{Metadata: apitype.StepEventMetadata{Op: apitype.OpReplace, URN: "urn:pulumi:dev::p::a:b:C::" + evil,
			Old: &apitype.StepEventStateMetadata{Custom: true}, New: &apitype.StepEventStateMetadata{Custom: true},
			DetailedDiff: map[string]apitype.PropertyDiff{"[\"" + "k\n## Key" + "\"]": {Kind: "update-replace", InputDiff: true}}}}},
		{DiagnosticEvent: &apitype.DiagnosticEvent{Severity: "error", Message: "first\n" + evil}},
	} {
		line, err := json.Marshal(event)
		if err != nil {
			t.Fatal(err)
		}
		events.WriteString(string(line) + "\n")
	}
	r := newRunner(t, map[string]string{"STACKS": "dev"})
	r.pulumi.stacks["dev"].events = events.String()
	text, _, err := r.run(t, "summary")
	if err == nil || !strings.Contains(text, "1 replaced") || !strings.Contains(text, "@everyone") {
		t.Errorf("got %v and\n%s", err, text)
	}
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "## Approved") && !inFence(text, line) || strings.HasPrefix(line, "## Key") {
			t.Errorf("a heading was injected: %q in\n%s", line, text)
		}
		if strings.Contains(line, "@everyone") && !inFence(text, line) && strings.Count(line, "`")%2 != 0 {
			t.Errorf("a mention left its code: %q", line)
		}
	}
	for _, bad := range []string{"\u202e", "\u2028", "\r"} {
		if strings.Contains(text, bad) {
			t.Errorf("%q is in the text", bad)
		}
	}
}

// inFence reports whether a line of a text is inside a fence.
func inFence(text, line string) bool {
	fence := ""
	for l := range strings.Lines(text) {
		if l == line {
			return fence != ""
		}
		mark := l[:len(l)-len(strings.TrimLeft(l, "`"))]
		switch {
		case len(mark) >= 3 && fence == "":
			fence = mark
		case fence != "" && strings.TrimSpace(l) == fence:
			fence = ""
		}
	}
	return false
}

// Policy violations, exit status, and what comes without events.
func TestFailures(t *testing.T) {
	end := `{"summaryEvent":{"resourceChanges":{"same":1}}}` + "\n"
	for name, tt := range map[string]struct{ events, complaint, want string }{
		"exit status after a whole result": {end, "error: update failed\n", "error: update failed"},
		"a mandatory policy":               {`{"policyEvent":{"message":"no public buckets","policyName":"buckets","enforcementLevel":"mandatory"}}` + "\n" + end, "", "policy buckets: no public buckets"},
		"no event at all":                  {"", "error: could not decrypt: ya29.a0-secret_x is expired\n", "could not decrypt: [secret] is expired"},
		"no JSON":                          {"what is this\n" + end, "", "invalid character"},
		"an error of the engine":           {`{"errorEvent":{"error":"plugin crashed"}}` + "\n" + end, "", "plugin crashed"},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRunner(t, map[string]string{"STACKS": "dev"})
			r.pulumi.stacks["dev"].events, r.pulumi.stacks["dev"].complaint = tt.events, tt.complaint
			out, _, err := r.run(t, "summary")
			if err == nil || !strings.Contains(out, "❌ **failed**") || !strings.Contains(out, tt.want) || !strings.Contains(out, "/actions/runs/12345678901") {
				t.Errorf("got %v and\n%s\nwant %q", err, out, tt.want)
			}
			for _, command := range []string{"preview", "deploy"} {
				if _, _, err := r.run(t, command, "STACK=dev"); err == nil {
					t.Errorf("%s succeeds", command)
				}
			}
		})
	}
	r := newRunner(t, map[string]string{"STACKS": "dev"})
	r.pulumi.stacks["dev"].events = `{"diagnosticEvent":{"severity":"error","message":"the pod is not ready yet","ephemeral":true}}` + "\n" + end
	if out, _, err := r.run(t, "summary"); err != nil || strings.Contains(out, "not ready yet") {
		t.Errorf("a passing status: %v\n%s", err, out)
	}
	r.pulumi.stacks["dev"].events = `{"policyEvent":{"message":"use labels","policyName":"labels","enforcementLevel":"advisory"}}` + "\n" + end
	if out, _, err := r.run(t, "summary"); err != nil || !strings.Contains(out, "policy labels: use labels") || !strings.Contains(out, "| dev | no changes |") {
		t.Errorf("an advisory policy: %v\n%s", err, out)
	}
}

// A pull request's program stores what it wants. What would be Markdown in the comment,
// or a row about another stack, is refused.
func TestForgedPlans(t *testing.T) {
	r := newRunner(t, map[string]string{"STACKS": "dev"})
	if err := os.MkdirAll(filepath.Join(r.folder, "bin", "preview"), 0o755); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"another stack": `{"Stack": "prod", "Commit": "0123456789"}`,
		"an operation":  `{"Stack": "dev", "Commit": "0123456789", "Changes": [{"Op": "approved"}]}`,
		"a link":        `{"Stack": "dev", "Commit": "0123456789", "Costs": {"After": {"Priced": ["[click](x)"]}}}`,
		"an address":    `{"Stack": "dev", "Commit": "0123456789", "Costs": {"Before": {"Priced": ["www.example.com"]}}}`,
		"a mention":     `{"Stack": "dev", "Commit": "0123456789", "Costs": {"After": {"Unpriced": ["@everyone"]}}}`,
		"a heading":     `{"Stack": "dev", "Commit": "0123456789", "Costs": {"After": {"Priced": ["x\n## Approved"]}}}`,
	} {
		if err := os.WriteFile(filepath.Join(r.folder, "bin", "preview", "dev.json"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		plans, err := r.stored()
		if err != nil || len(plans) != 1 || !plans[0].Failed || !strings.Contains(plans[0].Errors[0], "not what make summary") {
			t.Errorf("%s: %v, %v", name, plans, err)
		}
	}
}

// What a step before should have stored and did not is a failure, not silence.
func TestStored(t *testing.T) {
	r := newRunner(t, map[string]string{"STACKS": "dev staging prod"})
	if _, _, err := r.run(t, "summary", "STACKS=dev"); err != nil {
		t.Fatal(err)
	}
	if _, _, err := r.run(t, "summary", "STACKS=prod", "COMMIT=9876543"); err != nil {
		t.Fatal(err)
	}
	plans, err := r.stored()
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(plans)
	if err != nil || plans[0].Failed || !plans[1].Failed || !plans[2].Failed || !strings.Contains(string(text), "pulumi was not started") || !strings.Contains(string(text), "not of this run") {
		t.Errorf("%v: %s", err, text)
	}
}

// stored are the plans that comment publishes.
func (r *runner) stored() ([]plan.Plan, error) {
	return summary.Stored(&run.Pipeline{Folder: r.folder, Lookup: func(name string) (string, bool) { value, ok := r.env[name]; return value, ok }}, "preview")
}
