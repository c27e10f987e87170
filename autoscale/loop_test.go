package autoscale

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"quarterdeck/sources"
	"quarterdeck/sources/fleet"
)

const label = "container_label_com_docker_swarm_service_name"

// meter is a Prometheus with fixed answers, which counts what it is asked.
type meter struct {
	sources.Metrics
	asked    atomic.Int64
	cpu      map[string][]sources.Point
	counted  map[string]float64
	queries  map[string][]sources.Series
	down     error
	unlabels error
}

func (m *meter) ServiceLabel(context.Context) (string, string, error) {
	return label, "set", m.unlabels
}

func (m *meter) UsageAll(_ context.Context, _ string, _ sources.Window) (map[string][]sources.Point, error) {
	m.asked.Add(1)
	return m.cpu, m.down
}

func (m *meter) Range(_ context.Context, query string, w sources.Window) (a sources.MetricsAnswer, err error) {
	m.asked.Add(1)
	if strings.HasPrefix(query, "count by") {
		for name, n := range m.counted {
			s := sources.Series{Labels: map[string]string{label: name}}
			for t := w.Start; !t.After(w.End); t = t.Add(w.Step) {
				s.Points = append(s.Points, sources.Point{T: t, V: n})
			}
			a.Series = append(a.Series, s)
		}
		return a, m.down
	}
	a.Series = m.queries[query]
	return a, m.down
}

// flat is a figure of the last ten minutes that does not change.
func flat(v float64) []sources.Point {
	var out []sources.Point
	for t := noon.Add(-10 * time.Minute); !t.After(noon); t = t.Add(Every) {
		out = append(out, sources.Point{T: t, V: v})
	}
	return out
}

// world is a swarm of one node with so many cores, and services that all run.
func world(cores int64, list ...sources.Service) *fleet.Snapshot {
	f := fleet.New(func() time.Time { return noon }, fleet.SwarmName)
	w := &sources.World{At: noon, Nodes: []sources.Node{{ID: "n1", Name: "n1", State: "ready", Availability: "active", NanoCPUs: cores * 1e9, MemoryBytes: 64 << 30, OS: "linux", Arch: "x86_64"}}, Services: list}
	for i := range list {
		s := &list[i]
		for slot := range s.Desired {
			w.Tasks = append(w.Tasks, sources.Task{ID: fmt.Sprint(s.ID, slot), ServiceID: s.ID, NodeID: "n1", Slot: slot + 1, Generation: s.Generation,
				State: sources.TaskRunning, Desired: sources.TaskRunning, Since: noon.Add(-time.Hour), Created: noon.Add(-time.Hour)})
		}
	}
	f.Fold(sources.Change{At: noon, World: w})
	return f.Snapshot()
}

func scaled(name string, replicas int, labels ...string) sources.Service {
	s := *labelled(labels...)
	s.ID, s.Name, s.Desired, s.Version, s.Created, s.Updated = "id-"+name, name, replicas, 7, noon.AddDate(0, -1, 0), noon.AddDate(0, -1, 0)
	s.Resources.ReserveNanoCPUs = 1e9
	return s
}

func one(t *testing.T, list []Decision, service string) Decision {
	t.Helper()
	for _, d := range list {
		if d.Service == service {
			return d
		}
	}
	t.Fatalf("nothing is said of %s", service)
	return Decision{}
}

// TestRecommendations: what stands alone is what a loop would say by now; the room is that of all together.
func TestRecommendations(t *testing.T) {
	on := []string{"enable=true", "min=1", "max=9", "cpu=60"}
	snap := world(27, scaled("a", 4, on...), scaled("b", 4, on...), scaled("c", 6, on...), scaled("d", 3, "enable=true", "max=9", "query=lag", "target=10/replica"),
		scaled("e", 3, "enable=true", "max=9", "query=lag", "target=10"), scaled("f", 3, on...), scaled("g", 2))
	m := &meter{cpu: map[string][]sources.Point{"a": flat(4), "b": flat(4), "c": flat(0.6)}, counted: map[string]float64{"a": 4, "b": 4, "c": 6},
		queries: map[string][]sources.Series{"lag": {{Labels: map[string]string{"service": "d"}, Points: flat(50)}, {Labels: map[string]string{"service": "e", "x": "1"}, Points: flat(1)}, {Labels: map[string]string{"service": "e", "x": "2"}, Points: flat(1)}}}}
	list := Recommendations(t.Context(), snap, m, noon)
	for name, want := range map[string]string{
		"a": "6 step CPU 100% of target 60%, 4 -> 6",
		"b": "4 capacity CPU 100% of target 60%, 4 stay, no more have a place: n1 has 0 of a core free",
		"c": "5 step CPU 10% of target 60%, 6 -> 5, on the way to 1 by one a minute",
		"d": "3 capacity query 16.7 of target 10 a replica, 3 stay, no more have a place",
		"e": "3 missing query ? of target 10, 3 stay, query is not known: the query answers 2 series for it",
		"f": "3 missing CPU ? of target 60%, 3 stay, CPU is not known: there is no figure of it",
		"g": "2 skipped it has no policy: set qd.autoscale.enable=true",
	} {
		d := one(t, list, name)
		if got := fmt.Sprint(d.Recommended, " ", d.Limit, " ", d.Reason); !strings.HasPrefix(got, want) {
			t.Errorf("%s: %s\nwant %s", name, got, want)
		}
	}
	if n := m.asked.Load(); n != 3 {
		t.Errorf("%d questions for 7 services with two metrics", n)
	}
}

