package capacity

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"strings"
	"testing"
	"time"

	"quarterdeck/sources"
	"quarterdeck/sources/fleet"
)

const gib = 1 << 30

func node(name, role string, cores, memory int64, labels map[string]string) sources.Node {
	n := sources.Node{ID: "id-" + name, Name: name, Role: role, State: "ready", Availability: "active", NanoCPUs: cores * 1e9, MemoryBytes: memory * gib, OS: "linux", Arch: "x86_64", Labels: labels}
	if role == "manager" {
		n.Reachability = "reachable"
	}
	return n
}

// service has a task on each of the nodes named.
func service(name string, cores float64, memory int64, on ...string) (sources.Service, []sources.Task) {
	s := sources.Service{ID: "id-" + name, Name: name, Stack: "shop", Mode: sources.Replicated, Desired: len(on), Resources: sources.Resources{ReserveNanoCPUs: int64(cores * 1e9), ReserveBytes: memory}}
	var tasks []sources.Task
	for i, n := range on {
		tasks = append(tasks, sources.Task{ID: fmt.Sprint(name, i), ServiceID: s.ID, NodeID: "id-" + n, Slot: i + 1, State: sources.TaskRunning, Desired: sources.TaskRunning})
	}
	return s, tasks
}

// world is a swarm of services and nodes; what it is called with changes them first.
type world struct{ sources.World }

func (w *world) add(s sources.Service, tasks []sources.Task) {
	w.Services = append(w.Services, s)
	w.Tasks = append(w.Tasks, tasks...)
}

func (w *world) snapshot() *fleet.Snapshot {
	f := fleet.New(time.Now, fleet.SwarmName)
	w.At = time.Now()
	f.Fold(sources.Change{At: w.At, World: &w.World})
	return f.Snapshot()
}

func TestLose(t *testing.T) {
	w := &world{}
	w.Nodes = []sources.Node{node("n1", "manager", 2, 4, map[string]string{"disk": "ssd"}), node("n2", "worker", 2, 4, nil), node("n3", "worker", 2, 4, nil)}
	w.add(service("api", 0.5, gib, "n1", "n2"))
	pinned, tasks := service("db", 0, 0, "n1")
	pinned.Constraints, pinned.Mounts = []string{"node.labels.disk==ssd"}, []sources.Mount{{Type: "volume", Source: "db-data"}}
	w.add(pinned, tasks)
	w.add(service("big", 1.5, gib, "n2", "n3"))
	all, tasks := service("agent", 0, 0, "n1", "n2", "n3")
	all.Mode = sources.Global
	w.add(all, tasks)
	gone, tasks := service("gone", 0, 0, "n1")
	tasks[0].State = sources.TaskFailed
	w.add(gone, tasks)
	s := w.snapshot()

	l := Lose(s, "id-n1")
	if l.Tasks != 2 || l.Placed != 1 || l.Global != 1 || l.Fits() || !strings.Contains(l.Quorum, "no majority") {
		t.Errorf("without n1: %+v", l)
	}
	if len(l.Stuck) != 1 || l.Stuck[0].Service != "db" || !l.Stuck[0].Pinned || l.Moves[0].Pinned || !strings.Contains(l.Stuck[0].Why, "n2") || strings.Contains(l.Stuck[0].Why, "n1") || fmt.Sprint(l.Stuck[0].Volumes) != "[db-data]" {
		t.Errorf("stuck: %+v", l.Stuck)
	}
	// n2 has 0 cores free and n3 half a core: the api's task goes to n3, which then has none for big's.
	if !maps.Equal(l.Moves[0].On, map[string]int{"n3": 1}) {
		t.Errorf("api goes to %v", l.Moves[0].On)
	}
	l = Lose(s, "id-n2")
	if l.Quorum != "" || l.Tasks != 2 || l.Placed != 2 { // big to n1, which is free of it, and api to n3
		t.Errorf("without n2: %+v", l)
	}
	if l := Lose(s, "nobody"); l.Node != "" || l.Tasks != 0 {
		t.Errorf("a node that is not there: %+v", l)
	}
}

