package patterns

import (
	"time"

	"quarterdeck/sources"
)

// Grown is by how many lines a pattern has come more since a moment than it would have at the rate of before, within the window from start to end. Where
// the source does not tell when its lines came, all of them count.
func Grown(p *sources.Pattern, since, start, end time.Time) float64 {
	if len(p.Points) == 0 {
		return float64(p.Count)
	}
	before, after := 0.0, 0.0
	for _, x := range p.Points {
		if x.Time.Before(since) {
			before += float64(x.Count)
		} else {
			after += float64(x.Count)
		}
	}
	past, now := since.Sub(start), end.Sub(since)
	if past <= 0 || now <= 0 {
		return before + after
	}
	return after - before*now.Seconds()/past.Seconds()
}
