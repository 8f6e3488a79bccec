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
	m := &manual{commands: map[string]string{}, used: map[string]bool{}}
	for _, b := range readBlocks(t, "../../docs/operations.md") {
		m.commands[b.heading] += b.commands
	}
	return m
}

// block is a block of commands in a document.
type block struct {
	heading  string // that it is under
	commands string
	shows    string // the block of text right below
}

func readBlocks(t *testing.T, path string) []block {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var blocks []block
	heading := ""
	for _, found := range regexp.MustCompile("(?ms)^#+ ([^\n]+)$|^```sh\n(.*?)^```$(?:\n\n^```text\n(.*?)^```$)?").FindAllStringSubmatch(string(text), -1) {
		if found[1] != "" {
			heading = found[1]
			continue
		}
		blocks = append(blocks, block{heading, found[2], found[3]})
	}
	return blocks
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
