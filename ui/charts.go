package ui

import (
	"slices"
	"strings"

	"quarterdeck/sources"
	"quarterdeck/sources/fleet"
	"quarterdeck/ui/chart"
	"quarterdeck/ui/plain"
	"quarterdeck/ui/theme"
)

// graph is one chart: what is drawn together.
type graph struct {
	title string
	unit  string
	names []string
	limit string // the reading that is its threshold
}

// graphs are the charts of the full view, in order; the first two are the overview's.
var graphs = []graph{
	{title: "CPU", unit: "cores", names: []string{"cpu"}},
	{title: "memory", unit: "bytes", names: []string{"memory"}, limit: "memory-limit"},
	{title: "requests", unit: "1/s", names: []string{"requests"}},
	{title: "errors", unit: "ratio", names: []string{"errors"}},
	{title: "latency", unit: "s", names: []string{"p50", "p95", "p99"}},
	{title: "network", unit: "bytes/s", names: []string{"network-rx", "network-tx"}},
	{title: "disk", unit: "bytes/s", names: []string{"disk-read", "disk-write"}},
	{title: "throttled", unit: "ratio", names: []string{"throttled"}},
	{title: "restarts", unit: "1", names: []string{"restarts"}},
}

// chartLines draws one graph as exactly h lines of w cells, its title in the first.
func (p *metricsPane) chartLines(m *Model, g graph, service string, w, h int) []string {
	st := m.st
	window := p.window
	if !m.when.live() { // at once the time that is looked at, before its figures have come
		window.Start, window.End = m.when.window(m.now())
	}
	spec := chart.Spec{Width: w, Height: h - 1, Start: window.Start, End: window.End, Unit: g.unit, Min0: true,
		Styles: st, ASCII: st.ASCII, Location: m.o.Location, Now: m.now(), Marks: m.chartMarks(service, window)}
	if at := m.when.at; !at.IsZero() {
		spec.Cursor = &at
	}
	spec.Empty = p.whyEmpty(m, service)
	if p.service == service {
		p.fill(&spec, g, st)
	}
	title := st.ChartTitle.Render(plain.Fit(g.title+note(p, g), w))
	return append([]string{title}, strings.Split(chart.Line(spec), "\n")...)
}

// note is what a chart's title says of how its figures are known.
func note(p *metricsPane, g graph) string {
	for _, r := range p.readings {
		if r.Name == g.names[0] && len(r.Answer.Series) > 0 && r.Reason != "" {
			return " · " + inLine(r.Reason)
		}
	}
	return ""
}

func (p *metricsPane) fill(spec *chart.Spec, g graph, st theme.Styles) {
	n := 0
	for _, r := range p.readings {
		if r.Name == g.limit && len(r.Answer.Series) > 0 {
			if v := lastOf(r.Answer.Series[0].Points); v > 0 {
				spec.Limit = &v
			}
			continue
		}
		if !has(g.names, r.Name) {
			continue
		}
		if len(r.Answer.Series) == 0 {
			spec.Empty = r.Reason
		}
		for _, s := range r.Answer.Series {
			name := r.Name
			if code := s.Labels["code"]; code != "" {
				name = code
			}
			spec.Series = append(spec.Series, chart.Series{Name: inLine(name), Points: s.Points, Style: st.Series[n%len(st.Series)]})
			n++
		}
	}
}

func lastOf(points []sources.Point) float64 {
	if len(points) == 0 {
		return 0
	}
	return points[len(points)-1].V
}

func has(list []string, s string) bool {
	for _, x := range list {
		if x == s {
			return true
		}
	}
	return false
}

// whyEmpty is what an empty chart says of itself.
func (p *metricsPane) whyEmpty(m *Model, service string) string {
	state := m.snap.Source(fleet.PrometheusName)
	switch {
	case m.o.Metrics == nil:
		return "no Prometheus is configured: --prometheus or PROMETHEUS_URL"
	case service == "":
		return "no service is selected"
	case p.err != nil:
		return inLine(p.err.Error())
	case p.loading || p.service != service:
		return "asking Prometheus"
	case !state.OK():
		return "Prometheus " + string(state.State) + ": " + inLine(state.Detail)
	}
	return "no sample in this time"
}

