package autoscale

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// noon is now in these tests: a Monday.
var noon = time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)

// bench decides round after round, as a loop does.
type bench struct {
	t       *testing.T
	policy  Policy
	state   State
	now     time.Time
	history History
	room    func(int) (int, string)
	last    Decision
}

func newBench(t *testing.T, replicas int, policy string) *bench {
	t.Helper()
	p, err := ParseText(policy)
	if err != nil {
		t.Fatal(err)
	}
	return &bench{t: t, policy: p, now: noon, state: State{Replicas: replicas, Running: replicas, CPU: 1, Memory: 1 << 30}}
}

// round decides with a CPU share that each replica uses, or the samples given, carries it out, and lets half a minute go by.
func (b *bench) round(share float64, samples ...Sample) Decision {
	if samples == nil {
		samples = []Sample{{Value: share * float64(b.state.Running), Tasks: b.state.Running, At: b.now}}
	}
	in := Input{Policy: &b.policy, State: b.state, Samples: samples, History: b.history, Room: b.room, Now: b.now}
	b.last, b.history = Decide(&in)
	b.state.Replicas, b.state.Running = b.last.Recommended, b.last.Recommended
	b.now = b.now.Add(Every)
	return b.last
}

func (b *bench) want(n int, limit Limit, says string) {
	b.t.Helper()
	if b.last.Recommended != n || b.last.Limit != limit || !strings.Contains(b.last.Reason, says) {
		b.t.Errorf("%s: %d held by %q: %q; want %d by %q: %q", b.now.Add(-Every).Sub(noon), b.last.Recommended, b.last.Limit, b.last.Reason, n, limit, says)
	}
}

// TestUp: two samples, then half as many more a minute, up to the maximum.
func TestUp(t *testing.T) {
	b := newBench(t, 4, "min=2,max=9,cpu=60")
	b.round(0.84)
	b.want(4, BySamples, "CPU 84% of target 60%, 4 stay, 6 if the next sample says so too")
	b.round(0.84)
	b.want(6, Free, "CPU 84% of target 60%, 4 -> 6")
	b.round(1.2)
	b.want(6, BySamples, "")
	b.round(1.2)
	b.want(9, AtMax, "CPU 120% of target 60%, 6 -> 9, held by max 9")
	b.round(1.2)
	b.want(9, AtMax, "9 stay, held by max 9")

	b = newBench(t, 4, "max=100,cpu=10")
	b.round(1)
	b.round(1)
	b.want(6, ByStep, "CPU 100% of target 10%, 4 -> 6, on the way to 40 by at most 2 a minute")
	b.round(1)
	b.want(6, ByStep, "")
	b.round(1)
	b.want(9, ByStep, "on the way to 60 by at most 3 a minute")

	b = newBench(t, 4, "max=100,cpu=50")
	b.round(1)
	b.round(0.6)
	b.want(5, Free, "") // the smaller of the two
	b = newBench(t, 4, "max=100,cpu=50")
	b.round(1)
	b.round(0.5)
	b.round(1)
	b.want(4, BySamples, "") // not two in a row
	same := Sample{Value: 4, Tasks: 4, At: noon}
	b = newBench(t, 4, "max=100,cpu=50")
	b.round(0, same)
	b.round(0, same)
	b.want(4, BySamples, "") // one sample, seen twice
}

// TestDown: the largest recommendation of five minutes, then one a minute.
func TestDown(t *testing.T) {
	b := newBench(t, 6, "min=3,max=9,cpu=60")
	for range 10 {
		b.round(0.1)
		b.want(6, ByWindow, "CPU 10% of target 60%, 6 stay, 3 would do now, but the last 5 minutes asked for 6")
	}
	b.round(0.1)
	b.want(5, ByStep, "6 -> 5, on the way to 3 by one a minute")
	b.round(0.1)
	b.want(5, ByStep, "5 stay")
	b.round(0.1)
	b.want(4, ByStep, "")
	b.round(0.55) // near enough for 4: the window begins to fill anew
	for range 9 {
		b.round(0.1)
		b.want(4, ByWindow, "asked for 4")
	}
	b.round(0.1)
	b.want(3, AtMin, "4 -> 3, held by min 3")
	b.round(0.1)
	b.want(3, AtMin, "3 stay, held by min 3")
}

// TestMissing: nothing is taken away, not even what is above the maximum; one that is known may still ask for more.
func TestMissing(t *testing.T) {
	gone := Sample{Missing: "no figure of it"}
	b := newBench(t, 6, "min=1,max=5,cpu=60,memory=80")
	for range 30 {
		b.round(0, Sample{Value: 0.1, Tasks: 6, At: b.now}, gone)
		b.want(6, ByMissing, "memory is not known: no figure of it, so nothing is taken away")
		b.round(0, gone, gone)
		b.want(6, ByMissing, "CPU ? of target 60%, 6 stay, CPU is not known")
	}
	b = newBench(t, 4, "max=9,cpu=60,memory=80")
	b.round(0, Sample{Value: 4, Tasks: 4, At: b.now}, gone)
	b.round(0, Sample{Value: 4, Tasks: 4, At: b.now}, gone)
	b.want(6, ByStep, "; memory is not known")
	b = newBench(t, 4, "max=9,cpu=60")
	for range 12 {
		b.round(0.1)
	}
	at := b.state.Replicas
	b.round(0, gone)
	b.want(at, ByMissing, "")
	b.round(0.1)
	b.want(at, ByWindow, "") // an outage counts as a word for what there is
}

