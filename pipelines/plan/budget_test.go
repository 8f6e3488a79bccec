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

// make preview and make cost print what the stack costs, also if that is more than its budget.
func TestCost(t *testing.T) {
	prices := " a month (list prices of " + cost.Date + ")\n"
	const plane, rest = "  zonal control plane free for one cluster of the billing account (others $73.00)\n", "  3 × 30 GB pd-standard $3.60\n  load balancer $18.25\n"
	costs := "dev now: $62 (or $135)" + prices + plane + "  3 × e2-small $40.36\n" + rest +
		"dev after an update: $103 (or $176)" + prices + plane + "  3 × e2-medium $80.72\n" + rest
	for _, tt := range []struct{ events, budget, complaint, out, want string }{
		{"dev.events", "0", "", costs, ""},
		{"dev.events", "110", "", costs + "budget: $110\n", ""},
		{"dev.events", "100", "", costs + "budget: $100\n", "budget: $102.57 a month"},
		{"dev.events", "0", "error: no Docker\n", "", "no Docker"},
		{runtest.End, "0", "", "dev now: –" + prices + "dev after an update: –" + prices, ""},
	} {
		for _, command := range []runtest.Command{plan.Preview, plan.Cost} {
			r := runtest.New(t, "STACK=dev")
			r.Pulumi.Stacks["dev"].Events, r.Pulumi.Stacks["dev"].Complaint = tt.events, tt.complaint
			r.Budget("dev", tt.budget)
			if out, _ := r.Try(tt.budget, tt.want, command); out != tt.out {
				t.Errorf("%s: got\n%s", tt.budget, out)
			}
		}
	}
}
