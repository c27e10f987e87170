package ui

import (
	"context"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"
	"github.com/charmbracelet/x/exp/golden"

	"quarterdeck/actions"
	"quarterdeck/autoscale"
	"quarterdeck/sources"
	"quarterdeck/sources/fleet"
)

// TestGoldenScaling holds what is told of autoscaling at each size.
func TestGoldenScaling(t *testing.T) {
	stop := func(x *scaleRig) {
		_, err := x.hands.CreateMaterial(x.t.Context(), sources.Config, sources.Material{Name: autoscale.StopConfig, Labels: map[string]string{"qd.who": "ada@example.com", "qd.note": "a flood of tasks"}})
		if err != nil {
			x.t.Fatal(err)
		}
		x.decide()
	}
	for name, do := range map[string]func(x *scaleRig){
		"overview": func(x *scaleRig) { x.read() },
		"services": func(x *scaleRig) { x.press("2") },
		"tasks":    func(x *scaleRig) { x.press("2", "enter") },
		"metrics":  func(x *scaleRig) { x.press("4"); x.read() },
		"stopped":  func(x *scaleRig) { stop(x); x.press("2") },
		"apply":    func(x *scaleRig) { x.press("A"); x.planned() },
		"nothing":  func(x *scaleRig) { x.gotoService("shop_api"); x.press("A") },
		"stop":     func(x *scaleRig) { x.press("Z"); x.planned() },
		"start":    func(x *scaleRig) { stop(x); x.press("Z"); x.planned() },
	} {
		for _, size := range sizes {
			t.Run(fmt.Sprintf("%s-%dx%d", name, size[0], size[1]), func(t *testing.T) {
				x := newScaleRig(t, size[0], size[1], nil)
				do(x)
				checkFrame(t, x.Model)
				golden.RequireEqual(t, x.Frame()+"\n")
			})
		}
	}
}

// TestRowsTellWhatIsRecommended: beside the replicas stands what they should be, with a sign where something holds it back.
func TestRowsTellWhatIsRecommended(t *testing.T) {
	for _, size := range sizes {
		x := newScaleRig(t, size[0], size[1], nil)
		for name, want := range map[string]string{"shop_web": "3/3 →5", "shop_api": "2/2 ▲", "shop_store": "1/1 ?", "platform_loki": "1/1 ▲"} {
			if row := x.row(name); !strings.Contains(row, want) {
				t.Errorf("%v: the row of %s has no %q: %q", size, name, want, row)
			}
		}
		if row := x.row("shop_payments"); strings.ContainsAny(row, "→?") {
			t.Errorf("%v: one that is switched off is told of: %q", size, row)
		}
		x.press("2")
		if row := x.row("shop_api"); (size[0] >= wordsFrom) != strings.Contains(row, "▲ max") {
			t.Errorf("%v: %q", size, row)
		}
	}
	none, _ := console(t, 120, 40, nil)
	if frame := ansi.Strip(none.Frame()); strings.Contains(frame, " TO ") {
		t.Error("there is a column though nothing is decided")
	}
}

