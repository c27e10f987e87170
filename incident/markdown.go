package incident

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"quarterdeck/diagnosis"
	"quarterdeck/sources/markdown"
)

// Bounds of a text in a table, in runes.
const (
	rowText  = 160
	cellText = 60
	// proofText is what one piece of evidence says: the diagnosis has cut it already.
	proofText = 400
	// lineText is what is shown of a log line or a pattern in a table: its reason often stands at its end, so the middle is left out.
	lineText = 240
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
	r.writeActions(&b)
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
	if len(r.Nodes) > 0 {
		rows = append(rows, []string{"Node", markdown.Text(strings.Join(r.Nodes, ", "))})
	}
	rows = append(rows, []string{"Services", orElse(strings.Join(services, ", "), "all")})
	if also := r.alsoServices(); also != "" {
		rows = append(rows, []string{"Also in trouble", markdown.Text(also)})
	}
	rows = append(rows, []string{"Platform", markdown.Text(r.Context)},
		[]string{"Time shown", stamp(r.Since) + " to " + stamp(r.Until)}, []string{"Written", stamp(r.Made) + " by " + markdown.Text(r.By)})
	markdown.Table(b, []string{"What", "Value"}, rows)
}

// alsoServices are the names of those that were in trouble beside the incident's.
func (r *Report) alsoServices() string {
	names := make([]string, len(r.Also))
	for i := range r.Also {
		names[i] = r.Also[i].Service
	}
	return strings.Join(names, ", ")
}

// list writes a section of sentences, or why it is empty.
func list(b *strings.Builder, head string, lines []string, none string) {
	fmt.Fprintf(b, "\n## %s\n\n", head)
	items(b, "- ", lines, none)
}

func (r *Report) writeActions(b *strings.Builder) {
	b.WriteString("\n## Action items\n\n")
	if len(r.Actions)+len(r.Proposed) == 0 {
		b.WriteString("None is noted yet: a note that begins with action: stands here. Nothing that was found proposes one.\n")
		return
	}
	items(b, "- [ ] ", r.Actions, "")
	for _, x := range r.Proposed {
		from := markdown.Text(clip(x.From, rowText))
		if q := r.ref(x.Query); q != "" {
			from += ", " + q
		}
		fmt.Fprintf(b, "- [ ] proposed: %s (from %s)\n", markdown.Text(clip(x.Text, proofText)), from)
	}
	if len(r.Proposed) > 0 {
		b.WriteString("\nProposed: by Quarterdeck, from what was found. Nobody has decided on it: keep what is right, strike the rest.\n")
	}
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
		text := p.Text
		switch w := r.Window; {
		case p.Before || w.To.IsZero():
		case p.At.After(w.To.Add(lead)):
			text = "(after it) " + text
		case p.At.Before(w.From.Add(-lead)):
			text = "(before it) " + text
		}
		rows = append(rows, []string{stamp(p.At), markdown.Text(p.Source), markdown.Text(clip(text, rowText)), r.ref(p.Query)})
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
			fmt.Fprintf(b, "   - for it: %s%s\n", markdown.Text(p.words()), r.proof(p))
		}
		for _, p := range c.Against {
			fmt.Fprintf(b, "   - against it: %s%s\n", markdown.Text(p.words()), r.proof(p))
		}
	}
	r.writeLooked(b)
}

// writeLooked says in a line where the diagnosis has looked, and where it could not.
func (r *Report) writeLooked(b *strings.Builder) {
	var looked, not []string
	for _, l := range r.Looked {
		text := l.Source
		if l.State != diagnosis.WasLooked {
			not = append(not, joined(text+": "+l.State, l.Detail))
			continue
		}
		if l.Detail != "" {
			text += " (" + l.Detail + ")"
		}
		looked = append(looked, text)
	}
	if len(looked) > 0 {
		b.WriteString("\nLooked at: " + markdown.Text(strings.Join(looked, ", ")) + ".\n")
	}
	if len(not) > 0 {
		b.WriteString("\nNot looked at:\n\n")
		items(b, "- ", not, "")
	}
}

// words are a piece of evidence with its time.
func (p *Proof) words() string {
	text := clipMiddle(p.Text, proofText)
	if p.At != nil {
		text = clockOf(*p.At) + " " + text
	}
	if p.Outside != "" {
		text = "(" + p.Outside + " the impact) " + text
	}
	if p.More > 0 {
		text += fmt.Sprintf(" (and %d more like it)", p.More)
	}
	return text
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

// writeTimes are the times from the start of the impact, which is said once, and when each end was.
func (r *Report) writeTimes(b *strings.Builder) {
	b.WriteString("\n")
	ends := map[string]string{"detect": "detected", "acknowledge": "acknowledged", "mitigate": "mitigated", "resolve": "resolved"}
	row := func(what string, s Span) []string {
		value, at := "not known: "+s.Reason, ""
		if s.Seconds != nil {
			value = longSeconds(*s.Seconds)
		}
		for _, m := range r.Phases {
			if m.Phase == ends[what] {
				at = clockOf(m.At)
			}
		}
		return []string{what, markdown.Text(value), at, markdown.Text(s.By)}
	}
	markdown.Table(b, []string{"Time to", "Took", "At", "By"}, [][]string{row("detect", r.Times.Detect), row("acknowledge", r.Times.Acknowledge), row("mitigate", r.Times.Mitigate), row("resolve", r.Times.Resolve)})
	if r.Start.At != nil {
		b.WriteString("\nEach from the start of the impact, " + clockOf(*r.Start.At) + " UTC.\n")
	}
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
		service, text := x.Service, x.Text
		if x.Also {
			service = strings.TrimSpace(service + " (also)")
		}
		if x.Outside != "" {
			text = "(" + x.Outside + " the impact) " + text
		}
		rows = append(rows, []string{at, markdown.Text(x.Source), kind, markdown.Text(service), markdown.Text(shortName(x.Actor)), markdown.Text(clipMiddle(text, lineText)), r.ref(x.Query), string(x.Confidence)})
	}
	markdown.Table(b, []string{"UTC", "Source", "Kind", "Service", "Actor", "What", "Query", "Known"}, rows)
	b.WriteString("\nKnown: recorded, by the source itself; said, a person's word; inferred, by a rule of Quarterdeck from figures.")
	if slices.ContainsFunc(r.Timeline, func(x Row) bool { return x.Also }) {
		b.WriteString(" Also: of what the incident is not of, in the same time.")
	}
	b.WriteString("\n")
}

// shortName is who somebody is: of an address what is before the @; the authors above are whole.
func shortName(actor string) string {
	who, _, _ := strings.Cut(actor, "@")
	return who
}
