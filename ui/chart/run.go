package chart

import (
	"math"
	"slices"
	"time"

	"quarterdeck/sources"
	"quarterdeck/ui/theme"
)

// gapSteps is how many steps two samples may be apart and still be joined: one scrape may fail.
const gapSteps = 2.5

// run is a series made ready: its samples in the window, how far apart they are, and their range.
type run struct {
	points []sources.Point
	step   time.Duration // 0: not known
	lo, hi float64
	any    bool // there is a sample that can be drawn
	index  int
	style  theme.Style
}

func finite(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }

func clamp(v float64) float64 { return min(max(v, -most), most) }

func (p *drawing) newRun(i int) run {
	s := p.Series[i]
	r := run{points: window(s.Points, p.Start, p.End), step: p.Step, index: i, style: s.Style, lo: math.Inf(1), hi: math.Inf(-1)}
	if r.step <= 0 {
		r.step = medianStep(r.points)
	}
	for _, pt := range r.points {
		if finite(pt.V) {
			v := clamp(pt.V)
			r.lo, r.hi, r.any = min(r.lo, v), max(r.hi, v), true
		}
	}
	if !p.End.After(p.Start) {
		r.any = false
	}
	return r
}

// window is the points from start to end. Points out of order are put in order in a copy.
func window(points []sources.Point, start, end time.Time) []sources.Point {
	byTime := func(a, b sources.Point) int { return a.T.Compare(b.T) }
	if !slices.IsSortedFunc(points, byTime) {
		points = slices.Clone(points)
		slices.SortStableFunc(points, byTime)
	}
	from, _ := slices.BinarySearchFunc(points, start, func(p sources.Point, t time.Time) int { return p.T.Compare(t) })
	to := from
	for to < len(points) && !points[to].T.After(end) {
		to++
	}
	return points[from:to]
}

// medianStep is the median distance of samples; of many, of the first 500: scrape intervals do not change often.
func medianStep(points []sources.Point) time.Duration {
	var room [500]time.Duration
	n := min(len(points)-1, len(room))
	if n < 1 {
		return 0
	}
	steps := room[:0]
	for i := range n {
		steps = append(steps, points[i+1].T.Sub(points[i].T))
	}
	slices.Sort(steps)
	return steps[(len(steps)-1)/2] // the lower one: of a step and a gap it is the step
}

func (r *run) gap(from, to time.Time) bool { return isGap(from, to, r.step) }

func isGap(from, to time.Time, step time.Duration) bool {
	return step > 0 && float64(to.Sub(from)) > gapSteps*float64(step)
}

// digit names the series where colour cannot.
func (r *run) digit() rune { return []rune("123456789+")[min(r.index, 9)] }

// last is the newest sample that can be drawn.
func (r *run) last() (sources.Point, bool) {
	for i := len(r.points) - 1; i >= 0; i-- {
		if finite(r.points[i].V) {
			return r.points[i], true
		}
	}
	return sources.Point{}, false
}

// at is the sample nearest to t; false where the line has a gap there.
func (r *run) at(t time.Time, dot time.Duration) (sources.Point, bool) {
	i, _ := slices.BinarySearchFunc(r.points, t, func(p sources.Point, t time.Time) int { return p.T.Compare(t) })
	best, found := sources.Point{}, false
	for _, k := range []int{i - 1, i} {
		if k < 0 || k >= len(r.points) || !finite(r.points[k].V) {
			continue
		}
		if d := r.points[k].T.Sub(t).Abs(); !found || d < best.T.Sub(t).Abs() {
			best, found = r.points[k], true
		}
	}
	reach := max(time.Duration(gapSteps/2*float64(r.step)), dot)
	if !found || best.T.Sub(t).Abs() > reach {
		return sources.Point{}, false
	}
	return best, true
}
