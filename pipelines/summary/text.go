package summary

import (
	"fmt"
	"strings"
	"unicode"

	"hello-timber/pipelines/cost"
	"hello-timber/pipelines/plan"
	"hello-timber/pipelines/run"
)

const (
	// maxPost is how many characters GitHub accepts in a comment or an issue. Counted here
	// in bytes, of which there are never fewer.
	maxPost = 65536
	// maxSummary is how many bytes GitHub accepts in the summary of a job's step:
	// https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands#step-isolation-and-limits
	maxSummary = 1 << 20

	// maxNames is how many resources are named per stack and operation, maxMessages
	// how many messages per stack, maxMessage how many bytes of one.
	maxNames    = 10
	maxMessages = 3
	maxMessage  = 2000
	// maxValue is how many bytes of one name, or of one value in a post.
	maxValue = 300
)

// Text is what people read about plans.
type Text struct {
	// marker is the hidden first line by which the text is found again.
	marker, title, intro string
	plans                []plan.Plan
	// link leads to the run's log.
	link string
	// same describes a stack without changes, more is where the rest of a diff is.
	same, more string
	// cost reports that the text says what a stack costs.
	cost bool
}

// OfPreview is the comment on a pull request, or the summary of a job.
func OfPreview(p *run.Pipeline, plans []plan.Plan) Text {
	title := "Preview"
	if commit := p.Env("COMMIT"); run.IsCommit(commit) {
		title += " of " + code(commit[:7])
	}
	return Text{
		marker: "<!-- hello-timber: preview -->",
		title:  title,
		intro:  "What deploying this would change, stack by stack. `make deploy STACK=STACK` deploys it from a checkout.",
		plans:  plans,
		link:   runLink(p),
		same:   "no changes",
		more:   "make preview STACK=",
		cost:   true,
	}
}

// OfDrift is the issue about the drift of some stacks, of which each set has its own.
func OfDrift(p *run.Pipeline, plans []plan.Plan) Text {
	return Text{
		marker: "<!-- hello-timber: drift of " + Stacks(plans, " ") + " -->",
		title:  "Drift",
		intro: "What differs in the cloud (`+`) from what was deployed (`-`). Nothing is changed automatically: write the difference into " +
			"the program, or undo it with `make deploy STACK=STACK IMAGE=deployed`. The issue closes when a later check finds none.",
		plans: plans,
		link:  runLink(p),
		same:  "as deployed",
		more:  "make drift STACK=",
	}
}

// Stacks are the names of the stacks.
func Stacks(plans []plan.Plan, separator string) string {
	var names []string
	for _, found := range plans {
		names = append(names, found.Stack)
	}
	return strings.Join(names, separator)
}

// runLink is where people see the pipeline's run.
func runLink(p *run.Pipeline) string {
	if number := p.Env("GITHUB_RUN_ID"); run.IsNumber(number) {
		return p.Env("GITHUB_SERVER_URL") + "/" + p.Env("GITHUB_REPOSITORY") + "/actions/runs/" + number
	}
	return p.Env("DRONE_BUILD_LINK")
}

// Post is the text for a comment or an issue, where long values are cut.
func (t Text) Post() string {
	text, _ := t.render(maxPost)
	return text
}

// Print writes the text, with whole values, to the log and into the job's summary. It
// returns whether everything is there.
func (t Text) Print(p *run.Pipeline) (whole bool, err error) {
	text, whole := t.render(maxSummary)
	fmt.Fprint(p.Out, text)
	return whole, p.AppendTo("GITHUB_STEP_SUMMARY", text)
}

const cutNote = "\n**Cut here: too long for GitHub.**\n"

// render writes the text in Markdown. What decides comes first, for every stack: counts,
// then what is replaced or deleted, then errors and warnings. The diffs share the room
// that is left.
func (t Text) render(room int) (text string, whole bool) {
	footer := ""
	if t.link != "" {
		footer = "\n[The run and its log](" + t.link + ")\n"
	}
	parts := []string{t.marker + "\n## " + t.title + "\n\n" + t.intro + "\n\n" + t.row("stack", "result", "a month") + t.row("---", "---", "---")}
	for _, found := range t.plans {
		parts = append(parts, t.row(found.Stack, t.result(found), found.Amounts()))
	}
	for _, found := range t.plans {
		if losses := lines(found, "> ", plan.Replaced, plan.Deleted); losses != "" {
			parts = append(parts, fmt.Sprintf("\n> [!CAUTION]\n> **%s**\n>\n%s", found.Stack, losses))
		}
	}
	for _, found := range t.plans {
		parts = append(parts, messages(found.Stack+" failed", found.Errors)+messages(found.Stack+" warns", found.Warnings))
	}
	var b strings.Builder
	left, missing, whole := room-len(footer)-len(cutNote), false, true
	add := func(part string) {
		if len(part) > left {
			missing = true
			return
		}
		left -= len(part)
		b.WriteString(part)
	}
	for _, part := range parts {
		add(part)
	}
	for i, found := range t.plans {
		if len(found.Changes)+len(found.NotCompared) > 0 {
			details, all := t.details(found, left/(len(t.plans)-i), room == maxPost)
			add(details)
			whole = whole && all
		}
	}
	if missing {
		b.WriteString(cutNote)
	}
	return b.String() + footer, whole && !missing
}

