package ui

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"quarterdeck/actions"
	"quarterdeck/actions/journal"
	"quarterdeck/sources"
	"quarterdeck/sources/fleet"
)

// deploy has somebody run a redeploy of shop_web to an end, without the console.
func (r *rig) deploy(image string, d *actions.Deck) actions.Report {
	r.t.Helper()
	p, err := d.PlanRedeploy(r.t.Context(), []actions.RedeployTarget{{Service: "shop_web", Image: image}})
	if err != nil {
		r.t.Fatal(err)
	}
	return r.perform(p, d)
}

func (r *rig) perform(p *actions.Plan, d *actions.Deck) actions.Report {
	r.t.Helper()
	run := r.launch(p, d)
	r.land(run)
	report, err := run.Report()
	if err != nil || report.Result != actions.ResultDone {
		r.t.Fatalf("%s: %s, %v", report.Result, report.Reason, err)
	}
	return report
}

// launch begins a run of shop_web, and waits for its update.
func (r *rig) launch(p *actions.Plan, d *actions.Deck) *actions.Running {
	r.t.Helper()
	made := r.hands.updates()
	run, err := d.Start(r.t.Context(), p, actions.Approval{Yes: true, Reason: "because"}, nil)
	if err != nil {
		r.t.Fatal(err)
	}
	r.until("the update", func() bool { return r.hands.updates() > made })
	return run
}

// land has the swarm do what a run has asked for, and waits for the run's end.
func (r *rig) land(run *actions.Running) {
	r.t.Helper()
	r.hands.converge("shop_web")
	r.until("the run's end", func() bool {
		select {
		case <-run.Done():
			return true
		case <-time.After(10 * time.Millisecond):
			r.clock.later(100 * time.Millisecond) // there is no verdict within the window of the change
			return false
		}
	})
}

// follow has the deck hear of what all consoles on this journal do.
func (r *rig) follow() {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); r.deck.FollowTeam(ctx, nil) }()
	r.t.Cleanup(func() { cancel(); <-done })
}

// shows waits until texts are on the screen.
func (r *rig) shows(texts ...string) {
	r.t.Helper()
	for _, text := range texts {
		r.until(text, func() bool { return strings.Contains(r.screen(), text) })
	}
	checkFrame(r.t.(*testing.T), r.Model) //nolint:forcetypeassert // no benchmark looks at screens
}

const newImage = "registry.example.com/shop_web:1.5.0"

// From a red row of the timeline it is two keys to what changed and to the way back.
func TestRowOfTheTimelineLeadsBack(t *testing.T) {
	r := newRig(t, 120, 40, nil)
	r.deploy(newImage, r.deck)
	r.clock.later(time.Minute)
	r.o.Fleet.Note(fleet.Happening{Time: r.clock.now(), Kind: fleet.TaskDied, Service: "shop_web", Text: "shop_web.1: exit 1", Source: "swarm", Bad: true})
	r.send(wakeMsg{snap: r.o.Fleet.Snapshot()})
	r.press("6")
	r.timeline.filter = "exit 1"
	r.press("g", "d")
	r.shows("the last change before", "(task failed)", "redeploy by tester, run", "1.4.2@0123456789ab", "b goes back to before it: shop_web:1.4.2")
	r.press("b")
	r.planned()
	r.shows("plan: rollback shop_web")
	r.press("esc")
	r.shows("what changed: shop_web")
	r.press("u")
	r.planned()
	r.shows("plan: undo shop_web")
	r.press("esc", "enter")
	r.shows("history of shop_web")
	r.press("esc")
	r.shows("what changed: shop_web")
	r.press("m")
	if r.view != viewMetrics || r.subject() != "shop_web" || r.when.live() {
		t.Fatalf("m goes to view %d of %s at %s", r.view, r.subject(), r.when.at)
	}
	r.press("d") // and from the moment back to it
	r.shows("(the moment)", "redeploy by tester")
	r.press("l")
	if r.view != viewLogs || r.overlay != nil {
		t.Fatalf("l goes to view %d", r.view)
	}
}

