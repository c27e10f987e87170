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
	series            bool
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

// legendLine is right-aligned, above the newest samples: the series with their last values, or those at the
// cursor, then the limit. What has no room is counted.
func (p *drawing) legendLine() string {
	entries := p.entries()
	shown, hidden := len(entries), 0
	width := func() int {
		n := 0
		for _, e := range entries[:shown] {
			n += e.width() + 2
		}
		if hidden > 0 {
			n += len(fmt.Sprintf("+%d", hidden)) + 2
		}
		return n - 2
	}
	if len(p.runs) == 1 && width() > p.Width { // the chart's title says what it is
		for i := range entries {
			if entries[i].series {
				entries[i].name = ""
			}
		}
	}
	for shown > 1 && width() > p.Width {
		shown--
		hidden++
	}
	var b strings.Builder
	used := 0
	if shown > 0 {
		used = max(width(), 0)
	}
	if used > p.Width { // not even one: its value matters most
		e := entries[0]
		return p.text.Render(plain.Fit(padLeft(plain.Clip(join(e.name, e.value), p.Width), p.Width), p.Width))
	}
	b.WriteString(strings.Repeat(" ", p.Width-used))
	for i, e := range entries[:shown] {
		if i > 0 {
			b.WriteString("  ")
		}
		e.pen.Write(&b, e.sign)
		if rest := join(e.name, e.value); rest != "" {
			p.text.Write(&b, strings.Repeat(" ", min(len(e.sign), 1))+rest)
		}
	}
	if hidden > 0 {
		p.muted.Write(&b, fmt.Sprintf("  +%d", hidden))
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
		if len(p.runs) > 1 && (p.ASCII || p.Styles.Name == theme.None) {
			sign = string(r.digit())
		}
		out = append(out, entry{sign: sign, name: plain.Clip(p.Series[i].Name, 24), value: p.valueOf(r), pen: r.style.Pen(), series: true})
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
			return Humanize(pt.V, p.Unit)
		}
		return "–"
	}
	pt, ok := r.last()
	if !ok || !r.any {
		return "–"
	}
	text := Humanize(pt.V, p.Unit)
	age := p.Now.Sub(pt.T)
	live := !p.Now.IsZero() && p.Now.Sub(p.End) < max(p.End.Sub(p.Start)/20, time.Minute)
	if live && age > time.Minute && isGap(pt.T, p.Now, r.step) {
		text += " (" + Age(age) + " ago)"
	}
	return text
}
