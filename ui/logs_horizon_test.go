package ui

import (
	"context"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"quarterdeck/sources"
)

// bounded is an archive that tells how far back it can be asked.
type bounded struct {
	*archive
	horizon sources.Horizon
	asked   atomic.Int64
}

func (b *bounded) Horizon(context.Context) sources.Horizon {
	b.asked.Add(1)
	return b.horizon
}

// Each ending of the history is said with its reason, after a bounded number of questions, and said again at the next press up, without one more.
func TestTheHistoryEndsWithItsReason(t *testing.T) {
	first := noon.Add(-49 * time.Hour)
	for name, c := range map[string]struct {
		horizon sources.Horizon
		says    string
		most    int64 // questions
	}{
		"keeps":        {sources.Horizon{Oldest: noon.Add(-30 * 24 * time.Hour), Why: "loki keeps 30 days"}, "loki keeps 30 days", 5},
		"start":        {sources.Horizon{Oldest: first.Add(-100 * 24 * time.Hour), Why: "the start of what loki has"}, "the start of what loki has", 8},
		"has it all":   {sources.Horizon{Oldest: first.Add(time.Minute), Why: "loki keeps 2 days"}, "loki keeps 2 days", 1},
		"not asked":    {sources.Horizon{Why: "could not ask how far back: HTTP 403"}, "could not ask how far back: HTTP 403", 17},
		"without why":  {sources.Horizon{}, "could not ask how far back: ", 17},
		"control sign": {sources.Horizon{Why: "could not ask how far back: \x1b[2Jbad"}, "could not ask how far back: ", 17},
	} {
		t.Run(name, func(t *testing.T) {
			r, a := archived(t, 160, 48)
			b := &bounded{archive: a, horizon: c.horizon}
			r.m.o.Logs = b
			r.m.logs.view.Reset()
			r.m.logs.view.Prepend(sources.LogPage{Entries: a.lines[:300]})
			r.update(wakeMsg{snap: r.m.o.Fleet.Snapshot()})
			before := a.calls.Load()
			r.press("g")
			r.until("the end", func() bool { return r.m.logs.reach.begin })
			if !strings.Contains(r.screen(), c.says) {
				t.Errorf("%q is not on the screen:\n%s", c.says, r.screen())
			}
			if strings.Contains(r.m.Frame(), "\x1b[2J") {
				t.Error("a control sequence of the source is drawn")
			}
			n := a.calls.Load()
			if n-before > c.most || b.asked.Load() > 1 {
				t.Errorf("%d questions for lines, %d for the horizon", n-before, b.asked.Load())
			}
			r.m.toast = toast{}
			r.press("k")
			if !strings.Contains(r.screen(), c.says) || a.calls.Load() != n {
				t.Errorf("at the end, up asked %d times more:\n%s", a.calls.Load()-n, r.screen())
			}
		})
	}
}

// Where the horizon is far and nothing is there, one press reads a bounded number of stretches, says so, and the next goes on where it stopped, to the end.
func TestAFarHorizonIsReachedPressByPress(t *testing.T) {
	r, a := archived(t, 160, 48)
	far := noon.Add(-5 * 365 * 24 * time.Hour)
	b := &bounded{archive: a, horizon: sources.Horizon{Oldest: far, Why: "the start of what loki has"}}
	r.m.o.Logs = b
	r.m.logs.view.Reset()
	r.m.logs.view.Prepend(sources.LogPage{Entries: a.lines[:300]})
	r.update(wakeMsg{snap: r.m.o.Fleet.Snapshot()})
	presses := 0
	for ; !r.m.logs.reach.begin && presses < 5; presses++ {
		before, bare := a.calls.Load(), r.m.logs.bare
		r.press("g")
		r.until("an answer", func() bool { return r.m.logs.reach.begin || !r.m.logs.bare.Equal(bare) })
		if n := a.calls.Load() - before; n > mostStretches {
			t.Fatalf("one press asked %d times", n)
		}
		if !r.m.logs.reach.begin && !r.shows("further with the next press")() {
			t.Fatalf("it is not said that it goes on:\n%s", r.screen())
		}
	}
	if !r.m.logs.reach.begin || presses < 2 || !r.shows("the start of what loki has")() {
		t.Fatalf("%d presses, begin %v:\n%s", presses, r.m.logs.reach.begin, r.screen())
	}
}

// stumbling fails at one of its questions.
type stumbling struct {
	*bounded
	mu    sync.Mutex
	fails int // so many questions from now
	until []time.Time
}

func (s *stumbling) Query(ctx context.Context, q sources.LogQuery) (sources.LogPage, error) {
	s.mu.Lock()
	s.until = append(s.until, q.Until)
	s.fails--
	fails := s.fails == 0
	s.mu.Unlock()
	if fails {
		return sources.LogPage{}, &sources.Error{Source: "loki", Kind: sources.Unreachable, Op: "query", Err: context.DeadlineExceeded}
	}
	return s.bounded.Query(ctx, q)
}

// A look back that times out on its way is said to have come as far as it came, and the next press goes on from there.
func TestALookBackThatFailsGoesOn(t *testing.T) {
	r, a := archived(t, 160, 48)
	b := &stumbling{bounded: &bounded{archive: a, horizon: sources.Horizon{Oldest: noon.Add(-5 * 365 * 24 * time.Hour), Why: "the start of what loki has"}}, fails: 3}
	r.m.o.Logs = b
	r.m.logs.view.Reset()
	r.m.logs.view.Prepend(sources.LogPage{Entries: a.lines[:300]})
	r.update(wakeMsg{snap: r.m.o.Fleet.Snapshot()})
	r.press("g")
	r.until("the failure", r.shows("the next press goes on from there"))
	b.mu.Lock()
	first := b.until
	b.until = nil
	b.mu.Unlock()
	if len(first) != 3 || !r.m.logs.bare.Equal(first[2]) {
		t.Fatalf("asked until %v, and goes on from %s", first, r.m.logs.bare)
	}
	r.press("g")
	r.until("an answer", func() bool { return r.m.logs.reach.begin || r.m.logs.bare.Before(first[2]) })
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.until[0].Equal(first[2]) {
		t.Errorf("the next press asks until %s, want %s, where the first failed", b.until[0], first[2])
	}
}