// TestStale: what was measured too long ago, or of no task lately, is missing.
func TestStale(t *testing.T) {
	p := ParsePolicy(labelled("enable=true", "max=9", "cpu=60", "query=lag", "target=10"))
	policies := map[string]*Policy{"a": &p}
	for name, x := range map[string]struct {
		m    *meter
		says [2]string
	}{
		"all well":       {&meter{cpu: map[string][]sources.Point{"a": flat(4)}, counted: map[string]float64{"a": 4}, queries: map[string][]sources.Series{"lag": {{Points: flat(5)}}}}, [2]string{"", ""}},
		"old":            {&meter{cpu: map[string][]sources.Point{"a": {{T: noon.Add(-2 * time.Minute), V: 1}}}, counted: map[string]float64{"a": 4}, queries: map[string][]sources.Series{"lag": {{Points: []sources.Point{{T: noon.Add(-2 * time.Minute), V: 1}}}}}}, [2]string{"its last figure is 2m0s old", "the query answers nothing"}},
		"nobody scrapes": {&meter{cpu: map[string][]sources.Point{"a": flat(4)}}, [2]string{"no task of it was measured in the last 1m30s", "the query answers nothing"}},
		"away":           {&meter{down: errors.New("prometheus is away")}, [2]string{"prometheus is away", "prometheus is away"}},
		"no label":       {&meter{unlabels: errors.New("no label"), queries: map[string][]sources.Series{"lag": {{Points: flat(5)}}}}, [2]string{"no label", ""}},
	} {
		got := Gather(t.Context(), x.m, policies, noon.Add(-time.Minute), noon).of("a", &p)
		for i, want := range x.says {
			if !strings.HasPrefix(got[i].Missing, want) || (want == "") != (got[i].Missing == "") {
				t.Errorf("%s: metric %d: %q, want %q", name, i, got[i].Missing, want)
			}
		}
	}
	for _, s := range Gather(t.Context(), nil, policies, noon, noon).of("a", &p) {
		if !strings.Contains(s.Missing, "no Prometheus is configured") {
			t.Errorf("%+v", s)
		}
	}
}

// rounder is a Prometheus that dates its points in milliseconds, rounded, as the real one does.
type rounder struct{ meter }

func (m *rounder) UsageAll(_ context.Context, _ string, w sources.Window) (map[string][]sources.Point, error) {
	var out []sources.Point
	for t := w.Start.Round(time.Millisecond); !t.After(w.End.Round(time.Millisecond)); t = t.Add(w.Step) {
		out = append(out, sources.Point{T: t, V: 1})
	}
	return map[string][]sources.Point{"a": out}, nil
}

// TestNewestSample: the newest point counts, whatever the fraction of the second at which was asked.
func TestNewestSample(t *testing.T) {
	p := ParsePolicy(labelled("enable=true", "max=9", "cpu=60"))
	for _, fraction := range []time.Duration{0, 627_600 * time.Microsecond, 999_999_999} {
		now := noon.Add(fraction)
		m := &rounder{meter{counted: map[string]float64{"a": 1}}}
		if s := Gather(t.Context(), m, map[string]*Policy{"a": &p}, now.Add(-2*Every), now).of("a", &p)[0]; s.Missing != "" || now.Sub(s.At) > time.Second {
			t.Errorf("asked at %s: the sample of %s (%s)", now, s.At, s.Missing)
		}
	}
}

