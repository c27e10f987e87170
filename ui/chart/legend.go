package chart

import (
	"fmt"
	"strings"
	"time"

	"quarterdeck/ui/plain"
	"quarterdeck/ui/theme"
)

// entry is a part of the legend: a sign in colour, then its name and value.
type entry struct {
	sign, name, value string
	pen               theme.Pen
	series, then      bool
}

func (e entry) width() int { return plain.Width(e.full()) }

func (e entry) full() string { return join(e.sign, e.name, e.value) }

func join(parts ...string) string {
	var b strings.Builder
	for _, p := range parts {
		if p == "" {
			continue
		}
		if b.Len() > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(p)
	}
	return b.String()
}

// legendRows breaks the legend's entries into lines of at most the width, as many as are allowed; the entries of the last
// that have no room are counted.
func (p *drawing) legendRows() (rows [][]entry, hidden int) {
	entries := p.entries()
	if p.lines() == 1 && widthOf(entries) > p.Width { // the chart's title says what it is
		for i := range entries {
			if entries[i].series {
				entries[i].name = ""
			}
		}
	}
	rows = [][]entry{nil}
	for _, e := range entries {
		last := len(rows) - 1
		if n := len(rows[last]); n == 0 || widthOf(append(rows[last][:n:n], e)) <= p.Width {
			rows[last] = append(rows[last], e)
			continue
		}
		rows = append(rows, []entry{e})
	}
	most := max(p.LegendLines, 1)
	for len(rows) > most {
		hidden += len(rows[len(rows)-1])
		rows = rows[:len(rows)-1]
	}
	last := len(rows) - 1
	for hidden > 0 && len(rows[last]) > 1 && widthOf(rows[last])+len(fmt.Sprintf("  +%d", hidden)) > p.Width {
		rows[last] = rows[last][:len(rows[last])-1]
		hidden++
	}
	return rows, hidden
}

func widthOf(entries []entry) int {
	n := -2
	for _, e := range entries {
		n += e.width() + 2
	}
	return max(n, 0)
}

// legendLine is one line of the legend, right-aligned, above the newest samples: the series with their last values, or
// those at the cursor, then the limit.
func (p *drawing) legendLine(entries []entry, hidden int) string {
	more := ""
	if hidden > 0 {
		more = fmt.Sprintf("  +%d", hidden)
	}
	used := widthOf(entries) + len(more)
	var b strings.Builder
	if used > p.Width && len(entries) > 0 { // not even one: its value matters most
		e := entries[0]
		if e.series || len(entries) == 1 {
			return p.text.Render(plain.Fit(padLeft(plain.Clip(join(e.name, e.value), p.Width), p.Width), p.Width))
		}
	}
	b.WriteString(strings.Repeat(" ", max(p.Width-used, 0)))
	for i, e := range entries {
		if i > 0 {
			b.WriteString("  ")
		}
		e.pen.Write(&b, e.sign)
		if rest := join(e.name, e.value); rest != "" {
			pen := p.text
			if e.then {
				pen = p.muted
			}
			pen.Write(&b, strings.Repeat(" ", min(len(e.sign), 1))+rest)
		}
	}
	if hidden > 0 {
		p.muted.Write(&b, more)
	}
	return b.String()
}

func (p *drawing) entries() []entry {
	var out []entry
	if p.Cursor != nil && p.cursorColumn() >= 0 {
		out = append(out, entry{sign: p.Cursor.In(p.Location).Format("15:04:05"), pen: p.Styles.Cursor.Pen()})
	}
	for i := range p.runs {
		r := &p.runs[i]
		sign := "⠒"
		if p.ASCII {
			sign = "-"
		}
		then := p.Series[i].Then
		switch {
		case p.Series[i].Dashed:
			sign = p.Styles.Signs.Dash
			if r.any && p.y.hi > p.y.lo && r.hi > p.y.hi {
				sign = p.Styles.Signs.Up
			}
		case then && p.ASCII:
			sign = "."
		case then:
			sign = "⠂"
		case p.lines() > 1 && (p.ASCII || p.Styles.Name == theme.None):
			sign = string(r.digit())
		}
		out = append(out, entry{sign: sign, name: plain.Clip(p.Series[i].Name, 24), value: p.valueOf(r), pen: r.style.Pen(), series: !p.Series[i].Dashed, then: then})
	}
	if p.Limit != nil && finite(*p.Limit) {
		e := entry{sign: p.Styles.Signs.Dash, name: plain.Clip(p.LimitName, 24), value: Humanize(*p.Limit, p.Unit), pen: p.Styles.Limit.Pen()}
		if !p.limitShown() && p.y.hi > p.y.lo {
			e.sign = p.Styles.Signs.Up
			if *p.Limit < p.y.lo {
				e.sign = p.Styles.Signs.DownArrow
			}
		}
		out = append(out, e)
	}
	return out
}

// valueOf is the value at the cursor, or the last one, dated where it is old.
func (p *drawing) valueOf(r *run) string {
	if p.Cursor != nil && p.cursorColumn() >= 0 {
		if pt, ok := r.at(*p.Cursor, p.End.Sub(p.Start)/time.Duration(max(2*p.c.w, 1))); ok {
			return p.words(r, pt.V)
		}
		return "–"
	}
	pt, ok := r.last()
	if !ok || !r.any {
		return "–"
	}
	text := p.words(r, pt.V)
	age := p.Now.Sub(pt.T)
	live := !p.Now.IsZero() && p.Now.Sub(p.End) < max(p.End.Sub(p.Start)/20, time.Minute)
	if live && !p.Series[r.index].Then && age > time.Minute && isGap(pt.T, p.Now, r.step) {
		text += " (" + Age(age) + " ago)"
	}
	return text
}

// words are a series' value, in its own words where it has some.
func (p *drawing) words(r *run, v float64) string {
	if say := p.Series[r.index].Value; say != nil && finite(v) {
		return say(v)
	}
	return Humanize(v, p.Unit)
}
