package sources

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// script is a source of lines that does what the test says.
type script struct {
	Logs
	name    string
	err     error // of Query
	page    func(q LogQuery) LogPage
	asked   []LogQuery
	follows []LogQuery
	out     func(LogBatch) // hands a batch over, once followed
	ends    error          // Follow returns it at once
}

func (s *script) Name() string { return s.name }

func (s *script) Query(_ context.Context, q LogQuery) (LogPage, error) {
	s.asked = append(s.asked, q)
	if s.page == nil {
		return LogPage{}, s.err
	}
	return s.page(q), s.err
}

// turn orders what the test sets and reads after what the sources read and set: see wait.
var turn sync.Mutex

func (s *script) Follow(ctx context.Context, q LogQuery, emit func(LogBatch)) error {
	turn.Lock()
	s.follows = append(s.follows, q)
	ends := s.ends
	s.out = emit
	turn.Unlock()
	if ends != nil {
		return ends
	}
	<-ctx.Done()
	return ctx.Err()
}

func away(kind Kind) error { return &Error{Source: "loki", Kind: kind, Op: "query"} }

// entry is a line of one task, at a moment after base.
func entry(source string, at time.Time, line string) Entry {
	return Entry{Time: at, Line: line, Stream: &Stream{Service: "web", Task: "t1", Source: source}}
}

// reader keeps what it is given.
type reader struct {
	lines  []string
	gaps   []Gap
	states []string
}

func (r *reader) take(b LogBatch) {
	for i := range b.Entries {
		r.lines = append(r.lines, b.Entries[i].Line)
	}
	if b.Gap != nil {
		r.gaps = append(r.gaps, *b.Gap)
	}
	if b.Status != nil {
		r.states = append(r.states, b.Status.Name+" "+string(b.Status.State))
	}
}

func (r *reader) want(t *testing.T, lines ...string) {
	t.Helper()
	if !slices.Equal(r.lines, lines) {
		t.Errorf("lines %q, want %q", r.lines, lines)
	}
}

func (r *reader) marks(t *testing.T, parts ...string) {
	t.Helper()
	if len(r.gaps) != len(parts) {
		t.Fatalf("gaps %+v, want %q", r.gaps, parts)
	}
	for i, p := range parts {
		if !strings.Contains(r.gaps[i].Reason, p) {
			t.Errorf("gap %d says %q, want %q in it", i, r.gaps[i].Reason, p)
		}
	}
}

func following(t *testing.T, q LogQuery, o FallbackOptions, loki, docker *script, body func(r *reader)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		loki.name, docker.name = "loki", "docker"
		ctx, cancel := context.WithCancel(t.Context())
		r := &reader{}
		done := make(chan error)
		go func() { done <- WithFallback(loki, docker, o).Follow(ctx, q, r.take) }()
		wait(0)
		body(r)
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("Follow ended with %v", err)
		}
	})
}

func (s *script) say(source string, at time.Time, lines ...string) {
	var b LogBatch
	for i, l := range lines {
		b.Entries = append(b.Entries, entry(source, at.Add(time.Duration(i)*time.Microsecond), l))
	}
	s.out(b)
	synctest.Wait()
}

func (s *script) state(state State) {
	s.out(LogBatch{Status: &Status{Name: s.name, State: state}})
	synctest.Wait()
}

func wait(d time.Duration) {
	turn.Lock()
	turn.Unlock() //nolint:staticcheck // the pair orders memory, see turn
	time.Sleep(d)
	synctest.Wait()
	turn.Lock()
	turn.Unlock() //nolint:staticcheck // likewise
}

