package actions_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"quarterdeck/actions"
	"quarterdeck/recovery"
	"quarterdeck/sources"
	"quarterdeck/sources/fleet"
)

const stackLabel = "com.docker.stack.namespace"

// stack makes a stack of two services with data that is saved, of which the first by name needs the other, one with data that nobody saves, and one that says it has none.
func (p *platform) stack(t *testing.T) (stack, front, back, bare string) {
	t.Helper()
	stack = named(t)
	front, _ = p.saved(t, label(stackLabel, stack))
	back, _ = p.saved(t, label(stackLabel, stack))
	p.change(t, front, label("qd.depends-on", back))
	bare = named(t)
	s := p.spec(bare, append(filesSpec(bare, "true"), label(stackLabel, stack))...)
	for k := range s.Labels {
		if strings.HasPrefix(k, "qd.backup.") {
			delete(s.Labels, k)
		}
	}
	p.createNamed(t, s)
	none := named(t)
	p.createNamed(t, p.spec(none, append(filesSpec(none, "true"), label(stackLabel, stack), label(recovery.LabelEngine, "none"))...))
	for _, name := range []string{front, bare, none} {
		p.well(t, name)
	}
	return stack, front, back, bare
}

func (r *rig) days(stack string) []recovery.Day {
	r.t.Helper()
	all, err := (&recovery.Catalogue{Objects: r.Objects}).Read(context.Background())
	must(r.t, err)
	return all.Days[stack]
}

// TestDRDay drills a stack in the order of its dependencies; one that fails does not stop the others, and what nobody saves is said.
func TestDRDay(t *testing.T) {
	t.Parallel()
	p := sharedDemo(t)
	stack, front, back, bare := p.stack(t)
	r := p.recoverable(t, t.TempDir())
	plan := r.planned(r.PlanDay(t.Context(), stack, time.Time{}))
	order := func(d []recovery.DayDrill) (out []string) {
		for i := range d {
			out = append(out, d[i].Service)
		}
		return out
	}
	if got := order(plan.Day.Drills); !slices.Equal(got, []string{back, front}) || plan.Word() != stack || plan.Harm != actions.Serious || len(plan.Steps()) != 3 {
		t.Fatalf("%q in order, confirmed by %q, %v", got, plan.Word(), plan.Steps())
	}
	if !slices.ContainsFunc(plan.Warnings, func(w string) bool { return strings.Contains(w, bare+" is not tried") }) || len(plan.Day.Left) != 2 {
		t.Errorf("%q, left %+v", plan.Warnings, plan.Day.Left)
	}
	report, err := r.run(plan, actions.ResultDone)
	must(t, err)
	d := report.Day
	if ok, all := d.Count(); ok != 2 || all != 2 || d.Ended.IsZero() || d.Took() <= 0 || d.Drills[0].Drill.Verified == nil || len(d.Drills[0].Drill.Steps) < 3 {
		t.Errorf("%+v", d)
	}
	if days := r.days(stack); len(days) != 1 || days[0].Verdict() != d.Verdict() || !strings.Contains(d.Verdict(), "1 service not covered") {
		t.Errorf("%q, recorded %+v", d.Verdict(), days)
	}
	p.nothingLeft(t, front)
	// Somebody has the second one in hand by now: the day goes on, and says so.
	plan = r.planned(r.PlanDay(t.Context(), stack, time.Time{}))
	id, err := p.hands.CreateMaterial(t.Context(), sources.Config, sources.Material{Name: "qd-lock-" + back, Labels: map[string]string{"qd.run": "another", "qd.service": back}, Data: []byte("{}")})
	must(t, err)
	report, err = r.run(plan, actions.ResultFailed)
	must(t, p.hands.RemoveMaterial(t.Context(), sources.Config, id))
	if err == nil || !strings.Contains(report.Reason, back) || report.Undo != "" {
		t.Errorf("%v, %q, undo %q", err, report.Reason, report.Undo)
	}
	if x := report.Day.Drills; x[0].State != recovery.DayFailed || !strings.Contains(x[0].Reason, "another") || x[1].State != recovery.DayOK {
		t.Errorf("%+v", x)
	}
	// At a moment before there was a snapshot nothing can be drilled, and that is refused.
	early, err := r.PlanDay(t.Context(), stack, time.Now().Add(-time.Hour))
	if err != nil || early.Refused == "" {
		t.Errorf("%v, %+v", err, early)
	}
	if _, err := r.PlanDay(t.Context(), "no-such-stack", time.Time{}); sources.KindOf(err) != sources.BadQuestion {
		t.Errorf("of no stack: %v", err)
	}
	p.runbookOf(t, r, stack, front, back, bare)
}

