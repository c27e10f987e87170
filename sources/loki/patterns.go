package loki

import (
	"cmp"
	"context"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"time"

	"quarterdeck/sources"
)

const (
	// maxPatterns bounds what is kept of an answer.
	maxPatterns = 1000
	// leastPatternStep is what the pattern ingester counts in (Loki 3.7.8, pkg/pattern/drain/chunk.go: 10 s).
	leastPatternStep = 10 * time.Second
)

// patternSample is [<unix seconds>, <lines>].
type patternSample [2]int64

type patternSeries struct {
	Pattern string          `json:"pattern"`
	Level   string          `json:"level"`
	Samples []patternSample `json:"samples"`
}

// Patterns are those that Loki's pattern ingester found; it keeps some hours, and tells only of those that have 30
// lines or more in the window (Loki 3.7.8): what has just begun is not among them. See [sources.Patterner].
// A Loki without one answers 404, which is an error of kind NotFound.
func (c *Client) Patterns(ctx context.Context, q sources.LogQuery, step time.Duration) ([]sources.Pattern, error) {
	const op = "read patterns"
	l, err := c.build(q)
	if err != nil {
		return nil, err
	}
	c.hello(ctx)
	from, to, err := c.window(q.Since, q.Until)
	if err != nil {
		return nil, err
	}
	step = max(step, leastPatternStep).Truncate(time.Second)
	if n := time.Duration(to-from) / step; n > maxPoints {
		return nil, &sources.Error{Source: name, Op: op, Kind: sources.OverLimit, Next: "take a longer step", Err: fmt.Errorf("%d steps are more than %d", n, maxPoints)}
	}
	var list []patternSeries
	err = c.getJSON(ctx, op, "/loki/api/v1/patterns", url.Values{
		"query": {l.selector}, "start": {nano(from)}, "end": {nano(to)}, "step": {strconv.FormatFloat(step.Seconds(), 'f', -1, 64)},
	}, &list)
	if err != nil {
		if sources.KindOf(err) == sources.NotFound {
			return nil, &sources.Error{Source: name, Op: op, Kind: sources.NotFound, Next: "set pattern_ingester.enabled in loki's configuration",
				Err: fmt.Errorf("this loki finds no patterns: %w", err)}
		}
		return nil, err
	}
	return patternsOf(list, step), nil
}

// patternsOf adds up the series of one pattern and level, which Loki may give apart for several streams.
func patternsOf(list []patternSeries, step time.Duration) []sources.Pattern {
	type id struct{ text, level string }
	at := map[id]int{}
	var out []sources.Pattern
	points := []map[int64]int{}
	for _, s := range list {
		k := id{s.Pattern, s.Level}
		i, ok := at[k]
		if !ok {
			i = len(out)
			at[k] = i
			out = append(out, sources.Pattern{Text: s.Pattern, Level: sources.ParseLevel(s.Level)})
			points = append(points, map[int64]int{})
		}
		for _, x := range s.Samples {
			if x[1] > 0 {
				points[i][x[0]] += int(x[1])
				out[i].Count += int(x[1])
			}
		}
	}
	for i := range out {
		p := &out[i]
		for t, n := range points[i] {
			p.Points = append(p.Points, sources.PatternPoint{Time: time.Unix(t, 0), Count: n})
		}
		slices.SortFunc(p.Points, func(a, b sources.PatternPoint) int { return a.Time.Compare(b.Time) })
		if n := len(p.Points); n > 0 {
			p.First, p.Last = p.Points[0].Time, p.Points[n-1].Time.Add(step)
		}
	}
	out = slices.DeleteFunc(out, func(p sources.Pattern) bool { return p.Count == 0 })
	slices.SortStableFunc(out, func(a, b sources.Pattern) int { return cmp.Compare(b.Count, a.Count) })
	return out[:min(len(out), maxPatterns)]
}
