package logview

import (
	"strings"
	"time"

	"github.com/charmbracelet/x/ansi"

	"quarterdeck/sources"
	"quarterdeck/ui/plain"
	"quarterdeck/ui/theme"
)

// drawnKey is one drawn line of a row.
type drawnKey struct {
	key              key
	sub              int
	selected, marked bool
}

// View draws the pane as of the last Sync: exactly h lines of w cells, without a
// newline at the end. It does no I/O, holds no lock and asks no clock; what it
// drew it keeps for the next frame.
func (p *Pane) View(styles theme.Styles) string {
	if p.h == 0 {
		return ""
	}
	l := p.look(styles)
	lines := make([]string, 0, p.h)
	lines = append(lines, p.header(l))
	if p.chipsApart() {
		lines = append(lines, p.chipLine(l))
	}
	if len(p.extra) > 0 && p.h >= 6 {
		lines = append(lines, p.headLine(l))
	}
	n := p.body()
	switch {
	case p.w == 0:
	case p.end() == 0:
		lines = append(lines, p.nothing(l)...)
	default:
		lines = p.rows(lines, l)
	}
	blank := strings.Repeat(" ", p.w)
	for len(lines) < 1+p.heads()+n {
		lines = append(lines, blank)
	}
	if p.inputKind != InputNone && len(lines) < p.h {
		lines = append(lines, p.inputLine(l))
	}
	return strings.Join(lines, "\n")
}

// rows appends the lines from the top of the screen to its bottom.
func (p *Pane) rows(lines []string, l *look) []string {
	n, end, sel := p.body(), p.end(), p.selIndex()
	if n == 0 {
		return lines
	}
	at := p.topPlace()
	for i, sub := at.i, at.sub; i < end; i, sub = i+1, 0 {
		c, r := p.list.row(i)
		b := p.block(c, r)
		_, marked := p.bookmarks[r.key()]
		for ; sub < len(b.lines); sub++ {
			k := drawnKey{r.key(), sub, i == sel, marked}
			s, ok := p.drawn.get(k)
			if !ok {
				s = p.draw(c, r, &b.lines[sub], k, l)
				p.drawn.put(k, s, p.cacheLimit())
			}
			if lines = append(lines, s); len(lines) > n+p.heads() {
				return lines
			}
		}
	}
	return lines
}

// painter builds one line of exactly w cells out of styled pieces.
type painter struct {
	b     strings.Builder
	width int
	left  int        // cells
	over  *theme.Pen // of a selected row: in place of every style
}

func newPainter(w int) *painter { return &painter{width: w, left: w} }

func (d *painter) put(s string, pen theme.Pen) {
	if d.left <= 0 || s == "" {
		return
	}
	w := width(s)
	if w > d.left {
		_, to, _ := cells(s, 0, d.left)
		s = s[:to]
		w = width(s)
	}
	if d.over != nil {
		pen = *d.over
	}
	pen.Write(&d.b, s)
	d.left -= w
}

// exact puts s in exactly n cells.
func (d *painter) exact(s string, n int, pen theme.Pen) {
	if n > 0 {
		d.put(plain.Fit(s, n), pen)
	}
}

func (d *painter) gap(l *look) { d.put(" ", l.text) }

// line is what was painted, filled up. Characters of two pieces may join into one, or one join
// the filling: then the sum of the pieces' cells is not the line's, and it is set right.
func (d *painter) line(l *look) string {
	d.put(strings.Repeat(" ", max(d.left, 0)), l.text)
	s := d.b.String()
	w := width(s)
	if w > d.width {
		s = ansi.Truncate(s, d.width, "")
		w = width(s)
	}
	for ; w < d.width; w = width(s) {
		s += strings.Repeat(" ", d.width-w)
	}
	return s
}

// draw draws display line k.sub of a row.
func (p *Pane) draw(c *chunk, r *rec, t *textLine, k drawnKey, l *look) string {
	d := newPainter(p.w)
	if k.selected {
		d.over = &l.selected
		if p.blurred {
			d.over = &l.blurred
		}
	}
	g := p.sig.g
	d.exact(p.gutter(k, l), g.gutter, l.title)
	if r.kind == kindGap {
		drawGap(d, c.gaps[r.off], l)
		return d.line(l)
	}
	if k.sub == 0 {
		p.drawColumns(d, c, r, g, l)
	} else {
		d.put(strings.Repeat(" ", max(p.w-g.gutter-g.message, 0)), l.text)
	}
	p.drawMessage(d, t, c.level(r), l)
	return d.line(l)
}

