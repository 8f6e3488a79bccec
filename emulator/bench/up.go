//go:build linux

package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"
)

// latency is how much of Google's latencies the second up has: enough for what
// this machine does by itself to fit into, and no quarter of an hour.
const latency = 0.2

// up measures an up from nothing, with the emulator as fast as it is and with
// Google's latencies.
func up(b *bench) error {
	for _, scale := range []float64{0, latency} {
		if b.isUp {
			if err := b.destroy(); err != nil {
				return err
			}
		}
		what := "`up` from nothing, as fast as the emulator is"
		b.env = append(b.env, fmt.Sprintf("EMULATOR_LATENCY=%g", scale))
		if scale > 0 {
			what = fmt.Sprintf("`up` with %g of Google's latencies", scale)
		}
		t, err := b.upAnew()
		if err != nil {
			return err
		}
		b.note(what, fmt.Sprintf("%s until it answers; resources %s", seconds(t.answered), seconds(t.wall())),
			fmt.Sprintf("longest chain %s: %.2f ×", seconds(t.longest), t.wall().Seconds()/t.longest.Seconds()))
		b.note("the longest chain", strings.Join(t.chain, " → "), "")
		if scale == 0 {
			for _, span := range t.spans {
				if span.typ == "gcp:container/nodePool:NodePool" {
					b.note("three nodes ready", seconds(t.command+span.end)+" after the command", "")
				}
			}
		}
		b.timelines = append(b.timelines, t.draw(what))
	}
	b.env = append(b.env, "EMULATOR_LATENCY=0")
	return nil
}

// span is when a resource was made, counted from the first that was.
type span struct {
	urn, typ   string
	start, end time.Duration
}

// timeline is what an up made and when.
type timeline struct {
	spans []span
	// command is how long it took from the command to the first resource, answered to
	// the first answer of the URL.
	command, answered time.Duration
	longest           time.Duration
	chain             []string
}

func (t timeline) wall() time.Duration {
	return slices.MaxFunc(t.spans, func(a, b span) int { return int(a.end - b.end) }).end
}

// upAnew brings the stack up, three pods of v1, and asks it for an answer.
func (b *bench) upAnew() (timeline, error) {
	for key, value := range map[string]string{"replicas": "3", "imageVersion": "v1"} {
		if err := b.set(key, value); err != nil {
			return timeline{}, err
		}
	}
	began := time.Now()
	t, err := b.up(b.root)
	if err != nil {
		return t, err
	}
	b.isUp = true
	url, err := b.run("pulumi", "stack", "output", "url")
	if err != nil {
		return t, err
	}
	if err := b.waitFor(url+"/index", 10*time.Minute); err != nil {
		return t, err
	}
	t.answered = time.Since(began)
	return t, b.access()
}

func (b *bench) destroy() error {
	_, err := b.run("pulumi", "destroy", "--yes", "--skip-preview")
	b.isUp = false
	return err
}

// up updates the stack with the program of a folder and returns what changed when.
func (b *bench) up(folder string) (timeline, error) {
	began := time.Now()
	cmd := b.command("pulumi", "up", "--yes", "--skip-preview", "--json")
	cmd.Dir, cmd.Stderr = folder, os.Stderr
	events, err := cmd.StdoutPipe()
	if err != nil {
		return timeline{}, err
	}
	if err := cmd.Start(); err != nil {
		return timeline{}, err
	}
	spans, complaints := read(events)
	if err := cmd.Wait(); err != nil {
		return timeline{}, fmt.Errorf("pulumi up: %w\n%s", err, strings.Join(complaints, ""))
	}
	resources, _, err := b.state()
	return newTimeline(began, spans, resources), err
}

// stamped is a span in the day's time.
type stamped struct {
	urn, typ   string
	start, end time.Time
}

