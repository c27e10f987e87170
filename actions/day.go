package actions

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"quarterdeck/recovery"
	"quarterdeck/sources"
)

// DayPlan is a DR day: a drill of each service of a stack that has a policy, one after the other in the order of their dependencies. Each drill is a run of its
// own, with its own lock and its own record; the day is the run that has them done. It is written down whole, so it holds no secret.
type DayPlan struct {
	Stack string `json:"stack"`
	// At is the moment whose state is brought back; zero: the newest.
	At     time.Time           `json:"at,omitzero"`
	Drills []recovery.DayDrill `json:"drills"`
	Left   []recovery.DayLeft  `json:"left"`
}

// record is the day's record before anything was done.
func (p *DayPlan) record(r *Running) *recovery.Day {
	return &recovery.Day{Run: r.id, Stack: p.Stack, Actor: r.d.Policy.Actor, Began: r.progress.Began.UTC(), At: p.At, Drills: slices.Clone(p.Drills), Left: p.Left}
}

// dayTarget is what the journal says that a DR day is about: no service, so that the drills are not in its way.
func dayTarget(stack string) string { return "stack " + stack }

func (p *DayPlan) services() []string {
	var out []string
	for i := range p.Drills {
		out = append(out, p.Drills[i].Service)
	}
	return out
}

// steps are the drills, and the record.
func (p *DayPlan) steps(plan *Plan) []Step {
	if plan.Refused != "" {
		return nil
	}
	var out []Step
	for i := range p.Drills {
		x := &p.Drills[i]
		out = append(out, Step{Name: fmt.Sprintf("drill %s from snapshot %.8s of %s", x.Service, x.Snapshot, x.Taken.UTC().Format("2006-01-02 15:04:05Z")), Kind: StepDrill, At: i})
	}
	return append(out, Step{Name: "write the record of the day down", Kind: StepDay})
}

// PlanDay plans a drill of each service of a stack, of its newest snapshot or, where at is not zero, of the newest at or before that moment. What cannot be tried is
// named with why.
func (d *Deck) PlanDay(ctx context.Context, stack string, at time.Time) (*Plan, error) {
	if !recovery.IsStack(stack) {
		return nil, &Refusal{fmt.Sprintf("%q is no stack's name", stack)}
	}
	if _, err := d.Ready(ctx); err != nil {
		return nil, err
	}
	contents, err := d.contents(ctx)
	if err != nil {
		return nil, err
	}
	all, err := d.Hands.ServiceStates(ctx)
	if err != nil {
		return nil, err
	}
	states := slices.DeleteFunc(slices.Clone(all), func(s sources.ServiceState) bool { return s.Stack != stack })
	if len(states) == 0 {
		return nil, &sources.Error{Source: "swarm", Kind: sources.BadQuestion, Op: "plan a DR day of " + stack, Err: errors.New("there is no such stack"), Next: "see `quarterdeck status` for the stacks there are"}
	}
	depth := groupsOf(states)
	slices.SortFunc(states, func(a, b sources.ServiceState) int {
		return cmp.Or(depth[a.Name]-depth[b.Name], strings.Compare(a.Name, b.Name))
	})
	day := &DayPlan{Stack: stack, At: at, Drills: []recovery.DayDrill{}, Left: []recovery.DayLeft{}}
	p := &Plan{Action: DRDay, Day: day, Harm: Serious}
	rows := map[string]*recovery.Coverage{}
	cover := coverOf(all, contents, nil, d.Now())
	for i := range cover {
		c := &cover[i]
		if c.Service != "" {
			rows[c.Service] = c
		} else if slices.ContainsFunc(states, func(s sources.ServiceState) bool { return slices.Contains(c.Mounts, s.Name) }) {
			day.Left = append(day.Left, recovery.DayLeft{Service: "volume " + c.Volume, Why: c.Problem})
		}
	}
	for i := range states {
		if c := rows[states[i].Name]; c != nil {
			if err := d.addDrill(ctx, p, c, at); err != nil {
				return nil, err
			}
		}
	}
	for _, x := range day.Left {
		if !x.Exempt {
			p.warn("%s is not tried: %s", x.Service, x.Why)
		}
	}
	if len(day.Drills) == 0 {
		p.Refused = "no service of " + stack + " can be drilled now"
	}
	return d.finish(p), nil
}

