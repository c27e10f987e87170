package diagnosis

import (
	"context"
	"fmt"
	"math"
	"strings"
	"sync"
	"time"

	"quarterdeck/sources"
	"quarterdeck/sources/fleet"
	"quarterdeck/sources/patterns"
)

// What is a burst of lines: that many times what was usual, and that many lines a second more. Its baseline lies further back than that of the
// error lines, so that one that has gone on for half an hour is not its own baseline.
const (
	burstFactor = fleet.BurstFactor
	burstRise   = fleet.BurstRise
	// burstSettled is how long it must have gone on where a task has just started: what starts has much to say.
	burstSettled = time.Minute
)

// Loki's own limits where nobody has set others (limits_config: ingestion_rate_mb 4, per_stream_rate_limit 3MB).
const (
	lokiTenantRate = 4 << 20
	lokiStreamRate = 3 << 20
)

// Burst is what the logs tell of a service that writes many times its usual lines.
type Burst struct {
	// Jump is about lines of any level a second.
	Jump Jump
	// Again is in how many of the steps before it wrote as much.
	Again int
	// Yesterday is how many lines a second it wrote at this time a day ago; NaN: not known.
	Yesterday float64
	// Most is the pattern that has grown most since it began, with how many of the newest lines, of which there are Sampled, are of it, and Rate how many
	// lines a second of it come; NaN: the source could not count them. MostBefore is how many came before it began, a second; NaN: not known.
	Most             sources.Pattern
	Sampled          int
	Rate, MostBefore float64
	// Bytes is a line's mean length.
	Bytes float64
	// MostQuery shows the same of the pattern.
	MostQuery string
}

// lines a second now and before, as all services were counted.
func (w *Wide) lines(service string) (now, before float64, known bool) {
	if w == nil || w.LinesNow == nil || len(w.LinesBefore) == 0 { // nothing of anybody: nothing is kept of then
		return 0, 0, false
	}
	return w.LinesNow[service], w.LinesBefore[service], true
}

// burst tells whether a service writes many times its usual lines.
func (w *Wide) burst(service string) bool {
	now, before, known := w.lines(service)
	return known && fleet.Burst(now, before)
}

// askBurst looks closer at a service that writes many times its usual lines; volume are its lines of the last half hour.
func (x *inquiry) askBurst(ctx context.Context, name string, volume []sources.VolumePoint) *Burst {
	if !x.wide.burst(name) || len(volume) == 0 {
		return nil
	}
	at := x.q.At
	b := &Burst{Yesterday: math.NaN(), Rate: math.NaN(), MostBefore: math.NaN()}
	points := lineSteps(volume, at.Add(-figuresSpan), at)
	b.Jump = jump(points, burstRise)
	all := sources.LogQuery{Services: []string{name}, Since: at.Add(-fleet.LineWindow), Until: at, Limit: linesRead}
	b.Jump.Name, b.Jump.Unit, b.Jump.Query = "lines a second", "1/s", rateOf(x.explain(all))
	for _, p := range points {
		if p.T.Before(b.Jump.From) && p.V >= b.Jump.Now/2 {
			b.Again++
		}
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		day := sources.LogQuery{Services: []string{name}, Since: at.Add(-24*time.Hour - yesterdaySpan), Until: at.Add(-24 * time.Hour)}
		if n, err := x.count(ctx, day); err == nil && n > 0 { // none at all may be that nothing is kept of then
			b.Yesterday = n / yesterdaySpan.Seconds()
		}
	})
	wg.Go(func() { x.askMost(ctx, all, b) })
	wg.Wait()
	return b
}

// burstBefore is how long before a burst its lines are looked at for what is usual.
const burstBefore = 2 * time.Minute

// patternStep is the step in which a source counts patterns: Loki's is ten seconds at least.
const patternStep = 10 * time.Second