// gutter is the signs of the selection and of a bookmark: colour is not the only mark.
func (p *Pane) gutter(k drawnKey, l *look) string {
	if k.sub > 0 {
		return ""
	}
	switch {
	case k.marked:
		return l.mark
	case k.selected:
		return l.pointer
	}
	return ""
}

func drawGap(d *painter, g sources.Gap, l *look) {
	rule := l.rule
	d.put(rule+rule+" "+gapText(g)+" ", l.warn)
	d.put(strings.Repeat(rule, max(d.left, 0)), l.warn)
}

var levelWords = [...]string{"", "TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL"}

func (p *Pane) drawColumns(d *painter, c *chunk, r *rec, g geometry, l *look) {
	if g.time > 0 {
		d.exact(p.timeText(r.ts, g), g.time, l.muted)
		d.gap(l)
	}
	if g.level > 0 {
		level := min(r.level, sources.LevelFatal)
		d.exact(plainCut(levelWords[level], g.level), g.level, l.levels[level])
		d.gap(l)
	}
	s := c.streams[r.stream]
	if g.task > 0 {
		d.exact(p.name(s), g.task, l.hue(s.Service))
		d.gap(l)
	}
	if g.node > 0 {
		d.exact(plain.LineN(s.Node, g.node+1), g.node, l.muted)
		d.gap(l)
	}
	p.drawExtra(d, c, r, g, l)
}

// plainCut cuts text of one-byte characters without a sign that it is cut.
func plainCut(s string, n int) string { return s[:min(n, len(s))] }

func (p *Pane) name(s *sources.Stream) string { return plain.LineN(p.opts.TaskName(s), maxTask+1) }

func (p *Pane) timeText(ts int64, g geometry) string {
	t := time.Unix(0, ts).In(p.opts.Location)
	switch {
	case p.time == TimeRelative:
		a := age(p.now.Sub(t))
		return strings.Repeat(" ", max(ageWidth-len(a), 0)) + a
	case g.short:
		return t.Format("15:04:05")
	case g.date:
		return t.Format("01-02 15:04:05.000")
	}
	return t.Format("15:04:05.000")
}

func (p *Pane) drawMessage(d *painter, t *textLine, level sources.Level, l *look) {
	body := l.text
	if level >= sources.LevelError {
		body = l.bad
	}
	text, note := t.text, strings.Replace(t.note, "…", l.ellipsis, 1)
	if note != "" && note != l.ellipsis {
		note = " " + note
	}
	if note != "" {
		_, to, _ := cells(text, 0, max(d.left-width(note), 0))
		text = text[:to]
	}
	at := 0
	over := d.over
	for _, s := range t.spans {
		from, to := min(s.from, len(text)), min(s.to, len(text))
		d.put(text[at:from], body)
		pen := l.text
		switch {
		case s.kind == spanKey:
			pen = l.key
		case s.kind == spanMatch && over != nil:
			pen, d.over = l.matchSelected, nil // seen in the selected row too
		case s.kind == spanMatch:
			pen = l.match
		}
		d.put(text[from:to], pen)
		d.over = over
		at = to
	}
	d.put(text[at:], body)
	d.put(note, l.muted)
}

// nothing says why no line is shown.
func (p *Pane) nothing(l *look) []string {
	reason := p.empty
	switch {
	case p.list.held > 0:
		reason = "paused before the first line came"
	case p.list.len() == 0 && p.snap.rows > 0 && p.list.fresh < len(p.list.chunks):
		reason = "looking through " + thousands(p.snap.rows) + " lines"
	case p.snap.rows > 0 && p.list.len() == 0:
		reason = "none of " + thousands(p.snap.rows) + " lines passes the filter " + strings.Join(p.chips(), " ")
	case reason == "":
		reason = "no logs yet"
	}
	if !p.query.filter.all && p.snap.rows == 0 {
		reason += " (filter " + strings.Join(p.chips(), " ") + ")"
	}
	text := plain.LineN(reason, 4*p.w)
	var lines []string
	for text != "" && len(lines) < p.body() {
		_, to, _ := cells(text, 0, max(p.w-2, 1))
		if to == 0 {
			break
		}
		d := newPainter(p.w)
		d.put(" "+strings.TrimLeft(text[:to], " "), l.muted)
		lines = append(lines, d.line(l))
		text = text[to:]
	}
	return lines
}
