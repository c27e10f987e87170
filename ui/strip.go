package ui

import (
	"fmt"
	"strings"
	"time"

	"quarterdeck/sources/fleet"
	"quarterdeck/ui/chart"
	"quarterdeck/ui/plain"
)

// stripCell is what stands in one cell of the strip.
type stripCell struct {
	draw string
	rank int // of what shares a cell the highest is drawn
}

// stripLines draws the shown time on one line, and below it the mark that the moment stands on, and what happened last before it.
func (m *Model) stripLines(r rect) []string {
	start, end := m.when.window(m.now())
	at := m.when.moment(m.now())
	width := r.w - 2
	cells := make([]stripCell, max(width, 0))
	put := func(t time.Time, draw string, rank int) {
		if i := cellOf(t, start, end, width); cells[i].rank < rank {
			cells[i] = stripCell{draw, rank}
		}
	}
	kinds := map[chart.MarkKind]bool{}
	for i := range m.timeline.rows {
		m.stripMark(&m.timeline.rows[i], start, end, put, kinds)
	}
	if a := m.brush.a; !a.IsZero() && !a.Before(start) && !a.After(end) {
		put(a, m.st.Cursor.Render("A"), 90)
	}
	if !m.when.live() {
		put(at, m.st.Cursor.Render(m.st.Signs.Bar), 100)
	}
	lines := []string{m.titleLine(m.stripTitle(kinds), r.w, false)}
	lines = append(lines, " "+m.stripCells(width, func(i int) string { return cells[i].draw })+" ")
	on := m.markUnder(start, end, width, nil)
	if on.row != nil && r.h > 2 {
		lines = append(lines, m.markLine(on, r.w))
	}
	for _, x := range m.recent(start, at, r.h-len(lines), on) {
		lines = append(lines, m.rowLine(x, at, r.w))
	}
	if len(lines) == 2 && r.h > 2 {
		lines = append(lines, m.st.Muted.Render(plain.Fit(m.whyStripEmpty(), r.w)))
	}
	for len(lines) < r.h {
		lines = append(lines, strings.Repeat(" ", r.w))
	}
	return lines[:r.h]
}

// cellOf is the cell of a line of so many that a moment of a time lies in.
func cellOf(t, start, end time.Time, width int) int {
	return min(max(int(float64(width)*float64(t.Sub(start))/float64(end.Sub(start))), 0), width-1)
}

// stripMark puts what happened on the strip: the marks of the charts, and the signs of the rest below them.
func (m *Model) stripMark(o *fleet.Occurrence, start, end time.Time, put func(time.Time, string, int), kinds map[chart.MarkKind]bool) {
	sign, style := m.kindStyle(o.Kind, o.Bad)
	k := signOf(o.Kind)
	rank := 1
	if o.Bad {
		rank = 2
	}
	if k.marked {
		rank = 10 + int(k.mark)
	}
	for t := range markedAt(o) {
		if t.Before(start) || t.After(end) {
			continue
		}
		if k.marked {
			kinds[k.mark] = true
		}
		put(t, style.Render(sign), rank)
	}
}

func (m *Model) stripTitle(kinds map[chart.MarkKind]bool) string {
	title := "timeline, last " + strings.TrimPrefix(spanLong(m.when.length()), "1 ")
	if !m.when.live() {
		title = "timeline, " + spanWord(m.when.length()) + " until " + m.clock(m.when.end) + ", " + m.st.Signs.Bar + " the moment"
	}
	title += " · 6 opens it"
	if words := legend(m.st, func(k chart.MarkKind) bool { return kinds[k] }); words != "" {
		title += " · " + words
	}
	if who, what := m.othersWords(); who != "" {
		title += " · " + m.st.Signs.Updating + " " + who + ": " + what
	}
	return title
}

func (m *Model) whyStripEmpty() string {
	if m.when.live() {
		return " nothing happened in the last " + strings.TrimPrefix(spanLong(m.when.length()), "1 ") + " that a source told of"
	}
	return " nothing happened in the shown time up to the moment that a source told of"
}

// stripCells draws the line; mark gives what stands in a cell, "" for nothing.
func (m *Model) stripCells(width int, mark func(int) string) string {
	var b strings.Builder
	run := 0
	flush := func() {
		if run > 0 {
			b.WriteString(m.st.Border.Render(strings.Repeat(m.st.Signs.Rule, run)))
			run = 0
		}
	}
	for i := range width {
		if s := mark(i); s != "" {
			flush()
			b.WriteString(s)
			continue
		}
		run++
	}
	flush()
	return b.String()
}

// spanLong is a length of time in words: "1 hour", "15 min".
func spanLong(d time.Duration) string {
	switch n := int(d.Hours()); {
	case d < time.Hour:
		return fmt.Sprintf("%d min", int(d.Minutes()))
	case n == 1:
		return "1 hour"
	case n < 24:
		return fmt.Sprintf("%d hours", n)
	default:
		return count(n/24, "day")
	}
}
