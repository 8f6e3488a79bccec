//go:build linux

// Package progress runs the steps of a command, as many at a time as do not need each
// other. It shows which steps run, how far they are, and how long all of them may still
// take. What their commands print is in .emulator/logs.
package progress

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"hello-timber/emulator/setup/checkout"
)

// Step is one part of the build. Steps that do not need each other run at the same
// time. errgroup would be another module to download before setup can run.
type Step struct {
	Name  string
	Needs []string
	Run   func(context.Context, *Report) error
	// work, which may be nil, is how much the step compiles, or Unlisted.
	Work *atomic.Int64
	// quick steps take no time worth an estimate, unless there are packages to compile.
	Quick bool
}

// Report is what a step reports about itself.
type Report struct {
	Step
	log  string // path of everything that its commands print
	last runTime
	view *view

	mutex   sync.Mutex
	phase   phase
	started time.Time
	status  string
	// count is of the bytes or packages that the step counts now, unless its total is 0.
	count counter
	// compiled is how much of its work a program's compiler has done, the first and the last
	// time that it counted, and the processor time until then.
	compiled struct {
		first, done  int64
		before, used time.Duration
	}
	// cpu is the processor time of the step's commands until now.
	cpu time.Duration
}

type phase int

const (
	waiting phase = iota
	running
	finished
)

// counter is how far a step is, and since when it counts.
type counter struct {
	first, done, total int64
	began              time.Time
}

// New is that of a step that has not begun.
func New(c checkout.Checkout, s Step) *Report {
	if s.Work == nil {
		s.Work = new(atomic.Int64)
	}
	return &Report{Step: s, log: c.Home("logs", s.Name+".log"), last: lastRun(c.Home("took", s.Name))}
}

// Say sets what the step does now.
func (p *Report) Say(status string) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	p.status, p.count = status, counter{}
}

// Counted sets what the step does now, and how far that is.
func (p *Report) Counted(done, total int64, status string) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	p.status = status
	if p.count.total != total {
		p.count = counter{first: done, total: total, began: time.Now()}
	}
	p.count.done = done
}

// Compiles is Counted for a program's compiler, which has used so much processor time.
func (p *Report) Compiles(done, total int64, used time.Duration, status string) {
	p.Counted(done, total, status)
	p.mutex.Lock()
	defer p.mutex.Unlock()
	if p.compiled.used == 0 {
		p.compiled.first, p.compiled.before = done, used
	}
	p.compiled.done, p.compiled.used = done, used
}

func (p *Report) enter(phase phase) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	p.phase = phase
	if phase == running {
		p.started, p.status = time.Now(), "starting"
	}
}

// Run runs a command, writes its output to the step's log, unless that goes elsewhere,
// and calls each, which may be nil, with each line. Its error ends with the last lines
// of the output.
func (p *Report) Run(cmd *exec.Cmd, each func(string)) error {
	log, err := os.OpenFile(p.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer log.Close()
	fmt.Fprintln(log, "$", strings.Join(cmd.Args, " "))
	reader, writer := io.Pipe()
	cmd.Stderr = writer
	if cmd.Stdout == nil {
		cmd.Stdout = writer
	}
	// Grandchildren that outlive an interrupted command must not hold its output open.
	cmd.WaitDelay = 10 * time.Second
	var last []string
	read := make(chan struct{})
	go func() {
		defer close(read)
		lines := bufio.NewReader(reader)
		for {
			line, err := lines.ReadString('\n')
			if line = strings.TrimRight(line, "\r\n"); line != "" {
				fmt.Fprintln(log, line)
				last = append(last, line)
				last = last[max(0, len(last)-12):]
				if each != nil {
					each(line)
				}
			}
			if err != nil {
				return
			}
		}
	}()
	err = cmd.Run()
	writer.Close()
	<-read
	if cmd.ProcessState != nil { // it started
		p.mutex.Lock()
		p.cpu += cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
		p.mutex.Unlock()
	}
	if err != nil {
		err = fmt.Errorf("%s: %w\n    %s\n  everything it printed: %s", filepath.Base(cmd.Path), err, strings.Join(last, "\n    "), p.log)
	}
	return err
}

// RunSteps runs every step as soon as those it needs are done. It shows what is
// running and ends with the first step that fails.
func RunSteps(ctx context.Context, c checkout.Checkout, steps []Step) error {
	var all []*Report
	for _, s := range steps {
		all = append(all, New(c, s))
	}
	return showSteps(ctx, c, all, newView(all))
}

// Watched runs what may take long and is a command's only step.
func Watched(ctx context.Context, c checkout.Checkout, name string, run func(context.Context, *Report) error) error {
	return RunSteps(ctx, c, []Step{{Name: name, Run: run}})
}

func showSteps(ctx context.Context, c checkout.Checkout, steps []*Report, v *view) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	done := map[string]chan struct{}{}
	for _, p := range steps {
		p.view = v
		done[p.Name] = make(chan struct{})
	}
	var all sync.WaitGroup
	for _, p := range steps {
		all.Go(func() {
			for _, need := range p.Needs {
				if done[need] == nil {
					continue // up to date, so it is not a step of this build
				}
				select {
				case <-done[need]:
				case <-ctx.Done():
					return
				}
			}
			if err := p.perform(ctx, c); err == nil {
				close(done[p.Name])
			} else if ctx.Err() == nil {
				cancel(fmt.Errorf("%s: %w", p.Name, err))
			}
		})
	}
	finished := make(chan struct{})
	go func() {
		all.Wait()
		close(finished)
	}()
	tick := time.NewTicker(v.interval())
	defer tick.Stop()
	for {
		select {
		case <-finished:
			err := context.Cause(ctx)
			v.close(err)
			return err
		case <-tick.C:
			v.tick()
		}
	}
}

// perform runs the step itself.
func (p *Report) perform(ctx context.Context, c checkout.Checkout) error {
	if err := os.Remove(p.log); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	p.enter(running)
	err := p.Step.Run(ctx, p)
	p.enter(finished)
	if err != nil {
		return err
	}
	if took := time.Since(p.started); took >= brief {
		runTime{took, p.Work.Load(), p.cpu}.write(c.Home("took", p.Name))
		p.view.done(p.Name, took)
	}
	return nil
}

// Print prints a line that stays.
func (p *Report) Print(line string) { p.view.print(line) }

// Log is the path of everything that the step's commands print.
func (p *Report) Log() string { return p.log }

// Status is what the step does now.
func (p *Report) Status() string { return p.status }
