package ui

import (
	"fmt"
	"math"
	"strings"
	"time"

	"quarterdeck/sources"
	"quarterdeck/ui/chart"
	"quarterdeck/ui/plain"
)

// offersMost is how many offers are in sight at once.
const offersMost = 8

// queryLines draw the query by hand: its line, what may stand at the cursor or what is wrong, then what it gave.
func (q *queryPane) lines(m *Model, w, h int) []string {
	lines := []string{q.inputLine(m, w)}
	if q.editing {
		lines = append(lines, q.offerLines(m, w, min(offersMost, h/2))...)
	}
	if q.answer.err != nil {
		lines = append(lines, q.errorLines(m, w)...)
	} else {
		lines = append(lines, m.st.Muted.Render(plain.Fit(" "+q.status(m), w)))
	}
	lines = lines[:min(len(lines), h)]
	rest := h - len(lines)
	switch {
	case rest <= 0:
	case q.answer.err != nil || q.answer.query == "":
		lines = append(lines, blankLines(w, rest)...)
	case q.answer.table:
		lines = append(lines, q.tableLines(m, w, rest)...)
	default:
		lines = append(lines, q.resultLines(m, w, rest)...)
	}
	return lines
}

func (q *queryPane) inputLine(m *Model, w int) string {
	if !q.editing {
		return m.st.HintKey.Render(q.input.Prompt) + m.st.Text.Render(plain.Fit(inLine(q.query), max(w-plain.Width(q.input.Prompt), 0)))
	}
	q.input.SetWidth(max(w-plain.Width(q.input.Prompt)-1, 8))
	return fitStyled(q.input.View(), w)
}

// offerLines are the offers around the chosen one; what they are stands behind.
func (q *queryPane) offerLines(m *Model, w, most int) []string {
	offers := q.fresh()
	if len(offers) == 0 {
		if q.offers.Reason != "" && q.from == q.typed {
			return []string{m.st.Muted.Render(plain.Fit("   "+inLine(q.offers.Reason), w))}
		}
		return nil
	}
	from := max(min(q.chosen-most/2, len(offers)-most), 0)
	text := 0
	for _, o := range offers[from:min(from+most, len(offers))] {
		text = max(text, plain.Width(inLine(o.Text)))
	}
	text = min(text, max(w*2/3, 10))
	var out []string
	for i := from; i < len(offers) && len(out) < most; i++ {
		o := offers[i]
		left := "   " + plain.Fit(inLine(o.Text), text) + "  "
		right := plain.Fit(string(o.Kind)+"  "+inLine(o.Note), max(w-plain.Width(left), 0))
		if i == q.chosen {
			out = append(out, m.st.Selection.Render(plain.Fit(left+right, w)))
			continue
		}
		out = append(out, m.st.Text.Render(plain.Fit(left, min(plain.Width(left), w)))+m.st.Muted.Render(right))
	}
	if more := len(offers) - from - len(out) + q.offers.More; more > 0 {
		out = append(out, m.st.Muted.Render(plain.Fit(fmt.Sprintf("   %s %d more: write on, or ↓", m.st.Signs.DownArrow, more), w)))
	}
	return out
}

// errorLines are Prometheus' own words, below the place that they speak of.
func (q *queryPane) errorLines(m *Model, w int) []string {
	var out []string
	a := &q.answer
	if line, column := sources.PlaceOf(a.err); line == 1 && column > 0 && column <= len(a.filled)+1 {
		before := plain.Width(inLine(a.filled[:column-1]))
		prompt := plain.Width(q.input.Prompt)
		if a.filled != q.input.Value() || before+prompt >= w-1 { // the line above is not what the server speaks of, or is scrolled
			from := max(before-(w-prompt)/2, 0)
			shown := []rune(inLine(a.filled))
			out = append(out, m.st.Text.Render(plain.Fit(strings.Repeat(" ", prompt)+string(shown[min(from, len(shown)):]), w)))
			before -= from
		}
		out = append(out, m.st.Error.Render(plain.Fit(strings.Repeat(" ", prompt+before)+"^", w)))
	}
	for i, l := range wrapText(inLine(a.err.Error()), max(w-4, 10)) {
		if i == 4 {
			break
		}
		head := "   "
		if i == 0 {
			head = " " + m.st.Signs.Down + " "
		}
		out = append(out, m.st.Error.Render(plain.Fit(head+l, w)))
	}
	return out
}

// status says how much there is, how it was asked, and what the server remarked.
func (q *queryPane) status(m *Model) string {
	a := &q.answer
	switch {
	case m.metrics.loading && q.query != "":
		return "asking Prometheus"
	case a.query == "" && q.editing:
		return "PromQL; $service and $stack are the selection's, $__rate_interval fits the step"
	case a.query == "":
		return ""
	case len(a.series) == 0 && a.table:
		return "no series has a value at this moment"
	case len(a.series) == 0:
		return "no series has a sample in this time"
	}
	parts := []string{fmt.Sprintf("%d series", a.all)}
	if a.all > len(a.series) {
		parts[0] = fmt.Sprintf("the %d highest of %d series, %d more", len(a.series), a.all, a.all-len(a.series))
	}
	if common := commonLabels(a.series); len(common) > 0 {
		parts = append(parts, "all "+inLine(labelsWord(common, nil)))
	}
	if step := stepOf(a.series); step > 0 && !a.table {
		parts = append(parts, "every "+chart.Age(step))
	}
	parts = append(parts, fmt.Sprintf("%d ms", a.took.Milliseconds()))
	if a.past.why != "" {
		parts = append(parts, inLine(a.past.why))
	}
	for _, w := range a.warnings {
		parts = append(parts, inLine(w))
	}
	return strings.Join(parts, " · ")
}

