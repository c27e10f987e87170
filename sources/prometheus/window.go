package prometheus

import (
	"time"

	"quarterdeck/sources"
)

// maxPoints is Prometheus' bound on the points of one series in a range query (web/api/v1: "exceeded maximum
// resolution of 11,000 points per timeseries").
const maxPoints = 11000

// DefaultScrape is the scrape interval where none can be asked for.
const DefaultScrape = 15 * time.Second

// WindowFor cuts start..end for a chart of about so many points. The step is Grafana's
// max(range/points, scrape, range/11000), rounded up to whole seconds (to milliseconds below one), and both
// ends are floored to it (Grafana's alignTimeRange): two charts of one range share their instants, and
// a chart does not flicker as it moves. points <= 0 means 11000, scrape <= 0 means DefaultScrape;
// an end before start is taken as start.
func WindowFor(start, end time.Time, points int, scrape time.Duration) sources.Window {
	if end.Before(start) {
		end = start
	}
	if points <= 0 {
		points = maxPoints
	}
	if scrape <= 0 {
		scrape = DefaultScrape
	}
	span := end.Sub(start)
	step := max(ceilDiv(span, points), scrape, ceilDiv(span, maxPoints))
	unit := time.Second
	if step < time.Second {
		unit = time.Millisecond
	}
	step = max(unit, (step+unit-1)/unit*unit)
	return sources.Window{Start: floor(start, step), End: floor(end, step), Step: step}
}

func ceilDiv(d time.Duration, n int) time.Duration {
	return (d + time.Duration(n) - 1) / time.Duration(n)
}

// floor takes t down to a multiple of step since the Unix epoch (time.Truncate counts from year 1).
func floor(t time.Time, step time.Duration) time.Time {
	over := t.UnixNano() % int64(step)
	if over < 0 {
		over += int64(step)
	}
	return t.Add(-time.Duration(over)).UTC()
}

// RateWindow is the range of rate() for a chart: Grafana's $__rate_interval,
// max(step + scrape, 4 x scrape), so that no sample falls between two steps and one failed scrape leaves no hole.
func RateWindow(step, scrape time.Duration) time.Duration {
	if scrape <= 0 {
		scrape = DefaultScrape
	}
	return max(step+scrape, 4*scrape)
}
