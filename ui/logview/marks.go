package logview

import (
	"hash/maphash"
	"slices"
	"time"
)

// maxMarked bounds the bookmarks of a pane.
const maxMarked = 500

// Mark is a bookmark: it finds its line again in whatever page that is loaded later.
type Mark struct {
	At  time.Time
	sum uint64
}

var markSeed = maphash.MakeSeed()

func markOf(c *chunk, r *rec) Mark {
	s := c.streams[r.stream]
	var h maphash.Hash
	h.SetSeed(markSeed)
	for _, part := range []string{s.Service, s.Task, s.Container, c.text(r)} {
		_, _ = h.WriteString(part)
		_ = h.WriteByte(0)
	}
	return Mark{time.Unix(0, r.ts), h.Sum64()}
}

// Marks are the bookmarks, in order of time.
func (p *Pane) Marks() []Mark { return slices.Clone(p.marks) }

// SetMarks puts bookmarks that were had from Marks.
func (p *Pane) SetMarks(marks []Mark) {
	p.marks = slices.Clone(marks[:min(len(marks), maxMarked)])
	p.findMarks()
}

// findMarks finds the rows of the bookmarks in what is loaded.
func (p *Pane) findMarks() {
	clear(p.bookmarks)
	for _, m := range p.marks {
		if k, ok := p.locate(m); ok {
			p.bookmarks[k] = struct{}{}
		}
	}
}

func (p *Pane) locate(m Mark) (key, bool) {
	ts := m.At.UnixNano()
	chunks := p.snap.chunks
	if len(chunks) == 0 {
		return key{}, false
	}
	for at := p.list.chunkOf(key{ts: ts}); at < len(chunks) && chunks[at].first().ts <= ts; at++ {
		c := chunks[at]
		for i := c.find(key{ts: ts}); i < len(c.recs) && c.recs[i].ts == ts; i++ {
			if r := &c.recs[i]; r.kind == kindLine && markOf(c, r) == m {
				return r.key(), true
			}
		}
	}
	return key{}, false
}

// ToggleBookmark marks the selected line, or takes the mark away.
func (p *Pane) ToggleBookmark() {
	i := p.selIndex()
	if i < 0 {
		return
	}
	c, r := p.list.row(i)
	if r.kind != kindLine {
		return
	}
	m := markOf(c, r)
	if at := slices.Index(p.marks, m); at >= 0 {
		p.marks = slices.Delete(p.marks, at, at+1)
	} else if len(p.marks) < maxMarked {
		at, _ = slices.BinarySearchFunc(p.marks, m, func(a, b Mark) int { return a.At.Compare(b.At) })
		p.marks = slices.Insert(p.marks, at, m)
	}
	p.findMarks()
}

// NextBookmark goes to the next bookmark, after the last to the first. Where its line is not loaded, nothing moves and
// its time is given: load that time and use SelectMark. False: there is none that is shown.
func (p *Pane) NextBookmark() (away *Mark, ok bool) {
	if len(p.marks) == 0 {
		return nil, false
	}
	here := key{ts: -1 << 62}
	if i := p.selIndex(); i >= 0 {
		here = p.list.key(i)
	}
	n := len(p.marks)
	start := 0
	for start < n {
		k, loaded := p.locate(p.marks[start])
		if loaded && here.less(k) || !loaded && p.marks[start].At.UnixNano() > here.ts {
			break
		}
		start++
	}
	for d := range n {
		m := p.marks[(start+d)%n]
		k, loaded := p.locate(m)
		if !loaded {
			return &m, true
		}
		if r := p.list.rank(k); r < p.end() && p.list.key(r) == k {
			p.selectRow(r, true)
			return nil, true
		}
	}
	return nil, false
}

// SelectMark goes to a bookmark's line; false: it is not loaded, or not shown.
func (p *Pane) SelectMark(m Mark) bool {
	k, ok := p.locate(m)
	if !ok {
		return false
	}
	r := p.list.rank(k)
	if r >= p.end() || p.list.key(r) != k {
		return false
	}
	p.selectRow(r, true)
	return true
}
