package ui

import (
	"context"
	"fmt"
	"math"
	"sync/atomic"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"
	"go.uber.org/goleak"

	"quarterdeck/sources"
	"quarterdeck/sources/fleet"
)

// A program that is over leaves the timers of its commands behind: nobody waits for them.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("charm.land/bubbletea/v2.Tick.func1"))
}

// noon is the moment of every frame in the tests.
var noon = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

// stub answers as sources do, and counts how often it is asked.
type stub struct {
	calls   atomic.Int64
	entries []sources.Entry
}

func (s *stub) Name() string { return "loki" }

func (s *stub) Query(context.Context, sources.LogQuery) (sources.LogPage, error) {
	s.calls.Add(1)
	return sources.LogPage{Entries: s.entries}, nil
}

func (s *stub) Follow(ctx context.Context, _ sources.LogQuery, _ func(sources.LogBatch)) error {
	s.calls.Add(1)
	<-ctx.Done()
	return ctx.Err()
}

func (s *stub) Labels(context.Context, string, time.Time, time.Time) ([]string, error) {
	s.calls.Add(1)
	return nil, nil
}

func (s *stub) Volume(context.Context, sources.LogQuery, time.Duration) ([]sources.VolumePoint, error) {
	s.calls.Add(1)
	return nil, nil
}

func (s *stub) Rates(context.Context, time.Time, time.Duration) (map[string]float64, error) {
	s.calls.Add(1)
	return nil, nil
}

func (s *stub) LineRates(context.Context, time.Time, time.Duration) (map[string]float64, error) {
	s.calls.Add(1)
	return nil, nil
}

func (s *stub) Instant(context.Context, string, time.Time) (sources.MetricsAnswer, error) {
	s.calls.Add(1)
	return sources.MetricsAnswer{}, nil
}

func (s *stub) Range(context.Context, string, sources.Window) (sources.MetricsAnswer, error) {
	s.calls.Add(1)
	return sources.MetricsAnswer{}, nil
}

func (s *stub) Standard(_ context.Context, service string, w sources.Window, _ ...string) ([]sources.Reading, error) {
	s.calls.Add(1)
	return readings(service, w), nil
}

func (s *stub) UsageAll(context.Context, string, sources.Window) (map[string][]sources.Point, error) {
	s.calls.Add(1)
	return nil, nil
}

func (s *stub) NodeUsage(context.Context, string, time.Time) (sources.Usage, error) {
	s.calls.Add(1)
	return nil, nil
}

func (s *stub) Complete(context.Context, string, int) (sources.Completion, error) {
	s.calls.Add(1)
	return sources.Completion{}, nil
}

func (s *stub) Targets(context.Context) ([]sources.Target, error) { s.calls.Add(1); return nil, nil }
func (s *stub) Rules(context.Context) ([]sources.Rule, error)     { s.calls.Add(1); return nil, nil }
func (s *stub) ActiveAlerts(context.Context) ([]sources.Alert, error) {
	s.calls.Add(1)
	return nil, nil
}
func (s *stub) ServiceLabel(context.Context) (string, string, error) {
	s.calls.Add(1)
	return "", "", nil
}
func (s *stub) Probe(context.Context) sources.Probe { s.calls.Add(1); return sources.Probe{} }

// readings are a service's series over a window: a slow wave with a spike.
func readings(service string, w sources.Window) []sources.Reading {
	var out []sources.Reading
	for i, r := range []struct {
		name, unit string
		size       float64
	}{{"cpu", "cores", 0.4}, {"memory", "bytes", 180 << 20}, {"memory-limit", "bytes", 256 << 20}, {"requests", "1/s", 120}, {"network-rx", "bytes/s", 90000}} {
		s := sources.Series{Labels: map[string]string{}}
		for t := w.Start; !t.After(w.End); t = t.Add(30 * time.Second) {
			x := t.Sub(w.Start).Minutes()
			v := r.size * (0.6 + 0.3*math.Sin(x/9+float64(i)))
			if r.name == "memory-limit" {
				v = r.size
			}
			s.Points = append(s.Points, sources.Point{T: t, V: v})
		}
		out = append(out, sources.Reading{Name: r.name, Unit: r.unit, Answer: sources.MetricsAnswer{Series: []sources.Series{s}}})
	}
	for _, name := range []string{"errors", "p50", "p95", "p99", "network-tx", "disk-read", "disk-write", "throttled", "restarts"} {
		out = append(out, sources.Reading{Name: name, Reason: "no series of " + name + " for " + service + " in this time"})
	}
	return out
}

