package logview

import (
	"math"
	"time"

	"quarterdeck/sources"
)

// SetSize sets the pane's outer size in cells.
func (p *Pane) SetSize(w, h int) {
	w, h = max(w, 0), max(h, 0)
	if w == p.w && h == p.h {
		return
	}
	p.w, p.h = w, h
	p.topSub = 0
	p.reveal(false)
}

// SetTitle names what the lines are of, such as a service.
func (p *Pane) SetTitle(s string) { p.title = s }

// SetFocused tells whether keys go to the pane: the selected row is drawn accordingly. A new pane has the focus.
func (p *Pane) SetFocused(on bool) { p.blurred = !on }

// SetEmpty says why there is nothing, for when there is nothing.
func (p *Pane) SetEmpty(reason string) { p.empty = reason }

// body is how many rows of lines the pane has.
func (p *Pane) body() int {
	n := p.h - 1 - p.heads()
	if p.inputKind != InputNone {
		n--
	}
	return max(n, 0)
}

// end is how many rows can be looked at.
func (p *Pane) end() int { return p.list.len() }

// selIndex is the selected row's place, where it is filtered away that of the last one before it, which is not past its moment; where none is
// before it, the first. -1: no rows.
func (p *Pane) selIndex() int {
	n := p.end()
	if p.follow || n == 0 {
		return n - 1
	}
	i := p.list.rank(p.sel)
	if i > 0 && (i >= n || p.list.key(i) != p.sel) {
		i--
	}
	return min(i, n-1)
}

// place is a row on the screen: the sub-th display line of row i.
type place struct{ i, sub int }

func (a place) less(b place) bool { return a.i < b.i || a.i == b.i && a.sub < b.sub }

func (p *Pane) height(i int) int {
	c, r := p.list.row(i)
	return len(p.block(c, r).lines)
}

// back goes n display lines up from a, and stops at the first.
func (p *Pane) back(a place, n int) place {
	for n > a.sub && a.i > 0 {
		n -= a.sub + 1
		a.i--
		a.sub = p.height(a.i) - 1
	}
	a.sub = max(a.sub-n, 0)
	return a
}

// forth goes n display lines down from a, and stops at the last.
func (p *Pane) forth(a place, n int) place {
	for {
		h := p.height(a.i)
		if a.sub+n < h || a.i+1 >= p.end() {
			a.sub = min(a.sub+n, h-1)
			return a
		}
		n -= h - a.sub
		a.i++
		a.sub = 0
	}
}

// lowest is the top of the screen that shows the last line at its bottom.
func (p *Pane) lowest() place {
	last := p.end() - 1
	return p.back(place{last, p.height(last) - 1}, max(p.body()-1, 0))
}

// topPlace is where the screen begins. The rows must not be none.
func (p *Pane) topPlace() place {
	low := p.lowest()
	if p.follow {
		return low
	}
	i := p.list.rank(p.top)
	if i >= p.end() {
		return low
	}
	t := place{i, 0}
	if p.list.key(i) == p.top {
		t.sub = min(p.topSub, p.height(i)-1)
	}
	if low.less(t) {
		return low
	}
	return t
}

func (p *Pane) setTop(t place) {
	p.top, p.topSub = p.list.key(t.i), t.sub
}

// hold ends following: the screen and the selection stay where they are.
func (p *Pane) hold() {
	if !p.follow {
		return
	}
	if n := p.end(); n > 0 {
		p.setTop(p.lowest())
		p.sel = p.list.key(n - 1)
	}
	if n := len(p.snap.chunks); n > 0 {
		p.mark = p.snap.chunks[n-1].last()
	}
	p.follow = false
}

// SetFollow goes to the newest line and stays there, or stops doing so. Following ends a pause.
func (p *Pane) SetFollow(on bool) {
	if !on {
		p.hold()
		return
	}
	if p.static {
		if n := p.end(); n > 0 {
			p.selectRow(n-1, false)
		}
		return
	}
	p.follow, p.centre = true, false
	if p.paused != nil {
		p.paused = nil
		p.refresh()
	}
}

// Following tells whether the newest line is kept in view.
func (p *Pane) Following() bool { return p.follow }

// TogglePause stops the screen while lines are still buffered and counted, or goes on following.
func (p *Pane) TogglePause() {
	if p.paused != nil {
		p.SetFollow(true)
		return
	}
	p.hold()
	p.paused = &pause{seq: p.snap.seq, from: math.MinInt64}
	if len(p.snap.chunks) > 0 {
		p.paused.from = p.snap.chunks[0].first().ts
	}
}

// Paused tells whether new lines are kept back.
func (p *Pane) Paused() bool { return p.paused != nil }

// Scroll moves the screen by display lines, down where n is positive; at the end it follows.
// The selection is taken along where it would leave the screen.
func (p *Pane) Scroll(n int) {
	if p.end() == 0 {
		return
	}
	if n > 0 && p.follow {
		return
	}
	p.hold()
	p.centre = false
	t := p.topPlace()
	if n < 0 {
		t = p.back(t, -n)
	} else {
		t = p.forth(t, n)
	}
	if low := p.lowest(); low.less(t) || t == low && n > 0 {
		if p.paused == nil {
			p.SetFollow(true)
			return
		}
		t = low
	}
	p.setTop(t)
	bottom := p.forth(t, max(p.body()-1, 0))
	i := min(max(p.selIndex(), t.i), bottom.i)
	p.sel = p.list.key(i)
}

// Page scrolls by n screens less a line.
func (p *Pane) Page(n int) { p.Scroll(n * max(p.body()-1, 1)) }

// HalfPage scrolls by n half screens.
func (p *Pane) HalfPage(n int) { p.Scroll(n * max(p.body()/2, 1)) }

