//go:build e2e

package e2e

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// testRow is a test: what happens to a service or to those who run it, and what must hold.
type testRow struct {
	name, holds string
	// needs says what the row finds; see the constants. Rows with the same name of a
	// stack of their own run one after the other, on the same stack.
	needs string
	takes share
	run   func(t *testing.T, s *stack)
}

const (
	// nothing: a stack with nothing in it.
	nothing = ""
	// onShared: an empty stack of an existing cluster, which other rows use, too: that of the tutorial.
	onShared = "shared"
	// ofTutorial: the tutorial's own stack.
	ofTutorial = sharedName
	// ownNodes and ownLife: a stack with a cluster of its own, of three nodes and of one.
	ownNodes = "e2e-nodes"
	ownLife  = "e2e-life"
	// ownDomain: one with a domain, and one node.
	ownDomain = "e2e-domain"
)

// share is how much of the machine a row takes.
type share int

const (
	// waits: little, for minutes. Two of these rows run beside those that work or count.
	waits share = iota
	// works: half of it, so that two run at the same time.
	works
	// counts: all that waiting rows leave. The row counts lost requests under full load, and
	// next to too much else a small machine loses some by itself.
	counts
	// alone: the row changes what all stacks share. It runs after all others.
	alone
)

// parts are the tests, by the command that runs them: `make test` the first, `make e2e` the rest.
var parts = map[string][]testRow{
	"first": {
		{"the tutorial", "every command shows what the document says; no request fails; previews are empty", ofTutorial, counts, tutorial},
		{"an image that does not exist", "old pods serve; up fails and reports why; the next one recovers", onShared, waits, imageMissing},
		{"Deployment and Service edited manually", "preview lists it, up restores it, a second up changes nothing", onShared, works, edited},
		{"the tutorial's end", "destroy leaves nothing", ofTutorial, alone, tutorialEnds},
	},
	"rest": {
		{"a domain, another one, and none", "https with the domain's certificate, http leads there; each ends with an empty preview and leaves nothing", ownDomain, waits, domains},
		{"v1 → v2 → v1 on one pod with a domain, five times", "no request fails", ownDomain, waits, httpsRollouts},
		{"an update whose pods crash at start", "old pods serve; up fails and reports why; the next one recovers", onShared, waits, podsCrash},
		{"the number of pods follows the load", "no request fails; what the autoscaler does is neither a change nor drift", onShared, waits, autoscaling},
		{"a deployment whose pods never get ready", "no request fails; it undoes itself, and reports why", onShared, waits, podsNeverReady},
		{"a kubelet hangs", "no request fails; full strength again without it", ownNodes, waits, kubeletHangs},
		{"a node stopped dead", "the service keeps answering; full strength again without it", ownNodes, waits, nodeDead},

		{"a change from a pull request to prod, and back", "one image; changes and drift are reported; nothing that was not approved", nothing, works, pipeline},
		{"up interrupted (SIGINT) while the cluster is made", "the next up converges; nothing orphaned or made twice", ownLife, works, upInterrupted(making, besideCluster)},
		{"node pool resized 3 → 4 → 3", "no request fails, the disruption budget is respected", ownNodes, counts, poolResized},
		{"a deployment that answers with errors", "it undoes itself, also if it was killed meanwhile, but not with other changes", onShared, works, versionIsWrong},
		{"a project made of the template, with other services", "they run as they are, with their config", nothing, works, projectOfOnesOwn},
		{"another cluster and registry", "what is wrong is refused; the service moves with the context", onShared, works, adopted},
		{"a domain on an existing cluster", "refused without its class; https with the Secret's certificate, http leads there; taken back, nothing is left", onShared, works, ofClass},

		{"an API switched off manually", "preview lists it, up restores it, a second up changes nothing", ownLife, works, apiSwitchedOff},
		{"images removed manually", "the documented way back", ownLife, works, imageRemoved},
		{"the cluster moved to another zone", "the documented way; nothing of the old one is left", ownLife, works, clusterMoved},
		{"destroy interrupted", "ends when repeated; nothing is left", ownLife, works, destroyInterrupted},
		{"up killed (SIGKILL) while the cluster is made", "cancelled, the next up converges; nothing orphaned or made twice", ownLife, works, upKilled(making, besideCluster)},
		{"destroyed with its cluster gone", "names the blocker; the documented way ends it; nothing is left", ownLife, works, destroyedWithoutCluster},

		{"every node replaced", "no request fails, the disruption budget is respected", ownNodes, counts, nodesRenewed},
		{"a node removed manually", "preview lists it, up restores it, a second up changes nothing", ownNodes, works, nodeRemoved},
		{"a node drained", "no request fails, the disruption budget is respected", ownNodes, counts, nodeDrained},

		{"v1 → v2 → v1 on three pods, five times", "no request fails", onShared, counts, rollouts},
		{"scaled 1 → 3 → 1", "no request fails", onShared, counts, scaling},
		{"a pod killed (SIGKILL)", "at most what was sent to it fails; full strength again", onShared, counts, killed("KILL")},
		{"a container crashed", "at most what was sent to it fails; full strength again", onShared, counts, killed("QUIT")},
		{"a pod deleted, three times", "no request fails; full strength again", onShared, counts, podDeleted},
		{"what pods reach", "names, and nothing that the policies forbid", onShared, works, network},
		{"two updates at once", "one proceeds, the other names it", onShared, works, twoUpdates},
		{"state lost", "clear refusal; the documented way back", onShared, works, stateGone("no stack named", "State: lost", remove)},
		{"state truncated", "clear refusal; the documented way back", onShared, works, stateGone("unexpected end of JSON", "State: broken", truncate)},
		{"state from before a change", "the documented way back", onShared, works, stateOutdated},
		{"Deployment and Service deleted manually", "preview lists it, up restores it, a second up changes nothing", onShared, works, deleted},
		{"up interrupted while the image is built", "the next up converges; nothing orphaned or made twice", onShared, works, upInterrupted(updating, image)},
		{"up killed while the image is built", "cancelled, the next up converges; nothing orphaned or made twice", onShared, works, upKilled(updating, image)},
		{"up interrupted while pods are replaced", "the next up converges; nothing orphaned or made twice", onShared, works, upInterrupted(updating, deployment)},
		{"up killed while pods are replaced", "cancelled, the next up converges; nothing orphaned or made twice", onShared, works, upKilled(updating, deployment)},

		{"project missing, API off", "one clear line, nothing is made", nothing, works, projectMissing},
		{"make doctor", "what a stack lacks is found, and the printed commands fix it", nothing, works, doctor},
		{"a state that names a foreign plugin", "the pipelines neither download nor start it", nothing, works, foreignPlugin},
		{"attacks on the service", "it answers every client, within the memory of a pod", nothing, counts, attacks},

		{"registry unreachable while pods restart", "running pods serve; recovery without intervention", ownNodes, alone, registryUnreachable},
		{"all containers restarted, as by Docker's restart", "recovery without intervention", ownNodes, alone, containersRestarted},
		{"credentials missing, expired", "one clear line, nothing is made", nothing, alone, credentialsMissing},
	},
}

