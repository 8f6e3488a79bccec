package main

import (
	"fmt"
	"strings"
)

// maxBody is how many characters GitHub takes in a comment or an issue. Counted
// here in bytes, of which there are never less.
const maxBody = 65536

// page is one kind of text about stacks.
type page struct {
	// marker is the hidden first line that the text is found by, to be updated.
	marker, title string
	// same is said of a stack without changes, more of where the rest of a diff is.
	same, more string
}

func previewPage(commit string) page {
	p := page{
		marker: "<!-- hello-timber: preview -->",
		title:  "What a merge would change",
		same:   "no changes",
		more:   "make preview STACK=%s",
	}
	if commit != "" {
		p.title += " (of " + code(commit) + ")"
	}
	return p
}

var driftPage = page{
	marker: "<!-- hello-timber: drift -->",
	title:  "Drift: what `pulumi up --refresh` would change back",
	same:   "as it was deployed",
	more:   "make drift STACK=%s",
}

// render writes the text in Markdown: a summary of each stack, and its diff
// folded below. If GitHub would not take it, the diffs are cut and say so.
func (p page) render(plans []plan) string {
	diffs := make([]string, len(plans))
	size := 0
	for _, plan := range plans {
		size += len(p.section(plan, ""))
	}
	room := maxBody - len(p.head()) - size
	for i, plan := range plans {
		// Each stack has its share of what those before left.
		diffs[i] = p.cut(diff(plan), room/(len(plans)-i), plan.stack)
		room -= len(diffs[i])
	}
	var text strings.Builder
	text.WriteString(p.head())
	for i, plan := range plans {
		text.WriteString(p.section(plan, diffs[i]))
	}
	if text.Len() <= maxBody {
		return text.String()
	}
	const note = "\n\n**Cut here, too long for GitHub.**\n"
	return strings.ToValidUTF8(text.String()[:maxBody-len(note)], "") + note
}

func (p page) head() string { return fmt.Sprintf("%s\n## %s\n", p.marker, p.title) }

// section writes one stack's part, with the diff folded below unless it is empty.
func (p page) section(plan plan, diff string) string {
	var text strings.Builder
	fmt.Fprintf(&text, "\n### %s\n\n", plan.stack)
	if plan.failed {
		text.WriteString("**The preview failed.** Whether anything would change is not known; the log says more.\n\n")
		for _, message := range plan.errors {
			if len(message) > 2000 {
				message = strings.ToValidUTF8(message[:2000], "") + "…"
			}
			text.WriteString(fenced("", message))
		}
	}
	if len(plan.changes) == 0 {
		if !plan.failed {
			text.WriteString(p.same + "\n")
		}
		return text.String()
	}
	var counts []string
	loud := false
	for _, op := range ops {
		if n := len(plan.with(op)); n > 0 {
			counts = append(counts, fmt.Sprintf("%d %s", n, op))
			loud = loud || op == replaced || op == deleted
		}
	}
	summary := "**" + strings.Join(counts, ", ") + "**\n"
	for _, op := range ops {
		if names := plan.with(op); len(names) > 0 {
			summary += "\n- " + string(op) + ": " + strings.Join(names, ", ")
		}
	}
	if loud {
		summary = "> [!CAUTION]\n> " + strings.ReplaceAll(summary, "\n", "\n> ")
	}
	text.WriteString(summary + "\n\n<details><summary>diff</summary>\n\n" + diff + "</details>\n")
	return text.String()
}

// with names the resources that something happens to, and because of what one
// is replaced.
func (p plan) with(op op) []string {
	var names []string
	for _, c := range p.changes {
		if c.op != op {
			continue
		}
		name := code(c.typ + " " + c.name)
		var because []string
		for _, property := range c.properties {
			if property.replaces {
				because = append(because, code(property.path))
			}
		}
		if len(because) > 0 {
			name += " because of " + strings.Join(because, ", ")
		}
		names = append(names, name)
	}
	return names
}

// diff writes every property that differs, for GitHub to colour.
func diff(p plan) string {
	var lines []string
	for _, c := range p.changes {
		lines = append(lines, fmt.Sprintf("@@ %s: %s %s @@", c.op, c.typ, c.name))
		for _, property := range c.properties {
			why := ""
			if property.replaces {
				why = " (replaces)"
			}
			if property.old != "" {
				lines = append(lines, fmt.Sprintf("- %s%s: %s", property.path, why, property.old))
			}
			if property.new != "" {
				lines = append(lines, fmt.Sprintf("+ %s%s: %s", property.path, why, property.new))
			}
		}
	}
	if lines == nil {
		return ""
	}
	return fenced("diff", strings.Join(lines, "\n"))
}

// cut leaves as many whole lines of a diff as there is room for, and says that it did.
func (p page) cut(diff string, room int, stack string) string {
	if len(diff) <= room {
		return diff
	}
	lines := strings.SplitAfter(diff, "\n")
	closing := lines[len(lines)-2]
	note := closing + "\nCut here, too long for GitHub. All of it: " + code(fmt.Sprintf(p.more, stack)) + "\n\n"
	room -= len(note)
	kept := 0
	for size := 0; kept < len(lines)-2 && size+len(lines[kept]) <= room; kept++ {
		size += len(lines[kept])
	}
	if kept == 0 {
		return ""
	}
	return strings.Join(lines[:kept], "") + note
}

// fenced is text that Markdown leaves alone, whatever it holds.
func fenced(language, text string) string {
	fence := "```"
	for strings.Contains(text, fence) {
		fence += "`"
	}
	return fmt.Sprintf("%s%s\n%s\n%s\n", fence, language, text, fence)
}

// code is a name that Markdown leaves alone.
func code(text string) string { return "`" + strings.ReplaceAll(text, "`", "'") + "`" }
