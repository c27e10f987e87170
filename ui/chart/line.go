package chart

import (
	"math"
	"strings"
	"time"

	"github.com/charmbracelet/x/ansi"

	"quarterdeck/ui/plain"
	"quarterdeck/ui/theme"
)

// Line draws a line chart as exactly Height lines of exactly Width cells ("" where one of them is below 1):
//
//	             ⣀ cpu 0.42 cores  ╌ limit 1 cores     legend, from 4 rows on: the last values, or the cursor's
//	1.0┤╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌
//	0.5┤   ⢀⠔⠉⠑⢄    ┊        ·         ⣀⠤⠒⠉⠉
//	  0┤⠤⠒⠊⠁    ⠉⠒⠒⠊                ⠔⠊
//	   └───────┬────◆────────┬─────────────┬────       from 7 rows on; marks stand on it
//	         14:10         14:20         14:30         from 3 rows on
//
// Samples further apart than 2.5 steps, NaN and infinities are gaps. All samples of a dot column are joined, so
// that the smallest and the largest of them show.
func Line(s Spec) string {
	if s.Width < 1 || s.Height < 1 {
		return ""
	}
	s = s.defaults()
	p := s.plan()
	lines := make([]string, 0, s.Height)
	for i, entries := range p.legend {
		hidden := 0
		if i == len(p.legend)-1 {
			hidden = p.hidden
		}
		lines = append(lines, p.legendLine(entries, hidden))
	}
	lines = append(lines, p.plotLines()...)
	if p.rule {
		lines = append(lines, p.ruleLine())
	}
	if p.times {
		lines = append(lines, p.timeLine())
	}
	return strings.Join(lines, "\n")
}

func (s Spec) defaults() Spec {
	if s.Styles.IsZero() {
		s.Styles, _ = theme.New(theme.None, true) // a known name has no error
	}
	if s.Styles.ASCII {
		s.ASCII = true
	}
	if s.ASCII && !s.Styles.ASCII {
		s.Styles = s.Styles.WithASCII()
	}
	if s.Location == nil {
		s.Location = time.UTC
	}
	if s.Empty == "" {
		s.Empty = "no sample in this time"
	}
	if s.LimitName == "" {
		s.LimitName = "limit"
	}
	return s
}

// drawing is a chart being drawn: what goes where, decided once.
type drawing struct {
	Spec
	rule, times       bool
	legend            [][]entry
	hidden            int // entries of the legend that have no room
	runs              []run
	y                 span
	labels            map[int]string // of the y axis, by row
	left              int            // cells of the y axis, its line included; 0: none
	c                 *canvas
	message           map[int]string // rows of the plot that say why it is empty
	stamps            []stamp
	text, muted, axis theme.Pen
}

func (s Spec) plan() *drawing {
	p := &drawing{Spec: s, text: s.Styles.Text.Pen(), muted: s.Styles.Muted.Pen(), axis: s.Styles.Axis.Pen()}
	p.times = s.Height >= 3
	p.rule = s.Height >= 7
	rows := s.Height
	for _, taken := range []bool{p.times, p.rule} {
		if taken {
			rows--
		}
	}
	for i := range s.Series {
		p.runs = append(p.runs, p.newRun(i))
	}
	// The legend tells values by the axis' place, so the axis is planned first, for the rows that one line leaves.
	legend := !s.NoLegend && s.Height >= 4 && (len(s.Series) > 0 || s.Limit != nil)
	if legend {
		p.LegendLines = min(max(s.LegendLines, 1), max(rows/4, 1))
		rows--
	}
	lo, hi, some := p.extent()
	place := func() {
		if some {
			p.y = newSpan(lo, hi, min(max(rows/3, 1), 4), s.Unit)
			p.axisLabels(rows)
		}
		p.c = newCanvas(s.Width-p.left, rows, s.ASCII)
	}
	place()
	if legend {
		p.legend, p.hidden = p.legendRows()
		if more := len(p.legend) - 1; more > 0 {
			rows -= more
			place()
		}
	}
	p.stamps = stamps(s.Start, s.End, p.c.w, s.Location)
	p.draw(some)
	return p
}

// extent is the smallest and the largest value in the window, the limit included where it is near.
func (p *drawing) extent() (lo, hi float64, some bool) {
	lo, hi = math.Inf(1), math.Inf(-1)
	for _, r := range p.runs {
		if r.any && !p.Series[r.index].Dashed {
			lo, hi, some = min(lo, r.lo), max(hi, r.hi), true
		}
	}
	if !some {
		return 0, 0, false
	}
	if p.Min0 {
		lo, hi = min(lo, 0), max(hi, 0)
	}
	most, least := 3*hi, lo-3*(hi-lo)
	if p.Limit != nil && !math.IsNaN(*p.Limit) && *p.Limit <= most && *p.Limit >= least {
		lo, hi = min(lo, *p.Limit), max(hi, *p.Limit)
	}
	for _, r := range p.runs {
		if r.any && p.Series[r.index].Dashed && r.hi <= most && r.lo >= least {
			lo, hi = min(lo, r.lo), max(hi, r.hi)
		}
	}
	return lo, hi, true
}

