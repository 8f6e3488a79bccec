package summary

import (
	"fmt"
	"strings"

	"hello-timber/pipelines/cost"
	"hello-timber/pipelines/plan"
	"hello-timber/pipelines/run"
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

// Page is one kind of text about stacks.
type Page struct {
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

// OfPreview is the comment on a pull request, or the summary of a job.
func OfPreview(p *run.Pipeline) Page {
	text := Page{
		marker: "<!-- hello-timber: preview -->",
		title:  "Preview",
		intro:  "What deploying this would change, stack by stack.",
		same:   "no changes",
		more:   "make preview STACK=%s",
		cost:   true,
	}
	if commit := p.Env("COMMIT"); run.IsCommit(commit) {
		text.title += " of " + code(commit[:7])
	}
	text.link = runLink(p)
	return text
}

// OfDrift is the issue about the drift of some stacks, of which each set has its own.
func OfDrift(p *run.Pipeline, plans []plan.Plan) Page {
	text := Page{
		marker: "<!-- hello-timber: drift of " + strings.Join(Stacks(plans), " ") + " -->",
		title:  "Drift",
		intro: "What differs in the cloud (`+`) from what was deployed (`-`). Nothing is changed automatically: write the difference into " +
			"the program, or undo it with `make deploy STACK=STACK IMAGE=deployed`. The issue closes when a later check finds none.",
		same: "as deployed",
		more: "make drift STACK=%s",
	}
	text.link = runLink(p)
	return text
}

// Stacks are the names of the stacks of some plans.
func Stacks(plans []plan.Plan) []string {
	var names []string
	for _, found := range plans {
		names = append(names, found.Stack)
	}
	return names
}

// runLink is where people see the pipeline's run.
func runLink(p *run.Pipeline) string {
	if number := p.Env("GITHUB_RUN_ID"); run.IsNumber(number) {
		return p.Env("GITHUB_SERVER_URL") + "/" + p.Env("GITHUB_REPOSITORY") + "/actions/runs/" + number
	}
	return p.Env("DRONE_BUILD_LINK")
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

// Render writes the text in Markdown. What decides comes first, for every stack:
// counts, then what is replaced or deleted, then errors and warnings. The details
// share the room that is left. It returns whether everything is there.
func (p Page) Render(plans []plan.Plan) (text string, whole bool) {
	footer := p.footer()
	room := maxBody
	if p.summary {
		room = maxSummary
	}
	b := &body{room: room - len(footer) - len(cutNote)}
	b.add(p.marker + "\n## " + p.title + "\n\n" + p.intro + "\n\n" + p.row("stack", "result", "a month") + p.row("---", "---", "---"))
	for _, found := range plans {
		b.add(p.row(found.Stack, p.result(found), found.Amounts()))
	}
	for _, found := range plans {
		b.add(cautions(found))
	}
	for _, found := range plans {
		b.add(messages(found))
	}
	var detailed []plan.Plan
	for _, found := range plans {
		if len(found.Changes) > 0 || len(found.NotCompared) > 0 {
			detailed = append(detailed, found)
		}
	}
	whole = true
	for i, found := range detailed {
		details, all := p.details(found, b.room/(len(detailed)-i))
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
func (p Page) row(stack, result, amount string) string {
	if p.cost {
		result += " | " + amount
	}
	return "| " + stack + " | " + result + " |\n"
}

const cutNote = "\n**Cut here: too long for GitHub.**\n"

func (p Page) footer() string {
	if p.link == "" {
		return ""
	}
	return "\n[The run and its log](" + p.link + ")\n"
}

// result is a stack's line in the table.
func (p Page) result(found plan.Plan) string {
	switch {
	case found.OverBudget() && len(found.Changes) > 0:
		return "❌ **over budget**, with: " + found.Counts()
	case found.OverBudget():
		return "❌ **over budget**, and " + p.same
	case found.Failed && len(found.Changes) > 0:
		return "❌ **failed**, after: " + found.Counts()
	case found.Failed:
		return "❌ **failed**: whether anything would change is unknown"
	case found.NotDeployed:
		return "not deployed"
	case len(found.With(plan.Replaced))+len(found.With(plan.Deleted)) > 0:
		return "⚠️ **" + found.Counts() + "**"
	case len(found.Changes) > 0:
		return found.Counts()
	}
	return p.same
}

// cautions names what a stack would lose.
func cautions(found plan.Plan) string {
	var lines []string
	for _, op := range []plan.Op{plan.Replaced, plan.Deleted} {
		if list := found.With(op); len(list) > 0 {
			lines = append(lines, fmt.Sprintf("> - %s: %s", op, names(list)))
		}
	}
	if lines == nil {
		return ""
	}
	return fmt.Sprintf("\n> [!CAUTION]\n> **%s**\n>\n%s\n", found.Stack, strings.Join(lines, "\n"))
}

// messages are a stack's errors and warnings.
func messages(found plan.Plan) string {
	var text strings.Builder
	for _, kind := range []struct {
		title string
		list  []string
	}{{"failed", found.Errors}, {"warns", found.Warnings}} {
		if len(kind.list) == 0 {
			continue
		}
		fmt.Fprintf(&text, "\n**%s %s:**\n\n", found.Stack, kind.title)
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
func (p Page) details(found plan.Plan, room int) (details string, whole bool) {
	var text strings.Builder
	fmt.Fprintf(&text, "\n### %s\n\n", found.Stack)
	for _, op := range plan.Ops {
		if list := found.With(op); len(list) > 0 {
			fmt.Fprintf(&text, "- %s: %s\n", op, names(list))
		}
	}
	if why := found.Costs.Why(); p.cost && why != "" {
		text.WriteString("- a month (list prices of " + cost.Date + "): " + why + "\n")
	}
	if len(found.NotCompared) > 0 {
		text.WriteString("- not compared, because this check may not read secrets: " + names(found.NotCompared) + "\n")
	}
	if len(found.Changes) == 0 {
		return text.String(), true
	}
	const before, after = "\n<details><summary>diff</summary>\n\n", "\n</details>\n"
	text.WriteString(before)
	all := p.diff(found)
	shown := p.cutDiff(all, room-text.Len()-len(after), found.Stack)
	text.WriteString(shown + after)
	return text.String(), shown == all
}

// names lists resources, and because of what one is replaced.
func names(list []plan.Change) string {
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
func (p Page) diff(found plan.Plan) string {
	var lines []string
	for _, c := range found.Changes {
		lines = append(lines, fmt.Sprintf("@@ %s: %s %s @@", c.Op, printable(c.Type, false), printable(c.Name, false)))
		for _, property := range c.Properties {
			if !p.summary {
				property = property.Cut()
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
func (p Page) cutDiff(diff string, room int, stack string) string {
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
