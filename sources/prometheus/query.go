package prometheus

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	v1 "github.com/prometheus/client_golang/api/prometheus/v1"
	"github.com/prometheus/common/model"

	"quarterdeck/sources"
)

// Instant evaluates PromQL at one moment (zero: the server's now); each series has one point, a scalar is
// one series without labels.
func (c *Client) Instant(ctx context.Context, query string, at time.Time) (sources.MetricsAnswer, error) {
	const op = "query"
	query = c.filled(ctx, query, sources.Window{Start: at.Add(-time.Hour), End: at})
	v, warnings, infos, err := c.api.Query(ctx, query, at, c.serverTimeout())
	if err != nil {
		return sources.MetricsAnswer{Query: query}, c.failed(op, err)
	}
	if _, isRange := v.(model.Matrix); isRange {
		return sources.MetricsAnswer{Query: query}, &sources.Error{Source: name, Op: op, Kind: sources.BadQuestion,
			Next: "put a function around it, such as rate()", Err: errors.New("the query's answer is a range of samples, not one value each")}
	}
	return answer(query, v, warnings, infos), nil
}

// Range evaluates PromQL over a window. A step of 0 is taken from WindowFor with the window's points, or 200.
// A window of more than 11,000 steps is OverLimit without asking: the server would refuse it.
func (c *Client) Range(ctx context.Context, query string, w sources.Window) (sources.MetricsAnswer, error) {
	const op = "query a range"
	w, err := c.window(ctx, op, w)
	if err != nil {
		return sources.MetricsAnswer{Query: query}, err
	}
	query = c.filled(ctx, query, w)
	v, warnings, infos, err := c.api.QueryRange(ctx, query, v1.Range{Start: w.Start, End: w.End, Step: w.Step}, c.serverTimeout())
	if err != nil {
		return sources.MetricsAnswer{Query: query}, c.failed(op, err)
	}
	return answer(query, v, warnings, infos), nil
}

// ask evaluates one of our own queries; what is not a vector is an empty one. Entries that are null are taken out:
// the library hands a hostile server's nulls on.
func (c *Client) ask(ctx context.Context, op, query string, at time.Time) (model.Vector, error) {
	v, _, _, err := c.api.Query(ctx, query, at, c.serverTimeout())
	if err != nil {
		return nil, c.failed(op, err)
	}
	vector, _ := v.(model.Vector)
	return slices.DeleteFunc(vector, func(s *model.Sample) bool { return s == nil }), nil
}

// filled has what Grafana puts in place of its variables of time. In a query at one moment the step is the scrape
// interval, and the range an hour.
func (c *Client) filled(ctx context.Context, query string, w sources.Window) string {
	if !strings.Contains(query, "$") {
		return query
	}
	scrape := c.scrapeInterval(ctx)
	step := cmp.Or(w.Step, scrape)
	var pairs []string
	for name, d := range map[string]time.Duration{"__rate_interval": RateWindow(step, scrape), "__interval": step, "__range": w.End.Sub(w.Start)} {
		pairs = append(pairs, "$"+name, promDuration(d), "${"+name+"}", promDuration(d))
	}
	return strings.NewReplacer(pairs...).Replace(query)
}

// serverTimeout lets the server give up a little before we do, so that its own sentence arrives. In whole
// seconds: the library writes Go's "14.5s", which is no duration to Prometheus.
func (c *Client) serverTimeout() v1.Option {
	return v1.WithTimeout(max(c.timeout-time.Second, time.Second).Truncate(time.Second))
}

// window checks a window, and cuts one that has no step.
func (c *Client) window(ctx context.Context, op string, w sources.Window) (sources.Window, error) {
	bad := func(kind sources.Kind, next, format string, args ...any) (sources.Window, error) {
		return w, &sources.Error{Source: name, Op: op, Kind: kind, Next: next, Err: fmt.Errorf(format, args...)}
	}
	switch {
	case w.Start.IsZero() || w.End.IsZero():
		return bad(sources.BadQuestion, "give the window a start and an end", "the window has no start or no end")
	case w.End.Before(w.Start):
		return bad(sources.BadQuestion, "turn start and end round", "the window ends before it starts")
	case w.Step < 0 || w.Step > 0 && w.Step < time.Millisecond:
		return bad(sources.BadQuestion, "use a step of a second or more", "a step of %v is too short", w.Step)
	case w.Step == 0:
		return WindowFor(w.Start, w.End, cmp.Or(w.Points, 200), c.scrapeInterval(ctx)), nil
	case w.End.Sub(w.Start)/w.Step > maxPoints:
		return bad(sources.OverLimit, "make the step longer or the time shorter", "%d steps are more than the %d that Prometheus gives", w.End.Sub(w.Start)/w.Step, maxPoints)
	}
	return w, nil
}

const histogramWarning = "native histograms are drawn by their count of observations: use histogram_quantile(), histogram_avg() or the like for another view"

// answer copies the library's values into the domain's. Stale markers never get this far: the server ends
// the series there. NaN and Inf stay as they are.
func answer(query string, v model.Value, warnings v1.Warnings, infos v1.Infos) sources.MetricsAnswer {
	a := sources.MetricsAnswer{Query: query}
	a.Warnings = append(append(a.Warnings, warnings...), infos...)
	histograms := false
	switch v := v.(type) {
	case *model.Scalar:
		a.Series = []sources.Series{{Labels: map[string]string{}, Points: []sources.Point{{T: v.Timestamp.Time(), V: float64(v.Value)}}}}
	case model.Vector:
		a.Series = make([]sources.Series, 0, len(v))
		for _, s := range v {
			if s == nil {
				continue
			}
			p := sources.Point{T: s.Timestamp.Time(), V: float64(s.Value)}
			if s.Histogram != nil {
				histograms = true
				p.V = float64(s.Histogram.Count)
			}
			a.Series = append(a.Series, sources.Series{Labels: labels(model.LabelSet(s.Metric)), Points: []sources.Point{p}})
		}
	case model.Matrix:
		a.Series = make([]sources.Series, 0, len(v))
		for _, s := range v {
			if s == nil {
				continue
			}
			histograms = histograms || len(s.Histograms) > 0
			a.Series = append(a.Series, sources.Series{Labels: labels(model.LabelSet(s.Metric)), Points: points(s)})
		}
	}
	if histograms {
		a.Warnings = append(a.Warnings, histogramWarning)
	}
	return a
}

// points merges the two kinds of sample that one series can have, in the order of time.
func points(s *model.SampleStream) []sources.Point {
	out := make([]sources.Point, 0, len(s.Values)+len(s.Histograms))
	h := s.Histograms
	for _, v := range s.Values {
		for len(h) > 0 && h[0].Timestamp < v.Timestamp {
			out = appendHistogram(out, h[0])
			h = h[1:]
		}
		out = append(out, sources.Point{T: v.Timestamp.Time(), V: float64(v.Value)})
	}
	for _, p := range h {
		out = appendHistogram(out, p)
	}
	return out
}

func appendHistogram(out []sources.Point, p model.SampleHistogramPair) []sources.Point {
	if p.Histogram == nil {
		return out
	}
	return append(out, sources.Point{T: p.Timestamp.Time(), V: float64(p.Histogram.Count)})
}

func labels(m model.LabelSet) map[string]string {
	out := make(map[string]string, len(m))
	for k, v := range m {
		out[string(k)] = string(v)
	}
	return out
}
