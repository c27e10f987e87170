package world

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"maps"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/moby/moby/api/types/swarm"
)

// noon is where the tests' clock begins.
var noon = time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)

// clocked makes a world whose clock is moved by hand.
func clocked(t testing.TB, o Options) (*World, *time.Time) {
	t.Helper()
	now := noon
	o.Now = func() time.Time { return now }
	w, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return w, &now
}

// records counts what is kept, by kind: however long the world lives, none may grow without end.
func (w *World) records() map[string]int {
	w.settle()
	w.mu.RLock()
	defer w.mu.RUnlock()
	effects, tasks := 0, 0
	for _, s := range w.services {
		effects += len(s.effects)
		for _, slot := range s.slots {
			tasks = max(tasks, len(slot))
		}
	}
	for _, n := range w.nodes {
		effects += len(n.effects) + len(n.Down)
	}
	w.batches.mu.RLock()
	defer w.batches.mu.RUnlock()
	w.journal.mu.Lock()
	defer w.journal.mu.Unlock()
	return map[string]int{
		"agenda": len(w.agenda), "tasks": len(w.tasks), "tasks of a slot": tasks, "containers": len(w.containers), "effects": effects, "batches": len(w.batches.kept),
		"batch bytes": w.batches.bytes, "events": len(w.journal.kept), "incidents": len(w.incident),
	}
}

// A week of deploys and incidents, an incident that never ends and a log that bursts all day long: what is kept after
// seven days is no more than after two.
func TestAWeekIsBounded(t *testing.T) {
	w, now := clocked(t, Options{Seed: 3})
	for _, name := range []string{"oom", "log-burst"} {
		if err := w.StartScenario(name); err != nil {
			t.Fatal(err)
		}
	}
	days := make([]map[string]int, 0, 7)
	deploys := map[string]bool{}
	for range 7 {
		*now = now.Add(24 * time.Hour)
		days = append(days, w.records())
		for _, s := range w.Services() {
			deploys[s.Spec.TaskTemplate.ContainerSpec.Image] = true
		}
	}
	t.Logf("after a day %v, after a week %v", days[0], days[6])
	if len(deploys) < 20 || days[6]["events"] < keptEvents || days[6]["containers"] < 1000 {
		t.Errorf("hardly anything has happened: %d images, %v", len(deploys), days[6])
	}
	for kind, n := range days[6] {
		if limit := max(days[1][kind], days[2][kind])*3/2 + 16; n > limit {
			t.Errorf("%s: %d after two days, %d after three, %d after seven", kind, days[1][kind], days[2][kind], n)
		}
	}
	if n := days[6]["tasks of a slot"]; n > taskHistory {
		t.Errorf("a slot has %d tasks", n)
	}
	if n := days[6]["events"]; n > 2*keptEvents {
		t.Errorf("%d events are kept", n)
	}
}

// state is all that clients can see of a world, in short.
func state(t *testing.T, w *World) string {
	t.Helper()
	evs, _, _ := w.Events(0)
	lines := 0
	var last string
	to := w.Now().UnixNano()
	for _, l := range w.Lines(to-600e9, to, All, nil) {
		lines++
		last = l.Text()
	}
	b, err := json.Marshal([]any{w.Services(), w.Tasks(), w.Nodes(), evs, lines, last})
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:8])
}

// The same seed and the same clock make the same world; and it does not matter whether the clock ticks or leaps.
func TestSameSeedSameWorld(t *testing.T) {
	const life = 10 * time.Hour
	seen := map[string][]string{}
	for _, c := range []struct {
		name string
		seed int64
		step time.Duration
	}{{"leap", 7, life}, {"leap", 7, life}, {"ticks", 7, 3700 * time.Millisecond}, {"other seed", 8, life}} {
		w, now := clocked(t, Options{Seed: c.seed})
		for end := noon.Add(life); now.Before(end); {
			*now = now.Add(min(c.step, end.Sub(*now)))
			w.settle()
		}
		s := state(t, w)
		seen[s] = append(seen[s], c.name)
	}
	got := slices.SortedFunc(maps.Values(seen), func(a, b []string) int { return len(b) - len(a) })
	if len(got) != 2 || len(got[0]) != 3 || got[1][0] != "other seed" {
		t.Errorf("the worlds fall into %v", got)
	}
}

