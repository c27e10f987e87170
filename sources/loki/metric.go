package loki

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"quarterdeck/sources"
)

// maxPoints is the most steps of one range that Loki answers (its own rule, as Prometheus').
const maxPoints = 11000

// sample is [<unix seconds>, "<value>"].
type sample struct {
	t time.Time
	v float64
}

func (s *sample) UnmarshalJSON(b []byte) error {
	var pair []json.RawMessage
	if err := json.Unmarshal(b, &pair); err != nil {
		return err
	}
	if len(pair) != 2 {
		return fmt.Errorf("a sample of %d parts", len(pair))
	}
	var sec float64
	var text string
	if err := errors.Join(json.Unmarshal(pair[0], &sec), json.Unmarshal(pair[1], &text)); err != nil {
		return err
	}
	v, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return err
	}
	whole, frac := math.Modf(sec)
	s.t, s.v = time.Unix(int64(whole), int64(math.Round(frac*1e3))*1e6), v
	return nil
}

type metricAnswer struct {
	ResultType string          `json:"resultType"`
	Result     json.RawMessage `json:"result"`
}

type metricSeries struct {
	Metric map[string]string `json:"metric"`
	Value  sample            `json:"value"`
	Values []sample          `json:"values"`
}

// MetricRange evaluates a LogQL metric query over a window.
func (c *Client) MetricRange(ctx context.Context, expr string, w sources.Window) (sources.MetricsAnswer, error) {
	const op = "read numbers"
	out := sources.MetricsAnswer{Query: expr}
	if w.Step <= 0 || !w.Start.Before(w.End) && !w.Start.Equal(w.End) {
		return out, badQuestion("give a start that is before the end, and a step", fmt.Errorf("window %s to %s by %s", w.Start, w.End, w.Step))
	}
	if n := w.End.Sub(w.Start) / w.Step; n > maxPoints {
		return out, &sources.Error{Source: name, Op: op, Kind: sources.OverLimit, Next: "take a longer step", Err: fmt.Errorf("%d steps are more than %d", n, maxPoints)}
	}
	var a metricAnswer
	err := c.getJSON(ctx, op, "/loki/api/v1/query_range", url.Values{
		"query": {expr}, "start": {nano(w.Start.UnixNano())}, "end": {nano(w.End.UnixNano())},
		"step": {strconv.FormatFloat(w.Step.Seconds(), 'f', -1, 64)},
	}, &a)
	if err != nil {
		return out, err
	}
	list, err := a.series(op, "matrix")
	for _, s := range list {
		p := sources.Series{Labels: s.Metric, Points: make([]sources.Point, len(s.Values))}
		for i, v := range s.Values {
			p.Points[i] = sources.Point{T: v.t, V: v.v}
		}
		out.Series = append(out.Series, p)
	}
	return out, err
}

func (c *Client) instant(ctx context.Context, op, expr string, at time.Time) ([]metricSeries, error) {
	var a metricAnswer
	err := c.getJSON(ctx, op, "/loki/api/v1/query", url.Values{"query": {expr}, "time": {nano(at.UnixNano())}}, &a)
	if err != nil {
		return nil, err
	}
	return a.series(op, "vector")
}

func (a metricAnswer) series(op, kind string) ([]metricSeries, error) {
	if a.ResultType == "streams" {
		return nil, badQuestion("a query of lines belongs into the logs view", errors.New("the query gives lines and no numbers"))
	}
	if a.ResultType != kind && a.ResultType != "" {
		return nil, &sources.Error{Source: name, Op: op, Kind: sources.BadAnswer, Next: "is this Loki's address?", Err: fmt.Errorf("a %.20q where a %s was expected", a.ResultType, kind)}
	}
	var list []metricSeries
	if len(a.Result) == 0 {
		return nil, nil
	}
	if err := json.Unmarshal(a.Result, &list); err != nil {
		return nil, &sources.Error{Source: name, Op: op, Kind: sources.BadAnswer, Next: "is this Loki's address, and no proxy changes its answers?", Err: err}
	}
	return list, nil
}

// Volume counts lines by level in steps; a point's Time is its step's beginning, a multiple of the step
// since 1970 (Loki aligns ranges so), and the first and the last step are cut to the query's range. Bounds are
// exact to a millisecond. Lines whose level Loki does not know count as LevelUnknown.
func (c *Client) Volume(ctx context.Context, q sources.LogQuery, step time.Duration) ([]sources.VolumePoint, error) {
	l, err := c.build(q)
	if err != nil {
		return nil, err
	}
	c.hello(ctx)
	from, to, err := c.window(q.Since, q.Until)
	if err != nil {
		return nil, err
	}
	if step = step.Truncate(time.Millisecond); step <= 0 {
		return nil, badQuestion("give a step of a millisecond or more", fmt.Errorf("step %s", step))
	}
	v := volume{c: c, q: l, step: int64(step), points: map[int64]map[sources.Level]float64{}}
	first, last := (from+v.step-1)/v.step*v.step, to/v.step*v.step
	if err := v.part(ctx, from, min(first, to)); err != nil {
		return nil, err
	}
	if first < last {
		if err := v.whole(ctx, first, last); err != nil {
			return nil, err
		}
	}
	if first <= last {
		if err := v.part(ctx, last, to); err != nil {
			return nil, err
		}
	}
	return v.sorted(), nil
}

