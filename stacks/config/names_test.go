package config

import (
	"strings"
	"testing"
)

func TestStackName(t *testing.T) {
	for _, test := range []struct{ project, stack, want string }{
		{"hello-timber", "dev", "hello-timber-dev"},
		{"hello-timber", "staging", "hello-timber-staging"},
		{"hello-timber", "prod", "hello-timber-prod"},
		{"hello-timber", "local", "hello-timber-local"},
		{"hello-timber", "pr-123", "hello-timber-pr-123"},
		{"hello-timber", "seventeen-letters", "hello-timber-seventeen-letters"}, // 30 in all
		{"hello-timber", "eighteen--letters-", "hello-timber-eighteen-73010748"},
		{"hello-timber", "a-very-long-name-of-a-stack", "hello-timber-a-very-l-febf5ee2"},
		{"hello-timber", "a-very-long-name-of-a-stock", "hello-timber-a-very-l-23a11eb8"},
		{"hello-timber", "Dev", "hello-timber-dev-4fb0dcb4"},
		{"hello-timber", "dev_1.x", "hello-timber-dev-1-x-"},
		{"2timber", "dev", "p2timber-dev-"},
		{"a", "b", "a-b-"}, // an account's ID has at least 6 characters
		{"_", "_", "p-"},
	} {
		got := StackName(test.project, test.stack)
		if !strings.HasPrefix(got, test.want) {
			t.Errorf("StackName(%q, %q) = %q, want %q", test.project, test.stack, got, test.want)
		}
		if !fits.MatchString(got) {
			t.Errorf("StackName(%q, %q) = %q is not allowed everywhere", test.project, test.stack, got)
		}
	}
}

func FuzzStackName(f *testing.F) {
	f.Add("hello-timber", "dev", "Dev")
	f.Add("hello-timber", "dev.1", "dev_1")
	f.Add("hello-timber", strings.Repeat("x", 90), strings.Repeat("x", 91))
	f.Add("", "", "\xff")
	f.Add("İ", "K", "k") // letters that change their length, or to ASCII, in lower case
	f.Fuzz(func(t *testing.T, project, a, b string) {
		nameA, nameB := StackName(project, a), StackName(project, b)
		if !fits.MatchString(nameA) {
			t.Errorf("StackName(%q, %q) = %q is not allowed everywhere", project, a, nameA)
		}
		if (a == b) != (nameA == nameB) {
			t.Errorf("stacks %q and %q of %q are named %q and %q", a, b, project, nameA, nameB)
		}
	})
}
