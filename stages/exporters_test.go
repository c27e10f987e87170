package stages

import (
	"context"
	"math"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/util/annotations"
)

// sample is what an exporter told: it has told the same for an hour, and counters as much more at its end as they tell.
type sample struct {
	labels labels.Labels
	value  float64
}

// exported reads an exporter's page, as one target.
func exported(t *testing.T, files ...string) (out []sample) {
	t.Helper()
	pair := regexp.MustCompile(`(\w+)="([^"]*)"`)
	for _, file := range files {
		text, err := os.ReadFile("testdata/" + file)
		if err != nil {
			t.Fatal(err)
		}
		for _, line := range strings.Split(string(text), "\n") {
			at := strings.LastIndex(line, " ")
			if at < 0 || line[0] == '#' {
				continue
			}
			v, err := strconv.ParseFloat(line[at+1:], 64)
			if err != nil {
				t.Fatal(file, line, err)
			}
			name, rest, _ := strings.Cut(line[:at], "{")
			b := labels.NewBuilder(labels.FromStrings("__name__", name, "job", "exporter", "instance", file))
			for _, p := range pair.FindAllStringSubmatch(rest, -1) {
				b.Set(p[1], p[2])
			}
			out = append(out, sample{b.Labels(), v})
		}
	}
	return out
}

type exporters []sample

func (e exporters) Querier(_, _ int64) (storage.Querier, error) { return e, nil }
func (e exporters) Close() error                                { return nil }
func (e exporters) LabelValues(context.Context, string, *storage.LabelHints, ...*labels.Matcher) ([]string, annotations.Annotations, error) {
	return nil, nil, nil
}
func (e exporters) LabelNames(context.Context, *storage.LabelHints, ...*labels.Matcher) ([]string, annotations.Annotations, error) {
	return nil, nil, nil
}

func (e exporters) Select(_ context.Context, _ bool, _ *storage.SelectHints, ms ...*labels.Matcher) storage.SeriesSet {
	var out []storage.Series
	for _, s := range e {
		fits := true
		for _, m := range ms {
			fits = fits && m.Matches(s.labels.Get(m.Name))
		}
		if !fits {
			continue
		}
		var points []promql.FPoint
		for at := now.Add(-time.Hour); !at.After(now); at = at.Add(time.Minute) {
			v := s.value
			if name := s.labels.Get("__name__"); strings.HasSuffix(name, "_total") || strings.HasSuffix(name, "_slow_queries") {
				v *= 1 + at.Sub(now.Add(-time.Hour)).Hours()
			}
			points = append(points, promql.FPoint{T: at.UnixMilli(), F: v})
		}
		out = append(out, promql.NewStorageSeries(promql.Series{Metric: s.labels, Floats: points}))
	}
	return &found{series: out}
}

// found is a set of series in order.
type found struct {
	series []storage.Series
	next   int
}

func (f *found) Next() bool                        { f.next++; return f.next <= len(f.series) }
func (f *found) At() storage.Series                { return f.series[f.next-1] }
func (f *found) Err() error                        { return nil }
func (f *found) Warnings() annotations.Annotations { return nil }

// The queries of the checks read what the exporters tell, by the engine of Prometheus itself.
func TestQueriesOfExporters(t *testing.T) {
	engine := promql.NewEngine(promql.EngineOpts{MaxSamples: 1e6, Timeout: time.Minute, Parser: parser.NewParser(parser.Options{})})
	for query, want := range map[string]float64{hitsQuery: 0.9, slowQuery: 4.5, connectionsQuery: 1, loggedQuery: 3} {
		for _, present := range []bool{true, false} {
			var store exporters
			if present {
				store = exported(t, "postgres_exporter.prom", "redis_exporter.prom", "mysqld_exporter.prom")
			}
			q, err := engine.NewInstantQuery(t.Context(), store, nil, query, now)
			if err != nil {
				t.Fatal(err)
			}
			v, err := q.Exec(t.Context()).Vector()
			if err != nil || len(v) != map[bool]int{true: 1, false: 0}[present] || present && math.Abs(v[0].F-want) > 1e-9 {
				t.Errorf("%s: %v %v, want %v", query, v, err, want)
			}
			q.Close()
		}
	}
}
