package logview

import (
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/charmbracelet/x/ansi"

	"quarterdeck/sources"
	"quarterdeck/ui/plain"
)

// kinds of text in a message.
const (
	spanText uint8 = iota
	spanKey
	spanValue
	spanMatch
	spanNote
)

// textSpan is s[from:to] drawn in one way.
type textSpan struct {
	from, to int
	kind     uint8
}

// textLine is one display line of a message: harmless text of at most the message's width.
type textLine struct {
	text  string
	spans []textSpan // rising, not overlapping; what is between is spanText
	note  string     // after the text, dimmed: what is not shown
}

// block is a row laid out for the present width: at least one line.
type block struct{ lines []textLine }

// cache is a map of two generations: what was not used for a while goes.
type cache[K comparable, V any] struct{ young, old map[K]V }

func (c *cache[K, V]) get(k K) (V, bool) {
	if v, ok := c.young[k]; ok {
		return v, true
	}
	v, ok := c.old[k]
	if ok {
		c.young[k] = v
	}
	return v, ok
}

func (c *cache[K, V]) put(k K, v V, limit int) {
	if c.young == nil || len(c.young) >= limit {
		c.old, c.young = c.young, make(map[K]V, limit)
	}
	c.young[k] = v
}

// widths of columns, in cells.
const (
	maxTask   = 18
	nodeWidth = 12
	ageWidth  = 6
)

// geometry is where things stand in a row.
type geometry struct {
	gutter, time, level, task, node int // widths; 0: not shown
	date                            bool
	short                           bool          // the level is a letter, the time has no milliseconds
	message                         int           // width of what is left
	extra                           [maxExtra]int // of the fields that are columns
}

// geometry drops columns as the pane gets narrow: node, then date, then task.
func (p *Pane) geometry() geometry {
	g := geometry{gutter: 2}
	if p.w < 60 {
		g.gutter = 1
	}
	g.short = p.w < 50
	cols := columnSets[p.columns]
	if cols&ColLevel != 0 {
		g.level = 5
		if p.w < 100 {
			g.level = 1
		}
	}
	switch p.time {
	case TimeLocal:
		g.date = p.dated && p.w >= 90
		g.time = 12
		if g.short {
			g.time = 8
		}
		if g.date {
			g.time += 6
		}
	case TimeRelative:
		g.time = ageWidth
	}
	if cols&ColTask != 0 && p.w >= 60 {
		g.task = min(p.nameWidth, maxTask)
		if p.w < 100 {
			g.task = min(g.task, 12)
		}
	}
	if cols&ColNode != 0 && p.w >= 110 {
		g.node = nodeWidth
	}
	g.message = p.w - g.gutter
	for _, c := range []int{g.time, g.level, g.task, g.node} {
		if c > 0 {
			g.message -= c + 1
		}
	}
	g.message = max(g.message, 1)
	g.extra = p.extraCells(g.message)
	for _, c := range g.extra {
		if c > 0 {
			g.message -= c + 1
		}
	}
	return g
}

// signature is all that a block or a drawn row depends on beside the row itself.
type signature struct {
	g            geometry
	w, h, side   int
	wrap, fields bool
	search       uint64
	time         TimeMode
	second       int64 // of the present, where ages are shown
	body         int
	blurred      bool
	extra        string
}

// block lays a row out, or takes it from the cache.
func (p *Pane) block(c *chunk, r *rec) *block {
	p.checkSignature()
	k := r.key()
	if b, ok := p.blocks.get(k); ok {
		return b
	}
	b := p.lay(c, r)
	p.blocks.put(k, b, p.cacheLimit())
	return b
}

func (p *Pane) cacheLimit() int { return 8 * max(p.h, 16) }

func (p *Pane) checkSignature() {
	s := signature{g: p.geometry(), w: p.w, h: p.h, side: p.side, wrap: p.wrap, fields: p.fields,
		search: p.query.searchGen, time: p.time, blurred: p.blurred, body: p.body(), extra: strings.Join(p.extra, "\x00")}
	if p.time == TimeRelative {
		s.second = p.now.Unix()
	}
	if s != p.sig {
		p.sig = s
		p.blocks, p.drawn = cache[key, *block]{}, cache[drawnKey, string]{}
	}
}

// maxLines is how many display lines one row may take: it must not fill the screen alone.
func (p *Pane) maxLines() int { return max(min(p.body()*2/3, 40), 1) }

func (p *Pane) lay(c *chunk, r *rec) *block {
	g := p.sig.g
	if r.kind == kindGap {
		return &block{lines: []textLine{{}}}
	}
	raw := strings.TrimRight(c.text(r), "\r\n")
	b := &block{}
	if p.fields {
		if f, ok := parseFields(raw); ok {
			p.layFields(b, f, r, g)
			return b
		}
	}
	for first := true; first || raw != ""; first = false {
		line, rest, more := strings.Cut(raw, "\n")
		left := p.maxLines() - len(b.lines)
		if left == 0 {
			note(b, raw, strings.Count(raw, "\n")+1)
			break
		}
		raw = rest
		p.layText(b, strings.TrimSuffix(line, "\r"), nil, g, left)
		if !more {
			break
		}
	}
	return b
}

// note says at the end of b what is not shown.
func note(b *block, rest string, lines int) {
	last := &b.lines[len(b.lines)-1]
	if lines > 1 {
		last.note = "… +" + thousands(lines) + " lines"
		return
	}
	last.note = "… +" + size(len(rest))
}

