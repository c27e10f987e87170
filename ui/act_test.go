package ui

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"

	"quarterdeck/actions"
	"quarterdeck/sources"
)

// mustHave fails where the screen lacks a text. Line ends do not count: boxes wrap.
func (r *rig) mustHave(texts ...string) {
	r.t.Helper()
	screen := r.screen()
	flat := strings.Join(strings.Fields(strings.NewReplacer("│", " ", "┌", " ", "─", " ").Replace(screen)), " ")
	for _, text := range texts {
		if !strings.Contains(flat, text) {
			r.t.Fatalf("the screen lacks %q:\n%s", text, screen)
		}
	}
}

func TestKeysTypedAheadConfirmNothing(t *testing.T) {
	r := newRig(t, 120, 40, nil)
	r.press("+", "y", "enter", "y") // while the plan is made
	box := r.planned()
	for range 30 { // a key that is held down, beyond the grace period
		r.press("y")
		r.clock.later(30 * time.Millisecond)
	}
	if box.started || r.overlay != overlay(box) {
		t.Fatal("keys that came before the plan could be read have confirmed it")
	}
	r.mustHave("scale shop_web 3 → 4", "replicas 3 → 4")
	r.slowly("y")
	r.running()
	if r.hands.updates() == 0 {
		r.until("the update", func() bool { return r.hands.updates() == 1 })
	}
}

func TestPlanJustShownTakesNoKey(t *testing.T) {
	r := newRig(t, 120, 40, nil)
	r.press("+")
	box := r.planned()
	r.clock.later(graceTime - time.Millisecond)
	r.press("y")
	if box.started {
		t.Fatal("a key within the grace period was taken")
	}
	r.clock.later(graceQuiet)
	r.press("y")
	if !box.started {
		t.Fatal("a key after the grace period was not taken")
	}
	r.running()
}

func TestDefaultIsNo(t *testing.T) {
	r := newRig(t, 120, 40, nil)
	r.press("r", "s")
	r.planned()
	r.slowly("enter")
	if _, back := r.overlay.(*redeployBox); !back {
		t.Fatalf("enter on No leads to %T", r.overlay)
	}
	r.slowly("s")
	box := r.planned()
	r.slowly("y")
	if box.started {
		t.Fatal("y alone has confirmed a redeploy")
	}
	r.slowly("enter")
	r.running()
	r.until("the update", func() bool { return r.hands.updates() == 1 })
}

func TestToZeroAsksTwice(t *testing.T) {
	r := newRig(t, 120, 40, nil)
	r.press("s", "0", "enter")
	box := r.planned()
	r.mustHave("scale shop_web 3 → 0", "will not run at all")
	r.slowly("y", "enter")
	if box.started || box.confirm.stage != stageAgain {
		t.Fatalf("started %v, stage %d", box.started, box.confirm.stage)
	}
	r.mustHave("It will not run at all. Really?")
	r.press("y", "enter") // at once: not read
	if box.started {
		t.Fatal("the second question was answered before it could be read")
	}
	r.slowly("enter")
	if box.started || r.overlay == overlay(box) {
		t.Fatal("the second question's default is not No")
	}
	r.press("enter")
	r.planned()
	r.slowly("y", "enter", "y", "enter")
	r.running()
	r.until("the update", func() bool { return r.hands.updates() == 1 })
}

func TestGuardedIsTyped(t *testing.T) {
	r := newRig(t, 120, 40, func(o *Options) { o.Deck.Policy.Protected = []string{"shop_*"} })
	r.press("+")
	box := r.planned()
	r.mustHave("shop_web is protected")
	r.clock.later(time.Second)
	r.press("y", "enter")
	if box.started {
		t.Fatal("y has confirmed a guarded plan")
	}
	r.press("backspace")
	r.send(tea.PasteMsg{Content: "shop_web"})
	r.press("enter")
	if box.started || box.confirm.typed.Value() != "" {
		t.Fatal("a paste has confirmed a guarded plan")
	}
	r.mustHave("that is not shop_web")
	r.press(strings.Split("shop_web", "")...)
	r.press("enter")
	if !box.started {
		t.Fatal("the right word was not taken")
	}
	r.running()
}

func TestPasteConfirmsNothing(t *testing.T) {
	r := newRig(t, 120, 40, nil)
	r.press("+")
	box := r.planned()
	r.clock.later(time.Second)
	r.send(tea.PasteMsg{Content: "y\ny\n"})
	if box.started || r.overlay != overlay(box) {
		t.Fatal("a paste has answered")
	}
	r.mustHave("a paste confirms nothing")
}

func TestReasonIsAskedFirst(t *testing.T) {
	r := newRig(t, 120, 40, func(o *Options) { o.Deck.Policy.NeedReason = true })
	r.press("+")
	box := r.planned()
	r.slowly("enter")
	r.mustHave("asks for a reason")
	r.send(tea.PasteMsg{Content: "more load"})
	r.slowly("enter", "y")
	r.running()
	if got := box.confirm.approval().Reason; got != "more load" {
		t.Fatalf("the reason is %q", got)
	}
	r.until("the journal's entry", func() bool {
		runs, err := r.deck.Runs()
		return err == nil && len(runs) == 1 && runs[0].Why == "more load"
	})
}

