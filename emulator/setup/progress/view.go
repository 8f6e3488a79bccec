//go:build linux

package progress

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"syscall"
	"time"
	"unicode"
	"unsafe"
)

// view shows all steps together: what runs, how far it is, and how long it may still
// take. A terminal has a block that is drawn again in place, below a line for each
// step that is done. Elsewhere the same lines are printed every few seconds.
//
// It hides no cursor and changes no mode, so an interrupted program leaves the terminal
// as it was.
type view struct {
	mutex sync.Mutex
	out   io.Writer
	// size is how many columns and rows the terminal has. Elsewhere it is nil.
	size  func() (columns, rows int)
	began time.Time
	steps []*Report
	block []string // what was drawn last
	// left is what was last said about all steps, when there was so much to compile.
	left time.Duration
	work int64
}

const (
	// Nothing is silent for ten seconds, also where a line takes a moment to arrive.
	plainInterval = 8 * time.Second
	drawInterval  = 500 * time.Millisecond
	// brief is what takes less and is not mentioned.
	brief = time.Second
)

// newView shows steps on standard output.
func newView(steps []*Report) *view {
	v := &view{out: os.Stdout, began: time.Now(), steps: steps}
	if isTerminal(os.Stdout, os.Getenv) {
		v.size = func() (int, int) { return terminalSize(os.Stdout) }
	}
	return v
}

// isTerminal reports whether a file is a terminal in which lines can be drawn again.
// The logs of some pipelines are terminals that keep every drawing.
func isTerminal(file *os.File, getenv func(string) string) bool {
	if term := getenv("TERM"); term == "" || term == "dumb" || getenv("CI") != "" {
		return false
	}
	columns, _ := terminalSize(file)
	return columns > 0
}

// terminalSize asks the terminal. What is none has no columns.
func terminalSize(file *os.File) (columns, rows int) {
	var size struct{ rows, columns, width, height uint16 }
	if _, _, failed := syscall.Syscall(syscall.SYS_IOCTL, file.Fd(), syscall.TIOCGWINSZ, uintptr(unsafe.Pointer(&size))); failed != 0 {
		return 0, 0
	}
	return int(size.columns), int(size.rows)
}

// interval is how long the view waits between two looks at the steps.
func (v *view) interval() time.Duration {
	if v.size != nil {
		return drawInterval
	}
	return plainInterval
}

// tick shows what runs now.
func (v *view) tick() {
	v.mutex.Lock()
	defer v.mutex.Unlock()
	if time.Since(v.began) < brief {
		return
	}
	if v.size != nil {
		v.draw()
		return
	}
	for _, line := range v.lines(0) {
		fmt.Fprintln(v.out, line)
	}
}

// print prints a line that stays, above the block.
func (v *view) print(line string) {
	v.mutex.Lock()
	defer v.mutex.Unlock()
	drawn := len(v.block) > 0
	v.erase()
	fmt.Fprintln(v.out, line)
	if drawn {
		v.draw()
	}
}

// done prints that a step is done. A command's only step is mentioned only if it took long.
func (v *view) done(name string, took time.Duration) {
	if len(v.steps) == 1 && took < plainInterval {
		return
	}
	v.print(row(name, "done", "", times(took, estimate{}), v.columns()))
}

// columns is 0 where there is no terminal.
func (v *view) columns() int {
	if v.size == nil {
		return 0
	}
	columns, _ := v.size()
	return columns
}

// close removes the block. Errors are printed where it was.
func (v *view) close(err error) {
	v.mutex.Lock()
	defer v.mutex.Unlock()
	v.erase()
	if err == nil && time.Since(v.began) >= plainInterval && len(v.steps) > 1 {
		lines := v.lines(v.columns())
		fmt.Fprintln(v.out, lines[len(lines)-1])
	}
}

func (v *view) erase() {
	if len(v.block) == 0 {
		return
	}
	_, _ = io.WriteString(v.out, v.start(v.columns()))
	v.block = nil
}

