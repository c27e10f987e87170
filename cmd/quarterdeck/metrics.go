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
	"quarterdeck/ui/chart"
	"quarterdeck/ui/plain"
)

type metricsOptions struct {
	since, query string
	step         time.Duration
}

func newMetricsCommand(s *surroundings) *cobra.Command {
	o := metricsOptions{}
	cmd := &cobra.Command{
		Use:   "metrics SERVICE",
		Short: "The standard series of a service, or PromQL by hand",
		Long: `Reads CPU, memory against its limit, network, disk, throttling, restarts, and requests,
errors and latency where they are found. Each series carries its query; an empty one says why.

EXIT STATUS
  0 done; 2 usage; 3 Prometheus is unreachable or refuses; 130 interrupted`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 1 || (len(args) == 0) == (o.query == "") {
				return &exitStatus{exitUsage, errors.New("name one service, or ask by --query PROMQL")}
			}
			return runMetrics(cmd.Context(), s, o, args)
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.since, "since", "1h", "from this `time` on: 15m, 2d, 14:30 or RFC 3339")
	f.DurationVar(&o.step, "step", 0, "between two points (default: the time in 120 steps)")
	f.StringVar(&o.query, "query", "", "`PromQL` by hand")
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
		readings = []sources.Reading{{Name: "query", Answer: a, Reason: whyNothing(a)}}
	} else {
		service = args[0]
		if readings, err = metrics.Standard(ctx, service, w); err != nil && len(readings) == 0 {
			return err
		}
	}
	if asJSON {
		return json.NewEncoder(s.out).Encode(metricsOf(service, w, readings))
	}
	return writeMetrics(s.out, readings)
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
}

type pointJSON struct {
	Time  time.Time `json:"time"`
	Value *float64  `json:"value"`
}

func metricsOf(service string, w sources.Window, readings []sources.Reading) metricsJSON {
	out := metricsJSON{Time: w.End.UTC(), Service: service, Start: w.Start.UTC(), End: w.End.UTC(), Step: w.Step.Seconds(), Series: []metricSeriesJS{}}
	for _, r := range readings {
		if len(r.Answer.Series) == 0 {
			out.Series = append(out.Series, metricSeriesJS{Name: r.Name, Unit: r.Unit, Labels: map[string]string{}, Query: r.Answer.Query, Reason: r.Reason, Points: []pointJSON{}})
		}
		for _, x := range r.Answer.Series {
			m := metricSeriesJS{Name: r.Name, Unit: r.Unit, Labels: x.Labels, Query: r.Answer.Query, Reason: r.Reason, Points: make([]pointJSON, 0, len(x.Points))}
			if m.Labels == nil {
				m.Labels = map[string]string{}
			}
			for _, pt := range x.Points {
				m.Points = append(m.Points, pointJSON{pt.T.UTC(), known(pt.V)})
				m.Last = known(pt.V)
			}
			out.Series = append(out.Series, m)
		}
	}
	return out
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

func writeMetrics(out io.Writer, readings []sources.Reading) error {
	w := tabwriter.NewWriter(out, 2, 8, 2, ' ', 0)
	fmt.Fprintln(w, "SERIES\tLABELS\tNOW\tMIN\tMAX\tPOINTS\tNOTE")
	for _, r := range readings {
		if len(r.Answer.Series) == 0 {
			fmt.Fprintf(w, "%s\t\t-\t-\t-\t0\t%s\n", r.Name, plain.Line(r.Reason))
		}
		for _, x := range r.Answer.Series {
			least, most, last := math.NaN(), math.NaN(), math.NaN()
			for _, p := range x.Points {
				if !math.IsNaN(p.V) {
					least, most, last = fmin(least, p.V), fmax(most, p.V), p.V
				}
			}
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%d\t%s\n", r.Name, plain.Line(labelWords(x.Labels)), figure(last, r.Unit), figure(least, r.Unit), figure(most, r.Unit), len(x.Points), plain.Line(r.Reason))
		}
	}
	return w.Flush()
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
