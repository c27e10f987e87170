package diagnosis

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"quarterdeck/sources"
	"quarterdeck/sources/fleet"
)

// LogsSeen is what the logs tell of one service.
type LogsSeen struct {
	Source string
	// Errors are the lines of level warn and above since From; Dead the last ones of tasks that came to a bad end. In rising order of time.
	Errors, Dead []sources.Entry
	From         time.Time
	// Cut: there are more such lines than were read: Errors are the oldest and the newest. Headless: the oldest could not be read.
	Cut, Headless bool
	// Before are lines of level warn and above of before it began, Yesterday of the same time a day ago. BeforeSeen and YesterdaySeen: there are lines,
	// of any level, of then at all.
	Before, Yesterday         []sources.Entry
	BeforeSeen, YesterdaySeen bool
	// Blind: the lines of before, or of yesterday, could not be looked at. That is not that there are none.
	Blind bool
	// Spoke is when it said the first that is known of it, of any level; zero: that is not known. It is asked where there is nothing of before.
	Spoke time.Time
	// Jump is about error lines a minute.
	Jump Jump
	// Burst is about lines of any level; nil: it writes no more than it usually does, or that is not known.
	Burst *Burst
	// The queries that show the same.
	ErrorsQuery, DeadQuery string
	// Slow are lines about its own slow work since From, SlowBefore those of before. They are asked for where others' lines say that they wait for it.
	Slow, SlowBefore []sources.Entry
	SlowQuery        string

	names map[string][]sources.Entry // error lines by the service that they name
	own   []sources.Entry            // those that name none; nil: not sorted yet
}

// MetricsSeen is what the metrics tell of one service.
type MetricsSeen struct {
	// Readings are the standard series, by name.
	Readings map[string]sources.Reading
	Jumps    map[string]Jump
	// MemoryShare is the largest part of its limit that one task's memory has had within Recent, 0 to 1; NaN: not known.
	MemoryShare float64
	MemoryQuery string
	// Health is the last state of the health check of each container within Recent, by task id, as cAdvisor has it: 1 healthy, 0 starting or
	// unhealthy, -1 it has none (container_health_state, since cAdvisor 0.50).
	Health      map[string]float64
	HealthQuery string
	// Course is how its memory came to where it is; nil: it is far from its limit, or that is not known.
	Course *MemoryCourse
}

// seriesRead are the standard series that the rules look at.
var seriesRead = []string{"cpu", "memory", "memory-limit", "throttled", "requests", "errors", "p95"}

// rises are by how much a figure must rise at least to stand out.
var rises = map[string]float64{"errors": 0.05, "p95": 0.05, "throttled": 0.2, "cpu": 0.05}

func (m *MetricsSeen) jumps() []Jump {
	var out []Jump
	for _, name := range []string{"errors", "p95"} {
		if j := m.Jumps[name]; j.Found {
			out = append(out, j)
		}
	}
	return out
}

// points are all samples of a reading's first series; the query that was asked for them.
func (m *MetricsSeen) points(name string) ([]sources.Point, string) {
	if m == nil {
		return nil, ""
	}
	r, ok := m.Readings[name]
	if !ok || len(r.Answer.Series) == 0 {
		return nil, r.Answer.Query
	}
	return r.Answer.Series[0].Points, r.Answer.Query
}

// askClosely asks about each of the subjects, and about what they turn out to need, beside each other; told is called, from this goroutine, each time
// one has been answered and others have not.
func (x *inquiry) askClosely(ctx context.Context, told func()) {
	done := make(chan struct{})
	asking := 0
	run := func(names []string, f func(*Scene)) {
		for _, name := range names {
			s := x.scenes[name]
			asking++
			x.wait(name, true)
			go func() {
				f(s)
				x.wait(name, false)
				done <- struct{}{}
			}()
		}
	}
	ask := func(names []string) { run(names, func(s *Scene) { x.askOne(ctx, s) }) }
	slow := false
	for _, name := range x.witnesses {
		asking++
		go func() {
			x.hear(ctx, name)
			done <- struct{}{}
		}()
	}
	for ask(x.subjects); asking > 0; {
		<-done
		asking--
		if ctx.Err() == nil {
			ask(x.learnt())
		}
		if asking == 0 && !slow && ctx.Err() == nil { // all that is said of others is known
			slow = true
			run(x.saidSlow(), func(s *Scene) { x.askSlow(ctx, s) })
		}
		if asking > 0 {
			told()
		}
	}
}

