package logview

import (
	"runtime"
	"slices"
	"sort"
	"sync"
	"sync/atomic"
	"time"

	"quarterdeck/sources"
)

// hits is what is known of one chunk: which of its first n rows are shown, and
// which of those the search found. It is immutable.
type hits struct {
	ver    uint32
	n      int
	seq    uint64 // the highest of those rows
	filter uint64 // the generation of the filter that shown is of
	search uint64
	all    bool     // every row is shown; shown is nil then
	shown  []uint16 // places in the chunk, rising
	found  []uint16 // places in the chunk, rising; a part of shown
}

func (h *hits) count() int {
	if h == nil {
		return 0
	}
	if h.all {
		return h.n
	}
	return len(h.shown)
}

// row is the place in the chunk of the i-th shown row.
func (h *hits) row(i int) int {
	if h.all {
		return i
	}
	return int(h.shown[i])
}

// rank is how many shown rows stand before place at of the chunk.
func (h *hits) rank(at int) int {
	if h.all {
		return min(at, h.n)
	}
	return rank16(h.shown, at)
}

func rank16(s []uint16, at int) int {
	return sort.Search(len(s), func(i int) bool { return int(s[i]) >= at })
}

// scan brings what is known of c up to the present: only rows that prev does not
// cover are matched. It shares nothing writable with prev.
func (q query) scan(c *chunk, prev *hits) *hits {
	if prev != nil && prev.ver != c.ver && prev.filter == q.filterGen {
		return q.between(c, prev)
	}
	h := &hits{ver: c.ver, n: len(c.recs), seq: c.highSeq, filter: q.filterGen, search: q.searchGen, all: q.filter.all}
	from, foundFrom := 0, 0
	if prev != nil && prev.ver == c.ver && prev.filter == q.filterGen {
		from = prev.n
		h.shown = slices.Clip(prev.shown)
		if prev.search == q.searchGen {
			foundFrom = prev.n
			h.found = slices.Clip(prev.found)
		}
	}
	if !h.all {
		streams := q.filter.streams(c)
		for i := from; i < len(c.recs); i++ {
			if q.filter.row(c, &c.recs[i], streams) {
				h.shown = append(h.shown, uint16(i)) //nolint:gosec // a chunk has fewer rows
			}
		}
	}
	if q.search == nil {
		return h
	}
	for k := h.rank(foundFrom); k < h.count(); k++ {
		i := h.row(k)
		if r := &c.recs[i]; r.kind == kindLine && q.search.in(seen(c.text(r))) {
			h.found = append(h.found, uint16(i)) //nolint:gosec // as above
		}
	}
	return h
}

// between is scan where rows came between those that prev covers: only what came is matched, and what is judged by the lines above it.
func (q query) between(c *chunk, prev *hits) *hits {
	h := &hits{ver: c.ver, n: len(c.recs), seq: c.highSeq, filter: q.filterGen, search: q.searchGen, all: q.filter.all}
	old := prev.moved(c)
	streams := q.filter.streams(c)
	judged := q.filter.levels != 0 || len(q.filter.fields) > 0 // a line that goes on another's level: see level
	s, f := 0, 0
	for i := range c.recs {
		r := &c.recs[i]
		known := r.seq <= prev.seq
		wasShown := next(old.shown, &s, i)
		wasFound := next(old.found, &f, i)
		switch {
		case h.all:
		case known && (!judged || r.level != sources.LevelUnknown):
			if !wasShown {
				continue
			}
		case !q.filter.row(c, r, streams):
			continue
		}
		if !h.all {
			h.shown = append(h.shown, uint16(i)) //nolint:gosec // a chunk has fewer rows
		}
		switch {
		case q.search == nil || r.kind != kindLine:
		case known && wasShown && prev.search == q.searchGen, known && h.all && prev.search == q.searchGen:
			if wasFound {
				h.found = append(h.found, uint16(i)) //nolint:gosec // as above
			}
		case q.search.in(seen(c.text(r))):
			h.found = append(h.found, uint16(i)) //nolint:gosec // as above
		}
	}
	return h
}

// next tells whether i, which rises from call to call, is in s; at is where s has been read to.
func next(s []uint16, at *int, i int) bool {
	for *at < len(s) && int(s[*at]) < i {
		*at++
	}
	return *at < len(s) && int(s[*at]) == i
}

