package plan_test

import (
	"strings"
	"testing"

	"hello-timber/pipelines/cost"
	"hello-timber/pipelines/deploy"
	"hello-timber/pipelines/plan"
	"hello-timber/pipelines/run/runtest"
	"hello-timber/pipelines/summary"
)

const unpriced = `{"resourcePreEvent":{"metadata":{"op":"create","urn":"urn:pulumi:dev::p::gcp:container/nodePool:NodePool::nodes","type":"gcp:container/nodePool:NodePool","new":{"type":"gcp:container/nodePool:NodePool","custom":true,"inputs":{"location":"europe-west1-d","nodeCount":1,"nodeConfig":{"machineType":"c4-standard-4","diskType":"hyperdisk-balanced","diskSizeGb":30}}},"detailedDiff":null}}}
` + runtest.End

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
		"without prices": {"1", runtest.End, "", ""},
	} {
		for command, function := range map[string]runtest.Command{"preview": plan.Preview, "cost": plan.Cost, "summary": summary.Summary, "deploy": deploy.Deploy} {
			r := runtest.New(t, "STACK=dev")
			r.Budget("dev", tt.budget)
			r.Pulumi.Stacks["dev"].Events = tt.events
			_, log, err := r.Run(function)
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
			if err != nil && r.Called("up") {
				t.Errorf("%s: dev was deployed over its budget: %q", name, r.Pulumi.Calls)
			}
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
		r := runtest.New(t, "STACK=dev")
		r.Pulumi.Stacks["dev"].State, r.Pulumi.Stacks["dev"].Complaint = tt.state, tt.complaint
		r.Budget("dev", tt.budget)
		if out, _ := r.Try(tt.state, tt.want, plan.Cost); out != tt.out {
			t.Errorf("%s: got\n%s", tt.state, out)
		}
	}
}