// TestAdviceIsOfNow: what was decided about another number of replicas, or of a past moment, is not shown, and what is old is said to be.
func TestAdviceIsOfNow(t *testing.T) {
	x := newScaleRig(t, 160, 48, nil)
	x.press("<")
	if frame := x.screen(); strings.Contains(frame, "→5") || strings.Contains(frame, "A applies") {
		t.Errorf("of a past moment it is told:\n%s", frame)
	}
	x.press("A")
	if !strings.Contains(x.screen(), "0 goes back") {
		t.Errorf("a past recommendation is applied:\n%s", x.screen())
	}
	x.press("0")
	x.hands.meddle("shop_web", 4)
	x.send(wakeMsg{snap: x.o.Fleet.Snapshot()})
	if row := x.row("shop_web"); strings.Contains(row, "→") {
		t.Errorf("decided about 3, and it has 4: %q", row)
	}
	if !strings.Contains(x.screen(), "changed just now") {
		t.Errorf("why nothing is told:\n%s", x.screen())
	}
	x.decide()
	if row := x.row("shop_web"); !strings.Contains(row, "→") {
		t.Errorf("it is decided again: %q", row)
	}
	x.press("4")
	x.clock.later(10 * time.Minute)
	x.hands.mu.Lock()
	x.hands.tell()
	x.hands.mu.Unlock()
	x.send(wakeMsg{snap: x.o.Fleet.Snapshot()})
	if !strings.Contains(x.screen(), "as of 12:00:00") {
		t.Errorf("it is ten minutes old:\n%s", x.screen())
	}
	x.press("A")
	if !strings.Contains(x.screen(), "not known") {
		t.Errorf("what is ten minutes old is applied:\n%s", x.screen())
	}
}

// TestDetailOfScaling: a service's own pages have the whole sentence, the policy, and when an autoscaler decided last.
func TestDetailOfScaling(t *testing.T) {
	for view, keys := range map[string][]string{"tasks": {"2", "enter"}, "metrics": {"4"}} {
		for beat, says := range map[time.Duration]string{30 * time.Second: "decided last at 11:59:30", time.Hour: "it may be dead", 0: "no autoscaler has told"} {
			x := newScaleRig(t, 160, 48, nil)
			x.meter.beat = beat
			x.decide()
			x.press(keys...)
			for _, want := range []string{"CPU 93% of target 60%, 3 -> 5", "2 to 10 replicas, CPU 60%, query depth 20 a replica · mode enforce", says} {
				if !strings.Contains(x.screen(), want) {
					t.Errorf("%s: no %q:\n%s", view, want, x.screen())
				}
			}
		}
	}
	x := newScaleRig(t, 160, 48, nil)
	for name, want := range map[string]string{"shop_store": "the query answers nothing for it", "platform_loki": "qd.autoscale.max is missing", "shop_api": "held by max 2"} {
		x.gotoService(name)
		x.press("4")
		if !strings.Contains(x.screen(), want) {
			t.Errorf("%s: no %q:\n%s", name, want, x.screen())
		}
	}
	x.gotoService("batch_reports")
	x.press("4")
	if strings.Contains(x.screen(), " policy ") {
		t.Errorf("of one without a policy it is told:\n%s", x.screen())
	}
}

// TestChartsHaveTheTarget: the chart of CPU has the target, which moved with the replicas; beside it stand the replicas and those of the policy, and its query.
func TestChartsHaveTheTarget(t *testing.T) {
	x := newScaleRig(t, 160, 48, nil)
	x.press("4")
	x.read()
	frame := x.screen()
	for _, want := range []string{"╌ target 60%", "by the policy", "↑ max 10", "scaling by query depth", "╌ target 60"} {
		if !strings.Contains(frame, want) {
			t.Errorf("no %q:\n%s", want, frame)
		}
	}
	c := x.Model.metrics.courseOf(x.Model, "shop_web")
	if target := c.Metrics[0].Target; math.Abs(target[0].V-0.6) > 1e-9 || math.Abs(target[len(target)-1].V-0.9) > 1e-9 {
		t.Errorf("the target goes from %v to %v, not from two replicas' to three", target[0].V, target[len(target)-1].V)
	}
	x.hands.mu.Lock()
	s := x.hands.service("shop_web")
	s.Labels, s.Version = labelsOf("enable=true max=9 cpu=70"), s.Version+1
	x.hands.tell()
	x.hands.mu.Unlock()
	x.decide()
	if frame := x.screen(); strings.Contains(frame, "target 60%") || !strings.Contains(frame, "asking Prometheus") {
		t.Errorf("the policy is another one, and its target is not asked for:\n%s", frame)
	}
	x.read()
	if frame := x.screen(); !strings.Contains(frame, "╌ target 70%") || strings.Contains(frame, "scaling by") {
		t.Errorf("the other policy's:\n%s", frame)
	}
	x.gotoService("platform_loki")
	x.press("4")
	if x.Model.metrics.requestCourse(x.Model, "platform_loki") != nil {
		t.Error("a policy that is wrong has a course")
	}
}

