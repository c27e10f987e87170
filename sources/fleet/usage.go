package fleet

import (
	"context"
	"math"
	"time"

	"quarterdeck/sources"
)

// usageReader reads the sparklines whole at first and after each failure, then only the value of now:
// one query a figure and period, whatever the number of services.
type usageReader struct {
	f       *Fleet
	metrics sources.Metrics
	have    map[string]map[string][]sources.Point
}

func (u *usageReader) read(ctx context.Context) error {
	var failed error
	for _, figure := range []string{"cpu", "memory"} {
		if err := u.readFigure(ctx, figure); err != nil && failed == nil { // the second says the same
			failed = err
		}
	}
	if failed != nil {
		u.have = nil
		return failed
	}
	for _, figure := range []string{"cpu", "memory"} {
		by, err := u.metrics.NodeUsage(ctx, figure, u.f.now())
		if err == nil { // nodes without an exporter are no failure of the source
			u.f.SetNodeUsage(figure, by)
		}
	}
	return nil
}

func (u *usageReader) readFigure(ctx context.Context, figure string) error {
	now := u.f.now()
	w := sources.Window{Start: now, End: now, Step: SparkStep}
	old := u.have[figure]
	if old == nil {
		w.Start = now.Add(-SparkSpan)
	}
	got, err := u.metrics.UsageAll(ctx, figure, w)
	if err != nil {
		return err
	}
	merged := make(map[string][]sources.Point, len(got))
	for service, points := range got {
		if len(points) == 0 {
			continue
		}
		merged[service] = appendPoints(old[service], points, now.Add(-SparkSpan))
	}
	for service, points := range old { // gone: its past stays, its present is not known
		if len(got[service]) == 0 {
			if kept := appendPoints(points, nil, now.Add(-SparkSpan)); len(kept) > 0 {
				merged[service] = append(kept, sources.Point{T: now, V: math.NaN()})
			}
		}
	}
	if u.have == nil {
		u.have = map[string]map[string][]sources.Point{}
	}
	u.have[figure] = merged
	u.f.SetUsage(figure, merged)
	return nil
}

// appendPoints joins old and add, both in rising time order, into one run of points: rising, one a
// step (the newest wins, so that the value of now does not grow into a crowd), none before from, and
// of old none without a value.
func appendPoints(old, add []sources.Point, from time.Time) []sources.Point {
	out := make([]sources.Point, 0, len(old)+len(add))
	put := func(p sources.Point) {
		if p.T.Before(from) {
			return
		}
		for len(out) > 0 && !out[len(out)-1].T.Truncate(SparkStep).Before(p.T.Truncate(SparkStep)) {
			out = out[:len(out)-1]
		}
		out = append(out, p)
	}
	for _, p := range old {
		if !math.IsNaN(p.V) {
			put(p)
		}
	}
	for _, p := range add {
		put(p)
	}
	return out
}
