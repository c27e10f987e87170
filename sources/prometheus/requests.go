package prometheus

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/prometheus/common/model"

	"quarterdeck/sources"
)

// requestMetrics are the names of request counters and latency histograms: Traefik's, those of the usual client
// libraries with whatever prefix, OpenTelemetry's, Spring's and ASP.NET's. A name without _bucket or _count is a native histogram.
const requestMetrics = `traefik_service_requests_total|traefik_service_request_duration_seconds(?:_bucket|_count)?` +
	`|(?:.+_)?http_(?:server_)?requests?(?:_received)?_total` +
	`|(?:.+_)?http_(?:server_)?requests?(?:_duration)?_seconds(?:_bucket|_count)?`

// requestServiceLabels may name the service on those metrics; the container metrics' own label is tried first.
var requestServiceLabels = []string{"swarm_service", "service_name", "swarm_service_name", "service", "exported_service", "job"}

// codeLabels may hold the HTTP status.
var codeLabels = []string{"code", "status_code", "http_response_status_code", "http_status_code", "status"}

// webSeries is one combination of metric, service labels and code label that exists.
type webSeries struct {
	metric string
	labels map[string]string
}

type webFinding []webSeries

// webSource says where a service's requests are counted.
type webSource struct {
	counter, bucket, native string // metric names; "" where there is none
	matchers                string // of the service
	code                    string // label with the HTTP status, or ""
	how                     string // in words, METRIC for the metric's name
}

// webMetrics finds once in a while which request metrics exist, for which services: one query, a row for each
// metric, service and status (le is held to one bucket, so that histograms count once).
func (c *Client) webMetrics(ctx context.Context, label string) (webFinding, error) {
	return c.web.get(ctx, func(ctx context.Context) (webFinding, time.Duration, error) {
		by := slices.Concat([]string{"__name__"}, requestServiceLabels, codeLabels)
		if label != "" && !slices.Contains(by, label) {
			by = append(by, label)
		}
		selector := fmt.Sprintf(`{__name__=~"%s", le=~"|\\+Inf", quantile=""}`, requestMetrics)
		vector, stopped, err := c.countLately(ctx, "find the request metrics", strings.Join(by, ", "), selector)
		if err != nil {
			return nil, 0, err
		}
		out := make(webFinding, 0, len(vector))
		for _, s := range vector {
			ls := labels(model.LabelSet(s.Metric))
			out = append(out, webSeries{metric: ls["__name__"], labels: ls})
		}
		hold := 2 * time.Minute
		if len(out) == 0 || stopped {
			hold = holdMissing
		}
		return out, hold, nil
	})
}

// webSource finds a service's requests: as Traefik counts them where it does, since that is what the users
// see, else as the service counts them itself.
func (f webFinding) webSource(service, label string, services []string) (webSource, bool) {
	var traefik, own webFinding
	for _, s := range f {
		if strings.HasPrefix(s.metric, "traefik_service_") {
			traefik = append(traefik, s)
		} else {
			own = append(own, s)
		}
	}
	if src, ok := traefik.traefikSource(service, services); ok {
		return src, true
	}
	for _, l := range append([]string{label}, requestServiceLabels...) {
		mine := slices.DeleteFunc(slices.Clone(own), func(s webSeries) bool { return l == "" || s.labels[l] != service })
		if len(mine) > 0 {
			src := mine.choose()
			src.matchers = equals(l, service)
			src.how = "as its own METRIC counts them, by " + l
			return src, true
		}
	}
	return webSource{}, false
}

// traefikSource matches Swarm's name of a service to Traefik's, "name@provider". Traefik takes the router's label, else
// the service's name with all but letters and digits made "-" (pkg/provider/docker: getServiceName, provider.Normalize). A
// name without its stack ("web" of shop_web) is a guess, made only where no other service could claim it.
func (f webFinding) traefikSource(service string, services []string) (webSource, bool) {
	traefiks := "service"
	if slices.ContainsFunc(f, func(s webSeries) bool { return s.labels["exported_service"] != "" }) {
		traefiks = "exported_service" // the target has a service label of its own, and honor_labels is off
	}
	take := func(names ...string) (webSource, bool) {
		mine := slices.DeleteFunc(slices.Clone(f), func(s webSeries) bool {
			base, _, _ := strings.Cut(s.labels[traefiks], "@")
			return !slices.Contains(names, base)
		})
		src := mine.choose()
		src.matchers, src.how = likely(traefiks, "(?:@.*)?", names...), "as Traefik counts them"
		if len(mine) > 0 {
			src.how += fmt.Sprintf(" (%s=%q)", traefiks, mine[0].labels[traefiks])
		}
		return src, len(mine) > 0
	}
	if src, ok := take(service, normalized(service)); ok {
		return src, true
	}
	_, short, stacked := strings.Cut(service, "_")
	if !stacked || slices.ContainsFunc(services, func(s string) bool { return s != service && (s == short || strings.HasSuffix(s, "_"+short)) }) {
		return webSource{}, false
	}
	src, ok := take(short, normalized(short))
	src.how += fmt.Sprintf(", whose service %s is taken for this one by its name alone", short)
	return src, ok
}

func normalized(service string) string {
	return strings.Join(strings.FieldsFunc(service, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsNumber(r) }), "-")
}

// choose takes a counter, a histogram and the code label from the series of one service; of many the first by name.
func (f webFinding) choose() webSource {
	var src webSource
	var count string
	first := func(have *string, metric string) {
		if *have == "" || metric < *have {
			*have = metric
		}
	}
	for _, s := range f {
		switch {
		case strings.HasSuffix(s.metric, "_total"):
			first(&src.counter, s.metric)
		case strings.HasSuffix(s.metric, "_count"):
			first(&count, s.metric)
		case strings.HasSuffix(s.metric, "_bucket"):
			first(&src.bucket, s.metric)
		default:
			first(&src.native, s.metric)
		}
	}
	if src.counter == "" {
		src.counter = count
	}
	counted := src.any()
	for _, l := range codeLabels {
		if slices.ContainsFunc(f, func(s webSeries) bool { return s.metric == counted && s.labels[l] != "" }) {
			src.code = l
			break
		}
	}
	return src
}