// TestApplyAdvice: one key plans what is recommended, the yes does it, the journal has the sentence, and it can be taken back.
func TestApplyAdvice(t *testing.T) {
	x := newScaleRig(t, 120, 40, nil)
	x.press("A")
	if b := x.planned(); b.plan.Title() != "scale shop_web 3 → 5" || b.plan.NoWait || !strings.Contains(b.plan.Reason, "CPU 93% of target 60%") {
		t.Fatalf("%+v", b.plan)
	}
	x.slowly("y")
	box := x.running()
	x.until("five replicas", func() bool { return x.o.Fleet.Snapshot().Service("shop_web").Desired == 5 })
	x.hands.converge("shop_web")
	x.until("the end", func() bool { return box.entry.ended })
	if box.entry.report.Result != actions.ResultDone || box.entry.report.Undo == "" {
		t.Errorf("%+v", box.entry.report)
	}
	runs, err := x.deck.Runs()
	if err != nil || len(runs) != 1 || runs[0].Action != actions.Scale || !strings.Contains(runs[0].Why, "CPU 93% of target 60%") {
		t.Errorf("the journal has %+v, %v", runs, err)
	}
}

// TestApplyOfSeveral: those that are marked are planned together, but for those for which nothing is recommended; where that is so of all, each says why.
func TestApplyOfSeveral(t *testing.T) {
	x := newScaleRig(t, 120, 40, nil)
	x.hands.mu.Lock()
	s := x.hands.service("shop_cart")
	s.Labels, s.Version = labelsOf("enable=true min=3 max=6 cpu=60"), s.Version+1
	x.hands.tell()
	x.hands.mu.Unlock()
	x.decide()
	x.services.marks = map[string]bool{"shop_web": true, "shop_cart": true, "shop_api": true}
	x.press("A")
	b := x.planned()
	if len(b.plan.Changes) != 2 || !strings.Contains(b.plan.Reason, "shop_cart: ") {
		t.Errorf("%+v", b.plan)
	}
	x.slowly("esc")
	x.services.marks = map[string]bool{"shop_api": true, "batch_reports": true, "platform_loki": true}
	x.press("A")
	for _, want := range []string{"shop_api: CPU 130% of target 60%, 2 stay, held by max 2", "batch_reports: it has no policy", "platform_loki: qd.autoscale.max is missing"} {
		if !strings.Contains(strings.Join(strings.Fields(x.screen()), " "), want) {
			t.Errorf("no %q:\n%s", want, x.screen())
		}
	}
}

// TestSwitchScaling: one key stops all autoscaling, from any view; the header says so, and the same key lets it go on.
func TestSwitchScaling(t *testing.T) {
	for _, view := range []string{"1", "2", "3", "4", "6", "9"} {
		x := newScaleRig(t, 120, 40, nil)
		x.press(view, "Z")
		b := x.planned()
		if !b.plan.Scaling.Stop || b.plan.Harm != actions.Light || !strings.Contains(x.screen(), "4 services with a policy, 1 of them enforced") {
			t.Fatalf("view %s:\n%s", view, x.screen())
		}
		x.slowly("y")
		x.until("the stop in the header", func() bool { return strings.Contains(x.screen(), "SCALING STOPPED  by tester") })
		box := x.running()
		x.until("the end", func() bool { return box.entry.ended })
		if !strings.Contains(x.screen(), "● stop: stopped by tester") {
			t.Errorf("no proof:\n%s", x.screen())
		}
		x.slowly("esc", "Z")
		if b := x.planned(); b.plan.Scaling.Stop || b.plan.Harm != actions.Serious {
			t.Fatalf("%+v", b.plan)
		}
		x.slowly("tab", "enter")
		x.until("no stop in the header", func() bool { return !strings.Contains(strings.Split(x.screen(), "\n")[0], "STOPPED") })
		box = x.running()
		x.until("the end", func() bool { return box.entry.ended })
	}
}

