package fleet

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

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
	// LineWindow is the window of the lines a second: short, so that a burst stands out. They are read with every second reading of the
	// error rate, which leaves no line uncounted and costs the server little: each reading goes over a minute's lines.
	LineWindow = time.Minute
	linesEvery = 2
	// BackupPeriod is how often the catalogue of backups is read: two listings of an object store.
	BackupPeriod = 30 * time.Second
)

// Names of the sources as the fleet shows them.
const (
	SwarmName        = "swarm"
	LokiName         = "loki"
	DockerLogsName   = "docker-logs"
	PrometheusName   = "prometheus"
	AlertmanagerName = "alertmanager"
	BackupsName      = "backups"
)

// Feeds are the sources that keep a fleet fresh. A nil one is ABSENT.
type Feeds struct {
	Swarm   sources.Orchestrator
	Logs    sources.Logs
	Metrics sources.Metrics
	Alerts  sources.Alerts
	// Backups reads the catalogue of backups once. What it holds is kept beside the picture; the picture tells whether it could be read.
	Backups func(context.Context) error
	Logger  *slog.Logger
	// Period of every polled source; 0: the periods above. For tests.
	Period time.Duration
}

// Run keeps the fleet fresh until ctx ends, and returns when all its loops have.
func (f *Fleet) Run(ctx context.Context, feeds Feeds) {
	log := feeds.Logger
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	var wg sync.WaitGroup
	defer wg.Wait()
	poll := func(name string, period time.Duration, read func(context.Context) error) {
		if feeds.Period > 0 {
			period = feeds.Period
		}
		p := poller{f: f, name: name, period: period, log: log}
		wg.Go(func() { p.run(ctx, read) })
	}
	if feeds.Swarm != nil {
		wg.Go(func() { f.watch(ctx, feeds.Swarm, log) })
	} else {
		f.absent(SwarmName)
	}
	if feeds.Alerts != nil {
		poll(AlertmanagerName, AlertPeriod, f.readAlerts(feeds))
	} else {
		f.absent(AlertmanagerName)
		if feeds.Metrics != nil {
			period := AlertPeriod
			if feeds.Period > 0 {
				period = feeds.Period
			}
			wg.Go(func() { f.watchRules(ctx, feeds.Metrics, period, log) })
		}
	}
	if feeds.Metrics != nil {
		u := usageReader{f: f, metrics: feeds.Metrics}
		poll(PrometheusName, UsagePeriod, u.read)
	} else {
		f.absent(PrometheusName)
	}
	if feeds.Logs != nil {
		name := f.logsBy(feeds.Logs)
		poll(name, UsagePeriod, f.readRates(feeds.Logs))
		if name == LokiName { // an engine has no index to count by
			wg.Go(func() { f.keepUsual(ctx, feeds.Logs) })
		}
	} else {
		f.absent(LokiName)
		f.absent(DockerLogsName)
	}
	if feeds.Backups != nil {
		poll(BackupsName, BackupPeriod, feeds.Backups)
	} else {
		f.absent(BackupsName)
	}
	wg.Go(func() { f.keepJudging(ctx) })
}

