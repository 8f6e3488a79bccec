package main

import (
	"fmt"
	"strings"
	"unicode"

	"hello-timber/pipelines/cost"
)

const (
	// maxBody is how many characters GitHub accepts in a comment or an issue.
	// Counted here in bytes, of which there are never fewer.
	maxBody = 65536
	// maxSummary is how many bytes GitHub accepts in the summary of a job's step:
	// https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands#step-isolation-and-limits
	maxSummary = 1 << 20
)

const (
	// maxNames is how many resources are named per stack and operation, maxMessages
	// how many messages per stack, maxMessage how many bytes of one.
	maxNames    = 10
	maxMessages = 3
	maxMessage  = 2000
)

// page is one kind of text about stacks.
type page struct {
	// marker is the hidden first line by which the text is found again.
	marker, title, intro string
	// link leads to the run's log.
	link string
	// same describes a stack without changes, more is where the rest of a diff is.
	same, more string
	// cost reports that the text says what a stack costs.
	cost bool
	// summary reports that the text is for a job's summary, which has room for whole values.
	summary bool
}

// previewPage is the comment on a pull request, or the summary of a job.
func (p *pipeline) previewPage() page {
	text := page{
		marker: "<!-- hello-timber: preview -->",
		title:  "Preview",
		intro:  "What deploying this would change, stack by stack.",
		same:   "no changes",
		more:   "make preview STACK=%s",
		cost:   true,
	}
	if commit := p.env("COMMIT"); isCommit(commit) {
		text.title += " of " + code(commit[:7])
	}
	text.link = p.runLink()
	return text
}

// driftPage is the issue about the drift of some stacks, of which each set has its own.
func (p *pipeline) driftPage(plans []plan) page {
	text := page{
		marker: "<!-- hello-timber: drift of " + strings.Join(stacksOf(plans), " ") + " -->",
		title:  "Drift",
		intro: "What differs in the cloud (`+`) from what was deployed (`-`). Nothing is changed automatically: write the difference into " +
			"the program, or undo it with `make deploy STACK=STACK IMAGE=deployed`. The issue closes when a later check finds none.",
		same: "as deployed",
		more: "make drift STACK=%s",
	}
	text.link = p.runLink()
	return text
}

func stacksOf(plans []plan) []string {
	var names []string
	for _, plan := range plans {
		names = append(names, plan.Stack)
	}
	return names
}

// runLink is where people see the pipeline's run.
func (p *pipeline) runLink() string {
	if run := p.env("GITHUB_RUN_ID"); isNumber(run) {
		return p.env("GITHUB_SERVER_URL") + "/" + p.env("GITHUB_REPOSITORY") + "/actions/runs/" + run
	}
	return p.env("DRONE_BUILD_LINK")
}

// body is a text that never grows beyond what GitHub accepts.
type body struct {
	strings.Builder
	room int
	cut  bool
}

// add appends a part if there is room for all of it.
func (b *body) add(part string) {
	if len(part) > b.room {
		b.cut = true
		return
	}
	b.room -= len(part)
	b.WriteString(part)
}

// render writes the text in Markdown. What decides comes first, for every stack:
// counts, then what is replaced or deleted, then errors and warnings. The details
// share the room that is left. It returns whether everything is there.
func (p page) render(plans []plan) (text string, whole bool) {
	footer := p.footer()
	room := maxBody
	if p.summary {
		room = maxSummary
	}
	b := &body{room: room - len(footer) - len(cutNote)}
	b.add(p.marker + "\n## " + p.title + "\n\n" + p.intro + "\n\n" + p.row("stack", "result", "a month") + p.row("---", "---", "---"))
	for _, plan := range plans {
		b.add(p.row(plan.Stack, p.result(plan), plan.amounts()))
	}
	for _, plan := range plans {
		b.add(cautions(plan))
	}
	for _, plan := range plans {
		b.add(messages(plan))
	}
	var detailed []plan
	for _, plan := range plans {
		if len(plan.Changes) > 0 || len(plan.NotCompared) > 0 {
			detailed = append(detailed, plan)
		}
	}
	whole = true
	for i, plan := range detailed {
		details, all := p.details(plan, b.room/(len(detailed)-i))
		b.add(details)
		whole = whole && all
	}
	if b.cut {
		b.WriteString(cutNote)
	}
	b.WriteString(footer)
	return b.String(), whole && !b.cut
}

// row is one of the table; what a stack costs is only in some texts.
func (p page) row(stack, result, amount string) string {
	if p.cost {
		result += " | " + amount
	}
	return "| " + stack + " | " + result + " |\n"
}

const cutNote = "\n**Cut here: too long for GitHub.**\n"

func (p page) footer() string {
	if p.link == "" {
		return ""
	}
	return "\n[The run and its log](" + p.link + ")\n"
}