func TestQuorum(t *testing.T) {
	for _, c := range []struct {
		roles string // M: a manager that answers, m: one that does not, w: a worker; the first is lost
		lost  bool
	}{{"MMM", false}, {"M", true}, {"MM", true}, {"MMm", true}, {"MMMMm", false}, {"wMm", false}, {"wM", false}} {
		w := &world{}
		for i, r := range c.roles {
			n := node(fmt.Sprint("n", i), "manager", 1, 1, nil)
			switch r {
			case 'm':
				n.Reachability = "unreachable"
			case 'w':
				n = node(n.Name, "worker", 1, 1, nil)
			}
			w.Nodes = append(w.Nodes, n)
		}
		if got := Lose(w.snapshot(), "id-n0").Quorum != ""; got != c.lost {
			t.Errorf("%s: quorum lost %t", c.roles, got)
		}
	}
}

func TestMore(t *testing.T) {
	w := &world{}
	w.Nodes = []sources.Node{node("n1", "manager", 2, 4, nil), node("n2", "worker", 2, 4, nil)}
	w.add(service("api", 0.5, gib, "n1"))
	w.add(service("free", 0, 0, "n1"))
	s := w.snapshot()
	if n, why := More(s, s.Service("api")); n != 7 || !strings.Contains(why, "core free") {
		t.Errorf("api: %d more, %s", n, why)
	}
	if n, why := More(s, s.Service("free")); n != MostMore || !strings.Contains(why, "reserves nothing") {
		t.Errorf("free: %d more, %s", n, why)
	}
}

func TestNodesBounds(t *testing.T) {
	w := &world{}
	w.Nodes = []sources.Node{node("n1", "manager", 2, 4, nil)}
	v, tasks := service("api", 0.5, gib, "n1", "n1")
	v.Resources.LimitNanoCPUs = 1e9
	w.add(v, tasks)
	n := Nodes(w.snapshot())[0]
	if n.CPU.Limits != 2 || n.CPU.Unlimited != 0 || n.Memory.Unlimited != 2 || n.Tasks != 2 || n.CPU.Reserved != 1 || n.Memory.Total != 4*gib || !n.Places || !math.IsNaN(n.CPU.Used) {
		t.Errorf("%+v", n)
	}
}

func TestPrice(t *testing.T) {
	for text, want := range map[string]float64{"0.12": 0.12, "0": 0, "10000": 10000, "-1": math.NaN(), "NaN": math.NaN(), "inf": math.NaN(), "1e99": math.NaN(), "cheap": math.NaN(), "": math.NaN()} {
		n := fleet.Node{Node: node("n", "worker", 1, 1, map[string]string{PriceLabel: text})}
		got, why := Price(&n)
		if got != want && (!math.IsNaN(got) || !math.IsNaN(want)) || (why == "") == math.IsNaN(want) {
			t.Errorf("%q: %v %q", text, got, why)
		}
	}
	if _, why := Price(&fleet.Node{}); why == "" {
		t.Error("no label is no reason")
	}
}

// TestCost is reckoned by hand: n1 costs 0.8 an hour and has 4 cores and 8 GiB, so that a core costs 0.1 and a GiB 0.05; on n2, of half the price, half of that.
func TestCost(t *testing.T) {
	w := &world{}
	w.Nodes = []sources.Node{node("n1", "manager", 4, 8, map[string]string{PriceLabel: "0.8"}), node("n2", "worker", 4, 8, map[string]string{PriceLabel: "0.4"})}
	w.add(service("api", 1, gib, "n1", "n2")) // uses 1 core of 2, 4 GiB of 2
	w.add(service("idle", 0, 0, "n1"))        // nothing is known
	w.add(service("none", 1, 0))
	s := w.snapshot()
	s.Service("api").CPUNow, s.Service("api").MemoryNow = 1, 4*gib
	b := Cost(s)
	near(t, "api", b.Services[0].Hour, 0.1+0.05+2*(0.05+0.025))
	near(t, "api's CPU", b.Services[0].CPU, 0.15)
	if c := b.Services[len(b.Services)-1]; c.Service != "idle" || !math.IsNaN(c.Hour) || c.Reason == "" {
		t.Errorf("%+v", c)
	}
	if !math.IsNaN(b.Nodes[0].Idle) || b.Nodes[0].Reason == "" {
		t.Errorf("what is idle on n1 is not known: %+v", b.Nodes[0])
	}
	near(t, "n2's idle part", b.Nodes[1].Idle, 0.4-0.05-2*0.025)
	near(t, "all", b.Hour, 1.2)

	s.Service("idle").CPUNow, s.Service("idle").MemoryNow = 5, 0
	b = Cost(s)
	near(t, "all of n1", b.Nodes[0].Taken, 0.1+2*0.05+0.5)
	if !b.Nodes[0].Oversold || b.Nodes[1].Oversold {
		t.Errorf("oversold: %+v", b.Nodes)
	}
	delete(s.Nodes[1].Labels, PriceLabel)
	b = Cost(s)
	if !math.IsNaN(b.Hour) || !math.IsNaN(b.Services[2].Hour) || !strings.Contains(b.Services[2].Reason, "n2: it has no label") {
		t.Errorf("without n2's price: %+v", b)
	}
}

