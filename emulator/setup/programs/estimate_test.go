//go:build linux

package programs

import (
	"context"
	"os"
	"regexp"
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

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
				p.work.Store(progress.Unlisted)
				packages := map[string]listed{r.name: {"", r.work*1000 - progress.LinkWork}}
				if r.name == tt.cached {
					packages[r.name] = listed{"", 1000}
				}
				steps = append(steps, progress.Step{Name: "get-" + r.name, Run: func(context.Context, *progress.Report) error {
					queue.fetch(p)
					time.Sleep(time.Duration(r.listed) * time.Second)
					queue.list(p, packages)
					return nil
				}})
				takes := time.Duration(float64(r.seconds) * tt.slower / 1.85 * float64(time.Second))
				if r.name == tt.cached {
					takes = 3 * time.Second
				}
				steps = append(steps, progress.Step{Name: r.name, Needs: []string{previous}, Work: &p.work, Run: func(ctx context.Context, report *progress.Report) error {
					for p.packages.Load() == nil {
						time.Sleep(time.Second)
					}
					return compiles(&p.work, takes)(ctx, report)
				}})
				previous = r.name
			}
			c := checkouttest.New(t)
			printed := checkouttest.Captured(t, &os.Stdout, func() (err error) {
				synctest.Test(t, func(t *testing.T) { err = progress.RunSteps(t.Context(), c, steps) })
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

// compiles is a step that compiles with all processors, at the same speed.
func compiles(work *atomic.Int64, takes time.Duration) func(context.Context, *progress.Report) error {
	return func(_ context.Context, p *progress.Report) error {
		for done := time.Second; done < takes; done += time.Second {
			time.Sleep(990 * time.Millisecond)
			total := work.Load()
			used := time.Duration(float64(done) * 0.85 * float64(runtime.GOMAXPROCS(0)))
			p.Compiles(int64(float64(total)*float64(done)/float64(takes)), total, used, "compiling")
		}
		return nil
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