// A reader at a moment sees what a later reader sees of that moment: nothing is rewritten.
func TestThePastStaysAsItWas(t *testing.T) {
	w, now := clocked(t, Options{Seed: 2})
	count := func(from, to time.Time) (n int) {
		for range w.Spoken(from.UnixNano(), to.UnixNano(), nil) {
			n++
		}
		return n
	}
	for _, s := range scripts() {
		if err := w.StartScenario(s.Name); err != nil {
			t.Fatal(err)
		}
	}
	var live []int
	for range 600 { // as a tail reads it, by the second
		from := *now
		*now = now.Add(time.Second)
		live = append(live, count(from, *now))
	}
	w.settle()
	for i, n := range live {
		if again := count(noon.Add(time.Duration(i)*time.Second), noon.Add(time.Duration(i+1)*time.Second)); again != n {
			t.Fatalf("second %d had %d lines when it was new and has %d now", i, n, again)
		}
	}
}

// A node that stays away for a day has its tasks given up as orphaned (swarmkit's defaultNodeDownPeriod).
func TestTasksOfALostNodeAreOrphaned(t *testing.T) {
	w, now := clocked(t, Options{Quiet: true})
	if err := w.KillNode("node3"); err != nil {
		t.Fatal(err)
	}
	states := func() map[swarm.TaskState]int {
		n := map[swarm.TaskState]int{}
		for _, x := range w.Tasks() {
			if x.NodeName == "node3" {
				n[x.Status.State]++
			}
		}
		return n
	}
	*now = now.Add(23 * time.Hour)
	before := states()
	*now = now.Add(2 * time.Hour)
	if after := states(); before["running"] == 0 || after["running"] != 0 || after["orphaned"] != before["running"] {
		t.Errorf("after 23 h %v, after 25 h %v", before, after)
	}
}

// The scheduler's words, commonest reason first.
func TestUnplaceable(t *testing.T) {
	w, now := clocked(t, Options{Quiet: true})
	if err := w.KillNode("node2"); err != nil { // the only one with storage==ssd
		t.Fatal(err)
	}
	*now = now.Add(time.Minute)
	for _, x := range w.Tasks() {
		if x.ServiceName == "shop_store" && x.Status.State == swarm.TaskStatePending {
			if want := "no suitable node (scheduling constraints not satisfied on 2 nodes; 1 node not available for new tasks)"; x.Status.Err != want {
				t.Errorf("%q, want %q", x.Status.Err, want)
			}
			return
		}
	}
	t.Error("no task of the store is pending")
}

// BenchmarkAtRest lets a big fleet live for a minute of its own: what that costs, and what the fleet holds.
func BenchmarkAtRest(b *testing.B) {
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	w, now := clocked(b, Options{Services: 1000, Tasks: 10_000})
	runtime.GC()
	runtime.ReadMemStats(&after)
	b.ReportAllocs()
	for b.Loop() {
		*now = now.Add(time.Minute)
		w.settle()
	}
	b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/(1<<20), "MB-held")
	runtime.KeepAlive(w)
}

// Each scenario is the same for a seed, on the platform of twelve and in a fleet, whether the clock ticks or leaps; and
// it can be taken back.
func TestScenariosAreTheSameForASeed(t *testing.T) {
	for _, o := range []Options{{Seed: 5, Quiet: true}, {Seed: 5, Quiet: true, Services: 20, Tasks: 100}} {
		for _, s := range scripts() {
			var seen []string
			for _, step := range []time.Duration{2 * time.Minute, 700 * time.Millisecond} {
				w, now := clocked(t, o)
				if err := w.StartScenario(s.Name); err != nil {
					t.Fatalf("%s, %d services: %v", s.Name, o.Services, err)
				}
				for end := noon.Add(2 * time.Minute); now.Before(end); {
					*now = now.Add(min(step, end.Sub(*now)))
					w.settle()
				}
				seen = append(seen, state(t, w))
				if s.Name != badDeployName { // which ends by itself
					if err := w.StopScenario(s.Name); err != nil {
						t.Errorf("%s, %d services: %v", s.Name, o.Services, err)
					}
				}
			}
			if seen[0] != seen[1] {
				t.Errorf("%s, %d services: %v", s.Name, o.Services, seen)
			}
		}
	}
}