// logsBy is the name of the source that logs come from. Where that is the engine itself, Loki is ABSENT.
func (f *Fleet) logsBy(logs sources.Logs) string {
	name := LokiName
	if logs.Name() != LokiName {
		name = DockerLogsName
		f.absent(LokiName)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.ratesBy = name
	return name
}

// absent says that a source has no feed, where nobody has said more of it.
func (f *Fleet) absent(name string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if s, known := f.states[name]; known && s.State == sources.Connecting {
		f.setStatus(sources.Status{Name: name, State: sources.Absent, Detail: s.Detail})
	}
}

// watch follows the swarm. Watch returns only when ctx ends; one that does not keep to that is started again.
func (f *Fleet) watch(ctx context.Context, swarm sources.Orchestrator, log *slog.Logger) {
	b := newBackoff()
	for {
		err := swarm.Watch(ctx, f.Fold)
		if ctx.Err() != nil {
			return
		}
		if err == nil {
			err = fmt.Errorf("%s: the watch ended by itself", SwarmName)
		}
		log.Warn("watch ended early", "source", SwarmName, "error", err)
		f.SetStatus(sources.Status{Name: SwarmName, State: sources.StateOf(err), Detail: err.Error()})
		if !sleep(ctx, b.NextBackOff()) {
			return
		}
	}
}

// keepJudging wakes readers when a verdict becomes due by time alone.
func (f *Fleet) keepJudging(ctx context.Context) {
	const longest = 5 * time.Second // a verdict that came due in between is at most so late
	for wait := longest; sleep(ctx, wait); {
		now := f.now()
		f.mu.Lock()
		if f.judgeDue(now) {
			f.touch()
		}
		f.mu.Unlock()
		wait = longest
		if due := f.Due(); !due.IsZero() {
			wait = max(min(wait, due.Sub(now)), 10*time.Millisecond)
		}
	}
}

// sleep waits; false: ctx ended.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

// readAlerts takes what ReadAlerts tells in.
func (f *Fleet) readAlerts(feeds Feeds) func(context.Context) error {
	return func(ctx context.Context) error {
		alerts, err := ReadAlerts(ctx, feeds.Alerts, feeds.Metrics)
		if err != nil {
			return err
		}
		f.SetAlerts(alerts)
		if silences, err := feeds.Alerts.Silences(ctx); err == nil { // a proxy may allow the alerts alone
			f.SetSilences(silences)
		} else if ctx.Err() == nil {
			f.SetSilences(nil)
		}
		return nil
	}
}

// ReadAlerts joins what fires (Alertmanager) with what is pending, which Prometheus alone knows;
// metrics may be nil, and its failure is no failure here: its own loop tells of it. Of what fires it tells the value, where no label was
// added on the way. Without Alertmanager (from is nil) all is from the rules.
func ReadAlerts(ctx context.Context, from sources.Alerts, metrics sources.Metrics) ([]sources.Alert, error) {
	if from == nil && metrics != nil {
		return RuleAlerts(ctx, metrics)
	}
	alerts, err := from.Alerts(ctx)
	if err != nil || metrics == nil {
		return alerts, err
	}
	values := map[string]string{}
	for _, a := range activeAlerts(ctx, metrics) {
		if a.State == sources.Pending {
			alerts = append(alerts, a)
		} else {
			values[a.Fingerprint] = a.Value
		}
	}
	for i := range alerts {
		if alerts[i].Value == "" {
			alerts[i].Value = values[alerts[i].Fingerprint]
		}
	}
	return alerts, nil
}

// activeAlerts are what Prometheus tells of alerts. A proxy or another kind of server may know the rules alone.
func activeAlerts(ctx context.Context, metrics sources.Metrics) []sources.Alert {
	alerts, err := metrics.ActiveAlerts(ctx)
	if kind := sources.KindOf(err); kind != sources.NotFound && kind != sources.Forbidden {
		return alerts
	}
	rules, _ := metrics.Rules(ctx)
	for i := range rules {
		alerts = append(alerts, rules[i].Alerts...)
	}
	return alerts
}

func (f *Fleet) readRates(logs sources.Logs) func(context.Context) error {
	turn := 0
	return func(ctx context.Context) error {
		if turn%linesEvery == 0 {
			lines, err := logs.LineRates(ctx, f.now(), LineWindow)
			switch {
			case err != nil: // whether the source lives the error rate tells: a limit may stand in the way of these alone
				lines = nil
			case lines == nil:
				lines = map[string]float64{}
			}
			f.SetLineRates(lines)
		}
		turn++
		rates, err := logs.Rates(ctx, f.now(), RateWindow)
		if sources.KindOf(err) == sources.NotFound { // it lives, but cannot count
			f.SetRates(nil)
			return nil
		}
		if err != nil {
			return err
		}
		if rates == nil {
			rates = map[string]float64{}
		}
		f.SetRates(rates)
		return nil
	}
}
