package diagnosis

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"quarterdeck/sources"
	"quarterdeck/sources/fleet"
)

// Budget is how long sources are waited for: an investigation is complete within two seconds, with what has answered by then.
const Budget = 1800 * time.Millisecond

// maxSubjects bounds the services that are looked at closely: each costs a handful of queries. maxNamed more may be: those that the error lines of
// these name, as the cause is more likely there.
const (
	maxSubjects = 8
	maxNamed    = 4
)

// Record is what is known of what people have changed. Safe for concurrent use.
type Record interface {
	// Changes are the changes of a service that are known, the newest first.
	Changes(ctx context.Context, service string) ([]Change, error)
	// Dependencies are, by service, those that it needs.
	Dependencies(ctx context.Context) (map[string][]Link, error)
}

// Doctor investigates. Its fields are set once; it is safe for concurrent use.
type Doctor struct {
	Fleet   *fleet.Fleet
	Logs    sources.Logs    // nil: not configured
	Metrics sources.Metrics // nil: not configured
	Record  Record          // nil: no record is kept
	// Explain writes a log query in the source's own language; nil: it has none.
	Explain func(sources.LogQuery) string
	Now     func() time.Time
	// Budget is how long sources are waited for; 0: [Budget].
	Budget time.Duration
	Logger *slog.Logger // nil: nothing is logged

	memory memory
}

// Question is what is asked: about a service or, where it is "", all; at a moment or, where it is zero, now. Sources are waited for as long as
// Within says; 0: the doctor's budget.
type Question struct {
	Service string
	At      time.Time
	Within  time.Duration
}

// ErrNoService says that the fleet has no service of the name asked for.
var ErrNoService = errors.New("no service has this name")

// Investigate answers a question. emit, where it is not nil, is called with what is known so far, from this goroutine: at once with what the
// swarm itself tells, then each time a source has answered; the last report is returned as well. It returns ErrNoService, the context's error,
// or nothing: a source that cannot be looked at is told of in the report.
func (d *Doctor) Investigate(ctx context.Context, q Question, emit func(Report)) (Report, error) {
	if emit == nil {
		emit = func(Report) {}
	}
	x := &inquiry{d: d, q: q, began: d.Now(), snap: d.Fleet.Snapshot(), scenes: map[string]*Scene{}, heard: map[string]*Scene{}, asking: map[string]bool{}}
	if x.q.At.IsZero() || x.q.At.After(x.began) {
		x.q.At, x.live = x.began, true
	}
	if q.Service != "" {
		v := x.snap.Service(q.Service)
		if v == nil {
			return Report{}, fmt.Errorf("%s: %w", q.Service, ErrNoService)
		}
		x.q.Service = v.Name
	}
	x.choose()
	emit(x.report(false))
	budget := cmp.Or(q.Within, d.Budget, Budget)
	inner, cancel := context.WithTimeout(ctx, budget)
	defer cancel()
	x.budget, x.over = budget, func() bool { return ctx.Err() == nil && inner.Err() != nil }
	x.askWide(inner)
	x.choose()
	emit(x.report(false))
	x.askClosely(inner, func() { emit(x.report(false)) })
	if err := ctx.Err(); err != nil {
		return Report{}, err
	}
	r := x.report(true)
	emit(r)
	return r, nil
}

// inquiry is one investigation under way.
type inquiry struct {
	d     *Doctor
	q     Question
	began time.Time
	live  bool // it is about now
	// over tells that the time for all the questions, budget, has run out.
	over   func() bool
	budget time.Duration
	snap   *fleet.Snapshot

	wide  *Wide // nil: not asked yet
	links map[string][]Link

	subjects []string
	left     []string
	// witnesses are not looked at, only what their error lines say of others, which is in heard.
	witnesses []string
	mu        sync.Mutex
	scenes    map[string]*Scene // by service name
	heard     map[string]*Scene // of the witnesses that were asked, by service name
	asking    map[string]bool   // those that are being asked about closely
	looked    []Looked
}

func (x *inquiry) log() *slog.Logger {
	if x.d.Logger == nil {
		return slog.New(slog.DiscardHandler)
	}
	return x.d.Logger
}

