package sources_test

import (
	"math"
	"testing"

	"quarterdeck/sources"
)

func TestBucket(t *testing.T) {
	traefik := []float64{0.1, 0.3, 1.2, 5}
	usual := []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10}
	inf := math.Inf(1)
	for _, tc := range []struct {
		bounds []float64
		v      float64
		lo, hi float64
		coarse bool
	}{
		{traefik, 0.05, 0, 0.1, true},
		{traefik, 0.1, 0, 0.1, true},
		{traefik, 0.2, 0.1, 0.3, true},
		{traefik, 2, 1.2, 5, true},
		{traefik, 5, 5, inf, true}, // what histogram_quantile gives for all above
		{traefik, 7, 5, inf, true},
		{usual, 0.07, 0.05, 0.1, false},
		{usual, 0.2, 0.1, 0.25, false},
		{usual, 0.001, 0, 0.005, true},
		{usual, 10, 10, inf, true},
		{nil, 3, 3, 3, false},
		{traefik, -1, -1, -1, false},
		{[]float64{1}, 1, 1, inf, true},
	} {
		lo, hi, coarse := sources.Reading{Bounds: tc.bounds}.Bucket(tc.v)
		if lo != tc.lo || hi != tc.hi || coarse != tc.coarse {
			t.Errorf("%v in %v: %v to %v, coarse %v", tc.v, tc.bounds, lo, hi, coarse)
		}
	}
	if lo, _, coarse := (sources.Reading{Bounds: traefik}).Bucket(math.NaN()); !math.IsNaN(lo) || coarse {
		t.Error("not a number is in no bucket")
	}
}
