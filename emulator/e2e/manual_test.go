//go:build e2e

package e2e

import (
	"os"
	"regexp"
	"slices"
	"sync"
	"testing"
)

// manual is docs/operations.md: its commands, by the heading that they are under.
var manual = sync.OnceValue(func() map[string]string {
	commands := map[string]string{}
	for _, b := range blocksOf("../../docs/operations.md") {
		commands[b.heading] += b.commands
	}
	return commands
})

// followed has the headings whose commands a row has run.
var followed sync.Map

// block is a block of commands in a document.
type block struct {
	heading  string // that it is under
	commands string
	shows    string // the block of text right below
}

// blocksOf reads the blocks of a document; one that cannot be read has none.
func blocksOf(path string) (blocks []block) {
	text, _ := os.ReadFile(path)
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

// notFollowed lists the headings whose commands no row has run.
func notFollowed() (headings []string) {
	for heading := range manual() {
		if _, ok := followed.Load(heading); !ok {
			headings = append(headings, heading)
		}
	}
	slices.Sort(headings)
	return headings
}

// followManual runs the commands that are under a heading of docs/operations.md, to the letter.
func (s *stack) followManual(t *testing.T, heading string, env ...string) string {
	t.Helper()
	commands, ok := manual()[heading]
	if !ok {
		t.Fatalf("docs/operations.md has no commands under %q", heading)
	}
	followed.Store(heading, true)
	before := s.env
	defer func() { s.env = before }()
	s.env = append(slices.Clone(before), env...)
	out, err := s.start(interrupted, root(), "sh", "-ec", commands) // they call make
	if err != nil {
		t.Fatal(err)
	}
	return out
}
