package logview

import (
	"math"
	"slices"
	"sort"
	"time"
	"unsafe"

	"quarterdeck/sources"
)

// key is a row's identity and its place: time first, then the order of arrival.
// It stays the same while rows around it come and go.
type key struct {
	ts  int64 // Unix nanoseconds
	seq uint64
}

func (k key) less(o key) bool { return k.ts < o.ts || k.ts == o.ts && k.seq < o.seq }

// kinds of row.
const (
	kindLine uint8 = iota
	kindGap
)

// rec is one row: 32 bytes and no pointer, so that the collector has nothing to
// follow in a million lines. The text is blobs[blob][off:off+n] of its chunk; of a
// gap, off is its place in the chunk's gaps.
type rec struct {
	ts     int64
	seq    uint64
	off, n uint32
	stream uint16
	blob   uint16
	level  sources.Level
	kind   uint8
}

func (r *rec) key() key { return key{r.ts, r.seq} }

// chunk is up to a thousand or so rows in order. A sealed chunk, and what
// frozen returns, never changes: readers need no lock.
type chunk struct {
	id       uint64 // of the same rows, also when more are appended
	ver      uint32 // changes when rows were put between: what was known by position is void
	recs     []rec
	blobs    [][]byte // append-only pages of text; bytes that a rec points to are never written again
	streams  []*sources.Stream
	gaps     []sources.Gap
	bytes    int // what the rows count against the cap
	lowSeq   uint64
	highSeq  uint64 // bounds of the rows' seq
	maxLevel sources.Level
	index    map[*sources.Stream]uint16 // of the tail alone
}

func (c *chunk) first() key { return c.recs[0].key() }
func (c *chunk) last() key  { return c.recs[len(c.recs)-1].key() }

// text is the line of r without a copy: pages are append-only.
func (c *chunk) text(r *rec) string {
	if r.n == 0 || r.kind != kindLine {
		return ""
	}
	return unsafe.String(&c.blobs[r.blob][r.off], r.n)
}

// find is the place of the first row not before k.
func (c *chunk) find(k key) int {
	return sort.Search(len(c.recs), func(i int) bool { return !c.recs[i].key().less(k) })
}

func (c *chunk) entry(r *rec) sources.Entry {
	return sources.Entry{Time: time.Unix(0, r.ts), Line: c.text(r), Level: r.level, Stream: c.streams[r.stream]}
}

// came widens the bounds of seq.
func (c *chunk) came(seq uint64) {
	if c.highSeq == 0 {
		c.lowSeq = seq
	}
	c.lowSeq, c.highSeq = min(c.lowSeq, seq), max(c.highSeq, seq)
}

// put stores line and says where; page is how large a new page is made.
func (c *chunk) put(line string, page int) (blob uint16, off uint32) {
	n := len(c.blobs) - 1
	if n < 0 || cap(c.blobs[n])-len(c.blobs[n]) < len(line) {
		c.blobs = append(c.blobs, make([]byte, 0, max(page, len(line))))
		n++
	}
	off = uint32(len(c.blobs[n])) //nolint:gosec // a page is under MaxBytes, which New bounds
	c.blobs[n] = append(c.blobs[n], line...)
	return uint16(n), off //nolint:gosec // a chunk has fewer pages than rows
}

func (c *chunk) streamAt(s *sources.Stream) uint16 {
	if s == nil {
		s = &noStream
	}
	if n := len(c.streams); n > 0 && c.streams[n-1] == s {
		return uint16(n - 1) //nolint:gosec // fewer streams than rows
	}
	if c.index == nil {
		c.index = make(map[*sources.Stream]uint16, len(c.streams)+4)
		for i, have := range c.streams {
			c.index[have] = uint16(i) //nolint:gosec // as above
		}
	}
	if i, ok := c.index[s]; ok {
		return i
	}
	i := uint16(len(c.streams)) //nolint:gosec // as above
	c.streams = append(c.streams, s)
	c.index[s] = i
	return i
}

// noStream stands in for an entry that came without one.
var noStream sources.Stream

// frozen is the chunk as of now, safe to read while the original is appended to.
func (c *chunk) frozen() *chunk {
	f := *c
	f.index = nil
	f.recs = slices.Clip(c.recs)
	f.blobs = slices.Clone(c.blobs)
	f.streams = slices.Clip(c.streams)
	f.gaps = slices.Clip(c.gaps)
	return &f
}

// seal makes the chunk immutable and gives back what the last page has to spare.
func (c *chunk) seal() {
	c.index = nil
	if n := len(c.blobs) - 1; n >= 0 {
		if p := c.blobs[n]; cap(p)-len(p) > 2<<10 {
			c.blobs[n] = slices.Clone(p)
		}
	}
	if cap(c.recs)-len(c.recs) > len(c.recs)/8 {
		c.recs = slices.Clone(c.recs)
	}
}

// part copies rows [from, to) into a chunk of their own, text and all, so that
// nothing of the rest is kept alive by it.
func (c *chunk) part(id uint64, from, to int) *chunk {
	p := &chunk{id: id, recs: make([]rec, 0, to-from)}
	size := 0
	for i := from; i < to; i++ {
		if c.recs[i].kind == kindLine {
			size += int(c.recs[i].n)
		}
	}
	for i := from; i < to; i++ {
		r := c.recs[i]
		p.bytes += c.cost(&r)
		p.maxLevel = max(p.maxLevel, r.level)
		p.came(r.seq)
		r.stream = p.streamAt(c.streams[r.stream])
		if r.kind == kindGap {
			p.gaps = append(p.gaps, c.gaps[r.off])
			r.off = uint32(len(p.gaps) - 1) //nolint:gosec // fewer gaps than rows
		} else {
			r.blob, r.off = p.put(c.text(&r), size)
		}
		p.recs = append(p.recs, r)
	}
	return p
}

// cost is what a row counts against the cap.
func (c *chunk) cost(r *rec) int {
	if r.kind == kindGap {
		return gapCost(c.gaps[r.off])
	}
	return int(r.n) + EntryOverhead
}

func gapCost(g sources.Gap) int { return EntryOverhead + 80 + len(g.Reason) + len(g.Service) }

// nanos is t as Unix nanoseconds; what does not fit is put at the nearer end, so
// that a hostile date cannot wrap around. ok is false where t is not set.
func nanos(t time.Time) (ns int64, ok bool) {
	switch {
	case t.IsZero():
		return 0, false
	case t.Year() < 1678:
		return math.MinInt64 + 1, true
	case t.Year() > 2261:
		return math.MaxInt64, true
	}
	return t.UnixNano(), true
}