func TestPlusCountsOn(t *testing.T) {
	r := newRig(t, 120, 40, nil)
	r.press("+", "+")
	r.planned()
	r.press("+")
	r.until("three more", func() bool { b, ok := r.overlay.(*planBox); return ok && strings.Contains(b.plan.Title(), "3 → 6") })
	r.press("-", "-")
	r.until("one more", func() bool { b, ok := r.overlay.(*planBox); return ok && strings.Contains(b.plan.Title(), "3 → 4") })
	r.press("-")
	if r.overlay != nil {
		t.Fatalf("none more is nothing to plan, and shows %T", r.overlay)
	}
}

func TestScalePromptPlansAsOneTypes(t *testing.T) {
	r := newRig(t, 120, 40, nil)
	r.press("s", "5")
	r.mustHave("now 3, of which 3 run")
	r.until("the plan below the number", func() bool { return strings.Contains(r.screen(), "3 → 5") })
	if _, prompt := r.overlay.(*scaleBox); !prompt {
		t.Fatalf("the number led to %T without enter", r.overlay)
	}
	r.press("backspace", "3")
	r.until("that there is nothing to do", func() bool { return strings.Contains(r.screen(), "has 3 already") })
	r.press("backspace", "+", "+", "enter")
	r.mustHave("is no number of replicas")
}

func TestMarkedServicesAreScaledTogether(t *testing.T) {
	r := newRig(t, 120, 40, nil)
	r.gotoService("shop_web")
	r.press("space")
	r.gotoService("shop_api")
	r.press("space", "+")
	r.planned()
	r.mustHave("scale 2 services", "shop_api replicas 2 → 3", "shop_web replicas 3 → 4")
}

func TestTagIsPicked(t *testing.T) {
	r := newRig(t, 120, 40, nil)
	r.press("r", "t")
	r.until("the tags", func() bool { return strings.Contains(r.screen(), "1.5.0") })
	r.mustHave("1.4.2 (now)")
	checkFrame(t, r.Model)
	r.press("1", ".", "5", "enter")
	r.planned()
	r.mustHave("shop_web:1.5.0@feedc0de89ab")
}

func TestRefusedPlanIsOnlyClosed(t *testing.T) {
	r := newRig(t, 120, 40, nil)
	r.gotoService("shop_cart") // it is updating
	r.press("+")
	box := r.planned()
	r.mustHave("plan: scale shop_cart by +1", "refused: shop_cart: an update is on its way")
	r.slowly("y")
	if box.started || r.overlay != overlay(box) {
		t.Fatal("a refused plan takes a yes")
	}
	r.slowly("enter")
	if r.overlay != nil {
		t.Fatal("enter does not close it")
	}
}

func TestFailedPlanSaysWhy(t *testing.T) {
	r := newRig(t, 120, 40, nil)
	r.press("u")
	r.until("the reason", func() bool { _, ok := r.overlay.(*noteBox); return ok })
	r.mustHave("no run of this swarm is in the journal")
	r.press("esc")
	if r.overlay != nil {
		t.Fatal("esc does not close it")
	}
}

func TestPlanGivenUpIsDropped(t *testing.T) {
	r := newRig(t, 120, 40, nil)
	r.hands.wait = make(chan struct{})
	r.press("r", "s")
	first := r.overlay.(*planningBox)
	r.until("that it takes long", func() bool { return strings.Contains(r.screen(), "planning") })
	r.press("esc", "esc")
	close(r.hands.wait)
	r.press("+")
	r.planned()
	r.send(planMsg{box: first, plan: &actions.Plan{Action: "redeploy"}})
	r.mustHave("plan: scale shop_web 3 → 4")
}

func TestWithoutDeckEachKeySaysWhy(t *testing.T) {
	for _, key := range []string{"s", "+", "-", "r", "u", "R"} {
		m, _ := console(t, 120, 40, func(o *Options) { o.NoDeck = errors.New("the journal is not writable") })
		press(t, m, key)
		if !strings.Contains(m.toast.text, "the journal is not writable") {
			t.Errorf("%s says %q", key, m.toast.text)
		}
	}
}

func TestReadOnlyLooksOnly(t *testing.T) {
	r := newRig(t, 120, 40, func(o *Options) { o.ReadOnly, o.Deck.Policy.ReadOnly = true, true })
	r.press("+")
	box := r.planned()
	r.mustHave("replicas 3 → 4", "read-only: this can only be looked at", "read-only: the plan can be looked at, and no more")
	if strings.Contains(r.screen(), "Yes") {
		t.Fatal("there is a Yes")
	}
	r.slowly("y", "tab")
	if box.started {
		t.Fatal("read-only, and it began")
	}
	r.slowly("enter")
	if r.hands.updates() != 0 || r.overlay != nil {
		t.Fatal("read-only, and something happened")
	}
}

