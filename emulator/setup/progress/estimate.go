//go:build linux

package progress

import (
	"fmt"
	"os"
	"runtime"
	"time"
)

// estimate is how long something may still take, if that is known.
type estimate struct {
	time  time.Duration
	known bool
}

// Unlisted is the work of a program whose packages are not known yet.
const Unlisted = -1

// LinkWork is how many bytes of Go are compiled in the time that the linker takes: 10 CPU
// seconds, where a megabyte takes 3. Chosen manually: with it and what programs count for a
// package, the six programs together take 1.1 times the CPU time that was measured on
// 29 November 2026, and each takes up to 1.7 times its own.
const LinkWork = 3_000_000

// settling is how long a step counts before its speed says something.
const settling = 3 * time.Second

// busy is how much of the processors the compiler gets: of two, 1.85 in a build without
// images (0.93), and the images take some, too.
const busy = 0.85

// left is how long a running step may still take: what remains to be compiled, in perByte
// for each byte; or counted, at the speed until now; or of the time that it took the last time.
func (p *Report) left(now time.Time, perByte float64) estimate {
	if work := p.Work.Load(); work != 0 {
		return estimate{time.Duration(perByte * float64(work-p.compiled.done)), work > 0 && perByte > 0}
	}
	c := p.count
	if counting := now.Sub(c.began); c.total > c.done && c.done > c.first && counting >= settling {
		return estimate{time.Duration(float64(counting) / float64(c.done-c.first) * float64(c.total-c.done)), true}
	}
	if left := p.last.took - now.Sub(p.started); left > 0 {
		return estimate{left, true}
	}
	return estimate{}
}

// expected is how long a step may take that has not begun: as long as the last time if
// it had about as much to do then, or else what it compiles.
func (p *Report) expected(perByte float64) estimate {
	work := p.Work.Load()
	switch {
	case work == Unlisted:
		return estimate{}
	case p.Quick && work == 0:
		return estimate{0, true}
	case p.last.comparable(work):
		return estimate{p.last.took, true}
	}
	return estimate{time.Duration(perByte * float64(work)), work > 0 && perByte > 0}
}

// timeLeft is how long all steps may still take, and how much there is to compile. It is
// the longest chain of steps that need each other, and assumes that chains at the same
// time do not slow each other: programs, which take every processor, are one chain, and
// the rest waits for networks. It is unknown until that of each step that counts is known;
// what does not count, and runs for the first time, is shorter than the programs.
func timeLeft(steps []*Report, now time.Time) (all estimate, work int64) {
	speed := compilerSpeed(steps)
	left, byName := map[string]time.Duration{}, map[string]*Report{}
	all.known = true
	for _, p := range steps {
		byName[p.Name] = p
		p.mutex.Lock()
		e := estimate{0, true}
		switch p.phase {
		case waiting:
			e = p.expected(speed)
		case running:
			e = p.left(now, speed)
		}
		counts := p.Work.Load() != 0 || p.count.done < p.count.total
		p.mutex.Unlock()
		left[p.Name] = e.time
		work += p.Work.Load()
		all.known = all.known && (e.known || !counts)
	}
	var until func(name string) time.Duration
	until = func(name string) time.Duration {
		var begin time.Duration
		if p := byName[name]; p != nil {
			for _, need := range p.Needs {
				begin = max(begin, until(need))
			}
		}
		return begin + left[name]
	}
	for name := range byName {
		all.time = max(all.time, until(name))
	}
	all.known = all.known && all.time > 0
	return all, work
}

// compilerSpeed is how many nanoseconds the compilers take for a byte, by the processor
// time that they have used until now. Beside the downloads of a first run they get less of
// the processors than later.
func compilerSpeed(steps []*Report) float64 {
	var used time.Duration
	var done int64
	for _, p := range steps {
		p.mutex.Lock()
		used += p.compiled.used - p.compiled.before
		done += p.compiled.done - p.compiled.first
		p.mutex.Unlock()
	}
	if used < 2*settling || done < LinkWork/2 { // or the linker's time counts for much
		return 0
	}
	return float64(used) / float64(done) / float64(runtime.GOMAXPROCS(0)) / busy
}

// runTime is how long a step took, how much it had to do if that is known, and the
// processor time of its commands.
type runTime struct {
	took time.Duration
	work int64
	cpu  time.Duration
}

// comparable reports whether a step with so much to do takes as long as this run.
func (r runTime) comparable(work int64) bool {
	return r.took > 0 && (r.work == 0 || work == 0 || r.work <= 2*work && work <= 2*r.work)
}

// write keeps a run for the next one and for docs/benchmarks.md. A missing figure is no reason
// to fail.
func (r runTime) write(path string) {
	_ = os.WriteFile(path, fmt.Appendf(nil, "%s\n%d\n%s\n", r.took, r.work, r.cpu), 0o644)
}

// lastRun reads what the last run wrote. A step that never took a second has nothing.
func lastRun(path string) runTime {
	text, err := os.ReadFile(path)
	if err != nil {
		return runTime{}
	}
	var r runTime
	var took, cpu string
	_, _ = fmt.Sscan(string(text), &took, &r.work, &cpu) // as much as there is
	if r.took, err = time.ParseDuration(took); err != nil {
		return runTime{}
	}
	r.cpu, _ = time.ParseDuration(cpu)
	return r
}
