package fleet

import (
	"context"
	"errors"
	"log/slog"
	"math"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v5"

	"quarterdeck/sources"
)

// Periods of the loops behind the picture.
const (
	// AlertPeriod is how often alerts are read. Alertmanager's own group_wait is 30 s by default.
	AlertPeriod = 10 * time.Second
	// UsagePeriod is how often usage is read: Prometheus' default scrape interval is a minute, 15 s is common.
	UsagePeriod = 15 * time.Second
	// SparkStep and SparkSpan are the table's sparklines: half an hour, a point a minute.
	SparkStep = time.Minute
	SparkSpan = 30 * time.Minute
	// RateWindow is the window of the error rate.
	RateWindow = 5 * time.Minute
)

// Names of the sources as the fleet shows them.
const (
	SwarmName        = "swarm"
	LokiName         = "loki"
	DockerLogsName   = "docker-logs"
	PrometheusName   = "prometheus"
	AlertmanagerName = "alertmanager"
)

// Feeds are the sources that keep a fleet fresh. A nil one is ABSENT.
type Feeds struct {
	Swarm   sources.Orchestrator
	Logs    sources.Logs
	Metrics sources.Metrics
	Alerts  sources.Alerts
	Logger  *slog.Logger
}

// Run keeps the fleet fresh until ctx ends, and returns when all its loops have.
func (f *Fleet) Run(ctx context.Context, feeds Feeds) {
	log := feeds.Logger
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	var wg sync.WaitGroup
	if feeds.Swarm != nil {
		wg.Go(func() { _ = feeds.Swarm.Watch(ctx, f.Fold) }) // returns only ctx's error
	}
	if feeds.Alerts != nil {
		p := poller{f: f, name: AlertmanagerName, period: AlertPeriod, log: log}
		wg.Go(func() { p.run(ctx, f.readAlerts(feeds)) })
	}
	if feeds.Metrics != nil {
		p := poller{f: f, name: PrometheusName, period: UsagePeriod, log: log}
		u := usageReader{f: f, metrics: feeds.Metrics}
		wg.Go(func() { p.run(ctx, u.read) })
	}
	if feeds.Logs != nil {
		name := LokiName
		if feeds.Logs.Name() != "loki" {
			name = DockerLogsName
		}
		p := poller{f: f, name: name, period: UsagePeriod, log: log}
		wg.Go(func() { p.run(ctx, f.readRates(feeds.Logs)) })
	}
	wg.Go(func() { f.keepJudging(ctx) })
	wg.Wait()
}

// keepJudging wakes readers when a verdict becomes due by time alone.
func (f *Fleet) keepJudging(ctx context.Context) {
	const longest = 5 * time.Second // a verdict that came due in between is at most so late
	timer := time.NewTimer(longest)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		now := f.now()
		wait := longest
		if due := f.Due(); !due.IsZero() {
			if !due.After(now) {
				f.mu.Lock()
				f.judgeDue(now)
				if f.changed {
					f.touch()
				}
				f.mu.Unlock()
				wait = 100 * time.Millisecond
			} else {
				wait = min(wait, due.Sub(now))
			}
		}
		timer.Reset(wait)
	}
}

// poller asks a source at a period, backs off while it fails, and says its state.
type poller struct {
	f      *Fleet
	name   string
	period time.Duration
	log    *slog.Logger
}

func (p poller) run(ctx context.Context, read func(context.Context) error) {
	b := backoff.NewExponentialBackOff()
	b.InitialInterval, b.MaxInterval = time.Second, 30*time.Second
	failing := false
	for {
		err := read(ctx)
		if ctx.Err() != nil {
			return
		}
		wait := p.period
		if err != nil {
			wait = b.NextBackOff()
			if !failing {
				p.log.Warn("source failed", "source", p.name, "error", err)
			}
			failing = true
			p.f.SetStatus(sources.Status{Name: p.name, State: sources.StateOf(err), Detail: err.Error()})
		} else {
			b.Reset()
			failing = false
			p.f.SetStatus(sources.Status{Name: p.name, State: sources.Live, Fresh: p.f.now()})
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
	}
}

// readAlerts joins what fires (Alertmanager) with what is pending (Prometheus' rules).
func (f *Fleet) readAlerts(feeds Feeds) func(context.Context) error {
	return func(ctx context.Context) error {
		alerts, err := feeds.Alerts.Alerts(ctx)
		if err != nil {
			return err
		}
		if feeds.Metrics != nil {
			if rules, err := feeds.Metrics.Rules(ctx); err == nil { // its own poller tells when it fails
				for i := range rules {
					for _, a := range rules[i].Alerts {
						if a.State == sources.Pending {
							alerts = append(alerts, a)
						}
					}
				}
			}
		}
		f.SetAlerts(alerts)
		return nil
	}
}

func (f *Fleet) readRates(logs sources.Logs) func(context.Context) error {
	return func(ctx context.Context) error {
		rates, err := logs.Rates(ctx, f.now(), RateWindow)
		if sources.KindOf(err) == sources.NotFound { // it lives, but cannot count
			return nil
		}
		if err != nil {
			return err
		}
		f.SetRates(rates)
		return nil
	}
}

// usageReader fills the sparklines whole at first and after each failure, then only their end.
type usageReader struct {
	f       *Fleet
	metrics sources.Metrics
	have    map[string]map[string][]sources.Point
	nodes   time.Time
}

func (u *usageReader) read(ctx context.Context) error {
	end := u.f.now().Truncate(SparkStep).Add(SparkStep)
	var failed error
	for _, figure := range []string{"cpu", "memory"} {
		if err := u.readFigure(ctx, figure, end); err != nil {
			failed = errors.Join(failed, err)
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

func (u *usageReader) readFigure(ctx context.Context, figure string, end time.Time) error {
	w := sources.Window{Start: end.Add(-SparkSpan), End: end, Step: SparkStep}
	old := u.have[figure]
	if old != nil {
		w.Start = end.Add(-2 * SparkStep)
	}
	// Never ask beyond now: the last point is the newest value, dated at the step it belongs to.
	w.End = u.f.now()
	got, err := u.metrics.UsageAll(ctx, figure, w)
	if err != nil {
		return err
	}
	merged := make(map[string][]sources.Point, len(got))
	for service, points := range got {
		merged[service] = appendPoints(old[service], points, end.Add(-SparkSpan))
	}
	for service, points := range old {
		if _, ok := merged[service]; !ok {
			if kept := appendPoints(points, nil, end.Add(-SparkSpan)); len(kept) > 0 {
				merged[service] = append(kept, sources.Point{T: w.End, V: math.NaN()})
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

// appendPoints replaces the tail of old from add's first moment on, and drops what is before from.
func appendPoints(old, add []sources.Point, from time.Time) []sources.Point {
	out := make([]sources.Point, 0, len(old)+len(add))
	for _, p := range old {
		if p.T.Before(from) || (len(add) > 0 && !p.T.Before(add[0].T)) || math.IsNaN(p.V) {
			continue
		}
		out = append(out, p)
	}
	return append(out, add...)
}