// axisLabels places the ticks' labels; an axis that would take a third of the chart is left out.
func (p *drawing) axisLabels(rows int) {
	labels := map[int]string{}
	width := 0
	for _, v := range p.y.ticks() {
		row := p.y.dot(v, 4*rows) / 4
		if _, taken := labels[row]; taken {
			continue
		}
		labels[row] = p.y.label(v, p.Unit)
		width = max(width, plain.Width(labels[row]))
	}
	if p.Width < 20 || 3*(width+1) > p.Width {
		return
	}
	p.labels, p.left = labels, width+1
}

// column is the dot column of a moment, -1: not in the window.
func (p *drawing) column(t time.Time, dots int) int {
	length := p.End.Sub(p.Start)
	if length <= 0 || t.Before(p.Start) || t.After(p.End) {
		return -1
	}
	return int(math.Round(float64(t.Sub(p.Start)) / float64(length) * float64(dots-1)))
}

func (p *drawing) draw(some bool) {
	if p.c.w < 1 {
		return
	}
	if some {
		for i := len(p.runs) - 1; i >= 0; i-- { // the first one is on top
			if !p.Series[i].Dashed {
				p.drawRun(&p.runs[i])
			}
		}
		for i := range p.runs {
			if p.Series[i].Dashed {
				p.drawDashed(&p.runs[i])
			}
		}
		p.drawLimit()
	}
	p.drawMarks()
	p.drawCursor()
	if some {
		p.drawGrid()
	} else {
		p.drawEmpty()
	}
}

// thenDots is how many dot columns apart the dots of a series of another time are.
const thenDots = 4

func (p *drawing) drawRun(r *run) {
	pen, then := p.c.addPen(r.style.Pen()), p.Series[r.index].Then
	lastX, lastY := -1, -1
	var lastT time.Time
	for _, pt := range r.points {
		if !finite(pt.V) {
			lastX = -1
			continue
		}
		x, y := p.column(pt.T, 2*p.c.w), p.y.dot(clamp(pt.V), 4*p.c.h)
		switch {
		case x < 0:
			continue
		case then:
			if lastX < 0 || x/thenDots != lastX/thenDots {
				p.thenDot(x/thenDots*thenDots, y, pen)
			}
		case lastX >= 0 && x >= lastX && !r.gap(lastT, pt.T):
			p.c.line(lastX, lastY, x, y, pen)
		default:
			p.c.set(x, y, pen)
		}
		lastX, lastY, lastT = x, y, pt.T
	}
	if lastX >= 0 && !then && p.lines() > 1 && (p.ASCII || p.Styles.Name == theme.None) { // the lines have no colours to tell them apart
		p.c.force(lastX/2, lastY/4, r.digit(), pen)
	}
}

// lines is how many series are drawn as lines or dots, and not as a threshold.
func (p *drawing) lines() (n int) {
	for i := range p.Series {
		if !p.Series[i].Dashed {
			n++
		}
	}
	return n
}

func (p *drawing) thenDot(x, y int, pen uint8) {
	if p.ASCII {
		p.c.put(x/2, y/4, '.', pen)
		return
	}
	p.c.set(x, y, pen)
}

// drawDashed draws a threshold that moves: a dash in each cell where no line is.
func (p *drawing) drawDashed(r *run) {
	pen, dash := p.c.addPen(r.style.Pen()), firstRune(p.Styles.Signs.Dash)
	at := -1
	for col := range p.c.w {
		for at+1 < len(r.points) && p.column(r.points[at+1].T, 2*p.c.w)/2 <= col {
			at++
		}
		if at < 0 {
			continue
		}
		now := p.Start.Add(time.Duration(float64(p.End.Sub(p.Start)) * float64(col) / float64(p.c.w)))
		if v := r.points[at].V; finite(v) && v >= p.y.lo && v <= p.y.hi && !r.gap(r.points[at].T, now) {
			p.c.put(col, p.y.dot(v, 4*p.c.h)/4, dash, pen)
		}
	}
}

func (p *drawing) drawLimit() {
	if !p.limitShown() {
		return
	}
	pen, dash := p.c.addPen(p.Styles.Limit.Pen()), firstRune(p.Styles.Signs.Dash)
	row := p.y.dot(*p.Limit, 4*p.c.h) / 4
	for col := range p.c.w {
		p.c.put(col, row, dash, pen)
	}
}

