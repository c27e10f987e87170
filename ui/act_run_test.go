package ui

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"

	"quarterdeck/actions"
	"quarterdeck/sources"
)

// scaled is a rig with a run under way: shop_web from 3 to 4.
func scaled(t *testing.T) (*rig, *progressBox) {
	t.Helper()
	r := newRig(t, 120, 40, nil)
	r.press("+")
	r.planned()
	r.slowly("y")
	box := r.running()
	r.until("the update", func() bool { return r.hands.updates() == 1 })
	return r, box
}

// ended waits for a run's verdict. Time goes on meanwhile: there is none within the window of the change.
func (r *rig) ended(e *runEntry) {
	r.t.Helper()
	r.until("the verdict", func() bool { r.clock.later(100 * time.Millisecond); return e.ended })
}

func TestRunIsWatchedToItsVerdict(t *testing.T) {
	r, box := scaled(t)
	r.until("that it rolls", func() bool { return strings.Contains(r.screen(), "rolling") })
	r.mustHave("esc leaves it running")
	r.hands.converge("shop_web")
	r.ended(box.entry)
	r.mustHave("converged, stable for 5 s", "4/4 well", "u take back")
	if len(r.Model.hands.failed()) != 0 || len(r.Model.hands.active()) != 0 {
		t.Fatal("it is counted as failed or active")
	}
	r.press("u")
	r.planned()
	r.mustHave("plan: undo shop_web", "replicas 4 → 3", "takes back run "+box.entry.progress.Run)
}

func TestEscLeavesItRunning(t *testing.T) {
	r, box := scaled(t)
	r.press("esc")
	if r.overlay != nil {
		t.Fatal("esc does not close it")
	}
	r.until("the run in the header", func() bool {
		return strings.Contains(strings.Split(r.screen(), "\n")[0], "▶ scale shop_web 3 → 4 3/4")
	})
	r.press("R")
	if again, ok := r.overlay.(*progressBox); !ok || again.entry != box.entry {
		t.Fatalf("R shows %T", r.overlay)
	}
	r.press("esc")
	r.hands.converge("shop_web")
	r.ended(box.entry)
	if !strings.Contains(r.toast.text, "scale shop_web 3 → 4: converged") {
		t.Fatalf("its end is told as %q", r.toast.text)
	}
	if head := strings.Split(r.screen(), "\n")[0]; strings.Contains(head, "▶") {
		t.Fatalf("it has ended, and the header is %q", head)
	}
}

func TestConflictIsShownAgain(t *testing.T) {
	r := newRig(t, 120, 40, nil)
	r.press("+")
	first := r.planned()
	r.hands.meddle("shop_web", 7)
	r.slowly("y")
	r.until("the plan made anew", func() bool { b, ok := r.overlay.(*planBox); return ok && b != first })
	r.mustHave("somebody else changed shop_web (replicas 3 → 7): look again", "replicas 7 → 8")
	if r.hands.updates() != 0 {
		t.Fatal("it was forced over somebody else's change")
	}
	r.press("y")
	if r.overlay.(*planBox).started {
		t.Fatal("the new plan was confirmed by a key typed before it was read")
	}
	r.slowly("y")
	r.running()
	r.until("the update", func() bool { return r.hands.updates() == 1 })
}

func TestConflictWhileAwayDoesNotDisturb(t *testing.T) {
	r := newRig(t, 120, 40, nil)
	r.press("+")
	r.planned()
	r.hands.meddle("shop_web", 7)
	r.slowly("y")
	r.running()
	r.press("esc", "?")
	r.until("its end", func() bool { return len(r.Model.hands.active()) == 0 })
	if _, help := r.overlay.(*helpBox); !help {
		t.Fatalf("the help gave way to %T", r.overlay)
	}
	r.mustHave("1 run failed")
}

func TestQuitAsksWhileARunGoesOn(t *testing.T) {
	r, _ := scaled(t)
	r.press("esc", "q")
	r.mustHave("1 run under way", "scale shop_web 3 → 4", "The swarm goes on", "[ Stay ]")
	r.slowly("enter")
	if r.quit || r.overlay != nil {
		t.Fatal("the default is not to stay")
	}
	r.press("ctrl+c")
	r.press("y", "enter") // at once
	if r.quit {
		t.Fatal("keys typed ahead have quit")
	}
	r.press("ctrl+c")
	r.until("the end", func() bool { return r.quit })
}

func TestQuitWithoutRunsDoesNotAsk(t *testing.T) {
	r := newRig(t, 120, 40, nil)
	r.press("q")
	r.until("the end", func() bool { return r.quit })
}

