package logview

// anchor is where the selected row stands on the screen, so that it stays there when rows come in above it: a line that is late goes to the
// place that its time gives it, which may be between the top of the screen and the selection.
type anchor struct {
	ok    bool
	sel   key
	lines int // from the top of the screen to the selected row's first line
}

// anchor is none while the end is followed, and where the selection or the top is filtered away.
func (p *Pane) anchor() anchor {
	if p.follow || p.centre || p.jump || p.end() == 0 || p.body() == 0 || p.buf.version.Load() == p.snap.version && p.Scanned() {
		return anchor{}
	}
	i, top := p.list.rank(p.sel), p.list.rank(p.top)
	if i >= p.end() || top > i || p.list.key(i) != p.sel || p.list.key(top) != p.top {
		return anchor{}
	}
	t := p.topPlace()
	lines := -t.sub
	for at := t.i; at < i; at++ {
		if lines += p.height(at); lines >= p.body() {
			return anchor{}
		}
	}
	return anchor{lines >= 0, p.sel, lines}
}

// stay brings the selected row back to where it stood on the screen.
func (p *Pane) stay(a anchor) {
	if !a.ok || p.follow || p.centre || p.sel != a.sel || p.end() == 0 {
		return
	}
	i := p.list.rank(a.sel)
	if i >= p.end() || p.list.key(i) != a.sel {
		return
	}
	if t := p.back(place{i, 0}, a.lines); t != p.topPlace() {
		p.setTop(t)
	}
}

// settleCentre puts the selected row a third down, as Context wants it, once the rows around it are known.
func (p *Pane) settleCentre() {
	if !p.centre || p.end() == 0 || p.body() == 0 {
		return
	}
	if at := p.list.chunkOf(p.sel); p.list.hits[at] == nil || p.list.fresh < len(p.list.chunks) && p.list.len() < p.body() {
		return
	}
	p.centre = false
	t := p.back(place{p.selIndex(), 0}, p.body()/3)
	if low := p.lowest(); low.less(t) {
		t = low
	}
	p.setTop(t)
}

// settleSeen brings the selected row onto the screen after the filter changed. It waits for lines before it where none is loaded that passes.
func (p *Pane) settleSeen() {
	if p.follow {
		p.seek = false
	}
	if !p.seek || p.centre || p.jump || p.end() == 0 || p.body() == 0 || !p.Scanned() {
		return
	}
	i, t := p.selIndex(), p.topPlace()
	p.seek = p.sel.less(p.list.key(i))
	if at := (place{i, 0}); at.less(t) || p.forth(t, p.body()-1).less(at) {
		p.reveal(true)
	}
}