// volume gathers counts by the beginning of their step.
type volume struct {
	c      *Client
	q      logql
	step   int64
	points map[int64]map[sources.Level]float64
}

// count is the query for the lines of the stretch that ends, exclusive, at the time of evaluation: a
// range looks back and includes its end, so it is set off, by a millisecond: with less than that Loki
// (3.7.8) answers a range with nothing.
func (v volume) count(d time.Duration) string {
	q := v.q.String()
	if strings.Contains(v.q.pipeline, "#") {
		q += "\n" // a comment may end it
	}
	return fmt.Sprintf("sum by (%s, %s) (count_over_time(%s [%dms] offset 1ms))", levelLabel, detectedLevel, q, d.Milliseconds())
}

// whole counts the steps from first to last, both multiples of the step.
func (v volume) whole(ctx context.Context, first, last int64) error {
	step := time.Duration(v.step)
	a, err := v.c.MetricRange(ctx, v.count(step), sources.Window{Start: time.Unix(0, first+v.step), End: time.Unix(0, last), Step: step})
	if err != nil {
		return err
	}
	for _, s := range a.Series {
		for _, p := range s.Points {
			v.add(p.T.UnixNano()-v.step, s.Labels, p.V)
		}
	}
	return nil
}

// part counts [from, to), which lies within one step.
func (v volume) part(ctx context.Context, from, to int64) error {
	d := time.Duration(to - from).Truncate(time.Millisecond)
	if d <= 0 {
		return nil
	}
	list, err := v.c.instant(ctx, "count lines", v.count(d), time.Unix(0, to))
	if err != nil {
		return err
	}
	for _, s := range list {
		v.add(from/v.step*v.step, s.Metric, s.Value.v)
	}
	return nil
}

func (v volume) add(t int64, labels map[string]string, n float64) {
	if v.points[t] == nil {
		v.points[t] = map[sources.Level]float64{}
	}
	level, _ := levelOfLabels(labels)
	v.points[t][level] += n
}

func (v volume) sorted() []sources.VolumePoint {
	out := make([]sources.VolumePoint, 0, len(v.points))
	for t, counts := range v.points {
		out = append(out, sources.VolumePoint{Time: time.Unix(0, t), Counts: counts})
	}
	slices.SortFunc(out, func(a, b sources.VolumePoint) int { return a.Time.Compare(b.Time) })
	return out
}

// errorWords find a line of level error and above where Loki does not look for levels (before 3.0).
const errorWords = `(?i)\b(error|err|fatal|critical|crit|panic)\b`

// Rates is, by service, how many lines of level error and above a second came in the window before at.
func (c *Client) Rates(ctx context.Context, at time.Time, window time.Duration) (map[string]float64, error) {
	at, err := c.rateAt(ctx, at, window)
	if err != nil {
		return nil, err
	}
	all := c.allServices() + " "
	out, err := c.rates(ctx, all+"| "+levelFilter([]sources.Level{sources.LevelError, sources.LevelFatal}, false), at, window)
	if err != nil || len(out) > 0 || c.hasLevels(ctx, at.Add(-window), at) {
		return out, err
	}
	return c.rates(ctx, all+"|~ "+quote(errorWords), at, window)
}

// LineRates is, by service, how many lines of any level a second came in the window before at.
func (c *Client) LineRates(ctx context.Context, at time.Time, window time.Duration) (map[string]float64, error) {
	at, err := c.rateAt(ctx, at, window)
	if err != nil {
		return nil, err
	}
	return c.rates(ctx, c.allServices(), at, window)
}

// allServices selects the streams of every service.
func (c *Client) allServices() string { return "{" + c.labels.Service + `=~".+"}` }

// rateAt is the moment that a rate is asked of, zero being now, once the labels are known.
func (c *Client) rateAt(ctx context.Context, at time.Time, window time.Duration) (time.Time, error) {
	if window < time.Second {
		return at, badQuestion("give a window of a second or more", fmt.Errorf("window %s", window))
	}
	c.hello(ctx)
	if at.IsZero() {
		at = c.now()
	}
	return at, nil
}

func (c *Client) rates(ctx context.Context, lines string, at time.Time, window time.Duration) (map[string]float64, error) {
	list, err := c.instant(ctx, "count lines by service", fmt.Sprintf("sum by (%s) (rate(%s [%dms]))", c.labels.Service, lines, window.Milliseconds()), at)
	if err != nil {
		return nil, err
	}
	out := make(map[string]float64, len(list))
	for _, s := range list {
		out[s.Metric[c.labels.Service]] = s.Value.v
	}
	return out, nil
}

// hasLevels tells whether Loki looked for levels: a line of the window has one by it, be it unknown.
func (c *Client) hasLevels(ctx context.Context, since, until time.Time) bool {
	q := logql{"{" + c.labels.Service + `=~".+"}`, "| " + detectedLevel + `!=""`}
	rows, _, err := c.fetch(ctx, q.String(), since.UnixNano(), until.UnixNano(), 1, false, 1)
	return err != nil || len(rows) > 0
}