func TestLeavingWritesItDown(t *testing.T) {
	r, box := scaled(t)
	began := time.Now()
	r.leave()
	if took := time.Since(began); took > leaveWithin {
		t.Fatalf("leaving took %s", took)
	}
	report, _ := box.entry.run.Report()
	if report.Result != actions.ResultInterrupted {
		t.Fatalf("the result is %q", report.Result)
	}
	open, err := r.deck.Unfinished()
	if err != nil || len(open) != 1 || open[0].ID != box.entry.progress.Run {
		t.Fatalf("unfinished are %v, %v", open, err)
	}
	if cmd := r.start(&planBox{plan: box.entry.progress.Plan}); cmd() != nil {
		t.Fatal("a run has begun after the console was left")
	}
}

// TestConsoleThatEndsLeavesItsRuns: by a signal or a terminal that goes away as by a key.
func TestConsoleThatEndsLeavesItsRuns(t *testing.T) {
	r, box := scaled(t)
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(50*time.Millisecond, cancel)
	in, typed := io.Pipe()
	defer typed.Close()
	_ = RunModel(ctx, r.Model, r.Model, tea.WithInput(in), tea.WithOutput(io.Discard), tea.WithoutSignalHandler(), tea.WithWindowSize(120, 40))
	select {
	case <-box.entry.run.Done():
	default:
		t.Fatal("the console is gone, and its run is watched")
	}
}

// interrupted is a second console after a first one died while it watched a run.
func interrupted(t *testing.T, after func(r *rig)) (*rig, string) {
	t.Helper()
	dir := stateDir(t)
	c := &clock{}
	hands := newHandsOf(c, filledAt(c.now))
	first := rigOn(t, dir, hands, 120, 40, nil)
	first.press("+")
	first.planned()
	first.slowly("y")
	box := first.running()
	first.until("the update", func() bool { return hands.updates() == 1 })
	first.until("that it is written down", func() bool { s := box.entry.run.Progress().Steps; return len(s) == 2 })
	first.leave()
	if after != nil {
		after(first)
	}
	r := rigOn(t, dir, hands, 120, 40, nil)
	r.send(wakeMsg{snap: r.o.Fleet.Snapshot()})
	r.until("the offer", func() bool { _, ok := r.overlay.(*openBox); return ok })
	return r, box.entry.progress.Run
}

func TestInterruptedRunIsWatched(t *testing.T) {
	r, run := interrupted(t, nil)
	r.mustHave("Run "+run+", begun by tester on here", "stopped at step 2 of 2: verify shop_web", "shop_web: changed", "w watch")
	r.press("w")
	if r.overlay.(*openBox).started {
		t.Fatal("a key typed before it was read has gone on with it")
	}
	r.slowly("w", "w", "w")
	box := r.running()
	r.hands.converge("shop_web")
	r.ended(box.entry)
	r.mustHave("converged")
	if len(r.Model.hands.open) != 0 || r.hands.updates() != 1 {
		t.Fatalf("%d unfinished, %d updates", len(r.Model.hands.open), r.hands.updates())
	}
}

func TestInterruptedRunIsForLater(t *testing.T) {
	r, run := interrupted(t, nil)
	r.press("esc")
	if head := strings.Split(r.screen(), "\n")[0]; !strings.Contains(head, "! 1 unfinished run") {
		t.Fatalf("the header is %q", head)
	}
	r.gotoService("shop_web")
	r.press("+")
	r.planned()
	r.slowly("y")
	r.until("that it is refused", func() bool { _, ok := r.overlay.(*noteBox); return ok })
	r.mustHave("shop_web is in the hands of another run, " + run)
	r.press("R")
	if _, ok := r.overlay.(*openBox); !ok {
		t.Fatalf("R shows %T", r.overlay)
	}
}

func TestInterruptedRunIsTakenBack(t *testing.T) {
	r, run := interrupted(t, nil)
	r.slowly("t")
	r.planned()
	r.mustHave("takes back run "+run, "replicas 4 → 3")
	r.slowly("y", "enter")
	box := r.running()
	r.until("the update", func() bool { return r.hands.updates() == 2 })
	r.hands.converge("shop_web")
	r.ended(box.entry)
	if open, err := r.deck.Unfinished(); err != nil || len(open) != 0 || len(r.Model.hands.open) != 0 {
		t.Fatalf("still unfinished: %v, %v", open, err)
	}
}

