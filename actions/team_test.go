package actions_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"

	"quarterdeck/actions"
	"quarterdeck/actions/journal"
	"quarterdeck/sources"
	"quarterdeck/sources/fleet"
	"quarterdeck/sources/loki"
)

// Several processes act on services of their own at the same time, on one journal.
func testTogether(t *testing.T, p *platform) {
	r := p.deck(t)
	var names []string
	for range 3 {
		names = append(names, p.running(t, replicas(1)))
	}
	var children []*process
	for _, n := range names[1:] {
		children = append(children, spawn(t, job{Dir: r.Journal.Dir(), Host: p.host, Image: p.image, Action: actions.Scale, Service: n, Replicas: 2}))
	}
	r.proven(r.redeploy(names[0], ":1.1"))
	for _, c := range children {
		if said, _ := c.rest(); !strings.Contains(said, "ended done") {
			t.Errorf("a child says %q", said)
		}
	}
	r.sound()
	runs, err := r.Runs()
	if err != nil || len(runs) != 3 {
		t.Errorf("%+v %v", runs, err)
	}
	for _, x := range runs {
		if x.Result != actions.ResultDone || len(x.Steps) != 5 {
			t.Errorf("%+v", x)
		}
	}
}

// following lets a deck follow the team's record until the test ends.
func (r *rig) following(logs sources.Logs) {
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { r.FollowTeam(ctx, logs) })
	r.t.Cleanup(func() { cancel(); wg.Wait() })
}

func (r *rig) heard(run string) (found []actions.TeamRun) {
	for _, x := range r.Team() {
		if x.Run == run {
			found = append(found, x)
		}
	}
	return found
}

func TestTeam(t *testing.T) {
	t.Parallel()
	p := sharedDemo(t)
	testTeam(t, p, p.logs.(*loki.Client))
}

// testTeam is two machines and a second console on the first: each sees the run, once, whichever ways it comes.
func testTeam(t *testing.T, p *platform, l *loki.Client) {
	name := p.running(t, replicas(1))
	acting := p.deck(t)
	acting.Sink = l
	here := p.deckIn(t, acting.Journal.Dir()) // the same journal, and Loki
	here.following(l)
	elsewhere := p.deck(t) // a journal of its own, and Loki
	elsewhere.Fleet = p.fleet
	elsewhere.following(l)
	run := acting.start(acting.scale(name, 2))
	for who, r := range map[string]*rig{"here": here, "elsewhere": elsewhere} {
		p.until(t, who+" it is seen", func() bool { return len(r.heard(run.ID())) == 1 })
		if x := r.heard(run.ID())[0]; x.Action != actions.Scale || x.Target != name || x.Actor != "tester" || x.Why != "a test" && x.Step == "" {
			t.Errorf("%s: %+v", who, x)
		}
	}
	if _, err := acting.ended(run, actions.ResultDone); err != nil {
		t.Error(err)
	}
	must(t, acting.Flush(t.Context()))
	for who, r := range map[string]*rig{"here": here, "elsewhere": elsewhere} {
		p.until(t, who+" its end is seen", func() bool { x := r.heard(run.ID()); return len(x) == 1 && x[0].Result == actions.ResultDone })
	}
	begun, ended := 0, 0
	for _, h := range p.fleet.Snapshot().History {
		if h.Service == name && h.Kind == fleet.ActionBegun {
			begun++
		}
		if h.Service == name && h.Kind == fleet.ActionEnded {
			ended++
		}
	}
	if begun != 1 || ended != 1 {
		t.Errorf("the timeline has %d begins and %d ends", begun, ended)
	}
	page, err := l.Query(t.Context(), sources.LogQuery{Expr: fmt.Sprintf(`{app="quarterdeck"} |= %q`, run.ID()), Limit: 100})
	if err != nil || len(page.Entries) != len(acting.entries(run.ID())) {
		t.Errorf("Loki has %d lines of %d: %v", len(page.Entries), len(acting.entries(run.ID())), err)
	}
}

// broken is a sink that nothing can be written to.
type broken struct{}

func (broken) Push(context.Context, map[string]string, []sources.PushLine) error {
	return &sources.Error{Source: "loki", Kind: sources.Unreachable, Op: "push"}
}

// TestRecordThatCannotBePushed: the run goes on, and that the team has no record of it is said.
func TestRecordThatCannotBePushed(t *testing.T) {
	t.Parallel()
	p := sharedDemo(t)
	name, r := p.running(t, replicas(1)), p.deck(t)
	r.Sink = broken{}
	r.proven(r.scale(name, 2))
	if err := r.Flush(t.Context()); err == nil || !strings.Contains(err.Error(), "6 entries of the journal are not in the team's record") {
		t.Errorf("%v", err)
	}
}

// away is a sink that refuses the first pushes, and keeps what it takes.
type away struct {
	mu    sync.Mutex
	left  int
	taken []string
}

func (a *away) Push(_ context.Context, _ map[string]string, lines []sources.PushLine) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.left--; a.left >= 0 {
		return &sources.Error{Source: "loki", Kind: sources.Unreachable, Op: "push"}
	}
	for _, l := range lines {
		a.taken = append(a.taken, l.Line)
	}
	return nil
}

// TestRecordComesBack: what was written while the team's record was away is there, in order and once, when it is back.
func TestRecordComesBack(t *testing.T) {
	t.Parallel()
	p := sharedDemo(t)
	name, r := p.running(t, replicas(1)), p.deck(t)
	sink := &away{left: 3}
	r.Sink = sink
	report := r.proven(r.scale(name, 2))
	entries := r.entries(report.Run)
	p.until(t, "all is copied", func() bool { sink.mu.Lock(); defer sink.mu.Unlock(); return len(sink.taken) == len(entries) })
	for i, line := range sink.taken {
		if !strings.Contains(line, entries[i].Hash) {
			t.Errorf("line %d is not entry %d: %s", i, entries[i].Seq, line)
		}
	}
	if err := r.Flush(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestJournalThatCannotBeWritten: nothing is done that cannot be written down.
func TestJournalThatCannotBeWritten(t *testing.T) {
	t.Parallel()
	p := sharedDemo(t)
	name, next, r := p.running(t, replicas(1)), p.running(t, replicas(1)), p.deck(t)
	plan := r.planned(r.PlanScale(t.Context(), []actions.ScaleTarget{{Service: name, Replicas: 2}, {Service: next, Replicas: 2}}))
	r.SetAfterWrite(func(e *journal.Entry) {
		if e.Phase == "step" { // the disk is taken away after the first step was begun
			r.breakJournal()
		}
	})
	run := r.start(plan)
	report, err := run.Report()
	if err == nil || report.Result != actions.ResultFailed || !strings.Contains(report.Reason, "stopped after \"update "+name+"\"") || !strings.Contains(report.Reason, "the end could not be written down") {
		t.Errorf("%+v %v", report, err)
	}
	if p.replicas(t, name) != 2 || p.replicas(t, next) != 1 {
		t.Error("it went on without a record")
	}
	other := p.deck(t)
	plan = other.scale(name, 3)
	other.breakJournal()
	if _, err := other.Start(t.Context(), plan, actions.Approval{Yes: true}, nil); err == nil {
		t.Error("it was begun")
	}
}
