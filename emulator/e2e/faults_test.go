package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// fault is what happens to a service or to those who run it, and what must hold.
// `make test` runs a short version of each, `make faults` the long one.
type fault struct {
	fault, holds string
	run          func(t *testing.T, l *lab)
}

// faults run alone: they count lost requests, or change what all stacks share.
var faults = []fault{
	{"v1 → v2 → v1 on three pods", "no request fails", rollouts},
	{"scaled 1 → 3 → 1", "no request fails", scaling},
	{"a node drained", "no request fails, the disruption budget is respected", nodeDrained},
	{"node pool resized 3 → 4 → 3", "no request fails, the disruption budget is respected", poolResized},
	{"every node replaced", "no request fails, the disruption budget is respected", nodesRenewed},
	{"a pod killed (SIGKILL)", "at most what was sent to it fails; full strength again", podKilled},
	{"a container crashed", "at most what was sent to it fails; full strength again", containerCrashed},
	{"a pod deleted", "no request fails; full strength again", podDeleted},
	{"a node stopped dead", "the service keeps answering; full strength again without it", nodeDead},
	{"a kubelet hangs", "no request fails; full strength again without it", kubeletHangs},
	{"SIGTERM with a request in flight; a second one", "it is answered; the process ends at once", signals},
	{"hostile HTTP", "no request of others fails; memory stays under the limit", hostileHTTP},
	{"5,000 clients that keep their connections to one pod", "no request fails; memory stays under the limit", manyClients},
	{"registry unreachable while pods restart", "running pods serve; recovery without intervention", registryUnreachable},
	{"Docker engine restarted", "recovery without intervention", engineRestarted},
	{"credentials missing, expired", "one clear line, nothing is made", credentialsMissing},
}

// imageFaults wait for minutes each, without work for the machine.
var imageFaults = []fault{
	{"an image that does not exist", "old pods serve; up fails and reports why; the next one recovers", imageMissing},
	{"an image that crashes at start", "old pods serve; up fails and reports why; the next one recovers", imageCrashes},
	{"an image that never gets ready", "old pods serve; up fails and reports why; the next one recovers", imageNeverReady},
}

// parallelFaults run next to other tests.
var parallelFaults = []fault{
	{"two updates at once", "one proceeds, the other names it", twoUpdates},
	{"state lost", "clear refusal; the documented way back", stateLost},
	{"state truncated", "clear refusal; the documented way back", stateTruncated},
	{"state from before a change", "the documented way back", stateOutdated},
	{"Deployment and Service edited manually", "preview lists it, up restores it, a second up changes nothing", edited},
	{"Deployment and Service deleted manually", "preview lists it, up restores it, a second up changes nothing", deleted},
	{"a node removed manually", "preview lists it, up restores it, a second up changes nothing", nodeRemoved},
	{"images removed manually", "the documented way back", imageRemoved},
	{"an API switched off manually", "preview lists it, up restores it, a second up changes nothing", apiSwitchedOff},
	{"the cluster moved to another zone", "the documented way; nothing of the old one is left", clusterMoved},
	{"destroyed with its cluster gone", "names the blocker; the documented way ends it; nothing is left", destroyedWithoutCluster},
	{"up interrupted (SIGINT) while the cluster is made", "the next up converges; nothing orphaned or made twice", upInterrupted(making, besideCluster)},
	{"up killed (SIGKILL) while the cluster is made", "cancelled, the next up converges; nothing orphaned or made twice", upKilled(making, besideCluster)},
	{"up interrupted while the image is built", "the next up converges; nothing orphaned or made twice", upInterrupted(updating, image)},
	{"up killed while the image is built", "cancelled, the next up converges; nothing orphaned or made twice", upKilled(updating, image)},
	{"up interrupted while pods are replaced", "the next up converges; nothing orphaned or made twice", upInterrupted(updating, deployment)},
	{"up killed while pods are replaced", "cancelled, the next up converges; nothing orphaned or made twice", upKilled(updating, deployment)},
	{"destroy of a protected stack", "names the blocker, deletes nothing", destroyedProtected},
	{"destroy interrupted", "ends when repeated; nothing is left", destroyInterrupted},
	{"project missing, API off", "one clear line, nothing is made", projectMissing},
	{"gke-gcloud-auth-plugin missing, Docker not running", "one clear line, nothing is made", toolsMissing},
	{"fuzzed stack configs", "accepted or refused together; never a panic or half a stack", fuzzedConfigs},
}

// followed is what TestFaults ran of docs/operations.md, if it ran all its rows.
var followed *manual

func TestFaults(t *testing.T) {
	l := &lab{stack: newStack(t, "e2e-faults"), manual: readManual(t)}
	if runFaults(t, l, faults) {
		followed = l.manual
	}
}

func TestImageFaults(t *testing.T) {
	t.Parallel()
	runFaults(t, &lab{stack: newStack(t, "e2e-images")}, imageFaults)
}

func TestParallelFaults(t *testing.T) {
	t.Parallel()
	l := &lab{stack: newStack(t, "e2e-parallel"), manual: readManual(t)}
	if !runFaults(t, l, parallelFaults) || followed == nil || t.Failed() {
		return
	}
	for _, heading := range l.manual.unused() {
		if !followed.used[heading] {
			t.Errorf("docs/operations.md: no row runs the commands under %q", heading)
		}
	}
}

// runFaults runs the rows that -run chooses, prints them as a table, and reports
// whether that was all of them.
func runFaults(t *testing.T, l *lab, rows []fault) (all bool) {
	table := []string{"", "| | fault | must hold | measured |", "|---|---|---|---|"}
	all = true
	for _, row := range rows {
		l.measured = nil
		verdict := "ok"
		ran := false
		if !t.Run(row.fault, func(t *testing.T) { ran = true; row.run(t, l) }) {
			verdict = "FAILED"
		}
		if all = all && ran; ran {
			table = append(table, fmt.Sprintf("| %s | %s | %s | %s |", verdict, row.fault, row.holds, strings.Join(l.measured, ", ")))
		}
	}
	fmt.Println(strings.Join(append(table, ""), "\n"))
	return all
}

// times is how often a row does what it does: once, or long without -short.
func times(long int) int {
	if testing.Short() {
		return 1
	}
	return long
}

// since is a time for the table.
func since(began time.Time) string { return fmt.Sprintf("%.0f s", time.Since(began).Seconds()) }
