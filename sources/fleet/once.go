package fleet

import (
	"context"
	"sync"

	"quarterdeck/sources"
)

// Once reads each source one time, for commands that answer and end. It returns when all have
// answered or ctx has ended; what failed is in the sources' states, and the swarm's error is returned.
func (f *Fleet) Once(ctx context.Context, feeds Feeds) error {
	var wg sync.WaitGroup
	var failed error
	if feeds.Swarm == nil {
		f.absent(SwarmName)
	} else {
		wg.Go(func() {
			w, err := feeds.Swarm.List(ctx)
			if err != nil {
				failed = err
				f.SetStatus(sources.Status{Name: SwarmName, State: sources.StateOf(err), Detail: err.Error()})
				return
			}
			f.Fold(sources.Change{At: w.At, World: w, Status: &sources.Status{Name: SwarmName, State: sources.Live, Fresh: w.At, Version: w.Engine.Version}})
		})
	}
	if feeds.Alerts == nil {
		f.absent(AlertmanagerName)
		if feeds.Metrics != nil {
			f.alertsFromRules()
			wg.Go(func() { _ = f.readRules(ctx, feeds.Metrics, patiencePeriods*AlertPeriod) }) // the picture says it
		}
	} else {
		wg.Go(func() { f.once(AlertmanagerName, f.readAlerts(feeds)(ctx)) })
	}
	if feeds.Metrics == nil {
		f.absent(PrometheusName)
	} else {
		u := usageReader{f: f, metrics: feeds.Metrics}
		wg.Go(func() { f.once(PrometheusName, u.read(ctx)) })
	}
	if feeds.Logs == nil {
		f.absent(LokiName)
	} else {
		name := f.logsBy(feeds.Logs)
		wg.Go(func() { f.once(name, f.readRates(feeds.Logs)(ctx)) })
	}
	if feeds.Backups == nil {
		f.absent(BackupsName)
	} else {
		wg.Go(func() { f.once(BackupsName, feeds.Backups(ctx)) })
	}
	wg.Wait()
	return failed
}

func (f *Fleet) once(name string, err error) {
	if err != nil {
		f.SetStatus(sources.Status{Name: name, State: sources.StateOf(err), Detail: err.Error()})
		return
	}
	f.SetStatus(sources.Status{Name: name, State: sources.Live, Fresh: f.now()})
}
