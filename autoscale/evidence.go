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

// Evidence is what was measured of all services at one moment. It is never changed after it is made.
type Evidence struct {
	// Asked is how many questions Prometheus was asked.
	Asked int

	usage   map[Kind]map[string]Sample // by service name
	failed  map[Kind]string            // why a kind could not be read at all
	queries map[string]*answer         // by query
}

// answer is what a query says: of services by name, or one value for whoever asks.
type answer struct {
	by     map[string][]sources.Point
	one    []sources.Point // of series that name no service
	failed string
}

// Gather reads what the policies follow: one question each for CPU, memory and how many tasks are measured, and one for each query, however many services share it. It never fails: why
// something could not be read is in the samples.
func Gather(ctx context.Context, m sources.Metrics, policies map[string]*Policy, now time.Time) *Evidence {
	e := &Evidence{usage: map[Kind]map[string]Sample{}, failed: map[Kind]string{}, queries: map[string]*answer{}}
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
	label, _, labelErr := m.ServiceLabel(ctx)
	g := gatherer{e: e, m: m, label: label, now: now, gate: make(chan struct{}, atOnce)}
	if len(wanted) > 0 {
		g.resources(ctx, wanted, labelErr)
	}
	for i, q := range slices.Sorted(maps.Keys(queries)) {
		if i >= mostAsked {
			e.queries[q] = &answer{failed: fmt.Sprintf("the policies have more than %d different queries", mostAsked)}
			continue
		}
		a := &answer{}
		e.queries[q] = a
		g.ask(func() { g.query(ctx, q, a) })
	}
	g.wait.Wait()
	return e
}

// gatherer asks several questions at a time.
type gatherer struct {
	e     *Evidence
	m     sources.Metrics
	label string
	now   time.Time
	gate  chan struct{}
	wait  sync.WaitGroup
	mu    sync.Mutex
}

func (g *gatherer) ask(question func()) {
	g.e.Asked++
	g.wait.Go(func() {
		g.gate <- struct{}{}
		defer func() { <-g.gate }()
		question()
	})
}

// resources reads CPU and memory of all services, and how many tasks of each were measured lately.
func (g *gatherer) resources(ctx context.Context, wanted map[Kind]bool, labelErr error) {
	if labelErr != nil {
		for kind := range wanted {
			g.e.failed[kind] = labelErr.Error()
		}
		return
	}
	var counted map[string]int
	var countErr error
	usage, failed := map[Kind]map[string][]sources.Point{}, map[Kind]error{}
	g.ask(func() { counted, countErr = g.count(ctx) })
	for kind := range wanted {
		g.ask(func() {
			by, err := g.m.UsageAll(ctx, string(kind), sources.Window{Start: g.now.Add(-2 * Every), End: g.now, Step: Every})
			g.mu.Lock()
			defer g.mu.Unlock()
			usage[kind], failed[kind] = by, err
		})
	}
	g.wait.Wait()
	for kind := range wanted {
		switch {
		case failed[kind] != nil:
			g.e.failed[kind] = failed[kind].Error()
		case countErr != nil:
			g.e.failed[kind] = countErr.Error()
		default:
			g.e.usage[kind] = g.samples(usage[kind], counted)
		}
	}
}

func (g *gatherer) samples(usage map[string][]sources.Point, counted map[string]int) map[string]Sample {
	out := make(map[string]Sample, len(usage))
	for name, points := range usage {
		last := points[len(points)-1]
		s := Sample{Value: last.V, Tasks: counted[name], At: last.T}
		if old := g.now.Sub(last.T); old > fresh {
			s.Missing = fmt.Sprintf("its last figure is %s old", old.Round(time.Second))
		} else if s.Tasks == 0 {
			s.Missing = fmt.Sprintf("no task of it was measured in the last %s", fresh)
		}
		out[name] = s
	}
	return out
}

// count asks how many tasks of each service were measured lately: what a dead exporter said last is still answered for minutes.
func (g *gatherer) count(ctx context.Context) (map[string]int, error) {
	a, err := g.m.Instant(ctx, fmt.Sprintf(`count by (%s) (time() - timestamp(container_memory_working_set_bytes{%s!=""}) < %d)`, g.label, g.label, int(fresh.Seconds())), g.now)
	if err != nil {
		return nil, err
	}
	out := make(map[string]int, len(a.Series))
	for i := range a.Series {
		if s := &a.Series[i]; len(s.Points) > 0 {
			out[s.Labels[g.label]] = int(s.Points[len(s.Points)-1].V)
		}
	}
	return out, nil
}

// query asks what a policy asks. a is this question's own.
func (g *gatherer) query(ctx context.Context, text string, a *answer) {
	got, err := g.m.Instant(ctx, text, g.now)
	if err != nil {
		a.failed = err.Error()
		return
	}
	a.by = map[string][]sources.Point{}
	for i := range got.Series {
		s := &got.Series[i]
		if len(s.Points) == 0 {
			continue
		}
		last := s.Points[len(s.Points)-1]
		name := ""
		for _, label := range []string{g.label, "swarm_service", "service"} {
			if name == "" {
				name = s.Labels[label]
			}
		}
		if name == "" {
			a.one = append(a.one, last)
		} else {
			a.by[name] = append(a.by[name], last)
		}
	}
}

// of are the samples of a service for the metrics of its policy.
func (e *Evidence) of(service string, p *Policy) []Sample {
	out := make([]Sample, len(p.Metrics))
	for i := range p.Metrics {
		m := &p.Metrics[i]
		if m.Kind == Query {
			out[i] = e.queries[m.Query].of(service)
			continue
		}
		s, ok := e.usage[m.Kind][service]
		if !ok {
			s.Missing = e.failed[m.Kind]
			if s.Missing == "" {
				s.Missing = "no figure of it"
			}
		}
		out[i] = s
	}
	return out
}

func (a *answer) of(service string) Sample {
	if a == nil {
		return Sample{Missing: "it was not asked"}
	}
	points := a.by[service]
	if len(points) == 0 {
		points = a.one
	}
	switch {
	case a.failed != "":
		return Sample{Missing: a.failed}
	case len(points) == 0:
		return Sample{Missing: "the query answers nothing for it"}
	case len(points) > 1:
		return Sample{Missing: fmt.Sprintf("the query answers %d series for it: let it answer one, with sum by or max by", len(points))}
	case math.IsNaN(points[0].V):
		return Sample{Missing: "the query answers no number"}
	}
	return Sample{Value: points[0].V, At: points[0].T}
}
