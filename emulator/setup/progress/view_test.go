//go:build linux

package progress

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/creack/pty"
	"github.com/hinshun/vt10x"

	"hello-timber/emulator/setup/checkout/checkouttest"
)

// screen is a terminal of some size that notes what it shows at a time.
type screen struct {
	vt10x.Terminal
	columns, rows int
}

func newScreen(columns, rows int) *screen {
	return &screen{vt10x.New(vt10x.WithSize(columns, rows)), columns, rows}
}

func (w writer) Write(text []byte) (int, error) { return w(text) }

// Write is what the terminal's device does: a new line begins in the first column.
func (s *screen) Write(text []byte) (int, error) {
	_, err := s.Terminal.Write(bytes.ReplaceAll(text, []byte("\n"), []byte("\r\n")))
	return len(text), err
}

// shows is what is on the screen, without what is empty.
func (s *screen) shows() string {
	var lines []string
	for line := range strings.Lines(s.String()) {
		lines = append(lines, strings.TrimRight(line, " \n\x00"))
	}
	return strings.TrimRight(strings.Join(lines, "\n"), "\n")
}

// during starts steps with a fake clock, on a screen or, if that is nil, elsewhere. At
// each of some times it calls look.
func during(t *testing.T, s *screen, steps []Step, last map[string]runTime, look map[time.Duration]func()) (plain string, err error) {
	t.Helper()
	c := checkouttest.New(t)
	checkouttest.Write(t, c.Home("took", "none"), "")
	for name, r := range last {
		r.write(c.Home("took", name))
	}
	var all []*Report
	for _, s := range steps {
		all = append(all, New(c, s))
	}
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		v := &view{out: &out, began: time.Now(), steps: all}
		if s != nil {
			v.out, v.size = s, func() (int, int) { return s.columns, s.rows }
		}
		for at, look := range look {
			go func() {
				time.Sleep(at)
				look()
			}()
		}
		err = showSteps(t.Context(), c, all, v)
		plain = out.String()
	})
	return plain, err
}