// moved is h with the places that its rows have in c, where others came in between; those are not shown by it, but where it shows all.
func (h *hits) moved(c *chunk) *hits {
	out := *h
	out.n, out.shown, out.found = len(c.recs), nil, nil
	was, s, f := 0, 0, 0
	for i := range c.recs {
		if c.recs[i].seq > h.seq {
			continue
		}
		if next(h.shown, &s, was) {
			out.shown = append(out.shown, uint16(i)) //nolint:gosec // a chunk has fewer rows
		}
		if next(h.found, &f, was) {
			out.found = append(out.found, uint16(i)) //nolint:gosec // as above
		}
		was++
	}
	return &out
}

// fresh tells whether h says all about c.
func (q query) fresh(c *chunk, h *hits) bool {
	return h != nil && h.ver == c.ver && h.n == len(c.recs) && h.filter == q.filterGen && h.search == q.searchGen
}

// query is a filter and a search with the generations that tell stale answers.
type query struct {
	filter               *matcher
	search               *pattern // nil: none
	filterGen, searchGen uint64
}

// trivial queries need no scanning: what is known follows from the rows' number.
func (q query) trivial() bool { return q.filter.all && q.search == nil }

func (q query) slow() bool { return q.filter.slow || q.search != nil && q.search.re != nil }

// weight is how many bytes a scan of c would look through.
func weight(c *chunk, h *hits, q query) int {
	from := 0
	switch {
	case h == nil || h.filter != q.filterGen || h.search != q.searchGen:
	case h.ver == c.ver:
		from = h.n
	default:
		for i := range c.recs {
			if c.recs[i].seq <= h.seq {
				from++
			}
		}
	}
	return c.bytes * (len(c.recs) - from) / max(len(c.recs), 1)
}

// ScanMsg is sent when a slice of the buffer has been looked through for the
// filter or the search; it is handed to [Pane.ApplyScan].
type ScanMsg struct {
	pane *Pane
	gen  uint64
	ids  []uint64
	hits []*hits
}

const (
	// A key must be answered within one frame of 16 ms: what is matched on the
	// interface's own goroutine in one Sync stays about a millisecond.
	inlineBytes     = 512 << 10
	inlineSlowBytes = 24 << 10
	// scanSlice is how long a slice of background work takes, so that results and a change of mind come soon; each is drawn.
	scanSlice = 30 * time.Millisecond
	// mostScanners bounds on how many cores a slice is worked at.
	mostScanners = 4
)

// work is one background slice: plain values, run on any goroutine.
type work struct {
	pane   *Pane
	query  query
	wanted *atomic.Uint64 // the generation now wanted: a slice that is out of date stops early
	gen    uint64
	slice  time.Duration
	chunks []*chunk
	prev   []*hits
}

// run looks through chunks, in their order and on several cores, until its time is over. At least one is done.
func (w work) run() ScanMsg {
	until := time.Now().Add(w.slice)
	done := make([]*hits, len(w.chunks))
	var taken atomic.Int64
	var wg sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), mostScanners, len(w.chunks)) {
		wg.Go(func() {
			for {
				i := int(taken.Add(1)) - 1
				if i >= len(w.chunks) || w.wanted.Load() != w.gen || i > 0 && time.Now().After(until) {
					return
				}
				done[i] = w.query.scan(w.chunks[i], w.prev[i])
				runtime.Gosched() // a key that came meanwhile would else wait for the scheduler's 10 ms
			}
		})
	}
	wg.Wait()
	m := ScanMsg{pane: w.pane, gen: w.gen}
	for i, h := range done {
		if h != nil {
			m.ids = append(m.ids, w.chunks[i].id)
			m.hits = append(m.hits, h)
		}
	}
	return m
}

// list is the shown rows of one snapshot: a sequence that can be counted, asked
// for its i-th row and for the place of a key. Immutable.
type list struct {
	chunks []*chunk
	hits   []*hits
	before []int // shown rows before chunk i; one longer than chunks
	found  []int // the same of found rows
	fresh  int   // chunks about which all is known
	held   int   // rows that pass the filter and are kept back by a pause
}

