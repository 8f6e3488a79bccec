// Package plan is what an update would do to a stack: the preview that finds it, its cost
// and budget, and the fingerprint by which it is approved.
package plan

import (
	"fmt"
	"strings"

	"hello-timber/pipelines/cost"
)

// Plan is what pulumi reported about one stack. It is stored between the make
// targets that find it and those that publish it.
type Plan struct {
	Stack string
	// Commit is what was previewed, if it is known.
	Commit string
	// Changes are the resources that differ, in the order in which they are updated.
	Changes []Change
	// Failed reports that pulumi did not succeed: Changes may be incomplete.
	Failed bool
	// Errors and Warnings are pulumi's own, and policy violations.
	Errors, Warnings []string
	// Fingerprint names everything that the update would do, for its approval. Only
	// Approvable sets it.
	Fingerprint string
	// Costs are the monthly ones before and after the changes.
	Costs cost.Change
	// Budget is what the stack may cost a month, or 0 for no limit. It is set only
	// if the preview succeeded, so that Costs are complete.
	Budget int
	// NotDeployed is a stack without resources, which cannot drift.
	NotDeployed bool
	// NotCompared are resources that the drift check may not read.
	NotCompared []Change
}

// Change is what happens to one resource.
type Change struct {
	Op Op
	// Type and Name are such as kubernetes:apps/v1:Deployment and timber-tutorial.
	Type, Name string
	// Properties are those that differ; for a new or deleted resource, all.
	Properties []Property
}

// Op is what an update does to a resource.
type Op string

// The kinds of changes.
const (
	Created  Op = "created"
	Changed  Op = "changed"
	Replaced Op = "replaced"
	Deleted  Op = "deleted"
)

// Ops are all of them, the most dangerous first.
var Ops = []Op{Replaced, Deleted, Created, Changed}

// Property is one value that differs, whole but masked. Old or New is empty if there is none.
type Property struct {
	Path, Old, New string
	// Replaces reports that the resource is replaced because of it.
	Replaces bool
}

// With lists the changes of one kind.
func (p Plan) With(op Op) []Change {
	var list []Change
	for _, c := range p.Changes {
		if c.Op == op {
			list = append(list, c)
		}
	}
	return list
}

// Counts is such as "1 created, 2 changed".
func (p Plan) Counts() string {
	var list []string
	for _, op := range Ops {
		if n := len(p.With(op)); n > 0 {
			list = append(list, fmt.Sprintf("%d %s", n, op))
		}
	}
	return strings.Join(list, ", ")
}
