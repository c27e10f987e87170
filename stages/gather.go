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
	Backups    *recovery.Feed
	Dashboards sources.Dashboards
	// Proxy tells what is served to the outside; nil: the labels of services do.
	Proxy sources.Proxy
	// Images looks at the images that run.
	Images *Looker
	// Spending remembers what services used over days; nil: that is not read.
	Spending *Spending
	// Builds reads the pipelines of what runs.
	Builds *Builds
	// Words reads what persons have said, by check.
	Words func(context.Context) (map[string]sources.Attestation, error)
	// Detect is how long trouble has taken to be noticed, by the incidents of the record; nil: not known.
	Detect func() Detection
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
	// heartbeatQuery is how many intervals ago an autoscaler decided last; of one that has died the last word is asked for.
	heartbeatQuery = "min((time() - last_over_time(quarterdeck_autoscale_heartbeat_timestamp_seconds[1h])) / on (instance, job) last_over_time(quarterdeck_autoscale_interval_seconds[1h]))"
)

// Gather asks all sources, side by side and each of them a bounded number of times: Loki once, Prometheus sixteen times and three times more once an hour, however many services there
// are; registries as the looker's budget has it. It never fails: what could not be had is in Reasons.
func Gather(ctx context.Context, from Sources, now time.Time) *Evidence {
	e := &Evidence{Now: now, Fleet: from.Fleet, Reasons: map[string]string{}}
	if s := from.Fleet; s != nil {
		for i := range s.Sources {
			if x := &s.Sources[i]; !x.OK() && x.Detail != "" {
				e.Reasons[x.Name] = x.Detail
			}
		}
	}
	if from.Detect != nil {
		e.Detect = from.Detect()
	}
	g := gatherer{e: e, now: now}
	g.logs(ctx, from.Logs)
	g.metrics(ctx, from.Metrics)
	g.spent(ctx, from)
	g.images(ctx, from.Images)
	g.words(ctx, from.Words)
	g.dashboards(ctx, from.Dashboards)
	g.proxy(ctx, from.Proxy)
	g.builds(ctx, from.Builds)
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

// missing says why a part cannot be looked at, while others are being asked.
func (g *gatherer) missing(source, why string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.e.Reasons[source] = why
}

func (g *gatherer) logs(ctx context.Context, logs sources.Logs) {
	if logs == nil {
		g.missing(fleet.LokiName, "no Loki is configured: set --loki, LOKI_ADDR or loki.address")
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
		g.missing(source, "no Prometheus is configured: set --prometheus, PROMETHEUS_URL or prometheus.address")
		return
	}
	label, _, err := m.ServiceLabel(ctx)
	switch {
	case sources.KindOf(err) == sources.NotFound: // nobody measures containers by service
		g.e.Measured = map[string]map[string]float64{}
	case err != nil:
		g.missing(source, err.Error())
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
		g.counts(ctx, m, label)
	}
	g.number(ctx, m, upQuery, func(v float64) { g.e.Up = &v })
	g.number(ctx, m, notifiedQuery, func(v float64) { g.e.Notified = &v })
	g.number(ctx, m, hitsQuery, func(v float64) { g.e.CacheHits = &v })
	g.number(ctx, m, slowQuery, func(v float64) { g.e.Slowest = &v })
	g.number(ctx, m, loggedQuery, func(v float64) { g.e.SlowLogged = &v })
	g.number(ctx, m, connectionsQuery, func(v float64) { g.e.Connections = &v })
	g.number(ctx, m, heartbeatQuery, func(v float64) { g.e.Beats = &v })
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

// countsSpan is over how long tasks are counted, countsEvery how far apart the counts are.
const (
	countsSpan  = 24 * time.Hour
	countsEvery = 30 * time.Minute
)

// counts asks how many containers each service had, over the last day.
func (g *gatherer) counts(ctx context.Context, m sources.Metrics, label string) {
	g.ask(fleet.PrometheusName, func() (func(), error) {
		a, err := m.Range(ctx, "count by ("+label+") (container_last_seen{"+label+`!=""})`, sources.Window{Start: g.now.Add(-countsSpan), End: g.now, Step: countsEvery})
		if err != nil {
			return nil, err
		}
		return func() {
			g.e.Counts = map[string][]float64{}
			for i := range a.Series {
				s := &a.Series[i]
				for _, p := range s.Points {
					if !math.IsNaN(p.V) { // a moment at which there was none
						g.e.Counts[s.Labels[label]] = append(g.e.Counts[s.Labels[label]], p.V)
					}
				}
			}
		}, nil
	})
}

// spent reads what was used over days.
func (g *gatherer) spent(ctx context.Context, from Sources) {
	if from.Metrics == nil || from.Spending == nil {
		return
	}
	g.ask(spentName, func() (func(), error) {
		h, err := from.Spending.Read(ctx, from.Metrics, g.now)
		return func() { g.e.Spent = h }, err
	})
}

// images looks at those that the services run.
func (g *gatherer) images(ctx context.Context, l *Looker) {
	if l == nil || l.Images == nil || g.e.Fleet == nil {
		g.missing(imagesName, "no registry is looked at")
		return
	}
	g.ask(imagesName, func() (func(), error) {
		facts := l.Look(ctx, g.e.services(), g.now)
		return func() { g.e.Images = facts }, nil
	})
}

func (g *gatherer) words(ctx context.Context, read func(context.Context) (map[string]sources.Attestation, error)) {
	if read == nil {
		g.missing(wordsName, "what persons have said is not read")
		return
	}
	g.ask(wordsName, func() (func(), error) {
		all, err := read(ctx)
		return func() { g.e.Attestations = all }, err
	})
}

func (g *gatherer) dashboards(ctx context.Context, from sources.Dashboards) {
	if from == nil {
		g.missing(grafanaName, "no Grafana is configured: set grafana.address in the config")
		return
	}
	g.ask(grafanaName, func() (func(), error) {
		all, err := from.Dashboards(ctx)
		if all == nil {
			all = []sources.Dashboard{}
		}
		return func() { g.e.Dashboards = all }, err
	})
}

func (g *gatherer) builds(ctx context.Context, b *Builds) {
	if b == nil || b.Pipelines == nil {
		g.missing(buildsName, "no pipeline is read: set bitbucket.workspace in the config")
		return
	}
	services := g.e.services()
	for _, v := range services {
		if b.Repository(v) == "" {
			g.e.Unbuilt++
		}
	}
	g.ask(buildsName, func() (func(), error) {
		facts := b.Look(ctx, services, g.now)
		return func() { g.e.Builds = facts }, nil
	})
}

// proxy asks for routers; where there is none nothing is missing.
func (g *gatherer) proxy(ctx context.Context, from sources.Proxy) {
	if from == nil {
		return
	}
	g.ask(proxyName, func() (func(), error) {
		all, err := from.Routers(ctx)
		if all == nil {
			all = []sources.Router{}
		}
		return func() { g.e.Routers = all }, err
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
