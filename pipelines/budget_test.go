package main

import (
	"os"
	"strings"
	"testing"

	"hello-timber/pipelines/cost"
)

func TestMain(m *testing.M) {
	prices, err := os.ReadFile("testdata/prices.csv")
	if err != nil {
		panic(err)
	}
	cost.Fix(string(prices))
	m.Run()
}

// budget writes the key into a stack's config file.
func (r *runner) budget(t *testing.T, stack, value string) {
	t.Helper()
	r.write(t, "Pulumi."+stack+".yaml", "config:\n  hello-timber:budget: "+value+"\n")
}

const unpriced = `{"resourcePreEvent":{"metadata":{"op":"create","urn":"urn:pulumi:dev::p::gcp:container/nodePool:NodePool::nodes","type":"gcp:container/nodePool:NodePool","new":{"type":"gcp:container/nodePool:NodePool","custom":true,"inputs":{"location":"europe-west1-d","nodeCount":1,"nodeConfig":{"machineType":"c4-standard-4","diskType":"hyperdisk-balanced","diskSizeGb":30}}},"detailedDiff":null}}}
{"summaryEvent":{"resourceChanges":{"create":1}}}
`

// A stack that would cost more than its budget fails in every way in which people
// and pipelines see it, before anything is deployed. In testdata, dev would cost $102.57.
func TestBudget(t *testing.T) {
	const over = "budget: $102.57 a month is more than the $102 that stack dev may cost (zonal control plane"
	for name, tt := range map[string]struct{ budget, events, want, log string }{
		"none":           {"0", "dev.events", "", ""},
		"exact":          {"103", "dev.events", "", ""},
		"over":           {"102", "dev.events", over, ""},
		"text":           {`"102"`, "dev.events", over, ""},
		"unknown":        {"100", unpriced, "", "budget: whether stack dev stays within $100 a month is unknown (c4-standard-4 nodes with hyperdisk-balanced in europe-west1-d: unknown price)"},
		"unknown, none":  {"0", unpriced, "", ""},
		"not a number":   {"cheap", "dev.events", `budget: "cheap" of stack dev is not a whole number of US dollars a month. Fix: pulumi config set budget 100 --stack dev`, ""},
		"encrypted":      {"{secure: AAAA}", "dev.events", "budget: the value of stack dev is encrypted", ""},
		"without prices": {"1", `{"summaryEvent":{"resourceChanges":{}}}` + "\n", "", ""},
	} {
		for _, command := range []string{"preview", "cost", "summary", "deploy"} {
			r := newRunner(t, "STACK=dev")
			r.budget(t, "dev", tt.budget)
			r.pulumi.stacks["dev"].events = tt.events
			_, log, err := r.run(t, command)
			reason := log
			if err != nil {
				reason += err.Error()
			}
			if (err == nil) != (tt.want == "") || !strings.Contains(reason, tt.want) || !strings.Contains(log, tt.log) || tt.log == "" && strings.Contains(log, "is unknown (") {
				t.Errorf("%s %s: got %v, want %q, and in the log %q: %s", name, command, err, tt.want, tt.log, log)
			}
			if tt.want == over && !strings.Contains(reason, "pulumi config set budget 103 --stack dev") {
				t.Errorf("%s %s: no fix: %s", name, command, reason)
			}
			if err != nil && r.called("up") {
				t.Errorf("%s: dev was deployed over its budget: %q", name, r.pulumi.calls)
			}
		}
	}
}

// The default in Pulumi.yaml is a budget, too, and a stack's own value replaces it.
func TestBudgetDefault(t *testing.T) {
	r := newRunner(t, "STACK=dev")
	preview := func(what, complaint string) {
		t.Helper()
		_, _, err := r.run(t, "preview")
		want(t, what, err, complaint)
	}
	r.write(t, "Pulumi.yaml", "name: hello-timber\nruntime: go\nconfig:\n  budget:\n    type: integer\n    default: 50\n")
	preview("the default", "more than the $50 ")
	r.budget(t, "dev", "0")
	preview("no budget", "")
	r.write(t, "Pulumi.yaml", read(t, "../Pulumi.yaml"))
	r.write(t, "Pulumi.dev.yaml", read(t, "../Pulumi.dev.yaml"))
	preview("the repository", "")
}

// The text on GitHub says what exceeds the budget, and what the budget is. What a failed
// preview has seen of the costs is not compared.
func TestBudgetText(t *testing.T) {
	r := newRunner(t, "STACKS=dev staging refused")
	for _, stack := range []string{"dev", "staging", "refused"} {
		r.budget(t, stack, "80")
	}
	out, _, err := r.run(t, "summary")
	want(t, "over", err, "the preview failed: dev, staging, refused")
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

// make cost prints what the stack costs now by its state, also if there can be no preview.
func TestCost(t *testing.T) {
	const now = `{"resources": [
		{"urn": "a", "type": "gcp:container/cluster:Cluster", "inputs": {"location": "europe-west1"}},
		{"urn": "b", "type": "gcp:container/nodePool:NodePool", "external": true, "inputs": {"location": "europe-west1", "nodeCount": 9}},
		{"urn": "c", "type": "kubernetes:core/v1:Service", "inputs": {"spec": {"type": "LoadBalancer"}}}]}`
	prices := " a month (list prices of " + cost.Date + ")\n"
	before := "dev now: $91" + prices + "  regional control plane $73.00\n  load balancer $18.25\n"
	after := "dev after an update: $103 (or $176)" + prices +
		"  zonal control plane free for one cluster of the billing account (others $73.00)\n  3 × e2-medium $80.72\n  3 × 30 GB pd-standard $3.60\n  load balancer $18.25\n"
	for _, tt := range []struct{ state, budget, complaint, out, want string }{
		{now, "0", "", before + after, ""},
		{now, "110", "", before + after + "budget: $110\n", ""},
		{now, "100", "", before + after + "budget: $100\n", "budget: $102.57 a month"},
		{now, "0", "error: no Docker\n", before, "no Docker"},
		{"{}", "0", "", "dev now: –" + prices + after, ""},
		{"[]", "0", "", "", "read the state of stack dev"},
	} {
		r := newRunner(t, "STACK=dev")
		r.pulumi.stacks["dev"].state, r.pulumi.stacks["dev"].complaint = tt.state, tt.complaint
		r.budget(t, "dev", tt.budget)
		out, _, err := r.run(t, "cost")
		if want(t, tt.state, err, tt.want); out != tt.out {
			t.Errorf("%s: got\n%s", tt.state, out)
		}
	}
}