// hear asks a service only for what its error lines say of others.
func (x *inquiry) hear(ctx context.Context, name string) {
	if x.d.Logs == nil {
		return
	}
	x.mu.Lock()
	s := x.scene(name)
	x.mu.Unlock()
	if x.d.Record != nil {
		x.askChanges(ctx, s)
	}
	s.findOnset()
	x.askLogs(ctx, s, x.errorsOf(s), true) // nobody else has this scene yet
	x.mu.Lock()
	defer x.mu.Unlock()
	x.heard[name] = s
}

// saidSlow are the subjects of which others say that they wait for them, and whose lines are known.
func (x *inquiry) saidSlow() []string {
	x.mu.Lock()
	defer x.mu.Unlock()
	var out []string
	for _, n := range x.subjects {
		if s := x.scenes[n]; s.Logs != nil && slices.ContainsFunc(x.quotesOf(n), func(q Quote) bool { return q.saying(slowWords...) > 0 }) {
			out = append(out, n)
		}
	}
	return out
}

// wait marks that a service is being asked about, or has been.
func (x *inquiry) wait(service string, yes bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.asking[service] = yes
}

// askOne asks all sources about one service.
func (x *inquiry) askOne(ctx context.Context, s *Scene) {
	if x.d.Record != nil {
		x.askChanges(ctx, s) // first: it says when it began
	}
	x.mu.Lock()
	s.findOnset()
	onset, told := x.errorsOf(s), x.toldBySwarm(s)
	x.mu.Unlock()
	var own sync.WaitGroup
	if x.d.Logs != nil {
		own.Go(func() { x.askLogs(ctx, s, onset, told) })
	}
	if x.d.Metrics != nil {
		own.Go(func() { x.askMetrics(ctx, s) })
	}
	own.Wait()
}

// toldBySwarm tells whether the orchestrator's own words name the cause already. Callers hold mu.
func (x *inquiry) toldBySwarm(s *Scene) bool {
	return slices.ContainsFunc(rules, func(r rule) bool {
		c := r.look(s, x.wide)
		return c != nil && c.Grade == Signature && c.Confidence >= 0.9 && r.id != "crash-loop" && r.id != "bad-deploy"
	})
}

func (x *inquiry) askChanges(ctx context.Context, s *Scene) {
	list, err := x.d.Record.Changes(ctx, s.Service.Name)
	if err != nil {
		x.failed("journal", "what was changed", err)
		return
	}
	x.look("journal", lookedAt, "")
	x.mu.Lock()
	defer x.mu.Unlock()
	for i := range list {
		c := &list[i]
		c.Engine = c.Back && c.Run == "" && s.tookBack(c.At)
	}
	s.Changes = joinChanges(list, s.Changes, s.At)
}

// tookBack tells whether the swarm took a deploy back by itself at a moment, as its update state or the fleet's history say.
func (s *Scene) tookBack(at time.Time) bool {
	v := s.Service
	if strings.HasPrefix(v.UpdateState, "rollback_") && !at.Before(v.UpdateStarted.Add(-clockSlack)) && (v.UpdateCompleted.IsZero() || !at.After(v.UpdateCompleted.Add(clockSlack))) {
		return true
	}
	return slices.ContainsFunc(s.happened(s.At.Sub(at)+clockSlack, fleet.RolledBack), func(h fleet.Happening) bool {
		return !at.Before(h.Began.Add(-clockSlack)) && !at.After(h.Time.Add(clockSlack))
	})
}

// joinChanges adds what the swarm tells to what the record does, each change once.
func joinChanges(recorded, told []Change, at time.Time) []Change {
	var out []Change
	for _, c := range recorded {
		if !c.At.After(at.Add(clockSlack)) {
			out = append(out, c)
		}
	}
	for _, c := range told {
		same := slices.ContainsFunc(out, func(o Change) bool { return o.At.Sub(c.At).Abs() < 2*clockSlack })
		if !same {
			out = append(out, c)
		}
	}
	slices.SortStableFunc(out, func(a, b Change) int { return b.At.Compare(a.At) })
	return out
}

func (x *inquiry) explain(q sources.LogQuery) string {
	if x.d.Explain == nil {
		return ""
	}
	return x.d.Explain(q)
}

