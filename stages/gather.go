package stages

import (
	"context"
	"math"
	"strings"
	"sync"
	"time"

	"quarterdeck/recovery"
	"quarterdeck/sources"
	"quarterdeck/sources/fleet"
)

// Sources are what evidence is gathered from. What is nil is not configured.
type Sources struct {
	// Fleet is the swarm as it was read last.
	Fleet   *fleet.Snapshot
	Logs    sources.Logs
	Metrics sources.Metrics
	// Backups has read its catalogue.
	Backups *recovery.Feed
	// Baked tells of images whether they have a health check of their own, as Evidence.Baked.
	Baked        map[string]bool
	Attestations map[string]sources.Attestation
	Detect       Detection
}

// loggedSpan is over how long a service must have said something (STAGES.md, logs-per-service).
const loggedSpan = time.Hour

// figures are what containers are counted by, for each of MeasuredKinds.
var figures = map[string][]string{
	"cpu": {"container_cpu_usage_seconds_total"}, "memory": {"container_memory_working_set_bytes"}, "network": {"container_network_receive_bytes_total"},
	"disk": {"container_fs_reads_bytes_total", "container_fs_usage_bytes", "container_blkio_device_usage_total"}, // by cgroup v1 and v2, and by version
}

// Queries whose answer is one number.
const (
	upQuery          = "avg(up)"
	notifiedQuery    = "sum(increase(alertmanager_notifications_total[7d]))"
	certificateQuery = "min(traefik_tls_certs_not_after)"
)

// Gather asks all sources, side by side and each of them a bounded number of times: Loki once, Prometheus eleven times, however many services there
// are. It never fails: what could not be had is in Reasons.
func Gather(ctx context.Context, from Sources, now time.Time) *Evidence {
	e := &Evidence{Now: now, Fleet: from.Fleet, Baked: from.Baked, Attestations: from.Attestations, Detect: from.Detect, Reasons: map[string]string{}}
	if s := from.Fleet; s != nil {
		for i := range s.Sources {
			if x := &s.Sources[i]; !x.OK() && x.Detail != "" {
				e.Reasons[x.Name] = x.Detail
			}
		}
	}
	g := gatherer{e: e, now: now}
	g.logs(ctx, from.Logs)
	g.metrics(ctx, from.Metrics)
	g.wait.Wait()
	if from.Backups == nil {
		e.Reasons[fleet.BackupsName] = "no object store is configured: set --s3, QUARTERDECK_S3 or s3.address"
	} else if e.Contents = from.Backups.Contents(); e.Contents != nil && e.Fleet != nil {
		e.Coverage = recovery.Cover(e.Fleet, e.Contents, now)
		if e.Coverage == nil {
			e.Coverage = []recovery.Coverage{}
		}
	}
	return e
}

// gatherer fills evidence in from several goroutines.
type gatherer struct {
	e    *Evidence
	now  time.Time
	wait sync.WaitGroup
	mu   sync.Mutex
}

// ask runs a question of a source; put is called with the lock held.
func (g *gatherer) ask(source string, question func() (put func(), err error)) {
	g.wait.Go(func() {
		put, err := question()
		g.mu.Lock()
		defer g.mu.Unlock()
		if err != nil {
			if sources.KindOf(err) != sources.NotFound || g.e.Reasons[source] == "" {
				g.e.Reasons[source] = err.Error()
			}
			return
		}
		put()
	})
}

func (g *gatherer) logs(ctx context.Context, logs sources.Logs) {
	if logs == nil {
		g.e.Reasons[fleet.LokiName] = "no Loki is configured: set --loki, LOKI_ADDR or loki.address"
		return
	}
	g.ask(fleet.LokiName, func() (func(), error) {
		rates, err := logs.LineRates(ctx, g.now, loggedSpan)
		if err != nil {
			return nil, err
		}
		return func() {
			g.e.Logged = map[string]float64{}
			for name, v := range rates {
				g.e.Logged[name] = v * loggedSpan.Seconds()
			}
		}, nil
	})
}

func (g *gatherer) metrics(ctx context.Context, m sources.Metrics) {
	const source = fleet.PrometheusName
	if m == nil {
		g.e.Reasons[source] = "no Prometheus is configured: set --prometheus, PROMETHEUS_URL or prometheus.address"
		return
	}
	label, _, err := m.ServiceLabel(ctx)
	switch {
	case sources.KindOf(err) == sources.NotFound: // nobody measures containers by service
		g.e.Measured = map[string]map[string]float64{}
	case err != nil:
		g.e.Reasons[source] = err.Error()
		return // that it does not answer costs one time-out
	default:
		g.e.Measured = map[string]map[string]float64{}
		for kind, metrics := range figures {
			var any []string
			for _, metric := range metrics {
				any = append(any, metric+"{"+label+`!=""}`)
			}
			g.count(ctx, m, kind, label, "count by ("+label+") ("+strings.Join(any, " or ")+")")
		}
	}
	g.number(ctx, m, upQuery, func(v float64) { g.e.Up = &v })
	g.number(ctx, m, notifiedQuery, func(v float64) { g.e.Notified = &v })
	g.number(ctx, m, certificateQuery, func(v float64) { g.e.CertificateExpires = time.Unix(int64(v), 0) })
	g.ask(source, func() (func(), error) {
		t, err := m.Targets(ctx)
		return func() { g.e.Targets = t }, err
	})
	g.ask(source, func() (func(), error) {
		r, err := m.Rules(ctx)
		if r == nil {
			r = []sources.Rule{}
		}
		return func() { g.e.Rules = r }, err
	})
}

// count asks how many containers of each service have a figure.
func (g *gatherer) count(ctx context.Context, m sources.Metrics, kind, label, query string) {
	g.ask(fleet.PrometheusName, func() (func(), error) {
		a, err := m.Instant(ctx, query, g.now)
		if err != nil {
			return nil, err
		}
		return func() {
			by := map[string]float64{}
			for i := range a.Series {
				if s := &a.Series[i]; len(s.Points) > 0 {
					by[s.Labels[label]] = s.Points[len(s.Points)-1].V
				}
			}
			g.e.Measured[kind] = by
		}, nil
	})
}

// number asks for one; where the answer is empty or no number nothing is put.
func (g *gatherer) number(ctx context.Context, m sources.Metrics, query string, put func(float64)) {
	g.ask(fleet.PrometheusName, func() (func(), error) {
		a, err := m.Instant(ctx, query, g.now)
		if err != nil {
			return nil, err
		}
		return func() {
			if len(a.Series) == 1 && len(a.Series[0].Points) > 0 {
				if v := a.Series[0].Points[0].V; !math.IsNaN(v) && !math.IsInf(v, 0) {
					put(v)
				}
			}
		}, nil
	})
}
