package e2e

import (
	"flag"
	"os"
	"strings"
	"sync"
	"testing"
	"time"
)

var pictures = flag.Bool("pictures", false, "write docs/page.png and docs/transcript.svg")

// TestDocument follows docs/tutorial.md to the letter, in a terminal, and finds there
// what the document says that it shows. Meanwhile a browser watches the rollout.
func TestDocument(t *testing.T) {
	s := newStack(t, "e2e-tutorial")
	blocks := readBlocks(t, "../../docs/tutorial.md")
	seen := map[string]*terminal{} // what the first commands under a heading show
	follow := func(t *testing.T, b block) {
		shown, err := s.inTerminal(b.commands)
		if err != nil {
			t.Error(err)
			return
		}
		if seen[b.heading] == nil {
			seen[b.heading] = shown
		}
		for line := range strings.Lines(b.shows) {
			if line = strings.TrimSpace(line); !strings.Contains(shown.text, line) {
				t.Errorf("%s: the document shows\n%s\nthe terminal\n%s", b.heading, line, shown.text)
			}
		}
	}
	var screenshot []byte
	for _, b := range blocks {
		ok := t.Run(b.heading, func(t *testing.T) {
			if b.heading != rollout {
				follow(t, b)
				return
			}
			watching := openPage(t, s.pulumi(t, "stack", "output", "url"))
			watching.shows(t, `^v1, 3 pods: `)
			var following sync.WaitGroup
			defer following.Wait() // also when the page shows something else
			following.Go(func() { follow(t, b) })
			const both = `^v1 and v2, [3-6] pods: `
			watching.shows(t, both)
			during := [][]byte{watching.screenshot(t)}
			for watching.matches(t, both) {
				during = append(during, watching.screenshot(t))
				time.Sleep(500 * time.Millisecond)
			}
			screenshot = during[len(during)/2]
			following.Wait()
			watching.shows(t, `^v2, 3 pods: \d+ answers, 0 failed$`)
			versions := map[string]int{}
			for _, version := range watching.rows(t) {
				versions[version]++
			}
			if versions["v1"] == 0 || versions["v2"] != 3 {
				t.Errorf("the page has pods of %v, want some of v1 and three of v2", versions)
			}
			watching.nothingWrong(t)
		})
		if !ok {
			t.FailNow()
		}
	}
	transcript := []*terminal{}
	for _, heading := range []string{create, scale, rollout, destroy} {
		if seen[heading] == nil {
			t.Fatalf("docs/tutorial.md has no commands under %q", heading)
		}
		transcript = append(transcript, seen[heading])
	}
	if len(screenshot) > 150_000 {
		t.Errorf("the screenshot has %d bytes, too many for a README", len(screenshot))
	}
	if *pictures {
		for path, content := range map[string][]byte{"../../docs/page.png": screenshot, "../../docs/transcript.svg": []byte(svg("The tutorial in a terminal", transcript))} {
			if err := os.WriteFile(path, content, 0o644); err != nil {
				t.Error(err)
			}
		}
	}
}

// Headings of docs/tutorial.md.
const (
	create  = "Create everything"
	scale   = "Scale it"
	rollout = "Roll out version 2"
	destroy = "Clean up"
)