// layText lays one line of raw text out, in at most left display lines. Of a long
// line only what is seen is looked at.
func (p *Pane) layText(b *block, raw string, spans []textSpan, g geometry, left int) {
	want := p.side + g.message
	if p.wrap {
		want = left * g.message
	}
	text := strings.Clone(plain.LineN(raw, want+1)) // what is kept for drawing must not keep a page of the buffer
	p.layClean(b, text, p.highlight(text, spans), g, left, len(raw)-len(text))
}

// layFields lays a structured line out: the message, then dimmed keys and their values.
func (p *Pane) layFields(b *block, fields []field, r *rec, g geometry) {
	message, rest := arrange(fields, g.time > 0, g.level > 0 && r.level != sources.LevelUnknown)
	var s strings.Builder
	var spans []textSpan
	s.WriteString(plain.LineN(message, maxFields))
	for _, f := range rest {
		if g.shownAsColumn(p, f.key) {
			continue
		}
		if s.Len() > 0 {
			s.WriteByte(' ')
		}
		from := s.Len()
		s.WriteString(plain.LineN(f.key, 200) + "=")
		spans = append(spans, textSpan{from, s.Len(), spanKey})
		from = s.Len()
		value := plain.LineN(f.value, maxFields)
		if strings.ContainsAny(value, " ") && !strings.HasPrefix(value, "{") && !strings.HasPrefix(value, "[") {
			value = `"` + value + `"`
		}
		s.WriteString(value)
		spans = append(spans, textSpan{from, s.Len(), spanValue})
	}
	text := s.String()
	p.layClean(b, text, p.highlight(text, spans), g, p.maxLines(), 0)
}

// layClean cuts or wraps harmless text; hidden is how many bytes there are beyond it.
func (p *Pane) layClean(b *block, text string, spans []textSpan, g geometry, left, hidden int) {
	if !p.wrap {
		from, to, pad := cells(text, p.side, g.message)
		line := cutLine(text, spans, from, to)
		if pad > 0 {
			line = shifted(line, pad)
		}
		if to < len(text) && g.message > 1 {
			line.note = "…"
		}
		b.lines = append(b.lines, line)
		return
	}
	for ; ; left-- {
		if left == 0 {
			note(b, text, 1)
			last := &b.lines[len(b.lines)-1]
			last.note = "… +" + size(len(text)+max(hidden, 0))
			return
		}
		_, to, _ := cells(text, 0, g.message)
		if to == 0 && text != "" { // a character wider than the whole column
			_, n := utf8.DecodeRuneInString(text)
			text, spans = text[n:], moved(spans, n)
			continue
		}
		b.lines = append(b.lines, cutLine(text, spans, 0, to))
		if text = text[to:]; text == "" {
			return
		}
		spans = moved(spans, to)
	}
}

// cells finds the bytes of text that stand in cells [skip, skip+width); pad is how many
// blank cells stand before them where a wide character is cut.
func cells(text string, skip, width int) (from, to, pad int) {
	at := 0
	for from < len(text) && at < skip {
		n, w := cluster(text[from:])
		from += n
		at += w
	}
	pad = max(at-skip, 0)
	used := pad
	for to = from; to < len(text); {
		n, w := cluster(text[to:])
		if used+w > width {
			break
		}
		used += w
		to += n
	}
	return from, to, pad
}

// cluster is the first character of s: its bytes and its cells.
func cluster(s string) (n, w int) {
	if s[0] < utf8.RuneSelf && (len(s) == 1 || s[1] < utf8.RuneSelf) {
		return 1, 1
	}
	c, w := ansi.FirstGraphemeCluster(s, ansi.GraphemeWidth)
	return max(len(c), 1), w
}

func width(s string) int { return plain.Width(s) }

func cutLine(text string, spans []textSpan, from, to int) textLine {
	l := textLine{text: text[from:to]}
	for _, s := range spans {
		a, b := max(s.from, from), min(s.to, to)
		if a < b {
			l.spans = append(l.spans, textSpan{a - from, b - from, s.kind})
		}
	}
	return l
}

func shifted(l textLine, pad int) textLine {
	l.text = strings.Repeat(" ", pad) + l.text
	l.spans = moved(l.spans, -pad)
	return l
}

func moved(spans []textSpan, by int) []textSpan {
	out := slices.Clone(spans)
	for i := range out {
		out[i].from -= by
		out[i].to -= by
	}
	return out
}

// maxMarks bounds the matches marked in one line.
const maxMarks = 200

// highlight lays the search's matches over spans.
func (p *Pane) highlight(text string, spans []textSpan) []textSpan {
	pat := p.query.search
	if pat == nil {
		return spans
	}
	var out []textSpan
	add := func(from, to int, kind uint8) {
		if from < to {
			out = append(out, textSpan{from, to, kind})
		}
	}
	next := 0
	// until moves spans before at over, and cuts the one across it.
	until := func(at int) {
		for next < len(spans) && spans[next].from < at {
			s := &spans[next]
			add(s.from, min(s.to, at), s.kind)
			if s.to > at {
				s.from = at
				return
			}
			next++
		}
	}
	spans = slices.Clone(spans)
	for _, at := range pat.findAll(text, maxMarks) {
		from, to := at[0], at[1]
		until(from)
		add(from, to, spanMatch)
		for next < len(spans) && spans[next].from < to {
			if spans[next].to > to {
				spans[next].from = to
				break
			}
			next++
		}
	}
	until(len(text) + 1)
	return out
}
