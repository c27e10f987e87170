package ui

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"quarterdeck/sources"
	"quarterdeck/sources/fleet"
	"quarterdeck/ui/chart"
	"quarterdeck/ui/plain"
)

// graph is one chart: what is drawn together.
type graph struct {
	title string
	unit  string
	names []string
	limit string // the reading that is its threshold
	panel int    // 1 + the place among the shown panels; 0: a graph of the standard series
	// scaling is 1 for the replicas of a service with a policy, 2 + its place for one of the policy's metrics; 0: another graph.
	scaling int
}

// fullest is the reading of the replica that is nearest to its own memory limit.
const fullest = "memory-of-limit"

// overviewPairs are the two graphs that the overview shows when they are chosen by key; by itself it shows those of what is
// wrong (metrics_auto.go).
var overviewPairs = [...][2]int{usual, {graphErrors, graphLatency}, {graphRequests, graphNetwork}, {graphThrottled, graphRestarts}}

// graphs are the charts of the full view, in order.
var graphs = [...]graph{
	graphCPU:       {title: "CPU", unit: "cores", names: []string{"cpu"}},
	graphMemory:    {title: "memory", unit: "bytes", names: []string{"memory"}, limit: "memory-limit"},
	graphRequests:  {title: "requests", unit: "1/s", names: []string{"requests"}},
	graphErrors:    {title: "errors", unit: "ratio", names: []string{"errors"}},
	graphLatency:   {title: "latency", unit: "s", names: []string{"p50", "p95", "p99"}},
	graphNetwork:   {title: "network", unit: "bytes/s", names: []string{"network-rx", "network-tx"}},
	graphDisk:      {title: "disk", unit: "bytes/s", names: []string{"disk-read", "disk-write"}},
	graphThrottled: {title: "throttled", unit: "ratio", names: []string{"throttled"}},
	graphRestarts:  {title: "restarts", unit: "1", names: []string{"restarts"}},
}

// chartLines draws one graph as exactly h lines of w cells, its title in the first.
func (p *metricsPane) chartLines(m *Model, g graph, service string, w, h int) []string {
	st := m.st
	window := p.window
	if !m.when.live() { // at once the time that is looked at, before its figures have come
		window.Start, window.End = m.when.window(m.now())
	}
	spec := chart.Spec{Width: w, Height: h - 1, Start: window.Start, End: window.End, Unit: g.unit, Min0: true,
		Styles: st, ASCII: st.ASCII, Location: m.o.Location, Now: m.now(), Marks: m.chartMarks(service, window), LegendLines: 3}
	if at := m.when.at; !at.IsZero() {
		spec.Cursor = &at
	}
	title := g.title
	switch {
	case g.panel > 0:
		title += p.panels.fill(m, &spec, g, service)
	case g.scaling > 0:
		p.fillScaling(m, &spec, g, service)
	default:
		spec.Empty = p.whyEmpty(m, service)
		if p.service == service {
			p.fill(m, &spec, g, service)
			p.fillTarget(m, &spec, g, service)
			title += p.note(m, g, service)
		}
	}
	return append([]string{st.ChartTitle.Render(plain.Fit(title, w))}, strings.Split(chart.Line(spec), "\n")...)
}

// note is what a chart's title says besides: how its figures are known, and which replica matters.
func (p *metricsPane) note(m *Model, g graph, service string) string {
	out := ""
	for _, r := range p.readings {
		switch {
		case r.Name == fullest && g.limit != "" && len(r.Answer.Series) > 0:
			if v := valueAt(r.Answer.Series[0].Points, m.when.at); !math.IsNaN(v) {
				out += " · fullest replica " + chart.Humanize(v, "ratio") + " of its limit"
			}
		case r.Name == g.names[0] && len(r.Answer.Series) > 0 && r.How != "":
			out += " · " + inLine(r.How)
		}
	}
	return p.whyNoThen(m, g, service) + out
}