// TestStopByOthers: a stop that stock docker made says what is known of it; in a console that only looks the plan can be seen.
func TestStopByOthers(t *testing.T) {
	x := newScaleRig(t, 80, 24, func(o *Options) { o.ReadOnly = true })
	if _, err := x.hands.CreateMaterial(t.Context(), sources.Config, sources.Material{Name: autoscale.StopConfig}); err != nil {
		t.Fatal(err)
	}
	x.decide()
	if head := strings.Split(x.screen(), "\n")[0]; !strings.Contains(head, "SCALING STOPPED") || strings.Contains(head, "by") {
		t.Errorf("the header is %q", head)
	}
	x.press("4")
	if !strings.Contains(x.screen(), "stopped by somebody at 12:00:00") {
		t.Errorf("by whom:\n%s", x.screen())
	}
	x.press("Z")
	x.planned()
	if !strings.Contains(x.screen(), "only be looked at") {
		t.Errorf("read-only:\n%s", x.screen())
	}
}

// TestHostilePolicies: what labels and the stop's config say is drawn harmless.
func TestHostilePolicies(t *testing.T) {
	x := newScaleRig(t, 120, 40, nil)
	const evil = "\x1b[2J\u202eevil\n"
	x.hands.mu.Lock()
	s := x.hands.service("shop_web")
	s.Labels = map[string]string{"qd.autoscale.enable": "true", "qd.autoscale.max": evil, "qd.autoscale." + evil: "x"}
	s.Version++
	x.hands.world.Configs = []sources.Reference{{Name: autoscale.StopConfig, Labels: map[string]string{"qd.who": evil, "qd.note": evil}, Created: noon}}
	x.hands.tell()
	x.hands.mu.Unlock()
	x.decide()
	for _, keys := range [][]string{{"1"}, {"2"}, {"enter"}, {"4"}, {"A"}, {"esc", "Z"}} {
		x.press(keys...)
		if keys[len(keys)-1] == "Z" {
			x.planned()
		}
		checkFrame(t, x.Model)
		if strings.Contains(x.Frame(), "\u202e") || strings.Contains(x.Frame(), "\x1b[2J") {
			t.Errorf("after %v: %q", keys, x.Frame())
		}
	}
}

// TestScalingAtAnySize draws what is told of autoscaling at sizes down to what is too small.
func TestScalingAtAnySize(t *testing.T) {
	for _, ascii := range []bool{false, true} {
		x := newScaleRig(t, 120, 40, func(o *Options) { o.ASCII = ascii })
		for _, keys := range [][]string{{"1"}, {"2"}, {"enter"}, {"4"}} {
			x.press(keys...)
			x.read()
			for w := 20; w < 200; w += 13 {
				for h := 5; h < 50; h += 7 {
					x.Update(tea.WindowSizeMsg{Width: w, Height: h})
					checkFrame(t, x.Model)
				}
			}
		}
	}
}

// TestPumpOfDecisions: a round of decisions wakes the console, though the fleet is as it was.
func TestPumpOfDecisions(t *testing.T) {
	feed := make(chan struct{}, 1)
	woken := make(chan struct{}, 8)
	f := fleet.New(time.Now)
	p := pump{fleet: f, scales: feed, send: func(wakeMsg) { woken <- struct{}{} }}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); p.Run(ctx) }()
	for range 2 {
		feed <- struct{}{}
		select {
		case <-woken:
		case <-time.After(time.Minute):
			t.Fatal("it sleeps on")
		}
	}
	cancel()
	<-done
}
