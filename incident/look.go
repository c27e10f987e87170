package incident

import (
	"context"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strings"
	"time"

	"quarterdeck/sources"
	"quarterdeck/sources/fleet"
	"quarterdeck/sources/patterns"
)

// Bounds of what a report shows of logs and metrics.
const (
	firstLines  = 8
	ofAKind     = 2 // of those: more that differ in figures and ids only say no more
	mostLines   = 2000
	mostPattern = 6
	volumeSteps = 240
)

// maskOf is what stands in a spec for a masked value (sources.Spec.Masked).
var maskOf = regexp.MustCompile(`masked:[0-9a-f]+`)

// keyFigures are the series that a report draws, in this order.
var keyFigures = []string{"requests", "errors", "p95", "cpu", "memory", "throttled", "restarts"}

// explainer is a source of logs that can say its queries in LogQL.
type explainer interface{ Explain(sources.LogQuery) string }

// logQuery is what proves something about logs: LogQL where there is a Loki, else the command that asks the same.
func (g *gatherer) logQuery(q sources.LogQuery) string {
	if e, ok := g.Team.(explainer); ok && g.Team != nil {
		return e.Explain(q)
	}
	text := "quarterdeck logs " + strings.Join(q.Services, " ") + " --since " + q.Since.UTC().Format(time.RFC3339) + " --until " + q.Until.UTC().Format(time.RFC3339)
	for _, l := range q.Levels {
		text += " --level " + l.String()
	}
	return text
}

// readMetrics draws the key figures, and looks where errors began.
func (g *gatherer) readMetrics(ctx context.Context, service string, figures ...string) {
	if g.Metrics == nil {
		return
	}
	w := sources.Window{Start: g.r.Since, End: g.r.Until}
	list, err := g.Metrics.Standard(ctx, service, w, figures...)
	if err != nil && len(list) == 0 {
		g.gap(fleet.PrometheusName, "metrics of "+service, why(err))
		return
	}
	var charts []Chart
	for i := range list {
		charts = append(charts, g.chart(service, &list[i], w))
	}
	g.mu.Lock()
	g.charts[service] = append(g.charts[service], charts...)
	g.mu.Unlock()
}

// chart is a figure with all its series added up: requests come by code.
func (g *gatherer) chart(service string, r *sources.Reading, w sources.Window) Chart {
	c := Chart{Service: service, Name: r.Name, Unit: r.Unit, Query: r.Answer.Query, Reason: r.Reason, Start: w.Start, End: w.End, Bounds: r.Bounds, Source: fleet.PrometheusName, How: r.How}
	points := summed(r.Answer.Series)
	for _, p := range points {
		s := Sample{T: p.T.UTC()}
		if !math.IsNaN(p.V) && !math.IsInf(p.V, 0) {
			s.V = &p.V
		}
		c.Points = append(c.Points, s)
	}
	if j, ok := jump(points, floorOf(r.Name)); ok && r.Name == "errors" && g.about(service) && g.ofThis(j) {
		c.rise = &j
		g.rose(&c, j.at)
	}
	return c
}

// summed adds series up, moment by moment. What is not a number in all of them stays so.
func summed(series []sources.Series) []sources.Point {
	if len(series) == 1 {
		return series[0].Points
	}
	at := map[int64]float64{}
	var order []int64
	for _, s := range series {
		for _, p := range s.Points {
			t := p.T.UnixNano()
			old, known := at[t]
			switch {
			case !known:
				order = append(order, t)
				at[t] = p.V
			case math.IsNaN(old):
				at[t] = p.V
			case !math.IsNaN(p.V):
				at[t] = old + p.V
			}
		}
	}
	slices.Sort(order)
	out := make([]sources.Point, len(order))
	for i, t := range order {
		out[i] = sources.Point{T: time.Unix(0, t).UTC(), V: at[t]}
	}
	return out
}

// floorOf is below what a figure is no trouble, whatever it was before.
func floorOf(name string) float64 {
	switch name {
	case "errors":
		return 0.01 // one request of a hundred
	case "throttled":
		return 0.1 // of the periods
	case errorLines:
		return 3 // in one step
	}
	return 0
}

// jumpTimes is by how much more than before a figure must be to have jumped.
const jumpTimes = 3

// stillOn is how long before an incident began a rise may have ended and be of it: by then an alert has long fired.
const stillOn = 10 * time.Minute

// ofThis tells whether a rise can be of the incident: one that was over long before it began is of something else.
func (g *gatherer) ofThis(j stretch) bool {
	switch {
	case g.x != nil:
		return !j.end.Before(g.begin().Add(-stillOn))
	case g.starting:
		return !j.end.Before(g.r.Until.Add(-stillOn))
	}
	return true
}