// TestBounds: what is under the minimum is raised at once, as far as there is room; what is above the maximum goes down as everything else.
func TestBounds(t *testing.T) {
	b := newBench(t, 2, "min=2,max=9,cpu=60,schedule=0 12 * * 1 for 1h min 7")
	b.round(0.1)
	b.want(7, AtMin, `2 -> 7, held by min 7 of the hours "0 12 * * 1 for 1h min 7"`)
	b = newBench(t, 1, "min=8,max=9,cpu=60")
	b.room = func(more int) (int, string) { return min(more, 3), "n1 has 0 of a core free" }
	b.round(0.1)
	b.want(4, NoCapacity, "1 -> 4, no more have a place: n1 has 0 of a core free")
	b = newBench(t, 12, "min=1,max=9,cpu=60")
	for range 11 {
		b.round(0.6)
	}
	b.want(11, ByStep, "on the way to 9")
}

// TestRoom: those that wait for a node already come first.
func TestRoom(t *testing.T) {
	b := newBench(t, 4, "max=20,cpu=10")
	b.state.Pending, b.state.Running = 2, 2
	asked := 0
	b.room = func(more int) (int, string) { asked = more; return 3, "n1 is full" }
	sample := func() Sample { return Sample{Value: 4, Tasks: 2, At: b.now} }
	b.round(0, sample())
	b.state.Running = 2
	b.round(0, sample())
	b.want(5, NoCapacity, "no more have a place: n1 is full")
	if asked != 4 {
		t.Errorf("room was asked for %d", asked)
	}
}

func TestWarmUp(t *testing.T) {
	b := newBench(t, 4, "max=20,cpu=10,warm-up=90s")
	b.state.Deployed = noon.Add(-10 * time.Second)
	for range 3 {
		b.round(5)
		b.want(4, ByWarmUp, "what is measured counts after 1m30s")
	}
	b.round(5)
	b.want(4, BySamples, "")
	b.round(5)
	b.want(6, ByStep, "")
}

// TestFlapGuard: after three turns within an hour nothing is taken away for half an hour, and more may still be had.
func TestFlapGuard(t *testing.T) {
	b := newBench(t, 4, "min=1,max=20,cpu=50")
	held := false
	for i := range 240 { // two hours of a load that turns every six minutes
		share := 0.8
		if i/12%2 == 1 {
			share = 0.1
		}
		before := b.state.Replicas
		b.round(share * 4 / float64(before))
		if b.last.Limit == ByFlaps {
			held = true
			if b.last.Recommended < before || !strings.Contains(b.last.Reason, "times in an hour: nothing is taken away until") {
				t.Fatalf("%+v", b.last)
			}
		}
	}
	if !held {
		t.Error("it was never held")
	}
}

// TestOthers: what a person or another agent did is seen, and counts.
func TestOthers(t *testing.T) {
	b := newBench(t, 4, "min=1,max=20,cpu=50")
	for range 12 {
		b.round(0.1)
	}
	b.state.Replicas, b.state.Running = 8, 8 // by hand
	for range 10 {
		b.round(0.1)
		b.want(8, ByWindow, "asked for 8")
	}
	b = newBench(t, 6, "min=1,max=20,cpu=10")
	b.state.Before, b.state.Updated = 4, noon.Add(-20*time.Second) // by the agent that died just now
	b.round(1)
	b.round(1)
	b.want(6, ByStep, "")
	b.round(1)
	b.want(9, ByStep, "")
}

// TestClock: of what was before a gap, or before the clock was put back, nothing counts.
func TestClock(t *testing.T) {
	for _, jump := range []time.Duration{10 * time.Minute, -10 * time.Minute, 1000 * time.Hour, -1000 * time.Hour} {
		b := newBench(t, 6, "min=1,max=20,cpu=60")
		for range 10 {
			b.round(0.1)
		}
		b.now = b.now.Add(jump)
		for range 10 {
			b.round(0.1)
			b.want(6, ByWindow, "")
		}
		b.round(0.1)
		b.want(5, ByStep, "")
	}
}

func TestSentences(t *testing.T) {
	b := newBench(t, 4, "max=9,query.p95=x,target.p95=0.25")
	b.round(0, Sample{Value: 0.26, At: noon})
	b.want(4, Free, "query p95 0.26 of target 0.25, 4 stay: that is near enough")
	b = newBench(t, 4, "max=9,query=x,target=100/replica")
	b.round(0, Sample{Value: 750, At: noon})
	b.want(4, BySamples, "query 188 of target 100 a replica, 4 stay, 8 if the next sample says so too")
	if got := fmt.Sprint(b.last.Value, b.last.Target); got != "187.5 100" {
		t.Error(got)
	}
}
