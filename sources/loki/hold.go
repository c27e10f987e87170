package loki

import (
	"cmp"
	"slices"
	"time"
)

const (
	// maxHold bounds the lines that wait; more let the oldest go early.
	maxHold = 100_000
	// maxBatch is the most lines that are handed over at once.
	maxBatch = 5_000
)

// holding is the lines that wait for others which belong before them, in rising time; lines of one time
// in the order in which they came.
type holding struct {
	rows     []heldRow
	unsorted bool
	walked   int // the last walk that came to its end
}

type heldRow struct {
	row
	came time.Time
	// walk: the line waits for the end of a later walk than this; 0: for none.
	walk int
}

func (h *holding) add(r row, came time.Time, walk int) {
	if n := len(h.rows); n > 0 && h.rows[n-1].t > r.t {
		h.unsorted = true
	}
	h.rows = append(h.rows, heldRow{r, came, walk})
}

// free is how many rows do not wait for a walk, nor for one that does.
func (h *holding) free() int {
	if h.unsorted {
		slices.SortStableFunc(h.rows, func(a, b heldRow) int { return cmp.Compare(a.t, b.t) })
		h.unsorted = false
	}
	i := slices.IndexFunc(h.rows, func(r heldRow) bool { return r.walk > 0 && r.walk >= h.walked })
	if i < 0 {
		return len(h.rows)
	}
	return i
}

// waiting tells whether lines wait for a walk.
func (h *holding) waiting() bool { return h.free() < len(h.rows) }

// ripe is when the free line that waits longest has waited for d; zero: none waits.
func (h *holding) ripe(d time.Duration) time.Time {
	var first time.Time
	for _, r := range h.rows[:h.free()] {
		if first.IsZero() || r.came.Before(first) {
			first = r.came
		}
	}
	if first.IsZero() {
		return first
	}
	return first.Add(d)
}

// take removes up to maxBatch lines that may go: of the free, all up to the last that came before waited
// and all not younger than settled; and what is too many.
func (h *holding) take(settled int64, waited time.Time) []row {
	n := 0
	for i := h.free(); i > 0; i-- {
		if r := h.rows[i-1]; r.t <= settled || !r.came.After(waited) {
			n = i
			break
		}
	}
	n = min(max(n, len(h.rows)-maxHold), maxBatch)
	out := make([]row, n)
	for i, r := range h.rows[:n] {
		out[i] = r.row
	}
	h.rows = slices.Delete(h.rows, 0, n)
	return out
}
