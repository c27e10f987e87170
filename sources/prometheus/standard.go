package prometheus

import (
	"context"
	"errors"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/common/model"

	"quarterdeck/sources"
)

// figure is one standard series of the containers of a service.
type figure struct {
	name, unit string
	// metric is what must be there for the figure to be: it is named where the figure is empty.
	metric string
	// promQL has the placeholders that [figure.query] fills; "" for what comes from requests.
	promQL string
	// unset says why services that are in order do not have the metric, or "".
	unset string
}

// figures are the standard series that come from the containers (SIGNALS.md), in the order of a page.
// In promQL BY is the service label, SEL the matchers, RATE the rate window, STEPSECONDS the step, LAG twice the scrape
// interval, STEPLAG the two together.
var figures = []figure{
	{name: "cpu", unit: "cores", metric: "container_cpu_usage_seconds_total",
		promQL: `sum by (BY) (rate(container_cpu_usage_seconds_total{SEL}[RATE]))`},
	{name: "memory", unit: "bytes", metric: "container_memory_working_set_bytes",
		promQL: `sum by (BY) (container_memory_working_set_bytes{SEL})`},
	// No limit is 0 to cAdvisor, or (cgroup v1) a number near 2^63.
	{name: "memory-limit", unit: "bytes", metric: "container_spec_memory_limit_bytes",
		promQL: `sum by (BY) (container_spec_memory_limit_bytes{SEL} > 0 < 1e18)`, unset: "no memory limit is set on it"},
	// Of each replica by itself: one that leaks ends long before the sum of all is at the sum of their limits.
	{name: "memory-of-limit", unit: "ratio", metric: "container_spec_memory_limit_bytes",
		promQL: `max by (BY) (container_memory_working_set_bytes{SEL} / (container_spec_memory_limit_bytes{SEL} > 0 < 1e18))`, unset: "no memory limit is set on it"},
	{name: "network-rx", unit: "bytes/s", metric: "container_network_receive_bytes_total",
		promQL: `sum by (BY) (rate(container_network_receive_bytes_total{SEL}[RATE]))`},
	{name: "network-tx", unit: "bytes/s", metric: "container_network_transmit_bytes_total",
		promQL: `sum by (BY) (rate(container_network_transmit_bytes_total{SEL}[RATE]))`},
	{name: "disk-read", unit: "bytes/s", metric: "container_fs_reads_bytes_total",
		promQL: `sum by (BY) (rate(container_fs_reads_bytes_total{SEL}[RATE])) or sum by (BY) (rate(container_blkio_device_usage_total{SEL, operation="Read"}[RATE]))`},
	{name: "disk-write", unit: "bytes/s", metric: "container_fs_writes_bytes_total",
		promQL: `sum by (BY) (rate(container_fs_writes_bytes_total{SEL}[RATE])) or sum by (BY) (rate(container_blkio_device_usage_total{SEL, operation="Write"}[RATE]))`},
	{name: "throttled", unit: "ratio", metric: "container_cpu_cfs_periods_total",
		promQL: `sum by (BY) (rate(container_cpu_cfs_throttled_periods_total{SEL}[RATE])) / sum by (BY) (rate(container_cpu_cfs_periods_total{SEL}[RATE]))`,
		unset:  "it has no CPU limit, so nothing throttles it"},
	// Swarm replaces a container and never restarts one, so changes() of a container's own series sees nothing.
	// The rule: containers whose start lies in the step that ends at the point. The look ahead (negative offset, on by
	// default since Prometheus 2.33) is because a container is first seen at the scrape after its start; the newest point
	// may therefore still grow. First deploys and scaling up count too. A container that lived shorter than a scrape is not seen.
	{name: "restarts", unit: "1", metric: "container_start_time_seconds",
		promQL: `count by (BY) ((last_over_time(container_start_time_seconds{SEL}[STEPLAG] offset -LAG) > time() - STEPSECONDS) <= time()) or 0 * count by (BY) (container_start_time_seconds{SEL})`},
}

