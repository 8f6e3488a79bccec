package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/apitype"
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

// planOf is a plan with n changes of one value each.
func planOf(stack string, n int, op apitype.OpType, value string) plan {
	r := &recorder{plan: plan{Stack: stack}}
	for i := range n {
		s := &apitype.StepEventStateMetadata{Custom: true, Inputs: map[string]any{"value": value}}
		step := apitype.StepEventMetadata{Op: op, URN: fmt.Sprintf("urn:pulumi:s::p::a:b:C::resource-%d", i), New: s}
		if op == apitype.OpDelete {
			step.New, step.Old = nil, s
		}
		r.step(step)
	}
	return r.plan
}

func failedPlan(stack string, errors int, size int) plan {
	p := plan{Stack: stack, Failed: true}
	for range errors {
		p.Errors = append(p.Errors, strings.Repeat("z", size))
	}
	return p
}

// Whatever the size, each stack's counts and losses are there.
func TestSize(t *testing.T) {
	long := strings.Repeat("ü", 140)
	var many []plan
	for i := range 1500 {
		many = append(many, planOf(fmt.Sprintf("stack-%d", i), 3, apitype.OpDelete, long))
	}
	for name, tt := range map[string]struct {
		plans []plan
		want  []string
		cut   bool
	}{
		"fits":                    {[]plan{planOf("dev", 100, apitype.OpCreate, long)}, []string{"100 created"}, false},
		"a big dev, losses after": {[]plan{planOf("dev", 1700, apitype.OpCreate, long), planOf("prod", 3, apitype.OpDelete, "the last")}, []string{"| prod | ⚠️ **3 deleted** |", "> **prod**", "the last", "make preview STACK=dev"}, true},
		"every diff too long": {[]plan{planOf("dev", 300, apitype.OpCreate, long), planOf("staging", 300, apitype.OpCreate, long), planOf("prod", 300, apitype.OpDelete, long)},
			[]string{"make preview STACK=dev", "make preview STACK=staging", "make preview STACK=prod", "300 deleted"}, true},
		"many names":         {[]plan{planOf("dev", 5000, apitype.OpDelete, "x")}, []string{"5000 deleted", "and 4990 more"}, true},
		"many long errors":   {[]plan{failedPlan("dev", 33, 2500), planOf("prod", 2, apitype.OpDelete, "x")}, []string{"30 more in the log", "2 deleted"}, false},
		"too many stacks":    {many, []string{"stack-0", "The run and its log"}, true},
		"too many long text": {[]plan{failedPlan("a", 3, 9000), failedPlan("b", 3, 9000), failedPlan("c", 3, 9000), failedPlan("d", 3, 9000), failedPlan("e", 3, 9000), failedPlan("f", 3, 9000), failedPlan("g", 3, 9000), failedPlan("h", 3, 9000), failedPlan("i", 3, 9000), failedPlan("j", 3, 9000), failedPlan("k", 3, 9000), failedPlan("l", 3, 9000)}, []string{"| l | ❌"}, true},
	} {
		t.Run(name, func(t *testing.T) {
			text, whole := page{marker: "<!-- m -->", more: "make preview STACK=%s", link: "https://github.com/run"}.render(tt.plans)
			if len(text) > maxBody {
				t.Errorf("the text has %d bytes, GitHub accepts %d", len(text), maxBody)
			}
			if strings.Contains(text, "Cut here") != tt.cut || whole == tt.cut {
				t.Errorf("a text of %d bytes: cut is %t", len(text), !tt.cut)
			}
			for _, want := range tt.want {
				if !strings.Contains(text, want) {
					t.Errorf("the text does not say %q", want)
				}
			}
			if strings.Count(text, "<details>") != strings.Count(text, "</details>") || strings.Count(text, "\n```")%2 != 0 {
				t.Error("a <details> or a fence is not closed")
			}
		})
	}
}

// Names and keys that a user chose cannot leave their place in the page.
func TestInjection(t *testing.T) {
	evil := "x`\n\n## Approved\n@everyone [link](https://evil) | <img src=x> \u202e\u2028\r```"
	r := &recorder{plan: plan{Stack: "dev"}}
	r.step(apitype.StepEventMetadata{Op: apitype.OpReplace, URN: "urn:pulumi:dev::p::a:b:C::" + evil,
		Old: &apitype.StepEventStateMetadata{Custom: true}, New: &apitype.StepEventStateMetadata{Custom: true},
		DetailedDiff: map[string]apitype.PropertyDiff{"[\"" + "k\n## Key" + "\"]": {Kind: "update-replace", InputDiff: true}}})
	r.message("error", "first\n"+evil)
	r.plan.Failed = true
	text, _ := page{marker: "<!-- m -->"}.render([]plan{r.plan})
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
		fence = fenceAfter(fence, strings.TrimSuffix(l, "\n"))
	}
	return false
}

