package sources

import (
	"hash/maphash"
	"strings"
	"time"
)

// memory tells whether a line has been given already, from whichever source. Each real repeat of a line
// counts for itself: one sighting by a source matches one line given that this source has not sighted
// yet. It is bounded: the oldest are forgotten first. Not safe for concurrent use.
type memory struct {
	seed      maphash.Seed
	ring      []given // grows up to size: most sessions never hear both sources
	size      int
	next      int
	full      bool
	by        map[uint64][]int32 // service and millisecond to positions in ring
	forgotten time.Time          // the newest time among what was forgotten
}

// given is a line that was handed on. Each source's run has a number (an origin): 1 is the primary; the
// second gets a new one each time it is asked.
type given struct {
	bucket  uint64
	task    uint64 // 0: not said
	text    uint64
	at      time.Time
	primary bool
	second  uint32 // the last run of the second that sighted it
}

const fromPrimary = 1

// textWithin is how far apart the dates of one line may be where its text is the same (Loki's Docker driver keeps
// Docker's date; a pipeline may round it).
const textWithin = time.Millisecond

func newMemory(size int) *memory {
	return &memory{seed: maphash.MakeSeed(), size: max(size, 1), by: map[uint64][]int32{}}
}

func (m *memory) hash(s string) uint64 {
	if s == "" {
		return 0
	}
	return maphash.String(m.seed, s)
}

func (m *memory) bucket(service uint64, ms int64) uint64 {
	return maphash.Comparable(m.seed, [2]uint64{service, uint64(ms)}) //nolint:gosec // any bits will do
}

// given tells whether the line was given before by another run than origin, and remembers it where not.
func (m *memory) given(e *Entry, origin uint32) bool {
	var service, task uint64
	if e.Stream != nil {
		service, task = m.hash(e.Stream.Service), m.hash(e.Stream.Task)
	}
	text := m.hash(strings.TrimRight(e.Line, "\r\n \t"))
	ms := e.Time.UnixMilli()
	found := -1
	for d := int64(-1); d <= 1; d++ {
		for _, i := range m.by[m.bucket(service, ms+d)] {
			g := &m.ring[i]
			if g.sighted(origin) || g.task != 0 && task != 0 && g.task != task {
				continue
			}
			if g.text == text && e.Time.Sub(g.at).Abs() <= textWithin {
				m.sight(int(i), origin)
				return true
			}
			if found < 0 && sameMoment(g.at, e.Time) {
				found = int(i)
			}
		}
	}
	if found >= 0 {
		m.sight(found, origin)
		return true
	}
	m.put(given{bucket: m.bucket(service, ms), task: task, text: text, at: e.Time}, origin)
	return false
}

func (g *given) sighted(origin uint32) bool {
	if origin == fromPrimary {
		return g.primary
	}
	return g.second == origin
}

func (m *memory) sight(i int, origin uint32) {
	if origin == fromPrimary {
		m.ring[i].primary = true
		return
	}
	m.ring[i].second = origin
}

// sameMoment compares to the nanosecond, or to the microsecond where one of the two is no finer. Two lines of a
// task that differ in text can share a microsecond in a burst, but not a nanosecond.
func sameMoment(a, b time.Time) bool {
	if a.Nanosecond()%1000 != 0 && b.Nanosecond()%1000 != 0 {
		return a.Equal(b)
	}
	return a.Truncate(time.Microsecond).Equal(b.Truncate(time.Microsecond))
}

func (m *memory) put(g given, origin uint32) {
	at := m.next
	if m.full {
		m.forget(at)
		m.ring[at] = g
	} else {
		m.ring = append(m.ring, g)
	}
	m.by[g.bucket] = append(m.by[g.bucket], int32(at)) //nolint:gosec // bounded by the ring
	m.sight(at, origin)
	m.next++
	if m.next == m.size {
		m.next, m.full = 0, true
	}
}

func (m *memory) forget(at int) {
	g := &m.ring[at]
	if g.at.After(m.forgotten) {
		m.forgotten = g.at
	}
	list := m.by[g.bucket]
	for i, x := range list {
		if int(x) == at {
			list[i] = list[len(list)-1]
			list = list[:len(list)-1]
			break
		}
	}
	if len(list) == 0 {
		delete(m.by, g.bucket)
	} else {
		m.by[g.bucket] = list
	}
}