// sleeps is a step that says something and takes a while.
func sleeps(says string, takes time.Duration) func(context.Context, *Report) error {
	return func(ctx context.Context, p *Report) error {
		p.Say(says)
		select {
		case <-time.After(takes):
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// counts is a step that counts to 100 in as many steps as it takes seconds.
func counts(takes time.Duration) func(context.Context, *Report) error {
	return func(_ context.Context, p *Report) error {
		for done := time.Duration(0); done <= takes; done += time.Second {
			p.Counted(int64(done*100/takes), 100, fmt.Sprintf("downloaded %d %% of 90 MB", done*100/takes))
			time.Sleep(990 * time.Millisecond) // never at the time of a tick
		}
		return nil
	}
}

// threeSteps has one that counts, one that took some time before, and one that needs both.
func threeSteps() ([]Step, map[string]runTime) {
	return []Step{
		{Name: "get-kubernetes", Run: counts(40 * time.Second)},
		{Name: "debian", Run: sleeps("no registry: bootstrapping: Unpacking libc6", 20300*time.Millisecond)},
		{Name: "node", Needs: []string{"get-kubernetes", "debian"}, Run: sleeps("building", 30*time.Second)},
		{Name: "links", Needs: []string{"node"}, Quick: true, Run: sleeps("", 0)},
	}, map[string]runTime{"debian": {took: 25 * time.Second}, "node": {took: 30 * time.Second}}
}

// wanted fails if a text is not as expected, without the first newline.
func wanted(t *testing.T, what, got, want string) {
	t.Helper()
	if want = strings.Trim(want, "\n"); strings.Trim(got, "\n") != want {
		t.Errorf("%s:\n%s\nwant:\n%s", what, got, want)
	}
}

func TestPlainLines(t *testing.T) {
	steps, last := threeSteps()
	got, err := during(t, nil, steps, last, nil)
	if err != nil {
		t.Fatal(err)
	}
	wanted(t, "printed", got, `
get-kubernetes downloaded 20 % of 90 MB                                      8s, about 32s left
debian         no registry: bootstrapping: Unpacking libc6                   8s, about 17s left
all            0 of 4 steps done                                             8s, about 1m2s left
get-kubernetes downloaded 40 % of 90 MB                                      16s, about 24s left
debian         no registry: bootstrapping: Unpacking libc6                   16s, about 9s left
all            0 of 4 steps done                                             16s, about 54s left
debian         done                                                          20s
get-kubernetes downloaded 60 % of 90 MB                                      24s, about 16s left
all            1 of 4 steps done                                             24s, about 46s left
get-kubernetes downloaded 80 % of 90 MB                                      32s, about 8s left
all            1 of 4 steps done                                             32s, about 38s left
get-kubernetes downloaded 100 % of 90 MB                                     40s
all            1 of 4 steps done                                             40s, about 30s left
get-kubernetes done                                                          41s
node           building                                                      7s, about 23s left
all            2 of 4 steps done                                             48s, about 23s left
node           building                                                      15s, about 15s left
all            2 of 4 steps done                                             56s, about 15s left
node           building                                                      23s, about 7s left
all            2 of 4 steps done                                             1m4s, about 7s left
node           done                                                          30s
all            4 of 4 steps done                                             1m11s
`)
}

func TestScreen(t *testing.T) {
	for name, tt := range map[string]struct {
		columns, rows int
		at            map[time.Duration]string
		end           string
	}{
		"usual": {100, 12, map[time.Duration]string{
			800 * time.Millisecond: "",
			10_200 * time.Millisecond: `
get-kubernetes [###---------] downloaded 25 % of 90 MB               10s, about 30s left
debian                        no registry: bootstrapping: Unpacking… 10s, about 15s left
all                           0 of 4 steps done                      10s, about 1m0s left
`,
			60_200 * time.Millisecond: `
debian                        done                                   20s
get-kubernetes                done                                   41s
node                          building                               19s, about 11s left
all                           2 of 4 steps done                      1m0s, about 11s left
`,
		}, `
debian                        done                                   20s
get-kubernetes                done                                   41s
node                          done                                   30s
all                           4 of 4 steps done                      1m11s
`},
		"narrow": {50, 12, map[time.Duration]string{
			10_200 * time.Millisecond: `
get-kubernetes downloaded 25 % of … 10s, about 3…
debian         no registry: bootst… 10s, about 1…
all            0 of 4 steps done    10s, about 1…
`,
		}, `
debian         done                 20s
get-kubernetes done                 41s
node           done                 30s
all            4 of 4 steps done    1m11s
`},
		"low": {100, 3, map[time.Duration]string{
			10_200 * time.Millisecond: `
debian                        no registry: bootstrapping: Unpacking… 10s, about 15s left
all                           0 of 4 steps done                      10s, about 1m0s left
`,
		}, `
node                          done                                   30s
all                           4 of 4 steps done                      1m11s
`},
	} {
		t.Run(name, func(t *testing.T) {
			steps, last := threeSteps()
			s := newScreen(tt.columns, tt.rows)
			look := map[time.Duration]func(){}
			for at, want := range tt.at {
				look[at] = func() { wanted(t, at.String(), s.shows(), want) }
			}
			if _, err := during(t, s, steps, last, look); err != nil {
				t.Fatal(err)
			}
			wanted(t, "the end", s.shows(), tt.end)
		})
	}
}

// A terminal that becomes narrower has wrapped the block, which is deleted all the same.
func TestNarrowerTerminal(t *testing.T) {
	s := newScreen(100, 12)
	fmt.Fprint(s, "$ make up\n")
	steps := []Step{{Name: "debian", Run: sleeps("bootstrapping", 20300*time.Millisecond)}, {Name: "golang", Run: sleeps("building", 20300*time.Millisecond)}}
	if _, err := during(t, s, steps, nil, map[time.Duration]func(){10_200 * time.Millisecond: func() {
		// The screen of the test does not wrap again, as some terminals do.
		*s = *newScreen(50, 12)
		fmt.Fprint(s, "$ make up\n")
		fmt.Fprint(s, "wrapped, first\nwrapped, second\nwrapped, first\nwrapped, second\nwrapped, first\nwrapped, second\n")
	}, 12_200 * time.Millisecond: func() {
		wanted(t, "after two seconds", s.shows(), `
$ make up
debian         bootstrapping        12s
golang         building             12s
all            0 of 2 steps done    12s
`)
	}}); err != nil {
		t.Fatal(err)
	}
}

// What a failed or interrupted run leaves is what was on the screen before, and the
// lines of steps that are done.
func TestScreenAfterFailure(t *testing.T) {
	broken := errors.New("the registry is broken")
	for name, ends := range map[string]func(context.Context, *Report) error{
		"failed": func(context.Context, *Report) error {
			time.Sleep(9300 * time.Millisecond)
			return broken
		},
		"interrupted": func(ctx context.Context, p *Report) error {
			time.Sleep(9300 * time.Millisecond)
			return context.Canceled
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newScreen(100, 12)
			fmt.Fprint(s, "$ make up\n")
			_, err := during(t, s, []Step{
				{Name: "get-pulumi", Run: sleeps("downloading", 2300*time.Millisecond)},
				{Name: "kubernetes", Run: sleeps("compiling", time.Hour)},
				{Name: "node", Run: ends},
				{Name: "links", Needs: []string{"node"}, Run: sleeps("linking", time.Hour)},
			}, nil, map[time.Duration]func(){9 * time.Second: func() {
				if got := s.shows(); !strings.Contains(got, "compiling") || !strings.Contains(got, "1 of 4 steps done") {
					t.Errorf("before:\n%s", got)
				}
			}})
			if err == nil || !strings.HasPrefix(err.Error(), "node: ") {
				t.Errorf("the error is %v, want that of the step node", err)
			}
			fmt.Fprintln(s, err)
			wanted(t, "the screen", s.shows(), "$ make up\nget-pulumi                    done                                   2s\n"+err.Error())
			if !s.CursorVisible() {
				t.Error("the cursor is hidden")
			}
		})
	}
}

// A step that says nothing is shown all the same.
func TestNeverSilent(t *testing.T) {
	c := checkouttest.New(t)
	all := []*Report{New(c, Step{Name: "silent", Run: func(context.Context, *Report) error {
		time.Sleep(time.Minute)
		return nil
	}})}
	synctest.Test(t, func(t *testing.T) {
		latest := time.Now()
		out := writer(func(text []byte) (int, error) {
			if silent := time.Since(latest); silent >= 10*time.Second {
				t.Errorf("nothing was printed for %s before %q", silent, text)
			}
			latest = time.Now()
			return len(text), nil
		})
		if err := showSteps(t.Context(), c, all, &view{out: out, began: time.Now(), steps: all}); err != nil {
			t.Error(err)
		}
		if silent := time.Since(latest); silent >= 10*time.Second {
			t.Errorf("nothing was printed for %s at the end", silent)
		}
	})
}

type writer func([]byte) (int, error)

// compiles is a step that compiles with all processors, at the same speed.
func compiles(work *atomic.Int64, takes time.Duration) func(context.Context, *Report) error {
	return func(_ context.Context, p *Report) error {
		for done := time.Second; done < takes; done += time.Second {
			time.Sleep(990 * time.Millisecond)
			total := work.Load()
			used := time.Duration(float64(done) * busy * float64(runtime.GOMAXPROCS(0)))
			p.Compiles(int64(float64(total)*float64(done)/float64(takes)), total, used, "compiling")
		}
		return nil
	}
}

// A first run has no times of earlier ones. What is compiled first says how long the
// rest takes.
func TestEstimateOfFirstRun(t *testing.T) {
	var first, second atomic.Int64
	first.Store(41_000_000)
	second.Store(100_000_000)
	for name, tt := range map[string]struct {
		last map[string]runTime
		want string
	}{
		"nothing is known before":                 {nil, "all            0 of 3 steps done                                             16s, about 2m10s left"},
		"other runs had about as much to do":      {map[string]runTime{"second": {took: time.Minute, work: 90_000_000}}, "about 1m25s left"},
		"other runs had much less to do":          {map[string]runTime{"second": {took: time.Minute, work: 5_000_000}}, "about 2m10s left"},
		"a download failed that always succeeded": {map[string]runTime{"third": {took: time.Hour}}, "about 2m10s left"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := during(t, nil, []Step{
				{Name: "first", Run: compiles(&first, 41*time.Second), Work: &first},
				{Name: "second", Needs: []string{"first"}, Run: compiles(&second, 100*time.Second), Work: &second},
				{Name: "third", Needs: []string{"second"}, Quick: true, Run: sleeps("", 0)},
			}, tt.last, nil)
			if err != nil {
				t.Fatal(err)
			}
			if lines := strings.Split(got, "\n"); !strings.HasSuffix(lines[3], tt.want) {
				t.Errorf("the second line about all is %q, want %q", lines[3], tt.want)
			}
		})
	}
}

// Lines are drawn again only in a terminal that can.
func TestIsTerminal(t *testing.T) {
	user, device, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer user.Close()
	defer device.Close()
	if err := pty.Setsize(user, &pty.Winsize{Cols: 90, Rows: 30}); err != nil {
		t.Fatal(err)
	}
	if columns, rows := terminalSize(device); columns != 90 || rows != 30 {
		t.Errorf("the terminal has %d columns and %d rows, want 90 and 30", columns, rows)
	}
	file, err := os.Create(filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for _, tt := range []struct {
		file     *os.File
		term, ci string
		want     bool
	}{
		{device, "xterm", "", true},
		{device, "dumb", "", false},
		{device, "", "", false},
		{device, "xterm", "true", false},
		{file, "xterm", "", false},
	} {
		if got := isTerminal(tt.file, func(name string) string { return map[string]string{"TERM": tt.term, "CI": tt.ci}[name] }); got != tt.want {
			t.Errorf("%s with TERM %q and CI %q: got %v", tt.file.Name(), tt.term, tt.ci, got)
		}
	}
}

// What commands print neither moves the cursor nor is wider than it looks.
func TestPrintable(t *testing.T) {
	if got, want := printable("50%\r\x1b[2Jé 表…"), "50%  [2Jé ?…"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// What one run writes, the next one reads, also from a version that wrote no packages.
func TestLastRun(t *testing.T) {
	path := filepath.Join(t.TempDir(), "step")
	want := runTime{90 * time.Second, 12, 3 * time.Minute}
	want.write(path)
	if got := lastRun(path); got != want {
		t.Errorf("got %v, want %v", got, want)
	}
	for text, want := range map[string]runTime{"1m30s": {took: 90 * time.Second}, "": {}, "no time\n5": {}} {
		checkouttest.Write(t, path, text)
		if got := lastRun(path); got != want {
			t.Errorf("%q: got %v, want %v", text, got, want)
		}
	}
}