// tasksFigure is how many containers of a service there are: for all services at once alone.
var tasksFigure = figure{name: "tasks", unit: "1", metric: "container_last_seen", promQL: `count by (BY) (container_last_seen{SEL})`}

// requestFigures are the standard series that come from a proxy or from the service itself.
var requestFigures = []figure{
	{name: "requests", unit: "1/s"}, {name: "errors", unit: "ratio"},
	{name: "p50", unit: "s"}, {name: "p95", unit: "s"}, {name: "p99", unit: "s"},
}

var allFigures = slices.Concat(figures, requestFigures)

func figureOf(list []figure, name string) (figure, bool) {
	i := slices.IndexFunc(list, func(f figure) bool { return f.name == name })
	if i < 0 {
		return figure{}, false
	}
	return list[i], true
}

// query writes the figure's PromQL for the matchers given.
func (f figure) query(label, matchers string, step, scrape time.Duration) string {
	lag := 2 * scrape
	return strings.NewReplacer(
		"STEPSECONDS", strconv.FormatFloat(step.Seconds(), 'f', -1, 64), "STEPLAG", promDuration(step+lag), "LAG", promDuration(lag),
		"BY", label, "SEL", matchers, "RATE", promDuration(RateWindow(step, scrape)),
	).Replace(f.promQL)
}

func promDuration(d time.Duration) string { return model.Duration(d).String() }

// equals is a matcher for exactly this value: PromQL's strings have Go's escapes, so any bytes are safe in it.
func equals(label, value string) string { return label + "=" + strconv.Quote(value) }

// likely is a matcher for any of the values as they stand, with a suffix that is a regular expression.
func likely(label, suffix string, values ...string) string {
	quoted := make([]string, len(values))
	for i, v := range values {
		quoted[i] = regexp.QuoteMeta(v)
	}
	return label + "=~" + strconv.Quote("(?:"+strings.Join(quoted, "|")+")"+suffix)
}

// Standard reads the standard series of one service over a window, those named or all. Each reading that is
// empty has its Reason. The error is not nil only where names are not known, or where not one could be asked for:
// the readings then still say so one by one.
func (c *Client) Standard(ctx context.Context, service string, w sources.Window, names ...string) ([]sources.Reading, error) {
	const op = "read the standard series"
	wanted := allFigures
	if len(names) > 0 {
		wanted = nil
		for _, n := range names {
			f, ok := figureOf(allFigures, n)
			if !ok {
				return nil, &sources.Error{Source: name, Op: op, Kind: sources.BadQuestion, Next: "ask for one of: " + strings.Join(figureNames(), ", "), Err: fmt.Errorf("%q is no standard series", n)}
			}
			wanted = append(wanted, f)
		}
	}
	if service == "" {
		return nil, &sources.Error{Source: name, Op: op, Kind: sources.BadQuestion, Next: "name the service", Err: errors.New("no service is named")}
	}
	w, err := c.window(ctx, op, w)
	if err != nil {
		return nil, err
	}
	// Asked once and first: a server that is away then costs one time-out, not one a figure.
	label, _, labelErr := c.ServiceLabel(ctx)
	readings := make([]sources.Reading, len(wanted))
	if labelErr != nil && sources.KindOf(labelErr) != sources.NotFound {
		for i, f := range wanted {
			readings[i] = sources.Reading{Name: f.name, Unit: f.unit, Reason: labelErr.Error()}
		}
		return readings, labelErr
	}
	failures := make([]error, len(wanted))
	var wg sync.WaitGroup
	var once sync.Once
	var bounds []float64
	for i, f := range wanted {
		wg.Go(func() {
			readings[i], failures[i] = c.reading(ctx, f, asked{label: label, labelErr: labelErr, service: service, w: w, once: &once, bounds: &bounds})
		}) // bounded by the gate
	}
	wg.Wait()
	if !slices.Contains(failures, nil) {
		return readings, failures[0]
	}
	return readings, nil
}

func figureNames() []string {
	out := make([]string, 0, len(allFigures))
	for _, f := range allFigures {
		out = append(out, f.name)
	}
	return out
}

