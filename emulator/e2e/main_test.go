package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"
)

// durations are how long each test took, by its name.
var durations sync.Map

// clocked notes how long a test takes, from its first call to the test's end.
func clocked(t *testing.T) {
	if _, known := durations.LoadOrStore(t.Name(), time.Duration(0)); known {
		return
	}
	began := time.Now()
	t.Cleanup(func() { durations.Store(t.Name(), time.Since(began)) })
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
	durations.Range(func(name, took any) bool {
		fmt.Printf("%6.0f s  %s\n", took.(time.Duration).Seconds(), name)
		return true
	})
	fmt.Printf("%6.0f s  all\n", time.Since(began).Seconds())
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