// Figures are read in steps so fine that two of them, which make a jump, are half a minute.
const (
	figuresSpan = 30 * time.Minute
	figuresStep = 15 * time.Second
)

// errorJump counts error lines; it returns all that was counted.
func (x *inquiry) errorJump(ctx context.Context, service string) (Jump, []sources.VolumePoint) {
	q := sources.LogQuery{Services: []string{service}, Since: x.q.At.Add(-figuresSpan), Until: x.q.At}
	volume, err := x.d.Logs.Volume(ctx, q, figuresStep)
	if err != nil {
		if sources.KindOf(err) != sources.NotFound {
			x.failed(x.d.Logs.Name(), "count the lines", err)
		}
		return Jump{}, nil
	}
	points := make([]sources.Point, len(volume))
	for i, v := range volume {
		points[i] = sources.Point{T: v.Time, V: v.Counts[sources.LevelError] + v.Counts[sources.LevelFatal]}
	}
	j := jump(points, 2)
	j.Name, j.Unit = "error lines in 15 s", "1"
	q.Levels = []sources.Level{sources.LevelError, sources.LevelFatal}
	j.Query = x.explain(q)
	return j, volume
}

func (x *inquiry) askMetrics(ctx context.Context, s *Scene) {
	w := sources.Window{Start: x.q.At.Add(-figuresSpan), End: x.q.At, Step: figuresStep}
	readings, err := x.d.Metrics.Standard(ctx, s.Service.Name, w, seriesRead...)
	if err != nil {
		if sources.KindOf(err) != sources.NotFound {
			x.failed(fleet.PrometheusName, "the figures of "+s.Service.Name, err)
		}
		if len(readings) == 0 {
			return
		}
	} else {
		x.look(fleet.PrometheusName, lookedAt, "")
	}
	seen := &MetricsSeen{Readings: map[string]sources.Reading{}, Jumps: map[string]Jump{}}
	seen.MemoryShare = math.NaN()
	if label, _, err := x.d.Metrics.ServiceLabel(ctx); err == nil {
		sel := fmt.Sprintf("{%s=%s}[%ds]", label, strconv.Quote(s.Service.Name), int(Recent.Seconds()))
		var wg sync.WaitGroup
		wg.Go(func() {
			if seen.MemoryShare, seen.MemoryQuery = x.memoryShare(ctx, sel); seen.MemoryShare >= memoryAsked {
				seen.Course = x.memoryCourse(ctx, label, s.Service.Name)
			}
		})
		wg.Go(func() { seen.Health, seen.HealthQuery = x.health(ctx, sel) })
		wg.Wait()
	}
	for _, r := range readings {
		seen.Readings[r.Name] = r
		rise, look := rises[r.Name]
		if !look || len(r.Answer.Series) == 0 {
			continue
		}
		j := jump(r.Answer.Series[0].Points, rise)
		j.Name, j.Unit, j.Query = r.Name, r.Unit, r.Answer.Query
		seen.Jumps[r.Name] = j
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	s.Metrics = seen
}

// memoryShare asks for the part of the limit of each container, dead ones too: the sum over a service hides the one that is full.
func (x *inquiry) memoryShare(ctx context.Context, sel string) (float64, string) {
	query := fmt.Sprintf("max(max_over_time(container_memory_working_set_bytes%s) / (last_over_time(container_spec_memory_limit_bytes%s) > 0 < 1e18))", sel, sel)
	a, err := x.d.Metrics.Instant(ctx, query, x.q.At)
	if err != nil || len(a.Series) == 0 {
		return math.NaN(), query
	}
	return valueOf(a.Series[0]), query
}

// health asks for the state of the health checks of a service's containers, dead ones too. A container's name ends in its task's id.
func (x *inquiry) health(ctx context.Context, sel string) (map[string]float64, string) {
	query := "last_over_time(container_health_state" + sel + ")"
	a, err := x.d.Metrics.Instant(ctx, query, x.q.At)
	if err != nil || len(a.Series) == 0 {
		return nil, query
	}
	out := make(map[string]float64, len(a.Series))
	for _, s := range a.Series {
		name := s.Labels["name"]
		if v := valueOf(s); !math.IsNaN(v) {
			out[name[strings.LastIndexByte(name, '.')+1:]] = v
		}
	}
	return out, query
}
