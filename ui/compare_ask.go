package ui

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"quarterdeck/sources"
)

// metricRow is one figure in both windows; NaN: no sample.
type metricRow struct {
	name, unit    string
	mean, p95     [2]float64
	reason, query string // reason: why there is none
}

// levelCounts are lines by level in both windows.
type levelCounts struct {
	by    [2]map[sources.Level]float64
	query string
}

// patternNews are the patterns of the second window that were not there before.
type patternNews struct {
	list      []sources.Pattern
	how, base string // how patterns were found; why nothing can be called new
	query     string
}

func (b *compareBox) askMetrics(m *Model) tea.Cmd {
	metrics, generation, service := m.o.Metrics, b.generation, b.service
	windows := [2]sources.Window{b.before, b.after}
	if metrics == nil {
		b.metrics = compared[[]metricRow]{done: true, err: fmt.Errorf("no Prometheus is configured: --prometheus or PROMETHEUS_URL")}
		return nil
	}
	return func() tea.Msg {
		ctx, cancel := m.queryContext()
		defer cancel()
		var of [2][]sources.Reading
		var err error
		for i, w := range windows {
			if of[i], err = metrics.Standard(ctx, service, w); err != nil {
				break
			}
		}
		rows := metricRows(of)
		return b.answer(generation, func(b *compareBox) { b.metrics = compared[[]metricRow]{true, rows, err} })
	}
}

// metricRows joins the readings of two windows, series by series.
func metricRows(of [2][]sources.Reading) []metricRow {
	var rows []metricRow
	at := map[string]int{}
	row := func(r *sources.Reading, code string) *metricRow {
		key := r.Name + "\x00" + code
		i, known := at[key]
		if !known {
			i = len(rows)
			at[key] = i
			name := r.Name
			if code != "" {
				name += " " + code
			}
			rows = append(rows, metricRow{name: name, unit: r.Unit, query: r.Answer.Query, mean: [2]float64{math.NaN(), math.NaN()}, p95: [2]float64{math.NaN(), math.NaN()}})
		}
		return &rows[i]
	}
	for side := range of {
		for i := range of[side] {
			r := &of[side][i]
			for _, s := range r.Answer.Series {
				x := row(r, s.Labels["code"])
				x.mean[side], x.p95[side] = meanAndP95(s.Points)
			}
			if len(r.Answer.Series) == 0 && r.Name != "memory-limit" && !slices.ContainsFunc(rows, func(x metricRow) bool { return strings.HasPrefix(x.name, r.Name) }) {
				row(r, "").reason = r.Reason
			}
		}
	}
	return rows
}

// meanAndP95 are a series' mean, and the value that 95 of 100 samples do not pass (the nearest rank); NaN: there is none.
func meanAndP95(points []sources.Point) (mean, p95 float64) {
	var values []float64
	for _, p := range points {
		if !math.IsNaN(p.V) && !math.IsInf(p.V, 0) {
			values = append(values, p.V)
			mean += p.V
		}
	}
	if len(values) == 0 {
		return math.NaN(), math.NaN()
	}
	slices.Sort(values)
	rank := int(math.Ceil(0.95*float64(len(values)))) - 1
	return mean / float64(len(values)), values[rank]
}

// logWords are a question about a service's lines, as a person would ask it again.
func logWords(logs sources.Logs, service, what string, w sources.Window) string {
	span := w.Start.UTC().Format(time.RFC3339) + " to " + w.End.UTC().Format(time.RFC3339)
	if logs.Name() != "loki" {
		return "docker service logs " + service + ", " + span
	}
	return fmt.Sprintf(what, fmt.Sprintf("{swarm_service=%q}", service)) + ", " + span
}

func (b *compareBox) askLines(m *Model) tea.Cmd {
	logs, generation := m.o.Logs, b.generation
	windows := [2]sources.Window{b.before, b.after}
	if logs == nil {
		err := fmt.Errorf("no Loki is configured: --loki or LOKI_ADDR")
		b.counts, b.patterns = compared[levelCounts]{done: true, err: err}, compared[patternNews]{done: true, err: err}
		return nil
	}
	of := levelCounts{query: logWords(logs, b.service, "sum by (level, detected_level) (count_over_time(%s["+fmt.Sprintf("%ds", int(b.after.End.Sub(b.after.Start).Seconds()))+"]))", b.after)}
	return func() tea.Msg {
		ctx, cancel := m.queryContext()
		defer cancel()
		var err error
		for i, w := range windows {
			if of.by[i], err = countLines(ctx, logs, b.service, w); err != nil {
				break
			}
		}
		return b.answer(generation, func(b *compareBox) { b.counts = compared[levelCounts]{true, of, err} })
	}
}

func countLines(ctx context.Context, logs sources.Logs, service string, w sources.Window) (map[sources.Level]float64, error) {
	points, err := logs.Volume(ctx, sources.LogQuery{Services: []string{service}, Since: w.Start, Until: w.End}, w.End.Sub(w.Start))
	sum := map[sources.Level]float64{}
	for _, p := range points {
		for level, n := range p.Counts {
			sum[level] += n
		}
	}
	return sum, err
}

func (b *compareBox) askPatterns(m *Model) tea.Cmd {
	logs, generation, service := m.o.Logs, b.generation, b.service
	before, after := b.before, b.after
	if logs == nil {
		return nil
	}
	return func() tea.Msg {
		ctx, cancel := m.queryContext()
		defer cancel()
		news := patternNews{query: logWords(logs, service, "patterns of %s", after) + ", against those before " + before.End.UTC().Format(time.RFC3339)}
		found, err := findPatterns(ctx, logs, sources.LogQuery{Services: []string{service}}, after.Start, after.End, before.End)
		news.how, news.base = found.how, found.base
		for i := range found.rows {
			if found.rows[i].new {
				news.list = append(news.list, found.rows[i].Pattern)
			}
		}
		return b.answer(generation, func(b *compareBox) { b.patterns = compared[patternNews]{true, news, err} })
	}
}