// askMost finds the pattern that has grown most since the burst began, and counts it. The source's own patterns are of all its lines, and the answer then does
// not hang on which are the newest; where it has none (Loki before 3.0) the newest lines are held against those of before.
func (x *inquiry) askMost(ctx context.Context, all sources.LogQuery, b *Burst) {
	q := all
	q.Until = b.Jump.From
	if !b.Jump.Found {
		q.Until = all.Since
	}
	q.Since = q.Until.Add(-burstBefore)
	var page, was sources.LogPage
	var err error
	var now, before []sources.Pattern
	var wg sync.WaitGroup
	wg.Go(func() { page, err = x.d.Logs.Query(ctx, all) })
	wg.Go(func() { was, _ = x.d.Logs.Query(ctx, q) }) // without it nothing is known of before
	if p, ok := x.d.Logs.(sources.Patterner); ok {
		wg.Go(func() { now, _ = p.Patterns(ctx, all, patternStep) })
		wg.Go(func() { before, _ = p.Patterns(ctx, q, patternStep) })
	}
	wg.Wait()
	if err != nil {
		x.failed(x.d.Logs.Name(), "the newest lines of "+all.Services[0], err)
	}
	mined, usual := len(now) == 0 || len(before) == 0, burstBefore.Seconds()
	recent := all.Until.Sub(all.Since).Seconds()
	if mined {
		now, before = patterns.Mine(page.Entries), patterns.Mine(was.Entries)
		recent, usual = covered(page.Entries), covered(was.Entries)
	}
	if len(now) == 0 {
		return
	}
	total := 0
	for i := range page.Entries {
		total += len(page.Entries[i].Line)
	}
	b.Sampled, b.Bytes = len(page.Entries), float64(total)/float64(max(len(page.Entries), 1))
	b.Most, b.MostBefore = grownMost(now, before, recent, usual)
	if len(was.Entries) == 0 {
		b.MostBefore = math.NaN()
	}
	rate := float64(b.Most.Count) / recent
	b.Most.Count = 0
	for i := range page.Entries {
		if patterns.Match(b.Most.Text, page.Entries[i].Line) {
			b.Most.Count++
		}
	}
	of := all
	of.Pattern = b.Most.Text
	b.MostQuery = x.explain(of)
	if !mined {
		b.Rate, b.MostQuery = rate, rateOf(b.MostQuery)
		return
	}
	if n, err := x.count(ctx, of); err == nil && n > 0 { // Loki before 3.0 has no patterns
		b.Rate, b.MostQuery = n/fleet.LineWindow.Seconds(), rateOf(b.MostQuery)
	}
}

// covered is which time lines are of, in seconds: they may be cut at the bound of what is read.
func covered(lines []sources.Entry) float64 {
	if len(lines) < 2 {
		return 1
	}
	return max(lines[len(lines)-1].Time.Sub(lines[0].Time).Abs().Seconds(), 1)
}

// grownMost is the pattern that has grown most a second, of those in so many seconds now and before, and how many of it came a second before. Of what has
// grown as much the first by its text is taken.
func grownMost(now, before []sources.Pattern, recent, usual float64) (most sources.Pattern, was float64) {
	grown := math.Inf(-1)
	for _, p := range now {
		n := 0
		for i := range before {
			if before[i].Text == p.Text || before[i].Level == p.Level && before[i].Sample != "" && patterns.Match(p.Text, before[i].Sample) {
				n += before[i].Count
			}
		}
		rate := float64(n) / usual
		if by := float64(p.Count)/recent - rate; by > grown || by == grown && p.Text < most.Text {
			grown, most, was = by, p, rate
		}
	}
	return most, was
}

// count is how many lines a query selects within its window, which is one step.
func (x *inquiry) count(ctx context.Context, q sources.LogQuery) (float64, error) {
	volume, err := x.d.Logs.Volume(ctx, q, q.Until.Sub(q.Since))
	n := 0.0
	for i := range volume {
		n += lineCount(volume[i])
	}
	return n, err
}

// rateOf makes a query of lines one of how many came a second.
func rateOf(lines string) string {
	if lines == "" {
		return ""
	}
	return fmt.Sprintf("sum(rate(%s [%s]))", lines, shortStep(fleet.LineWindow))
}

func shortStep(d time.Duration) string { return fmt.Sprintf("%.0fs", d.Seconds()) }

func lineCount(p sources.VolumePoint) float64 {
	n := 0.0
	for _, c := range p.Counts {
		n += c
	}
	return n
}

// lineSteps are lines a second in the whole steps of a stretch of time: where the source names none there was none.
func lineSteps(volume []sources.VolumePoint, from, to time.Time) []sources.Point {
	counts := make(map[int64]float64, len(volume))
	for _, p := range volume {
		counts[p.Time.UnixNano()] += lineCount(p)
	}
	var out []sources.Point
	for t := from.Truncate(figuresStep).Add(figuresStep); !t.Add(figuresStep).After(to); t = t.Add(figuresStep) {
		out = append(out, sources.Point{T: t, V: counts[t.UnixNano()] / figuresStep.Seconds()})
	}
	return out
}

