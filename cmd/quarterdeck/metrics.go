package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"sort"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"quarterdeck/sources"
	"quarterdeck/ui"
	"quarterdeck/ui/chart"
	"quarterdeck/ui/plain"
)

type metricsOptions struct {
	since, query, compare string
	step                  time.Duration
}

func newMetricsCommand(s *surroundings) *cobra.Command {
	o := metricsOptions{}
	cmd := &cobra.Command{
		Use:   "metrics SERVICE",
		Short: "The standard series of a service, or PromQL by hand",
		Long: `Reads CPU, memory against its limit, network, disk, throttling, restarts, and requests,
errors and latency where they are found. Each series carries its query; an empty one says why. In JSON each also says how it is
known and, of a quantile, between which bounds of its histogram it lies.

  quarterdeck metrics shop_web --since 1h --compare yesterday

EXIT STATUS
  0 done; 2 usage; 3 Prometheus is unreachable or refuses; 130 interrupted`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 1 || (len(args) == 0) == (o.query == "") {
				return &exitStatus{exitUsage, errors.New("name one service, or ask by --query PROMQL")}
			}
			if _, ok := comparisons[o.compare]; !ok && o.compare != "" {
				return &exitStatus{exitUsage, fmt.Errorf("--compare is yesterday or week, and not %q", o.compare)}
			}
			return runMetrics(cmd.Context(), s, o, args)
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.since, "since", "1h", "from this `time` on: 15m, 2d, 14:30 or RFC 3339")
	f.DurationVar(&o.step, "step", 0, "between two points (default: the time in 120 steps)")
	f.StringVar(&o.query, "query", "", "`PromQL` by hand")
	f.StringVar(&o.compare, "compare", "", "lay beside it the same time of `WHEN`: yesterday or week")
	return cmd
}

func runMetrics(ctx context.Context, s *surroundings, o metricsOptions, args []string) error {
	now := time.Now()
	since, err := moment(o.since, now)
	if err != nil {
		return err
	}
	if !since.Before(now) || o.step < 0 {
		return &exitStatus{exitUsage, errors.New("--since must be in the past and --step above 0")}
	}
	p, asJSON, err := s.open("table")
	if err != nil {
		return err
	}
	defer p.Close()
	metrics, err := p.needMetrics()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, p.settings.Timeout)
	defer cancel()
	w := sources.Window{Start: since, End: now, Step: o.step}
	if w.Step == 0 {
		w.Step = now.Sub(since) / 120
	}
	service := ""
	var readings []sources.Reading
	if o.query != "" {
		a, err := metrics.Range(ctx, o.query, w)
		if err != nil {
			return err
		}
		readings = []sources.Reading{{Name: "query", Answer: a, Reason: whyNothing(a), How: "by the query"}}
	} else {
		service = args[0]
		if readings, err = metrics.Standard(ctx, service, w); err != nil && len(readings) == 0 {
			return err
		}
		sayHow(ctx, metrics, readings)
	}
	past := readThen(ctx, metrics, o, service, w)
	if asJSON {
		return json.NewEncoder(s.out).Encode(metricsOf(service, w, readings, past))
	}
	return writeMetrics(s.out, readings, past)
}

// sayHow says of the containers' figures how they are known: by which label, and how that was found. It is remembered, so nothing is asked twice.
func sayHow(ctx context.Context, metrics sources.Metrics, readings []sources.Reading) {
	label, how, err := metrics.ServiceLabel(ctx)
	for i := range readings {
		if r := &readings[i]; err == nil && r.How == "" && len(r.Answer.Series) > 0 {
			r.How = "as the containers' metrics have it, by " + label + " (" + how + ")"
		}
	}
}

func whyNothing(a sources.MetricsAnswer) string {
	if len(a.Series) == 0 {
		return "the query has no sample in this time"
	}
	return ""
}

type metricsJSON struct {
	Time    time.Time        `json:"time"`
	Service string           `json:"service"`
	Start   time.Time        `json:"start"`
	End     time.Time        `json:"end"`
	Step    float64          `json:"step"`
	Compare *compareJSON     `json:"compare"` // null: nothing is compared
	Series  []metricSeriesJS `json:"series"`
}

type metricSeriesJS struct {
	Name   string            `json:"name"`
	Unit   string            `json:"unit"`
	Labels map[string]string `json:"labels"`
	Query  string            `json:"query"`
	Last   *float64          `json:"last"`
	Reason string            `json:"reason"`
	Points []pointJSON       `json:"points"`
	How    string            `json:"how"`    // how it is known; "" where there is nothing
	Bounds []float64         `json:"bounds"` // finite upper bounds of the histogram that a quantile is made from, rising; none: no such histogram
	Limits *limitsJSON       `json:"limits"` // of last, between which bounds it lies; null where bounds has none
	Then   *thenJSON         `json:"then"`   // at the time that is compared with; null: nothing is
}

