package loki

import (
	"cmp"
	"slices"
	"time"
)

const (
	// maxHold bounds the lines that wait; more let the oldest go early.
	maxHold = 20_000
	// maxBatch is the most lines that are handed over at once.
	maxBatch = 5_000
)

// holding is the lines that wait for others which belong before them, in rising time; lines of one time
// in the order in which they came.
type holding struct {
	rows   []heldRow
	sorted bool
}

type heldRow struct {
	row
	came time.Time
}

func (h *holding) add(r row, came time.Time) {
	if n := len(h.rows); n == 0 {
		h.sorted = true
	} else if h.rows[n-1].t > r.t {
		h.sorted = false
	}
	h.rows = append(h.rows, heldRow{r, came})
}

// ripe is when the line that waits longest has waited for d; zero: none waits.
func (h *holding) ripe(d time.Duration) time.Time {
	var first time.Time
	for _, r := range h.rows {
		if first.IsZero() || r.came.Before(first) {
			first = r.came
		}
	}
	if first.IsZero() {
		return first
	}
	return first.Add(d)
}

// take removes up to maxBatch lines that may go: all up to the last that came before waited, all not
// younger than settled, and what is too many.
func (h *holding) take(settled int64, waited time.Time) []row {
	if !h.sorted {
		slices.SortStableFunc(h.rows, func(a, b heldRow) int { return cmp.Compare(a.t, b.t) })
		h.sorted = true
	}
	n := max(0, len(h.rows)-maxHold)
	for i := len(h.rows); i > n; i-- {
		if r := h.rows[i-1]; r.t <= settled || !r.came.After(waited) {
			n = i
			break
		}
	}
	n = min(n, maxBatch)
	out := make([]row, n)
	for i, r := range h.rows[:n] {
		out[i] = r.row
	}
	h.rows = slices.Delete(h.rows, 0, n)
	return out
}