// valueAt is the value at a moment, or the last one for the zero moment; NaN: there is none.
func valueAt(points []sources.Point, at time.Time) float64 {
	v := math.NaN()
	for _, p := range points {
		if !at.IsZero() && p.T.After(at) {
			break
		}
		v = p.V
	}
	return v
}

// readingName is what a series of a reading is called.
func readingName(r sources.Reading, s sources.Series) string {
	if code := s.Labels["code"]; code != "" {
		return code
	}
	return r.Name
}

// BucketWords say a quantile by the bounds that it lies between, where they are far apart; nil: it is a figure as others.
func BucketWords(r sources.Reading, unit string) func(float64) string {
	if len(r.Bounds) == 0 {
		return nil
	}
	return func(v float64) string {
		lo, hi, coarse := r.Bucket(v)
		switch {
		case !coarse:
			return chart.Humanize(v, unit)
		case math.IsInf(hi, 1):
			return "> " + chart.Humanize(lo, unit)
		case lo <= 0:
			return "≤ " + chart.Humanize(hi, unit)
		}
		return chart.Humanize(lo, unit) + " to " + chart.Humanize(hi, unit)
	}
}

func (p *metricsPane) fill(m *Model, spec *chart.Spec, g graph, service string) {
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
			spec.Empty = m.unmeasurable(service, spec.Start, spec.End) + r.Reason
		}
		for _, s := range r.Answer.Series {
			spec.Series = append(spec.Series, chart.Series{Name: inLine(readingName(r, s)), Points: s.Points, Style: m.st.Series[n%len(m.st.Series)], Value: BucketWords(r, g.unit)})
			n++
		}
	}
	p.fillThen(m, spec, g, service)
}

// youngest is the age from which on a service should have its series: a rate needs four scrapes.
const youngest = time.Minute

// unmeasurable says that a service was not there in a window, or only just, or that nothing of it runs; else "".
func (m *Model) unmeasurable(service string, start, end time.Time) string {
	v := m.snap.Service(service)
	switch {
	case v == nil:
		return ""
	case m.when.live() && v.Health == fleet.Idle:
		return "scaled to 0, nothing of it runs: "
	case v.Created.IsZero() || v.Created.Before(start):
		return ""
	case v.Created.After(end):
		return "the service was not there yet, it was made " + v.Created.In(m.o.Location).Format("Jan 2 15:04:05") + ": "
	case end.Sub(v.Created) < youngest:
		return fmt.Sprintf("the service is only %d s old, a rate needs some scrapes: ", int(end.Sub(v.Created).Seconds()))
	}
	return ""
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

// overviewLines draws the chosen two side by side, or one below the other where it is narrow.
func (p *metricsPane) overviewLines(m *Model, service string, w, h int) []string {
	a, b := graphs[p.shownPair()[0]], graphs[p.shownPair()[1]]
	if w < 50 {
		first := h / 2
		return append(p.chartLines(m, a, service, w, first), p.chartLines(m, b, service, w, h-first)...)
	}
	left := (w - 1) / 2
	return beside(p.chartLines(m, a, service, left, h), p.chartLines(m, b, service, w-1-left, h), " ")
}

// fullLines draws the graphs that have figures in two columns (one where it is narrow), scrolled by rows of charts,
// and below them which have none, and why: each reason once.
func (p *metricsPane) fullLines(m *Model, service string, w, h int) []string {
	if p.query != nil && m.view == viewMetrics {
		return p.query.lines(m, w, h)
	}
	head := m.scaleBlock(m.then().Service(service), w, h/4)
	h -= len(head)
	shown, absent := p.measured(service)
	shown = p.withScaling(m, service, shown)
	shown = p.leading(m, service, shown)
	shown = append(shown[:len(shown):len(shown)], p.panels.graphs(service)...)
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
	p.rows = max(rows-max(h/max(height, 1), 1)+1, 1) // the last ones fill the page
	p.scroll = max(min(p.scroll, p.rows-1), 0)
	out := make([]string, 0, h)
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
	return append(append(head, out[:h]...), foot...)
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
		return graphs[:], nil
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
		return graphs[:], nil
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