// overviewLines draws CPU and memory side by side, or one below the other where it is narrow.
func (p *metricsPane) overviewLines(m *Model, service string, w, h int) []string {
	if w < 50 {
		first := h / 2
		return append(p.chartLines(m, graphs[0], service, w, first), p.chartLines(m, graphs[1], service, w, h-first)...)
	}
	left := (w - 1) / 2
	return beside(p.chartLines(m, graphs[0], service, left, h), p.chartLines(m, graphs[1], service, w-1-left, h), " ")
}

// fullLines draws the graphs that have figures in two columns (one where it is narrow), scrolled by rows of charts,
// and below them which have none, and why: each reason once.
func (p *metricsPane) fullLines(m *Model, service string, w, h int) []string {
	shown, absent := p.measured(service)
	foot := p.absentLines(m, absent, w, h/4)
	h -= len(foot)
	perRow := 2
	if w < 100 {
		perRow = 1
	}
	rows := (len(shown) + perRow - 1) / perRow
	height := max(h/min(max(rows, 1), 3), 8)
	if h < 8 {
		height = h
	}
	p.rows = rows
	p.scroll = max(min(p.scroll, rows-1), 0)
	var out []string
	for r := p.scroll; r < rows && len(out) < h; r++ {
		hh := min(height, h-len(out))
		if hh < 4 && len(out) > 0 {
			break
		}
		if len(out)+2*height > h { // the last one takes what is left
			hh = h - len(out)
		}
		row := shown[r*perRow : min((r+1)*perRow, len(shown))]
		if perRow == 1 {
			out = append(out, p.chartLines(m, row[0], service, w, hh)...)
			continue
		}
		left := (w - 1) / 2
		a := p.chartLines(m, row[0], service, left, hh)
		b := blankLines(w-1-left, hh)
		if len(row) > 1 {
			b = p.chartLines(m, row[1], service, w-1-left, hh)
		}
		out = append(out, beside(a, b, " ")...)
	}
	out = append(out, blankLines(w, h-len(out))...)
	return append(out[:h], foot...)
}

// absence is a reason and the graphs that are empty for it.
type absence struct {
	reason string
	titles []string
}

// measured parts the graphs into those with figures and those without. While nothing has been answered, and where
// nothing has figures, all are shown and each says why itself.
func (p *metricsPane) measured(service string) (shown []graph, absent []absence) {
	if p.service != service {
		return graphs, nil
	}
	for _, g := range graphs {
		some, reason := false, ""
		for _, r := range p.readings {
			if has(g.names, r.Name) {
				some = some || len(r.Answer.Series) > 0
				reason = r.Reason
			}
		}
		if some || reason == "" {
			shown = append(shown, g)
			continue
		}
		at := slices.IndexFunc(absent, func(a absence) bool { return a.reason == reason })
		if at < 0 {
			absent = append(absent, absence{reason: reason})
			at = len(absent) - 1
		}
		absent[at].titles = append(absent[at].titles, g.title)
	}
	if len(shown) == 0 {
		return graphs, nil
	}
	return shown, absent
}

// absentLines tells what is not measured, in at most the given number of lines.
func (p *metricsPane) absentLines(m *Model, absent []absence, w, most int) []string {
	var out []string
	for _, a := range absent {
		title := " no " + strings.Join(a.titles, ", ")
		for i, l := range wrapText(title+": "+inLine(a.reason), max(w-4, 10)) {
			style, indent := m.st.Muted, "   "
			if i == 0 {
				indent = ""
			}
			out = append(out, style.Render(plain.Fit(indent+l, w)))
		}
	}
	return out[:min(len(out), most)]
}

// beside joins two blocks of the same height line by line.
func beside(a, b []string, between string) []string {
	out := make([]string, min(len(a), len(b)))
	for i := range out {
		out[i] = a[i] + between + b[i]
	}
	return out
}

func blankLines(w, h int) []string {
	out := make([]string, h)
	for i := range out {
		out[i] = strings.Repeat(" ", w)
	}
	return out
}