// world is a small platform with one of each trouble.
func world() *sources.World {
	w := &sources.World{At: noon, Engine: sources.EngineInfo{Version: "28.2.2", API: "1.50", Manager: true}}
	for i := 1; i <= 3; i++ {
		w.Nodes = append(w.Nodes, sources.Node{ID: fmt.Sprint("n", i), Name: fmt.Sprint("node", i), Role: "manager", State: "ready", Availability: "active",
			Leader: i == 1, Reachability: "reachable", Addr: fmt.Sprintf("10.0.0.%d", i), Engine: "28.2.2", OS: "linux", Arch: "x86_64", NanoCPUs: 4e9, MemoryBytes: 8 << 30})
	}
	add := func(name, stack string, replicas, running int, mend func(*sources.Service)) {
		s := sources.Service{ID: "id-" + name, Name: name, Stack: stack, Mode: sources.Replicated, Desired: replicas, Image: "registry.example.com/" + name + ":1.4.2",
			Digest: "sha256:0123456789abcdef0123456789abcdef", Generation: "g", Version: 7, Created: noon.Add(-72 * time.Hour), Updated: noon.Add(-3 * time.Hour),
			Update: sources.UpdatePolicy{Order: "start-first", FailureAction: "rollback"}, Resources: sources.Resources{LimitNanoCPUs: 5e8, LimitBytes: 256 << 20, ReserveBytes: 64 << 20}}
		if mend != nil {
			mend(&s)
		}
		w.Services = append(w.Services, s)
		for i := 1; i <= running; i++ {
			w.Tasks = append(w.Tasks, sources.Task{ID: fmt.Sprint("t-", name, "-", i), ServiceID: s.ID, NodeID: fmt.Sprint("n", (i-1)%3+1), Slot: i, Generation: "g",
				State: sources.TaskRunning, Desired: sources.TaskRunning, Created: noon.Add(-3 * time.Hour), Since: noon.Add(-3 * time.Hour)})
		}
	}
	add("shop_web", "shop", 3, 3, nil)
	add("shop_api", "shop", 2, 2, nil)
	add("shop_cart", "shop", 2, 1, func(s *sources.Service) {
		s.UpdateState = "updating"
		s.UpdateStarted, s.Updated = noon.Add(-20*time.Second), noon.Add(-20*time.Second)
	})
	add("shop_payments", "shop", 2, 0, nil)
	add("shop_store", "shop", 1, 1, func(s *sources.Service) {
		s.UpdateState, s.UpdateMessage = "rollback_completed", "update rolled back due to failure"
	})
	add("platform_loki", "platform", 1, 1, nil)
	add("batch_reports", "batch", 0, 0, nil)
	for i := 1; i <= 3; i++ {
		w.Tasks = append(w.Tasks, sources.Task{ID: fmt.Sprint("dead", i), ServiceID: "id-shop_payments", NodeID: "n2", Slot: 1, Generation: "g", State: sources.TaskFailed, Desired: sources.TaskShutdown,
			Err: "task: non-zero exit (1)", ExitCode: 1, Created: noon.Add(-time.Duration(i) * time.Minute), Since: noon.Add(-time.Duration(i) * 50 * time.Second)})
	}
	return w
}

// filled is a fleet with world in it, all sources live but one.
func filled() *fleet.Fleet { return filledAt(func() time.Time { return noon }) }