// stretch is a run of points that stand out: from when to when, what was before, and the greatest of it.
type stretch struct {
	at, end        time.Time
	base, top, sum float64
	n              int
}

// jump finds where a figure went up: the run of points, two at least, that are above three times the middle of those before and above a floor.
// One point alone is noise, and of several runs it is the one that holds most: a service with little traffic has small ones all the time. What
// was before must be known by three points at least.
func jump(points []sources.Point, floor float64) (best stretch, ok bool) {
	var before []float64
	var now stretch
	end := func() {
		if now.n >= 2 && now.sum > best.sum {
			best = now
		}
		now = stretch{}
	}
	for _, p := range points {
		if math.IsNaN(p.V) || math.IsInf(p.V, 0) {
			continue
		}
		base := now.base
		if now.n == 0 && len(before) >= 3 {
			base = median(before)
		}
		if len(before) < 3 || p.V <= max(jumpTimes*base, floor) {
			end()
			before = append(before, p.V)
			continue
		}
		if now.n == 0 {
			now.at, now.base = p.T, base
		}
		now.n++
		now.end = p.T
		now.sum += p.V
		now.top = max(now.top, p.V)
	}
	end()
	return best, best.n > 0
}

func median(list []float64) float64 {
	s := slices.Sorted(slices.Values(list))
	if n := len(s); n%2 == 0 {
		return (s[n/2-1] + s[n/2]) / 2
	}
	return s[len(s)/2]
}

// errorLines is the name of the chart that counts them.
const errorLines = "error lines"

// errorLevels are those of lines that say that something is wrong.
var errorLevels = []sources.Level{sources.LevelError, sources.LevelFatal}

// readLogs takes in the first lines of level error and above, what they have in common, and where they became many.
func (g *gatherer) readLogs(ctx context.Context, service string) {
	if g.Logs == nil {
		g.gap("logs", "log lines of "+service, "no source of logs is configured")
		return
	}
	q := sources.LogQuery{Services: []string{service}, Levels: errorLevels, Since: g.r.Since, Until: g.r.Until, Limit: mostLines, Forward: true}
	out := Lines{Service: service, Query: g.logQuery(q), First: []Line{}, Patterns: []Pattern{}}
	page, err := g.Logs.Query(ctx, q)
	if err != nil {
		g.gap(g.Logs.Name(), "log lines of "+service, why(err))
	}
	for _, x := range page.Gaps {
		from, to := x.From.UTC(), x.To.UTC()
		g.mu.Lock()
		g.r.Gaps = append(g.r.Gaps, Gap{Source: g.Logs.Name(), What: "log lines of " + service, Reason: x.Reason, From: &from, To: &to})
		g.mu.Unlock()
	}
	out.Read, out.More = len(page.Entries), page.More
	if len(page.Entries) == 0 {
		out.Reason = noErrorLine
		if err != nil {
			out.Reason = why(err)
		}
	}
	g.mu.Lock()
	g.lines[service] = out
	g.entries[service] = page.Entries
	g.mu.Unlock()
	g.readVolume(ctx, service)
}

// onset is from when on lines are compared with those before; zero: there is no telling.
func (g *gatherer) onset() time.Time {
	if g.r.Start.At != nil {
		return *g.r.Start.At
	}
	if p := First(g.r.Start.Proposed); p != nil {
		return p.At
	}
	if g.x != nil {
		return g.begin()
	}
	return time.Time{}
}

// readPatterns finds what the error lines have in common, first that which the lines before had not, and the first lines of that.
func (g *gatherer) readPatterns() {
	onset := g.onset()
	if !onset.IsZero() {
		onset = onset.Add(-patternSlack)
	}
	for service, all := range g.entries {
		cut := 0
		if !onset.IsZero() {
			cut, _ = slices.BinarySearchFunc(all, onset, func(e sources.Entry, t time.Time) int { return e.Time.Compare(t) })
		}
		out := g.lines[service]
		found := patterns.Mine(all[cut:])
		before := all[:cut]
		isNew := func(p *sources.Pattern) bool { // no line before is of it, whatever the miner would have made of them together
			return !onset.IsZero() && !slices.ContainsFunc(before, func(e sources.Entry) bool { return patterns.Match(p.Text, e.Line) })
		}
		for i := range found {
			p := &found[i]
			out.Patterns = append(out.Patterns, Pattern{Text: g.redact("logs of "+service, p.Text), Count: p.Count, First: p.First.UTC(), Last: p.Last.UTC(), New: isNew(p)})
		}
		out.Patterns = sameReason(out.Patterns)
		out.Patterns = out.Patterns[:min(len(out.Patterns), mostPattern)]
		kinds := map[string]int{}
		for i := range all[cut:] {
			e := &all[cut+i]
			kind := alike(ofRequest.ReplaceAllString(e.Line, "$1<_>"))
			if kinds[kind]++; kinds[kind] > ofAKind {
				continue
			}
			if out.First = append(out.First, g.line(service, e)); len(out.First) == firstLines {
				break
			}
		}
		g.firstNew(service, &out)
		g.lines[service] = out
	}
}

