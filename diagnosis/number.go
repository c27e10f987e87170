package diagnosis

import (
	"math"
	"slices"
	"time"

	"quarterdeck/sources"
)

// Jump is a figure that is not as it was.
type Jump struct {
	Name  string
	Found bool
	// Now and Before are the medians since From, and of the time before it.
	Now, Before float64
	From        time.Time
	// Query shows the same; Unit is the figure's.
	Query, Unit string
}

// leastBaseline is how many points before make a figure as usual.
const leastBaseline = 5

// jump looks whether the newest points of a series lie above what was usual: over the median of the points before by more than four times
// their scaled median deviation (MAD*1.4826 stands for a standard deviation: Rousseeuw and Croux, 1993), and by at least rise. Two points
// must, up to the end. Points from before and since the jump are kept apart.
func jump(points []sources.Point, rise float64) Jump {
	var known []sources.Point
	for _, p := range points {
		if !math.IsNaN(p.V) && !math.IsInf(p.V, 0) {
			known = append(known, p)
		}
	}
	n := len(known)
	if n < leastBaseline+2 {
		return Jump{}
	}
	var j Jump
	for cut := n - 2; cut >= leastBaseline; cut-- { // the longest run up to the end that stands out from all before it
		before, spread := centre(known[:cut])
		limit := before + max(4*spread, rise)
		if known[cut].V <= limit {
			break
		}
		now, _ := centre(known[cut:])
		if known[n-1].V > limit && now > limit {
			j = Jump{Found: true, Now: now, Before: before, From: known[cut].T}
		}
	}
	return j
}

// centre is the median of points, and their scaled median deviation from it.
func centre(points []sources.Point) (median, spread float64) {
	values := make([]float64, len(points))
	for i, p := range points {
		values[i] = p.V
	}
	median = middle(values)
	for i := range values {
		values[i] = math.Abs(values[i] - median)
	}
	return median, 1.4826 * middle(values)
}

// middle is the median; it sorts in place.
func middle(values []float64) float64 {
	if len(values) == 0 {
		return math.NaN()
	}
	slices.Sort(values)
	n := len(values)
	if n%2 == 1 {
		return values[n/2]
	}
	return (values[n/2-1] + values[n/2]) / 2
}

// mean of the values since a moment; NaN: there is none.
func mean(points []sources.Point, since time.Time) float64 {
	sum, n := 0.0, 0
	for _, p := range points {
		if !p.T.Before(since) && !math.IsNaN(p.V) && !math.IsInf(p.V, 0) {
			sum, n = sum+p.V, n+1
		}
	}
	if n == 0 {
		return math.NaN()
	}
	return sum / float64(n)
}
