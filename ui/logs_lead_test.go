package ui

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"quarterdeck/sources"
)

// twins puts lines of one moment into the archive: what is sorted by time alone cannot tell them apart.
func twins(a *archive, at time.Time, n int) {
	st := a.lines[len(a.lines)-1].Stream
	for i := range n {
		a.lines = append(a.lines, sources.Entry{Time: at, Stream: st, Level: sources.LevelInfo, Line: fmt.Sprint("twin ", i)})
	}
	slices.SortStableFunc(a.lines, func(x, y sources.Entry) int { return x.Time.Compare(y.Time) })
}

// TestALineLeadsTheMoment: at a past moment the moment is that of the line under the cursor, line by line, also where several have one
// time. Nothing is read again for it, and nothing is asked before the cursor rests.
func TestALineLeadsTheMoment(t *testing.T) {
	for _, days := range []time.Duration{0, 2} { // lines that are loaded, and lines that had to be read around the moment
		r, a := archived(t, 120, 40)
		at := noon.Add(-days*24*time.Hour - 5*time.Minute)
		if days > 0 {
			at = at.Add(-30 * time.Minute)
		}
		twins(a, at.Add(-10*time.Second), 4)
		if days == 0 {
			r.m.logs.view.Reset()
			r.m.logs.view.Prepend(sources.LogPage{Entries: a.lines[3600:]})
		}
		r.m.when.set(at, noon)
		r.update(wakeMsg{snap: r.m.o.Fleet.Snapshot()})
		r.until("the lines around", func() bool { return r.m.logs.view.Covers(at) && r.m.past.figures(at) != nil })
		asked, reads := a.calls.Load(), r.m.logs.generation
		last := *r.m.logs.view.Selected()
		i := slices.IndexFunc(a.lines, func(e sources.Entry) bool { return e.Line == last.Line && e.Time.Equal(last.Time) })
		for range 20 {
			r.press("k")
			i--
			e := r.m.logs.view.Selected()
			if e == nil || e.Line != a.lines[i].Line || !r.m.when.at.Equal(e.Time) {
				t.Fatalf("days %d: on %v, the moment is %s, want %v", days, e, r.m.when.at, a.lines[i])
			}
			if s, is := r.m.then().At, r.m.when.at; !s.Equal(is) {
				t.Fatalf("the table is of %s, the moment %s", s, is)
			}
		}
		if got := a.calls.Load(); got != asked {
			t.Fatalf("days %d: moving asked the logs %d times", days, got-asked)
		}
		r.until("the figures of where it rests", func() bool { return r.m.past.figures(r.m.when.at) != nil })
		// The figures are two questions: the error lines of all services, and all their lines.
		if got := a.calls.Load() - asked; got != 2 || r.m.logs.generation != reads {
			t.Fatalf("days %d: of 20 lines %d questions came, and %d readings", days, got, r.m.logs.generation-reads)
		}
		before := r.m.when.at
		r.press("<")
		if e := r.m.logs.view.Selected(); !r.m.when.at.Before(before) || e.Time.After(r.m.when.at) || r.m.when.at.Sub(e.Time) > 30*time.Second {
			t.Fatalf("days %d: < goes to %s, and the line's time is %s", days, r.m.when.at, e.Time)
		}
		checkFrame(t, r.m)
	}
}

// TestLiveLinesDoNotLead: reading while live leaves the moment alone; a sets it, and past the newest line it is live again.
func TestLiveLinesDoNotLead(t *testing.T) {
	r, _ := archived(t, 160, 48)
	r.press("k", "k", "k")
	if !r.m.when.live() {
		t.Fatal("moving among live lines sets the moment")
	}
	e := *r.m.logs.view.Selected()
	r.press("a")
	if !r.m.when.at.Equal(e.Time) || r.m.logs.view.Selected().Line != e.Line {
		t.Fatalf("a sets %s, the line's time is %s", r.m.when.at, e.Time)
	}
	reads := r.m.logs.generation
	r.press("1")
	r.update(wakeMsg{snap: r.m.o.Fleet.Snapshot()})
	if !r.shows("AT 11:59")() || !r.m.then().Past {
		t.Fatalf("the table is not of then:\n%s", r.screen())
	}
	r.press("3", "G")
	if !r.m.when.live() || !r.m.logs.view.Following() || r.m.logs.generation != reads {
		t.Fatalf("at the newest line: live %v, follows %v, read again %d times", r.m.when.live(), r.m.logs.view.Following(), r.m.logs.generation-reads)
	}
	r.press("k", "a", "s")
	if !r.m.when.live() || !r.m.logs.view.Following() {
		t.Fatal("s does not follow live lines again")
	}
}

// TestALineOfATasksOwnLinesLeads: over the logs, too; what is below is brought there, and esc comes back to that moment.
func TestALineOfATasksOwnLinesLeads(t *testing.T) {
	r, _ := archived(t, 120, 40)
	r.press("k", "k", "k", "enter")
	r.until("the task's lines", func() bool { return r.m.logs.aside != nil && !r.m.logs.aside.older })
	r.press("a", "k", "k", "k")
	e := r.m.logs.top().Selected()
	if e == nil || !r.m.when.at.Equal(e.Time) {
		t.Fatalf("on %v, the moment is %s", e, r.m.when.at)
	}
	r.press("esc")
	if below := r.m.logs.view.Selected(); r.m.logs.aside != nil || below == nil || !below.Time.Equal(e.Time) {
		t.Fatalf("below, the cursor is on %v, it was on %v", below, e)
	}
}
