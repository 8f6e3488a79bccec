//go:build e2e

package e2e

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
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

// notFollowed lists the headings with commands that no row names.
func notFollowed(t *testing.T) (headings []string) {
	t.Helper()
	sources, err := filepath.Glob("*_test.go")
	if err != nil {
		t.Fatal(err)
	}
	rows := ""
	for _, source := range sources {
		rows += readFile(t, source)
	}
	for heading := range manual() {
		if !strings.Contains(rows, strconv.Quote(heading)) {
			headings = append(headings, heading)
		}
	}
	return headings
}

// followManual runs the commands that are under a heading of docs/operations.md, to the letter.
func (s *stack) followManual(t *testing.T, heading string, env ...string) string {
	t.Helper()
	commands, ok := manual()[heading]
	if !ok {
		t.Fatalf("docs/operations.md has no commands under %q", heading)
	}
	before := s.env
	defer func() { s.env = before }()
	s.env = append(slices.Clone(before), env...)
	out, err := s.start(interrupted, root(), "sh", "-ec", commands) // they call make
	if err != nil {
		t.Fatal(err)
	}
	return out
}
