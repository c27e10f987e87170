package logview

import (
	"slices"
	"sort"
	"sync"
	"sync/atomic"
	"time"

	"quarterdeck/sources"
)

const (
	// DefaultMaxBytes is a buffer's cap where none is given: about 300,000 lines of 180 bytes.
	DefaultMaxBytes = 64 << 20
	// EntryOverhead is what a line counts against the cap beside its own bytes: its
	// 32-byte record and its share of pages and tables (measured by BenchmarkAppend).
	EntryOverhead = 36

	minMaxBytes  = 64 << 10
	chunkRecs    = 1024
	chunkText    = 512 << 10
	maxPage      = 256 << 10
	appendSlice  = 1024 // lines a lock is held for: under half a millisecond
	farthestPast = -1 << 63
)

// Buffer holds log lines in time order, capped by bytes. Any number of goroutines
// may append while others take snapshots; a snapshot never changes and shares
// the lines' memory with the buffer. Lines that come late are put in their place.
type Buffer struct {
	max, perChunk, textPerChunk int

	version atomic.Uint64 // grows with each change; read without the lock
	epoch   atomic.Uint64 // grows with each Reset, under the lock

	mu       sync.Mutex
	sealed   []*chunk // in order; never changed in place
	tail     *chunk   // the newest, being appended to; nil only while the buffer is empty
	ids, seq uint64
	bytes    int
	lines    int
	evicted  uint64
	appended uint64
	snap     *snapshot
}

// snapshot is the buffer at one moment. It is immutable.
type snapshot struct {
	version  uint64
	chunks   []*chunk
	bytes    int
	rows     int
	evicted  uint64 // rows dropped for room, ever
	appended uint64 // lines that came, ever; a page of older ones does not
	seq      uint64 // of the newest arrival
}

// NewBuffer makes a buffer of at most maxBytes (0: DefaultMaxBytes; at least 64 KiB).
func NewBuffer(maxBytes int) *Buffer {
	if maxBytes <= 0 {
		maxBytes = DefaultMaxBytes
	}
	maxBytes = min(max(maxBytes, minMaxBytes), 2<<30)
	return &Buffer{
		max:          maxBytes,
		perChunk:     min(max(maxBytes/32/64, 16), chunkRecs),
		textPerChunk: min(max(maxBytes/32, 2<<10), chunkText),
	}
}

// Append adds lines in any order; mostly in order is fast. A line longer than a quarter of the cap is cut.
// The lines' bytes are copied: entries may be reused. Safe for concurrent use.
func (b *Buffer) Append(entries []sources.Entry) { b.appendFor(b.epoch.Load(), entries) }

// appendFor is Append that does nothing after a Reset.
func (b *Buffer) appendFor(epoch uint64, entries []sources.Entry) {
	entries = inOrder(entries)
	for len(entries) > 0 {
		n := min(len(entries), appendSlice)
		b.mu.Lock()
		if b.epoch.Load() != epoch {
			b.mu.Unlock()
			return
		}
		b.add(entries[:n])
		b.evict()
		b.version.Add(1)
		b.mu.Unlock()
		entries = entries[n:]
	}
}

// AppendGap adds a row that says that lines are missing. Safe for concurrent use.
func (b *Buffer) AppendGap(g sources.Gap) { b.gapFor(b.epoch.Load(), g) }

func (b *Buffer) gapFor(epoch uint64, g sources.Gap) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.epoch.Load() != epoch {
		return
	}
	ts, ok := nanos(g.From)
	if !ok {
		ts, ok = nanos(g.To)
	}
	if !ok {
		ts = b.newest()
	}
	b.seq++
	r := rec{ts: ts, seq: b.seq, kind: kindGap}
	if b.tail == nil || !r.key().less(b.tail.last()) {
		t := b.room()
		t.gaps = append(t.gaps, g)
		r.off = uint32(len(t.gaps) - 1) //nolint:gosec // fewer gaps than rows
		r.stream = t.streamAt(nil)
		t.recs = append(t.recs, r)
		t.came(r.seq)
		t.bytes += gapCost(g)
	} else {
		b.mergeGap(r, g)
	}
	b.bytes += gapCost(g)
	b.lines++
	b.evict()
	b.version.Add(1)
}

// Prepend adds a page of older lines without pushing newer ones out: of what does
// not fit, the oldest lines are left away. It returns how many were kept.
func (b *Buffer) Prepend(entries []sources.Entry) int { return b.prependFor(b.epoch.Load(), entries) }

func (b *Buffer) prependFor(epoch uint64, entries []sources.Entry) int {
	entries = inOrder(entries)
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.epoch.Load() != epoch {
		return 0
	}
	room, from := b.max-b.bytes, len(entries)
	for from > 0 {
		room -= min(len(entries[from-1].Line), b.max/4) + EntryOverhead
		if room < 0 {
			break
		}
		from--
	}
	kept := entries[from:]
	// The newest piece first: each piece then goes before all that is there.
	for to := len(kept); to > 0; to -= appendSlice {
		b.add(kept[max(to-appendSlice, 0):to])
		b.version.Add(1)
	}
	b.appended -= uint64(len(kept)) // they were there before: no line came
	return len(kept)
}

