package metrics

import (
	"net/http"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"quarterdeck/agent"
	"quarterdeck/recovery"
)

// Told are what is told of, read at each scrape; nil: that part does not run.
type Told struct {
	Backups func() agent.Status
	Scaling func() agent.ScaleStatus
}

// Handler serves what is told as /metrics and, as /healthz, whether all of it is alive.
func Handler(told Told, now func() time.Time) http.Handler {
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	if told.Backups != nil {
		registry.MustRegister(&collector{told.Backups})
	}
	if told.Scaling != nil {
		registry.MustRegister(&scaleCollector{told.Scaling})
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		if told.Backups != nil {
			if s := told.Backups(); !s.Alive(now()) {
				http.Error(w, "the agent has not looked what is due since "+s.Turned.UTC().Format(time.RFC3339), http.StatusServiceUnavailable)
				return
			}
		}
		if told.Scaling != nil {
			if s := told.Scaling(); !s.Alive(now()) {
				http.Error(w, "the autoscaler has not come round since "+s.Turned.UTC().Format(time.RFC3339), http.StatusServiceUnavailable)
				return
			}
		}
		_, _ = w.Write([]byte("ok\n")) // the asker has gone
	})
	return mux
}

// collector makes metrics of a status. What is told of services is told by the holder of the lease alone.
type collector struct {
	status func() agent.Status
}

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("quarterdeck_"+name, help, labels, nil)
}

var (
	leaseHeld    = desc("agent_lease_held", "Whether this agent holds the lease by which it is the only one that works.")
	runningTasks = desc("agent_running_tasks", "How many tasks the agent has in hand.", "kind")
	openRestores = desc("agent_open_restores", "Restores that are not at their end and that nobody executes: people must go on with them.")
	failures     = desc("agent_task_failures_total", "Attempts that failed since the agent was started.", "kind", "service")
	cleanUps     = desc("backup_cleanup_failures_total", "Clean-ups after a backup that failed since the agent was started.", "service")

	catalogueRead = desc("backup_catalogue_read_timestamp_seconds", "When the catalogue of backups was read last.")
	created       = desc("backup_service_created_timestamp_seconds", "When the service was created.", "service")
	usable        = desc("backup_policy_usable", "Whether backups can be made by the service's policy.", "service")
	lastSuccess   = desc("backup_last_success_timestamp_seconds", "The moment whose state the newest snapshot of what the policy names holds.", "service")
	maxAge        = desc("backup_max_age_seconds", "How old the newest snapshot may be, by the policy.", "service")
	lastSize      = desc("backup_last_size_bytes", "What the newest snapshot holds.", "service")
	snapshots     = desc("backup_snapshots", "How many snapshots there are.", "service")
	nextDue       = desc("backup_next_due_timestamp_seconds", "When a backup is due: since then, where it is late.", "service")
	givenUp       = desc("backup_given_up", "Whether all attempts for the backup that is due have failed.", "service")

	drillTime   = desc("drill_last_timestamp_seconds", "When the last drill, or restore, began.", "service")
	drillOK     = desc("drill_last_ok", "Whether the last drill was good.", "service")
	drillRTO    = desc("drill_last_rto_seconds", "How long the last good drill took until the data was back and verified.", "service")
	drillLimit  = desc("drill_rto_limit_seconds", "How long a restore may take, by the policy.", "service")
	drillMaxAge = desc("drill_max_age_seconds", "How old the last drill may be.", "service")

	auditTime = desc("repository_check_last_timestamp_seconds", "When the repository was looked through last.")
	auditOK   = desc("repository_check_last_ok", "Whether the repository was whole then.")
	auditDue  = desc("repository_check_next_due_timestamp_seconds", "When the repository is to be looked through again.")
)

var all = []*prometheus.Desc{leaseHeld, runningTasks, openRestores, failures, cleanUps, catalogueRead, created, usable, lastSuccess, maxAge, lastSize, snapshots, nextDue,
	givenUp, drillTime, drillOK, drillRTO, drillLimit, drillMaxAge, auditTime, auditOK, auditDue}

// Describe names all metrics there may be.
func (c *collector) Describe(out chan<- *prometheus.Desc) {
	for _, d := range all {
		out <- d
	}
}

// Collect gives them as of now.
func (c *collector) Collect(out chan<- prometheus.Metric) {
	s := c.status()
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	moment := func(d *prometheus.Desc, t time.Time, labels ...string) {
		if !t.IsZero() {
			gauge(d, float64(t.UnixMilli())/1000, labels...)
		}
	}
	gauge(leaseHeld, truth(s.Held))
	for _, kind := range []agent.Kind{agent.Backup, agent.Audit, agent.Drill} {
		gauge(runningTasks, truth(s.Running != nil && s.Running.Kind == kind), string(kind))
	}
	if !s.Held {
		return
	}
	count := func(d *prometheus.Desc, n int, labels ...string) { // from 0 on: of a counter that begins with its first failure Prometheus sees no increase
		out <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(n), labels...)
	}
	count(failures, s.Failed(agent.Audit, recovery.Repository), string(agent.Audit), recovery.Repository)
	gauge(openRestores, float64(s.Restores))
	moment(catalogueRead, s.Read)
	if s.Audit != nil {
		moment(auditTime, s.Audit.Began)
		gauge(auditOK, truth(s.Audit.OK))
	}
	moment(auditDue, s.AuditDue)
	for i := range s.Services {
		x := &s.Services[i]
		service(x, gauge, moment)
		if x.Policy.Usable() {
			count(failures, s.Failed(agent.Backup, x.Service), string(agent.Backup), valid(x.Service))
			count(failures, s.Failed(agent.Drill, x.Service), string(agent.Drill), valid(x.Service))
			count(cleanUps, s.CleanUps[x.Service], valid(x.Service))
		}
	}
}

// service gives the metrics of one service.
func service(x *agent.Service, gauge func(*prometheus.Desc, float64, ...string), moment func(*prometheus.Desc, time.Time, ...string)) {
	name := valid(x.Service)
	moment(created, x.Created, name)
	gauge(usable, truth(x.Policy.Usable()), name)
	gauge(snapshots, float64(x.Kept), name)
	if !x.Policy.Usable() {
		return
	}
	gauge(maxAge, x.Policy.MaxAge.Seconds(), name)
	moment(nextDue, x.Due, name)
	gauge(givenUp, truth(x.GivenUp), name)
	if x.Newest != nil {
		moment(lastSuccess, x.Newest.Taken, name)
		gauge(lastSize, float64(x.Newest.Size), name)
	}
	gauge(drillLimit, x.Policy.RTO.Seconds(), name)
	gauge(drillMaxAge, recovery.DrillMaxAge.Seconds(), name)
	if d := x.Drill; d != nil {
		moment(drillTime, d.Began, name)
		gauge(drillOK, truth(d.OK), name)
		if d.OK {
			gauge(drillRTO, d.RTO, name)
		}
	}
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// valid is a label's value as the text format takes it.
func valid(s string) string { return strings.ToValidUTF8(s, "?") }