// result is a stack's line in the table.
func (p page) result(plan plan) string {
	switch {
	case plan.overBudget() && len(plan.Changes) > 0:
		return "❌ **over budget**, with: " + plan.counts()
	case plan.overBudget():
		return "❌ **over budget**, and " + p.same
	case plan.Failed && len(plan.Changes) > 0:
		return "❌ **failed**, after: " + plan.counts()
	case plan.Failed:
		return "❌ **failed**: whether anything would change is unknown"
	case plan.NotDeployed:
		return "not deployed"
	case len(plan.with(replaced))+len(plan.with(deleted)) > 0:
		return "⚠️ **" + plan.counts() + "**"
	case len(plan.Changes) > 0:
		return plan.counts()
	}
	return p.same
}

// cautions names what a stack would lose.
func cautions(plan plan) string {
	var lines []string
	for _, op := range []op{replaced, deleted} {
		if list := plan.with(op); len(list) > 0 {
			lines = append(lines, fmt.Sprintf("> - %s: %s", op, names(list)))
		}
	}
	if lines == nil {
		return ""
	}
	return fmt.Sprintf("\n> [!CAUTION]\n> **%s**\n>\n%s\n", plan.Stack, strings.Join(lines, "\n"))
}

// messages are a stack's errors and warnings.
func messages(plan plan) string {
	var text strings.Builder
	for _, kind := range []struct {
		title string
		list  []string
	}{{"failed", plan.Errors}, {"warns", plan.Warnings}} {
		if len(kind.list) == 0 {
			continue
		}
		fmt.Fprintf(&text, "\n**%s %s:**\n\n", plan.Stack, kind.title)
		for i, message := range kind.list {
			if i == maxMessages {
				fmt.Fprintf(&text, "%d more in the log.\n", len(kind.list)-i)
				break
			}
			if len(message) > maxMessage {
				message = strings.ToValidUTF8(message[:maxMessage], "") + "…"
			}
			text.WriteString(fenced("", printable(message, true)))
		}
	}
	return text.String()
}

// details are what happens to each resource, with the diff folded, and whether the diff
// is whole.
func (p page) details(plan plan, room int) (details string, whole bool) {
	var text strings.Builder
	fmt.Fprintf(&text, "\n### %s\n\n", plan.Stack)
	for _, op := range ops {
		if list := plan.with(op); len(list) > 0 {
			fmt.Fprintf(&text, "- %s: %s\n", op, names(list))
		}
	}
	if why := plan.Costs.Why(); p.cost && why != "" {
		text.WriteString("- a month (list prices of " + cost.Date + "): " + why + "\n")
	}
	if len(plan.NotCompared) > 0 {
		text.WriteString("- not compared, because this check may not read secrets: " + names(plan.NotCompared) + "\n")
	}
	if len(plan.Changes) == 0 {
		return text.String(), true
	}
	const before, after = "\n<details><summary>diff</summary>\n\n", "\n</details>\n"
	text.WriteString(before)
	all := p.diff(plan)
	shown := p.cutDiff(all, room-text.Len()-len(after), plan.Stack)
	text.WriteString(shown + after)
	return text.String(), shown == all
}

// names lists resources, and because of what one is replaced.
func names(list []change) string {
	var texts []string
	for _, c := range list[:min(len(list), maxNames)] {
		text := code(c.Type + " " + c.Name)
		var because []string
		for _, property := range c.Properties {
			if property.Replaces && len(because) < maxNames {
				because = append(because, code(property.Path))
			}
		}
		if len(because) > 0 {
			text += " because of " + strings.Join(because, ", ")
		}
		texts = append(texts, text)
	}
	if more := len(list) - len(texts); more > 0 {
		texts = append(texts, fmt.Sprintf("and %d more", more))
	}
	return strings.Join(texts, ", ")
}

// diff writes every property that differs, for GitHub to color.
func (p page) diff(plan plan) string {
	var lines []string
	for _, c := range plan.Changes {
		lines = append(lines, fmt.Sprintf("@@ %s: %s %s @@", c.Op, printable(c.Type, false), printable(c.Name, false)))
		for _, property := range c.Properties {
			if !p.summary {
				property = property.cut()
			}
			path := printable(property.Path, false)
			if property.Replaces {
				path += " (replaces)"
			}
			if property.Old != "" {
				lines = append(lines, "- "+path+": "+printable(property.Old, false))
			}
			if property.New != "" {
				lines = append(lines, "+ "+path+": "+printable(property.New, false))
			}
		}
	}
	return fenced("diff", strings.Join(lines, "\n"))
}

// cutDiff leaves as many whole lines of a diff as there is room for, and says so.
func (p page) cutDiff(diff string, room int, stack string) string {
	if len(diff) <= room {
		return diff
	}
	lines := strings.SplitAfter(diff, "\n")
	closing := lines[len(lines)-2]
	note := closing + "\nCut here: too long for GitHub. Everything: " + code(fmt.Sprintf(p.more, stack)) + "\n"
	room -= len(note)
	kept := 0
	for size := 0; kept < len(lines)-2 && size+len(lines[kept]) <= room; kept++ {
		size += len(lines[kept])
	}
	if kept == 0 {
		return strings.TrimPrefix(note, closing+"\n")
	}
	return strings.Join(lines[:kept], "") + note
}

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
	if len(text) > longest {
		text = strings.ToValidUTF8(text[:longest], "") + "…"
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
