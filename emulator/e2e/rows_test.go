//go:build e2e

package e2e

import (
	"context"
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

	"golang.org/x/sync/semaphore"
)

// testRow is a test: what happens to a service or to those who run it, and what must hold.
type testRow struct {
	name, holds string
	// needs says what the row finds; see the constants. Rows with the same name of a
	// stack of their own run one after the other, on the same stack.
	needs string
	// slots is how much of the machine the row takes, of as many as capacity; 0 is one.
	// Rows that count lost requests take more, because next to too much else a small
	// machine loses some by itself.
	slots int64
	// alone is for rows that change what all stacks share. They run at the end.
	alone bool
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

	// capacity is how many slots there are.
	capacity = 2
	// loaded is how many of them a row takes that counts lost requests.
	loaded = 2
)

// parts are the tests, by the command that runs them: `make test` the first, `make e2e` the rest.
var parts = map[string][]testRow{
	"first": {
		{"the tutorial", "every command shows what the document says; no request fails; previews are empty", ofTutorial, loaded, false, tutorial},
		{"an image that does not exist", "old pods serve; up fails and reports why; the next one recovers", onShared, 0, false, imageMissing},
		{"Deployment and Service edited manually", "preview lists it, up restores it, a second up changes nothing", onShared, 0, false, edited},
		{"the tutorial's end", "destroy leaves nothing", ofTutorial, 0, true, tutorialEnds},
	},
	"rest": {
		{"a change from a pull request to prod, and back", "one image; changes and drift are reported; nothing that was not approved", nothing, 0, false, pipeline},
		{"up interrupted (SIGINT) while the cluster is made", "the next up converges; nothing orphaned or made twice", ownLife, 0, false, upInterrupted(making, besideCluster)},
		{"node pool resized 3 → 4 → 3", "no request fails, the disruption budget is respected", ownNodes, loaded, false, poolResized},
		{"an update whose pods crash at start", "old pods serve; up fails and reports why; the next one recovers", onShared, 0, false, podsCrash},
		{"a deployment whose pods never get ready", "no request fails; it undoes itself, and reports why", onShared, loaded, false, podsNeverReady},
		{"a deployment that answers with errors", "it undoes itself, also if it was killed meanwhile, but not with other changes", onShared, 0, false, versionIsWrong},
		{"the number of pods follows the load", "no request fails; what the autoscaler does is neither a change nor drift", onShared, 0, false, autoscaling},
		{"a project made of the template, with other services", "they run as they are, with their config", nothing, 0, false, projectOfOnesOwn},
		{"another cluster and registry", "what is wrong is refused; the service moves with the context", onShared, 0, false, adopted},
		{"a domain on an existing cluster", "refused without its class; https with the Secret's certificate, http leads there; taken back, nothing is left", onShared, 0, false, ofClass},

		{"an API switched off manually", "preview lists it, up restores it, a second up changes nothing", ownLife, 0, false, apiSwitchedOff},
		{"images removed manually", "the documented way back", ownLife, 0, false, imageRemoved},
		{"the cluster moved to another zone", "the documented way; nothing of the old one is left", ownLife, 0, false, clusterMoved},
		{"destroy interrupted", "ends when repeated; nothing is left", ownLife, 0, false, destroyInterrupted},
		{"up killed (SIGKILL) while the cluster is made", "cancelled, the next up converges; nothing orphaned or made twice", ownLife, 0, false, upKilled(making, besideCluster)},
		{"destroyed with its cluster gone", "names the blocker; the documented way ends it; nothing is left", ownLife, 0, false, destroyedWithoutCluster},

		{"every node replaced", "no request fails, the disruption budget is respected", ownNodes, loaded, false, nodesRenewed},
		{"a node removed manually", "preview lists it, up restores it, a second up changes nothing", ownNodes, 0, false, nodeRemoved},
		{"a node drained", "no request fails, the disruption budget is respected", ownNodes, loaded, false, nodeDrained},
		{"a kubelet hangs", "no request fails; full strength again without it", ownNodes, loaded, false, kubeletHangs},
		{"a node stopped dead", "the service keeps answering; full strength again without it", ownNodes, loaded, false, nodeDead},

		{"a domain, another one, and none", "https with the domain's certificate, http leads there; each ends with an empty preview and leaves nothing", ownDomain, 0, false, domains},
		{"v1 → v2 → v1 on one pod with a domain, five times", "no request fails", ownDomain, loaded, false, httpsRollouts},

		{"v1 → v2 → v1 on three pods, five times", "no request fails", onShared, loaded, false, rollouts},
		{"scaled 1 → 3 → 1", "no request fails", onShared, loaded, false, scaling},
		{"a pod killed (SIGKILL)", "at most what was sent to it fails; full strength again", onShared, loaded, false, podKilled},
		{"a container crashed", "at most what was sent to it fails; full strength again", onShared, loaded, false, containerCrashed},
		{"a pod deleted, three times", "no request fails; full strength again", onShared, loaded, false, podDeleted},
		{"SIGTERM with a request in flight; a second one", "it is answered; the process ends at once", onShared, 0, false, signals},
		{"hostile HTTP", "no request of others fails", onShared, loaded, false, hostileHTTP},
		{"what pods reach", "names, and nothing that the policies forbid", onShared, 0, false, network},
		{"rolled back by its digest", "nothing is built; no request fails; the build after it is the same image", onShared, loaded, false, rolledBack},
		{"two updates at once", "one proceeds, the other names it", onShared, 0, false, twoUpdates},
		{"state lost", "clear refusal; the documented way back", onShared, 0, false, stateLost},
		{"state truncated", "clear refusal; the documented way back", onShared, 0, false, stateTruncated},
		{"state from before a change", "the documented way back", onShared, 0, false, stateOutdated},
		{"Deployment and Service deleted manually", "preview lists it, up restores it, a second up changes nothing", onShared, 0, false, deleted},
		{"up interrupted while the image is built", "the next up converges; nothing orphaned or made twice", onShared, 0, false, upInterrupted(updating, image)},
		{"up killed while the image is built", "cancelled, the next up converges; nothing orphaned or made twice", onShared, 0, false, upKilled(updating, image)},
		{"up interrupted while pods are replaced", "the next up converges; nothing orphaned or made twice", onShared, 0, false, upInterrupted(updating, deployment)},
		{"up killed while pods are replaced", "cancelled, the next up converges; nothing orphaned or made twice", onShared, 0, false, upKilled(updating, deployment)},

		{"project missing, API off", "one clear line, nothing is made", nothing, 0, false, projectMissing},
		{"gke-gcloud-auth-plugin missing, Docker not running", "one clear line, nothing is made", nothing, 0, false, toolsMissing},
		{"make doctor", "what a stack lacks is found, and the printed commands fix it", nothing, 0, false, doctor},
		{"a state that names a foreign plugin", "the pipelines neither download nor start it", nothing, 0, false, foreignPlugin},
		{"attacks on the service", "it answers every client, within the memory of a pod", nothing, loaded, false, attacks},

		{"registry unreachable while pods restart", "running pods serve; recovery without intervention", ownNodes, 0, true, registryUnreachable},
		{"all containers restarted, as by Docker's restart", "recovery without intervention", ownNodes, 0, true, containersRestarted},
		{"credentials missing, expired", "one clear line, nothing is made", nothing, 0, true, credentialsMissing},
	},
}

