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

// stripLines draws the shown time on one line, and below it what happened last, as of the moment.
func (m *Model) stripLines(r rect) []string {
	start, end := m.when.window(m.now())
	at := m.when.moment(m.now())
	width := r.w - 2
	cells := make([]stripCell, max(width, 0))
	column := func(t time.Time) int {
		return min(max(int(float64(width)*float64(t.Sub(start))/float64(end.Sub(start))), 0), width-1)
	}
	put := func(t time.Time, draw string, rank int) {
		if i := column(t); cells[i].rank < rank {
			cells[i] = stripCell{draw, rank}
		}
	}
	var recent []*fleet.Happening
	kinds := map[chart.MarkKind]bool{}
	for i := len(m.snap.History) - 1; i >= 0; i-- {
		h := &m.snap.History[i]
		if h.Time.Before(start) {
			break
		}
		if h.Time.After(end) {
			continue
		}
		if len(recent) < r.h-2 && !h.Time.After(at) {
			recent = append(recent, h)
		}
		m.stripMark(h, put, kinds)
	}
	if a := m.brush.a; !a.IsZero() && !a.Before(start) && !a.After(end) {
		put(a, m.st.Cursor.Render("A"), 90)
	}
	if !m.when.live() {
		put(at, m.st.Cursor.Render(m.st.Signs.Bar), 100)
	}
	lines := []string{m.titleLine(m.stripTitle(kinds), r.w, false)}
	lines = append(lines, " "+m.stripCells(width, func(i int) string { return cells[i].draw })+" ")
	for _, h := range recent {
		lines = append(lines, m.happeningLine(h, r.w))
	}
	if len(recent) == 0 && r.h > 2 {
		lines = append(lines, m.st.Muted.Render(plain.Fit(m.whyStripEmpty(), r.w)))
	}
	for len(lines) < r.h {
		lines = append(lines, strings.Repeat(" ", r.w))
	}
	return lines[:r.h]
}

// stripMark puts what happened on the strip: the marks of the charts, and a dot for the rest.
func (m *Model) stripMark(h *fleet.Happening, put func(time.Time, string, int), kinds map[chart.MarkKind]bool) {
	kind, marked := markOf(h)
	if !marked {
		sign, style := m.happeningSign(h)
		rank := 1
		if h.Bad {
			rank = 2
		}
		put(h.Time, style.Render(sign), rank)
		return
	}
	kinds[kind] = true
	put(h.Time, chart.MarkStyle(m.st, kind).Render(chart.MarkSign(m.st, kind)), 10+int(kind))
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

func (m *Model) happeningLine(h *fleet.Happening, w int) string {
	sign, style := m.happeningSign(h)
	who := h.Service
	if who == "" {
		who = h.Node
	}
	head := " " + m.clock(h.Time) + " "
	what := plain.Fit(sign+" "+inLine(h.Kind), 14)
	rest := max(w-plain.Width(head)-14, 0)
	return m.st.Muted.Render(head) + style.Render(what) + m.st.Text.Render(plain.Fit(inLine(strings.TrimSpace(who+"  "+h.Text)), rest))
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
