package main

import (
	"encoding/json"
	"flag"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/apitype"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// The texts, whole, as people see them on GitHub.
func TestGolden(t *testing.T) {
	for _, tt := range []struct{ golden, command, stacks, want string }{
		{"preview", "summary", "dev staging prod", ""},
		{"preview-failed", "summary", "refused staging none", ": refused, none"},
		{"drift", "drift", "staging drifted fresh updating", ": updating"},
	} {
		out, _, err := newRunner(t, "STACKS="+tt.stacks).run(t, tt.command)
		want(t, tt.golden, err, tt.want)
		golden := filepath.Join("testdata", tt.golden+".golden.md")
		if *update {
			writeFile(t, golden, out)
		}
		if out != read(t, golden) {
			t.Errorf("got\n%s\nwant %s; if the new text is right: go test ./pipelines -update", out, golden)
		}
		for _, absent := range []string{"hunter2", "go build", "<{%"} {
			if strings.Contains(out, absent) {
				t.Errorf("%s: %q is in a summary", tt.golden, absent)
			}
		}
	}
}

// Only the first of several stacks has what its config says: there is no image yet that the
// others could get. An IMAGE is for all.
func TestSummaryImages(t *testing.T) {
	for image, stagingGets := range map[string]string{"-": imageV1, "configured": "", imageV2: imageV2} {
		r := newRunner(t, "STACKS=prod staging", "IMAGE="+image)
		if _, _, err := r.run(t, "summary"); err != nil {
			t.Fatal(err)
		}
		for stack, gets := range map[string]string{"prod": strings.TrimLeft(strings.TrimPrefix(image, "configured"), "-"), "staging": stagingGets} {
			if r.called("config set", "bin/config/"+stack, "image") != (gets != "") || gets != "" && !r.called("config set", "bin/config/"+stack, gets) {
				t.Errorf("IMAGE=%s: %s does not get %q: %q", image, stack, gets, r.pulumi.calls)
			}
		}
	}
}

// eventLines are events as the CLI streams them, up to the summary of an operation.
func eventLines(t *testing.T, events ...apitype.EngineEvent) string {
	t.Helper()
	var lines strings.Builder
	for _, event := range append(events, apitype.EngineEvent{SummaryEvent: &apitype.SummaryEvent{}}) {
		line, err := json.Marshal(event)
		if err != nil {
			t.Fatal(err)
		}
		lines.WriteString(string(line) + "\n")
	}
	return lines.String()
}

// Names and keys that a user chose cannot leave their place in the text.
func TestInjection(t *testing.T) {
	evil := "x`\n\n## Approved\n@everyone [link](https://evil) | <img src=x> \u202e\u2028\r```"
	r := newRunner(t, "STACKS=dev")
	r.pulumi.stacks["dev"].events = eventLines(t,
		apitype.EngineEvent{ResourcePreEvent: &apitype.ResourcePreEvent{Metadata: apitype.StepEventMetadata{Op: apitype.OpReplace, URN: "urn:pulumi:dev::p::a:b:C::" + evil,
			Old: &apitype.StepEventStateMetadata{Custom: true}, New: &apitype.StepEventStateMetadata{Custom: true},
			DetailedDiff: map[string]apitype.PropertyDiff{"[\"" + "k\n## Key" + "\"]": {Kind: "update-replace", InputDiff: true}}}}},
		apitype.EngineEvent{DiagnosticEvent: &apitype.DiagnosticEvent{Severity: "error", Message: "first\n" + evil}})
	text, _, err := r.run(t, "summary")
	if err == nil || !strings.Contains(text, "1 replaced") || !strings.Contains(text, "@everyone") {
		t.Errorf("got %v and\n%s", err, text)
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
		case strings.Contains(line, "@everyone") && strings.Count(line, "`")%2 != 0:
			t.Errorf("a mention left its code: %q", line)
		}
	}
	if strings.ContainsAny(text, "\u202e\u2028\r") {
		t.Errorf("a mark that is not seen is in\n%q", text)
	}
}

