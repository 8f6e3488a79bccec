//go:build e2e

package e2e

import (
	"fmt"
	"html"
	"io"
	"os/exec"
	"slices"
	"strings"

	"github.com/creack/pty"
	"github.com/hinshun/vt10x"
)

// The size of a terminal in which people and tests see the same. It is higher than
// any output, so that nothing scrolls away.
const columns, rows = 110, 600

// terminal is what a terminal shows after a command.
type terminal struct {
	lines [][]vt10x.Glyph
	text  string
}

// inTerminal runs shell commands in a terminal, as a person would, each shown after a
// prompt, until one fails.
func (s *stack) inTerminal(commands string) (*terminal, error) {
	if interrupted.Err() != nil {
		return nil, interrupted.Err()
	}
	command := exec.Command("sh", "-exc", commands)
	command.Dir = s.folder
	// A make inside another one would print which folder it enters.
	command.Env = append(slices.DeleteFunc(slices.Clone(s.env), func(variable string) bool { return strings.HasPrefix(variable, "MAKE") }),
		"STACK="+s.name, "PS4=$ ", "TERM=xterm-256color")
	device, err := pty.StartWithSize(command, &pty.Winsize{Cols: columns, Rows: rows})
	if err != nil {
		return nil, err
	}
	defer device.Close()
	screen := vt10x.New(vt10x.WithSize(columns, rows))
	// Ends with an error, EIO, once no process has the terminal any more.
	_, _ = io.Copy(screen, device)
	shown := &terminal{}
	for y := range rows {
		var line []vt10x.Glyph
		for x := range columns {
			line = append(line, screen.Cell(x, y))
		}
		shown.lines = append(shown.lines, line)
		shown.text += strings.TrimRight(textOf(line), " ") + "\n"
	}
	shown.text = strings.TrimRight(shown.text, "\n")
	shown.lines = shown.lines[:strings.Count(shown.text, "\n")+1]
	if err := command.Wait(); err != nil {
		return nil, fmt.Errorf("%w:\n%s", err, shown.text)
	}
	return shown, nil
}

func textOf(glyphs []vt10x.Glyph) string {
	var text strings.Builder
	for _, glyph := range glyphs {
		text.WriteRune(max(glyph.Char, ' '))
	}
	return text.String()
}

// Colours of terminals, the first sixteen as most of today's have them.
var palette = []string{
	"#2e3436", "#e06c75", "#98c379", "#e5c07b", "#61afef", "#c678dd", "#56b6c2", "#d3d7cf",
	"#7f848e", "#ef7f88", "#a9d48a", "#f2d08c", "#7fc1ff", "#d893ec", "#6fd0dc", "#ffffff",
}

const background, foreground = "#1e2127", "#d3d7cf"

// colour is a glyph's in CSS.
func colour(c vt10x.Color) string {
	switch {
	case c == vt10x.DefaultFG:
		return foreground
	case c == vt10x.DefaultBG:
		return background
	case int(c) < len(palette):
		return palette[c]
	case c < 232: // a cube of six levels of red, green, and blue
		level := func(n vt10x.Color) int { return int(min(n, 1)*55 + n*40) }
		c -= 16
		return fmt.Sprintf("#%02x%02x%02x", level(c/36), level(c/6%6), level(c%6))
	default: // greys
		grey := 8 + 10*int(c-232)
		return fmt.Sprintf("#%02x%02x%02x", grey, grey, grey)
	}
}

// svg draws what terminals showed one after the other. Text stays text, which can be
// selected and searched; its length is fixed, so that columns align in every font.
func svg(title string, terminals []*terminal) string {
	const width, height, margin = 8.0, 18, 16
	var lines [][]vt10x.Glyph
	for i, shown := range terminals {
		if i > 0 {
			lines = append(lines, nil)
		}
		lines = append(lines, shown.lines...)
	}
	var out strings.Builder
	fmt.Fprintf(&out, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %.0f %d" role="img" aria-label="%s" fill="%s" font-size="13" font-family="ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace">`+"\n",
		columns*width+2*margin, len(lines)*height+2*margin, html.EscapeString(title), foreground)
	out.WriteString("<style>text { white-space: pre }</style>\n")
	fmt.Fprintf(&out, `<rect width="100%%" height="100%%" rx="8" fill="%s"/>`+"\n", background)
	for y, line := range lines {
		prompt := strings.HasPrefix(textOf(line), "$ ")
		for x := 0; x < len(line); {
			end := x + 1
			for end < len(line) && line[end].FG == line[x].FG && line[end].Mode == line[x].Mode {
				end++
			}
			text := strings.TrimRight(textOf(line[x:end]), " ")
			indent := len(text) - len(strings.TrimLeft(text, " "))
			if text = text[indent:]; text != "" {
				style := ""
				if c := colour(line[x].FG); c != foreground {
					style = fmt.Sprintf(` fill="%s"`, c)
				}
				if prompt {
					style = ` fill="#ffffff" font-weight="bold"`
				}
				fmt.Fprintf(&out, `<text x="%.0f" y="%d" textLength="%.0f"%s>%s</text>`+"\n", margin+float64(x+indent)*width, margin+(y+1)*height-5,
					float64(len([]rune(text)))*width, style, html.EscapeString(text))
			}
			x = end
		}
	}
	out.WriteString("</svg>\n")
	return out.String()
}
