//go:build linux

package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// usage is what a command took, with everything that it started.
type usage struct {
	wall time.Duration
	// cpu is of all processes, as the kernel counts it; of kinds of processes, see
	// kindOf, as it was seen: a process may do more between its last look and its end.
	cpu  time.Duration
	kind map[string]time.Duration
	// compiling is from when the compiler was first seen until when it was last.
	compiling time.Duration
	// peak is the most memory, resident, of all processes at once.
	peak int64
}

func (u usage) String() string {
	return fmt.Sprintf("%s; CPU %s: compile %s, program %s, engine %s, plugins %s; %s", seconds(u.wall), seconds(u.cpu),
		seconds(u.kind["compile"]), seconds(u.kind["program"]), seconds(u.kind["engine"]), seconds(u.kind["plugins"]), size(u.peak))
}

// kindOf returns what a process is for, by its name, of which the kernel keeps 15 letters.
func kindOf(name string) string {
	switch {
	case name == "go" || name == "compile" || name == "link" || name == "asm":
		return "compile"
	case strings.HasPrefix(name, "hello-timber"):
		return "program"
	case name == "pulumi" || strings.HasPrefix(name, "pulumi-language"):
		return "engine"
	case strings.HasPrefix(name, "pulumi-resource"):
		return "plugins"
	}
	return "others"
}

const (
	interval = 50 * time.Millisecond // between two looks
	tick     = 10 * time.Millisecond // in which the kernel shows CPU time
)

// watch runs a command to its end.
func watch(cmd *exec.Cmd) (usage, error) {
	began := time.Now()
	used := usage{kind: map[string]time.Duration{}}
	if err := cmd.Start(); err != nil {
		return used, err
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	seen, foreign := map[int]process{}, map[int]bool{}
	var first, last time.Time
	looks := time.NewTicker(interval)
	defer looks.Stop()
	for {
		select {
		case <-looks.C:
			var resident int64
			for _, p := range session(cmd.Process.Pid, foreign) {
				resident += p.resident
				seen[p.id] = p
				if kindOf(p.name) == "compile" {
					if first.IsZero() {
						first = time.Now()
					}
					last = time.Now()
				}
			}
			used.peak = max(used.peak, resident)
		case err := <-ended:
			used.wall = time.Since(began)
			used.cpu = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
			for _, p := range seen {
				used.kind[kindOf(p.name)] += p.cpu
			}
			used.compiling = last.Sub(first)
			return used, err
		}
	}
}

type process struct {
	id       int
	name     string
	cpu      time.Duration
	resident int64
}

// session lists the processes of a session; see proc(5). It notes those that are
// not, so that looking does not take the time that is measured.
func session(id int, foreign map[int]bool) []process {
	folder, err := os.Open("/proc")
	if err != nil {
		return nil
	}
	defer folder.Close()
	names, _ := folder.Readdirnames(-1) // what was read until an error is enough for one look
	var list []process
	for _, name := range names {
		pid, err := strconv.Atoi(name)
		if err != nil || foreign[pid] {
			continue
		}
		text, err := os.ReadFile(filepath.Join("/proc", name, "stat"))
		if err != nil {
			continue // it has ended
		}
		open, closed := strings.IndexByte(string(text), '('), strings.LastIndexByte(string(text), ')')
		if open < 0 || closed < open {
			continue
		}
		fields := strings.Fields(string(text[closed+1:])) // from the third on
		if len(fields) < 22 || fields[3] != strconv.Itoa(id) {
			foreign[pid] = true
			continue
		}
		number := func(field int) int64 {
			n, _ := strconv.ParseInt(fields[field-3], 10, 64) // the kernel writes numbers
			return n
		}
		list = append(list, process{pid, string(text[open+1 : closed]),
			time.Duration(number(14)+number(15)) * tick, number(24) * int64(os.Getpagesize())})
	}
	return list
}
