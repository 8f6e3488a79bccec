package summary

import (
	"fmt"
	"strings"
	"unicode"

	"hello-timber/pipelines/plan"
)

// fenced is text that Markdown leaves alone, whatever it contains.
func fenced(language, text string) string {
	fence := "```"
	for strings.Contains(text, fence) {
		fence += "`"
	}
	return fmt.Sprintf("%s%s\n%s\n%s\n", fence, language, text, fence)
}

// code is a name that Markdown leaves alone: on one line, short, and without the
// characters that would end the code or a cell of a table.
func code(text string) string {
	text = strings.NewReplacer("`", "'", "|", "¦").Replace(printable(text, false))
	if len(text) > plan.Longest {
		text = strings.ToValidUTF8(text[:plan.Longest], "") + "…"
	}
	return "`" + text + "`"
}

// printable replaces what is not seen or breaks a line.
func printable(text string, lines bool) string {
	return strings.Map(func(r rune) rune {
		if r == '\n' && lines || r == '\t' || unicode.IsPrint(r) {
			return r
		}
		return '�'
	}, text)
}
