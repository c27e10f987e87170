package loki

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"quarterdeck/sources"
)

// brisk is a client of the fake whose waits are short.
func brisk(t testing.TB, f *fakeLoki) (*Client, target) {
	t.Helper()
	g := httpTarget(f.URL)
	g.tune = shortWaits
	return g.client(t), g
}

func shortWaits(p *pace) {
	p.soonest, p.hold, p.verify, p.noTail = 20*time.Millisecond, 10*time.Millisecond, 200*time.Millisecond, 50*time.Millisecond
	p.deep, p.backoff, p.backoffMax = 500*time.Millisecond, 20*time.Millisecond, 100*time.Millisecond
	p.retry, p.refused, p.grace = 5*time.Millisecond, 300*time.Millisecond, 20*time.Millisecond
}

func TestConformanceFake(t *testing.T) {
	f := newFake(t)
	f.max.Store(1000)
	g := target{f.URL, 1000, shortWaits}
	t.Run("pages", func(t *testing.T) { conformPages(t, g) })
	t.Run("equal times over pages", func(t *testing.T) { conformEqualTimes(t, g) })
	t.Run("ends", func(t *testing.T) { conformEnds(t, g) })
	t.Run("filters", func(t *testing.T) { conformFilters(t, g) })
	t.Run("follow", func(t *testing.T) { conformFollow(t, g) })
	t.Run("follow from before", func(t *testing.T) { conformBacklog(t, g) })
	t.Run("burst", func(t *testing.T) { conformBurst(t, g) })
}

// pushN writes n lines of now, a microsecond apart, and notes them in want.
func pushN(t testing.TB, g target, s, word string, n int, want map[string]int) {
	t.Helper()
	p, now := pushStream{Stream: labelsOf(s, taskA)}, time.Now()
	for i := range n {
		line := fmt.Sprintf("%s %d", word, i)
		want[line]++
		p.Values = append(p.Values, value(now.Add(time.Duration(i)*time.Microsecond), line))
	}
	g.push(t, p)
}

func (k *collector) check(t testing.TB, want map[string]int) {
	t.Helper()
	n := 0
	for _, w := range want {
		n += w
	}
	k.wait(t, 20*time.Second, fmt.Sprintf("%d lines", n), hasLines(n))
	k.mu.Lock()
	defer k.mu.Unlock()
	checkOnce(t, k.entries, want)
}

// A tail that delivers nothing, that is cut, that Loki closes after an hour: nothing is lost or doubled.
func TestFollowWhateverTheTailDoes(t *testing.T) {
	f := newFake(t)
	c, g := brisk(t, f)
	want := map[string]int{}
	k := follow(t, c, sources.LogQuery{Services: []string{"web"}})
	f.waitTail(t, 1)
	k.wait(t, 20*time.Second, "LIVE", inState(sources.Live))
	pushN(t, g, "web", "delivered", 50, want)
	k.check(t, want)
	f.setTail("silent")
	pushN(t, g, "web", "undelivered", 50, want)
	k.check(t, want)
	f.dropTails()
	pushN(t, g, "web", "while cut", 50, want)
	k.check(t, want)
	f.waitTail(t, 2)
	f.closeTails("reached tail max duration limit")
	pushN(t, g, "web", "while closed", 50, want)
	f.waitTail(t, 3)
	f.setTail("deliver")
	pushN(t, g, "web", "again", 6000, want)
	k.check(t, want)
	k.wait(t, 20*time.Second, "LIVE", inState(sources.Live))
}

// The 11th tail: Loki accepts, and closes with 1011 and its reason.
func TestFollowOverTheTailLimit(t *testing.T) {
	f := newFake(t)
	var opened atomic.Int64
	f.onPath("/tail", func(w http.ResponseWriter, r *http.Request) {
		opened.Add(1)
		conn, err := accept(w, r)
		if err == nil {
			_ = conn.Close(1011, "max concurrent tail requests limit exceeded, count > limit (11 > 10)")
		}
	})
	c, g := brisk(t, f)
	want := map[string]int{}
	k := follow(t, c, sources.LogQuery{Services: []string{"web"}})
	k.wait(t, 20*time.Second, "POLLING", inState(sources.Polling))
	pushN(t, g, "web", "polled", 100, want)
	k.check(t, want)
	k.mu.Lock()
	detail := k.states[len(k.states)-1].Detail
	k.mu.Unlock()
	if !strings.Contains(detail, "max concurrent tail requests") {
		t.Errorf("the state does not say why: %q", detail)
	}
	if n := opened.Load(); n > 10 {
		t.Errorf("asked %d times for a tail that is refused", n)
	}
	f.normal() // room again
	k.wait(t, 20*time.Second, "LIVE", inState(sources.Live))
}

