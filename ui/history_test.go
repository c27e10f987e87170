package ui

import (
	"strings"
	"testing"
)

func TestHistoryLeadsBack(t *testing.T) {
	for _, size := range sizes {
		r := newRig(t, size[0], size[1], nil)
		r.deploy(newImage, r.deck)
		r.press("b")
		r.shows("history of shop_web · 2 states", "● now", "shop_web:1.5.0", "· was", "what going back to it would change", "1.5.0@feedc0de89ab") // on the state before now's
		r.press("g", "enter")
		if !strings.Contains(r.toast.text, "it runs already") {
			t.Fatalf("going back to now says %q", r.toast.text)
		}
		r.press("d")
		r.shows("what this state changed", "1.4.2@0123456789ab")
		r.press("j")
		r.shows("nothing is known of what was before it")
		r.press("d")
		r.shows("what going back to it would change", "1.5.0@feedc0de89ab")
		r.press("enter")
		r.planned()
		r.shows("plan: rollback shop_web")
		r.press("esc")
		r.shows("history of shop_web · 2 states") // no is a way back to where one was
		r.press("enter")
		r.planned()
		r.slowly("tab", "enter")
		box := r.running()
		r.until("the update", func() bool { return r.hands.updates() == 2 })
		r.hands.converge("shop_web")
		r.ended(box.entry)
		if st, err := r.hands.ServiceState(t.Context(), "shop_web"); err != nil || !strings.Contains(st.Spec.Image(), ":1.4.2@") {
			t.Fatalf("it runs %s, %v", st.Spec.Image(), err)
		}
	}
}

func TestHistoryComparesAnyTwo(t *testing.T) {
	r := newRig(t, 160, 48, nil)
	r.deploy(newImage, r.deck)
	r.deploy("registry.example.com/shop_web:1.6.0", r.deck)
	r.press("b")
	r.shows("3 states")
	r.press("d", "g", "m", "G")
	r.shows("from the older to the newer of the two", "1.4.2@0123456789ab", "1.6.0@feedc0de89ab")
	r.press("m") // another mark: it is compared with itself, and so with what was before it
	r.shows("what this state changed")
}

// A history that somebody changes meanwhile is read again, and the cursor stays on its state.
func TestHistoryGoesOn(t *testing.T) {
	r := newRig(t, 160, 48, nil)
	r.deploy(newImage, r.deck)
	r.press("b")
	r.shows("2 states")
	box := r.overlay.(*historyBox) //nolint:forcetypeassert // it is shown
	r.press("g")
	was := box.states[0].Spec
	r.hands.meddle("shop_web", 5)
	r.shows("3 states", "elsewhere")
	if i := box.selected(); i != 1 || box.states[i].Spec != was {
		t.Fatalf("the cursor went to state %d", i)
	}
	r.press("g")
	r.shows("it is what is wanted now")
	r.press("j")
	r.shows("the number of replicas stays 5: r takes it back to 3")
	r.press("r")
	r.shows("replicas  5 → 3")
}

func TestEmptyHistorySaysWhy(t *testing.T) {
	r := newRig(t, 80, 24, nil)
	r.press("b")
	r.shows("1 state", "no earlier state is known, and the engine remembers none")
	r.press("esc", "d")
	r.shows("no change of it is known", "since 09:00:00")
	r.press("b")
	if !strings.Contains(r.toast.text, "there is no way back") {
		t.Fatalf("b says %q", r.toast.text)
	}
	r.press("u")
	if !strings.Contains(r.toast.text, "no change is known") {
		t.Fatalf("u says %q", r.toast.text)
	}
}

func TestStackGoesBack(t *testing.T) {
	r := newRig(t, 120, 40, nil)
	r.deploy(newImage, r.deck)
	r.press(":")
	r.overlay.paste("rollback stack shop")
	r.press("enter")
	r.planned()
	r.shows("plan: rollback shop_web", "1.4.2@0123456789ab")
	r.press("esc")
	for _, c := range []struct{ marked, says string }{
		{"platform_loki", "more than one stack"},
		{"shop_api", ""},
	} {
		r.services.marks = map[string]bool{"shop_web": true, c.marked: true}
		r.press("b")
		if c.says != "" {
			if !strings.Contains(r.toast.text, c.says) {
				t.Fatalf("with %s it says %q", c.marked, r.toast.text)
			}
			continue
		}
		if p := r.planned().plan; len(p.Changes) != 1 || p.Changes[0].Service != "shop_web" {
			t.Fatalf("with %s: %+v", c.marked, p.Report())
		}
		r.press("esc")
	}
	r.services.marks = map[string]bool{"shop_api": true, "shop_cart": true} // of the stack only these, which did not change
	r.press("b")
	if p := r.planned().plan; p.Nothing == "" {
		t.Fatalf("unmarked services go back: %+v", p.Report())
	}
}
