//go:build lab

package loki

import (
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"quarterdeck/sources"
)

func labAddr(t *testing.T) string {
	t.Helper()
	a := os.Getenv("LOKI_ADDR")
	if a == "" {
		t.Skip("LOKI_ADDR is not set: start the lab")
	}
	return a
}

// TestLabConformance runs the suite against the real Loki.
func TestLabConformance(t *testing.T) {
	conformance(t, httpTarget(labAddr(t)))
}

// TestLabDriver reads what the Docker log driver really writes.
func TestLabDriver(t *testing.T) {
	c := httpTarget(labAddr(t)).client(t)
	p := c.Probe(t.Context())
	t.Logf("%+v", p)
	if p.State != sources.Live || p.Fix != "" {
		t.Errorf("probe: %s", p.Fix)
	}
	page, err := c.Query(t.Context(), sources.LogQuery{Expr: `{swarm_stack=~".+"}`, Limit: 200})
	if err != nil || len(page.Entries) == 0 {
		t.Skip("no service of the lab has logged in the last hour: ", err)
	}
	for _, e := range page.Entries {
		if e.Stream.Task == "" || e.Stream.Node == "" || e.Stream.Service == "" {
			t.Fatalf("a stream without its origin: %+v", e.Stream)
		}
	}
	e := page.Entries[0]
	byTask, err := c.Query(t.Context(), sources.LogQuery{Tasks: []string{e.Stream.Task}, Limit: 5})
	if err != nil || len(byTask.Entries) == 0 || byTask.Entries[0].Stream.Task != e.Stream.Task {
		t.Errorf("by task: %v %v", byTask, err)
	}
	rates, err := c.Rates(t.Context(), time.Time{}, 5*time.Minute)
	t.Logf("%+v %s %v %v", *e.Stream, e.Level, rates, err)
}

// TestLabPushRefused: what Loki will not take is told apart.
func TestLabPushRefused(t *testing.T) {
	c, labels := httpTarget(labAddr(t)).client(t), map[string]string{"app": "quarterdeck", "run": unique(t)}
	for _, tc := range []struct {
		line sources.PushLine
		kind sources.Kind
	}{
		{sources.PushLine{Time: time.Now().AddDate(-2, 0, 0), Line: "old"}, sources.BadQuestion},
		{sources.PushLine{Time: time.Now().Add(24 * time.Hour), Line: "of tomorrow"}, sources.BadQuestion},
		{sources.PushLine{Time: time.Now(), Line: strings.Repeat("x", 300<<10)}, sources.OverLimit},
	} {
		err := c.Push(t.Context(), labels, []sources.PushLine{tc.line})
		t.Log(err)
		if sources.KindOf(err) != tc.kind {
			t.Errorf("%s: %v", tc.line.Time, err)
		}
	}
}

// TestLabIdle measures what a Follow of everything costs for LOKI_IDLE (60s).
func TestLabIdle(t *testing.T) {
	d, err := time.ParseDuration(os.Getenv("LOKI_IDLE"))
	if err != nil {
		t.Skip("LOKI_IDLE is not set")
	}
	c := httpTarget(labAddr(t)).client(t)
	k := follow(t, c, sources.LogQuery{Services: []string{os.Getenv("LOKI_IDLE_SERVICE")}[:min(1, len(os.Getenv("LOKI_IDLE_SERVICE")))]})
	k.wait(t, 20*time.Second, "LIVE", inState(sources.Live))
	cpu := func() time.Duration {
		var u syscall.Rusage
		_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
		return time.Duration(u.Utime.Nano() + u.Stime.Nano())
	}
	before := cpu()
	time.Sleep(d)
	used := cpu() - before
	k.mu.Lock()
	defer k.mu.Unlock()
	t.Logf("%d lines in %s cost %s of CPU: %.2f%% of a core", len(k.entries), d, used, 100*used.Seconds()/d.Seconds())
}

// TestLabTailLimit opens more tails than Loki allows at once (10): those over it poll, say so, and get all lines.
func TestLabTailLimit(t *testing.T) {
	g := httpTarget(labAddr(t))
	s, c := unique(t), g.client(t)
	var all []*collector
	for range 13 { // one after the other: Loki counts the open ones, and would let all in at once
		k := follow(t, c, sources.LogQuery{Services: []string{s}})
		k.wait(t, 30*time.Second, "a verdict", func(k *collector) bool {
			return inState(sources.Live)(k) || inState(sources.Polling)(k)
		})
		all = append(all, k)
	}
	polling := 0
	end := time.Now().Add(30 * time.Second)
	for polling < 3 && time.Now().Before(end) {
		polling = 0
		for _, k := range all {
			k.mu.Lock()
			if l := k.states[len(k.states)-1]; l.State == sources.Polling {
				polling++
				if polling == 1 {
					t.Log(l.Detail)
				}
			}
			k.mu.Unlock()
		}
		time.Sleep(100 * time.Millisecond)
	}
	if polling < 3 {
		t.Fatalf("%d of 13 poll", polling)
	}
	want := map[string]int{}
	pushN(t, g, s, "line", 500, want)
	for _, k := range all {
		k.check(t, want)
	}
}
