//go:build linux

package progress

import (
	"runtime"
	"sync"
	"time"
)

// Estimate is how long a build may still take: the programs, which use every processor one
// after the other, or a download beside them that takes longer. Images are made meanwhile.
type Estimate struct {
	mutex     sync.Mutex
	programs  map[string]*compiling
	downloads map[string]*download
	// said is what was last said, when there was so much to compile.
	said time.Duration
	work int64
}

// compiling is how much of a program's work is done, in bytes of Go, the first and the last
// time that it was counted, and the compiler's processor time until then.
type compiling struct {
	work, first, done int64
	before, used      time.Duration
	ended             bool
}

// download is how many bytes have arrived, since when.
type download struct {
	began              time.Time
	first, done, total int64
}

const (
	// Unknown is the work of a program whose packages are not known yet.
	Unknown = -1
	// LinkWork is how many bytes of Go are compiled in the time that the linker takes: 10
	// CPU seconds, where a megabyte takes 3.
	LinkWork = 3_000_000

	// settling is how long is counted before the speed says something.
	settling = 3 * time.Second
	// busy is how much of the processors the compiler gets: of two, 1.85 in a build without
	// images (0.93), and the images take some, too.
	busy = 0.85
)

// NewEstimate is one without programs and downloads, which is unknown.
func NewEstimate() *Estimate {
	return &Estimate{programs: map[string]*compiling{}, downloads: map[string]*download{}}
}

// Compile sets how much of a program there is to compile and to link, in bytes of Go.
func (e *Estimate) Compile(program string, work int64) {
	e.mutex.Lock()
	defer e.mutex.Unlock()
	if e.programs[program] == nil {
		e.programs[program] = &compiling{}
	}
	e.programs[program].work = work
}

func (e *Estimate) compiled(program string, done int64, used time.Duration) {
	e.mutex.Lock()
	defer e.mutex.Unlock()
	p := e.programs[program]
	if p == nil { // a command's only step
		return
	}
	if p.used == 0 {
		p.first, p.before = done, used
	}
	p.done, p.used = done, used
}

// finished notes that a program is compiled and linked.
func (e *Estimate) finished(program string) {
	e.mutex.Lock()
	defer e.mutex.Unlock()
	if p := e.programs[program]; p != nil {
		p.ended = true
	}
}

// downloaded notes a download, or with a total of 0 forgets it.
func (e *Estimate) downloaded(name string, done, total int64) {
	e.mutex.Lock()
	defer e.mutex.Unlock()
	if total == 0 {
		delete(e.downloads, name)
		return
	}
	if d := e.downloads[name]; d == nil || d.total != total {
		e.downloads[name] = &download{began: time.Now(), first: done, total: total}
	}
	e.downloads[name].done = done
}

// left does not rise, unless there is more to compile. A machine that is slower for a
// moment holds it.
func (e *Estimate) left(now time.Time) (left time.Duration, known bool) {
	e.mutex.Lock()
	defer e.mutex.Unlock()
	left, work, known := e.compiler()
	for _, d := range e.downloads {
		counting := now.Sub(d.began)
		switch {
		case d.done == d.total:
		case counting < settling || d.done == d.first:
			known = false
		default:
			left = max(left, time.Duration(float64(counting)/float64(d.done-d.first)*float64(d.total-d.done)))
		}
	}
	if !known || left == 0 {
		return 0, false
	}
	if e.said > 0 && work <= e.work {
		left = min(left, e.said)
	}
	e.said, e.work = left, work
	return left, true
}

// compiler is how long there is still to compile, at the speed until now, and how much
// there is in all. The speed is that of the processor time, because the downloads of a first
// run take some of the processors from the compiler.
func (e *Estimate) compiler() (left time.Duration, work int64, known bool) {
	var used time.Duration
	var done, undone int64
	for _, p := range e.programs {
		if p.work == Unknown {
			return 0, 0, false
		}
		work += p.work
		if !p.ended {
			undone += p.work - p.done
		}
		done += p.done - p.first
		used += p.used - p.before
	}
	if undone == 0 {
		return 0, work, true
	}
	if used < 2*settling || done < LinkWork/2 { // or the linker's time counts for much
		return 0, work, false
	}
	perByte := float64(used) / float64(done) / float64(runtime.GOMAXPROCS(0)) / busy
	return time.Duration(perByte * float64(undone)), work, true
}