// row is one of the table; what a stack costs is only in some texts.
func (t Text) row(stack, result, amount string) string {
	if t.cost {
		result += " | " + amount
	}
	return "| " + stack + " | " + result + " |\n"
}

// result is a stack's cell in the table.
func (t Text) result(found plan.Plan) string {
	counts := found.Counts()
	switch {
	case found.OverBudget() && counts != "":
		return "❌ **over budget**, with: " + counts
	case found.OverBudget():
		return "❌ **over budget**, and " + t.same
	case found.Failed && counts != "":
		return "❌ **failed**, after: " + counts
	case found.Failed:
		return "❌ **failed**: whether anything would change is unknown"
	case found.NotDeployed:
		return "not deployed"
	case len(found.With(plan.Replaced))+len(found.With(plan.Deleted)) > 0:
		return "⚠️ **" + counts + "**"
	case counts != "":
		return counts
	}
	return t.same
}

// messages are a stack's errors or warnings.
func messages(title string, list []string) string {
	if len(list) == 0 {
		return ""
	}
	text := "\n**" + title + ":**\n\n"
	for _, message := range list[:min(len(list), maxMessages)] {
		text += fenced("", printable(cut(message, 0, maxMessage), true))
	}
	if more := len(list) - maxMessages; more > 0 {
		text += fmt.Sprintf("%d more in the log.\n", more)
	}
	return text
}

// lines are a list of what happens to which resources.
func lines(found plan.Plan, indent string, ops ...plan.Op) string {
	text := ""
	for _, op := range ops {
		if list := found.With(op); len(list) > 0 {
			text += fmt.Sprintf("%s- %s: %s\n", indent, op, names(list))
		}
	}
	return text
}

// names lists resources, and because of what one is replaced.
func names(list []plan.Change) string {
	var texts []string
	for _, c := range list[:min(len(list), maxNames)] {
		var because []string
		for _, property := range c.Properties {
			if property.Replaces && len(because) < maxNames {
				because = append(because, code(property.Path))
			}
		}
		text := code(c.Type + " " + c.Name)
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

// details are what happens to each resource, with the diff folded, and whether the diff
// is whole. A post cuts long values.
func (t Text) details(found plan.Plan, room int, post bool) (details string, whole bool) {
	text := "\n### " + found.Stack + "\n\n" + lines(found, "", plan.Ops...)
	if why := found.Costs.Why(); t.cost && why != "" {
		text += "- a month (list prices of " + cost.Date + "): " + why + "\n"
	}
	if len(found.NotCompared) > 0 {
		text += "- not compared, because this check may not read secrets: " + names(found.NotCompared) + "\n"
	}
	if len(found.Changes) == 0 {
		return text, true
	}
	const after = "\n</details>\n"
	text += "\n<details><summary>diff</summary>\n\n"
	diff := diffOf(found, post)
	if len(text)+len(diff)+len(after) <= room {
		return text + diff + after, true
	}
	return text + cutDiff(diff, room-len(text)-len(after), t.more+found.Stack) + after, false
}

// diffOf writes every property that differs, for GitHub to color.
func diffOf(found plan.Plan, post bool) string {
	var lines []string
	for _, c := range found.Changes {
		lines = append(lines, fmt.Sprintf("@@ %s: %s %s @@", c.Op, printable(c.Type, false), printable(c.Name, false)))
		for _, property := range c.Properties {
			if post {
				property = short(property)
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
func cutDiff(diff string, room int, command string) string {
	fence, _, _ := strings.Cut(diff, "diff\n")
	note := "\nCut here: too long for GitHub. Everything: " + code(command) + "\n"
	kept := diff[:max(0, room-len(fence+"\n"+note))]
	if kept = kept[:strings.LastIndexByte(kept, '\n')+1]; kept == "" {
		return note
	}
	return kept + fence + "\n" + note
}

// Fenced is text that is shown as it is.
func Fenced(text string) string { return fenced("", printable(text, true)) }

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
	return "`" + cut(text, 0, maxValue) + "`"
}

// short leaves of long values the part around their first difference, so that two of
// them never look the same.
func short(p plan.Property) plan.Property {
	from := 0
	if p.Old != "" && p.New != "" && max(len(p.Old), len(p.New)) > maxValue {
		for from < min(len(p.Old), len(p.New)) && p.Old[from] == p.New[from] {
			from++
		}
		from = max(0, from-maxValue/3)
	}
	p.Old, p.New = cut(p.Old, from, maxValue), cut(p.New, from, maxValue)
	return p
}

// cut leaves so many bytes of a text, from one on.
func cut(text string, from, room int) string {
	start, end := "", ""
	if from > 0 {
		start = "…"
	}
	if len(text) > from+room {
		text, end = text[:from+room], "…"
	}
	return start + strings.ToValidUTF8(text[min(from, len(text)):], "") + end
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
