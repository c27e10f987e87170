package logview

import (
	"strconv"

	"quarterdeck/sources"
	"quarterdeck/ui/plain"
	"quarterdeck/ui/theme"
)

// piece is a part of the header; the least keep is left away first.
type piece struct {
	text string
	pen  theme.Pen
	keep int
}

func (p *Pane) header(l *look) string {
	pieces := p.pieces(l)
	for {
		total, least := 1, -1
		for i, x := range pieces {
			total += width(x.text) + 2
			if least < 0 || x.keep < pieces[least].keep {
				least = i
			}
		}
		if total-2 <= p.w || len(pieces) <= 1 {
			break
		}
		pieces = append(pieces[:least], pieces[least+1:]...)
	}
	d := newPainter(p.w)
	d.put(" ", l.text)
	for i, x := range pieces {
		if i > 0 {
			d.put("  ", l.text)
		}
		d.put(x.text, x.pen)
	}
	return d.line(l)
}

func (p *Pane) pieces(l *look) []piece {
	s := p.Status()
	var out []piece
	add := func(text string, pen theme.Pen, keep int) {
		if text != "" {
			out = append(out, piece{text, pen, keep})
		}
	}
	switch {
	case s.Paused:
		add(l.hold+" PAUSED +"+thousands(s.New), l.info, 10)
	case !s.Following && !p.static:
		add("SCROLLED +"+thousands(s.New), l.title, 10)
	}
	if (s.State != sources.Live || s.Following) && (!p.static || len(p.status) > 0) {
		text, pen := p.sourceWords(s, l)
		add(text, pen, 9)
	}
	add(plain.LineN(p.title, 40), l.title, 6)
	if !p.chipsApart() {
		for i, c := range p.chips() {
			add(plain.LineN(c, 30), l.warn, 8-min(i, 3))
		}
	}
	if p.search.Text != "" {
		add("find "+plain.LineN(quoted(p.search), 24)+" "+strconv.Itoa(s.Match)+"/"+thousands(s.Matches), l.title, 8)
	}
	if s.Progress < 1 {
		add("scanning "+strconv.Itoa(int(s.Progress*100))+"%", l.muted, 7)
	}
	count := thousands(s.Total) + " lines"
	if s.Shown != s.Total {
		count = thousands(s.Shown) + "/" + count
	}
	add(count, l.muted, 4)
	add(perSecond(s.Rate), l.muted, 5)
	if s.Evicted > 0 {
		add("oldest "+thousands(s.Evicted)+" let go", l.muted, 2)
	}
	return out
}

// sourceWords is the worst source's state, with what is known of it.
func (p *Pane) sourceWords(s Status, l *look) (string, theme.Pen) {
	text, pen := l.state(s.State)
	if s.Lost > 0 {
		text += " ≥" + thousands(s.Lost)
	}
	if s.State == sources.Live {
		return text, pen
	}
	for _, st := range p.status {
		if st.State == s.State {
			text = plain.LineN(st.Name, 12) + " " + text
			if !st.Since.IsZero() && !st.OK() {
				text += " " + span(p.now.Sub(st.Since))
			}
			break
		}
	}
	return text, pen
}

var inputLabels = map[InputKind]string{InputFilter: "filter", InputExclude: "exclude", InputSearch: "find"}

// inputLine shows what is typed, the end of it where it is long, and the cursor.
func (p *Pane) inputLine(l *look) string {
	d := newPainter(p.w)
	d.put(" "+inputLabels[p.inputKind]+" ", l.title)
	hint := "~regexp  !exclude  enter keep  esc undo"
	pen := l.muted
	if p.inputHint != "" {
		hint = plain.Line(p.inputHint)
	}
	if p.inputErr != nil {
		hint, pen = plain.Line(p.inputErr.Error()), l.bad
	}
	value := []rune(p.input.Value())
	pos := min(p.input.Position(), len(value))
	left, right := plain.Line(string(value[:pos])), plain.Line(string(value[pos:]))
	room := max(d.left-min(width(hint)+3, d.left/2), 1)
	if w := width(left); w >= room {
		from, _, _ := cells(left, w-room+1, room)
		left = left[from:]
	}
	d.put(left, l.text)
	under, rest := " ", ""
	if right != "" {
		n, _ := cluster(right)
		under, rest = right[:n], right[n:]
	}
	d.put(under, l.cursor)
	_, to, _ := cells(rest, 0, max(room-width(left)-1, 0))
	d.put(rest[:to], l.text)
	d.put("   ", l.text)
	d.put(hint, pen)
	return d.line(l)
}