// start goes to the first column of the block and deletes from there on. A terminal
// that became narrower has wrapped the block's lines.
func (v *view) start(columns int) string {
	if len(v.block) == 0 {
		return ""
	}
	rows := 0
	for _, line := range v.block {
		rows += 1 + (len([]rune(line))-1)/max(columns, 1)
	}
	return fmt.Sprintf("\r\x1b[%dA\x1b[J", rows)
}

// draw replaces the block, in one write so that it does not flicker.
func (v *view) draw() {
	columns, rows := v.size()
	text := v.start(columns)
	v.block = v.lines(columns)
	// What is above the first row cannot be drawn again, and the cursor needs a row.
	v.block = v.block[max(0, len(v.block)-max(rows-1, 1)):]
	for _, line := range v.block {
		text += line + "\n"
	}
	_, _ = io.WriteString(v.out, text)
}

// lines has a line for each step that runs, and one for all of them. Without columns
// it is for no terminal.
func (v *view) lines(columns int) []string {
	done, now, speed := 0, time.Now(), compilerSpeed(v.steps)
	var lines []string
	for _, p := range v.steps {
		p.mutex.Lock()
		switch p.phase {
		case finished:
			done++
		case running:
			lines = append(lines, row(p.Name, p.status, bar(p.count), times(now.Sub(p.started), p.left(now, speed)), columns))
		}
		p.mutex.Unlock()
	}
	if len(v.steps) == 1 {
		return lines
	}
	return append(lines, row("all", fmt.Sprintf("%d of %d steps done", done, len(v.steps)), "", times(now.Sub(v.began), v.timeLeft(now)), columns))
}

// timeLeft does not rise, unless there is more to compile. A machine that is slower for a
// moment holds it.
func (v *view) timeLeft(now time.Time) estimate {
	all, work := timeLeft(v.steps, now)
	if all.known {
		if v.left > 0 && work <= v.work {
			all.time = min(all.time, v.left)
		}
		v.left, v.work = all.time, work
	}
	return all
}

const barColumns = 12

// bar is empty for steps that count nothing.
func bar(c counter) string {
	if c.total <= 0 {
		return ""
	}
	full := int(min(c.done, c.total) * barColumns / c.total)
	return "[" + strings.Repeat("#", full) + strings.Repeat("-", barColumns-full) + "]"
}

// times says how long something has taken, and how long it may still take.
func times(elapsed time.Duration, left estimate) string {
	text := elapsed.Round(time.Second).String()
	if !left.known {
		return text
	}
	unit := time.Second
	if left.time > 2*time.Minute {
		unit = 10 * time.Second
	}
	return fmt.Sprintf("%s, about %s left", text, max(left.time.Round(unit), unit))
}

// row puts the parts of lines under each other: the times have a fixed width, the
// status has what remains. In a narrow terminal the bar goes first, and then the end
// of the line. Outside of terminals there is no bar.
func row(name, status, bar, times string, columns int) string {
	const nameColumns, timesColumns, least = 14, 30, 20
	status = printable(status)
	if columns == 0 {
		return fmt.Sprintf("%-*s %-61s %s", nameColumns, name, cut(status, 61), times)
	}
	// A full line would move the cursor to the next one.
	columns--
	room := columns - nameColumns - timesColumns - 2
	line := fmt.Sprintf("%-*s ", nameColumns, name)
	if beside := room - barColumns - 3; beside >= least {
		room = beside
		line += fmt.Sprintf("%-*s ", barColumns+2, bar)
	}
	room = max(room, least)
	line += fmt.Sprintf("%-*s %s", room, cut(status, room), times)
	return cut(line, max(columns, 1))
}

// cut shortens a text, visibly.
func cut(text string, columns int) string {
	if runes := []rune(text); len(runes) > columns {
		return string(runes[:columns-1]) + "…"
	}
	return text
}

// printable is a text in which each rune takes one column: what commands print may
// move the cursor, or be twice as wide.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case !unicode.IsPrint(r):
			return ' '
		case r >= 0x1100 && r != '…':
			return '?'
		}
		return r
	}, text)
}
