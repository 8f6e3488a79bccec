package config

import (
	"errors"
	"regexp"
	"strconv"
	"strings"
	"unicode"
)

// Problem is one thing that is wrong, and how to fix it. Whatever the program refuses has
// this form.
type Problem struct {
	// What is wrong: a config key, a tool, a context; or the whole sentence.
	What string
	// Value is the wrong value as Show writes it; empty if there is none, or if it is secret.
	Value string
	// Rule completes the sentence that What and Value begin: "is not a whole number from 1 to 100".
	Rule string
	// Fix is commands that can be pasted, each with the stack it acts on, or a sentence.
	Fix string
}

// Error returns "WHAT: VALUE RULE. Fix: FIX", without what is empty.
func (p Problem) Error() string {
	text := p.What
	if p.Value != "" {
		text += ": " + p.Value
	}
	return Printable(strings.TrimSuffix(strings.TrimSpace(text+" "+p.Rule), ".") + ". Fix: " + p.Fix)
}

// color begins what Pulumi takes for a color. It panics on one that it does not know.
const color = "<{%"

// Printable returns text without what a terminal or Pulumi would take for a command.
func Printable(text string) string {
	return strings.ReplaceAll(strings.Map(func(r rune) rune {
		if r == '\n' || r == '\t' || unicode.IsPrint(r) {
			return r
		}
		return unicode.ReplacementChar
	}, text), color, "< {%")
}

// Problems returns one error that lists the problems, each on a line of its own, or
// nil if there are none. It must be called before any resource is registered,
// because it says that nothing was changed.
func Problems(summary string, problems ...Problem) error {
	if len(problems) == 0 {
		return nil
	}
	text := summary + ", nothing was changed:"
	for _, p := range problems {
		text += "\n  - " + p.Error()
	}
	return errors.New(text)
}

// maxShown is enough for an image's name with its digest. A pasted file should not fill the terminal.
const maxShown = 200

var (
	plain   = regexp.MustCompile(`^[A-Za-z0-9_./:@+,=~-]+…?$`)
	unmoved = regexp.MustCompile(`^[A-Za-z0-9_./:@%+,=-]+$`)
)

// Show returns a value for a message: as it is, or quoted if its borders or
// characters would be unclear, and cut if it is long.
func Show(value string) string {
	if runes := []rune(value); len(runes) > maxShown {
		value = string(runes[:maxShown]) + "…"
	}
	if plain.MatchString(value) {
		return value
	}
	return strconv.Quote(value)
}

// Quote returns text as one word of a shell command. A leading ~/ stays outside
// of the quotes, so that the shell replaces it with the home directory.
func Quote(text string) string {
	if inHome, ok := strings.CutPrefix(text, "~/"); ok && inHome != "" {
		return "~/" + Quote(inHome)
	}
	if unmoved.MatchString(text) {
		return text
	}
	return "'" + strings.NewReplacer("'", `'\''`, color, "<''{%").Replace(text) + "'"
}
