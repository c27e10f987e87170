package metrics

import (
	"context"
	"math"
	"slices"
	"strings"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/value"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
	"github.com/prometheus/prometheus/util/annotations"

	"quarterdeck/sources/demo/world"
)

// Scrape is the time between two samples, in milliseconds.
const Scrape = 15_000

// oldest is how far back samples are computed, in milliseconds: Prometheus' default retention.
const oldest = 15 * 24 * 3600 * 1000

// Storage is a storage.Queryable over the simulation. Safe for concurrent use.
type Storage struct {
	w     *world.World
	rules *Rules
}

// Querier is storage.Queryable's.
func (s *Storage) Querier(mint, maxt int64) (storage.Querier, error) {
	now := s.w.Now().UnixMilli()
	return &querier{s: s, mint: max(mint, now-oldest), maxt: min(maxt, now)}, nil
}

type querier struct {
	s          *Storage
	mint, maxt int64
}

// Close is storage.Querier's; there is nothing to close.
func (q *querier) Close() error { return nil }

// Select computes the series that match, with their samples in the hinted range.
func (q *querier) Select(ctx context.Context, sorted bool, hints *storage.SelectHints, matchers ...*labels.Matcher) storage.SeriesSet {
	mint, maxt := q.mint, q.maxt
	if hints != nil {
		mint, maxt = max(mint, hints.Start), min(maxt, hints.End)
	}
	b := newBuilder(q.s.w, q.s.rules, mint, maxt, matchers)
	b.run(ctx)
	if err := ctx.Err(); err != nil {
		return storage.ErrSeriesSet(err)
	}
	if sorted {
		slices.SortFunc(b.out, func(a, b storage.Series) int { return labels.Compare(a.Labels(), b.Labels()) })
	}
	return &set{series: b.out, i: -1}
}

func (q *querier) each(ctx context.Context, matchers []*labels.Matcher, f func(labels.Labels)) {
	b := newBuilder(q.s.w, q.s.rules, q.mint, q.maxt, matchers)
	b.run(ctx)
	for _, s := range b.out {
		f(s.Labels())
	}
}

// LabelValues is storage.LabelQuerier's.
func (q *querier) LabelValues(ctx context.Context, name string, _ *storage.LabelHints, matchers ...*labels.Matcher) ([]string, annotations.Annotations, error) {
	seen := map[string]bool{}
	q.each(ctx, matchers, func(l labels.Labels) {
		if v := l.Get(name); v != "" {
			seen[v] = true
		}
	})
	return keys(seen), nil, ctx.Err()
}

// LabelNames is storage.LabelQuerier's.
func (q *querier) LabelNames(ctx context.Context, _ *storage.LabelHints, matchers ...*labels.Matcher) ([]string, annotations.Annotations, error) {
	seen := map[string]bool{}
	q.each(ctx, matchers, func(l labels.Labels) { l.Range(func(x labels.Label) { seen[x.Name] = true }) })
	return keys(seen), nil, ctx.Err()
}

