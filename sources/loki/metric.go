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

// Volume counts lines by level in steps from q.Since on; a point's Time is its step's beginning, and the
// last step may be shorter. Lines whose level Loki does not know count as LevelUnknown.
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
	count := func(d time.Duration) string {
		return fmt.Sprintf("sum by (%s, %s) (count_over_time(%s [%dms]))", levelLabel, detectedLevel, l.beforeRange(), d.Milliseconds())
	}
	v := volume{from: from, step: int64(step), points: map[int64]map[sources.Level]float64{}}
	// A range looks back and includes its end: at one nanosecond before a step's end it counts the
	// lines of [begin, end), as a query has them.
	if whole := (to - from) / v.step; whole > 0 {
		first := time.Unix(0, from+v.step-1)
		a, err := c.MetricRange(ctx, count(step), sources.Window{Start: first, End: first.Add(time.Duration(whole-1) * step), Step: step})
		if err != nil {
			return nil, err
		}
		for _, s := range a.Series {
			for _, p := range s.Points {
				v.add(p.T.UnixNano(), s.Labels, p.V)
			}
		}
	}
	if rest := time.Duration((to - from) % v.step).Truncate(time.Millisecond); rest > 0 {
		list, err := c.instant(ctx, "count lines", count(rest), time.Unix(0, to-1))
		if err != nil {
			return nil, err
		}
		for _, s := range list {
			v.add(to-1, s.Metric, s.Value.v)
		}
	}
	return v.sorted(), nil
}

// beforeRange is the query with a space or line's end before a range's bracket: a comment may end it.
func (l logql) beforeRange() string {
	if strings.Contains(l.pipeline, "#") {
		return l.String() + "\n"
	}
	return l.String()
}

type volume struct {
	from, step int64
	points     map[int64]map[sources.Level]float64
}

// add counts n into the step that ends at or after end. Loki rounds times to milliseconds.
func (v volume) add(end int64, labels map[string]string, n float64) {
	t := v.from + max(0, (end-v.from-int64(time.Millisecond))/v.step)*v.step
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
	const op = "read error rates"
	if window < time.Second {
		return nil, badQuestion("give a window of a second or more", fmt.Errorf("window %s", window))
	}
	if at.IsZero() {
		at = c.now()
	}
	sel := "{" + c.labels.Service + `=~".+"}`
	// What Loki judged counts by its judgement, what it did not look at by its words.
	expr := fmt.Sprintf("sum by (%[1]s) (rate(%[2]s | %[3]s [%[5]dms])) or sum by (%[1]s) (rate(%[2]s |~ %[4]s | %[6]s=\"\" [%[5]dms]))",
		c.labels.Service, sel, levelFilter([]sources.Level{sources.LevelError, sources.LevelFatal}, false), quote(errorWords), window.Milliseconds(), detectedLevel)
	list, err := c.instant(ctx, op, expr, at)
	if err != nil {
		return nil, err
	}
	out := make(map[string]float64, len(list))
	for _, s := range list {
		out[s.Metric[c.labels.Service]] += s.Value.v
	}
	return out, nil
}