// runbookOf holds the runbook of a stack that was drilled.
func (p *platform) runbookOf(t *testing.T, r *rig, stack, front, back, bare string) {
	t.Helper()
	book, err := r.Runbook(t.Context(), actions.RunbookOptions{Stack: stack})
	must(t, err)
	if len(book.Services) != 2 || book.Services[0].Service != back || book.Services[1].Service != front || !slices.Equal(book.Services[1].Needs, []string{back}) {
		t.Fatalf("%+v", book.Services)
	}
	for _, s := range book.Services[1].Steps {
		if (s.Kind == "job drill" || s.Kind == "job restore") && (s.Took == nil || *s.Took <= 0 || s.Alike != (s.Kind == "job restore")) {
			t.Errorf("%+v", s)
		}
	}
	if !slices.ContainsFunc(book.NotProven, func(d recovery.Doubt) bool { return d.Service == bare && d.Grave }) {
		t.Errorf("nobody says that %s is not covered: %+v", bare, book.NotProven)
	}
	if len(book.Days) != 1 || book.Days[0].Stack != stack {
		t.Errorf("%+v", book.Days)
	}
	// Without the swarm the records tell of the same, in the same order.
	gone := &actions.Deck{Hands: noSwarm{r.Hands}, Objects: r.Objects, Fleet: r.Fleet, Journal: r.Journal, Now: r.Now}
	book, err = gone.Runbook(t.Context(), actions.RunbookOptions{Stack: stack})
	must(t, err)
	if book.NoSwarm == "" || len(book.Services) != 2 || book.Services[0].Service != back {
		t.Errorf("%q, %+v", book.NoSwarm, book.Services)
	}
	if _, err := r.Runbook(t.Context(), actions.RunbookOptions{Services: []string{"nobody"}}); sources.KindOf(err) != sources.BadQuestion {
		t.Errorf("of nobody: %v", err)
	}
}

type noSwarm struct{ sources.Hands }

func (noSwarm) ServiceStates(context.Context) ([]sources.ServiceState, error) {
	return nil, &sources.Error{Source: "swarm", Kind: sources.Unreachable, Op: "list services"}
}

// dayEntries are those of a DR day until its first drill has ended and the second has begun: begin, the step, the twelve of a drill of files, the step's end, and
// some of the second's.
const dayEntries = 1 + 1 + 12 + 1 + 6

