package loki

import (
	"hash/maphash"
	"maps"
	"slices"
)

const (
	// seenKeep is how many lines are remembered in any case, where they are young enough to be met again;
	// about 40 bytes each.
	seenKeep = 64 << 10
	// seenMax is how many at the most: past it the oldest are forgotten and never asked for again.
	seenMax = 1 << 20
	// seenSlot is the stretch of time, in nanoseconds, that is forgotten at once.
	seenSlot = int64(1e9)
)

// seen remembers which lines were taken, by stream, time and text, and how often: a line that Loki has
// twice is there twice. It knows all lines from floor on; below floor nothing may be asked for again.
type seen struct {
	seed  maphash.Seed
	slots map[int64]*slot
	n     int
	floor int64
	// occ counts the repeats within the moment at, while its rows are walked.
	at  int64
	occ map[uint64]uint32
}

// slot is what was taken of one stretch of time: how often each line, and how many in all.
type slot struct {
	lines map[uint64]uint32
	n     int
}

func newSeen(floor int64) *seen {
	return &seen{seed: maphash.MakeSeed(), slots: map[int64]*slot{}, floor: floor, occ: map[uint64]uint32{}}
}

// begin starts a run of rows that holds each of its moments whole.
func (s *seen) begin() { clear(s.occ); s.at = 0 }

// add tells whether the row, the next of a run, is new, and remembers it. Below floor it never is.
func (s *seen) add(r row) bool {
	if r.t < s.floor {
		return false
	}
	if r.t != s.at {
		clear(s.occ)
		s.at = r.t
	}
	k := maphash.String(s.seed, r.line) ^ r.from.id*0x9e3779b97f4a7c15 ^ uint64(r.t)*0xbf58476d1ce4e5b9
	s.occ[k]++
	in := s.slots[r.t/seenSlot]
	if in == nil {
		in = &slot{lines: map[uint64]uint32{}}
		s.slots[r.t/seenSlot] = in
	}
	if s.occ[k] <= in.lines[k] {
		return false
	}
	in.lines[k] = s.occ[k]
	in.n++
	s.n++
	return true
}

// forget drops what is older than oldest, and more of it where too much is remembered: down to need, the
// time from which on lines may be met again, for seenKeep, and beyond need for seenMax.
func (s *seen) forget(oldest, need int64) {
	if len(s.slots) == 0 {
		s.floor = max(s.floor, min(oldest, need))
		return
	}
	for _, k := range slices.Sorted(maps.Keys(s.slots)) {
		end := (k + 1) * seenSlot
		switch {
		case end <= oldest:
		case s.n > seenKeep && end <= need:
		case s.n > seenMax:
		default:
			return
		}
		s.n -= s.slots[k].n
		delete(s.slots, k)
		s.floor = max(s.floor, end)
	}
}

// since is the earliest time from which on no more than n lines are remembered.
func (s *seen) since(n int) int64 {
	from := s.floor
	keys := slices.Sorted(maps.Keys(s.slots))
	for _, k := range slices.Backward(keys) {
		if n -= s.slots[k].n; n < 0 {
			return max(from, (k+1)*seenSlot)
		}
	}
	return from
}