func TestSkips(t *testing.T) {
	on := func(name string, change func(*sources.Service)) sources.Service {
		s := scaled(name, 2, "enable=true", "max=9")
		change(&s)
		return s
	}
	list := []sources.Service{
		on("counts", func(*sources.Service) {}),
		on("off", func(s *sources.Service) { s.Labels[LabelEnable] = "false" }),
		on("bad", func(s *sources.Service) { s.Labels[LabelMax] = "many" }),
		on("global", func(s *sources.Service) { s.Mode = sources.Global }),
		on("job", func(s *sources.Service) { s.Mode = sources.ReplicatedJob }),
		on("volume", func(s *sources.Service) { s.Mounts = []sources.Mount{{Type: "bind"}, {Type: "volume", Source: "data"}} }),
		on("locked", func(*sources.Service) {}),
		on("run", func(s *sources.Service) { s.Labels[sources.LabelRun] = "r1" }),
		on("updating", func(s *sources.Service) { s.UpdateState = "updating" }),
		on("paused", func(s *sources.Service) { s.UpdateState = "rollback_paused" }),
		on("zero", func(s *sources.Service) { s.Desired = 0 }),
		scaled("none", 2),
	}
	snap := *world(64, list...)
	snap.Configs = []sources.Reference{{Name: "qd-lock-locked", Labels: map[string]string{sources.LabelRun: "r2", sources.LabelService: "locked"}}, {Name: "other", Labels: map[string]string{sources.LabelService: "counts"}}}
	got := (&Loop{}).Decide(&snap, Gather(t.Context(), nil, nil, noon, noon), noon)
	want := map[string]Skip{"counts": Counts, "off": Off, "bad": BadPolicy, "global": Global, "job": Job, "volume": LocalVolume, "locked": Locked, "run": Locked, "updating": IsUpdating, "paused": Paused, "zero": SwitchedOff, "none": NoPolicy}
	for name, skip := range want {
		d := one(t, got, name)
		if d.Skip != skip || d.Changes() || d.Reason == "" {
			t.Errorf("%s: %q: %s", name, d.Skip, d.Reason)
		}
	}
}

// many is a swarm of so many services on a hundred nodes, each with a policy, and what is measured of them.
func many(tb testing.TB, services int) (*fleet.Snapshot, *meter) {
	tb.Helper()
	f := fleet.New(func() time.Time { return noon }, fleet.SwarmName)
	w := &sources.World{At: noon}
	for i := range 100 {
		w.Nodes = append(w.Nodes, sources.Node{ID: fmt.Sprint("n", i), Name: fmt.Sprint("n", i), State: "ready", Availability: "active", NanoCPUs: 1000e9, MemoryBytes: 1 << 42, OS: "linux", Arch: "x86_64", Labels: map[string]string{"zone": fmt.Sprint(i % 3)}})
	}
	m := &meter{cpu: map[string][]sources.Point{}, counted: map[string]float64{}}
	for i := range services {
		s := scaled(fmt.Sprint("service-", i), 3, "enable=true", "min=2", "max=30", "cpu=60", "schedule=0 8 * * 1-5 for 10h min 3")
		s.Constraints = []string{fmt.Sprintf("node.labels.zone==%d", i%3)}
		w.Services = append(w.Services, s)
		for slot := range 3 {
			w.Tasks = append(w.Tasks, sources.Task{ID: fmt.Sprint(i, ".", slot), ServiceID: s.ID, NodeID: fmt.Sprint("n", (i+slot)%100), Slot: slot + 1, State: sources.TaskRunning, Desired: sources.TaskRunning, Since: noon.Add(-time.Hour)})
		}
		m.cpu[s.Name], m.counted[s.Name] = flat([]float64{1.8, 0.3, 3}[i%3]), 3 // a third is to grow
	}
	f.Fold(sources.Change{At: noon, World: w})
	return f.Snapshot(), m
}

// BenchmarkDecide is one round for ten thousand services, a third of which are to grow: policies, samples, room, decisions with their sentences.
func BenchmarkDecide(b *testing.B) {
	snap, m := many(b, 10_000)
	l := &Loop{}
	now := noon
	e := Gather(b.Context(), m, l.Policies(snap), noon.Add(-10*time.Minute), noon)
	for range 12 { // histories as they are after a while
		l.Decide(snap, e.At(now), now)
		now = now.Add(Every)
	}
	b.ResetTimer()
	for b.Loop() {
		now = now.Add(Every)
		if list := l.Decide(snap, e.At(noon), now); len(list) != 10_000 {
			b.Fatal(len(list))
		}
	}
}

// TestOneQueryAMetric: a thousand services cost as many questions as one.
func TestOneQueryAMetric(t *testing.T) {
	for _, n := range []int{1, 1000} {
		snap, m := many(t, n)
		e := Gather(t.Context(), m, (&Loop{}).Policies(snap), noon.Add(-time.Minute), noon)
		if m.asked.Load() != 2 || e.Asked != 2 {
			t.Errorf("%d questions for %d services", m.asked.Load(), n)
		}
	}
}