// read follows the engine's events, whose own times are in seconds, and returns
// when each resource was begun and done, and what went wrong.
func read(events interface{ Read([]byte) (int, error) }) ([]stamped, []string) {
	type metadata struct {
		Metadata struct{ Op, URN, Type string }
	}
	var spans []stamped
	var complaints []string
	lines := bufio.NewReader(events)
	for {
		line, err := lines.ReadBytes('\n')
		now := time.Now()
		var event struct {
			ResourcePreEvent *metadata
			ResOutputsEvent  *metadata
			DiagnosticEvent  *struct{ Severity, Message string }
		}
		if json.Unmarshal(line, &event) == nil { // other lines are the program's own
			switch {
			case event.ResourcePreEvent != nil:
				m := event.ResourcePreEvent.Metadata
				spans = append(spans, stamped{urn: m.URN, typ: m.Type, start: now})
			case event.ResOutputsEvent != nil:
				for i := range spans {
					if spans[i].urn == event.ResOutputsEvent.Metadata.URN {
						spans[i].end = now
					}
				}
			case event.DiagnosticEvent != nil && event.DiagnosticEvent.Severity == "error":
				complaints = append(complaints, event.DiagnosticEvent.Message)
			}
		}
		if err != nil {
			return spans, complaints
		}
	}
}

// newTimeline leaves out what is no work: components, and the stack itself.
func newTimeline(began time.Time, all []stamped, resources []resource) timeline {
	var t timeline
	var first time.Time
	custom := map[string]bool{}
	for _, r := range resources {
		custom[r.URN] = r.Custom
	}
	for _, s := range all {
		if !custom[s.urn] || s.end.IsZero() {
			continue
		}
		if first.IsZero() {
			first = s.start
			t.command = first.Sub(began)
		}
		t.spans = append(t.spans, span{s.urn, s.typ, s.start.Sub(first), s.end.Sub(first)})
	}
	t.longest, t.chain = longestChain(t.spans, resources)
	return t
}

// longestChain follows what waits for what: its length is how long an up would
// take if nothing but its dependencies kept a resource waiting.
func longestChain(spans []span, resources []resource) (time.Duration, []string) {
	took := map[string]time.Duration{}
	for _, s := range spans {
		took[s.urn] = s.end - s.start
	}
	needs := map[string][]string{}
	for _, r := range resources {
		needs[r.URN] = slices.Clone(r.Dependencies)
		for _, more := range r.PropertyDependencies {
			needs[r.URN] = append(needs[r.URN], more...)
		}
		if i := strings.LastIndex(r.Provider, "::"); i > 0 { // URN::ID
			needs[r.URN] = append(needs[r.URN], r.Provider[:i])
		}
	}
	type chain struct {
		length time.Duration
		urns   []string
	}
	known := map[string]chain{}
	var to func(string) chain
	to = func(urn string) chain {
		if c, ok := known[urn]; ok {
			return c
		}
		var longest chain
		for _, need := range needs[urn] {
			if c := to(need); c.length > longest.length {
				longest = c
			}
		}
		c := chain{longest.length + took[urn], append(slices.Clone(longest.urns), urn)}
		known[urn] = c
		return c
	}
	var longest chain
	for _, s := range spans {
		if c := to(s.urn); c.length > longest.length {
			longest = c
		}
	}
	var names []string
	for _, urn := range longest.urns {
		if took[urn] > 0 {
			names = append(names, fmt.Sprintf("%s %s", short(urn), seconds(took[urn])))
		}
	}
	return longest.length, names
}

// short is what a resource is: Cluster, NodePool, Service.
func short(urn string) string {
	parts := strings.Split(urn, "::")
	types := strings.Split(parts[2], ":")
	return types[len(types)-1]
}

// draw shows when each resource was made.
func (t timeline) draw(title string) string {
	const columns = 60
	var text strings.Builder
	fmt.Fprintf(&text, "%s:\n\n```\n", title)
	wall := t.wall().Seconds()
	for _, s := range t.spans {
		from, to := int(s.start.Seconds()/wall*columns), int(s.end.Seconds()/wall*columns)
		bar := strings.Repeat(" ", from) + strings.Repeat("━", max(1, to-from))
		name := s.urn[strings.LastIndex(s.urn, "::")+2:]
		fmt.Fprintf(&text, "%-44.44s %-*s %6.1f s\n", short(s.urn)+" "+name, columns+1, bar, (s.end - s.start).Seconds())
	}
	text.WriteString("```\n")
	return text.String()
}