// Whatever the engine sends, the program reads it.
func TestSteps(t *testing.T) {
	state := &apitype.StepEventStateMetadata{Custom: true, Inputs: map[string]any{"a": "one"}, Outputs: map[string]any{"b": "two"}}
	r := &recorder{}
	for _, step := range []apitype.StepEventMetadata{
		{Op: apitype.OpCreate, URN: "urn:pulumi:s::p::a:b:C::new without state", Old: state},
		{Op: apitype.OpDelete, URN: "urn:pulumi:s::p::a:b:C::old without state", New: state},
		{Op: apitype.OpUpdate, URN: "no urn", New: state, Diffs: []string{"a", "[", "b[7].c"}},
		{Op: apitype.OpUpdate, URN: ""},
		{Op: apitype.OpCreate, URN: "urn:pulumi:s::p::pulumi:providers:kubernetes::default-cluster", New: state},
		{Op: apitype.OpCreate, URN: "urn:pulumi:s::p::pulumi:providers:gcp::default_7_38_0", New: state},
		{Op: apitype.OpCreate, URN: "urn:pulumi:s::p::pulumi:providers:gcp::default", New: state},
		{Op: apitype.OpSame, URN: "urn:pulumi:s::p::a:b:C::same", New: state},
	} {
		r.step(step)
	}
	var got []string
	for _, c := range r.plan.Changes {
		got = append(got, string(c.Op)+" "+c.Name)
	}
	if want := "created new without state, deleted old without state, changed no urn, created default-cluster"; strings.Join(got, ", ") != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// Two values that differ never look the same.
func TestDifferent(t *testing.T) {
	same := strings.Repeat("a", 500)
	cutOf := func(before, after any) property { return different("path", false, before, after).cut() }
	p := cutOf(same+"1"+same, same+"2"+same)
	if p.Old == p.New || !strings.Contains(p.Old, "a1a") || !strings.Contains(p.New, "a2a") || len(p.Old) > longest+20 {
		t.Errorf("old %q, new %q", p.Old, p.New)
	}
	if p := cutOf("one", "two"); p.Old != `"one"` || p.New != `"two"` {
		t.Errorf("old %q, new %q", p.Old, p.New)
	}
	if p := cutOf(same, same+"b"); p.Old == p.New {
		t.Errorf("both are %q", p.Old)
	}
}

// Policy violations, exit status, and what comes without events.
func TestFailures(t *testing.T) {
	summary := `{"summaryEvent":{"resourceChanges":{"same":1}}}` + "\n"
	for name, tt := range map[string]struct{ events, complaint, want string }{
		"exit status after a whole result": {summary, "error: update failed\n", "error: update failed"},
		"a mandatory policy":               {`{"policyEvent":{"message":"no public buckets","policyName":"buckets","enforcementLevel":"mandatory"}}` + "\n" + summary, "", "policy buckets: no public buckets"},
		"no event at all":                  {"", "error: could not decrypt: ya29.a0-secret_x is expired\n", "could not decrypt: [secret] is expired"},
		"no JSON":                          {"what is this\n" + summary, "", "invalid character"},
		"an error of the engine":           {`{"errorEvent":{"error":"plugin crashed"}}` + "\n" + summary, "", "plugin crashed"},
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
	r.pulumi.stacks["dev"].events = `{"diagnosticEvent":{"severity":"error","message":"the pod is not ready yet","ephemeral":true}}` + "\n" + summary
	if out, _, err := r.run(t, "summary"); err != nil || strings.Contains(out, "not ready yet") {
		t.Errorf("a passing status: %v\n%s", err, out)
	}
	r.pulumi.stacks["dev"].events = `{"policyEvent":{"message":"use labels","policyName":"labels","enforcementLevel":"advisory"}}` + "\n" + summary
	if out, _, err := r.run(t, "summary"); err != nil || !strings.Contains(out, "policy labels: use labels") || !strings.Contains(out, "| dev | no changes |") {
		t.Errorf("an advisory policy: %v\n%s", err, out)
	}
}

func TestMask(t *testing.T) {
	for text, secret := range map[string]string{
		"token ya29.a0AfH6SMB-x_y.z expired":                                   "a0AfH6SMB",
		"login failed: password=hunter2, try again":                            "hunter2",
		`{"password": "hunter2", "user": "me"}`:                                "hunter2",
		`{\"password\": \"hunter2\"}`:                                          "hunter2",
		"DB_PASSWORD: hunter2":                                                 "hunter2",
		"Authorization: Bearer abcdefghijklmnop":                               "abcdefghijklmnop",
		"GET https://user:hunter2@proxy.example/x":                             "hunter2",
		"-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----": "MIIE",
		"-----BEGIN PRIVATE KEY-----\nMIIE, cut":                               "MIIE",
		"ghp_abcdefghijklmnopqrstuvwxyz0123456789":                             "abcdefghij",
		"jwt eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl end":            "c2lnbmF0dXJl",
		`{"auths": {"registry.example.com": {"auth": "dXNlcjpodW50ZXIy"}}}`:    "dXNlcjpod",
		`{\"auth\": \"dXNlcjpodW50ZXIy\"}`:                                     "dXNlcjpod",
		"key AIzaSyA-abcdefghijklmnopqrstuvwxyz01234":                          "abcdefghij",
		"mysql --password hunter2 --host db":                                   "hunter2",
		"login --token 'hunter two'":                                           "two",
		"tool -db-pass hunter2":                                                "hunter2",
		"user=me pwd=hunter2;":                                                 "hunter2",
		"DB_PASS=hunter2":                                                      "hunter2",
		"https://a.blob.core.windows.net/x?sv=1&sig=hunter2%3D&se=2":           "hunter2",
		"Cookie: session=hunter2; theme=dark":                                  "hunter2",
		"set-cookie: theme=dark; session=hunter2":                              "hunter2",
		"Authorization: Token hunter2":                                         "hunter2",
		"fetch https://hunter2@example.com/x":                                  "hunter2",
		"postgres://me:hun/ter2@db/x":                                          "ter2",
		"postgres://me:hun@ter2@db/x":                                          "ter2",
		"secret=hun/ter2 end":                                                  "ter2",
		`{"token":{"value":"hunter2"}}`:                                        "hunter2",
		`{"token": {"id": 1, "value": "hunter2"}}`:                             "hunter2",
		`[{"name":"DB_PASSWORD","value":"hunter2"}]`:                           "hunter2",
		"AccountKey=hunter2==;EndpointSuffix=x":                                "hunter2",
		"glpat-abcdefghij0123456789":                                           "abcdefghij",
		"glrt-t1_abcdefghij0123456789":                                         "abcdefghij",
		"npm_abcdefghijklmnopqrstuvwxyz0123456789":                             "abcdefghij",
		"xoxb-123456789012-abcdefghij":                                         "abcdefghij",
		"sk_live_abcdefghij0123456789":                                         "abcdefghij",
		"hvs.abcdefghij0123456789abcdefghij":                                   "abcdefghij",
		"1//0gabcdefghij0123456789-abcdefghij":                                 "abcdefghij",
		"dckr_pat_abcdefghij0123456789":                                        "abcdefghij",
		"sk-ant-api03-abcdefghij0123456789":                                    "abcdefghij",
		"SG.abcdefghij0123456789.abcdefghij0123456789":                         "abcdefghij",
		"pypi-AgEIcHlwaS5vcmcabcdefghij":                                       "abcdefghij",
		"https://hooks.slack.com/services/T0/B0/abcdefghij":                    "abcdefghij",
	} {
		if masked := mask(text); strings.Contains(masked, secret) || !strings.Contains(masked, hidden) {
			t.Errorf("%q becomes %q", text, masked)
		}
	}
	for _, harmless := range []string{
		"replicas: 0 is not a whole number from 1 to 100", `Deployment "timber" exceeded its progress deadline`,
		"europe-west1-docker.pkg.dev/p/r/timber@sha256:" + hex64, `secrets "environment" is forbidden`, `{"imagePullSecrets":[{"name":"pull"}]}`,
		`{"automountServiceAccountToken":false}`, "bypass=1, design: new, 3 passed: yes", "https://example.com/a/@scope/b", "https://example.com:8080/x",
		"go get example.com/x@v1.2.3", "mail me@example.com", "task-abcdefghij0123456789-0123456789", "pulumi up --stack dev", `{"secret":{"items":[]}}`,
	} {
		if masked := mask(harmless); masked != harmless {
			t.Errorf("%q becomes %q", harmless, masked)
		}
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
		p := &pipeline{folder: r.folder, lookup: func(name string) (string, bool) { value, ok := r.env[name]; return value, ok }}
		plans, err := p.stored("preview")
		if err != nil || len(plans) != 1 || !plans[0].Failed || !strings.Contains(plans[0].Errors[0], "not what make summary") {
			t.Errorf("%s: %v, %v", name, plans, err)
		}
	}
}

// A property's path says what its value is, also where Pulumi does not know.
func TestMaskPaths(t *testing.T) {
	for path, shown := range map[string]bool{
		"registry.password": false, `data["api_key"]`: false, "env[0].TOKEN": false, "clientSecret": false,
		"spec.secretName": true, "volumes[0].secret.items": true, "registry.username": true,
	} {
		if p := different(path, false, "hunter1", "hunter2"); (p.Old == `"hunter1"` && p.New == `"hunter2"`) != shown || !shown && p.Old+p.New != hidden+hidden {
			t.Errorf("%s shows %q and %q", path, p.Old, p.New)
		}
	}
	if p := different("automountServiceAccountToken", false, true, false); p.Old != "true" || p.New != "false" {
		t.Errorf("a setting shows %q and %q", p.Old, p.New)
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
	p := &pipeline{folder: r.folder, lookup: func(name string) (string, bool) { value, ok := r.env[name]; return value, ok }}
	plans, err := p.stored("preview")
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(plans)
	if err != nil || plans[0].Failed || !plans[1].Failed || !plans[2].Failed || !strings.Contains(string(text), "pulumi was not started") || !strings.Contains(string(text), "not of this run") {
		t.Errorf("%v: %s", err, text)
	}
}
