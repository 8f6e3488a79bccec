package e2e

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"
)

// outcome is how a test ended.
type outcome struct {
	name   string
	took   time.Duration
	failed bool
}

// outcomes are those of the tests, by their names.
var outcomes sync.Map

// clocked notes how a test ends, and how long after its first call.
func clocked(t *testing.T) {
	if _, known := outcomes.LoadOrStore(t.Name(), outcome{name: t.Name()}); known {
		return
	}
	began := time.Now()
	t.Cleanup(func() { outcomes.Store(t.Name(), outcome{t.Name(), time.Since(began), t.Failed()}) })
}

// TestMain checks that all tests together leave nothing of the emulator on this
// machine, also of what several stacks share: the network and the registry.
func TestMain(m *testing.M) {
	if !withEmulator() {
		os.Exit(m.Run()) // of what needs no emulator
	}
	label := "hello-timber.emulator=" + filepath.Join(root(), ".emulator")
	before, err := inDocker(label)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	began := time.Now()
	code := m.Run()
	fmt.Println("where the time went:")
	var all []outcome
	outcomes.Range(func(_, o any) bool {
		all = append(all, o.(outcome))
		return true
	})
	slices.SortFunc(all, func(a, b outcome) int { return cmp.Compare(b.took, a.took) })
	for _, o := range all {
		note := ""
		if o.failed {
			note = "  failed"
		}
		fmt.Printf("%6.0f s  %s%s\n", o.took.Seconds(), o.name, note)
	}
	fmt.Printf("%6.0f s  all; some of them run at the same time\n", time.Since(began).Seconds())
	after, err := inDocker(label)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	for _, thing := range after {
		if !slices.Contains(before, thing) {
			fmt.Fprintln(os.Stderr, "left behind:", thing)
			code = 1
		}
	}
	os.Exit(code)
}
