package incident

import (
	"fmt"
	"strings"

	"quarterdeck/sources/markdown"
)

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
	var none, same, usual grouped
	var once []string
	drawn := 0
	for i := range r.Charts {
		c := &r.Charts[i]
		least, most, last := c.bounds()
		if last != nil && c.figure(*least.V) == c.figure(*most.V) {
			same.add(c.Service, c.Name+" "+c.figure(*most.V))
			continue
		}
		if last != nil && !c.drawn(r) && c.once() {
			once = append(once, c.Service+" at "+clockOf(most.T))
			continue
		}
		if last != nil && !c.drawn(r) {
			usual.add(c.Service, c.Name)
			continue
		}
		if last == nil {
			reason := strings.ReplaceAll(firstClause(orElse(c.Reason, "no sample in this time")), " of service "+c.Service, "")
			none.add(c.Service+"\x00"+strings.TrimPrefix(reason, "service "+c.Service+": "), c.Name)
			continue
		}
		drawn++
		head := fmt.Sprintf("%s of %s: least %s, most %s at %s%s, last %s", c.Name, c.Service, c.figure(*least.V), c.figure(*most.V), clockOf(most.T), c.besides(r.Window, most), c.figure(*last.V))
		b.WriteString("\n")
		markdown.Fence(b, "text", append([]string{head, ""}, c.draw(marks)...)...)
	}
	if drawn > 0 && legend != "" {
		b.WriteString("\nBelow the charts: " + legend + ". A dot on the ground: not known.\n")
	}
	if len(same.keys) > 0 {
		b.WriteString("\nThe same all the time: " + markdown.Text(same.words()) + ".\n")
	}
	if len(once) > 0 {
		b.WriteString("\nOne task was started: " + markdown.Text(strings.Join(once, ", ")) + ".\n")
	}
	if len(usual.keys) > 0 {
		b.WriteString("\nNot drawn, as usual all the time: " + markdown.Text(usual.words()) + ".\n")
	}
	if len(none.keys) > 0 {
		b.WriteString("\nNot drawn, not known:\n\n")
		var rows [][]string
		var why grouped // the services for which the same is not known for the same reason
		for _, k := range none.keys {
			service, reason, _ := strings.Cut(k, "\x00")
			why.add(strings.Join(none.of[k], ", ")+"\x00"+reason, service)
		}
		for _, k := range why.keys {
			figures, reason, _ := strings.Cut(k, "\x00")
			rows = append(rows, []string{markdown.Text(figures), markdown.Text(strings.Join(why.of[k], ", ")), markdown.Text(clip(reason, rowText))})
		}
		markdown.Table(b, []string{"Figures", "Services", "Why"}, rows)
	}
	if len(r.Charts) == 0 {
		b.WriteString("\nNo figure could be read: see the gaps.\n")
	}
}

// grouped are names by what they belong to, in the order in which they came.
type grouped struct {
	keys []string
	of   map[string][]string
}

func (g *grouped) add(key, name string) {
	if g.of == nil {
		g.of = map[string][]string{}
	}
	if len(g.of[key]) == 0 {
		g.keys = append(g.keys, key)
	}
	g.of[key] = append(g.of[key], name)
}

func (g *grouped) words() string {
	var out []string
	for _, k := range g.keys {
		out = append(out, strings.Join(g.of[k], ", ")+" of "+k)
	}
	return strings.Join(out, "; ")
}

// noErrorLine is why there are no lines where the logs were read.
const noErrorLine = "no line of level error or above in this time"

func (r *Report) writeLines(b *strings.Builder) {
	b.WriteString("\n## Log lines\n")
	if len(r.Lines) == 0 {
		b.WriteString("\nNone could be read: see the gaps.\n")
	}
	var silent []string
	for i := range r.Lines {
		l := &r.Lines[i]
		if l.Read == 0 && l.Reason == noErrorLine {
			silent = append(silent, l.Service)
			continue
		}
		r.writeLinesOf(b, l)
	}
	if len(silent) > 0 {
		b.WriteString("\nNo line of level error or above: " + markdown.Text(strings.Join(silent, ", ")) + ".\n")
	}
}

// writeLinesOf are the lines of one service: what they have in common, and the first ones whole.
func (r *Report) writeLinesOf(b *strings.Builder, l *Lines) {
	more := ""
	if l.More {
		more = ", and there are more"
	}
	read := "1 line of level error or above was read"
	if l.Read != 1 {
		read = fmt.Sprintf("%d lines of level error and above were read", l.Read)
	}
	fmt.Fprintf(b, "\n%s: %s%s", markdown.Text(l.Service), read, more)
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
			rows = append(rows, []string{fmt.Sprint(p.Count), fresh, clockOf(p.First), clockOf(p.Last), markdown.Code(clipMiddle(p.Text, lineText))})
		}
		markdown.Table(b, []string{"Lines", "New", "First", "Last", "What they have in common"}, rows)
	}
	if len(l.First) > 0 {
		b.WriteString("\nThe first from the onset on, two of a kind:\n\n")
		var lines []string
		for _, x := range l.First {
			lines = append(lines, fmt.Sprintf("%s %-5s %s %s", x.Time.UTC().Format("15:04:05.000"), x.Level, orElse(x.Node, "-"), x.Text))
		}
		markdown.Fence(b, "text", lines...)
	}
}

func (r *Report) writeQueries(b *strings.Builder) {
	b.WriteString("\n## Queries\n")
	if len(r.Queries) == 0 {
		b.WriteString("\nNone.\n")
	} else {
		fmt.Fprintf(b, "\nAll are asked for %s to %s UTC, where they name no time themselves.\n", stamp(r.Since), stamp(r.Until))
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
