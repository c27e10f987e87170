package logview

import (
	"slices"
	"sort"

	"quarterdeck/sources"
)

// Late rows. A chunk that readers may hold is never changed: the chunk that a
// late row belongs to is replaced by a copy of its records with the row in its
// place; the text pages are shared.

// merge puts sorted entries, all before the newest row, in their places.
func (b *Buffer) merge(late []sources.Entry) {
	for len(late) > 0 {
		at, n := b.target(late)
		group := late[:n]
		late = late[n:]
		if at < 0 {
			b.front(group)
			continue
		}
		b.replace(at, b.merged(b.at(at), group))
	}
}

func (b *Buffer) at(i int) *chunk {
	if i == len(b.sealed) {
		return b.tail
	}
	return b.sealed[i]
}

// target is the chunk that the first of late belongs to (-1: before all), and how many of late do.
func (b *Buffer) target(late []sources.Entry) (at, n int) {
	ts, _ := nanos(late[0].Time)
	chunks := len(b.sealed) + 1
	at = sort.Search(chunks, func(i int) bool { return b.at(i).first().ts > ts }) - 1
	if at+1 == chunks {
		return at, len(late)
	}
	next := b.at(at + 1).first().ts
	n = sort.Search(len(late), func(i int) bool { t, _ := nanos(late[i].Time); return t >= next })
	return at, max(n, 1)
}

// front makes chunks of rows before the oldest, or puts a few into the first chunk.
func (b *Buffer) front(group []sources.Entry) {
	if c := b.at(0); len(c.recs)+len(group) <= b.perChunk {
		b.replace(0, b.merged(c, group))
		return
	}
	b.ids++
	c := b.merged(&chunk{id: b.ids}, group)
	b.sealed = append(b.split(c), b.sealed...)
}

// merged is a new chunk with group's entries put between c's rows.
func (b *Buffer) merged(c *chunk, group []sources.Entry) *chunk {
	m := c.frozen()
	m.ver++
	m.streams = slices.Clone(c.streams)
	size := 0
	for i := range group {
		size += len(b.clip(group[i].Line))
	}
	// A page of its own: the shared last page belongs to c.
	m.blobs = append(m.blobs, make([]byte, 0, size))
	m.recs = make([]rec, 0, max(len(c.recs)+len(group), cap(c.recs)))
	i := 0
	for j := range group {
		e := &group[j]
		ts, _ := nanos(e.Time)
		for i < len(c.recs) && c.recs[i].ts <= ts {
			m.recs = append(m.recs, c.recs[i])
			i++
		}
		line := b.clip(e.Line)
		b.seq++
		r := rec{ts: ts, seq: b.seq, n: uint32(len(line)), level: e.Level, stream: m.streamAt(e.Stream)} //nolint:gosec // clip bounds it
		r.blob, r.off = m.put(line, 0)
		m.recs = append(m.recs, r)
		m.came(r.seq)
		m.maxLevel = max(m.maxLevel, e.Level)
		m.bytes += len(line) + EntryOverhead
		b.bytes += len(line) + EntryOverhead
	}
	m.recs = append(m.recs, c.recs[i:]...)
	return m
}

// mergeGap is merged for one gap row.
func (b *Buffer) mergeGap(r rec, g sources.Gap) {
	chunks := len(b.sealed) + 1
	at := max(sort.Search(chunks, func(i int) bool { return r.key().less(b.at(i).first()) })-1, 0)
	c := b.at(at)
	m := c.frozen()
	m.ver++
	m.gaps = append(slices.Clone(c.gaps), g)
	m.streams = slices.Clone(c.streams)
	r.off = uint32(len(m.gaps) - 1) //nolint:gosec // fewer gaps than rows
	r.stream = m.streamAt(nil)
	m.recs = slices.Insert(slices.Clone(c.recs), c.find(r.key()), r)
	m.came(r.seq)
	m.bytes += gapCost(g)
	b.replace(at, m)
}

// replace puts m, split where it is too large, in the place of chunk at.
func (b *Buffer) replace(at int, m *chunk) {
	parts := b.split(m)
	if at == len(b.sealed) {
		last := len(parts) - 1
		b.sealed = append(b.sealed, parts[:last]...)
		b.tail = parts[last]
		return
	}
	m.index = nil
	b.sealed = slices.Replace(b.sealed, at, at+1, parts...)
}

// split cuts a chunk that has grown past twice its size into chunks that stand alone.
func (b *Buffer) split(c *chunk) []*chunk {
	text := c.bytes - len(c.recs)*EntryOverhead
	if len(c.recs) <= 2*b.perChunk && text <= 2*b.textPerChunk || len(c.recs) == 1 {
		return []*chunk{c}
	}
	var parts []*chunk
	from, size := 0, 0
	for i := range c.recs {
		size += c.cost(&c.recs[i]) - EntryOverhead
		if i+1-from >= b.perChunk || size >= b.textPerChunk || i+1 == len(c.recs) {
			b.ids++
			p := c.part(b.ids, from, i+1)
			p.index = nil
			parts = append(parts, p)
			from, size = i+1, 0
		}
	}
	return parts
}