// choose picks the services that are looked at closely, the most urgent first, and makes a scene of each.
func (x *inquiry) choose() {
	var list []string
	take := func(names ...string) {
		for _, n := range names {
			if v := x.snap.Service(n); v != nil && !slices.Contains(list, v.Name) {
				list = append(list, v.Name)
			}
		}
	}
	if x.q.Service != "" {
		take(x.q.Service)
		for _, n := range x.needs(x.q.Service, 3) {
			if x.suspect(x.snap.Service(n)) {
				take(n)
			}
		}
		x.witnesses = x.callers(list)
	} else {
		take(x.suspects()...)
	}
	x.left = nil
	if len(list) > maxSubjects {
		x.left, list = list[maxSubjects:], list[:maxSubjects]
	} else if x.q.Service == "" { // who stands at its limit may do so for ever: they push nobody out
		take(x.nearMemory()...)
		list = list[:min(len(list), maxSubjects)]
	}
	x.subjects = list
	clear(x.asking)
	for _, n := range list {
		x.asking[n] = true
		if x.scenes[n] == nil {
			x.scenes[n] = x.scene(n)
		}
	}
}

// suspects are the services that are worth a closer look, the most urgent first.
func (x *inquiry) suspects() []string {
	all := slices.Clone(x.snap.Services)
	slices.SortStableFunc(all, func(a, b *fleet.Service) int { return a.Health.Rank() - b.Health.Rank() })
	var out []string
	for _, v := range all {
		if x.suspect(v) {
			out = append(out, v.Name)
		}
	}
	return out
}

// callers are the services that would be looked at if all were asked about, that are not looked at themselves and can name one that is, or one that that
// needs: they are on a network of one that is on a network of it. A cause must not be surer for being asked about with those that suffer from it.
func (x *inquiry) callers(list []string) []string {
	near := map[string]bool{}
	mark := func(v *fleet.Service) {
		for _, n := range v.Networks {
			near[n] = true
		}
	}
	onOne := func(v *fleet.Service, of map[string]bool) bool {
		return slices.ContainsFunc(v.Networks, func(n string) bool { return of[n] })
	}
	for _, n := range list {
		mark(x.snap.Service(n))
	}
	first := maps.Clone(near)
	for _, v := range x.snap.Services {
		if onOne(v, first) {
			mark(v)
		}
	}
	all := x.suspects()
	return slices.DeleteFunc(all[:min(len(all), maxSubjects)], func(n string) bool {
		return slices.Contains(list, n) || !onOne(x.snap.Service(n), near)
	})
}

// nearMemory are the services whose memory comes near its limit, the fullest first.
func (x *inquiry) nearMemory() []string {
	if x.wide == nil {
		return nil
	}
	return slices.SortedFunc(maps.Keys(x.wide.NearMemory), func(a, b string) int {
		return cmp.Or(cmp.Compare(x.wide.NearMemory[b], x.wide.NearMemory[a]), strings.Compare(a, b))
	})
}

// needs are the services that one needs, and what those need, up to a depth; none twice.
func (x *inquiry) needs(service string, depth int) []string {
	var out []string
	todo := []string{service}
	for ; depth > 0 && len(todo) > 0; depth-- {
		var next []string
		for _, n := range todo {
			for _, l := range x.links[n] {
				if l.Service != service && !slices.Contains(out, l.Service) {
					out, next = append(out, l.Service), append(next, l.Service)
				}
			}
		}
		todo = next
	}
	return out
}

// suspect tells whether something about a service is worth a closer look.
func (x *inquiry) suspect(v *fleet.Service) bool {
	if v == nil {
		return false
	}
	if v.Health == fleet.Down || v.Health == fleet.Degraded || v.Health == fleet.Updating || v.Firing > 0 || v.Failures > 0 {
		return true
	}
	if v.Mode == sources.Replicated && v.Desired == 0 && x.q.At.Sub(v.Updated) < Recent { // who takes all tasks away leaves no other trace
		return true
	}
	s := Scene{At: x.q.At, Snap: x.snap, Service: v, Tasks: v.Tasks}
	if s.alert(sources.Pending) != nil {
		return true
	}
	if len(s.since(func(t *sources.Task) bool { return bad(t) || t.State == sources.TaskComplete && !v.Mode.Job() })) > 0 {
		return true
	}
	if len(s.happened(Recent, fleet.Scaled, fleet.DeployStarted, fleet.DeployPaused, fleet.RolledBack)) > 0 {
		return true
	}
	return x.wide.suspects(v.Name)
}

// scene is what the swarm tells of a service.
func (x *inquiry) scene(name string) *Scene {
	v := x.snap.Service(name)
	s := &Scene{At: x.q.At, Snap: x.snap, Service: v, Tasks: tasksAt(v.Tasks, x.q.At)}
	s.Changes = x.told(s)
	s.findOnset()
	return s
}

