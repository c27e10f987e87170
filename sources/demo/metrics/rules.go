package metrics

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"text/template"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"

	"quarterdeck/sources/demo/world"
)

// Rule is an alerting rule.
type Rule struct {
	Group, Name, Query, Severity string
	For                          time.Duration
	Summary, Description         string // text/template over .Labels and .Value
}

const (
	svc = serviceLabel
	// swarmLabel is the label under which rules on Traefik's figures name the service: theirs is "shop_api@swarm", so that it is joined to the
	// swarm's name as such rules do, by label_replace.
	swarmLabel = "swarm_service"
)

// bySwarm is a query of Traefik's series with the service's name in the swarm as a label.
func bySwarm(query string) string {
	return `label_replace(` + query + `, "` + swarmLabel + `", "$1", "service", "(.+)@swarm")`
}

// ruleList is few and each worth a call, as stage 2 asks for.
var ruleList = []Rule{
	{"platform", "NodeDown", `up{job="node-exporter"} == 0`, "critical", 30 * time.Second, "Node {{.Labels.node}} is down", "node-exporter on {{.Labels.instance}} does not answer"},
	{"platform", "DiskAlmostFull", `node_filesystem_avail_bytes{mountpoint="/"} / node_filesystem_size_bytes < 0.1`, "critical", 15 * time.Second, "Disk of {{.Labels.node}} is almost full", "{{.Value}} of / is left"},
	{"services", "ServiceDown", `count by (` + svc + `) (container_last_seen offset 15m) unless count by (` + svc + `) (container_last_seen)`, "critical", 30 * time.Second, "{{.Service}} has no running container", "all containers of the last quarter of an hour are gone"},
	{"services", "ServiceCrashLooping", `count by (` + svc + `) (max_over_time(container_start_time_seconds[5m]) > time() - 300) - count by (` + svc + `) (container_start_time_seconds offset 10m) >= 1`, "critical", 30 * time.Second, "{{.Service}} restarts over and over", "more containers were started in five minutes than it has tasks"},
	{"services", "HighErrorRate", `sum by (` + swarmLabel + `) (` + bySwarm(`rate(traefik_service_requests_total{code=~"5.."}[1m])`) + `) / sum by (` + swarmLabel + `) (` + bySwarm(`rate(traefik_service_requests_total[1m])`) + `) > 0.05`, "critical", 30 * time.Second, "{{.Service}} answers with errors", "{{.Value}} of its requests fail"},
	{"services", "HighLatency", `histogram_quantile(0.95, sum by (` + swarmLabel + `, le) (` + bySwarm(`rate(traefik_service_request_duration_seconds_bucket[2m])`) + `)) > 1.25`, "warning", 30 * time.Second, "{{.Service}} is slow", "its 95th percentile is {{.Value}} s"},
	{"services", "MemoryNearLimit", `max by (` + svc + `) (container_memory_working_set_bytes / (container_spec_memory_limit_bytes > 0)) > 0.9`, "warning", 15 * time.Second, "{{.Service}} is near its memory limit", "{{.Value}} of the limit is in use"},
	{"services", "CPUThrottling", `max by (` + svc + `) (rate(container_cpu_cfs_throttled_periods_total[1m]) / rate(container_cpu_cfs_periods_total[1m])) > 0.5`, "warning", 15 * time.Second, "{{.Service}} is throttled", "{{.Value}} of its CPU periods"},
	{"services", "CertificateExpiring", `(traefik_tls_certs_not_after - time()) / 86400 < 21`, "warning", 0, "The certificate of {{.Labels.cn}} expires soon", "{{.Value}} days are left"},
}

// Alert is one active alert of a rule.
type Alert struct {
	Rule        *Rule
	Labels      map[string]string
	Annotations map[string]string
	Value       float64
	Active      time.Time // since when the expression holds
	Firing      time.Time // zero: pending
	Resolved    time.Time // zero: still active
	key         string
}

// State is firing or pending.
func (a *Alert) State() string {
	if a.Firing.IsZero() {
		return "pending"
	}
	return "firing"
}

// Rules evaluates the alerting rules and remembers what was active. Safe for concurrent use.
type Rules struct {
	w      *world.World
	eval   func(ctx context.Context, query string, at time.Time) (promql.Vector, error)
	mu     sync.Mutex
	active map[string]*Alert
	past   []*Alert // resolved, newest last, bounded
	rules  []Rule   // as the team has them
	last   map[string]time.Time
	took   map[string]time.Duration
	failed map[string]error
}

const keptAlerts = 500