// logBurst: it writes many times the lines that it usually does. It says nothing of why, so it is sure of nothing.
func logBurst(s *Scene, wide *Wide) *Cause {
	if !s.bursts() {
		return nil
	}
	b := s.Logs.Burst
	now, before, _ := wide.lines(s.Service.Name)
	c := &Cause{Title: "it writes " + perSecond(now) + ", usually " + strings.TrimSuffix(perSecond(before), " lines/s"), Grade: Anomaly, Confidence: 0.55, Since: b.Jump.From}
	if before == 0 {
		c.Title = "it writes " + perSecond(now) + ", and usually nothing"
	}
	c.Why = "that is far more than in the half hour before; of yesterday there is nothing to compare with"
	if before > 0 {
		c.Why = fmt.Sprintf("that is %.0f times what it was in the half hour before; of yesterday there is nothing to compare with", now/before)
	}
	switch {
	case now >= burstFactor*b.Yesterday:
		c.Confidence = 0.65
		c.Why = "neither the half hour before nor the same time yesterday was like it"
		if before > 0 {
			c.Why = fmt.Sprintf("that is %.0f times what it was in the half hour before, and yesterday at this time it wrote %s", now/before, perSecond(b.Yesterday))
		}
	case !math.IsNaN(b.Yesterday):
		c.Confidence = 0.35
		c.objects(s.Logs.Source, "", "at this time yesterday it wrote %s: it may do so daily", perSecond(b.Yesterday))
	}
	if before == 0 {
		c.Confidence -= 0.1
	}
	if asked := s.askedMore(b.Jump.From); asked >= burstFactor/2.0 {
		c.Confidence = 0.3
		c.objects(fleet.PrometheusName, s.Metrics.Readings["requests"].Answer.Query, "it is asked %.0f times as much as before: more requests write more lines", asked)
	}
	if d := s.changeBefore(b.Jump.From); d != nil && scaledOnly(d) {
		c.Confidence = min(c.Confidence, 0.35)
		c.objects(fleet.SwarmName, "", "it was scaled just before: more tasks write more lines")
	}
	c.showBurst(s, wide)
	c.step("read what it writes", "logs", s.Service.Name)
	c.step("see what was changed", "change", s.Service.Name)
	c.Next = append(c.Next, Step{Text: "quiet it: its log level, or what it does again and again; until then see that no disk fills up and Loki takes the lines"})
	return c
}

// bursts tells whether it writes many times its usual lines, still does, has not done so before, and is not merely starting.
func (s *Scene) bursts() bool {
	if s.Logs == nil || s.Logs.Burst == nil || !s.Logs.Burst.Jump.Found || s.Logs.Burst.Again > 1 {
		return false
	}
	b := s.Logs.Burst
	if s.Service.Created.After(s.At.Add(-figuresSpan)) {
		return false // what is usual of it nobody knows yet
	}
	return !s.started(b.Jump.From) || s.At.Sub(b.Jump.From) >= burstSettled
}

// started tells whether a task came to run about a moment.
func (s *Scene) started(at time.Time) bool {
	for i := range s.Tasks {
		if d := s.Tasks[i].Created.Sub(at); d > -JustBefore && d < figuresStep {
			return true
		}
	}
	return false
}

// askedMore is how many times as many requests come since a moment; 0: not known.
func (s *Scene) askedMore(since time.Time) float64 {
	points, _ := s.Metrics.points("requests")
	var before []sources.Point
	for _, p := range points {
		if p.T.Before(since) {
			before = append(before, p)
		}
	}
	was, is := mean(before, time.Time{}), mean(points, since)
	if was > 0 && !math.IsNaN(is) {
		return is / was
	}
	return 0
}

// showBurst adds how much is written, what makes the most of it, and what that endangers.
func (c *Cause) showBurst(s *Scene, wide *Wide) {
	b := s.Logs.Burst
	now, before, _ := wide.lines(s.Service.Name)
	c.proves(s.Logs.Source, b.Jump.Query, b.Jump.From, "it writes %s, in the half hour before it was %s", perSecond(now), perSecond(before))
	if b.Sampled > 0 {
		share := fmt.Sprintf("%d of its newest %d lines are like this", b.Most.Count, b.Sampled)
		if !math.IsNaN(b.Rate) {
			share = perSecond(b.Rate) + " of them are like this"
		}
		if !math.IsNaN(b.MostBefore) {
			share += ", before it " + perSecond(b.MostBefore)
		}
		c.proves(s.Logs.Source, b.MostQuery, b.Most.Last, "%s: %s", share, clip(orWord(b.Most.Text, b.Most.Sample), 240))
		c.Effects = append(c.Effects, danger(s, now*b.Bytes))
	}
}

// danger is what so many bytes of lines a second endanger.
func danger(s *Scene, rate float64) string {
	text := fmt.Sprintf("about %s a second, %s a day: the disk of Loki", bytesWords(int64(rate)), bytesWords(int64(rate*86400)))
	if d := s.Service.LogDriver; d == "" || d == "json-file" || d == "local" {
		text += ", and of its nodes unless the log driver rotates"
	}
	switch {
	case rate >= lokiTenantRate:
		return text + "; Loki refuses a tenant over 4 MiB a second unless set otherwise (429): lines of all services are lost"
	case rate/float64(max(s.Service.Running, 1)) >= lokiStreamRate: // a task is a stream
		return text + "; Loki refuses a stream over 3 MiB a second unless set otherwise (429): its lines are lost"
	}
	return text + fmt.Sprintf("; of the 4 MiB a second that Loki takes of a tenant unless set otherwise it is %s", percent(rate/lokiTenantRate))
}

func percent(v float64) string {
	if v < 0.01 {
		return "under 1%"
	}
	return fmt.Sprintf("%.0f%%", 100*v)
}

// perSecond is a rate of lines for people.
func perSecond(v float64) string {
	switch {
	case v == 0:
		return "no lines"
	case v < 0.1:
		return fmt.Sprintf("%.2f lines/s", v)
	case v < 10:
		return fmt.Sprintf("%.1f lines/s", v)
	}
	return fmt.Sprintf("%.0f lines/s", v)
}