// told are the changes that the swarm itself still tells of.
func (x *inquiry) told(s *Scene) []Change {
	v := s.Service
	var out []Change
	if !v.UpdateStarted.IsZero() && !v.UpdateStarted.After(s.At.Add(clockSlack)) {
		d := Change{At: v.UpdateStarted, Text: "a deploy of " + v.Image}
		if strings.HasPrefix(v.UpdateState, "rollback_") { // what runs is what was before, and of what was deployed nothing is kept
			d.Text = "a deploy, which the swarm took back or tried to"
		}
		out = append(out, d)
	}
	for _, h := range s.happened(Span, fleet.Scaled) {
		out = append(out, Change{At: h.Time, Text: "scaled " + h.Text})
	}
	slices.SortStableFunc(out, func(a, b Change) int { return b.At.Compare(a.At) })
	return out
}

// alertSays is how the word of an alert for an onset begins.
const alertSays = "alert "

// findOnset takes the earliest sign of what is wrong now.
func (s *Scene) findOnset() {
	take := func(t time.Time, by string) {
		if t.IsZero() || t.Before(s.At.Add(-Span)) || t.After(s.At.Add(clockSlack)) {
			return
		}
		if s.Onset.IsZero() || t.Before(s.Onset) {
			s.Onset, s.OnsetBy = t, by
		}
	}
	s.Onset, s.OnsetBy = time.Time{}, ""
	for _, t := range s.since(bad) {
		take(t.Since, "a task's bad end")
	}
	for _, t := range s.waiting() {
		if t.Err != "" {
			take(t.Created, "a task that cannot be placed")
		}
	}
	if !s.well() && s.Onset.IsZero() {
		take(s.Service.HealthSince, "the fleet's verdict")
	}
	for _, state := range []sources.AlertState{sources.Firing, sources.Pending} {
		if a := s.alert(state); a != nil && s.Onset.IsZero() {
			take(a.Since, alertSays+a.Name)
		}
	}
	if s.Logs != nil && s.Logs.Jump.Found {
		take(s.Logs.Jump.From, "the error lines")
	}
	if s.Metrics != nil {
		for _, j := range s.Metrics.jumps() {
			take(j.From, "the metric "+j.Name)
		}
	}
}

// look marks what a source has answered, once.
func (x *inquiry) look(source, state, detail string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for i := range x.looked {
		if l := &x.looked[i]; l.Source == source {
			if l.State == lookedAt && state != lookedAt {
				l.State, l.Detail = state, detail
			}
			return
		}
	}
	x.looked = append(x.looked, Looked{source, state, detail})
}

// The states of a look.
const (
	lookedAt    = WasLooked
	couldNot    = CouldNotLook
	notAsked    = "not configured"
	stillAsking = "asking"
)

// report runs the rules over what is known by now.
func (x *inquiry) report(done bool) Report {
	x.mu.Lock()
	defer x.mu.Unlock()
	r := Report{Service: x.q.Service, At: x.q.At, Took: x.d.Now().Sub(x.began), Subjects: slices.Clone(x.subjects), Left: slices.Clone(x.left), Done: done}
	var causes []Cause
	if x.swarmOK() {
		for _, n := range x.subjects {
			s := x.scenes[n]
			s.DependsOn, s.Quotes = x.linksOf(n), x.quotesOf(n)
			s.findOnset()
			for _, rule := range rules {
				causes = append(causes, rule.causes(s, x.wide)...)
			}
		}
		causes = append(causes, x.platform()...)
		causes = append(causes, x.stores()...)
	}
	if !done {
		causes = x.holdBack(causes)
	}
	r.Causes = x.arrange(causes)
	if x.live {
		x.d.memory.recall(r.Causes, x.q.At, done)
	}
	r.Troubles, r.Elsewhere, r.Strays = x.explained(r.Causes)
	if x.q.Service != "" {
		r.Strays = nil
	}
	r.removed = x.removals(r.Strays)
	r.Looked = append([]Looked{x.swarmLook()}, x.looked...)
	return r
}

func (x *inquiry) swarmOK() bool { return x.snap.Ready() }

func (x *inquiry) swarmLook() Looked {
	st := x.snap.Source(fleet.SwarmName)
	l := Looked{Source: fleet.SwarmName, State: lookedAt, Detail: "services, tasks, nodes, updates, and what has happened"}
	switch {
	case !x.snap.Ready():
		l.State, l.Detail = couldNot, string(st.State)+": "+st.Detail
	case !st.OK():
		l.State, l.Detail = couldNot, fmt.Sprintf("%s: %s; what follows is as of %s", st.State, st.Detail, x.snap.Listed.UTC().Format(time.RFC3339))
	case x.began.Sub(x.q.At) > time.Minute:
		l.Detail += "; of then it keeps the last tasks of each slot only"
	}
	return l
}