// asked is the question that all figures of one page share; labelErr says why there is no label.
type asked struct {
	label    string
	labelErr error
	service  string
	w        sources.Window
	// once asks for the bounds of the histogram, for all quantiles of the page.
	once   *sync.Once
	bounds *[]float64
}

// reading reads one figure; the error says that it could not be asked for, and its text is the Reason too.
func (c *Client) reading(ctx context.Context, f figure, q asked) (sources.Reading, error) {
	r := sources.Reading{Name: f.name, Unit: f.unit}
	var err error
	if f.promQL == "" {
		err = c.readRequests(ctx, &r, q)
	} else {
		err = c.readContainers(ctx, &r, f, q)
	}
	if err != nil {
		r.Answer.Series, r.Reason = nil, err.Error()
		var e *sources.Error
		switch {
		case errors.As(err, &e) && e.Kind == sources.NotFound:
			r.Reason = fmt.Sprintf("%v: %s", e.Err, e.Next)
			return r, nil // an answer: it is not there
		case e != nil && e.Kind == sources.BadQuestion: // the query is ours and right: the server does not know its language
			e.Kind, e.Next = sources.TooOld, "upgrade to Prometheus 2.33 or later, or to what is compatible with it"
			r.Reason = e.Error()
		}
	}
	return r, err
}

func (c *Client) readContainers(ctx context.Context, r *sources.Reading, f figure, q asked) error {
	if q.labelErr != nil {
		return q.labelErr
	}
	var err error
	r.Answer, err = c.Range(ctx, f.query(q.label, equals(q.label, q.service), q.w.Step, c.scrapeInterval(ctx)), q.w)
	if err == nil && !tidy(&r.Answer) {
		r.Reason = c.whyEmpty(ctx, f, q)
	}
	return err
}

// tidy makes NaN of what is infinite (a quantile in the last bucket) and tells whether any value is left.
// Where none is, the answer has no series.
func tidy(a *sources.MetricsAnswer) bool {
	some, infinite := false, false
	for _, s := range a.Series {
		for i, p := range s.Points {
			if math.IsInf(p.V, 0) {
				infinite = true
				s.Points[i].V = math.NaN()
			} else if !math.IsNaN(p.V) {
				some = true
			}
		}
	}
	if infinite {
		a.Warnings = append(a.Warnings, "some values are infinite and left out")
	}
	if !some {
		a.Series = nil
	}
	return some
}

// UsageAll reads one standard series of the containers (cpu, memory, …) of every service with one query.
// What is not a number is left out. No service at all is NotFound, with the reason.
func (c *Client) UsageAll(ctx context.Context, figure string, w sources.Window) (map[string][]sources.Point, error) {
	op := "read " + figure + " of all services"
	f, ok := figureOf(append(figures[:len(figures):len(figures)], tasksFigure), figure)
	if !ok {
		return nil, &sources.Error{Source: name, Op: op, Kind: sources.BadQuestion, Next: "ask for cpu, memory or tasks", Err: fmt.Errorf("%q is no standard series of containers", figure)}
	}
	w, err := c.window(ctx, op, w)
	if err != nil {
		return nil, err
	}
	label, _, err := c.ServiceLabel(ctx)
	if err != nil {
		return nil, err
	}
	a, err := c.Range(ctx, f.query(label, label+`!=""`, w.Step, c.scrapeInterval(ctx)), w)
	if err != nil {
		return nil, err
	}
	out := make(map[string][]sources.Point, len(a.Series))
	for _, s := range a.Series {
		s.Points = slices.DeleteFunc(s.Points, func(p sources.Point) bool { return math.IsNaN(p.V) || math.IsInf(p.V, 0) })
		if len(s.Points) > 0 {
			out[s.Labels[label]] = s.Points
		}
	}
	if len(out) == 0 {
		return nil, &sources.Error{Source: name, Op: op, Kind: sources.NotFound, Next: "check that the exporter gives it, and that it was scraped then",
			Err: fmt.Errorf("no sample of %s for any service %s", f.metric, during(w, time.Now()))}
	}
	return out, nil
}