// A change of the number of replicas alone is gone back to with its number.
func TestScaleIsTakenBackWithItsNumber(t *testing.T) {
	r := newRig(t, 120, 40, nil)
	p, err := r.deck.PlanScale(t.Context(), []actions.ScaleTarget{{Service: "shop_web", Replicas: 5}})
	if err != nil {
		t.Fatal(err)
	}
	r.perform(p, r.deck)
	r.press("d")
	r.shows("replicas  3 → 5")
	r.press("b")
	r.planned()
	r.shows("replicas", "5 → 3")
}

func state(spec, run string, since time.Duration, bad string) actions.State {
	s := actions.State{SpecRef: actions.SpecRef{Service: "shop_web", Spec: spec}, Run: run, Was: "seen", Bad: bad}
	if since > 0 {
		s.Since = noon.Add(since)
	}
	return s
}

func TestPickChange(t *testing.T) {
	const minute = time.Minute
	states := []actions.State{state("b", "", 40*minute, ""), state("c", "r2", 39*minute, "it failed"), state("b", "r1", 10*minute, ""), state("a", "", 0, "")}
	for _, c := range []struct {
		name string
		when moment
		want int
	}{
		{"newest: the swarm's rollback gives way to what failed", moment{}, 1},
		{"its own run", moment{at: noon, run: "r1"}, 2},
		{"a run that made no state is looked for by its time", moment{at: noon.Add(11 * minute), run: "r9"}, 2},
		{"the deploy that began then", moment{at: noon.Add(38 * minute)}, 1},
		{"a deploy from before the history", moment{at: noon}, 2},
		{"before a death", moment{at: noon.Add(30 * minute), before: true}, 2},
		{"a death at once", moment{at: noon.Add(10*minute - 3*time.Second), before: true}, 2},
		{"a death after the rollback", moment{at: noon.Add(41 * minute), before: true}, 1},
		{"a death before all", moment{at: noon.Add(5 * minute), before: true}, -1},
	} {
		if got := pickChange(states, c.when); got != c.want {
			t.Errorf("%s: %d, want %d", c.name, got, c.want)
		}
	}
	if got := pickChange(nil, moment{at: noon}); got != -1 {
		t.Errorf("of no state: %d", got)
	}
}

// What no run of ours did is judged by what the swarm told.
func TestFailedRolloutsAreJudged(t *testing.T) {
	m, _ := console(t, 120, 40, nil)
	note := func(kind string, at time.Duration) {
		m.o.Fleet.Note(fleet.Happening{Time: noon.Add(at), Kind: kind, Service: "shop_web", Text: "update failed", Source: "swarm", Bad: true})
	}
	const minute = time.Minute
	note(fleet.RolledBack, 21*minute)
	note(fleet.DeployPaused, 31*minute)
	m.snap = m.o.Fleet.Snapshot()
	states := []actions.State{state("d", "", 30*minute, ""), state("a", "", 20*minute, ""), state("c", "", 18*minute, ""), state("a", "", 10*minute, ""), state("b", "r", 5*minute, "said by the run")}
	m.judge("shop_web", states)
	for i, want := range []string{"the rollout paused: update failed", "", "the swarm rolled it back: update failed", "", "said by the run"} {
		if states[i].Bad != want {
			t.Errorf("state %d: %q, want %q", i, states[i].Bad, want)
		}
	}
	m.team = []actions.TeamRun{{Run: "x", Action: "redeploy", Target: "shop_api,shop_web", Actor: "ada@example.com", Began: noon.Add(19 * minute), Ended: noon.Add(31 * minute)},
		{Run: "y", Action: "scale", Target: "shop_web_2", Actor: "eve", Began: noon, Ended: noon.Add(time.Hour)}}
	m.judge("shop_web", states)
	for i, want := range []string{"redeploy, ada", "the swarm", "elsewhere", "elsewhere"} {
		if got := whoMade(states, i); got != want {
			t.Errorf("state %d was made by %q, want %q", i, got, want)
		}
	}
	if !tookBack(states, 1) || tookBack(states, 2) {
		t.Error("the swarm's own rollback is not known")
	}
}