func TestInterruptedRunThatOthersChangedIsNotFinished(t *testing.T) {
	r, _ := interrupted(t, func(r *rig) { r.hands.meddle("shop_web", 9) })
	r.mustHave("it cannot be finished: shop_web was changed by somebody else", "t take back")
	r.slowly("w", "f")
	if r.overlay.(*openBox).started || r.overlay.(*openBox).finish {
		t.Fatal("it goes on all the same")
	}
}

func TestInterruptedRunIsLeft(t *testing.T) {
	r, run := interrupted(t, nil)
	r.slowly("x")
	r.mustHave("Leave it as it is?", "[ No ]")
	r.slowly("enter")
	if open, err := r.deck.Unfinished(); err != nil || len(open) != 1 {
		t.Fatalf("the default is not No: %v, %v", open, err)
	}
	r.slowly("x", "y", "enter")
	r.until("that it is ended", func() bool { return r.overlay == nil })
	if open, err := r.deck.Unfinished(); err != nil || len(open) != 0 || len(r.Model.hands.open) != 0 || r.hands.updates() != 1 {
		t.Fatalf("still unfinished: %v, %v; %d updates", open, err, r.hands.updates())
	}
	r.mustHave("run " + run + " is left as it is")
}

func TestFinishIsAsked(t *testing.T) {
	r := newRig(t, 120, 40, nil)
	s := actions.Standing{Run: actions.RunRecord{ID: "x", Action: "scale", Target: "shop_web,shop_api", Began: noon}, Step: "update shop_api", Done: 1, Of: 3,
		Services: []actions.ServiceStanding{{Service: "shop_web", State: "changed"}, {Service: "shop_api", State: "as before"}}}
	b := newOpenBox(r.Model, s)
	r.overlay = b
	r.mustHave("It stopped at step 2 of 3: update shop_api", "f finish", "shop_api: as before")
	r.slowly("w")
	if b.started {
		t.Fatal("what is not all made was taken for watching")
	}
	r.slowly("f")
	r.mustHave("Do the 2 steps that are left?", "[ No ]")
	r.slowly("enter")
	if b.started || b.finish {
		t.Fatal("the default is not No")
	}
	r.slowly("f", "y", "enter")
	if !b.started {
		t.Fatal("it does not go on")
	}
}

// progressOf is a run as it may look in the middle.
func progressOf(services, slots int) *runEntry {
	plan := &actions.Plan{Action: "redeploy"}
	e := &runEntry{at: noon.Add(12 * time.Second), progress: actions.Progress{Run: "20261124-120000-abcde", Title: "redeploy shop_web", Actor: "tester", Plan: plan, Began: noon,
		Steps: []actions.StepReport{{Name: "update shop_web", State: "done"}, {Name: "verify shop_web", State: "started"}}}}
	task := func(state, desired sources.TaskState, since time.Duration, err string) *sources.Task {
		return &sources.Task{State: state, Desired: desired, Since: e.at.Add(-since), Err: err}
	}
	for i := range services {
		name := "shop_web"
		if services > 1 {
			name = fmt.Sprintf("service%03d", i)
		}
		plan.Changes = append(plan.Changes, actions.Change{Service: name})
		o := actions.Rollout{Service: name, State: actions.RolloutRolling, Reason: "updating, 1/3 done", Want: slots, Fresh: 1, Well: 1, Window: 5 * time.Second, Began: noon, Left: 8 * time.Second}
		for k := 1; k <= slots; k++ {
			s := actions.SlotProgress{Slot: k, Node: fmt.Sprint("node", k), Old: task(sources.TaskShutdown, sources.TaskShutdown, 9*time.Second, "")}
			switch k % 4 {
			case 1:
				s.New = task(sources.TaskRunning, sources.TaskRunning, 3*time.Second, "")
			case 2:
				s.New = task(sources.TaskPreparing, sources.TaskRunning, time.Second, "")
			case 3:
				s.Old, s.New, s.Failures = task(sources.TaskRunning, sources.TaskRunning, time.Hour, ""), task(sources.TaskFailed, sources.TaskShutdown, time.Second, "task: non-zero exit (1)"), 2
			}
			o.Slots = append(o.Slots, s)
		}
		e.progress.Rollouts = append(e.progress.Rollouts, o)
	}
	return e
}