// A proxy that swallows the tail: an open connection on which nothing comes, not even a pong.
func TestFollowHalfOpenTail(t *testing.T) {
	f := newFake(t)
	c, g := brisk(t, f)
	c.pace.ping, c.pace.pong = 50*time.Millisecond, 50*time.Millisecond
	done := make(chan struct{})
	t.Cleanup(func() { close(done) })
	var opened atomic.Int64
	f.onPath("/tail", func(w http.ResponseWriter, r *http.Request) {
		opened.Add(1)
		if conn, err := accept(w, r); err == nil {
			defer func() { _ = conn.CloseNow() }()
			<-done // never reads: pings are not answered
		}
	})
	want := map[string]int{}
	k := follow(t, c, sources.LogQuery{Services: []string{"web"}})
	k.wait(t, 20*time.Second, "a state after the first poll", func(k *collector) bool { return len(k.states) > 1 })
	pushN(t, g, "web", "unheard", 20, want)
	k.check(t, want)
	end := time.Now().Add(20 * time.Second)
	for opened.Load() < 2 { // it noticed, and opened another
		if time.Now().After(end) {
			t.Fatal("the dead tail was not noticed")
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// Loki is away and comes back: RECONNECTING since, then all that came meanwhile.
func TestFollowOutage(t *testing.T) {
	f := newFake(t)
	c, g := brisk(t, f)
	want := map[string]int{}
	k := follow(t, c, sources.LogQuery{Services: []string{"web"}})
	k.wait(t, 20*time.Second, "LIVE", inState(sources.Live))
	f.onPath("", func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "empty ring", http.StatusInternalServerError)
	})
	f.dropTails()
	k.wait(t, 20*time.Second, "RECONNECTING", inState(sources.Reconnecting))
	f.normal()
	pushN(t, g, "web", "meanwhile", 6000, want)
	k.check(t, want)
	k.wait(t, 20*time.Second, "LIVE", inState(sources.Live))
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, s := range k.states {
		if s.State == sources.Reconnecting && (s.Since.IsZero() || s.Fresh.IsZero() || s.Fresh.After(s.Since) || s.Detail == "") {
			t.Errorf("reconnecting says %+v", s)
		}
	}
}

// Refusals have their own states, and it goes on by itself when they end.
func TestFollowRefused(t *testing.T) {
	for status, state := range map[int]sources.State{401: sources.NoAuth, 403: sources.Denied, 404: sources.Faulty, 502: sources.Reconnecting} {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			f := newFake(t)
			c, g := brisk(t, f)
			f.onPath("", func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", status) })
			k := follow(t, c, sources.LogQuery{Services: []string{"web"}})
			k.wait(t, 20*time.Second, string(state), inState(state))
			f.normal()
			want := map[string]int{}
			pushN(t, g, "web", "after", 10, want)
			k.check(t, want)
		})
	}
}

// A stretch that Loki answers with an error each time, though it lives, is a Gap and not the end.
func TestFollowPoisonedStretch(t *testing.T) {
	f := newFake(t)
	c, g := brisk(t, f)
	var bad atomic.Bool
	k := follow(t, c, sources.LogQuery{Services: []string{"web"}})
	k.wait(t, 20*time.Second, "LIVE", inState(sources.Live))
	poison := time.Now()
	bad.Store(true)
	f.onPath("/query_range", func(w http.ResponseWriter, r *http.Request) {
		if bad.Load() && r.URL.Query().Get("start") <= nano(poison.UnixNano()) {
			http.Error(w, "rpc error: chunk is corrupt", http.StatusInternalServerError)
			return
		}
		f.queryRange(w, r)
	})
	k.wait(t, 30*time.Second, "a gap", func(k *collector) bool { return len(k.gaps) > 0 })
	want := map[string]int{}
	pushN(t, g, "web", "after", 10, want)
	k.check(t, want)
	k.mu.Lock()
	defer k.mu.Unlock()
	if gap := k.gaps[0]; len(k.gaps) != 1 || gap.From.After(poison) || gap.To.Before(poison) || gap.Service != "web" || !strings.Contains(gap.Reason, "corrupt") {
		t.Errorf("gaps %+v", k.gaps)
	}
}