func TestFollowSwitches(t *testing.T) {
	loki, docker := &script{}, &script{}
	following(t, LogQuery{}, FallbackOptions{}, loki, docker, func(r *reader) {
		start := time.Now()
		loki.state(Live)
		wait(time.Minute)
		loki.say("loki", time.Now(), "a")
		last := time.Now()
		loki.state(Reconnecting)
		wait(2900 * time.Millisecond)
		if len(docker.follows) != 0 {
			t.Error("too hasty")
		}
		wait(200 * time.Millisecond)
		if len(docker.follows) != 1 || !docker.follows[0].Since.Equal(last.Add(-10*time.Second)) || docker.follows[0].Since.Before(start) {
			t.Fatalf("docker is followed from %v, the last line is of %v", docker.follows, last)
		}
		r.marks(t, "from docker: loki RECONNECTING since")
		docker.say("docker", last, "a", "b") // a again, and what came since
		docker.state(Live)
		wait(time.Second)
		docker.say("docker", time.Now(), "c", "c") // a real repeat
		outage := time.Now()
		loki.state(Live)
		loki.say("loki", last.Add(time.Microsecond), "b") // its backfill
		loki.say("loki", outage, "c", "c", "c")           // one more than docker gave
		loki.say("loki", time.Now().Add(time.Second), "d")
		docker.out(LogBatch{Entries: []Entry{entry("docker", time.Now().Add(time.Second), "d")}}) // too late: its run is over
		synctest.Wait()
		r.want(t, "a", "b", "c", "c", "c", "d")
		if want := []string{"loki LIVE", "loki RECONNECTING", "docker LIVE", "loki LIVE"}; !slices.Equal(r.states, want) {
			t.Errorf("states %q, want %q", r.states, want)
		}
	})
}

func TestFollowFlapping(t *testing.T) {
	loki, docker := &script{}, &script{}
	following(t, LogQuery{}, FallbackOptions{}, loki, docker, func(r *reader) {
		loki.state(Live)
		for range 20 { // short outages are loki's own to mend
			loki.state(Reconnecting)
			wait(2 * time.Second)
			loki.state(Live)
			wait(2 * time.Second)
		}
		if len(docker.follows) != 0 {
			t.Error("docker is followed though loki was never away for long")
		}
		loki.state(Reconnecting)
		wait(4 * time.Second)
		docker.say("docker", time.Now(), "a")
		stopped := time.Now()
		loki.state(Live) // back, but not yet caught up
		wait(20 * time.Second)
		loki.say("loki", time.Now(), "new")
		loki.state(Reconnecting)
		wait(4 * time.Second)
		if n := len(docker.follows); n != 2 || docker.follows[1].Since.After(stopped) {
			t.Fatalf("%d runs; the second must go on where it stopped (%v): %v", n, stopped, docker.follows)
		}
		docker.say("docker", stopped.Add(5*time.Second), "between")
		docker.say("docker", stopped.Add(20*time.Second), "new")
		loki.state(Live)
		loki.say("loki", stopped, "a")
		loki.say("loki", stopped.Add(5*time.Second), "between")
		r.want(t, "a", "new", "between")
	})
}

func TestFollowFillsGaps(t *testing.T) {
	loki, docker := &script{}, &script{}
	following(t, LogQuery{Services: []string{"web", "db"}}, FallbackOptions{}, loki, docker, func(r *reader) {
		base := time.Now()
		loki.state(Live)
		loki.say("loki", base, "a")
		docker.page = func(q LogQuery) LogPage { // three pages of two lines; the last two of page one share a moment
			var e []Entry
			for i, at := range []int{0, 1, 1, 2, 3} {
				if x := base.Add(time.Duration(at) * time.Second); !x.Before(q.Since) && x.Before(q.Until) {
					e = append(e, entry("docker", x, string("abcde"[i])))
				}
			}
			if len(e) > 3 {
				return LogPage{Entries: e[:3], More: true}
			}
			return LogPage{Entries: e}
		}
		gap := Gap{From: base, To: base.Add(time.Minute), Reason: "dropped by the tail", Lost: 4, Service: "web"}
		loki.out(LogBatch{Gap: &gap})
		synctest.Wait()
		loki.say("loki", base.Add(2*time.Second), "d") // it comes late all the same
		loki.say("loki", base.Add(9*time.Second), "f")
		r.want(t, "a", "b", "c", "d", "e", "f")
		r.marks(t, "from docker: filled with 4 lines (dropped by the tail)")
		if g := r.gaps[0]; g.Lost != 0 || docker.asked[0].Services[0] != "web" || len(docker.asked[0].Services) != 1 || !docker.asked[0].Forward {
			t.Errorf("%+v, asked %+v", g, docker.asked[0])
		}
		docker.page, docker.err = nil, away(Forbidden)
		loki.out(LogBatch{Gap: &gap})
		synctest.Wait()
		if g := r.gaps[1]; g.Lost != 4 || !strings.Contains(g.Reason, "could not fill it") {
			t.Errorf("%+v", g)
		}
		loki.out(LogBatch{Gap: &Gap{Reason: "no dates"}})
		synctest.Wait()
		if g := r.gaps[2]; g.Reason != "no dates" {
			t.Errorf("%+v", g)
		}
	})
}