func TestProgressTellsSlotBySlot(t *testing.T) {
	r := newRig(t, 120, 40, nil)
	e := progressOf(1, 3)
	e.progress.Rollouts[0].Lines = []sources.Entry{{Time: noon, Line: "panic: no\x1b[2J database", Level: sources.LevelError},
		{Time: noon, Line: `{"ts":"2026-11-24T12:00:00Z","level":"error","msg":"cannot\u001b[2J start","code":78}`, Level: sources.LevelError}}
	r.overlay = newProgressBox(r.Model, e)
	checkFrame(t, r.Model)
	r.mustHave("under way: verify shop_web · 12 s · about 8 s left", "1/3 well", ".1 node1 · shutdown → ● running, stable 3 s of 5 s", ".2 node2 · shutdown → ↻ preparing (pulling)",
		".3 node3 ● running → ✗ failed · 2 failures: task: non-zero exit (1)", "the last lines of the task that died", "panic: no database", "cannot start code=78")
}

func TestVerdictIsOneClearLine(t *testing.T) {
	r := newRig(t, 120, 40, nil)
	for _, c := range []struct {
		result, reason string
		verify         *actions.VerifyReport
		want           string
	}{
		{actions.ResultDone, "", &actions.VerifyReport{Converged: true, StableFor: 5}, "● converged, stable for 5 s"},
		{actions.ResultFailed, "no progress for 45s", nil, "✗ failed: no progress for 45s"},
		{actions.ResultTakenBack, "update rolled back", nil, "▲ failed and taken back: update rolled back"},
		{actions.ResultInterrupted, "the swarm is out of sight", nil, "? unfinished: the swarm is out of sight"},
	} {
		e := progressOf(1, 3)
		e.ended, e.progress.Ended, e.progress.Result, e.progress.Reason = true, e.at, c.result, c.reason
		e.report = actions.Report{Result: c.result, Verify: c.verify}
		r.overlay = newProgressBox(r.Model, e)
		r.mustHave(c.want + " · 12 s")
	}
}

func TestProgressOfManyShowsWhatIsNotDone(t *testing.T) {
	r := newRig(t, 80, 24, nil)
	e := progressOf(300, 2)
	for i := range e.progress.Rollouts {
		o := &e.progress.Rollouts[i]
		switch {
		case i < 250:
			o.State, o.Converged = actions.RolloutDone, e.at
		case i == 299:
			o.State, o.Reason = actions.RolloutFailed, "no suitable node"
		}
	}
	r.overlay = newProgressBox(r.Model, e)
	checkFrame(t, r.Model)
	r.mustHave("250/300 services proven well", "✗ 1 failed ↻ 49 rolling ● 250 converged", "service299 ✗ failed", "no suitable node", "service250 ↻ rolling")
	if strings.Contains(r.screen(), "service000") {
		t.Fatal("one that is done is shown before those that are not")
	}
}

func TestRunsAreListed(t *testing.T) {
	r := newRig(t, 120, 40, nil)
	good, bad := progressOf(1, 2), progressOf(1, 2)
	for i, e := range []*runEntry{good, bad} {
		e.ended, e.report.Result = true, []string{actions.ResultDone, actions.ResultFailed}[i]
		e.progress.Result, e.progress.Run = e.report.Result, fmt.Sprint("run", i)
		r.Model.hands.add(e)
	}
	r.mustHave("1 run failed")
	r.press("R", "enter")
	if b, ok := r.overlay.(*progressBox); !ok || b.entry != bad {
		t.Fatalf("the newest is not first: %T", r.overlay)
	}
	if strings.Contains(r.screen(), "1 run failed") {
		t.Fatal("it was looked at, and the header has it still")
	}
	for i := range 2 * runsKept {
		e := progressOf(1, 1)
		e.ended = i > 0
		r.Model.hands.add(e)
	}
	if n := len(r.Model.hands.runs); n != runsKept || len(r.Model.hands.active()) != 1 {
		t.Fatalf("%d runs are kept, %d of them active", n, len(r.Model.hands.active()))
	}
	r.Model.hands.runs = nil
}

func TestErrorsSayWhatToDo(t *testing.T) {
	for _, c := range []struct {
		err        error
		text, next string
	}{
		{&actions.Busy{Run: "r1", Service: "shop_web"}, "shop_web is in the hands of another run, r1", "R shows it"},
		{fmt.Errorf("x: %w", actions.ErrReadOnly), "read-only", "--read-only"},
		{&sources.Error{Source: "registry", Kind: sources.NotConfigured, Op: "list tags", Next: "name the image by hand"}, "registry: list tags: not configured", "name the image by hand"},
		{errors.New("plain"), "plain", ""},
	} {
		text, next := errorWords(c.err)
		if !strings.Contains(text, c.text) || !strings.Contains(next, c.next) || c.next == "" && next != "" {
			t.Errorf("%v is told as %q, %q", c.err, text, next)
		}
	}
}