func (p *drawing) limitShown() bool {
	return p.Limit != nil && !math.IsNaN(*p.Limit) && p.y.hi > p.y.lo && *p.Limit >= p.y.lo && *p.Limit <= p.y.hi
}

func (p *drawing) cursorColumn() int {
	if p.Cursor == nil {
		return -1
	}
	if x := p.column(*p.Cursor, 2*p.c.w); x >= 0 {
		return x / 2
	}
	return -1
}

func (p *drawing) drawCursor() {
	col := p.cursorColumn()
	if col < 0 {
		return
	}
	pen := p.c.addPen(p.Styles.Cursor.Pen())
	for row := range p.c.h {
		i := row*p.c.w + col
		if p.c.dots[i] == 0 {
			p.c.force(col, row, firstRune(p.Styles.Signs.Bar), pen)
		}
	}
}

// drawGrid puts a faint dot where a time and a value of the axes meet, so that the eye can follow both.
func (p *drawing) drawGrid() {
	pen, dot := p.c.addPen(p.Styles.Border.Pen()), firstRune(p.Styles.Signs.Dot)
	for row := range p.labels {
		for _, st := range p.stamps {
			if x := p.column(st.at, 2*p.c.w); x >= 0 {
				p.c.put(x/2, row, dot, pen)
			}
		}
	}
}

// drawEmpty says in the middle of the plot why nothing is there; its rows have nothing else.
func (p *drawing) drawEmpty() {
	room := p.c.w - 2
	if room < 1 {
		return
	}
	lines := strings.Split(ansi.Wrap(plain.LineN(p.Empty, 400), room, ""), "\n")
	if len(lines) > p.c.h {
		lines = lines[:p.c.h]
		lines[p.c.h-1] = plain.Clip(strings.TrimRight(lines[p.c.h-1], " ")+" "+strings.Repeat("…", room), room)
	}
	top := (p.c.h - len(lines)) / 2
	p.message = map[int]string{}
	for i, text := range lines {
		left := max((p.c.w-plain.Width(text))/2, 0)
		p.message[top+i] = plain.Fit(strings.Repeat(" ", left)+text, p.c.w)
	}
}

func (p *drawing) plotLines() []string {
	lines := make([]string, p.c.h)
	var b strings.Builder
	for row := range lines {
		b.Reset()
		if p.left > 0 {
			joint := "┤"
			switch _, tick := p.labels[row]; {
			case p.ASCII && tick:
				joint = "+"
			case p.ASCII:
				joint = "|"
			case !tick:
				joint = "│"
			}
			p.axis.Write(&b, padLeft(p.labels[row], p.left-1)+joint)
		}
		if text, ok := p.message[row]; ok {
			p.muted.Write(&b, text)
		} else {
			p.c.writeRow(&b, row)
		}
		lines[row] = b.String()
	}
	return lines
}

// ruleLine is the time axis' line: ticks, marks and the cursor's foot stand on it.
func (p *drawing) ruleLine() string {
	c := newCanvas(p.c.w, 1, p.ASCII)
	pens := p.markPens(c)
	for col, m := range p.marksByColumn() {
		c.put(col, 0, firstRune(p.markSign(m.Kind)), pens[m.Kind])
	}
	if col := p.cursorColumn(); col >= 0 {
		foot := '┴'
		if p.ASCII {
			foot = '^'
		}
		c.put(col, 0, foot, c.addPen(p.Styles.Cursor.Pen()))
	}
	pen, tick := c.addPen(p.axis), '┬'
	if p.ASCII {
		tick = '+'
	}
	for _, st := range p.stamps {
		c.put(max(p.column(st.at, 2*c.w), 0)/2, 0, tick, pen)
	}
	for col := range c.w {
		c.put(col, 0, firstRune(p.Styles.Signs.Rule), pen)
	}
	var b strings.Builder
	if p.left > 0 {
		p.axis.Write(&b, padLeft("", p.left-1)+p.Styles.Signs.BottomLeft)
	}
	if c.w > 0 {
		c.writeRow(&b, 0)
	}
	return b.String()
}

// timeLine has the times, each centred below its place where there is room.
func (p *drawing) timeLine() string {
	line := []byte(strings.Repeat(" ", p.Width)) // the labels are ASCII
	free := 0
	for _, st := range p.stamps {
		x := p.column(st.at, 2*p.c.w)
		if x < 0 {
			continue
		}
		from := min(max(p.left+x/2-len(st.text)/2, 0), p.Width-len(st.text))
		if from < free {
			continue
		}
		copy(line[from:], st.text)
		free = from + len(st.text) + 1
	}
	return p.axis.Render(string(line))
}

func padLeft(s string, w int) string {
	if n := w - plain.Width(s); n > 0 {
		return strings.Repeat(" ", n) + s
	}
	return s
}