// filledAt is filled by a clock.
func filledAt(now func() time.Time) *fleet.Fleet {
	f := fleet.New(now, fleet.SwarmName, fleet.LokiName, fleet.PrometheusName, fleet.AlertmanagerName)
	f.Fold(sources.Change{At: noon, World: world(), Status: &sources.Status{Name: fleet.SwarmName, State: sources.Live, Fresh: noon, Version: "28.2.2"}})
	f.SetStatus(sources.Status{Name: fleet.LokiName, State: sources.Live, Fresh: noon})
	f.SetStatus(sources.Status{Name: fleet.PrometheusName, State: sources.Live, Fresh: noon})
	f.SetStatus(sources.Status{Name: fleet.AlertmanagerName, State: sources.Reconnecting, Since: noon.Add(-90 * time.Second), Detail: "alertmanager: list alerts: unreachable: connection refused (check that alertmanager listens at http://am:9093)"})
	f.SetAlerts([]sources.Alert{{Fingerprint: "a", Name: "ServiceDown", Severity: "critical", Service: "shop_payments", State: sources.Firing, Since: noon.Add(-4 * time.Minute),
		Summary: "shop_payments has no running task", Labels: map[string]string{"alertname": "ServiceDown", "severity": "critical"}}})
	usage := map[string][]sources.Point{}
	memory := map[string][]sources.Point{}
	for i, s := range world().Services {
		for m := 0; m < 30; m++ {
			t := noon.Add(time.Duration(m-29) * time.Minute)
			usage[s.Name] = append(usage[s.Name], sources.Point{T: t, V: 0.1 * float64(i+1) * (1 + math.Sin(float64(m)/4))})
			memory[s.Name] = append(memory[s.Name], sources.Point{T: t, V: float64(i+1) * (20 << 20) * (1 + float64(m)/60)})
		}
	}
	f.SetUsage("cpu", usage)
	f.SetUsage("memory", memory)
	f.SetRates(map[string]float64{"shop_payments": 3.4, "shop_web": 0.02})
	f.SetLineRates(map[string]float64{"shop_payments": 4.1, "shop_web": 251, "shop_api": 6.04})
	f.SetNodeUsage("cpu", sources.Usage{"node1": 1.2, "node2": 0.4, "node3": 2.2})
	f.SetNodeUsage("memory", sources.Usage{"node1": 2 << 30, "node2": 1 << 30, "node3": 3 << 30})
	return f
}

func entries(n int) []sources.Entry {
	st := &sources.Stream{Service: "shop_payments", Task: "t1", Node: "node2", Source: "loki"}
	out := make([]sources.Entry, n)
	for i := range out {
		level := sources.LevelInfo
		word := "info"
		if i%7 == 3 {
			level, word = sources.LevelError, "error"
		}
		out[i] = sources.Entry{Time: noon.Add(time.Duration(i-n) * time.Second), Level: level, Stream: st,
			Line: fmt.Sprintf(`level=%s msg="charge card" order=%d took=%dms`, word, 1000+i, 10+i)}
	}
	return out
}

// console is a model on a filled fleet, of a size, with its first commands done.
func console(t testing.TB, w, h int, mend func(*Options)) (*Model, *stub) {
	t.Helper()
	s := &stub{entries: entries(40)}
	o := Options{Fleet: filled(), Logs: s, Metrics: s, Context: "production", Theme: "dark", Now: func() time.Time { return noon }, Location: time.UTC}
	if mend != nil {
		mend(&o)
	}
	m, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	m.Update(tea.WindowSizeMsg{Width: w, Height: h})
	m.answer()
	m.logs.view.Append(sources.LogBatch{Entries: s.entries})
	m.Update(wakeMsg{snap: m.o.Fleet.Snapshot()})
	m.answer() // of other charts, where something is wrong with the service
	return m, s
}

// answer does what the metrics pane asked for, without waiting for its timer.
func (m *Model) answer() {
	if cmd := m.metrics.request(m, m.subject()); cmd != nil {
		if msg, ok := cmd().(readingsMsg); ok {
			m.Update(msg)
		}
	}
}

// press gives keys as the keymap names them.
func press(t testing.TB, m *Model, keys ...string) {
	t.Helper()
	ks, err := parseKeys(keys)
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range ks {
		m.Update(k)
	}
}
