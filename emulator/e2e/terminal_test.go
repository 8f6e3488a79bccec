//go:build e2e

package e2e

import (
	"fmt"
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

// inTerminal runs shell commands in a terminal, as a person would, each shown after a
// prompt, until one fails. It returns what the terminal shows then.
func (s *stack) inTerminal(commands string) (string, error) {
	if interrupted.Err() != nil {
		return "", interrupted.Err()
	}
	command := exec.Command("sh", "-exc", commands)
	command.Dir = s.folder
	// A make inside another one would print which folder it enters.
	command.Env = append(slices.DeleteFunc(slices.Clone(s.env), func(variable string) bool { return strings.HasPrefix(variable, "MAKE") }),
		"STACK="+s.name, "PS4=$ ", "TERM=xterm-256color")
	device, err := pty.StartWithSize(command, &pty.Winsize{Cols: columns, Rows: rows})
	if err != nil {
		return "", err
	}
	defer device.Close()
	screen := vt10x.New(vt10x.WithSize(columns, rows))
	// Ends with an error, EIO, once no process has the terminal any more.
	_, _ = io.Copy(screen, device)
	var shown strings.Builder
	for line := range strings.Lines(strings.ReplaceAll(screen.String(), "\x00", " ")) {
		shown.WriteString(strings.TrimRight(line, " \n") + "\n")
	}
	text := strings.TrimRight(shown.String(), "\n")
	if err := command.Wait(); err != nil {
		return "", fmt.Errorf("%w:\n%s", err, text)
	}
	return text, nil
}