// TestDRDayKilled kills the console in the second drill of a DR day: its record tells which were done, and gone on with it does the rest and nothing twice.
func TestDRDayKilled(t *testing.T) {
	t.Parallel()
	p := sharedDemo(t)
	stack, front, back, _ := p.stack(t)
	dir := t.TempDir()
	said, killed := spawn(t, job{Dir: dir, Host: p.host, Image: p.image, Action: actions.DRDay, Service: stack, Means: p.means(t), DieAtEntry: dayEntries}).rest()
	if !killed {
		t.Fatalf("the child was not killed: %s", said)
	}
	r := p.recoverable(t, dir)
	days := r.days(stack)
	if len(days) != 1 || !days[0].Ended.IsZero() || days[0].Drills[0].State != recovery.DayOK || days[0].Drills[1].State != recovery.DayStarted {
		t.Fatalf("%+v", days)
	}
	open, err := r.Unfinished()
	must(t, err)
	at := slices.IndexFunc(open, func(x actions.RunRecord) bool { return x.Action == actions.DRDay })
	if at < 0 || len(open) != 2 {
		t.Fatalf("%+v are unfinished", open)
	}
	st, err := r.Stand(t.Context(), open[at])
	must(t, err)
	if st.Done != 1 || st.AllMade || st.NoFinish != "" || st.NoLeave != "" || len(st.Services) != 2 {
		t.Errorf("it stands at %+v", st)
	}
	again, err := r.Resume(t.Context(), st, nil)
	must(t, err)
	if _, err := r.ended(again, actions.ResultDone); err != nil {
		t.Error(err)
	}
	all, err := (&recovery.Catalogue{Objects: r.Objects}).Read(t.Context())
	must(t, err)
	for _, name := range []string{front, back} {
		if n := len(all.Drills[name]); n != 1 {
			t.Errorf("%d drills of %s are recorded", n, name)
		}
		p.nothingLeft(t, name)
	}
	if d := all.Days[stack]; len(d) != 1 || d[0].Ended.IsZero() || d[0].Drills[1].State != recovery.DayOK || d[0].Drills[1].Run != days[0].Drills[1].Run {
		t.Errorf("%+v", d)
	}
	if open, err := r.Unfinished(); err != nil || len(open) > 0 {
		t.Errorf("%d unfinished, %v", len(open), err)
	}
}

// TestRestoreAt takes the newest snapshot at or before a moment, and says how far from it that is.
func TestRestoreAt(t *testing.T) {
	t.Parallel()
	p := sharedDemo(t)
	service, first := p.saved(t)
	r := p.recoverable(t, t.TempDir())
	between := time.Now()
	report, err := r.run(r.planned(r.PlanBackup(t.Context(), service)), actions.ResultDone)
	must(t, err)
	for at, want := range map[time.Time]string{between: first, time.Now(): report.Snapshot} {
		for _, plan := range []func(context.Context, string, time.Time) (*actions.Plan, error){r.PlanDrillAt, r.PlanRestoreAt} {
			made := r.planned(plan(t.Context(), service, at))
			if made.Recovery.Snapshot.ID != want || !slices.ContainsFunc(made.Warnings, func(w string) bool { return strings.Contains(w, "at or before") }) {
				t.Errorf("at %s it is %s, %q", at, made.Recovery.Snapshot.Short(), made.Warnings)
			}
			if next := slices.ContainsFunc(made.Warnings, func(w string) bool { return strings.HasPrefix(w, "the next one, "+report.Snapshot[:8]) }); next != (want == first) {
				t.Errorf("at %s the next one is told: %v", at, next)
			}
		}
	}
	if _, err := r.PlanRestoreAt(t.Context(), service, between.Add(-time.Hour)); sources.KindOf(err) != sources.NotFound || !strings.Contains(err.Error(), first[:8]) {
		t.Errorf("before the first: %v", err)
	}
}

// TestRunsServicesAreNoServices: while a drill is under way what it has made is not what makes the platform ill.
func TestRunsServicesAreNoServices(t *testing.T) {
	t.Parallel()
	p := sharedDemo(t)
	service, _ := p.saved(t)
	r := p.recoverable(t, t.TempDir())
	run := r.start(r.planned(r.PlanDrill(t.Context(), service, "")))
	changed, stop := p.fleet.Subscribe()
	defer stop()
	seen := false
	for done := false; !done; {
		for _, v := range p.fleet.Snapshot().Services {
			if v.Labels[sources.LabelRun] == run.ID() {
				seen = true
				if v.Health == fleet.Down || v.Health == fleet.Degraded {
					t.Errorf("%s is %s: %s", v.Name, v.Health, v.Reason)
				}
			}
		}
		select {
		case <-run.Done():
			done = true
		case <-changed:
		}
	}
	if _, err := r.ended(run, actions.ResultDone); err != nil || !seen {
		t.Errorf("%v, seen: %v", err, seen)
	}
}