// addDrill adds a service to a DR day, or why it is left out.
func (d *Deck) addDrill(ctx context.Context, p *Plan, c *recovery.Coverage, at time.Time) error {
	leave := func(exempt bool, why string) {
		p.Day.Left = append(p.Day.Left, recovery.DayLeft{Service: c.Service, Why: why, Exempt: exempt})
	}
	switch {
	case c.State == recovery.CoverExempt:
		leave(true, "its labels say that it has nothing to be saved")
		return nil
	case c.By != "":
		leave(true, "its volume is saved by the policy of "+c.By)
		return nil
	case !c.Policy.Usable():
		leave(false, c.Problem)
		return nil
	}
	one, err := d.planRecovery(ctx, Drill, c.Service, chosenFor(at))
	switch {
	case sources.KindOf(err) == sources.NotFound:
		leave(false, err.Error())
		return nil
	case err != nil:
		return err
	case one.Refused != "":
		leave(false, one.Refused)
		return nil
	}
	r := one.Recovery
	p.Day.Drills = append(p.Day.Drills, recovery.DayDrill{Service: c.Service, Engine: r.engine(), State: recovery.DayWaiting, Snapshot: r.Snapshot.ID, Taken: r.Snapshot.Taken, Allowed: r.RTO})
	for _, w := range one.Warnings {
		p.warn("%s: %s", c.Service, w)
	}
	return nil
}

func chosenFor(at time.Time) chosen {
	if at.IsZero() {
		return chosen{id: "latest"}
	}
	return chosen{at: at}
}

// drillFailed is a drill of a DR day that did not come back. The day goes on.
type drillFailed struct{ why string }

func (e *drillFailed) Error() string { return e.why }

// beginDay takes up the day's record: as an earlier process has left it, or a new one.
func (r *Running) beginDay(ctx context.Context) error {
	day := r.plan.Day.record(r)
	if r.resumed {
		err := persist(ctx, func() error {
			known, err := recovery.ReadDay(ctx, r.d.Objects, day.Stack, day.Run)
			if err == nil {
				day = known
			}
			return err
		})
		if err != nil && sources.KindOf(err) != sources.NotFound {
			return err
		}
	}
	r.mu.Lock()
	r.day = day
	r.mu.Unlock()
	r.saveDay(ctx)
	return nil
}

// dayNow is a copy of the record.
func (r *Running) dayNow() *recovery.Day {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.day == nil {
		return nil
	}
	d := *r.day
	d.Drills = slices.Clone(d.Drills)
	return &d
}

func (r *Running) changeDay(f func(*recovery.Day)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	f(r.day)
}

// saveDay writes down how far the day is. That it cannot be written now stops no drill: it is written again after the next, and must be at the end.
func (r *Running) saveDay(ctx context.Context) {
	if err := recovery.SaveDay(ctx, r.d.Objects, r.dayNow()); err != nil {
		r.d.log().Warn("the record of a DR day could not be written", "run", r.id, "error", err)
	}
}

