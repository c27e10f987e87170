package incident

import (
	"fmt"
	"io"
	"strings"
	"time"

	"quarterdeck/sources/markdown"
)

// Bounds of a text in a table, in runes.
const (
	rowText  = 160
	cellText = 60
)

// Markdown writes the report in the order in which people expect it. All times are UTC.
func (r *Report) Markdown(w io.Writer) error {
	var b strings.Builder
	r.writeHead(&b)
	list(&b, "Summary", r.Summary, "Nothing is known that could be summed up.")
	r.writeImpact(&b)
	r.writeCauses(&b)
	list(&b, "Trigger", r.Trigger, "No change is known in the hour before.")
	list(&b, "Resolution", r.Resolution, "No run on these services is recorded in this time, and nobody has noted one.")
	list(&b, "Detection", r.Detection, "No incident was declared for this time.")
	r.writeTimes(&b)
	tasks(&b, "Action items", r.Actions, "None is noted yet: a note that begins with action: stands here.")
	list(&b, "Lessons", r.Lessons, "None is noted yet: a note that begins with lesson: stands here.")
	r.writeTimeline(&b)
	r.writeCharts(&b)
	r.writeLines(&b)
	r.writeQueries(&b)
	r.writeDeploys(&b)
	r.writeRedactions(&b)
	r.writeGaps(&b)
	fmt.Fprintf(&b, "\n## The record\n\n%s (`quarterdeck journal verify`).\n", markdown.Text(r.Chain))
	_, err := io.WriteString(w, b.String())
	return err
}

func (r *Report) writeHead(b *strings.Builder) {
	if r.ID != "" {
		fmt.Fprintf(b, "# Incident: %s\n\n", markdown.Text(r.Title))
	} else {
		fmt.Fprintf(b, "# Report: %s\n\n", markdown.Text(r.Title))
	}
	services := make([]string, len(r.Services))
	for i, s := range r.Services {
		services[i] = markdown.Text(s)
	}
	date := r.Since
	for _, m := range r.Phases {
		if m.Phase == "started" {
			date = m.At
		}
	}
	rows := [][]string{
		{"Date", date.UTC().Format("2006-01-02") + " (all times are UTC)"},
		{"Authors", markdown.Text(strings.Join(r.Authors, ", "))},
		{"Status", markdown.Text(r.Status)},
	}
	if r.ID != "" {
		rows = append(rows, []string{"Severity", markdown.Text(r.Severity)}, []string{"Owner", markdown.Text(orElse(r.Owner, "nobody has acknowledged it"))}, []string{"Incident", markdown.Code(r.ID)})
	}
	rows = append(rows, []string{"Services", orElse(strings.Join(services, ", "), "all")}, []string{"Platform", markdown.Text(r.Context)},
		[]string{"Time shown", stamp(r.Since) + " to " + stamp(r.Until)}, []string{"Written", stamp(r.Made) + " by " + markdown.Text(r.By)})
	markdown.Table(b, []string{"What", "Value"}, rows)
}

// list writes a section of sentences, or why it is empty.
func list(b *strings.Builder, head string, lines []string, none string) {
	fmt.Fprintf(b, "\n## %s\n\n", head)
	items(b, "- ", lines, none)
}

func tasks(b *strings.Builder, head string, lines []string, none string) {
	fmt.Fprintf(b, "\n## %s\n\n", head)
	items(b, "- [ ] ", lines, none)
}

func items(b *strings.Builder, sign string, lines []string, none string) {
	if len(lines) == 0 && none != "" {
		b.WriteString(none + "\n")
	}
	for _, l := range lines {
		b.WriteString(sign + markdown.Text(l) + "\n")
	}
}

func (r *Report) writeImpact(b *strings.Builder) {
	list(b, "Impact", r.Impact, "No figure says that users were hit; nobody has noted an impact.")
	if len(r.Start.Proposed) == 0 {
		b.WriteString("\nNo evidence proposes when it began.\n")
		return
	}
	b.WriteString("\nEvidence of when it began:\n\n")
	var rows [][]string
	for _, p := range r.Start.Proposed {
		rows = append(rows, []string{stamp(p.At), markdown.Text(p.Source), markdown.Text(clip(p.Text, rowText)), r.ref(p.Query)})
	}
	markdown.Table(b, []string{"Time", "Who says so", "What", "Query"}, rows)
}