func keys(m map[string]bool) []string {
	out := make([]string, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}

type set struct {
	series []storage.Series
	i      int
}

// Next, At, Err and Warnings are storage.SeriesSet's.
func (s *set) Next() bool { s.i++; return s.i < len(s.series) }

// At is the present series.
func (s *set) At() storage.Series { return s.series[s.i] }

// Err is always nil.
func (s *set) Err() error { return nil }

// Warnings are none.
func (s *set) Warnings() annotations.Annotations { return nil }

// series is one run of samples: t0, t0+Scrape, …
type series struct {
	labels labels.Labels
	t0     int64
	v      []float64
}

// Labels and Iterator are storage.Series'.
func (s *series) Labels() labels.Labels { return s.labels }

// Iterator starts before the first sample.
func (s *series) Iterator(it chunkenc.Iterator) chunkenc.Iterator {
	if old, ok := it.(*iterator); ok {
		*old = iterator{s: s, i: -1}
		return old
	}
	return &iterator{s: s, i: -1}
}

// millis is Unix milliseconds. As an alias it also tells vet that Seek is not io.Seeker's.
type millis = int64

// iterator skips NaN, which marks moments without a sample.
type iterator struct {
	s *series
	i int
}

// Next moves to the next sample.
func (it *iterator) Next() chunkenc.ValueType {
	for it.i++; it.i < len(it.s.v); it.i++ {
		if v := it.s.v[it.i]; !math.IsNaN(v) || value.IsStaleNaN(v) {
			return chunkenc.ValFloat
		}
	}
	return chunkenc.ValNone
}

// Seek moves to the first sample at t or later.
func (it *iterator) Seek(t millis) chunkenc.ValueType {
	if it.i >= 0 && it.i < len(it.s.v) && it.AtT() >= t {
		return chunkenc.ValFloat
	}
	n := int((t - it.s.t0 + Scrape - 1) / Scrape)
	if n > it.i {
		it.i = max(n, 0) - 1
	}
	return it.Next()
}

// At is the present sample.
func (it *iterator) At() (int64, float64) { return it.AtT(), it.s.v[it.i] }

// AtHistogram is never called: all samples are floats.
func (it *iterator) AtHistogram(*histogram.Histogram) (int64, *histogram.Histogram) {
	return it.AtT(), nil
}

// AtFloatHistogram is never called: all samples are floats.
func (it *iterator) AtFloatHistogram(*histogram.FloatHistogram) (int64, *histogram.FloatHistogram) {
	return it.AtT(), nil
}

// AtT is the present sample's time.
func (it *iterator) AtT() int64 { return it.s.t0 + int64(it.i)*Scrape }

// AtST is not known.
func (it *iterator) AtST() int64 { return 0 }

// Err is always nil.
func (it *iterator) Err() error { return nil }

// builder makes the series of one query.
type builder struct {
	w        *world.World
	rules    *Rules
	fig      *world.Figures
	matchers []*labels.Matcher
	t0       int64 // first grid point, ms
	n        int
	t        []float64 // grid in seconds
	out      []storage.Series
	columns  map[columnKey][]float64
}

type columnKey struct{ service, signal string }

func newBuilder(w *world.World, rules *Rules, mint, maxt int64, matchers []*labels.Matcher) *builder {
	// A scrape's moment within its interval is the target's; here all have the same.
	const offset = 3_217
	b := &builder{w: w, rules: rules, matchers: matchers, columns: map[columnKey][]float64{}}
	b.t0 = (mint-offset+Scrape-1)/Scrape*Scrape + offset
	if maxt >= b.t0 {
		b.n = int((maxt-b.t0)/Scrape) + 1
	}
	b.t = make([]float64, b.n)
	for i := range b.t {
		b.t[i] = float64(b.t0+int64(i)*Scrape) / 1000
	}
	return b
}

// matches applies the matchers to labels that are not built yet.
func (b *builder) matches(get func(name string) string) bool {
	for _, m := range b.matchers {
		if !m.Matches(get(m.Name)) {
			return false
		}
	}
	return true
}

// want tells whether the matchers let a metric's name pass.
func (b *builder) want(name string) bool {
	for _, m := range b.matchers {
		if m.Name == model.MetricNameLabel && !m.Matches(name) {
			return false
		}
	}
	return true
}

// add makes a series if its labels match; fill computes its samples (NaN: none there).
func (b *builder) add(name string, kv []string, fill func(i int) float64) {
	get := func(n string) string {
		if n == model.MetricNameLabel {
			return name
		}
		for i := 0; i < len(kv); i += 2 {
			if kv[i] == n {
				return kv[i+1]
			}
		}
		return ""
	}
	if !b.matches(get) {
		return
	}
	s := &series{t0: b.t0, v: make([]float64, b.n)}
	any1 := false
	for i := range s.v {
		s.v[i] = fill(i)
		any1 = any1 || !math.IsNaN(s.v[i])
	}
	if !any1 {
		return
	}
	pairs := make([]string, 0, len(kv)+2)
	pairs = append(pairs, model.MetricNameLabel, name)
	for i := 0; i < len(kv); i += 2 {
		if kv[i+1] != "" {
			pairs = append(pairs, kv[i], kv[i+1])
		}
	}
	s.labels = labels.FromStrings(pairs...)
	b.out = append(b.out, s)
}

// column is a curve on the grid, made once a query.
func (b *builder) column(service, signal string, c *world.Curve) []float64 {
	k := columnKey{service, signal}
	if v := b.columns[k]; v != nil {
		return v
	}
	v := make([]float64, b.n)
	for i, t := range b.t {
		v[i] = c.At(t)
	}
	b.columns[k] = v
	return v
}

var stale = math.Float64frombits(value.StaleNaN)

// run goes through the families whose names are wanted.
func (b *builder) run(ctx context.Context) {
	if b.n == 0 {
		return
	}
	b.fig = b.w.Figures(b.t[0]-2*Scrape/1000, b.t[b.n-1])
	for _, f := range families {
		if ctx.Err() != nil {
			return
		}
		if b.want(f.name) {
			f.make(b, f.name)
		}
	}
	if b.want("ALERTS") && b.rules != nil {
		b.rules.series(b)
	}
}

// serviceWanted tells from the matchers whether a service's containers can match: it spares a big fleet's query.
func (b *builder) serviceWanted(name string) bool {
	for _, m := range b.matchers {
		if m.Name == serviceLabel && !m.Matches(name) {
			return false
		}
	}
	return true
}

const (
	serviceLabel = "container_label_com_docker_swarm_service_name"
	prefixLabel  = "container_label_com_docker_swarm_"
)

func trimDigest(image string) string {
	ref, _, _ := strings.Cut(image, "@")
	return ref
}