func TestRecordOfARun(t *testing.T) {
	r := newRig(t, 120, 40, nil)
	r.follow()
	report := r.deploy(newImage, r.deck)
	r.until("the verdict in the timeline", func() bool {
		h := r.snap.History
		return len(h) > 0 && h[len(h)-1].Kind == fleet.ActionEnded
	})
	r.press("6", "g")
	r.shows("▸ action", "tester: redeploy shop_web: because → done")
	r.timeline.filter = "because"
	r.send(wakeMsg{snap: r.o.Fleet.Snapshot()})
	r.press("g", "enter")
	r.shows("run "+report.Run, "redeploy shop_web: done", "by tester on here", "why: because", "1.4.2@0123456789ab", "update shop_web", "verify shop_web", "proven: it stayed well for")
	r.press("u")
	r.planned()
	r.shows("takes back run " + report.Run)
	r.slowly("tab", "enter")
	box := r.running()
	r.until("the update", func() bool { return r.hands.updates() == 2 })
	r.hands.converge("shop_web")
	r.ended(box.entry)
	r.press("esc")
	r.until("the undo in the timeline", func() bool {
		h := r.snap.History
		return strings.Contains(h[len(h)-1].Text, "undo shop_web done")
	})
	r.Update(r.openRecord(report.Run)())
	r.shows("taken back by run " + box.entry.progress.Run)
}

// A row of the timeline stands for the whole run, and / finds it by a service.
func TestTimelineIsFilteredByService(t *testing.T) {
	r := newRig(t, 120, 40, nil)
	r.o.Fleet.Note(fleet.Happening{Time: noon, Kind: fleet.ActionEnded, Service: "shop_api", Text: "ada: scale shop_api,shop_web done", Source: "journal", Run: "r"})
	r.o.Fleet.Note(fleet.Happening{Time: noon, Kind: fleet.ActionEnded, Service: "shop_api", Text: "ada: scale shop_api done", Source: "journal", Run: "s"})
	r.send(wakeMsg{snap: r.o.Fleet.Snapshot()})
	r.press("6", "/")
	for _, k := range "shop_web done" {
		r.press(map[rune]string{' ': "space"}[k] + strings.TrimSpace(string(k)))
	}
	if len(r.timeline.byID) != 1 {
		t.Fatalf("%d rows:\n%s", len(r.timeline.ids), r.screen())
	}
	r.press("enter", "enter")
	r.shows("its record could not be read", "this machine's journal does not have", "with Loki configured")
}

// What a colleague does is seen while it goes on.
func TestOthersRunsAreSeen(t *testing.T) {
	r := newRig(t, 160, 48, nil)
	r.follow()
	ada := &actions.Deck{Hands: r.hands, Fleet: r.deck.Fleet, Journal: r.deck.Journal, Now: r.clock.now, Policy: actions.Policy{Actor: "ada@example.com", Host: "elsewhere"}}
	p, err := ada.PlanScale(t.Context(), []actions.ScaleTarget{{Service: "shop_web", Replicas: 5}})
	if err != nil {
		t.Fatal(err)
	}
	run := r.launch(p, ada)
	head := func() string { return strings.Split(r.screen(), "\n")[0] }
	r.until("ada's run in the header", func() bool { return strings.Contains(head(), "ada: scale shop_web") })
	r.shows("· ↻ ada: scale shop_web")
	r.press("6")
	r.shows("· ↻ ada: scale shop_web", "◆ scaled", "replicas 3 → 5 · by ada")
	r.land(run)
	r.shows("replicas 3 → 5 · by ada → done in")
	if strings.Contains(head(), "ada") {
		t.Fatalf("it has ended, and the header is %q", head())
	}
}

