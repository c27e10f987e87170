package logview

import (
	"time"

	"quarterdeck/sources"
)

// Extend adds a page of newer lines that were there before: they are no rate of what comes. It returns how many there were.
func (p *Pane) Extend(page sources.LogPage) int {
	p.buf.extendBy(page.Entries)
	for _, g := range page.Gaps {
		p.buf.AppendGap(g)
	}
	return len(page.Entries)
}

func (b *Buffer) extendBy(entries []sources.Entry) {
	b.Append(entries)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.appended -= min(uint64(len(entries)), b.appended)
}

// CutBefore lets the rows before t go.
func (p *Pane) CutBefore(t time.Time) {
	p.buf.cutBefore(t.UnixNano())
	p.refresh()
}

func (b *Buffer) cutBefore(ts int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.tail == nil {
		return
	}
	for len(b.sealed) > 0 {
		c := b.sealed[0]
		if c.first().ts >= ts {
			break
		}
		at := c.find(key{ts: ts})
		b.bytes -= c.bytes
		b.lines -= at
		b.sealed = append([]*chunk(nil), b.sealed[1:]...)
		if at < len(c.recs) {
			b.ids++
			rest := c.part(b.ids, at, len(c.recs))
			rest.index = nil
			b.sealed = append([]*chunk{rest}, b.sealed...)
			b.bytes += rest.bytes
			break
		}
	}
	if at := b.tail.find(key{ts: ts}); at > 0 && len(b.sealed) == 0 {
		b.bytes -= b.tail.bytes
		b.lines -= at
		if at == len(b.tail.recs) {
			b.tail = nil
		} else {
			b.ids++
			b.tail = b.tail.part(b.ids, at, len(b.tail.recs))
			b.bytes += b.tail.bytes
		}
	}
	b.version.Add(1)
}

// Newest is the time of the newest line, shown or not; zero: no lines.
func (p *Pane) Newest() time.Time {
	n := len(p.snap.chunks)
	if n == 0 {
		return time.Time{}
	}
	return time.Unix(0, p.snap.chunks[n-1].last().ts)
}

// AtBottom tells whether the last line is on the screen.
func (p *Pane) AtBottom() bool {
	if p.end() == 0 || p.follow {
		return true
	}
	return !p.topPlace().less(p.lowest())
}

// Screen is the time of the first and the last line on the screen; zero: there is none.
func (p *Pane) Screen() (first, last time.Time) {
	if p.end() == 0 || p.body() == 0 {
		return first, last
	}
	t := p.topPlace()
	at := func(i int) time.Time { return time.Unix(0, p.list.key(i).ts) }
	return at(t.i), at(p.forth(t, max(p.body()-1, 0)).i)
}

// Sparse tells whether fewer rows pass the filter than the screen has lines, all being looked through.
func (p *Pane) Sparse() bool {
	return p.Scanned() && p.end() < p.body()
}

// SelectEntry selects the row of a line that was seen elsewhere, by time, task and text; false: it is not shown.
func (p *Pane) SelectEntry(e sources.Entry) bool {
	ts, ok := nanos(e.Time)
	if !ok {
		return false
	}
	for i := p.list.rank(key{ts: ts}); i < p.end(); i++ {
		c, r := p.list.row(i)
		if r.ts != ts {
			break
		}
		if r.kind == kindLine && c.text(r) == e.Line && (e.Stream == nil || c.streams[r.stream].Task == e.Stream.Task) {
			p.selectRow(i, true)
			return true
		}
	}
	return false
}

// SelectTime selects the last shown line at or before t, or the first; false: there is none at all.
func (p *Pane) SelectTime(t time.Time) bool {
	if p.end() == 0 {
		return false
	}
	ts, _ := nanos(t)
	p.selectRow(min(max(p.list.rank(key{ts: ts + 1})-1, 0), p.end()-1), true)
	return true
}

// Covers tells whether t lies between the oldest and the newest line that are loaded.
func (p *Pane) Covers(t time.Time) bool {
	return !p.Oldest().IsZero() && !t.Before(p.Oldest()) && !t.After(p.Newest())
}

// SetStatic makes a pane of lines that stand still: the end is a line like others and is not followed.
func (p *Pane) SetStatic(on bool) {
	p.static = on
	if on {
		p.hold()
	}
}

// Static tells whether the lines stand still.
func (p *Pane) Static() bool { return p.static }

// Scanned tells whether the filter and the search have looked through all lines.
func (p *Pane) Scanned() bool { return p.list.fresh == len(p.list.chunks) }
