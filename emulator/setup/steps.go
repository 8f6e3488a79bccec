//go:build linux

package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// step is one part of the build. Steps that do not need each other run at the same
// time. errgroup would be another module to download before setup can run.
type step struct {
	name  string
	needs []string
	run   func(context.Context, *progress) error
}

// progress is what a running step reports about itself.
type progress struct {
	name    string
	log     string // path of everything that its commands print
	started time.Time
	status  atomic.Value
}

// say sets the text of the next progress line.
func (p *progress) say(status string) { p.status.Store(status) }

// print prints a line about the step, with the time it has taken so far.
func (p *progress) print(status any) {
	fmt.Printf("%-14s %-61.61v %s\n", p.name, status, time.Since(p.started).Round(time.Second))
}

// run runs a command, writes its output to the step's log, unless that goes elsewhere,
// and calls each, which may be nil, with each line. Its error ends with the last lines
// of the output.
func (p *progress) run(cmd *exec.Cmd, each func(string)) error {
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
	if err != nil {
		err = fmt.Errorf("%s: %w\n    %s\n  everything it printed: %s", filepath.Base(cmd.Path), err, strings.Join(last, "\n    "), p.log)
	}
	return err
}

// runSteps runs every step as soon as those it needs are done. It prints what is
// running every few seconds and ends with the first step that fails.
func runSteps(ctx context.Context, c checkout, steps []step) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	const interval = 10 * time.Second // of two lines about what is running
	done := map[string]chan struct{}{}
	for _, s := range steps {
		done[s.name] = make(chan struct{})
	}
	var running sync.Map
	var all sync.WaitGroup
	for _, s := range steps {
		all.Go(func() {
			for _, need := range s.needs {
				if done[need] == nil {
					continue // up to date, so it is not a step of this build
				}
				select {
				case <-done[need]:
				case <-ctx.Done():
					return
				}
			}
			p := &progress{name: s.name, log: c.home("logs", s.name+".log"), started: time.Now()}
			p.say("starting")
			err := os.WriteFile(p.log, nil, 0o644)
			if err == nil {
				running.Store(s.name, p)
				err = s.run(ctx, p)
				running.Delete(s.name)
			}
			switch {
			case err == nil:
				if took := time.Since(p.started); took > time.Second {
					p.print("done")
					// make bench reads it. A missing figure is no reason to fail here.
					_ = os.WriteFile(c.home("took", s.name), []byte(took.String()), 0o644)
				}
				close(done[s.name])
			case ctx.Err() == nil:
				cancel(fmt.Errorf("%s: %w", s.name, err))
			}
		})
	}
	finished := make(chan struct{})
	go func() {
		all.Wait()
		close(finished)
	}()
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		select {
		case <-finished:
			return context.Cause(ctx)
		case <-tick.C:
			running.Range(func(_, p any) bool {
				p.(*progress).print(p.(*progress).status.Load())
				return true
			})
		}
	}
}
