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

var usageFigures = []string{"cpu", "memory"}

// read takes the figures of the services and of the nodes in at once: each change is a frame.
func (u *usageReader) read(ctx context.Context) error {
	have := map[string]map[string][]sources.Point{}
	var failed error
	for _, figure := range usageFigures {
		by, err := u.readFigure(ctx, figure)
		if err == nil {
			have[figure] = by
		} else if failed == nil { // the second says the same
			failed = err
		}
	}
	var nodes map[string]sources.Usage
	if failed == nil {
		nodes = u.readNodes(ctx)
	}
	u.f.mu.Lock()
	defer u.f.mu.Unlock()
	for figure, by := range have {
		u.f.setUsage(figure, by)
	}
	for figure, by := range nodes {
		u.f.setNodeUsage(figure, by)
	}
	u.have = have
	if failed != nil {
		u.have = nil
	}
	return failed
}

// readNodes reads what the nodes use: nodes without an exporter are no failure of the source.
func (u *usageReader) readNodes(ctx context.Context) map[string]sources.Usage {
	used := map[string]sources.Usage{}
	for _, figure := range usageFigures {
		if by, err := u.metrics.NodeUsage(ctx, figure, u.f.now()); err == nil {
			used[figure] = by
		}
	}
	return used
}

// readFigure reads one figure of all services, and joins it to what was read before.
func (u *usageReader) readFigure(ctx context.Context, figure string) (map[string][]sources.Point, error) {
	now := u.f.now()
	w := sources.Window{Start: now, End: now, Step: SparkStep}
	old := u.have[figure]
	if old == nil {
		w.Start = now.Add(-SparkSpan)
	}
	got, err := u.metrics.UsageAll(ctx, figure, w)
	if err != nil {
		return nil, err
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
	return merged, nil
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
