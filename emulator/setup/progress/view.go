//go:build linux

package progress

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"
	"unicode"
)

// view prints lines about the steps: one for each that has something new to say, one for
// all of them, and one when a step is done. There is nothing to draw again, so a terminal
// and a pipeline's log show the same.
type view struct {
	steps []*Report
	began time.Time

	// said is the time left that was printed last, when there was so much work in all.
	said, work time.Duration
	// seen is the work that the line before counted, and recent that of the last minutes.
	seen, recent pace

	mutex sync.Mutex
	out   io.Writer
}

// pace is work, and how long it took.
type pace struct{ work, took time.Duration }

const (
	// Nothing is silent for ten seconds, also where a line takes a moment to arrive.
	interval = 8 * time.Second
	// brief is what takes less and is not mentioned.
	brief = time.Second
)

func (v *view) print(line string) {
	v.mutex.Lock()
	defer v.mutex.Unlock()
	fmt.Fprintln(v.out, line)
}

// row prints the parts of a line below those of other lines. What commands print may move
// the cursor.
func (v *view) row(name, status, times string) {
	status = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, status)
	if runes := []rune(status); len(runes) > 61 {
		status = string(runes[:60]) + "…"
	}
	v.print(fmt.Sprintf("%-14s %-61s %s", name, status, times))
}

// show prints what runs now.
func (v *view) show() {
	for _, p := range v.steps {
		p.mutex.Lock()
		if p.running && (p.status != p.shown || len(v.steps) == 1) {
			p.shown = p.status
			v.row(p.step.Name, p.status, since(p.started))
		}
		p.mutex.Unlock()
	}
	v.showAll()
}

func (v *view) showAll() {
	if len(v.steps) == 1 {
		return
	}
	done, left := v.totals()
	times := since(v.began)
	if left > 0 {
		unit := time.Second
		if left > 2*time.Minute {
			unit = 10 * time.Second
		}
		times += fmt.Sprintf(", about %s left to compile", max(left.Round(unit), unit))
	}
	v.row("all", fmt.Sprintf("%d of %d steps done", done, len(v.steps)), times)
}

// totals counts the steps that are done, and how long the work of the others still takes at
// this machine's speed. A fortieth of all work says what that is.
func (v *view) totals() (done int, left time.Duration) {
	var all time.Duration
	var now pace
	for _, p := range v.steps {
		p.mutex.Lock()
		all, now = all+p.work, pace{now.work + p.counted, now.took + p.took}
		if p.isDone {
			done++
		} else {
			left += p.work - p.counted
		}
		p.mutex.Unlock()
	}
	// Other programs may begin to use this machine, or end, so what was long ago counts less.
	v.recent = pace{v.recent.work*9/10 + now.work - v.seen.work, v.recent.took*9/10 + now.took - v.seen.took}
	v.seen = now
	if now.work == 0 || now.work < all/40 {
		return done, 0
	}
	// Packages differ, so a guess that is only a little higher than the one before is not printed.
	left = time.Duration(float64(left) * float64(v.recent.took) / float64(v.recent.work))
	if v.work != all || left < v.said || left > v.said*5/4 {
		v.said, v.work = left, all
	}
	return done, v.said
}

// done prints that a step is done. A command's only step is mentioned only if it took long.
func (v *view) done(name string, took time.Duration) {
	if took >= interval || took >= brief && len(v.steps) > 1 {
		v.row(name, "done", took.Round(time.Second).String())
	}
}

// end prints how long all took. The error of a step is printed by others.
func (v *view) end(err error) {
	if err == nil && time.Since(v.began) >= interval {
		v.showAll()
	}
}

func since(began time.Time) string { return time.Since(began).Round(time.Second).String() }
