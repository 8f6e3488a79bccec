//go:build linux

package main

import (
	"bufio"
	"fmt"
	"os"
	"regexp"
	"runtime"
	"strings"
	"time"
)

// row is one line of the table.
type row struct{ part, what, here, compared string }

// note adds a row; compared may be empty.
func (b *bench) note(what, here, compared string) {
	b.rows = append(b.rows, row{b.part, what, here, compared})
	b.say("  %s: %s %s", what, here, compared)
}

// table is everything measured, as Markdown, and the timelines below.
func (b *bench) table(took time.Duration) string {
	var text strings.Builder
	fmt.Fprintf(&text, "Measured %s in %s, on %s.\n\n", time.Now().UTC().Format("on 2 January 2006"), seconds(took), machine())
	text.WriteString("| | measured | here | compared with |\n|---|---|---|---|\n")
	last := ""
	for _, r := range b.rows {
		part := r.part
		if part == last {
			part = ""
		}
		last = r.part
		fmt.Fprintf(&text, "| %s | %s | %s | %s |\n", part, r.what, r.here, r.compared)
	}
	for _, timeline := range b.timelines {
		fmt.Fprintf(&text, "\n%s", timeline)
	}
	return text.String()
}

// machine reports what the figures are of.
func machine() string {
	name := "an unknown processor"
	if file, err := os.Open("/proc/cpuinfo"); err == nil {
		defer file.Close()
		for lines := bufio.NewScanner(file); lines.Scan(); {
			if model, ok := strings.CutPrefix(lines.Text(), "model name"); ok {
				name = strings.Trim(model, "\t: ")
				break
			}
		}
	}
	load := ""
	if text, err := os.ReadFile("/proc/loadavg"); err == nil {
		load = ", load average at the end " + strings.Fields(string(text))[0]
	}
	return fmt.Sprintf("%d cores (%s), %s%s", runtime.NumCPU(), name, runtime.Version(), load)
}

// begin and end enclose the table in docs/benchmarks.md.
const begin, end = "<!-- make bench -->\n", "<!-- end -->\n"

func replaceTable(path, table string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	before, rest, ok := strings.Cut(string(text), begin)
	_, after, closed := strings.Cut(rest, end)
	if !ok || !closed {
		return fmt.Errorf("%s has no place for the table: a line %s and a line %s", path, strings.TrimSpace(begin), strings.TrimSpace(end))
	}
	return os.WriteFile(path, []byte(before+begin+table+end+after), 0o644)
}

func seconds(d time.Duration) string {
	if d >= 10*time.Minute {
		return fmt.Sprintf("%.0f min", d.Minutes())
	}
	if d >= 10*time.Second {
		return fmt.Sprintf("%.0f s", d.Seconds())
	}
	return fmt.Sprintf("%.1f s", d.Seconds())
}

func milliseconds(d time.Duration) string { return fmt.Sprintf("%.1f ms", 1000*d.Seconds()) }

func size(bytes int64) string {
	switch {
	case bytes >= 1e9:
		return fmt.Sprintf("%.1f GB", float64(bytes)/1e9)
	case bytes >= 1e6:
		return fmt.Sprintf("%.1f MB", float64(bytes)/1e6)
	}
	return fmt.Sprintf("%.0f kB", float64(bytes)/1e3)
}

// edit replaces what a pattern finds, which must be once, in a file.
func edit(path, pattern, with string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	find := regexp.MustCompile(pattern)
	if n := len(find.FindAllIndex(text, -1)); n != 1 {
		return fmt.Errorf("%s has %s %d times, want once", path, pattern, n)
	}
	return os.WriteFile(path, find.ReplaceAll(text, []byte(with)), 0o644)
}