// TestRows runs a part: go test -run TestRows/first. A longer pattern chooses rows of
// it: TestRows/rest/drained.
func TestRows(t *testing.T) {
	if err := os.Remove(failedRows()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	for _, heading := range notFollowed(t) {
		t.Errorf("docs/operations.md: no row runs the commands under %q", heading)
	}
	for part, rows := range parts {
		t.Run(part, func(t *testing.T) {
			(&runner{t: t, rows: rows, begun: map[string]bool{}, used: map[string]bool{}, stacks: map[string]*stack{}}).all()
		})
	}
}

// failedRows is the file with the pattern of the rows that failed, for .ci/run.
func failedRows() string { return filepath.Join(root(), ".emulator", "failed") }

// runner runs the rows of a part.
type runner struct {
	t    *testing.T
	rows []testRow

	mutex           sync.Mutex
	free            sync.Cond       // when a row has ended
	begun           map[string]bool // rows, by their names
	used            map[string]bool // stacks of their own, by a row
	stacks          map[string]*stack
	broken, leftOut []string

	sharing sync.Mutex
	common  *stack
	failed  bool // to make it
}

// reserve is how long a row may take at most. With less than that until the limit of
// the whole run, no other row begins.
const reserve = 8 * time.Minute

func (r *runner) all() {
	r.free.L = &r.mutex
	var waiting, working sync.WaitGroup
	for range 2 {
		waiting.Go(func() { r.each(waits) })
		working.Go(func() { r.each(works) })
	}
	working.Wait()
	r.each(counts)
	waiting.Wait()
	r.each(alone)
	r.report()
}

// each runs the rows that take a share and have not begun, one after the other, in the table's order.
func (r *runner) each(takes share) {
	for row := r.next(takes); row != nil; row = r.next(takes) {
		r.one(row)
		r.mutex.Lock()
		delete(r.used, row.needs)
		r.mutex.Unlock()
		r.free.Broadcast()
	}
}

// next is the next row, once no other uses its stack; nil after the last one.
func (r *runner) next(takes share) *testRow {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	for {
		left := false
		for i := range r.rows {
			row := &r.rows[i]
			if r.begun[row.name] || row.takes != takes {
				continue
			}
			if left = true; !r.used[row.needs] {
				r.begun[row.name] = true
				r.used[row.needs] = row.needs != nothing && row.needs != onShared
				return row
			}
		}
		if !left {
			return nil
		}
		r.free.Wait()
	}
}

// one runs a row, if -run chooses it and there is time.
func (r *runner) one(row *testRow) {
	ran := false
	var measured []string
	ok := r.t.Run(row.name, func(t *testing.T) {
		if limit, ok := t.Deadline(); ok && time.Until(limit) < reserve || interrupted.Err() != nil {
			r.mutex.Lock()
			defer r.mutex.Unlock()
			r.leftOut = append(r.leftOut, row.name)
			t.Skip("left out: there is no time for it")
		}
		ran = true
		s := r.stackFor(t, row)
		s.measured, s.perSecond = nil, gentle
		if row.takes >= counts {
			s.perSecond = usual
		}
		row.run(t, s)
		measured = s.measured
		s.clean = s.clean && !t.Failed()
	})
	if !ran {
		return
	}
	r.mutex.Lock()
	defer r.mutex.Unlock()
	verdict := ""
	if !ok {
		r.broken = append(r.broken, row.name)
		verdict = "FAILED "
	}
	fmt.Printf("%s| %s | %s | %s |\n", verdict, row.name, row.holds, strings.Join(measured, ", "))
}

// stackFor is the stack that a row needs. One of its own lasts until the last row.
func (r *runner) stackFor(t *testing.T, row *testRow) *stack {
	t.Helper()
	name := fmt.Sprint("e2e-", slices.IndexFunc(r.rows, func(other testRow) bool { return other.name == row.name }))
	switch row.needs {
	case onShared:
		return newShared(t, r.shared(t), name)
	case nothing:
		return newStack(t, name, options{})
	case ofTutorial:
		return r.shared(t)
	}
	r.mutex.Lock()
	defer r.mutex.Unlock()
	s := r.stacks[row.needs]
	if s == nil {
		s = newStack(t, row.needs, options{owner: r.t})
		s.normal = map[string]string{"replicas": "3", "nodes": "3", "machineType": "n1-standard-1", "imageVersion": "v1", "deletionProtection": "false", "startupSeconds": "5"}
		if row.needs != ownNodes {
			s.normal["nodes"], s.normal["replicas"] = "1", "1"
		}
		r.stacks[row.needs] = s
	}
	return s
}

// pattern chooses rows of this part for go test -run.
func (r *runner) pattern(rows []string) string {
	text := strings.NewReplacer(" ", "_", "(", ".", ")", ".", "'", ".").Replace(strings.Join(rows, "|"))
	return r.t.Name() + "/(" + text + ")"
}

// report fails for rows that failed, or that there was no time for, with how to repeat them.
func (r *runner) report() {
	if &r.rows[0] == &parts["first"][0] {
		fmt.Printf("make e2e runs the rest, %d rows\n", len(parts["rest"]))
	}
	if len(r.broken) > 0 {
		rows := r.pattern(r.broken)
		if err := os.WriteFile(failedRows(), []byte(rows), 0o644); err != nil {
			r.t.Error(err)
		}
		r.t.Errorf("rows failed. Again: make e2e ROWS='%s'", rows)
	}
	if len(r.leftOut) > 0 {
		r.t.Errorf("no time was left for: %s. Fix: make e2e ROWS='%s'", strings.Join(r.leftOut, "; "), r.pattern(r.leftOut))
	}
}