// A key that cannot act says why; one that means nothing says nothing.
func TestLookingBackSaysWhyNot(t *testing.T) {
	m, _ := console(t, 120, 40, nil)
	for _, k := range []string{"b", "d", "H"} {
		m.toast.text = ""
		press(t, m, k)
		if m.overlay != nil || !strings.Contains(m.toast.text, "nothing can be done here") {
			t.Errorf("%s without hands says %q", k, m.toast.text)
		}
	}
	r := newRig(t, 120, 40, nil)
	r.o.Fleet.Note(fleet.Happening{Time: noon, Kind: fleet.NodeChanged, Node: "node1", Text: "down", Source: "swarm", Bad: true})
	r.send(wakeMsg{snap: r.o.Fleet.Snapshot()})
	r.press("6")
	r.timeline.filter = "node1"
	for _, k := range []string{"b", "d"} {
		r.toast.text = ""
		r.press("g", k)
		if r.overlay != nil || !strings.Contains(r.toast.text, "no service that runs here") {
			t.Errorf("%s on a node's row says %q", k, r.toast.text)
		}
	}
	r.press("9")
	for _, k := range []string{"b", "d", "H"} {
		r.toast.text = ""
		r.press(k)
		if r.overlay != nil || !strings.HasPrefix(r.toast.text, k+" (") || !strings.Contains(r.toast.text, "means nothing in the nodes") {
			t.Errorf("among nodes %s says %q", k, r.toast.text)
		}
	}
}

// Looking back asks nobody before its commands run.
func TestLookingBackDoesNoIO(t *testing.T) {
	r := newRig(t, 120, 40, nil)
	r.deploy(newImage, r.deck)
	before := r.hands.calls.Load()
	for _, k := range []string{"b", "d"} {
		press(t, r.Model, k)
		box, ok := r.overlay.(stateBox)
		if !ok {
			t.Fatalf("%s shows %T", k, r.overlay)
		}
		for _, inner := range []string{"j", "d", "m", "r", "pgdown", "[", "]", "u"} {
			press(t, r.Model, inner)
			r.Frame()
		}
		r.overlay = box
		press(t, r.Model, "esc")
	}
	if got := r.hands.calls.Load(); got != before {
		t.Fatalf("the swarm was asked %d times", got-before)
	}
	msg, ok := r.openHistory("shop_web", time.Time{}, nil)().(historyMsg)
	if !ok || msg.err != nil || r.hands.calls.Load() == before {
		t.Fatal("the command asked nothing: the count proves nothing")
	}
	old := r.openHistory("shop_api", time.Time{}, nil)
	box := r.overlay.(*historyBox) //nolint:forcetypeassert // it was opened
	box.generation++
	r.Update(old())
	if box.loaded {
		t.Fatal("an answer to an older question was taken in")
	}
}

// teamLoki keeps what consoles push, and gives it back.
type teamLoki struct {
	stub
	mu    sync.Mutex
	lines []sources.Entry
}

func (l *teamLoki) Push(_ context.Context, _ map[string]string, lines []sources.PushLine) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, x := range lines {
		l.lines = append(l.lines, sources.Entry{Time: x.Time, Line: x.Line})
	}
	return nil
}

func (l *teamLoki) Query(context.Context, sources.LogQuery) (sources.LogPage, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return sources.LogPage{Entries: slices.Clone(l.lines)}, nil
}

// A colleague's run on another machine is read from the team's record.
func TestRecordOfAColleague(t *testing.T) {
	r := newRig(t, 120, 40, nil)
	j, err := journal.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	team := &teamLoki{}
	r.deck.Sink, r.deck.Logs = team, team
	ada := &actions.Deck{Hands: r.hands, Registry: r.hands, Fleet: r.deck.Fleet, Journal: j, Now: r.clock.now, Sink: team, Policy: actions.Policy{Actor: "ada@example.com", Host: "elsewhere"}}
	report := r.deploy(newImage, ada)
	if err := ada.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	r.Update(r.openRecord(report.Run)())
	r.shows("redeploy shop_web: done", "by ada@example.com on elsewhere", "1.4.2@0123456789ab", "proven: it stayed well for")
	r.press("u")
	if !strings.Contains(r.toast.text, "ada's run is in the journal of another machine") {
		t.Fatalf("u says %q", r.toast.text)
	}
	r.Update(r.openRecord("20261124-000000-none")())
	r.shows("nor the team's record has it")
}