// pause keeps back the rows that came after it, wherever their time puts them;
// but not older pages, which the reader asked for.
type pause struct {
	seq  uint64
	from int64 // time of the oldest row at the pause
}

func (z *pause) holds(r *rec) bool { return r.seq > z.seq && r.ts >= z.from }

// less is h without the rows that the pause keeps back.
func (z *pause) less(c *chunk, h *hits) *hits {
	if h == nil || c.highSeq <= z.seq || c.last().ts < z.from {
		return h
	}
	out := *h
	out.all, out.shown, out.found = false, nil, nil
	if c.lowSeq > z.seq && c.first().ts >= z.from {
		return &out
	}
	for k := range h.count() {
		if i := h.row(k); !z.holds(&c.recs[i]) {
			out.shown = append(out.shown, uint16(i)) //nolint:gosec // a chunk has fewer rows
		}
	}
	for _, i := range h.found {
		if !z.holds(&c.recs[i]) {
			out.found = append(out.found, i)
		}
	}
	return &out
}

func newList(s *snapshot, known map[uint64]*hits, q query, z *pause) *list {
	n := len(s.chunks)
	l := &list{chunks: s.chunks, hits: make([]*hits, n), before: make([]int, n+1), found: make([]int, n+1)}
	for i, c := range s.chunks {
		h := known[c.id]
		switch {
		case q.fresh(c, h):
			l.fresh++
		case q.trivial():
			h = q.scan(c, nil)
			known[c.id] = h
			l.fresh++
		case h == nil || h.filter != q.filterGen:
			h = nil
		case h.ver != c.ver:
			h = h.moved(c) // what is known of it stays on the screen
		}
		if z != nil {
			all := h.count()
			h = z.less(c, h)
			l.held += all - h.count()
		}
		l.hits[i] = h
		l.before[i+1] = l.before[i] + h.count()
		l.found[i+1] = l.found[i]
		if h != nil && h.search == q.searchGen {
			l.found[i+1] += len(h.found)
		}
	}
	return l
}

func (l *list) len() int { return l.before[len(l.chunks)] }

// row is the i-th shown row.
func (l *list) row(i int) (*chunk, *rec) {
	c := l.chunkAt(i)
	ch := l.chunks[c]
	return ch, &ch.recs[l.hits[c].row(i-l.before[c])]
}

// chunkAt is the chunk that holds the i-th shown row.
func (l *list) chunkAt(i int) int {
	return sort.Search(len(l.chunks), func(c int) bool { return l.before[c+1] > i })
}

func (l *list) key(i int) key {
	_, r := l.row(i)
	return r.key()
}

// chunkOf is the last chunk that begins at or before k, at least 0.
func (l *list) chunkOf(k key) int {
	return max(sort.Search(len(l.chunks), func(i int) bool { return k.less(l.chunks[i].first()) })-1, 0)
}

// rank is the place of the first shown row not before k; len where there is none.
func (l *list) rank(k key) int {
	if len(l.chunks) == 0 {
		return 0
	}
	c := l.chunkOf(k)
	if l.hits[c] == nil {
		return l.before[c]
	}
	return l.before[c] + l.hits[c].rank(l.chunks[c].find(k))
}

// get is the row with exactly this key, shown or not.
func (l *list) get(k key) (*chunk, *rec) {
	if len(l.chunks) == 0 {
		return nil, nil
	}
	c := l.chunks[l.chunkOf(k)]
	if i := c.find(k); i < len(c.recs) && c.recs[i].key() == k {
		return c, &c.recs[i]
	}
	return nil, nil
}

// foundRank is how many found rows stand before k.
func (l *list) foundRank(k key, q query) int {
	if len(l.chunks) == 0 {
		return 0
	}
	c := l.chunkOf(k)
	if h := l.hits[c]; h != nil && h.search == q.searchGen {
		return l.found[c] + rank16(h.found, l.chunks[c].find(k))
	}
	return l.found[c]
}

// foundKey is the key of the i-th found row.
func (l *list) foundKey(i int) key {
	c := sort.Search(len(l.chunks), func(c int) bool { return l.found[c+1] > i })
	return l.chunks[c].recs[l.hits[c].found[i-l.found[c]]].key()
}