// Move moves the selection by n rows; past the last row it follows.
func (p *Pane) Move(n int) {
	if p.end() == 0 || p.follow && n >= 0 {
		return
	}
	p.hold()
	i := p.selIndex() + n
	if i >= p.end() && p.paused == nil {
		p.SetFollow(true)
		return
	}
	p.selectRow(min(max(i, 0), p.end()-1), false)
}

// Top goes to the oldest line.
func (p *Pane) Top() {
	if p.end() > 0 {
		p.hold()
		p.selectRow(0, false)
	}
}

// Bottom goes to the newest line and follows; paused, to the newest that is shown.
func (p *Pane) Bottom() {
	if p.paused == nil {
		p.SetFollow(true)
	} else if n := p.end(); n > 0 {
		p.selectRow(n-1, false)
	}
}

// AtTop tells whether the oldest line is on the screen: the moment to ask for an older page.
func (p *Pane) AtTop() bool {
	if p.end() == 0 {
		return true
	}
	return !p.follow && p.topPlace() == place{} || p.lowest() == place{}
}

// Oldest is the time of the oldest line, shown or not; zero: no lines.
func (p *Pane) Oldest() time.Time {
	if len(p.snap.chunks) == 0 {
		return time.Time{}
	}
	return time.Unix(0, p.snap.chunks[0].first().ts)
}

// ScrollSide moves unwrapped lines by n cells, to the right where n is positive.
func (p *Pane) ScrollSide(n int) {
	if !p.wrap {
		p.side = min(max(p.side+n, 0), maxSide)
	}
}

// maxSide bounds how far to the right one can look, in cells: what a frame costs grows with it.
const maxSide = 64 << 10

// selectRow selects row i and makes it seen.
func (p *Pane) selectRow(i int, far bool) {
	p.hold()
	p.centre = false
	p.sel = p.list.key(i)
	p.reveal(far)
}

// reveal moves the screen as little as is needed to show the selected row; far
// rows are put a third down, so that what came before is seen.
func (p *Pane) reveal(far bool) {
	if p.centre {
		return // it will be, when the rows around it are known
	}
	if p.follow || p.end() == 0 || p.body() == 0 {
		return
	}
	i, t := p.selIndex(), p.topPlace()
	last := place{i, p.height(i) - 1}
	low := p.back(last, max(p.body()-1, 0))
	switch {
	case !(place{i, 0}).less(t) && !t.less(low):
	case far:
		t = p.back(place{i, 0}, p.body()/3)
	case (place{i, 0}).less(t):
		t = place{i, 0}
	default:
		t = low
	}
	p.setTop(t)
}

// SelectLine selects the row that is drawn at y, counted from the pane's top; for the mouse.
func (p *Pane) SelectLine(y int) bool {
	y -= p.heads()
	if y < 1 || y > p.body() || p.end() == 0 {
		return false
	}
	p.hold()
	t := p.topPlace()
	at := p.forth(t, y-1)
	p.setTop(t)
	p.sel = p.list.key(at.i)
	return true
}

// Selected is the selected line; nil: none, or a gap.
func (p *Pane) Selected() *sources.Entry {
	i := p.selIndex()
	if i < 0 {
		return nil
	}
	c, r := p.list.row(i)
	if r.kind != kindLine {
		return nil
	}
	e := c.entry(r)
	return &e
}

// NextError goes to the next shown line of level error or above; false: there is none. While the end is followed
// nothing can be further down, and it goes to the newest one.
func (p *Pane) NextError() bool {
	if p.follow {
		return p.seekError(p.end()-1, -1)
	}
	return p.seekError(p.selIndex()+1, 1)
}

// PrevError goes to the one before.
func (p *Pane) PrevError() bool { return p.seekError(p.selIndex()-1, -1) }

// seekError looks from a row on for a line of level error or above; a chunk that has none is passed over whole.
func (p *Pane) seekError(i, step int) bool {
	end, l := p.end(), p.list
	for i >= 0 && i < end {
		at := l.chunkAt(i)
		c, from, to := l.chunks[at], l.before[at], min(l.before[at+1], end)
		if c.maxLevel >= sources.LevelError {
			for ; i >= from && i < to; i += step {
				if c.recs[l.hits[at].row(i-from)].level >= sources.LevelError {
					p.selectRow(i, true)
					return true
				}
			}
		}
		if i = to; step < 0 {
			i = from - 1
		}
	}
	return false
}

// NextMatch goes to the next line that the search found; after the last comes the first.
func (p *Pane) NextMatch() bool { return p.match(1) }

// PrevMatch goes to the one before; before the first comes the last.
func (p *Pane) PrevMatch() bool { return p.match(-1) }

func (p *Pane) match(step int) bool {
	total := p.list.found[len(p.list.chunks)]
	if total == 0 || p.selIndex() < 0 {
		return false
	}
	k := p.list.key(p.selIndex())
	at := p.list.foundRank(after(k), p.query)
	if step < 0 {
		at = p.list.foundRank(k, p.query) - 1
	}
	at = (at + total) % total
	p.selectRow(p.list.rank(p.list.foundKey(at)), true)
	return true
}

// JumpTo selects the first shown line not before t. False: the buffer does not
// reach to t, and what is nearest was selected; ask the source for that time.
func (p *Pane) JumpTo(t time.Time) bool {
	if p.end() == 0 {
		return false
	}
	ts, _ := nanos(t)
	inside := ts >= p.snap.chunks[0].first().ts && ts <= p.snap.chunks[len(p.snap.chunks)-1].last().ts
	p.selectRow(min(p.list.rank(key{ts: ts}), p.end()-1), true)
	return inside
}
