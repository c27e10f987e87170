package diagnosis

import (
	"context"
	"sync"
	"time"

	"quarterdeck/sources"
	"quarterdeck/sources/fleet"
	"quarterdeck/sources/patterns"
)

// askWide asks the questions about all at once, beside each other, within ctx.
func (x *inquiry) askWide(ctx context.Context) {
	a := &askingWide{x: x, w: &Wide{}, at: x.q.At}
	a.lines(ctx)
	a.figures(ctx)
	if r := x.d.Record; r != nil {
		a.ask("journal", "the dependencies", func() error {
			links, err := r.Dependencies(ctx)
			a.put(func() { x.links = links })
			return err
		})
	}
	a.wg.Go(func() {
		q := x.askRules(ctx)
		a.put(func() { a.w.RuleQueries = q })
	})
	a.wg.Go(func() {
		m := x.machines(ctx)
		a.put(func() { a.w.Machines = m })
	})
	a.wg.Wait()
	x.wide = a.w
}

// askingWide is a Wide in the making: each question in a goroutine of its own.
type askingWide struct {
	x  *inquiry
	w  *Wide // guarded by mu until all have answered
	at time.Time
	mu sync.Mutex
	wg sync.WaitGroup
}

func (a *askingWide) put(f func()) { a.mu.Lock(); f(); a.mu.Unlock() }

// ask asks a source, and notes that it was looked at or that it could not be.
func (a *askingWide) ask(source, what string, f func() error) {
	a.wg.Go(func() {
		if err := f(); err != nil {
			a.x.failed(source, what, err)
			return
		}
		a.x.look(source, lookedAt, "")
	})
}

// lines asks what the services say.
func (a *askingWide) lines(ctx context.Context) {
	x, w := a.x, a.w
	logs := x.d.Logs
	switch {
	case logs == nil:
		x.look(fleet.LokiName, notAsked, "what the services say is not known: --loki or LOKI_ADDR")
		return
	case logs.Name() != fleet.LokiName: // an engine has no index: of single services it is asked closely
		x.look(fleet.LokiName, notAsked, "rates of lines, bursts and what is new of all services are not known, only what "+logs.Name()+" still keeps of single ones: --loki or LOKI_ADDR")
		return
	}
	w.logs, w.explain = logs.Name(), x.explain
	a.ask(logs.Name(), "count the error lines", func() error {
		m, err := logs.Rates(ctx, a.at, errorsWindow)
		a.put(func() { w.ErrorsNow = m })
		return err
	})
	a.ask(logs.Name(), "count the error lines of before", func() error {
		m, err := logs.Rates(ctx, a.at.Add(-Recent/2), errorsBaseline)
		a.put(func() { w.ErrorsBefore = m })
		return err
	})
	a.ask(logs.Name(), "count the lines", func() error {
		m, err := logs.LineRates(ctx, a.at, fleet.LineWindow)
		a.put(func() { w.LinesNow = m })
		return absentIsNone(err)
	})
	a.ask(logs.Name(), "count the lines of before", func() error {
		m, err := logs.LineRates(ctx, a.at.Add(-figuresSpan), errorsBaseline)
		a.put(func() { w.LinesBefore = m })
		return absentIsNone(err)
	})
	if x.q.Service == "" { // of the one service it is asked closely
		a.ask(logs.Name(), "look for new lines", func() error {
			news, err := x.news(ctx, a.at)
			a.put(func() { w.News = news })
			return err
		})
	}
}

// figures asks what is measured of services, nodes and what is exported.
func (a *askingWide) figures(ctx context.Context) {
	x, w := a.x, a.w
	m := x.d.Metrics
	if m == nil {
		x.look(fleet.PrometheusName, notAsked, "memory, CPU, disks and requests are not known: --prometheus or PROMETHEUS_URL")
		return
	}
	a.ask(fleet.PrometheusName, "throttling", func() error {
		v, err := m.UsageAll(ctx, "throttled", sources.Window{Start: a.at.Add(-errorsWindow), End: a.at})
		a.put(func() { w.Throttled = means(v, a.at.Add(-errorsWindow)) })
		return absentIsNone(err)
	})
	a.ask(fleet.PrometheusName, disksQuery, func() error {
		got, err := m.Instant(ctx, disksQuery, a.at)
		if err != nil {
			return err
		}
		disks := disksOf(got.Series)
		x.askDisks(ctx, disks)
		a.put(func() { w.Disks = disks })
		return nil
	})
	a.ask(fleet.PrometheusName, "memory near its limit", func() error {
		v, err := x.askNear(ctx)
		a.put(func() { w.NearMemory = v })
		return absentIsNone(err)
	})
	for _, q := range []struct {
		query string
		take  func([]sources.Series)
	}{{certsQuery, w.takeCerts}, {storesQuery, func(s []sources.Series) { w.Stores = storesOf(x.snap, s) }},
		{oomQuery, func(s []sources.Series) { w.OOMKills = byNode(s) }}, {healthFailsQuery, func(s []sources.Series) { w.HealthFails = byNode(s) }}} {
		a.ask(fleet.PrometheusName, q.query, func() error {
			got, err := m.Instant(ctx, q.query, a.at)
			if err == nil {
				a.put(func() { q.take(got.Series) })
			}
			return err
		})
	}
}

// The lines in which new patterns are looked for, of all services at once: of the last minutes, and of the time before.
const (
	newsWindow   = 5 * time.Minute
	newsBaseline = 30 * time.Minute
	newsLines    = 1000
)

// news are the patterns of warnings and errors of the last minutes that the time before has not, by service.
func (x *inquiry) news(ctx context.Context, at time.Time) (map[string][]sources.Pattern, error) {
	q := sources.LogQuery{Since: at.Add(-newsWindow), Until: at, Limit: newsLines, Levels: []sources.Level{sources.LevelWarn, sources.LevelError, sources.LevelFatal}}
	now, err := x.d.Logs.Query(ctx, q)
	if err != nil || len(now.Entries) == 0 {
		return nil, err
	}
	q.Since, q.Until, q.Limit = at.Add(-newsWindow-newsBaseline), at.Add(-newsWindow), 2*newsLines
	before, err := x.d.Logs.Query(ctx, q)
	if err != nil {
		return nil, err
	}
	was := byService(before.Entries)
	out := map[string][]sources.Pattern{}
	for name, lines := range byService(now.Entries) {
		if len(lines) < newLeast || len(was) == 0 {
			continue
		}
		for _, p := range patterns.New(patterns.Mine(was[name]), patterns.Mine(lines)) {
			if p.Count >= newLeast && !saidBefore(p.Sample, was[name]) {
				out[name] = append(out[name], p)
			}
		}
	}
	return out, nil
}