func TestFollowBothDead(t *testing.T) {
	loki, docker := &script{}, &script{}
	following(t, LogQuery{}, FallbackOptions{}, loki, docker, func(r *reader) {
		loki.state(Reconnecting)
		wait(4 * time.Second)
		docker.state(Reconnecting)
		wait(time.Hour)
		if len(loki.follows) != 1 || len(docker.follows) != 1 {
			t.Errorf("%d and %d streams: each reconnects by itself", len(loki.follows), len(docker.follows))
		}
		docker.state(Live)
		docker.say("docker", time.Now(), "a")
		loki.state(Live)
		loki.say("loki", time.Now(), "a", "b")
		r.want(t, "a", "b")
		r.marks(t, "from docker")
	})
}

// Streams that end by themselves, which they must not, are followed again.
func TestFollowEndsByItself(t *testing.T) {
	loki, docker := &script{ends: away(Unauthorised)}, &script{ends: errors.New("odd")}
	following(t, LogQuery{}, FallbackOptions{}, loki, docker, func(r *reader) {
		wait(time.Minute)
		if n, m := len(loki.follows), len(docker.follows); n < 5 || n > 15 || m < 5 || m > 15 {
			t.Errorf("%d and %d streams in a minute", n, m)
		}
		loki.ends = nil
		wait(10 * time.Second)
		loki.state(Live)
		loki.say("loki", time.Now(), "a")
		r.want(t, "a")
	})
}

// A burst during the switch, larger than what is remembered: nothing comes twice, and the mark says why some could not be compared.
func TestFollowBurst(t *testing.T) {
	loki, docker := &script{}, &script{}
	following(t, LogQuery{}, FallbackOptions{Remember: 1000}, loki, docker, func(r *reader) {
		loki.state(Live)
		loki.state(Reconnecting)
		wait(4 * time.Second)
		base := time.Now()
		burst := func(source string) (b LogBatch) {
			for i := range 5000 {
				b.Entries = append(b.Entries, entry(source, base.Add(time.Duration(i)*time.Millisecond), fmt.Sprint("line ", i)))
			}
			return b
		}
		wait(10 * time.Second)
		docker.out(burst("docker"))
		loki.state(Live)
		loki.out(burst("loki"))
		synctest.Wait()
		if len(r.lines) != 5000 {
			t.Errorf("%d lines of 5000", len(r.lines))
		}
		r.marks(t, "loki RECONNECTING", "more lines than can be compared")
	})
}

func TestFollowLogQL(t *testing.T) {
	loki, docker := &script{}, &script{}
	following(t, LogQuery{Expr: `{a="b"}`}, FallbackOptions{}, loki, docker, func(*reader) {
		wait(time.Minute)
		if len(docker.follows) != 0 {
			t.Error("docker cannot answer LogQL")
		}
	})
}

func TestQueryFallsBack(t *testing.T) {
	base := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	from := func(LogQuery) LogPage {
		return LogPage{Entries: []Entry{entry("docker", base, "a"), entry("docker", base.Add(time.Second), "b")}}
	}
	for kind, falls := range map[Kind]bool{Unreachable: true, Unauthorised: true, Forbidden: true, NotConfigured: true, NotFound: true, BadAnswer: true,
		BadQuestion: false, OverLimit: false, TooOld: false} {
		loki := &script{name: "loki", err: away(kind), page: func(LogQuery) LogPage {
			return LogPage{Entries: []Entry{entry("loki", base, "a"), entry("loki", base.Add(-time.Second), "z")}} // a part
		}}
		docker := &script{name: "docker", page: from}
		page, err := WithFallback(loki, docker, FallbackOptions{}).Query(t.Context(), LogQuery{Since: base, Until: base.Add(time.Hour)})
		if !falls {
			if KindOf(err) != kind || len(docker.asked) != 0 {
				t.Errorf("%v: %v, docker asked %d times", kind, err, len(docker.asked))
			}
			continue
		}
		var lines []string
		for _, e := range page.Entries {
			lines = append(lines, e.Stream.Source+" "+e.Line)
		}
		if err != nil || !slices.Equal(lines, []string{"loki z", "docker a", "docker b"}) {
			t.Errorf("%v: %q, %v", kind, lines, err)
		}
		if len(page.Gaps) != 1 || page.Gaps[0].Reason != "from docker: loki "+kind.String() || page.Gaps[0].Lost != 0 {
			t.Errorf("%v: %+v", kind, page.Gaps)
		}
		docker = &script{name: "docker", err: errors.New("dead too")}
		if _, err := WithFallback(loki, docker, FallbackOptions{}).Query(t.Context(), LogQuery{}); KindOf(err) != kind || !strings.Contains(err.Error(), "dead too") {
			t.Errorf("both dead: %v", err)
		}
		if _, err := WithFallback(loki, docker, FallbackOptions{}).Query(t.Context(), LogQuery{Expr: "{}"}); KindOf(err) != kind || !strings.Contains(err.Error(), "LogQL") {
			t.Errorf("LogQL: %v", err)
		}
	}
}

