package logview

import (
	"slices"
	"strings"

	"quarterdeck/sources"
	"quarterdeck/ui/plain"
)

const (
	// maxExtra bounds the fields that are columns, so that a message is left.
	maxExtra = 6
	// a field's column takes as many cells as what stands in it lately, within bounds.
	leastExtra, mostExtra = 4, 28
	extraSample           = 64 // newest lines that are looked at for it
)

// SetFieldColumns makes fields of structured lines columns before the message, at most six; nil: none.
func (p *Pane) SetFieldColumns(keys []string) {
	keys = slices.Clone(keys[:min(len(keys), maxExtra)])
	if slices.Equal(keys, p.extra) {
		return
	}
	p.extra, p.extraWide = keys, [maxExtra]int{}
	p.topSub = 0
	p.measureExtra()
	p.reveal(false)
}

// FieldColumns are the fields that are columns.
func (p *Pane) FieldColumns() []string { return slices.Clone(p.extra) }

// measureExtra widens the columns to what the newest lines have; they do not get narrower, so that they do not jump about.
func (p *Pane) measureExtra() {
	if len(p.extra) == 0 {
		return
	}
	for i, k := range p.extra {
		p.extraWide[i] = max(p.extraWide[i], min(max(width(plain.LineN(k, mostExtra)), leastExtra), mostExtra))
	}
	left := extraSample
	for c := len(p.snap.chunks) - 1; c >= 0 && left > 0; c-- {
		ch := p.snap.chunks[c]
		for r := len(ch.recs) - 1; r >= 0 && left > 0; r, left = r-1, left-1 {
			for i, k := range p.extra {
				if v, ok := cellValue(ch, &ch.recs[r], k); ok {
					p.extraWide[i] = max(p.extraWide[i], min(width(plain.LineN(v, mostExtra+1)), mostExtra))
				}
			}
		}
	}
}

// cellValue is what stands in a field's column for a row.
func cellValue(c *chunk, r *rec, key string) (string, bool) {
	if r.kind != kindLine {
		return "", false
	}
	if v, ok := fieldValue(c.text(r), key); ok {
		return v, true
	}
	return streamValue(c.streams[r.stream], key)
}

// extraCells places the columns of fields: as many as leave half of the width to the message.
func (p *Pane) extraCells(room int) (wide [maxExtra]int) {
	left := room / 2
	for i := range p.extra {
		w := p.extraWide[i]
		if w+1 > left {
			break
		}
		wide[i] = w
		left -= w + 1
	}
	return wide
}

// shownAsColumn tells whether a field stands in a column, so that the message need not repeat it.
func (g *geometry) shownAsColumn(p *Pane, key string) bool {
	i := slices.Index(p.extra, key)
	return i >= 0 && g.extra[i] > 0
}

func (p *Pane) drawExtra(d *painter, c *chunk, r *rec, g geometry, l *look) {
	for i, k := range p.extra {
		if g.extra[i] == 0 {
			continue
		}
		v, _ := cellValue(c, r, k)
		d.exact(plain.LineN(v, mostExtra+1), g.extra[i], l.text)
		d.gap(l)
	}
}

// chipLine shows the filter's parts in one line, the last ones where they do not all fit.
func (p *Pane) chipLine(l *look) string {
	const open, shut, hint = "[", "]", "backspace takes the last off"
	d := newPainter(p.w)
	d.put(" ", l.text)
	chips := p.Chips()
	room, from := p.w-2, len(chips)
	for from > 0 {
		n := min(width(plain.LineN(chips[from-1].Text, 60)), 60) + 3
		if n > room && from < len(chips) {
			break
		}
		room -= n
		from--
	}
	if from > 0 {
		d.put("+"+thousands(from)+" ", l.muted)
	}
	for _, c := range chips[from:] {
		d.put(open, l.muted)
		d.put(clipTo(plain.LineN(c.Text, 400), 60), l.warn)
		d.put(shut+" ", l.muted)
	}
	if d.left > len(hint)+1 && !p.blurred {
		d.put(strings.Repeat(" ", d.left-len(hint)-1)+hint, l.muted)
	}
	return d.line(l)
}

func clipTo(s string, n int) string {
	if width(s) <= n {
		return s
	}
	return plain.Clip(s, n)
}

// headLine names the columns where fields are some of them: a value without its name says nothing.
func (p *Pane) headLine(l *look) string {
	p.checkSignature()
	g := p.sig.g
	d := newPainter(p.w)
	d.put(strings.Repeat(" ", g.gutter), l.muted)
	for _, c := range []struct {
		name string
		w    int
	}{{"TIME", g.time}, {"LEVEL", g.level}, {"TASK", g.task}, {"NODE", g.node}} {
		if c.w > 0 {
			d.exact(c.name[:min(len(c.name), c.w)], c.w, l.muted)
			d.gap(l)
		}
	}
	for i, k := range p.extra {
		if g.extra[i] > 0 {
			d.exact(plain.LineN(k, mostExtra), g.extra[i], l.muted)
			d.gap(l)
		}
	}
	d.put("MESSAGE", l.muted)
	return d.line(l)
}

// chipsApart tells whether the filter has a line of its own.
func (p *Pane) chipsApart() bool { return p.h >= 12 && p.before == nil && !p.filter.Zero() }

// heads is how many lines stand over the rows, beside the header.
func (p *Pane) heads() int {
	n := 0
	if p.chipsApart() {
		n++
	}
	if len(p.extra) > 0 && p.h >= 6 {
		n++
	}
	return n
}

// Entries calls f with each line that passes the filter, oldest first, until it says false. What is gone through is
// fixed when Entries is called: the function returned may run on any goroutine. The entry is used again.
func (p *Pane) Entries() func(f func(*sources.Entry) bool) { return entriesOf(p.snap, p.query.filter) }

// All is Entries without the filter.
func (p *Pane) All() func(f func(*sources.Entry) bool) { return entriesOf(p.snap, allPass) }

// allPass is the matcher of the zero filter, which has no error.
var allPass, _ = newMatcher(Filter{})

func entriesOf(snap *snapshot, filter *matcher) func(f func(*sources.Entry) bool) {
	return func(f func(*sources.Entry) bool) {
		for _, c := range snap.chunks {
			streams := filter.streams(c)
			for i := range c.recs {
				r := &c.recs[i]
				if r.kind != kindLine || !filter.row(c, r, streams) {
					continue
				}
				e := c.entry(r)
				if !f(&e) {
					return
				}
			}
		}
	}
}

// FieldsOf calls f with each field of a structured line; false: it is none.
func FieldsOf(line string, f func(key, value string)) bool {
	fields, ok := parseFields(line)
	for _, x := range fields {
		f(x.key, x.value)
	}
	return ok
}
