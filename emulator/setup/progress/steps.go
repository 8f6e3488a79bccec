//go:build linux

// Package progress runs the steps of a command, as many at a time as do not need each
// other. It prints which steps run, how far they are, and how long there is still
// something to compile. What their commands print is in .emulator/logs.
package progress

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"hello-timber/emulator/setup/checkout"
)

// Step is one part of a command. Steps that do not need each other run at the same time.
type Step struct {
	Name  string
	Needs []string
	// Work is how much processor time it takes at most, on the machine where that was
	// measured. Only the ratio of the steps' matters. Steps with work run one after the other.
	Work time.Duration
	Run  Do
}

// Do is what a step does.
type Do func(context.Context, checkout.Checkout, *Report) error

// Report is what a step reports about itself.
type Report struct {
	step Step
	log  string
	view *view

	mutex           sync.Mutex
	running, isDone bool
	started         time.Time
	status, shown   string // what the step does now, and what was printed of it last
	// work is the step's, of which counted is done. Counting it took so long.
	work, counted, took time.Duration
	first               time.Time
}

// One runs what may take long and is a command's only step.
func One(ctx context.Context, c checkout.Checkout, name string, do Do) error {
	return Run(ctx, c, Step{Name: name, Run: do})
}

// Run runs every step as soon as those it needs are done. It ends with the first step that
// fails.
func Run(ctx context.Context, c checkout.Checkout, steps ...Step) error {
	return run(ctx, c, &view{out: os.Stderr, began: time.Now()}, steps)
}

func run(ctx context.Context, c checkout.Checkout, v *view, steps []Step) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	done := map[string]chan struct{}{}
	for _, s := range steps {
		done[s.Name] = make(chan struct{})
		v.steps = append(v.steps, &Report{step: s, log: c.Home("logs", s.Name+".log"), view: v, work: s.Work})
	}
	var all sync.WaitGroup
	for _, p := range v.steps {
		all.Go(func() {
			for _, need := range p.step.Needs {
				select {
				case <-done[need]:
				case <-ctx.Done():
					return
				}
			}
			if err := p.perform(ctx, c); err != nil {
				if len(steps) > 1 { // or the error is about the command
					err = fmt.Errorf("%s: %w", p.step.Name, err)
				}
				cancel(err)
				return
			}
			close(done[p.step.Name])
		})
	}
	ended := make(chan struct{})
	go func() {
		all.Wait()
		close(ended)
	}()
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		select {
		case <-ended:
			v.end(context.Cause(ctx))
			return context.Cause(ctx)
		case <-tick.C:
			v.show()
		}
	}
}

// perform runs the step itself.
func (p *Report) perform(ctx context.Context, c checkout.Checkout) error {
	if err := os.RemoveAll(p.log); err != nil {
		return err
	}
	p.mutex.Lock()
	p.running, p.started, p.status = true, time.Now(), "starting"
	p.mutex.Unlock()
	err := p.step.Run(ctx, c, p)
	p.mutex.Lock()
	p.running, p.isDone = false, err == nil
	if !p.first.IsZero() {
		p.took = time.Since(p.first) // with the linker, which counts nothing
	}
	p.mutex.Unlock()
	if err == nil {
		p.view.done(p.step.Name, time.Since(p.started))
	}
	return err
}

// Log is the path of everything that the step's commands print.
func (p *Report) Log() string { return p.log }

// Print prints a line now.
func (p *Report) Print(line string) { p.view.print(line) }

// Say sets what the step does now.
func (p *Report) Say(status string) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	p.status = status
}

// Downloaded says how many bytes have arrived. The total is 0 if it is unknown.
func (p *Report) Downloaded(done, total int64) {
	if total == 0 {
		p.Say(fmt.Sprintf("downloaded %d MB", done>>20))
		return
	}
	p.Say(fmt.Sprintf("downloaded %d %% of %d MB", done*100/total, (total+1<<20-1)>>20))
}

// Expect sets the work of a step that was not expected to have any.
func (p *Report) Expect(work time.Duration) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	p.work = work
}

// Count says how many of the equal parts of the step's work are done.
func (p *Report) Count(done, all int) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	if p.work == 0 {
		return
	}
	if p.first.IsZero() {
		p.first = time.Now()
	}
	p.counted, p.took = p.work*time.Duration(min(done, all))/time.Duration(all), time.Since(p.first)
}

// lines calls each with each line that is written to it.
type lines struct {
	each func(string)
	rest []byte
}

func (l *lines) Write(text []byte) (int, error) {
	l.rest = append(l.rest, text...)
	for {
		line, rest, found := bytes.Cut(l.rest, []byte("\n"))
		if !found {
			return len(text), nil
		}
		l.rest = rest
		if text := strings.TrimRight(string(line), "\r"); text != "" {
			l.each(text)
		}
	}
}

// Run runs a command, writes its output to the step's log, and calls each, which may be
// nil, with each line. Its error ends with the last lines of the output.
func (p *Report) Run(cmd *exec.Cmd, each func(string)) error {
	log, err := os.OpenFile(p.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer log.Close()
	fmt.Fprintln(log, "$", strings.Join(cmd.Args, " "))
	var last []string
	output := &lines{each: func(line string) {
		fmt.Fprintln(log, line)
		last = append(last, line)
		last = last[max(0, len(last)-12):]
		if each != nil {
			each(line)
		}
	}}
	cmd.Stdout, cmd.Stderr = output, output
	// Grandchildren that outlive an interrupted command must not hold its output open.
	cmd.WaitDelay = 10 * time.Second
	err = cmd.Run()
	_, _ = output.Write([]byte("\n")) // what had no end
	if err != nil {
		err = fmt.Errorf("%s: %w\n    %s\n  everything it printed: %s", filepath.Base(cmd.Path), err, strings.Join(last, "\n    "), p.log)
	}
	return err
}