// patternSlack is how long before the onset lines count as of after it: it is exact to a step of a figure. It is the least step as well.
const patternSlack = 15 * time.Second

// firstNew puts the first new kind of error line on the timeline.
func (g *gatherer) firstNew(service string, l *Lines) {
	var first *Pattern
	for i := range l.Patterns {
		if p := &l.Patterns[i]; p.New && p.Count > 1 && (first == nil || p.First.Before(first.First)) {
			first = p
		}
	}
	if first != nil {
		g.row(Row{Time: first.First, Source: g.Logs.Name(), Kind: "log", Service: service, Text: fmt.Sprintf("a new kind of error line, %s: %s", times(first.Count), readable(first.Text)), Query: l.Query, Confidence: Inferred, Bad: true})
	}
}

// readable is a pattern for people: what varies in it is left out.
func readable(pattern string) string {
	pattern = strings.ReplaceAll(pattern, "<_>", "…")
	return strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(pattern), "ts=…"))
}

func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return 1
	}
	return -1
}

func (g *gatherer) line(service string, e *sources.Entry) Line {
	l := Line{Time: e.Time.UTC(), Level: e.Level.String(), Text: g.redact("logs of "+service, e.Line)}
	if e.Stream != nil {
		l.Task, l.Node = e.Stream.Task, e.Stream.Node
	}
	return l
}

// readVolume counts the lines of level error and above, step by step.
func (g *gatherer) readVolume(ctx context.Context, service string) {
	step := max(g.r.Until.Sub(g.r.Since)/volumeSteps, patternSlack).Round(time.Second)
	q := sources.LogQuery{Services: []string{service}, Levels: errorLevels, Since: g.r.Since, Until: g.r.Until}
	c := Chart{Service: service, Name: errorLines, Unit: "1", Step: step.Seconds(), Query: g.logQuery(q), Start: g.r.Since, End: g.r.Until, Source: g.Logs.Name()}
	volume, err := g.Logs.Volume(ctx, sources.LogQuery{Services: q.Services, Since: q.Since, Until: q.Until}, step)
	if err != nil {
		c.Reason = why(err)
		g.gap(g.Logs.Name(), "how many error lines "+service+" wrote", c.Reason)
	}
	points := errorsBy(volume, g.r.Since, g.r.Until, step)
	for i := range points {
		c.Points = append(c.Points, Sample{T: points[i].T, V: &points[i].V})
	}
	if len(points) == 0 && c.Reason == "" {
		c.Reason = "no line was written in this time"
	}
	if j, ok := jump(points, floorOf(c.Name)); ok && g.ofThis(j) {
		c.rise = &j
		g.rose(&c, g.firstIn(ctx, q, j.at, step))
	}
	g.mu.Lock()
	g.charts[service] = append(g.charts[service], c)
	g.mu.Unlock()
}

// firstIn is when the first line came in a step: the step's own time is as much too early.
func (g *gatherer) firstIn(ctx context.Context, q sources.LogQuery, at time.Time, step time.Duration) time.Time {
	q.Since, q.Until, q.Limit, q.Forward = at, at.Add(step), 1, true
	page, err := g.Logs.Query(ctx, q)
	if err != nil || len(page.Entries) == 0 {
		return at
	}
	return page.Entries[0].Time
}

// errorsBy are the counts of lines of level error and above. Of a source that answered, a step without a line has none: it is a zero.
func errorsBy(volume []sources.VolumePoint, since, until time.Time, step time.Duration) []sources.Point {
	if len(volume) == 0 {
		return nil
	}
	grid := volume[0].Time
	for grid.Add(-step).After(since) {
		grid = grid.Add(-step)
	}
	var out []sources.Point
	for t := grid; !t.After(until); t = t.Add(step) {
		out = append(out, sources.Point{T: t.UTC()})
	}
	for _, v := range volume {
		if i := int((v.Time.Sub(grid) + step/2) / step); i >= 0 && i < len(out) {
			out[i].V += v.Counts[sources.LevelError] + v.Counts[sources.LevelFatal]
		}
	}
	return out
}