// TestRows runs a part: go test -run TestRows/first. A longer pattern chooses rows of
// it: TestRows/rest/drained.
func TestRows(t *testing.T) {
	if err := os.Remove(failedRows()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	for part, rows := range parts {
		t.Run(part, func(t *testing.T) {
			(&runner{t: t, rows: rows, slots: semaphore.NewWeighted(capacity), stacks: map[string]*stack{}}).all()
		})
	}
}

// failedRows is the file with the pattern of the rows that failed, for .ci/run.
func failedRows() string { return filepath.Join(root(), ".emulator", "failed") }

// runner runs the rows of a part.
type runner struct {
	t     *testing.T
	rows  []testRow
	slots *semaphore.Weighted

	mutex           sync.Mutex
	ran             int
	broken, leftOut []string
	stacks          map[string]*stack

	sharing sync.Mutex
	common  *stack
	failed  bool // to make it
}

// reserve is how long a row may take at most. With less than that until the limit of
// the whole run, no other row begins.
const reserve = 8 * time.Minute

func (r *runner) all() {
	var lanes [][]testRow // rows of a lane run one after the other
	lane := map[string]int{}
	for i, row := range r.rows {
		row.slots = max(1, row.slots)
		r.rows[i] = row
		own := row.needs != nothing && row.needs != onShared
		if at, known := lane[row.needs]; row.alone {
			continue
		} else if own && known {
			lanes[at] = append(lanes[at], row)
			continue
		}
		if own {
			lane[row.needs] = len(lanes)
		}
		lanes = append(lanes, []testRow{row})
	}
	var running sync.WaitGroup
	for _, rows := range lanes {
		r.acquire(rows[0]) // so that they begin in the table's order
		running.Go(func() {
			for i, row := range rows {
				if i > 0 {
					r.acquire(row)
				}
				r.one(row)
				r.slots.Release(row.slots)
			}
		})
	}
	running.Wait()
	for _, row := range r.rows {
		if row.alone {
			r.acquire(row)
			r.one(row)
			r.slots.Release(row.slots)
		}
	}
	r.report()
}

func (r *runner) acquire(row testRow) {
	_ = r.slots.Acquire(context.Background(), row.slots) // it has no end
}

// one runs a row, if -run chooses it and there is time.
func (r *runner) one(row testRow) {
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
		s.measured = nil
		s.idle = func(do func()) {
			r.slots.Release(row.slots)
			defer r.acquire(row)
			do()
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
	if r.ran++; !ok {
		r.broken = append(r.broken, row.name)
		verdict = "FAILED "
	}
	fmt.Printf("%s| %s | %s | %s |\n", verdict, row.name, row.holds, strings.Join(measured, ", "))
}

// stackFor is the stack that a row needs. One of its own lasts until the last row.
func (r *runner) stackFor(t *testing.T, row testRow) *stack {
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
	} else if r.ran == len(r.rows) && !r.t.Failed() {
		for _, heading := range notFollowed() {
			r.t.Errorf("docs/operations.md: no row runs the commands under %q", heading)
		}
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