func (r *Report) writeCauses(b *strings.Builder) {
	b.WriteString("\n## Causes\n\n")
	items(b, "- ", r.CauseNotes, "")
	if len(r.CauseNotes) > 0 {
		b.WriteString("\n")
	}
	if len(r.Causes) == 0 {
		b.WriteString("The diagnosis names none.")
		if len(r.Looked) == 0 {
			b.WriteString(" It has not looked.")
		}
		b.WriteString("\n")
	}
	for i := range r.Causes {
		c := &r.Causes[i]
		about := orElse(c.Service, c.Node)
		fmt.Fprintf(b, "%d. **%s** (%s), %.0f %% sure as of %s", i+1, markdown.Text(c.Title), strings.TrimSuffix(markdown.Code(c.ID)+", "+markdown.Text(about), ", "), 100*c.Confidence, clockOf(c.At))
		if c.Why != "" {
			b.WriteString(": " + markdown.Text(c.Why))
		}
		if c.EffectOf != "" {
			b.WriteString(". An effect of " + markdown.Text(c.EffectOf))
		}
		b.WriteString("\n")
		for _, p := range c.Evidence {
			fmt.Fprintf(b, "   - for it: %s%s\n", markdown.Text(clip(p.Text, rowText)), r.proof(p))
		}
		for _, p := range c.Against {
			fmt.Fprintf(b, "   - against it: %s%s\n", markdown.Text(clip(p.Text, rowText)), r.proof(p))
		}
	}
	if len(r.Looked) > 0 {
		b.WriteString("\nLooked at:\n\n")
		var rows [][]string
		for _, l := range r.Looked {
			rows = append(rows, []string{markdown.Text(l.Source), markdown.Text(l.State), markdown.Text(clip(l.Detail, rowText))})
		}
		markdown.Table(b, []string{"Source", "State", "What"}, rows)
	}
}

func (r *Report) proof(p Proof) string {
	text := " (" + markdown.Text(p.Source)
	if q := r.ref(p.Query); q != "" {
		text += ", " + q
	}
	return text + ")"
}

// ref is how a query is named: its number in the section of queries.
func (r *Report) ref(query string) string {
	for i := range r.Queries {
		if query != "" && r.Queries[i].Query == query {
			return fmt.Sprintf("Q%d", i+1)
		}
	}
	return ""
}

func (r *Report) writeTimes(b *strings.Builder) {
	b.WriteString("\n")
	row := func(what, from string, s Span) []string {
		value := "unavailable: " + s.Reason
		if s.Seconds != nil {
			value = long(time.Duration(*s.Seconds * float64(time.Second)))
		}
		return []string{what, from, markdown.Text(value), markdown.Text(s.By)}
	}
	markdown.Table(b, []string{"Time to", "From, to", "Took", "By"}, [][]string{
		row("detect", "impact began, detected", r.Times.Detect), row("acknowledge", "detected, acknowledged", r.Times.Acknowledge),
		row("mitigate", "impact began, mitigated", r.Times.Mitigate), row("resolve", "impact began, resolved", r.Times.Resolve)})
}

func (r *Report) writeTimeline(b *strings.Builder) {
	b.WriteString("\n## Timeline\n\n")
	if len(r.Timeline) == 0 {
		b.WriteString("No source that could be looked at tells of anything in this time.\n")
		return
	}
	oneDay := r.Since.UTC().Format(time.DateOnly) == r.Until.UTC().Format(time.DateOnly)
	var rows [][]string
	for i := range r.Timeline {
		x := &r.Timeline[i]
		at := stamp(x.Time)
		if oneDay {
			at = clockOf(x.Time)
		}
		kind := markdown.Text(x.Kind)
		if x.Bad {
			kind = "**" + kind + "**"
		}
		rows = append(rows, []string{at, markdown.Text(x.Source), kind, markdown.Text(x.Service), markdown.Text(shortName(x.Actor)), markdown.Text(clip(x.Text, rowText)), r.ref(x.Query), string(x.Confidence)})
	}
	markdown.Table(b, []string{"UTC", "Source", "Kind", "Service", "Actor", "What", "Query", "Known"}, rows)
	b.WriteString("\nKnown: recorded, by the source itself; said, a person's word; inferred, by a rule of Quarterdeck from figures.\n")
}

// shortName is who somebody is: of an address what is before the @; the authors above are whole.
func shortName(actor string) string {
	who, _, _ := strings.Cut(actor, "@")
	return who
}

// marks are the phases below the charts.
func (r *Report) marks() (out []mark, legend string) {
	var words []string
	for i := range r.Deploys {
		out = append(out, mark{r.Deploys[i].At, 'c'})
	}
	if len(out) > 0 {
		words = append(words, "c change")
	}
	for _, m := range r.Phases {
		if m.Phase == "started" {
			continue
		}
		out = append(out, mark{m.At, m.Phase[0] - 'a' + 'A'})
		words = append(words, fmt.Sprintf("%c %s", m.Phase[0]-'a'+'A', m.Phase))
	}
	return out, strings.Join(words, ", ")
}

func (r *Report) writeCharts(b *strings.Builder) {
	b.WriteString("\n## Charts\n")
	marks, legend := r.marks()
	var none [][]string
	drawn := 0
	for i := range r.Charts {
		c := &r.Charts[i]
		least, most, last := c.bounds()
		if last == nil {
			none = append(none, []string{markdown.Text(c.Service), markdown.Text(c.Name), markdown.Text(clip(orElse(c.Reason, "no sample in this time"), rowText))})
			continue
		}
		drawn++
		head := fmt.Sprintf("%s of %s: least %s, most %s at %s, last %s", c.Name, c.Service, c.figure(*least.V), c.figure(*most.V), clockOf(most.T), c.figure(*last.V))
		b.WriteString("\n")
		markdown.Fence(b, "text", append([]string{head, ""}, c.draw(marks)...)...)
	}
	if drawn > 0 && legend != "" {
		b.WriteString("\nBelow the charts: " + legend + ". A dot on the ground: not known.\n")
	}
	if len(none) > 0 {
		b.WriteString("\nNot drawn:\n\n")
		markdown.Table(b, []string{"Service", "Figure", "Why"}, none)
	}
	if len(r.Charts) == 0 {
		b.WriteString("\nNo figure could be read: see the gaps.\n")
	}
}

