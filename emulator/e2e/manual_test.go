package e2e

import (
	"os"
	"regexp"
	"slices"
	"testing"
)

// manual is docs/operations.md: its commands, by the heading that they stand under.
type manual struct {
	commands map[string]string
	used     map[string]bool
}

func readManual(t *testing.T) *manual {
	t.Helper()
	text, err := os.ReadFile("../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	m := &manual{commands: map[string]string{}, used: map[string]bool{}}
	heading := regexp.MustCompile(`(?m)^#+ (.+)$`)
	block := regexp.MustCompile("(?s)```sh\n(.*?)```")
	starts := heading.FindAllStringSubmatchIndex(string(text), -1)
	for i, at := range starts {
		end := len(text)
		if i+1 < len(starts) {
			end = starts[i+1][0]
		}
		for _, found := range block.FindAllStringSubmatch(string(text[at[1]:end]), -1) {
			m.commands[string(text[at[2]:at[3]])] += found[1]
		}
	}
	return m
}

func (m *manual) unused() []string {
	var unused []string
	for heading := range m.commands {
		if !m.used[heading] {
			unused = append(unused, heading)
		}
	}
	slices.Sort(unused)
	return unused
}

// followManual runs the commands that stand under a heading of docs/operations.md, to the letter.
func (l *lab) followManual(t *testing.T, heading string, env ...string) string {
	t.Helper()
	commands, ok := l.manual.commands[heading]
	if !ok {
		t.Fatalf("docs/operations.md has no commands under %q", heading)
	}
	l.manual.used[heading] = true
	before := l.env
	defer func() { l.env = before }()
	l.env = append(slices.Clone(before), append(env, "STACK="+l.name)...)
	return l.run(t, "sh", "-ec", commands)
}
