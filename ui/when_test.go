package ui

import (
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

// TestWhenHoldsItsRules: whatever is pressed in whatever order, the moment lies in the shown time, that ends at now at the latest,
// live is zero in both, and the generation rises with every change and only then.
func TestWhenHoldsItsRules(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for round := range 200 {
		w, now := newWhen(), noon
		for step := range 100 {
			before := w
			switch rng.IntN(7) {
			case 0:
				w.pan(rng.IntN(3)-1, now)
			case 1:
				w.zoom(rng.IntN(3)-1, now)
			case 2, 3:
				w.stepBy(rng.IntN(5)-2, now)
			case 4:
				w.set(now.Add(-time.Duration(rng.Int64N(int64(200*time.Hour)))+time.Hour), now)
			case 5:
				now = now.Add(time.Duration(rng.Int64N(int64(10 * time.Minute))))
			case 6:
				if rng.IntN(10) == 0 {
					w.goLive()
				}
			}
			start, end := w.window(now)
			at := w.moment(now)
			if at.Before(start) || at.After(end) || end.After(now) || end.Sub(start) != w.length() || w.at.IsZero() != w.end.IsZero() {
				t.Fatalf("round %d, step %d: at %s in %s to %s, now %s: %+v after %+v", round, step, at, start, end, now, w, before)
			}
			changed := !before.at.Equal(w.at) || !before.end.Equal(w.end) || before.span != w.span
			if changed != (before.generation != w.generation) || w.generation < before.generation {
				t.Fatalf("round %d, step %d: generation %d after %d, changed %t", round, step, w.generation, before.generation, changed)
			}
		}
	}
}

func TestWhenSteps(t *testing.T) {
	at := func(clock string) time.Time {
		d, err := time.Parse("15:04:05", clock)
		if err != nil {
			t.Fatal(err)
		}
		return time.Date(2026, 11, 24, d.Hour(), d.Minute(), d.Second(), 0, time.UTC)
	}
	now := at("12:00:17")
	w := newWhen()
	do := func(what string, f func(), wantAt, wantEnd string) {
		t.Helper()
		f()
		if wantAt == "" {
			if !w.live() || !w.end.IsZero() {
				t.Fatalf("%s: not live: %s, %s", what, w.at, w.end)
			}
			return
		}
		if !w.at.Equal(at(wantAt)) || !w.end.Equal(at(wantEnd)) {
			t.Fatalf("%s: at %s until %s, want %s until %s", what, w.at, w.end, wantAt, wantEnd)
		}
	}
	step := func(n int) func() { return func() { w.stepBy(n, now) } }
	do("live goes no further", step(1), "", "")
	do("to the round time", step(-1), "12:00:00", "12:00:17")
	do("half a minute of an hour", step(-1), "11:59:30", "12:00:17")
	now = at("12:10:00")
	do("what is shown stands still", step(-1), "11:59:00", "12:00:17")
	do("out at the right", step(3), "12:00:30", "12:10:00")
	do("to now is live", step(20), "", "")
	do("earlier by a quarter", func() { w.pan(-1, now) }, "11:55:00", "11:55:00")
	do("longer", func() { w.zoom(1, now) }, "11:55:00", "11:55:00")
	do("shorter", func() { w.zoom(-1, now) }, "11:55:00", "11:55:00")
	do("an event long ago", func() { w.set(at("03:12:40"), now) }, "03:12:40", "03:42:40")
	do("later by two quarters", func() { w.pan(2, now) }, "03:42:40", "04:12:40")
	do("out at the left", step(-100), "02:53:00", "03:38:00")
	do("what another's clock says is to come", func() { w.set(at("12:30:00"), now) }, "12:10:00", "12:10:00")
	do("zero is live", func() { w.set(time.Time{}, now) }, "", "")
}

func TestMomentIsSaidAndLeft(t *testing.T) {
	for _, size := range sizes {
		r := newRig(t, size[0], size[1], nil)
		r.press("<")
		r.shows("AT 11:59:30, <1m ago", "0 live")
		r.press("[")
		r.shows("AT 11:44:30, 15m ago")
		r.press("4", "+")
		r.shows("until", "AT 11:44:30")
		r.press("left")
		r.shows("AT 11:44:15")
		r.press("0")
		if !r.when.live() {
			t.Fatal("0 does not go live")
		}
		if s := r.screen(); strings.Contains(s, "AT 11") {
			t.Fatalf("live, it still shows a moment:\n%s", s)
		}
	}
}
