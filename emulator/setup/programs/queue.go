//go:build linux

package programs

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"hello-timber/emulator/setup/checkout"
	"hello-timber/emulator/setup/progress"
)

// uncached lists the packages that the compiler has not compiled before with the same
// flags, with their files. What is there already, go build does not mention.
const uncached = `{{if .Stale}}{{if ne .StaleReason "not installed but available in build cache"}}{{.ImportPath}}{{"\t"}}{{with .Module}}{{.Version}}{{end}}` +
	`{{"\t"}}{{.Dir}}{{range .GoFiles}}{{"\t"}}{{.}}{{end}}{{end}}{{end}}`

// listed is a package to compile, and what that costs.
type listed struct {
	version string
	work    int64
}

// packageWork is how many bytes of Go are compiled in the time that the compiler takes to
// start: 0.03 CPU seconds. Chosen manually: with it and progress.LinkWork, the six programs
// together take 1.1 times the CPU time that was measured on 29 November 2026, and each takes
// up to 1.7 times its own.
const packageWork = 10_000

// queue has the programs in the order in which they are compiled.
type queue struct {
	mutex    sync.Mutex
	programs []*Program
	compiled map[*Program]bool
	needed   map[*Program]map[string]listed
	estimate *progress.Estimate
}

func newQueue() *queue {
	return &queue{compiled: map[*Program]bool{}, needed: map[*Program]map[string]listed{}, estimate: progress.NewEstimate()}
}

// compile notes that programs will be compiled.
func (q *queue) compile(programs ...*Program) {
	q.mutex.Lock()
	defer q.mutex.Unlock()
	for _, p := range programs {
		q.compiled[p] = true
	}
	q.share()
}

// list notes which packages a program needs.
func (q *queue) list(p *Program, packages map[string]listed) {
	q.mutex.Lock()
	defer q.mutex.Unlock()
	q.needed[p] = packages
	q.share()
}

// share gives each package to the first program that needs it. If nothing was compiled for
// the programs that are listed, neither was it for the others.
func (q *queue) share() {
	taken := map[string]bool{}
	cold := false
	for _, p := range q.programs {
		needed, known := q.needed[p]
		switch {
		case !q.compiled[p]:
			continue // it is downloaded
		case !known && cold:
			q.estimate.Compile(p.name, p.cold)
			continue
		case !known:
			q.estimate.Compile(p.name, progress.Unknown)
			continue
		}
		own, work := map[string]listed{}, int64(0)
		for path, l := range needed {
			if key := path + " " + l.version; !taken[key] {
				taken[key] = true
				own[path] = l
				work += l.work
			}
		}
		if len(own) > 0 {
			work += progress.LinkWork
		}
		p.packages.Store(&own)
		q.estimate.Compile(p.name, work)
		cold = cold || work > p.cold*9/10
	}
}

// fetch downloads the modules of programs while the first one is compiled, and lists the
// packages that each has to compile.
func fetch(ctx context.Context, c checkout.Checkout, p *progress.Report, queue *queue, programs ...*Program) error {
	downloads := 0
	for _, program := range programs {
		p.Say("reading what " + program.name + " imports")
		list := c.Command(ctx, program.folder, "go", "list", "-deps", "-f", uncached, program.pkg)
		var text bytes.Buffer
		list.Stdout = &text
		if err := p.Run(list, func(line string) {
			if strings.HasPrefix(line, "go: downloading ") {
				downloads++
				p.Say(fmt.Sprintf("downloaded %d for %s", downloads, program.name))
			}
		}); err != nil {
			return err
		}
		packages := map[string]listed{}
		for line := range strings.Lines(text.String()) {
			fields := strings.Split(strings.TrimSpace(line), "\t")
			if len(fields) < 3 {
				continue
			}
			l := listed{fields[1], packageWork}
			for _, name := range fields[3:] {
				if info, err := os.Stat(filepath.Join(fields[2], name)); err == nil {
					l.work += info.Size()
				}
			}
			packages[fields[0]] = l
		}
		queue.list(program, packages)
	}
	return nil
}