type pointJSON struct {
	Time  time.Time `json:"time"`
	Value *float64  `json:"value"`
}

func metricsOf(service string, w sources.Window, readings []sources.Reading, past *then) metricsJSON {
	out := metricsJSON{Time: w.End.UTC(), Service: service, Start: w.Start.UTC(), End: w.End.UTC(), Step: w.Step.Seconds(), Compare: past.json(), Series: []metricSeriesJS{}}
	for i := range readings {
		r := &readings[i]
		gone := past.gone(r)
		if len(r.Answer.Series) == 0 && len(gone) == 0 {
			out.Series = append(out.Series, seriesOf(r, nil, nil, past))
		}
		for _, x := range r.Answer.Series {
			out.Series = append(out.Series, seriesOf(r, x.Labels, x.Points, past))
		}
		for _, x := range gone {
			m := seriesOf(r, x.Labels, nil, past)
			if m.Reason == "" {
				m.Reason = "no sample of it in this time"
			}
			out.Series = append(out.Series, m)
		}
	}
	return out
}

func seriesOf(r *sources.Reading, labels map[string]string, points []sources.Point, past *then) metricSeriesJS {
	m := metricSeriesJS{Name: r.Name, Unit: r.Unit, Labels: labels, Query: r.Answer.Query, Reason: r.Reason, How: r.How, Bounds: r.Bounds, Then: past.of(r.Name, labels)}
	if m.Labels == nil {
		m.Labels = map[string]string{}
	}
	if m.Bounds == nil {
		m.Bounds = []float64{}
	}
	m.Points, m.Last = pointsJSON(points)
	m.Limits = limitsOf(r, m.Last)
	return m
}

// pointsJSON are points for JSON, and the last one's value.
func pointsJSON(points []sources.Point) (out []pointJSON, last *float64) {
	out = make([]pointJSON, 0, len(points))
	for _, p := range points {
		last = known(p.V)
		out = append(out, pointJSON{p.T.UTC(), last})
	}
	return out, last
}

// known is a figure for JSON: null where it could not be had.
func known(v float64) *float64 {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return nil
	}
	return &v
}

// figure is a figure for people.
func figure(v float64, unit string) string {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return "-"
	}
	return chart.Humanize(v, unit)
}

func writeMetrics(out io.Writer, readings []sources.Reading, past *then) error {
	w := tabwriter.NewWriter(out, 2, 8, 2, ' ', 0)
	before := ""
	if past != nil {
		before = strings.ToUpper(past.with) + "\t"
	}
	fmt.Fprintf(w, "SERIES\tLABELS\tNOW\t%sMIN\tMAX\tPOINTS\tNOTE\n", before)
	for i := range readings {
		r := &readings[i]
		gone := past.gone(r)
		if len(r.Answer.Series) == 0 && len(gone) == 0 {
			writeSeries(w, r, nil, nil, past)
		}
		for _, x := range r.Answer.Series {
			writeSeries(w, r, x.Labels, x.Points, past)
		}
		for _, x := range gone {
			writeSeries(w, r, x.Labels, nil, past)
		}
	}
	return w.Flush()
}

// writeSeries writes one row. A quantile stands as the bounds that it lies between, where they are far apart, as in the console's legends.
func writeSeries(w io.Writer, r *sources.Reading, labels map[string]string, points []sources.Point, past *then) {
	say := func(v float64) string { return figure(v, r.Unit) }
	if words := ui.BucketWords(*r, r.Unit); words != nil {
		say = func(v float64) string {
			if known(v) == nil {
				return "-"
			}
			return words(v)
		}
	}
	least, most, last := math.NaN(), math.NaN(), math.NaN()
	for _, p := range points {
		if !math.IsNaN(p.V) {
			least, most, last = fmin(least, p.V), fmax(most, p.V), p.V
		}
	}
	note, before := r.Reason, ""
	if past != nil {
		_, why := past.series(r.Name, labels)
		before = say(past.last(r.Name, labels)) + "\t"
		if why != "" && why != note {
			note = strings.TrimPrefix(note+"; "+past.with+": "+why, "; ")
		}
	}
	fmt.Fprintf(w, "%s\t%s\t%s\t%s%s\t%s\t%d\t%s\n", r.Name, plain.Line(labelWords(labels)), say(last), before, say(least), say(most), len(points), plain.Line(note))
}

func fmin(a, b float64) float64 {
	if math.IsNaN(a) {
		return b
	}
	return min(a, b)
}

func fmax(a, b float64) float64 {
	if math.IsNaN(a) {
		return b
	}
	return max(a, b)
}

func labelWords(labels map[string]string) string {
	var out []string
	for k, v := range labels {
		out = append(out, k+"="+v)
	}
	sort.Strings(out)
	return strings.Join(out, " ")
}