// drillOfDay has one service drilled, by a run of its own: the one that an earlier process has left unfinished, else a new one.
func (r *Running) drillOfDay(ctx context.Context, at int) error {
	x := r.dayNow().Drills[at]
	child, err := r.startDrill(ctx, &x)
	var record *recovery.Drill
	if err == nil {
		r.changeDay(func(d *recovery.Day) { d.Drills[at].Run, d.Drills[at].State = child.id, recovery.DayStarted })
		r.saveDay(ctx)
		_, err = child.Report()
		child.mu.Lock()
		record = child.recovered
		if child.report.Result != ResultDone && err == nil {
			err = errors.New(child.report.Reason)
		}
		child.mu.Unlock()
	}
	if ctx.Err() != nil {
		return ctx.Err() // left: the drill stays begun in the record
	}
	why := ""
	if err != nil {
		why = err.Error()
	}
	if record != nil && !record.OK && record.Reason == "" {
		record.Reason = why
	}
	r.changeDay(func(d *recovery.Day) { d.Drills[at].Record(record, why) })
	r.saveDay(ctx)
	if err != nil {
		return &drillFailed{why}
	}
	return nil
}

func (r *Running) startDrill(ctx context.Context, x *recovery.DayDrill) (*Running, error) {
	var child *Running
	told := make(chan struct{}) // nothing is told of before the run is there
	notify := func() {
		<-told
		if child != nil {
			r.tellOf(child)
		}
	}
	defer close(told)
	if r.resumed && x.Run != "" {
		open, err := r.d.Unfinished()
		if err != nil {
			return nil, err
		}
		if i := slices.IndexFunc(open, func(o RunRecord) bool { return o.ID == x.Run }); i >= 0 {
			at, err := r.d.Stand(ctx, open[i])
			if err != nil {
				return nil, err
			}
			child, err = r.d.Resume(ctx, at, notify)
			return child, err
		}
	}
	p, err := r.d.planRecovery(ctx, Drill, x.Service, chosen{id: x.Snapshot})
	if err != nil {
		return nil, err
	}
	// The day was confirmed whole: what is guarded of it by the stack's name.
	child, err = r.d.Start(ctx, p, Approval{Yes: true, Typed: p.Word(), Reason: "DR day of " + r.plan.Day.Stack + ", run " + r.id}, notify)
	return child, err
}

// tellOf shows how far a drill is in the day's own step.
func (r *Running) tellOf(child *Running) {
	p := child.Progress()
	n := len(p.Steps)
	if n == 0 || p.Result != "" { // its last word comes when the day may be at the next
		return
	}
	s, all := p.Steps[n-1], p.Plan.lines()
	r.tell(func(t *StepReport) { // one that was resumed does not begin at the first
		t.Detail, t.Bytes, t.Total = fmt.Sprintf("step %d of %d, %s", slices.Index(all, s.Name)+1, len(all), s.Name), s.Bytes, s.Total
	})
}

// endDay writes the day's record for good, and fails where a drill did.
func (r *Running) endDay(ctx context.Context) error {
	r.changeDay(func(d *recovery.Day) { d.Ended = r.d.Now().UTC() })
	return persist(ctx, func() error { return recovery.SaveDay(ctx, r.d.Objects, r.dayNow()) })
}

// verdict is why a day that came to its end is no success: the drills that did not come back.
func (p *DayPlan) verdict(r *Running) error {
	d := r.dayNow()
	var failed []string
	for i := range d.Drills {
		if d.Drills[i].State == recovery.DayFailed {
			failed = append(failed, d.Drills[i].Service)
		}
	}
	if len(failed) == 0 {
		return nil
	}
	return fmt.Errorf("%s; %s did not come back", d.Verdict(), strings.Join(failed, ", "))
}

// stand says where an interrupted DR day is.
func (p *DayPlan) stand(_ context.Context, _ *Deck, s *Standing) error {
	s.AllMade = false
	done := map[string]string{}
	for _, x := range s.Run.StepReports() {
		done[x.Name] = x.State
		if x.State == stateFailed {
			done[x.Name] = x.State + ": " + x.Detail
		}
	}
	for i, step := range p.steps(s.Run.plan.about()) {
		if i < len(p.Drills) {
			s.Services = append(s.Services, ServiceStanding{Service: p.Drills[i].Service, State: "drill " + orWords(done[step.Name], "not begun")})
		}
	}
	return nil
}