func TestQueryFillsGaps(t *testing.T) {
	base := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	loki := &script{name: "loki", page: func(LogQuery) LogPage {
		return LogPage{Entries: []Entry{entry("loki", base, "a"), entry("loki", base.Add(3*time.Second), "d")},
			Gaps: []Gap{{From: base, To: base.Add(3 * time.Second), Reason: "dropped", Lost: 2}}}
	}}
	docker := &script{name: "docker", page: func(LogQuery) LogPage {
		return LogPage{Entries: []Entry{entry("docker", base, "a"), entry("docker", base.Add(time.Second), "b"), entry("docker", base.Add(2*time.Second), "c")}}
	}}
	page, err := WithFallback(loki, docker, FallbackOptions{}).Query(t.Context(), LogQuery{Limit: 3})
	r := &reader{}
	r.take(LogBatch{Entries: page.Entries})
	r.want(t, "b", "c", "d") // the newest within the limit
	if err != nil || !page.More || len(page.Gaps) != 1 || page.Gaps[0].Lost != 0 || !strings.HasPrefix(page.Gaps[0].Reason, "from docker: filled") {
		t.Errorf("%+v, %v", page.Gaps, err)
	}
	if WithFallback(loki, nil, FallbackOptions{}) != Logs(loki) {
		t.Error("without a second it is the primary itself")
	}
}

func TestMemory(t *testing.T) {
	base := time.Date(2026, 11, 24, 12, 0, 0, 123456789, time.UTC)
	line := func(task string, at time.Time, text string) *Entry {
		return &Entry{Time: at, Line: text, Stream: &Stream{Service: "web", Task: task}}
	}
	for _, c := range []struct {
		name string
		a, b *Entry
		same bool
	}{
		{"the same", line("t", base, "x"), line("t", base, "x"), true},
		{"task not said", line("", base, "x"), line("t", base, "x"), true},
		{"other task", line("u", base, "x"), line("t", base, "x"), false},
		{"same moment, text cleaned", line("t", base, "x\r\n"), line("t", base, "x"), true},
		{"same moment, text rewritten", line("t", base, "x"), line("t", base, "[x]"), true},
		{"cut to the microsecond", line("t", base.Truncate(time.Microsecond), "x"), line("t", base, "[x]"), true},
		{"same microsecond, other text", line("t", base, "x"), line("t", base.Add(3), "y"), false},
		{"same text within a millisecond", line("t", base, "x"), line("t", base.Add(time.Millisecond), "x"), true},
		{"same text later", line("t", base, "x"), line("t", base.Add(time.Millisecond+1), "x"), false},
	} {
		for range 2 {
			m := newMemory(10)
			if m.given(c.a, fromPrimary) {
				t.Errorf("%s: the first is no double", c.name)
			}
			if got := m.given(c.b, 2); got != c.same {
				t.Errorf("%s: double %v, want %v", c.name, got, c.same)
			}
			c.a, c.b = c.b, c.a
		}
	}
	m := newMemory(100)
	for i := range 10000 {
		m.given(line("t", base.Add(time.Duration(i)*time.Millisecond), "x"), fromPrimary)
	}
	if len(m.ring) != 100 || len(m.by) > 100 || m.forgotten.IsZero() {
		t.Errorf("%d held under %d keys", len(m.ring), len(m.by))
	}
}

func BenchmarkMemory(b *testing.B) {
	m := newMemory(32768)
	base := time.Now()
	e := entry("loki", base, strings.Repeat("x", 180))
	for i := range b.N {
		e.Time = base.Add(time.Duration(i) * 5 * time.Microsecond) // 200,000 lines a second
		m.given(&e, uint32(1+i%2))                                 //nolint:gosec // 1 or 2
	}
}