func (r *Report) writeLines(b *strings.Builder) {
	b.WriteString("\n## Log lines\n")
	if len(r.Lines) == 0 {
		b.WriteString("\nNone could be read: see the gaps.\n")
	}
	for i := range r.Lines {
		l := &r.Lines[i]
		more := ""
		if l.More {
			more = ", and there are more"
		}
		fmt.Fprintf(b, "\n%s: %d lines of level error and above were read%s", markdown.Text(l.Service), l.Read, more)
		if q := r.ref(l.Query); q != "" {
			b.WriteString(" (" + q + ")")
		}
		b.WriteString(".")
		if l.Reason != "" && len(l.First) == 0 {
			b.WriteString(" " + markdown.Text(l.Reason) + ".")
		}
		b.WriteString("\n")
		if len(l.Patterns) > 0 {
			b.WriteString("\n")
			var rows [][]string
			for _, p := range l.Patterns {
				fresh := ""
				if p.New {
					fresh = "new"
				}
				rows = append(rows, []string{fmt.Sprint(p.Count), fresh, clockOf(p.First), clockOf(p.Last), markdown.Code(clip(p.Text, rowText))})
			}
			markdown.Table(b, []string{"Lines", "New", "First", "Last", "What they have in common"}, rows)
		}
		if len(l.First) > 0 {
			b.WriteString("\nThe first from the onset on:\n\n")
			var lines []string
			for _, x := range l.First {
				lines = append(lines, fmt.Sprintf("%s %-5s %s %s", x.Time.UTC().Format("15:04:05.000"), x.Level, orElse(x.Node, "-"), clip(x.Text, 2*rowText)))
			}
			markdown.Fence(b, "text", lines...)
		}
	}
}

func (r *Report) writeQueries(b *strings.Builder) {
	b.WriteString("\n## Queries\n")
	if len(r.Queries) == 0 {
		b.WriteString("\nNone.\n")
	}
	for i, q := range r.Queries {
		fmt.Fprintf(b, "\nQ%d, %s, for %s:\n\n", i+1, markdown.Text(q.Source), markdown.Text(clip(q.For, rowText)))
		markdown.Fence(b, "text", q.Query)
	}
}

func (r *Report) writeDeploys(b *strings.Builder) {
	b.WriteString("\n## Spec diff\n")
	if len(r.Deploys) == 0 {
		b.WriteString("\nNo change of a spec is known in this time.\n")
	}
	for i := range r.Deploys {
		d := &r.Deploys[i]
		fmt.Fprintf(b, "\n**%s** at %s, %s", markdown.Text(d.Service), stamp(d.At), markdown.Text(d.How))
		if d.Run != "" {
			fmt.Fprintf(b, " %s by %s", markdown.Code(d.Run), markdown.Text(d.Actor))
		}
		if d.Failed != "" {
			b.WriteString(". It failed: " + markdown.Text(d.Failed))
		}
		b.WriteString("\n\n")
		var rows [][]string
		for _, f := range d.Fields {
			rows = append(rows, []string{markdown.Text(f.Field), markdown.Code(clip(f.Before, cellText)), markdown.Code(clip(f.After, cellText))})
		}
		markdown.Table(b, []string{"Field", "Before", "After"}, rows)
	}
}

func (r *Report) writeRedactions(b *strings.Builder) {
	b.WriteString("\n## Redactions\n\n")
	if len(r.Redactions) == 0 {
		b.WriteString("Nothing that looks like a credential was found in what this report took in.\n")
		return
	}
	var rows [][]string
	for _, x := range r.Redactions {
		rows = append(rows, []string{markdown.Text(x.Kind), markdown.Text(x.Where), fmt.Sprint(x.Count)})
	}
	markdown.Table(b, []string{"Kind", "Where", "How many"}, rows)
}

func (r *Report) writeGaps(b *strings.Builder) {
	b.WriteString("\n## Gaps\n\n")
	if len(r.Gaps) == 0 {
		b.WriteString("Every source could be looked at.\n")
		return
	}
	var rows [][]string
	for _, x := range r.Gaps {
		when := ""
		if x.From != nil && x.To != nil {
			when = clockOf(*x.From) + " to " + clockOf(*x.To)
		}
		rows = append(rows, []string{markdown.Text(x.Source), markdown.Text(x.What), when, markdown.Text(clip(x.Reason, rowText))})
	}
	markdown.Table(b, []string{"Source", "What could not be looked at", "When", "Why"}, rows)
}