func stepOf(series []sources.Series) time.Duration {
	for _, s := range series {
		if len(s.Points) > 1 {
			return s.Points[1].T.Sub(s.Points[0].T)
		}
	}
	return 0
}

// resultLines are the chart, and below it every series that is drawn with its value at the moment.
func (q *queryPane) resultLines(m *Model, w, h int) []string {
	a := &q.answer
	q.rows = len(a.series)
	legend := min(len(a.series)+1, max(h/3, 3))
	unit := guessedUnit(a.filled)
	window := a.window
	if !m.when.live() {
		window.Start, window.End = m.when.window(m.now())
	}
	spec := chart.Spec{Width: w, Height: h - legend, Start: window.Start, End: window.End, Unit: unit, Min0: true, NoLegend: true, Empty: q.status(m),
		Styles: m.st, ASCII: m.st.ASCII, Location: m.o.Location, Now: m.now(), Marks: m.chartMarks(m.subject(), window)}
	if at := m.when.at; !at.IsZero() {
		spec.Cursor = &at
	}
	for i, s := range a.series {
		spec.Series = append(spec.Series, chart.Series{Points: s.Points, Style: m.st.Series[i%len(m.st.Series)]})
	}
	for _, s := range a.past.series {
		spec.Series = append(spec.Series, chart.Series{Points: s.Points, Style: m.st.Muted, Then: true})
	}
	if spec.Height < 3 {
		return q.legendLines(m, w, h, unit)
	}
	return append(strings.Split(chart.Line(spec), "\n"), q.legendLines(m, w, legend, unit)...)
}

// figureWidth is the width of a column of figures.
const figureWidth = 12

// legendLines are the series with their figures, scrolled.
func (q *queryPane) legendLines(m *Model, w, h int, unit string) []string {
	a := &q.answer
	columns := []string{"now", "least", "most"}
	if !m.when.live() {
		columns[0] = "at " + m.when.at.In(m.o.Location).Format("15:04:05")
	}
	if len(a.past.series) > 0 {
		columns = append(columns, m.metrics.compare.word())
	}
	room := max(w-4-len(columns)*(figureWidth+1), 8)
	head := plain.Fit("    series", room+4)
	for _, c := range columns {
		head += " " + align(c, figureWidth, true)
	}
	out := []string{m.st.TableHeader.Render(plain.Fit(head, w))}
	common := commonLabels(a.series)
	q.scroll = max(min(q.scroll, len(a.series)-(h-1)), 0)
	for i := q.scroll; i < len(a.series) && len(out) < h; i++ {
		s := a.series[i]
		least, most := leastMost(s.Points)
		now := valueAt(s.Points, m.when.at)
		figures := []float64{now, least, most}
		if len(a.past.series) > 0 {
			figures = append(figures, thenAt(a.past.series, s, m.when.at))
		}
		line := ""
		for _, v := range figures {
			line += " " + align(chart.Humanize(v, unit), figureWidth, true)
		}
		sign := "⠒"
		if m.st.ASCII || m.st.Name == "none" {
			sign = string("123456789+"[min(i, 9)])
		}
		out = append(out, m.st.Series[i%len(m.st.Series)].Render("  "+sign+" ")+m.st.Text.Render(plain.Fit(plain.Fit(inLine(labelsWord(s.Labels, common)), room)+line, w-4)))
	}
	for len(out) < h {
		out = append(out, strings.Repeat(" ", w))
	}
	return out[:h]
}

func thenAt(then []sources.Series, s sources.Series, at time.Time) float64 {
	name := labelsWord(s.Labels, nil)
	for _, o := range then {
		if labelsWord(o.Labels, nil) == name {
			return valueAt(o.Points, at)
		}
	}
	return math.NaN()
}

// tableLines are the values at one moment, the highest first.
func (q *queryPane) tableLines(m *Model, w, h int) []string {
	a := &q.answer
	q.rows = len(a.series)
	unit, common := guessedUnit(a.filled), commonLabels(a.series)
	room := max(w-2-2*(figureWidth+8), 8)
	out := []string{m.st.TableHeader.Render(plain.Fit("  "+plain.Fit("series", room)+align("value", figureWidth+8, true)+align("exactly", figureWidth+8, true), w))}
	q.scroll = max(min(q.scroll, len(a.series)-(h-1)), 0)
	for i := q.scroll; i < len(a.series) && len(out) < h; i++ {
		v := lastOf(a.series[i].Points)
		out = append(out, m.st.Text.Render(plain.Fit("  "+plain.Fit(inLine(labelsWord(a.series[i].Labels, common)), room)+
			align(chart.Humanize(v, unit), figureWidth+8, true)+align(fmt.Sprintf("%.10g", v), figureWidth+8, true), w)))
	}
	for len(out) < h {
		out = append(out, strings.Repeat(" ", w))
	}
	return out[:h]
}

// queryHints are the keys of the line that a query is written in.
func (m *Model) queryHints() string {
	p := &page{w: m.w}
	p.hints(m, " enter", "ask", "tab", "take the offer", m.st.Signs.Up+m.st.Signs.DownArrow, "offers, past queries", "esc", "back")
	return p.lines[0]
}
