//go:build linux

package programs

import (
	"context"
	"os"
	"regexp"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"hello-timber/emulator/setup/checkout"
	"hello-timber/emulator/setup/checkout/checkouttest"
	"hello-timber/emulator/setup/progress"
)

// Within a minute a first run reports how long it takes, within a factor of 1.5, and then
// never longer. The timeline is put together: CPU seconds of each program from one run of
// 29 November 2026, the times of the lists from another, and even progress in between.
func TestEstimateOfColdRun(t *testing.T) {
	programs := []struct {
		name         string
		work, listed int64 // in kilobytes, and after how many seconds
		seconds      int64 // of processor time
	}{
		{"network", 68_920, 40, 194}, {"emulator", 41_223, 64, 99}, {"program", 17_204, 70, 75},
		{"kubernetes", 62_620, 51, 186}, {"pulumi", 58_735, 72, 106}, {"provider", 14_847, 58, 62},
	}
	for name, tt := range map[string]struct {
		slower float64 // than the machine of the measurement
		shown  bool    // after a minute
		cached string  // is compiled already
	}{
		"that machine":    {1, true, ""},
		"a slow one":      {3, true, ""},
		"partly compiled": {1, false, "network"},
	} {
		t.Run(name, func(t *testing.T) {
			var steps []progress.Step
			queue := newQueue()
			previous := ""
			for _, r := range programs {
				p := &Program{name: r.name, cold: r.work * 1020}
				queue.programs = append(queue.programs, p)
				work, takes := r.work*1000-progress.LinkWork, time.Duration(float64(r.seconds)*tt.slower/1.85*float64(time.Second))
				if r.name == tt.cached {
					work, takes = 1000, 3*time.Second
				}
				steps = append(steps, progress.Step{Name: "get-" + r.name, Run: func(context.Context, checkout.Checkout, *progress.Report) error {
					time.Sleep(time.Duration(r.listed) * time.Second)
					queue.list(p, map[string]listed{r.name: {"", work}})
					return nil
				}}, progress.Step{Name: r.name, Needs: []string{previous}, Run: func(_ context.Context, _ checkout.Checkout, report *progress.Report) error {
					for p.packages.Load() == nil {
						time.Sleep(time.Second)
					}
					for past := time.Second; past < takes; past += time.Second {
						time.Sleep(990 * time.Millisecond) // never at the time of a line
						used := time.Duration(float64(past) * 0.85 * float64(runtime.GOMAXPROCS(0)))
						report.Compiled(int64(float64(work+progress.LinkWork)*float64(past)/float64(takes)), used)
					}
					return nil
				}})
				previous = r.name
			}
			queue.compile(queue.programs...)
			c := checkouttest.New(t)
			printed := checkouttest.Captured(t, &os.Stderr, func() (err error) {
				synctest.Test(t, func(t *testing.T) { err = progress.Run(t.Context(), c, queue.estimate, steps...) })
				return err
			})
			estimates, end := estimatesIn(t, printed)
			shown := map[bool]int{}
			least := time.Duration(0)
			for _, e := range estimates {
				shown[e.at <= time.Minute]++
				if total := float64(e.at + e.left); total > 1.5*float64(end) || total < float64(end)/1.5 {
					t.Errorf("after %s %s are left, but it took %s", e.at, e.left, end)
				}
				if least > 0 && e.left > least {
					t.Errorf("after %s %s are left, and %s were before", e.at, e.left, least)
				}
				least = e.left
			}
			if (shown[true] > 0) != tt.shown || shown[false] < 10 {
				t.Errorf("%d estimates in the first minute and %d later:\n%s", shown[true], shown[false], printed)
			}
		})
	}
}

// estimatesIn are what a build printed about all steps, and when it ended.
func estimatesIn(t *testing.T, printed string) (estimates []struct{ at, left time.Duration }, end time.Duration) {
	t.Helper()
	for _, found := range regexp.MustCompile(`(?m)^all +\d+ of \d+ steps done +(\w+)(?:, about (\w+) left)?$`).FindAllStringSubmatch(printed, -1) {
		at, err := time.ParseDuration(found[1])
		if err != nil {
			t.Fatal(err)
		}
		if left, err := time.ParseDuration(found[2]); err == nil {
			estimates = append(estimates, struct{ at, left time.Duration }{at, left})
		}
		end = at
	}
	return estimates, end
}
