package ui

import (
	"fmt"
	"math"
	"strings"

	"quarterdeck/sources"
	"quarterdeck/ui/chart"
	"quarterdeck/ui/plain"
)

func (b *compareBox) title() string            { return "before and after: " + inLine(b.service) }
func (b *compareBox) paste(string)             {}
func (b *compareBox) size(m *Model) (int, int) { return boxWidth(m), m.h - 4 }

func (b *compareBox) lines(m *Model, w, h int) []string {
	foot := boxHints(m, w, areaCompare)
	b.tall = max(h-len(foot.lines)-1, 1)
	p := b.page(m, w)
	b.over = max(len(p.lines)-b.tall, 0)
	b.scroll.at = min(b.scroll.at, b.over)
	out := p.window(b.scroll.at, b.tall)
	return append(append(out, moreLine(m, b.over-b.scroll.at, w)), foot.lines...)[:h]
}

// comparePage is a page whose rows name their queries by a number.
type comparePage struct {
	page
	queries []string
}

// query gives a query its number.
func (p *comparePage) query(q string) string {
	if q == "" {
		return ""
	}
	for i, x := range p.queries {
		if x == q {
			return fmt.Sprintf("[%d]", i+1)
		}
	}
	p.queries = append(p.queries, q)
	return fmt.Sprintf("[%d]", len(p.queries))
}

func (b *compareBox) page(m *Model, w int) *page {
	p := &comparePage{page: page{w: w}}
	span := func(x sources.Window) string { return m.clock(x.Start) + " to " + m.clock(x.End) }
	p.add(m.st.Text, fmt.Sprintf("A %s, B %s. Before: %s. After: %s.", m.clock(b.a), m.clock(b.b), span(b.before), span(b.after)))
	b.happened(m, p)
	b.settings(m, p)
	b.news(m, p)
	b.levels(m, p)
	b.figures(m, p)
	p.head(m, "queries")
	for i, q := range p.queries {
		p.hang(m.st.Muted, fmt.Sprintf(" [%d] ", i+1), q)
	}
	return &p.page
}

func (p *comparePage) head(m *Model, text string) {
	p.gap()
	p.add(m.st.Accent, text)
}

// waits tells that an answer is awaited or could not be had, and whether that is so.
func (p *comparePage) waits(m *Model, done bool, err error) bool {
	switch {
	case !done:
		p.add(m.st.Muted, " asking"+m.st.Signs.Ellipsis)
	case err != nil:
		p.sign(m.st.Error, " "+m.st.Signs.Down, "not known: "+err.Error())
	default:
		return false
	}
	return true
}

func (b *compareBox) happened(m *Model, p *comparePage) {
	p.head(m, "what happened between A and B "+p.query("the console's timeline: swarm, alertmanager, the record of runs"))
	const most = 12
	for i := range b.between {
		if i == most {
			p.add(m.st.Muted, fmt.Sprintf(" and %d more: 6 opens the timeline", len(b.between)-most))
			return
		}
		p.drawn(m.rowLine(&b.between[i], b.b, p.w))
	}
	if len(b.between) == 0 {
		p.add(m.st.Muted, " nothing that a source told of")
	}
}

func (b *compareBox) settings(m *Model, p *comparePage) {
	p.head(m, "what was changed in its settings "+p.query("the record's states of "+b.service+" (quarterdeck history "+b.service+")"))
	if p.waits(m, b.states.done, b.states.err) {
		return
	}
	pair := b.pair()
	switch {
	case b.states.of[1] == nil:
		p.add(m.st.Muted, " no state of then is known")
	case b.states.of[0] == nil:
		p.add(m.st.Muted, " the settings at A are not known: the history begins at "+m.clock(b.states.of[1].Since))
	case pair.before == pair.after:
		p.add(m.st.Muted, " nothing: the same settings were wanted at both")
	default:
		p.answerOf(m, b.diffs, pair)
	}
}

func (b *compareBox) news(m *Model, p *comparePage) {
	n := &b.patterns.of
	p.head(m, "log lines that are new after "+p.query(n.query))
	if p.waits(m, b.patterns.done, b.patterns.err) {
		return
	}
	if n.base != "" {
		p.sign(m.st.Warn, " "+m.st.Signs.Warning, n.base)
		return
	}
	const most = 8
	for i := range n.list {
		x := &n.list[i]
		if i == most {
			p.add(m.st.Muted, fmt.Sprintf(" and %d more patterns", len(n.list)-most))
			return
		}
		p.hang(m.st.Level(x.Level), fmt.Sprintf(" %5d× ", x.Count), plain.Clip(inLine(x.Text), 3*p.w))
	}
	if len(n.list) == 0 {
		p.add(m.st.Muted, " none ("+n.how+")")
	}
}

func (b *compareBox) levels(m *Model, p *comparePage) {
	p.head(m, "lines by level "+p.query(b.counts.of.query))
	if p.waits(m, b.counts.done, b.counts.err) {
		return
	}
	some := false
	for l := sources.LevelFatal; ; l-- {
		before, after := b.counts.of.by[0][l], b.counts.of.by[1][l]
		if before+after > 0 {
			some = true
			name := l.String()
			if name == "" {
				name = "no level"
			}
			style := m.st.Text
			if l >= sources.LevelError && after > before {
				style = m.st.Error
			}
			p.add(style, fmt.Sprintf(" %-14s %10s  %10s  %s", name, wholeNumber(before), wholeNumber(after), change(before, after)))
		}
		if l == sources.LevelUnknown {
			break
		}
	}
	if !some {
		p.add(m.st.Muted, " no line in either")
	}
}

// change is by how much a value has changed, in words without colour: "" where it is about the same.
func change(before, after float64) string {
	switch {
	case math.IsNaN(before) || math.IsNaN(after):
		return ""
	case before == 0 && after == 0, before != 0 && math.Abs(after/before-1) < 0.1:
		return "about the same"
	case before == 0:
		return "new"
	case after == 0:
		return "gone"
	case after > 2*before:
		return fmt.Sprintf("%.1f times as much", after/before)
	}
	return fmt.Sprintf("%+.0f%%", 100*(after/before-1))
}

func (b *compareBox) figures(m *Model, p *comparePage) {
	p.head(m, "figures: mean and p95, before and after")
	if p.waits(m, b.metrics.done, b.metrics.err) {
		return
	}
	value := func(v float64, unit string) string {
		if math.IsNaN(v) {
			return "–"
		}
		return chart.Humanize(v, unit)
	}
	cells := func(values ...string) string {
		var out strings.Builder
		for _, v := range values {
			out.WriteString(" " + align(v, 12, true))
		}
		return out.String()
	}
	p.add(m.st.TableHeader, " "+plain.Fit("", 14)+cells("mean", "after", "p95", "after")+"  change of the mean")
	var none []string
	reasons := map[string][]string{}
	for i := range b.metrics.of {
		x := &b.metrics.of[i]
		if x.reason != "" {
			if reasons[x.reason] == nil {
				none = append(none, x.reason)
			}
			reasons[x.reason] = append(reasons[x.reason], x.name)
			continue
		}
		p.drawn(m.st.Text.Render(" " + plain.Fit(inLine(x.name), 14) + cells(value(x.mean[0], x.unit), value(x.mean[1], x.unit), value(x.p95[0], x.unit), value(x.p95[1], x.unit)) +
			"  " + plain.Fit(change(x.mean[0], x.mean[1]), 18) + p.query(x.query)))
	}
	for _, why := range none {
		p.hang(m.st.Muted, " ", "no "+strings.Join(reasons[why], ", ")+": "+why)
	}
}