// Reset empties the buffer.
func (b *Buffer) Reset() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.epoch.Add(1)
	b.sealed, b.tail, b.snap = nil, nil, nil
	b.bytes, b.lines, b.evicted, b.appended = 0, 0, 0, 0
	b.version.Add(1)
}

func (b *Buffer) snapshot() *snapshot {
	b.mu.Lock()
	defer b.mu.Unlock()
	if v := b.version.Load(); b.snap == nil || b.snap.version != v {
		s := &snapshot{version: v, bytes: b.bytes, rows: b.lines, evicted: b.evicted, appended: b.appended, seq: b.seq}
		s.chunks = append(make([]*chunk, 0, len(b.sealed)+1), b.sealed...)
		if b.tail != nil {
			s.chunks = append(s.chunks, b.tail.frozen())
		}
		b.snap = s
	}
	return b.snap
}

// inOrder returns the entries by time, those of one time as they came; the argument is not changed.
func inOrder(entries []sources.Entry) []sources.Entry {
	byTime := func(x, y sources.Entry) int { return x.Time.Compare(y.Time) }
	if slices.IsSortedFunc(entries, byTime) {
		return entries
	}
	sorted := slices.Clone(entries)
	slices.SortStableFunc(sorted, byTime)
	return sorted
}

// newest is the last row's time. The lock is held.
func (b *Buffer) newest() int64 {
	if b.tail == nil {
		return farthestPast
	}
	return b.tail.last().ts
}

// add puts sorted entries in: those before the newest row are merged, the rest appended.
func (b *Buffer) add(entries []sources.Entry) {
	b.appended += uint64(len(entries))
	b.lines += len(entries)
	newest := b.newest()
	late := sort.Search(len(entries), func(i int) bool {
		ts, ok := nanos(entries[i].Time)
		return ok && ts >= newest
	})
	// Entries without a time sort first; they are shown as of the newest row.
	untimed := sort.Search(late, func(i int) bool { return !entries[i].Time.IsZero() })
	b.merge(entries[untimed:late])
	b.extend(entries[late:])
	b.extend(entries[:untimed])
}

// extend appends entries that are not before the newest row, or have no time: those get the newest row's.
func (b *Buffer) extend(entries []sources.Entry) {
	for i := range entries {
		e := &entries[i]
		ts, ok := nanos(e.Time)
		if !ok {
			ts = max(b.newest(), 0)
		}
		t := b.room()
		line := b.clip(e.Line)
		b.seq++
		r := rec{ts: ts, seq: b.seq, n: uint32(len(line)), level: e.Level, stream: t.streamAt(e.Stream)} //nolint:gosec // clip bounds it
		r.blob, r.off = t.put(line, b.page(t))
		t.recs = append(t.recs, r)
		t.came(r.seq)
		t.maxLevel = max(t.maxLevel, e.Level)
		t.bytes += len(line) + EntryOverhead
		b.bytes += len(line) + EntryOverhead
	}
}

// clip bounds one line, so that a single one cannot push out all others.
func (b *Buffer) clip(line string) string { return line[:min(len(line), b.max/4)] }

// page guesses how much text the tail will still get, from what it has.
func (b *Buffer) page(t *chunk) int {
	guess := 16 << 10
	prev := t
	if len(t.recs) < 64 && len(b.sealed) > 0 {
		prev = b.sealed[len(b.sealed)-1]
	}
	if n := len(prev.recs); n > 0 {
		guess = (prev.bytes/n - EntryOverhead + 1) * (b.perChunk - len(t.recs))
	}
	return min(max(guess+guess/64, 1<<10), maxPage, b.textPerChunk)
}

// room is the tail with room for one more row.
func (b *Buffer) room() *chunk {
	if t := b.tail; t != nil && len(t.recs) < b.perChunk && t.bytes-len(t.recs)*EntryOverhead < b.textPerChunk {
		return t
	}
	if b.tail != nil {
		b.tail.seal()
		b.sealed = append(b.sealed, b.tail)
	}
	b.ids++
	b.tail = &chunk{id: b.ids, recs: make([]rec, 0, b.perChunk)}
	return b.tail
}

// evict drops the oldest chunks until the cap is kept.
func (b *Buffer) evict() {
	for b.bytes > b.max && len(b.sealed) > 0 {
		c := b.sealed[0]
		b.sealed[0] = nil
		b.sealed = b.sealed[1:]
		b.bytes -= c.bytes
		b.lines -= len(c.recs)
		b.evicted += uint64(len(c.recs))
	}
}

// Stats are a buffer's figures at one moment.
type Stats struct {
	Lines, Bytes int
	Evicted      uint64 // dropped for room, ever
	Appended     uint64 // came, ever
	Oldest       time.Time
	Newest       time.Time
}

// Stats counts; safe for concurrent use.
func (b *Buffer) Stats() Stats {
	s := b.snapshot()
	st := Stats{Lines: s.rows, Bytes: s.bytes, Evicted: s.evicted, Appended: s.appended}
	if n := len(s.chunks); n > 0 {
		st.Oldest, st.Newest = time.Unix(0, s.chunks[0].first().ts), time.Unix(0, s.chunks[n-1].last().ts)
	}
	return st
}