func near(t *testing.T, what string, got, want float64) {
	t.Helper()
	if math.IsNaN(got) || math.Abs(got-want) > 1e-9 {
		t.Errorf("%s: %v, want %v", what, got, want)
	}
}

// series has a point an hour, the newest at end.
func series(end time.Time, hours int, at func(back int) float64) []sources.Point {
	var out []sources.Point
	for back := hours - 1; back >= 0; back-- {
		out = append(out, sources.Point{T: end.Add(-time.Duration(back) * time.Hour), V: at(back)})
	}
	return out
}

func TestTrends(t *testing.T) {
	w := &world{}
	w.Nodes = []sources.Node{node("n1", "manager", 4, 8, map[string]string{PriceLabel: "0.8"}), node("n2", "worker", 4, 8, nil)}
	w.add(service("api", 1, gib, "n1"))
	w.add(service("new", 0.1, 0, "n1"))
	end := time.Now().Truncate(time.Hour)
	flat := func(v float64) func(int) float64 { return func(int) float64 { return v } }
	tasks := func(back int) float64 {
		if back < 24 {
			return 3
		}
		return 2
	}
	h := &History{Start: end.Add(-8 * 24 * time.Hour), End: end,
		Cores:  map[string][]sources.Point{"api": series(end, 8*24, flat(0.2)), "new": series(end, 3, flat(0.1))},
		Bytes:  map[string][]sources.Point{"api": series(end, 8*24, flat(0)), "new": series(end, 3, flat(0))},
		Counts: map[string][]sources.Point{"api": series(end, 8*24, tasks), "new": series(end, 5, flat(1))}}
	x := TrendsOf(w.snapshot(), h)
	api := x.Services[0]
	near(t, "api in all", api.Total, (7*24*2+24*3)*0.15)
	near(t, "api's newest day", api.Days[len(api.Days)-1].Hour, 0.45)
	near(t, "api's rise", api.Rise, 0.5)
	if api.Cause != "replicas 2.0 -> 3.0" || len(api.Days) != 8 {
		t.Errorf("%q, %d days", api.Cause, len(api.Days))
	}
	near(t, "what fits", api.FitCores, 1.2*0.1) // 0.2 cores of two tasks
	near(t, "what that saves", api.Saves, 3*((1-0.12)*0.1+0.05))
	if n := x.Services[1]; n.Service != "new" || !math.IsNaN(n.Rise) || !math.IsNaN(n.Saves) || n.Total <= 0 || n.Days[0].Points != 3 {
		t.Errorf("%+v", n)
	}
	if !strings.Contains(x.Reason, "n2") {
		t.Errorf("n2 has no price, and it says %q", x.Reason)
	}
	near(t, "all", x.All.Total, api.Total+x.Services[1].Total)
	if y := TrendsOf(w.snapshot(), &History{End: end}); !math.IsNaN(y.All.Rise) || y.All.Total != 0 {
		t.Errorf("no history: %+v", y.All)
	}
}

type metrics struct {
	sources.Metrics
	asked []string
	fail  error
}

func (m *metrics) UsageAll(_ context.Context, name string, w sources.Window) (map[string][]sources.Point, error) {
	m.asked = append(m.asked, name)
	if w.Step != time.Hour {
		return nil, errors.New("another step")
	}
	return map[string][]sources.Point{}, m.fail
}

func TestRead(t *testing.T) {
	m := &metrics{}
	if _, err := Read(t.Context(), m, 24*time.Hour, time.Now()); err != nil || len(m.asked) != 3 {
		t.Errorf("%v, asked for %v", err, m.asked)
	}
	for _, since := range []time.Duration{0, -time.Hour, time.Second, LongestTrend + time.Hour} {
		if _, err := Read(t.Context(), &metrics{}, since, time.Now()); sources.KindOf(err) != sources.BadQuestion {
			t.Errorf("%s: %v", since, err)
		}
	}
	away := errors.New("away")
	if _, err := Read(t.Context(), &metrics{fail: away}, 24*time.Hour, time.Now()); !errors.Is(err, away) {
		t.Error(err)
	}
}