// Policy violations, exit status, and what comes without events.
func TestFailures(t *testing.T) {
	const end = `{"summaryEvent":{"resourceChanges":{"same":1}}}` + "\n"
	for name, tt := range map[string]struct{ events, complaint, says, absent string }{
		"exit status after a whole result": {end, "error: update failed\n", "error: update failed", ""},
		"a mandatory policy":               {`{"policyEvent":{"message":"no public buckets","policyName":"buckets","enforcementLevel":"mandatory"}}` + "\n" + end, "", "policy buckets: no public buckets", ""},
		"no event at all":                  {"", "error: could not decrypt: ya29.a0-secret_x is expired\n", "could not decrypt: [secret] is expired", "secret_x"},
		"no JSON":                          {"what is this\n" + end, "", "invalid character", ""},
		"an error of the engine":           {`{"errorEvent":{"error":"plugin crashed"}}` + "\n" + end, "", "plugin crashed", ""},
	} {
		r := newRunner(t, "STACKS=dev")
		r.pulumi.stacks["dev"].events, r.pulumi.stacks["dev"].complaint = tt.events, tt.complaint
		out, _, err := r.run(t, "summary")
		if err == nil || !strings.Contains(out, "❌ **failed**") || !strings.Contains(out, tt.says) || !strings.Contains(out, "/actions/runs/12345678901") {
			t.Errorf("%s: got %v and\n%s\nwant %q", name, err, out, tt.says)
		}
		for _, command := range []string{"preview", "deploy"} {
			if _, _, err := r.run(t, command, "STACK=dev"); err == nil {
				t.Errorf("%s: %s succeeds", name, command)
			}
		}
	}
	for events, has := range map[string]bool{
		`{"diagnosticEvent":{"severity":"error","message":"not ready yet","ephemeral":true}}`:             false, // a passing status
		`{"policyEvent":{"message":"not ready yet","policyName":"labels","enforcementLevel":"advisory"}}`: true,
	} {
		r := newRunner(t, "STACKS=dev")
		r.pulumi.stacks["dev"].events = events + "\n" + end
		if out, _, err := r.run(t, "summary"); err != nil || strings.Contains(out, "not ready yet") != has || !strings.Contains(out, "| dev | no changes |") {
			t.Errorf("%s: %v\n%s", events, err, out)
		}
	}
}

// A pull request's program keeps what it wants for the comment. What would be Markdown
// there, or is missing or of another commit, is a failure, not silence.
func TestForgedPlans(t *testing.T) {
	const of, forged = `{"Stack": "dev", "Commit": "0123456789"`, "not what make summary writes"
	for kept, says := range map[string]string{
		"":                                  "there is no preview",
		"{":                                 "unexpected end of JSON",
		`[{"Stack": "dev", "Commit": "9"}]`: "of commit \"9\", not of this run",
		`[{"Stack": "prod", "Commit": "0123456789"}]`:                         forged,
		`[` + of + `, "Changes": [{"Op": "approved"}]}]`:                      forged,
		`[` + of + `, "Costs": {"After": {"Priced": ["[click](x)"]}}}]`:       forged,
		`[` + of + `, "Costs": {"Before": {"Priced": ["www.example.com"]}}}]`: forged,
		`[` + of + `, "Costs": {"After": {"Unpriced": ["@everyone"]}}}]`:      forged,
		`[` + of + `, "Costs": {"After": {"Priced": ["x\n## Approved"]}}}]`:   forged,
		`[` + of + `}]`: "| dev | no changes |",
	} {
		h := newHub(t)
		r := h.runner(t)
		if kept != "" {
			r.write(t, "bin/plans.json", kept)
		}
		if _, _, err := r.run(t, "comment"); err != nil {
			t.Fatal(err)
		}
		body, _ := h.comments[0]["body"].(string)
		if !strings.Contains(body, says) || strings.Contains(body, "| dev | ❌ **failed**") != !strings.HasPrefix(says, "|") || strings.Contains(body, "prod") {
			t.Errorf("of %s the comment says\n%s\nwant %q", kept, body, says)
		}
	}
}
