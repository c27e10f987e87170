package ui

import (
	"strings"
	"time"

	"quarterdeck/sources"
	"quarterdeck/sources/fleet"
	"quarterdeck/ui/chart"
	"quarterdeck/ui/plain"
)

// stripSpan is how far back the timeline strip goes.
const stripSpan = time.Hour

// stripLines draws the last hour on one line, and below it what happened last.
func (m *Model) stripLines(r rect) []string {
	title := "timeline, last hour · 6 opens it"
	if who, what := m.othersWords(); who != "" {
		title += " · " + m.st.Signs.Updating + " " + who + ": " + what
	}
	lines := []string{m.titleLine(title, r.w, false)}
	end := m.now()
	start := end.Add(-stripSpan)
	width := r.w - 2
	type place struct {
		at   int
		sign string
		draw string
		bad  bool
	}
	var places []place
	var recent []*fleet.Happening
	for i := len(m.snap.History) - 1; i >= 0; i-- {
		h := &m.snap.History[i]
		if h.Time.Before(start) {
			break
		}
		if len(recent) < r.h-2 {
			recent = append(recent, h)
		}
		sign, style := m.happeningSign(h)
		at := min(int(float64(width)*float64(h.Time.Sub(start))/float64(stripSpan)), width-1)
		places = append(places, place{at: max(at, 0), sign: sign, draw: style.Render(sign), bad: h.Bad})
	}
	cells := make([]*place, width)
	for i := range places {
		p := &places[i]
		if old := cells[p.at]; old == nil || (p.bad && !old.bad) {
			cells[p.at] = p
		}
	}
	lines = append(lines, " "+m.stripCells(width, func(i int) string {
		if cells[i] == nil {
			return ""
		}
		return cells[i].draw
	})+" ")
	for _, h := range recent {
		lines = append(lines, m.happeningLine(h, r.w))
	}
	if len(recent) == 0 && r.h > 2 {
		lines = append(lines, m.st.Muted.Render(plain.Fit(" nothing happened in the last hour that a source told of", r.w)))
	}
	for len(lines) < r.h {
		lines = append(lines, strings.Repeat(" ", r.w))
	}
	return lines[:r.h]
}

// stripCells draws the line with a tick each ten minutes; mark gives what stands in a cell, "" for nothing.
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

// chartMarks are what happened to a service in a window, as marks on its charts.
func (m *Model) chartMarks(service string, w sources.Window) []chart.Mark {
	var out []chart.Mark
	for i := range m.snap.History {
		h := &m.snap.History[i]
		if h.Service != service || h.Time.Before(w.Start) || h.Time.After(w.End) {
			continue
		}
		switch h.Kind {
		case fleet.DeployStarted, fleet.RolledBack, fleet.Scaled:
			out = append(out, chart.Mark{Time: h.Time, Kind: chart.MarkDeploy, Label: inLine(h.Kind)})
		case fleet.AlertFiring:
			out = append(out, chart.Mark{Time: h.Time, Kind: chart.MarkAlert, Label: inLine(h.Text)})
		case fleet.TaskDied:
			out = append(out, chart.Mark{Time: h.Time, Kind: chart.MarkDeath, Label: inLine(h.Text)})
		}
	}
	return out
}