// rulesOf are the rules as the world's team has them.
func rulesOf(w *world.World) []Rule {
	a := w.Alerting()
	if a.None {
		return nil
	}
	out := slices.Clone(ruleList)
	for i := range out {
		if a.AllCritical {
			out[i].Severity = "critical"
		}
	}
	return out
}

func newRules(w *world.World) *Rules {
	return &Rules{w: w, rules: rulesOf(w), active: map[string]*Alert{}, last: map[string]time.Time{}, took: map[string]time.Duration{}, failed: map[string]error{}}
}

// Run evaluates until ctx ends: every 5 s, on a big fleet every 30 s.
func (r *Rules) Run(ctx context.Context) {
	every := 5 * time.Second
	if r.w.Big() {
		every = 30 * time.Second
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		r.Evaluate(ctx)
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// Evaluate runs all rules once.
func (r *Rules) Evaluate(ctx context.Context) {
	now := r.w.Now()
	for i := range r.rules {
		rule := &r.rules[i]
		begun := time.Now()
		v, err := r.eval(ctx, rule.Query, now)
		if ctx.Err() != nil {
			return
		}
		r.mu.Lock()
		r.last[rule.Name], r.took[rule.Name], r.failed[rule.Name] = now, time.Since(begun), err
		if err == nil {
			r.apply(rule, v, now)
		}
		r.mu.Unlock()
	}
}

func (r *Rules) apply(rule *Rule, v promql.Vector, now time.Time) {
	seen := map[string]bool{}
	for _, s := range v {
		l := s.Metric.Map()
		delete(l, model.MetricNameLabel)
		l["alertname"], l["severity"] = rule.Name, rule.Severity
		key := labels.FromMap(l).String()
		seen[key] = true
		a := r.active[key]
		if a == nil {
			a = &Alert{Rule: rule, Labels: l, Active: now, key: key}
			r.active[key] = a
		}
		next := *a
		next.Value, next.Annotations = s.F, annotate(rule, l, s.F)
		if next.Firing.IsZero() && now.Sub(a.Active) >= rule.For {
			next.Firing = now
		}
		r.active[key] = &next
	}
	for key, a := range r.active {
		if a.Rule == rule && !seen[key] {
			gone := *a
			gone.Resolved = now
			delete(r.active, key)
			r.past = append(r.past, &gone)
			if len(r.past) > keptAlerts {
				r.past = slices.Clone(r.past[len(r.past)-keptAlerts:])
			}
		}
	}
}

func annotate(rule *Rule, l map[string]string, v float64) map[string]string {
	service := cmp.Or(l[swarmLabel], l[serviceLabel])
	data := map[string]any{"Labels": l, "Value": strconv.FormatFloat(v, 'g', 3, 64), "Service": service}
	out := map[string]string{}
	for name, text := range map[string]string{"summary": rule.Summary, "description": rule.Description} {
		t, err := template.New(name).Parse(text)
		var b bytes.Buffer
		if err == nil {
			err = t.Execute(&b, data)
		}
		if err != nil {
			b.WriteString(text)
		}
		out[name] = b.String()
	}
	return out
}

// Active is what is active now, by rule and labels.
func (r *Rules) Active() []Alert {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.list()
}

func (r *Rules) list() []Alert {
	out := make([]Alert, 0, len(r.active))
	for _, a := range r.active {
		out = append(out, *a)
	}
	slices.SortFunc(out, func(a, b Alert) int { return bytes.Compare([]byte(a.key), []byte(b.key)) })
	return out
}

// series are ALERTS: one for the pending and one for the firing time of each alert.
func (r *Rules) series(b *builder) {
	r.mu.Lock()
	all := make([]Alert, 0, len(r.active)+len(r.past))
	for _, a := range r.past {
		all = append(all, *a)
	}
	all = append(all, r.list()...)
	r.mu.Unlock()
	// One alert may come and go: its times share a series.
	groups, order := map[string][]Alert{}, []string{}
	for _, a := range all {
		if groups[a.key] == nil {
			order = append(order, a.key)
		}
		groups[a.key] = append(groups[a.key], a)
	}
	for _, key := range order {
		for _, state := range []string{"pending", "firing"} {
			kv := []string{"alertstate", state}
			for k, v := range groups[key][0].Labels {
				kv = append(kv, k, v)
			}
			b.add("ALERTS", kv, func(i int) float64 { return alertAt(groups[key], state, b.t[i]) })
		}
	}
}

func alertAt(times []Alert, state string, t float64) float64 {
	out := nan
	for i := range times {
		a := &times[i]
		from, to := unix(a.Active), unix(a.Resolved)
		if state == "pending" && !a.Firing.IsZero() {
			to = unix(a.Firing)
		}
		if state == "firing" {
			if a.Firing.IsZero() {
				continue
			}
			from = unix(a.Firing)
		}
		switch {
		case t >= from && (to == 0 || t < to):
			return 1
		case to > 0 && t >= to && t < to+Scrape/1000:
			out = stale
		}
	}
	return out
}

var nan = func() float64 { z := 0.0; return z / z }()

func unix(t time.Time) float64 {
	if t.IsZero() {
		return 0
	}
	return float64(t.UnixMilli()) / 1000
}

type alertJSON struct {
	Labels      map[string]string `json:"labels"`
	Annotations map[string]string `json:"annotations"`
	State       string            `json:"state"`
	ActiveAt    time.Time         `json:"activeAt"`
	Value       string            `json:"value"`
}

func jsonOf(a *Alert) alertJSON {
	return alertJSON{a.Labels, a.Annotations, a.State(), a.Active.UTC(), strconv.FormatFloat(a.Value, 'e', -1, 64)}
}

func (s *Server) alerts(*http.Request) (any, error) {
	out := []alertJSON{}
	for _, a := range s.rules.Active() {
		out = append(out, jsonOf(&a))
	}
	return map[string]any{"alerts": out}, nil
}

type ruleJSON struct {
	State          string            `json:"state"`
	Name           string            `json:"name"`
	Query          string            `json:"query"`
	Duration       float64           `json:"duration"`
	KeepFiringFor  float64           `json:"keepFiringFor"`
	Labels         map[string]string `json:"labels"`
	Annotations    map[string]string `json:"annotations"`
	Alerts         []alertJSON       `json:"alerts"`
	Health         string            `json:"health"`
	LastError      string            `json:"lastError,omitempty"`
	EvaluationTime float64           `json:"evaluationTime"`
	LastEvaluation time.Time         `json:"lastEvaluation"`
	Type           string            `json:"type"`
}

type groupJSON struct {
	Name           string     `json:"name"`
	File           string     `json:"file"`
	Rules          []ruleJSON `json:"rules"`
	Interval       float64    `json:"interval"`
	Limit          int        `json:"limit"`
	EvaluationTime float64    `json:"evaluationTime"`
	LastEvaluation time.Time  `json:"lastEvaluation"`
}

func (s *Server) listRules(r *http.Request) (any, error) {
	if t := r.Form.Get("type"); t != "" && t != "alert" && t != "record" {
		return nil, badData("invalid parameter %q: not supported value %q", "type", t)
	}
	rs := s.rules
	rs.mu.Lock()
	defer rs.mu.Unlock()
	groups := []groupJSON{}
	if r.Form.Get("type") == "record" {
		return map[string]any{"groups": groups}, nil
	}
	active := rs.list()
	for i := range rs.rules {
		rule := &rs.rules[i]
		j := ruleJSON{
			State: "inactive", Name: rule.Name, Query: rule.Query, Duration: rule.For.Seconds(), Labels: map[string]string{"severity": rule.Severity}, Health: "ok", Type: "alerting", Alerts: []alertJSON{},
			Annotations: map[string]string{"summary": rule.Summary, "description": rule.Description}, EvaluationTime: rs.took[rule.Name].Seconds(), LastEvaluation: rs.last[rule.Name].UTC(),
		}
		if err := rs.failed[rule.Name]; err != nil {
			j.Health, j.LastError = "err", err.Error()
		}
		for k := range active {
			if a := &active[k]; a.Rule == rule {
				if j.State != "firing" {
					j.State = a.State()
				}
				j.Alerts = append(j.Alerts, jsonOf(a))
			}
		}
		if n := len(groups); n == 0 || groups[n-1].Name != rule.Group {
			groups = append(groups, groupJSON{Name: rule.Group, File: "/etc/prometheus/rules/" + rule.Group + ".yml", Interval: 15, LastEvaluation: j.LastEvaluation})
		}
		g := &groups[len(groups)-1]
		g.Rules = append(g.Rules, j)
		g.EvaluationTime += j.EvaluationTime
	}
	return map[string]any{"groups": groups}, nil
}

// Fingerprint is the alert's identity as Alertmanager makes it from its labels.
func (a *Alert) Fingerprint() string {
	l := model.LabelSet{}
	for k, v := range a.Labels {
		l[model.LabelName(k)] = model.LabelValue(v)
	}
	return fmt.Sprintf("%016x", uint64(l.Fingerprint()))
}
