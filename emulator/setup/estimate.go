//go:build linux

package main

import (
	"fmt"
	"os"
	"time"
)

// estimate is how long something may still take.
type estimate struct {
	time  time.Duration
	known certainty
}

type certainty int

const (
	unknown certainty = iota
	// atLeast is the time of the parts that are known.
	atLeast
	about
)

// settling is how long a step counts before its speed says something.
const settling = 3 * time.Second

// left is how long a running step may still take: what remains to be counted, at the
// speed until now, or what remains of the time that it took the last time.
func (p *progress) left(now time.Time) estimate {
	c := p.count
	if counting := now.Sub(c.began); c.total > c.done && c.done > c.first && counting >= settling {
		perUnit := float64(counting) / float64(c.done-c.first)
		return estimate{time.Duration(perUnit * float64(c.total-c.done)), about}
	}
	if left := p.last.took - now.Sub(p.started); left > 0 && p.last.comparable(p.work.Load()) {
		return estimate{left, about}
	}
	return estimate{}
}

// expected is how long a step may take that has not begun: as long as the last time if
// it had about as much to do then, or else what it compiles at the others' speed.
func (p *progress) expected(perPackage time.Duration) estimate {
	work := p.work.Load()
	switch {
	case p.quick && work == 0:
		return estimate{0, about}
	case p.last.comparable(work):
		return estimate{p.last.took, about}
	case work > 0 && perPackage > 0:
		return estimate{time.Duration(work) * perPackage, about}
	}
	return estimate{}
}

// timeLeft is how long all steps may still take. It is the longest chain of steps that
// need each other, and assumes that chains at the same time do not slow each other:
// programs, which take every processor, are one chain, and the rest waits for networks.
func timeLeft(steps []*progress, now time.Time) estimate {
	known := about
	speed := compilerSpeed(steps)
	left, byName := map[string]time.Duration{}, map[string]*progress{}
	for _, p := range steps {
		byName[p.name] = p
		p.mutex.Lock()
		var e estimate
		switch p.phase {
		case waiting:
			e = p.expected(speed)
		case running:
			e = p.left(now)
		case finished:
			e = estimate{0, about}
		}
		p.mutex.Unlock()
		left[p.name] = e.time
		known = min(known, max(e.known, atLeast))
	}
	var until func(name string) time.Duration
	until = func(name string) time.Duration {
		var begin time.Duration
		if p := byName[name]; p != nil {
			for _, need := range p.needs {
				begin = max(begin, until(need))
			}
		}
		return begin + left[name]
	}
	var longest time.Duration
	for name := range byName {
		longest = max(longest, until(name))
	}
	if longest == 0 {
		return estimate{}
	}
	return estimate{longest, known}
}

// compilerSpeed is how long the compiler took for a package until now.
func compilerSpeed(steps []*progress) time.Duration {
	var took time.Duration
	var packages int64
	for _, p := range steps {
		p.mutex.Lock()
		took += p.compiled.latest.Sub(p.compiled.began)
		packages += p.compiled.done - p.compiled.first
		p.mutex.Unlock()
	}
	if took < settling || packages <= 0 {
		return 0
	}
	return took / time.Duration(packages)
}

// runTime is how long a step took, how much it had to do if that is known, and the
// processor time of its commands.
type runTime struct {
	took time.Duration
	work int64
	cpu  time.Duration
}

// comparable reports whether a step with so much to do takes as long as this run. A
// program of few packages takes as long as its linker.
func (r runTime) comparable(work int64) bool {
	const few = 20
	return r.took > 0 && (r.work == 0 || work == 0 || r.work <= 2*work+few && work <= 2*r.work+few)
}

// write keeps a run for the next one and for make bench. A missing figure is no reason
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
