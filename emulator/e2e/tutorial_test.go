//go:build e2e

package e2e

import (
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// The tutorial's bytes.
const (
	v1 = `{"timber": "so delicious"}`
	v2 = `{"timber": "so delicious", "why": "because logging shouldn't be hard"}`
)

// Headings of docs/tutorial.md.
const (
	create  = "Create everything"
	look    = "Look at the nodes"
	call    = "Call the service"
	scale   = "Scale it"
	rollout = "Roll out version 2"
	damage  = "Break something"
	destroy = "Clean up"
)

// tutorialBlocks are the commands of docs/tutorial.md, by heading.
func tutorialBlocks(t *testing.T) map[string][]block {
	t.Helper()
	blocks := map[string][]block{}
	for _, b := range blocksOf("../../docs/tutorial.md") {
		blocks[b.heading] = append(blocks[b.heading], b)
	}
	for _, heading := range []string{create, look, call, scale, rollout, damage, destroy} {
		if len(blocks[heading]) == 0 {
			t.Fatalf("docs/tutorial.md has no commands under %q", heading)
		}
	}
	if len(blocks) != 7 {
		t.Fatalf("docs/tutorial.md has commands under %d headings, this test follows 7", len(blocks))
	}
	return blocks
}

// followBlock runs commands of the tutorial to the letter, and finds in what they print what
// the document shows, where … is anything and columns may be wider or narrower. It returns
// whether the commands succeeded.
func (s *stack) followBlock(t *testing.T, b block) bool {
	t.Helper()
	shown, err := s.try("sh", "-ec", "exec 2>&1\n"+b.commands)
	if err != nil {
		t.Error(err)
		return false
	}
	for line := range strings.Lines(b.shows) {
		pattern := strings.ReplaceAll(strings.Join(strings.Fields(regexp.QuoteMeta(line)), " +"), "…", ".*")
		if !regexp.MustCompile(pattern).MatchString(shown) {
			t.Errorf("%s: the document shows\n%s\nthe commands print\n%s", b.heading, line, shown)
		}
	}
	return true
}

// tutorial follows docs/tutorial.md from the first command to the last but one. Before
// and after the commands it checks what Pulumi, Kubernetes and a browser show.
func tutorial(t *testing.T, s *stack) {
	blocks := tutorialBlocks(t)
	follow := func(t *testing.T, heading string) {
		t.Helper()
		for _, b := range blocks[heading] {
			s.followBlock(t, b)
		}
		s.updated(t)
	}
	step := func(what string, do func(t *testing.T)) {
		if !t.Run(what, do) {
			t.FailNow()
		}
	}
	step("created", func(t *testing.T) {
		s.previewIsEmpty(t)
		image := s.output(t, "image")
		if !strings.Contains(image, "-docker.pkg.dev/"+s.project()+"/") || !strings.Contains(image, "@sha256:") {
			t.Errorf("image %q is no digest in the stack's own registry", image)
		}
		if deployed := s.deploymentImage(t); deployed != image {
			t.Errorf("the deployment runs %q, want %q", deployed, image)
		}
		if ready := s.ready(t); len(ready) != 1 {
			t.Errorf("%d pods are ready, want one", len(ready))
		}
		if nodes := s.readyNodes(t); len(nodes) != 3 {
			t.Errorf("ready nodes: %q, want three", nodes)
		}
		s.stateHoldsNoSecret(t)
	})
	step("looked at and called", func(t *testing.T) {
		follow(t, look)
		follow(t, call)
		answers(t, s.url+"/index", v1)
	})
	step("scaled", func(t *testing.T) {
		s.underLoad(t, []string{v1}, func() { follow(t, scale) })
	})
	step("rolled out", func(t *testing.T) {
		s.underLoad(t, []string{v1, v2}, func() {
			screenshot := s.watchedRollout(t, func() { follow(t, rollout) })
			if *pictures {
				writePicture(t, "page.png", screenshot, "app/page.html", "app/page.css", "app/page.js")
			}
		})
		answers(t, s.url+"/index", v2)
		s.pulumi(t, "up", "--yes", "--skip-preview", "--expect-no-changes")
		s.pulumi(t, "refresh", "--yes", "--skip-preview", "--expect-no-changes")
		s.stateHoldsNoSecret(t)
	})
	step("damaged", func(t *testing.T) {
		old := s.pods(t)
		follow(t, damage)
		eventually(t, "three ready pods, and none of those before", func() bool {
			ready := s.ready(t)
			return len(ready) == 3 && !slices.ContainsFunc(ready, func(p pod) bool {
				return slices.ContainsFunc(old, func(before pod) bool { return before.name == p.name })
			})
		})
	})
}

// watchedRollout watches the service's page in a browser while do rolls v2 out, and
// returns a picture of that, in which every pod still answers.
func (s *stack) watchedRollout(t *testing.T, do func()) []byte {
	t.Helper()
	watching := openPage(t, s.url)
	watching.shows(t, `^v1, 3 pods: `)
	var following sync.WaitGroup
	defer following.Wait() // also when the page shows something else
	following.Go(do)
	const both = `^v1 and v2, [3-6] pods: `
	watching.shows(t, both)
	screenshot := watching.screenshot(t)
	for watching.matches(t, both) {
		if watching.allAnswer(t) {
			screenshot = watching.screenshot(t)
		}
		time.Sleep(500 * time.Millisecond)
	}
	following.Wait()
	watching.shows(t, `^v2, 3 pods: \d+ answers, 0 failed$`)
	watching.nothingWrong(t)
	return screenshot
}

// tutorialEnds follows the last command. What other rows use on the cluster goes with it.
func tutorialEnds(t *testing.T, s *stack) {
	blocks := tutorialBlocks(t)[destroy]
	if len(blocks) != 1 {
		t.Fatalf("docs/tutorial.md has %d blocks of commands under %q", len(blocks), destroy)
	}
	s.followBlock(t, blocks[0])
	s.nothingLeft(t)
}