// Real repeats stay, and an emit that blocks loses nothing.
func TestFollowRepeatsAndSlowReader(t *testing.T) {
	f := newFake(t)
	c, g := brisk(t, f)
	gate := make(chan struct{})
	k := newCollector()
	followInto(t, c, sources.LogQuery{Services: []string{"web"}}, func(b sources.LogBatch) {
		if len(b.Entries) > 0 {
			<-gate
		}
		k.emit(b)
	})
	k.wait(t, 20*time.Second, "LIVE", inState(sources.Live))
	now := time.Now()
	p := pushStream{Stream: labelsOf("web", taskA)}
	for range 3 {
		p.Values = append(p.Values, value(now, "the same"))
	}
	g.push(t, p)
	want := map[string]int{"the same": 3}
	for i := range 4 {
		pushN(t, g, "web", fmt.Sprintf("round %d", i), 2000, want)
	}
	close(gate)
	k.check(t, want)
}

// Lines of a node that was cut off, older than all that is remembered.
func TestFollowLongLateStream(t *testing.T) {
	f := newFake(t)
	c, g := brisk(t, f)
	start := time.Now().Add(-time.Hour)
	k := follow(t, c, sources.LogQuery{Services: []string{"web"}, Since: start})
	k.wait(t, 20*time.Second, "LIVE", inState(sources.Live))
	f.waitTail(t, 1)
	want := map[string]int{}
	pushN(t, g, "web", "now", 100, want)
	k.check(t, want)
	late := pushStream{Stream: labelsOf("web", taskB)}
	for i := range 300 {
		line := fmt.Sprintf("late %d", i)
		want[line]++
		late.Values = append(late.Values, value(start.Add(time.Minute+time.Duration(i)*time.Second), line))
	}
	g.push(t, late)
	k.check(t, want)
}

// A node sends ten seconds of lines late, and the tail delivers few of them or none: they are shown in order.
func TestFollowLateLinesInOrder(t *testing.T) {
	for _, mode := range []string{"deliver", "some", "silent"} {
		t.Run(mode, func(t *testing.T) {
			f := newFake(t)
			c, g := brisk(t, f)
			k := follow(t, c, sources.LogQuery{Services: []string{"web"}, Since: time.Now().Add(-time.Minute)})
			k.wait(t, 20*time.Second, "LIVE", inState(sources.Live))
			f.waitTail(t, 1)
			want := map[string]int{}
			pushN(t, g, "web", "now", 100, want)
			k.check(t, want)
			f.setTail(mode)
			from := time.Now().Add(-10 * time.Second)
			for n := range 3 { // in batches, 20 ms apart from line to line
				p := pushStream{Stream: labelsOf("web", taskB)}
				for i := range 170 {
					line := fmt.Sprintf("late %d", n*170+i)
					want[line]++
					p.Values = append(p.Values, value(from.Add(time.Duration(n*170+i)*20*time.Millisecond), line))
				}
				g.push(t, p)
			}
			k.check(t, want)
		})
	}
}

// Lines come as fast as pages are read: with each page there is one more. What is read is shown meanwhile, and in the end all of it is.
func TestFollowInAFlood(t *testing.T) {
	const page = 20
	f := newFake(t)
	f.max.Store(page)
	f.setTail("silent")
	g := httpTarget(f.URL)
	g.tune = func(p *pace) { shortWaits(p); p.overlap = 50 * time.Millisecond }
	k := follow(t, g.client(t), sources.LogQuery{Services: []string{"web"}})
	k.wait(t, 20*time.Second, "LIVE", inState(sources.Live))
	want, flood, n := map[string]int{}, true, 0
	var mu sync.Mutex
	pour := func() {
		mu.Lock()
		defer mu.Unlock()
		if !flood {
			return
		}
		var lines []fakeEntry
		for range page {
			line := fmt.Sprintf("flood %d", n)
			want[line]++
			lines = append(lines, fakeEntry{labelsOf("web", taskA), time.Now().UnixNano() + int64(n%page), line})
			n++
		}
		f.mu.Lock()
		f.entries = append(f.entries, lines...)
		f.mu.Unlock()
	}
	b := func(_ http.ResponseWriter, r *http.Request) bool {
		if strings.HasSuffix(r.URL.Path, "/query_range") {
			pour()
		}
		return false
	}
	f.before.Store(&b)
	k.wait(t, 20*time.Second, "lines of five pages while it goes on", hasLines(5*page))
	mu.Lock()
	flood = false
	mu.Unlock()
	k.check(t, want)
}
