package patterns

import (
	"testing"
	"time"

	"quarterdeck/sources"
)

// TestGrown: what comes as it did has not grown, however much it is; what is new has by all of it.
func TestGrown(t *testing.T) {
	start := time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)
	points := func(counts ...int) *sources.Pattern {
		p := &sources.Pattern{}
		for i, n := range counts {
			p.Points = append(p.Points, sources.PatternPoint{Time: start.Add(time.Duration(i) * time.Minute), Count: n})
			p.Count += n
		}
		return p
	}
	since, end := start.Add(3*time.Minute), start.Add(4*time.Minute)
	for name, c := range map[string]struct {
		p    *sources.Pattern
		want float64
	}{
		"as before": {points(500, 500, 500, 500), 0},
		"new":       {points(0, 0, 0, 40), 40},
		"grown":     {points(3, 3, 3, 40), 37},
		"less":      {points(30, 30, 30, 10), -20},
		"no times":  {&sources.Pattern{Count: 7}, 7},
	} {
		if got := Grown(c.p, since, start, end); got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
	if got := Grown(points(1, 2), start, start, end); got != 3 {
		t.Errorf("all is since then: %v", got)
	}
}
