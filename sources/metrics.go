package sources

import (
	"context"
	"math"
	"sort"
	"time"
)

// Point is one sample. V may be NaN where the series has no value at T.
type Point struct {
	T time.Time
	V float64
}

// Series is a labelled run of samples in rising time order.
type Series struct {
	Labels map[string]string
	Points []Point
}

// MetricsAnswer is the answer to a metric query.
type MetricsAnswer struct {
	Series []Series
	// Query is the PromQL that was asked: shown, so a person can repeat it.
	Query    string
	Warnings []string
}

// Window is a stretch of time, cut in steps, for a chart.
type Window struct {
	Start, End time.Time
	// Step is from one point to the next; 0: the source chooses it for about so many Points, which 0 means 200.
	Step   time.Duration
	Points int
}

// Usage is one figure of every service at once: service name to value.
type Usage map[string]float64

// Reading is a named standard series of one service.
type Reading struct {
	Name   string // cpu, memory, memory-limit, memory-of-limit, network-rx, network-tx, disk-read, disk-write, throttled, restarts, requests, errors, p50, p95, p99
	Unit   string // cores | bytes | bytes/s | ratio | 1/s | s | 1
	Answer MetricsAnswer
	// Reason says why Answer is empty, where it is; never empty together with an empty answer.
	Reason string
	// How says in words where the figures come from, where that had to be found out: "as Traefik counts them".
	How string
	// Bounds are the finite upper bounds of the histogram that a quantile is made from, rising; the true quantile lies
	// anywhere between two of them. nil: no such histogram.
	Bounds []float64
}

// fine is up to how many times its lower bound a bucket's upper one may be for the quantile in it to be a figure: the steps
// of the usual 1, 2.5, 5, 10.
const fine = 2.51

// Bucket is the bucket of the reading's histogram that a quantile's value lies in, and whether it is so wide that the
// bounds are the honest answer. hi is +Inf above the last bound, where histogram_quantile gives that bound.
func (r Reading) Bucket(v float64) (lo, hi float64, coarse bool) {
	if len(r.Bounds) == 0 || math.IsNaN(v) || v < 0 {
		return v, v, false
	}
	i := sort.SearchFloat64s(r.Bounds, v)
	if i > 0 {
		lo = r.Bounds[i-1]
	}
	if hi = math.Inf(1); i < len(r.Bounds) {
		hi = r.Bounds[i]
	}
	if last := r.Bounds[len(r.Bounds)-1]; v >= last {
		return last, math.Inf(1), true
	}
	return lo, hi, lo <= 0 || hi > fine*lo
}

// Target is something that Prometheus scrapes.
type Target struct {
	Job, Instance, Health, LastError string
	LastScrape                       time.Time
	// Every is how often it is scraped; 0: the server does not say.
	Every  time.Duration
	Labels map[string]string
}

// Rule is an alerting or recording rule.
type Rule struct {
	Group, Name, Query, State, Severity string
	For                                 time.Duration
	// Every is how often its group is evaluated; 0: the server does not say.
	Every               time.Duration
	Alerting            bool
	Labels, Annotations map[string]string
	Alerts              []Alert
	LastError           string
}

// Metrics is a source of time series. Safe for concurrent use.
type Metrics interface {
	// Instant evaluates PromQL at one moment; each series has one point. Grafana's $__rate_interval, $__interval and
	// $__range are known here and in Range, as Grafana fills them.
	Instant(ctx context.Context, query string, at time.Time) (MetricsAnswer, error)
	// Range evaluates PromQL over a window.
	Range(ctx context.Context, query string, w Window) (MetricsAnswer, error)
	// Standard reads the standard series of one service (SIGNALS.md) over a window, those
	// named, or all where names is empty. A failing series does not fail the others.
	Standard(ctx context.Context, service string, w Window, names ...string) ([]Reading, error)
	// UsageAll reads one standard series (cpu, memory), or how many containers there are (tasks), of every service with one query.
	UsageAll(ctx context.Context, name string, w Window) (map[string][]Point, error)
	// NodeUsage reads by node name: cpu (cores) or memory (bytes) used now.
	NodeUsage(ctx context.Context, name string, at time.Time) (Usage, error)
	Targets(ctx context.Context) ([]Target, error)
	Rules(ctx context.Context) ([]Rule, error)
	// ActiveAlerts are the pending and firing alerts of the rules, without the rules: where nothing is wrong the answer is
	// empty, however many rules there are. An alert is dated by when its condition began to hold.
	ActiveAlerts(ctx context.Context) ([]Alert, error)
	// ServiceLabel is the label that names the service in the container metrics, as set or
	// discovered, with how that is known.
	ServiceLabel(ctx context.Context) (label, how string, err error)
	// Complete offers what may stand at a byte of a query that is being written: names, labels, values, functions,
	// words. It asks the server for what it does not remember, for recent names only.
	Complete(ctx context.Context, query string, at int) (Completion, error)
	Probe(ctx context.Context) Probe
}
