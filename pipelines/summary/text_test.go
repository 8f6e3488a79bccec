package summary

import (
	"fmt"
	"strings"
	"testing"

	"hello-timber/pipelines/plan"
)

// planOf is a plan with n changes of one value each.
func planOf(stack string, n int, op plan.Op, value string) plan.Plan {
	p := plan.Plan{Stack: stack}
	for i := range n {
		p.Changes = append(p.Changes, plan.Change{Op: op, Type: "a:b:C", Name: fmt.Sprintf("resource-%d", i), Properties: []plan.Property{{Path: "value", New: value}}})
	}
	return p
}

// failed are plans with so many errors of so many bytes.
func failed(stacks string, errors int, size int) (plans []plan.Plan) {
	for stack := range strings.SplitSeq(stacks, "") {
		p := plan.Plan{Stack: stack, Failed: true}
		for range errors {
			p.Errors = append(p.Errors, strings.Repeat("z", size))
		}
		plans = append(plans, p)
	}
	return plans
}

// Whatever the size, each stack's counts and losses are there.
func TestSize(t *testing.T) {
	long := strings.Repeat("ü", 140)
	var many []plan.Plan
	for i := range 1500 {
		many = append(many, planOf(fmt.Sprintf("stack-%d", i), 3, plan.Deleted, long))
	}
	for name, tt := range map[string]struct {
		plans []plan.Plan
		want  []string
		cut   bool
	}{
		"fits": {[]plan.Plan{planOf("dev", 100, plan.Created, long)}, []string{"100 created"}, false},
		"a big dev, losses after": {[]plan.Plan{planOf("dev", 1700, plan.Created, long), planOf("prod", 3, plan.Deleted, "the last")},
			[]string{"| prod | ⚠️ **3 deleted** |", "> **prod**", "the last", "make preview STACK=dev"}, true},
		"every diff too long": {[]plan.Plan{planOf("dev", 300, plan.Created, long), planOf("staging", 300, plan.Created, long), planOf("prod", 300, plan.Deleted, long)},
			[]string{"make preview STACK=dev", "make preview STACK=staging", "make preview STACK=prod", "300 deleted"}, true},
		"many names":         {[]plan.Plan{planOf("dev", 5000, plan.Deleted, "x")}, []string{"5000 deleted", "and 4990 more"}, true},
		"many long errors":   {append(failed("d", 33, 2500), planOf("prod", 2, plan.Deleted, "x")), []string{"30 more in the log", "2 deleted"}, false},
		"too many stacks":    {many, []string{"stack-0", "The run and its log"}, true},
		"too many long text": {failed("abcdefghijkl", 3, 9000), []string{"| l | ❌"}, true},
	} {
		text, whole := Text{marker: "<!-- m -->", plans: tt.plans, more: "make preview STACK=", link: "https://github.com/run"}.render(maxPost)
		if len(text) > maxPost || strings.Contains(text, "Cut here") != tt.cut || whole == tt.cut {
			t.Errorf("%s: a text of %d bytes: cut is %t", name, len(text), !tt.cut)
		}
		for _, want := range tt.want {
			if !strings.Contains(text, want) {
				t.Errorf("%s: the text does not say %q", name, want)
			}
		}
		if strings.Count(text, "<details>") != strings.Count(text, "</details>") || strings.Count(text, "\n```")%2 != 0 {
			t.Errorf("%s: a <details> or a fence is not closed", name)
		}
	}
}

// Two values that differ never look the same.
func TestDifferent(t *testing.T) {
	same := strings.Repeat("a", 500)
	for _, tt := range []struct{ before, after, old, new string }{
		{"one", "two", "one", "two"}, {same + "1" + same, same + "2" + same, "a1a", "a2a"}, {same, same + "b", "aaa", "aab"},
	} {
		p := short(plan.Property{Old: tt.before, New: tt.after})
		if !strings.Contains(p.Old, tt.old) || !strings.Contains(p.New, tt.new) || len(p.Old) > maxValue+20 {
			t.Errorf("old %q, new %q", p.Old, p.New)
		}
	}
}
