package stacks

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"hello-timber/pipelines/cost"
)

// costOf is what the resources that a stack registers cost.
func costOf(t *testing.T, stack string) cost.Cost {
	t.Helper()
	c, _ := deployed(t, stack, stackConfig(t, stack))
	var sum cost.Cost
	for _, d := range describe(c) {
		inputs, _ := d.Inputs.(map[string]any)
		sum.Add(typeOf(d.Resource), inputs)
	}
	return sum
}

// tutorialCost is that of the tutorial's cluster: GKE's default disks, and nodes with
// public addresses, which this program does not have.
func tutorialCost() (total, waived float64, items []string) {
	var sum cost.Cost
	sum.Add(typeCluster, map[string]any{"location": "europe-west1-d"})
	sum.Add(typeNodePool, map[string]any{"location": "europe-west1-d", "nodeCount": 3,
		"nodeConfig": map[string]any{"machineType": "n1-standard-1", "diskType": "pd-balanced", "diskSizeGb": 100}})
	sum.Add(typeService, map[string]any{"spec": map[string]any{"type": "LoadBalancer"}})
	const addresses = 3 * 0.005 * 730 // cloud.google.com/vpc/network-pricing
	return sum.Total() + addresses, sum.Waived, append(sum.Items(), fmt.Sprintf("3 × public address $%.2f", addresses))
}

// TestCosts: what the documents say that each environment costs is what a preview
// says of it.
func TestCosts(t *testing.T) {
	row := "| cost per month, always on |"
	table := fmt.Sprintf("List prices of %s, in US dollars, for a month of 730 hours where each stack is, and the tutorial in europe-west1:\n\n| | a month | of which |\n|---|---|---|\n", cost.Date)
	tutorial, waived, items := tutorialCost()
	table += fmt.Sprintf("| tutorial | %.2f | %s |\n", tutorial, strings.Join(items, ", "))
	for _, stack := range environments {
		sum := costOf(t, stack)
		if sum.Known() && sum.Total() < 50 { // your region may have no prices here
			t.Errorf("%s: %q", stack, sum.Items())
		}
		row += " " + sum.Amount() + " |"
		table += fmt.Sprintf("| %s | %.2f | %s |\n", stack, sum.Total(), strings.Join(sum.Items(), ", "))
	}
	keep(t, "../docs/environments.md", `(?s)<!-- cost -->\n.*\n<!-- end -->`, "<!-- cost -->\n\n"+table+"\n<!-- end -->")
	keep(t, "../docs/environments.md", `(?m)^\| cost per month, always on \|.*$`, row)
	keep(t, "../docs/environments.md", `The tutorial's own cluster costs \$[0-9]+ \(or \$[0-9]+\) a month`,
		fmt.Sprintf("The tutorial's own cluster costs $%.0f (or $%.0f) a month", tutorial, tutorial+waived))
}

// keep compares the one part of a document that matches a pattern with a text, or
// writes the text there.
func keep(t *testing.T, path, pattern, text string) {
	t.Helper()
	document, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile(pattern).FindAllIndex(document, -1)
	if len(found) != 1 {
		t.Fatalf("%s has %d parts that match %s", path, len(found), pattern)
	}
	from, to := found[0][0], found[0][1]
	if *update {
		if err := os.WriteFile(path, []byte(string(document[:from])+text+string(document[to:])), 0o666); err != nil {
			t.Fatal(err)
		}
	} else if string(document[from:to]) != text {
		t.Errorf("%s is not current:\n%s\nFix: go test ./stacks -update", path, firstDifference(string(document[from:to]), text))
	}
}
