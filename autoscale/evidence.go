package autoscale

import (
	"context"
	"fmt"
	"maps"
	"math"
	"slices"
	"sync"
	"time"

	"quarterdeck/sources"
)

const (
	// fresh is how old a sample may be.
	fresh = 90 * time.Second
	// mostAsked is how many different queries of policies are asked in one round, atOnce how many at a time.
	mostAsked = 500
	atOnce    = 8
)

// Evidence is what was measured of all services, up to a moment. It is never changed after it is made.
type Evidence struct {
	// Asked is how many questions Prometheus was asked.
	Asked int

	now     time.Time
	usage   map[Kind]map[string][]sources.Point // by service name
	counted map[string][]sources.Point          // how many tasks of a service were measured lately
	failed  map[Kind]string                     // why a kind could not be read at all
	queries map[string]*answer                  // by query
}

// answer is what a query says: series of services by name, or of no service for whoever asks.
type answer struct {
	by     map[string][][]sources.Point
	one    [][]sources.Point
	failed string
}

// Gather reads what the policies follow, from a moment to now: one question each for CPU, memory and how many tasks are measured, and one for each query, however many services share
// it. It never fails: why something could not be read is in the samples.
func Gather(ctx context.Context, m sources.Metrics, policies map[string]*Policy, from, now time.Time) *Evidence {
	e := &Evidence{now: now, usage: map[Kind]map[string][]sources.Point{}, failed: map[Kind]string{}, queries: map[string]*answer{}}
	wanted, queries := map[Kind]bool{}, map[string]bool{}
	for _, p := range policies {
		for i := range p.Metrics {
			if x := &p.Metrics[i]; x.Kind == Query {
				queries[x.Query] = true
			} else {
				wanted[x.Kind] = true
			}
		}
	}
	if m == nil {
		why := "no Prometheus is configured: set --prometheus, PROMETHEUS_URL or prometheus.address"
		e.failed[CPU], e.failed[Memory] = why, why
		for q := range queries {
			e.queries[q] = &answer{failed: why}
		}
		return e
	}
	label, _, err := m.ServiceLabel(ctx)
	// On whole seconds: Prometheus rounds to milliseconds, and a point that was rounded up would be one of the future.
	window := sources.Window{Start: from.Truncate(time.Second), End: now.Truncate(time.Second), Step: Every}
	g := gatherer{e: e, m: m, label: label, window: window, gate: make(chan struct{}, atOnce)}
	if err != nil {
		e.failed[CPU], e.failed[Memory] = err.Error(), err.Error()
	} else if len(wanted) > 0 {
		g.ask(func() { g.count(ctx) })
		for kind := range wanted {
			g.ask(func() { g.resource(ctx, kind) })
		}
	}
	for i, q := range slices.Sorted(maps.Keys(queries)) {
		a := &answer{by: map[string][][]sources.Point{}}
		e.queries[q] = a
		if i >= mostAsked {
			a.failed = fmt.Sprintf("the policies have more than %d different queries", mostAsked)
			continue
		}
		g.ask(func() { g.query(ctx, q, a) })
	}
	g.wait.Wait()
	return e
}

// At is the same evidence as it was at a moment.
func (e *Evidence) At(t time.Time) *Evidence {
	out := *e
	out.now = t
	return &out
}

// gatherer asks several questions at a time.
type gatherer struct {
	e      *Evidence
	m      sources.Metrics
	label  string
	window sources.Window
	gate   chan struct{}
	wait   sync.WaitGroup
	mu     sync.Mutex // of e's maps, while questions are open
}

func (g *gatherer) ask(question func()) {
	g.e.Asked++
	g.wait.Go(func() {
		g.gate <- struct{}{}
		defer func() { <-g.gate }()
		question()
	})
}

func (g *gatherer) resource(ctx context.Context, kind Kind) {
	by, err := g.m.UsageAll(ctx, string(kind), g.window)
	g.mu.Lock()
	defer g.mu.Unlock()
	if err != nil {
		g.e.failed[kind] = err.Error()
		return
	}
	g.e.usage[kind] = by
}

// count asks how many tasks of each service were measured lately: what a dead exporter said last is still answered for minutes.
func (g *gatherer) count(ctx context.Context) {
	a, err := g.m.Range(ctx, fmt.Sprintf(`count by (%s) (time() - timestamp(container_memory_working_set_bytes{%s!=""}) < %d)`, g.label, g.label, int(fresh.Seconds())), g.window)
	g.mu.Lock()
	defer g.mu.Unlock()
	if err != nil {
		g.e.failed[CPU], g.e.failed[Memory] = err.Error(), err.Error()
		return
	}
	g.e.counted = make(map[string][]sources.Point, len(a.Series))
	for i := range a.Series {
		g.e.counted[a.Series[i].Labels[g.label]] = a.Series[i].Points
	}
}

// query asks what a policy asks. a is this question's own.
func (g *gatherer) query(ctx context.Context, text string, a *answer) {
	got, err := g.m.Range(ctx, text, g.window)
	if err != nil {
		a.failed = err.Error()
		return
	}
	for i := range got.Series {
		s := &got.Series[i]
		name := ""
		for _, label := range []string{g.label, "swarm_service", "service"} {
			if name == "" {
				name = s.Labels[label]
			}
		}
		if name == "" {
			a.one = append(a.one, s.Points)
		} else {
			a.by[name] = append(a.by[name], s.Points)
		}
	}
}

// of are the samples of a service for the metrics of its policy.
func (e *Evidence) of(service string, p *Policy) []Sample {
	out := make([]Sample, len(p.Metrics))
	for i := range p.Metrics {
		if m := &p.Metrics[i]; m.Kind == Query {
			out[i] = e.queries[m.Query].of(service, e.now)
		} else {
			out[i] = e.resource(service, m.Kind)
		}
	}
	return out
}

func (e *Evidence) resource(service string, kind Kind) Sample {
	if why := e.failed[kind]; why != "" {
		return Sample{Missing: why}
	}
	p, ok := last(e.usage[kind][service], e.now)
	if !ok {
		return Sample{Missing: "there is no figure of it"}
	}
	s := Sample{Value: p.V, At: p.T}
	if n, ok := last(e.counted[service], e.now); ok {
		s.Tasks = int(n.V)
	}
	switch old := e.now.Sub(p.T); {
	case old > fresh:
		s.Missing = fmt.Sprintf("its last figure is %s old", old.Round(time.Second))
	case s.Tasks == 0:
		s.Missing = fmt.Sprintf("no task of it was measured in the last %s", fresh)
	}
	return s
}

// last is the newest point of a series that is not later than a moment.
func last(points []sources.Point, t time.Time) (sources.Point, bool) {
	for i := len(points) - 1; i >= 0; i-- {
		if !points[i].T.After(t) {
			return points[i], true
		}
	}
	return sources.Point{}, false
}

func (a *answer) of(service string, now time.Time) Sample {
	if a == nil {
		return Sample{Missing: "it was not asked"}
	}
	if a.failed != "" {
		return Sample{Missing: a.failed}
	}
	series := a.by[service]
	if len(series) == 0 {
		series = a.one
	}
	if len(series) > 1 {
		return Sample{Missing: fmt.Sprintf("the query answers %d series for it: let it answer one, with sum by or max by", len(series))}
	}
	for _, points := range series {
		if p, ok := last(points, now); ok && now.Sub(p.T) <= fresh && !math.IsNaN(p.V) {
			return Sample{Value: p.V, At: p.T}
		}
	}
	return Sample{Missing: "the query answers nothing for it"}
}
