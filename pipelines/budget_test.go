package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"hello-timber/pipelines/cost"
)

// budget writes the key into a stack's config file.
func (r *runner) budget(t *testing.T, stack, value string) {
	t.Helper()
	text := "config:\n  hello-timber:budget: " + value + "\n"
	if err := os.WriteFile(filepath.Join(r.folder, "Pulumi."+stack+".yaml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

const unpriced = `{"resourcePreEvent":{"metadata":{"op":"create","urn":"urn:pulumi:dev::p::gcp:container/nodePool:NodePool::nodes","type":"gcp:container/nodePool:NodePool","new":{"type":"gcp:container/nodePool:NodePool","custom":true,"inputs":{"location":"europe-west1-d","nodeCount":1,"nodeConfig":{"machineType":"c4-standard-4","diskType":"hyperdisk-balanced","diskSizeGb":30}}},"detailedDiff":null}}}
{"summaryEvent":{"resourceChanges":{"create":1}}}
`

// A stack that would cost more than its budget fails in every way in which people
// and pipelines see it, before anything is deployed. In testdata, dev would cost $102.57.
func TestBudget(t *testing.T) {
	const over = "budget: $102.57 a month is more than the $102 that stack dev may cost (zonal control plane"
	for name, tt := range map[string]struct {
		budget, events string
		want, log      string
	}{
		"none":           {"0", "", "", ""},
		"exact":          {"103", "", "", ""},
		"over":           {"102", "", over, ""},
		"text":           {`"102"`, "", over, ""},
		"unknown":        {"100", unpriced, "", "budget: whether stack dev stays within $100 a month is unknown (c4-standard-4 nodes with hyperdisk-balanced in europe-west1-d: unknown price)"},
		"unknown, none":  {"0", unpriced, "", ""},
		"not a number":   {"cheap", "", `budget: "cheap" of stack dev is not a whole number of US dollars a month. Fix: pulumi config set budget 100 --stack dev`, ""},
		"encrypted":      {"{secure: AAAA}", "", "budget: the value of stack dev is encrypted", ""},
		"without prices": {"1", `{"summaryEvent":{"resourceChanges":{}}}` + "\n", "", ""},
	} {
		for _, command := range []string{"preview", "cost", "summary", "deploy"} {
			t.Run(name+" "+command, func(t *testing.T) {
				r := newRunner(t, map[string]string{"STACK": "dev"})
				r.budget(t, "dev", tt.budget)
				if tt.events != "" {
					r.pulumi.stacks["dev"].events = tt.events
				}
				out, log, err := r.run(t, command)
				reason := log
				if err != nil {
					reason += err.Error()
				}
				if (err == nil) != (tt.want == "") || !strings.Contains(reason, tt.want) || !strings.Contains(log, tt.log) {
					t.Errorf("got %v, want %q, and in the log %q:\n%s%s", err, tt.want, tt.log, out, log)
				}
				if tt.log == "" && strings.Contains(log, "is unknown (") {
					t.Errorf("the log has a warning: %s", log)
				}
				if tt.want == over && !strings.Contains(reason, "pulumi config set budget 103 --stack dev") {
					t.Errorf("no fix: %s", reason)
				}
				for _, call := range r.pulumi.calls {
					if strings.HasPrefix(call, "up ") && err != nil {
						t.Errorf("dev was deployed over its budget: %q", r.pulumi.calls)
					}
				}
			})
		}
	}
}

// The default in Pulumi.yaml is a budget, too, and a stack's own value replaces it.
func TestBudgetDefault(t *testing.T) {
	r := newRunner(t, map[string]string{"STACK": "dev"})
	text := "name: hello-timber\nruntime: go\nconfig:\n  budget:\n    type: integer\n    default: 50\n"
	if err := os.WriteFile(filepath.Join(r.folder, "Pulumi.yaml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := r.run(t, "preview"); err == nil || !strings.Contains(err.Error(), "more than the $50 ") {
		t.Errorf("the default: %v", err)
	}
	r.budget(t, "dev", "0")
	if _, _, err := r.run(t, "preview"); err != nil {
		t.Errorf("no budget: %v", err)
	}
	for _, name := range []string{"Pulumi.yaml", "Pulumi.dev.yaml"} { // the repository's own config
		if err := os.WriteFile(filepath.Join(r.folder, name), filesOf(t, 1, "../"+name)["../"+name], 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if _, _, err := r.run(t, "preview"); err != nil {
		t.Errorf("the repository: %v", err)
	}
}

// The text on GitHub says what exceeds the budget, and what the budget is.
func TestBudgetPage(t *testing.T) {
	r := newRunner(t, map[string]string{"STACKS": "dev staging"})
	r.budget(t, "dev", "80")
	r.budget(t, "staging", "80")
	out, _, err := r.run(t, "summary")
	if err == nil || !strings.Contains(err.Error(), "the preview failed: dev, staging") {
		t.Errorf("got %v", err)
	}
	for _, want := range []string{
		"| dev | ❌ **over budget**, with: 1 created, 3 changed | $62 (or $135) → $103 (or $176), budget $80 |\n",
		"| staging | ❌ **over budget**, and no changes | $103 (or $176), budget $80 |\n",
		"**staging failed:**\n\n```\nbudget: $102.57 a month is more than the $80 that stack staging may cost",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
	// What a failed preview has seen of the costs is not compared.
	r.budget(t, "refused", "1")
	out, _, _ = r.run(t, "summary", "STACKS=refused")
	if strings.Contains(out, "budget") || !strings.Contains(out, "| unknown |") {
		t.Errorf("a failed preview:\n%s", out)
	}
}

// make cost prints what the stack costs now by its state, also if there can be no preview.
func TestCost(t *testing.T) {
	const now = `{"resources": [
		{"urn": "a", "type": "gcp:container/cluster:Cluster", "inputs": {"location": "europe-west1"}},
		{"urn": "b", "type": "gcp:container/nodePool:NodePool", "external": true, "inputs": {"location": "europe-west1", "nodeCount": 9}},
		{"urn": "c", "type": "kubernetes:core/v1:Service", "inputs": {"spec": {"type": "LoadBalancer"}}}]}`
	before := "dev now: $91 a month (list prices of " + cost.Date + ")\n  regional control plane $73.00\n  load balancer $18.25\n"
	after := "dev after an update: $103 (or $176) a month (list prices of " + cost.Date + ")\n" +
		"  zonal control plane free for one cluster of the billing account (others $73.00)\n  3 × e2-medium $80.72\n  3 × 30 GB pd-standard $3.60\n  load balancer $18.25\n"
	for name, tt := range map[string]struct {
		change    func(r *runner)
		out, want string
	}{
		"both":           {func(*runner) {}, before + after, ""},
		"within budget":  {func(r *runner) { r.budget(t, "dev", "110") }, before + after + "budget: $110\n", ""},
		"over budget":    {func(r *runner) { r.budget(t, "dev", "100") }, before + after + "budget: $100\n", "budget: $102.57 a month"},
		"no preview":     {func(r *runner) { r.pulumi.stacks["dev"].complaint = "error: no Docker\n" }, before, "no Docker"},
		"never deployed": {func(r *runner) { r.pulumi.stacks["dev"].state = "{}" }, "dev now: – a month (list prices of " + cost.Date + ")\n" + after, ""},
		"no state":       {func(r *runner) { r.pulumi.stacks["dev"].state = "[]" }, "", "read the state of stack dev"},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRunner(t, map[string]string{"STACK": "dev"})
			r.pulumi.stacks["dev"].state = now
			tt.change(r)
			out, _, err := r.run(t, "cost")
			if out != tt.out || (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q\n%s", err, tt.want, out)
			}
		})
	}
}