// any is the metric that counts requests.
func (s webSource) any() string {
	switch {
	case s.counter != "":
		return s.counter
	case s.bucket != "":
		return s.bucket
	}
	return s.native
}

// words say how the service's figures are known that come from a metric.
func (s webSource) words(metric string) string { return strings.ReplaceAll(s.how, "METRIC", metric) }

// rate is the PromQL of requests a second, by any labels, with more matchers.
func (s webSource) rate(window string, more ...string) string {
	m := strings.Join(append([]string{s.matchers}, more...), ", ")
	switch {
	case s.counter != "":
		return fmt.Sprintf("rate(%s{%s}[%s])", s.counter, m, window)
	case s.bucket != "":
		return fmt.Sprintf(`rate(%s{%s, le="+Inf"}[%s])`, s.bucket, m, window)
	}
	return fmt.Sprintf("histogram_count(rate(%s{%s}[%s]))", s.native, m, window)
}

var quantiles = map[string]string{"p50": "0.5", "p95": "0.95", "p99": "0.99"}

// query is the PromQL of one request figure, or why there is none.
func (s webSource) query(figure, window string) (promQL, why string) {
	switch q := quantiles[figure]; {
	case figure == "requests" && s.code == "":
		return "sum (" + s.rate(window) + ")", ""
	case figure == "requests":
		return fmt.Sprintf("sum by (%s) (%s)", s.code, s.rate(window)), ""
	case figure == "errors" && s.code == "":
		return "", fmt.Sprintf("%s carries no HTTP status, so errors cannot be told", s.any())
	case figure == "errors":
		all, bad := s.rate(window), s.rate(window, s.code+`=~"5.."`)
		return fmt.Sprintf("(sum (%s) or 0 * sum (%s)) / sum (%s)", bad, all, all), ""
	case s.bucket != "":
		return fmt.Sprintf("histogram_quantile(%s, sum by (le) (rate(%s{%s}[%s])))", q, s.bucket, s.matchers, window), ""
	case s.native != "":
		return fmt.Sprintf("histogram_quantile(%s, sum (rate(%s{%s}[%s])))", q, s.native, s.matchers, window), ""
	}
	return "", fmt.Sprintf("requests are counted (%s), but there is no histogram of their duration", s.counter)
}

func (c *Client) readRequests(ctx context.Context, r *sources.Reading, q asked) error {
	found, err := c.webMetrics(ctx, q.label)
	if err != nil {
		return err
	}
	src, ok := found.webSource(q.service, q.label, c.servicesIn(ctx, found, q))
	if !ok {
		return c.noRequests(found, q)
	}
	promQL, why := src.query(r.Name, promDuration(RateWindow(q.w.Step, c.scrapeInterval(ctx))))
	if why != "" {
		r.Reason = why
		return nil
	}
	if r.Answer, err = c.Range(ctx, promQL, q.w); err != nil {
		return err
	}
	r.How = src.words(src.any())
	if quantiles[r.Name] != "" && src.bucket != "" {
		q.once.Do(func() { *q.bounds = c.bounds(ctx, src) })
		r.Bounds, r.How = *q.bounds, src.words(src.bucket)
	}
	if src.code != "" && src.code != "code" {
		for _, s := range r.Answer.Series {
			if v, ok := s.Labels[src.code]; ok {
				delete(s.Labels, src.code)
				s.Labels["code"] = v
			}
		}
	}
	if !tidy(&r.Answer) {
		r.Reason = fmt.Sprintf("no requests to service %s %s, %s", q.service, during(q.w, time.Now()), src.words(src.any()))
	}
	return nil
}

func (c *Client) noRequests(found webFinding, q asked) error {
	e := &sources.Error{Source: name, Op: "read requests", Kind: sources.NotFound,
		Next: "route it through Traefik with its metrics on, or let the service export http_requests_total and http_request_duration_seconds with its name as swarm_service"}
	e.Err = errors.New("no request metrics at all: neither Traefik's nor the services' own")
	if len(found) > 0 {
		names := map[string]bool{}
		for _, s := range found {
			names[s.metric] = true
		}
		e.Err = fmt.Errorf("no request metrics of service %s; %s are there, and none of their labels names it", q.service, counted(len(names), "request metric"))
	}
	return e
}

// servicesIn are the services that the container metrics know, needed only where Traefik's names must be guessed.
func (c *Client) servicesIn(ctx context.Context, found webFinding, q asked) []string {
	traefik := slices.ContainsFunc(found, func(s webSeries) bool { return strings.HasPrefix(s.metric, "traefik_service_") })
	if !traefik || q.label == "" {
		return nil
	}
	f, err := c.finding(ctx)
	if err != nil || f.label != q.label {
		return nil
	}
	return f.services
}

// bounds are the finite upper bounds of a histogram, rising; nil where they cannot be had.
func (c *Client) bounds(ctx context.Context, src webSource) []float64 {
	vector, err := c.ask(ctx, "ask for the bounds", fmt.Sprintf("count by (le) (%s{%s})", src.bucket, src.matchers), time.Time{})
	if err != nil {
		return nil
	}
	var out []float64
	for _, s := range vector {
		if f, err := strconv.ParseFloat(string(s.Metric["le"]), 64); err == nil && !math.IsInf(f, 0) && !math.IsNaN(f) {
			out = append(out, f)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}