// TestHandsDoNoIOInUpdate presses the keys of the hands without running a command: nobody may be asked.
func TestHandsDoNoIOInUpdate(t *testing.T) {
	r := newRig(t, 120, 40, nil)
	before := r.hands.calls.Load()
	for _, keys := range [][]string{{"+", "esc"}, {"-", "esc"}, {"s", "4", "enter", "esc", "esc"}, {"r", "s", "esc", "esc"}, {"r", "t", "esc", "esc"}, {"r", "i", ":", "2", "enter", "esc", "esc", "esc"}, {"u", "esc"}, {"R", "esc"}} {
		press(t, r.Model, keys...)
	}
	if got := r.hands.calls.Load(); got != before {
		t.Fatalf("Update asked the swarm %d times", got-before)
	}
	r.press("+")
	r.planned()
	if r.hands.calls.Load() == before {
		t.Fatal("the command asked nothing: this proves nothing")
	}
}

// TestAnyKeysWithHands: whatever is pressed while commands run and answer, frames are whole and nothing panics.
func TestAnyKeysWithHands(t *testing.T) {
	keys := []string{"+", "-", "s", "r", "u", "R", "t", "i", "w", "f", "l", "e", "y", "n", "enter", "esc", "tab", "5", "0", "j", "k", "G", "g", "space", "pgdown", "backspace", "q", "2", "1", "b", "d"}
	rng := rand.New(rand.NewPCG(3, 4))
	for range 6 {
		r := newRig(t, 100, 30, nil)
		for range 80 {
			r.clock.later(time.Duration(rng.IntN(700)) * time.Millisecond)
			r.press(keys[rng.IntN(len(keys))])
			for waiting := true; waiting; {
				select {
				case msg := <-r.msgs:
					r.send(msg)
				case <-r.Model.hands.news:
					r.send(wakeMsg{snap: r.o.Fleet.Snapshot()})
				case <-time.After(3 * time.Millisecond):
					waiting = false
				}
			}
			if rng.IntN(10) == 0 {
				r.send(tea.WindowSizeMsg{Width: 30 + rng.IntN(170), Height: 8 + rng.IntN(45)})
			}
			checkFrame(t, r.Model)
		}
	}
}

func TestWarningsOfManyAreGathered(t *testing.T) {
	p := &actions.Plan{Warnings: []string{"all of them: at once"}}
	for i := range 9 {
		name := fmt.Sprint("s", i)
		p.Changes = append(p.Changes, actions.Change{Service: name})
		p.Warnings = append(p.Warnings, name+": it may change the number: again")
	}
	p.Warnings = append(p.Warnings, "s1: another", "s2: another")
	got := gather(p)
	want := []string{"all of them: at once", "s0, s1 and 7 more: it may change the number: again", "s1, s2: another"}
	if !slices.Equal(got, want) {
		t.Fatalf("%q", got)
	}
}

func TestHostilePlanIsHarmless(t *testing.T) {
	r := newRig(t, 80, 24, nil)
	evil := "\x1b[2J\x1b]52;c;AAAA\x07\u202e" + strings.Repeat("日", 300)
	p := &actions.Plan{Action: "redeploy", Warnings: []string{evil}, Why: evil, Changes: []actions.Change{{Service: evil, Fields: []sources.FieldChange{
		{Path: []string{"a"}, Field: evil, Before: evil, After: evil}}}}}
	for _, refused := range []string{"", evil} {
		p.Refused = refused
		r.overlay = newPlanBox(r.Model, asking{note: evil}, p, nil)
		checkFrame(t, r.Model)
	}
	r.overlay = newErrorBox(evil, errors.New(evil), nil)
	checkFrame(t, r.Model)
}

func TestPlanOfManyScrolls(t *testing.T) {
	r := newRig(t, 80, 24, nil)
	p := &actions.Plan{Action: "scale", Warnings: []string{"a risk"}}
	for i := range 300 {
		p.Changes = append(p.Changes, actions.Change{Service: fmt.Sprintf("service%03d", i), Fields: []sources.FieldChange{{Path: []string{"r"}, Field: "replicas", Before: "1", After: "2"}}})
	}
	r.overlay = newPlanBox(r.Model, asking{}, p, nil)
	r.mustHave("warning: a risk", "service000", "lines above, ↓ 29", "[ No ]")
	r.press("G")
	r.mustHave("301 verify", "[ No ]", "↓ 0 below")
	checkFrame(t, r.Model)
	p.Harm, p.Why = actions.Guarded, "quiet hours"
	b := newPlanBox(r.Model, asking{}, p, nil)
	r.overlay = b
	r.press("pgdown", "down")
	if b.scroll.at == 0 {
		t.Fatal("what must be typed to is not scrolled")
	}
	r.slowly("g", "G", "k")
	if got := b.confirm.typed.Value(); got != "gGk" {
		t.Fatalf("letters are not typed: %q", got)
	}
}
