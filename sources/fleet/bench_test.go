package fleet

import (
	"fmt"
	"runtime"
	"slices"
	"testing"
	"time"

	"quarterdeck/sources"
)

// bigWorld is 1,000 services and 10,000 tasks on 50 nodes.
func bigWorld() *sources.World {
	w := &sources.World{At: noon}
	for i := range 50 {
		w.Nodes = append(w.Nodes, node(fmt.Sprintf("node-%02d", i), func(n *sources.Node) { n.Labels = map[string]string{"zone": fmt.Sprint(i % 3)} }))
	}
	for i := range 1000 {
		s := *web(replicas(10))
		s.ID, s.Name, s.Stack = fmt.Sprintf("service-%04d", i), fmt.Sprintf("name-%04d", (i*7)%1000), fmt.Sprint("stack-", i%40)
		s.Labels, s.Networks, s.EnvNames = map[string]string{"team": "a", "tier": "b"}, []string{"n1", "n2"}, []string{"A", "B", "C"}
		w.Services = append(w.Services, s)
		for slot := range 10 {
			x := task(slot+1, w.Nodes[(i+slot)%50].ID)
			x.ID, x.ServiceID = fmt.Sprintf("task-%04d-%d", i, slot), s.ID
			w.Tasks = append(w.Tasks, x)
		}
	}
	return w
}

func bigFleet() (*Fleet, *sources.World) {
	f, w := New(func() time.Time { return noon }, SwarmName), bigWorld()
	f.Fold(sources.Change{World: w})
	f.Snapshot()
	return f, w
}

// One task changes in 1,000 services and 10,000 tasks: fold and snapshot. At 100 events a second it is a hundred times this.
func BenchmarkOneTask(b *testing.B) {
	f, w := bigFleet()
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		n := i % 1000
		tasks := slices.Clone(w.Tasks[n*10 : n*10+10])
		tasks[3].Since = tasks[3].Since.Add(time.Duration(i) * time.Nanosecond)
		f.Fold(sources.Change{TasksOf: []string{w.Services[n].ID}, Tasks: tasks})
		f.Snapshot()
	}
}

func BenchmarkFold(b *testing.B) {
	f, w := bigFleet()
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		n := i % 1000
		tasks := slices.Clone(w.Tasks[n*10 : n*10+10])
		tasks[3].Since = tasks[3].Since.Add(time.Duration(i) * time.Nanosecond)
		f.Fold(sources.Change{TasksOf: []string{w.Services[n].ID}, Tasks: tasks})
	}
}

func BenchmarkSameWorld(b *testing.B) {
	f, _ := bigFleet()
	again := bigWorld()
	b.ReportAllocs()
	for b.Loop() {
		f.Fold(sources.Change{World: again})
		f.Snapshot()
	}
}

func BenchmarkFirstWorld(b *testing.B) {
	w := bigWorld()
	b.ReportAllocs()
	for b.Loop() {
		f := New(func() time.Time { return noon }, SwarmName)
		f.Fold(sources.Change{World: w})
		f.Snapshot()
	}
}

// All services judged anew, as after a change of a node.
func BenchmarkNodeChange(b *testing.B) {
	f, w := bigFleet()
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		nodes := slices.Clone(w.Nodes)
		nodes[0].Updated = noon.Add(time.Duration(i) * time.Second)
		f.Fold(sources.Change{Nodes: nodes})
		f.Snapshot()
	}
}

// BenchmarkThen makes the picture of a past moment: 1,000 services, 10,000 tasks, the past full.
func BenchmarkThen(b *testing.B) {
	f, end := fullPast(b)
	s := f.Snapshot()
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		s.Then(end.Add(-time.Duration(1+i%60) * time.Second))
	}
}

// BenchmarkPast is what the past takes when it is full, beside the fleet itself.
func BenchmarkPast(b *testing.B) {
	heap := func() float64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.GC()
		runtime.ReadMemStats(&m)
		return float64(m.HeapAlloc)
	}
	for b.Loop() {
		f, _ := fullPast(b)
		f.Snapshot()
		with := heap()
		f.mu.Lock()
		n, reckoned := len(f.past.services.list), f.past.services.bytes+f.past.tasks.bytes+f.past.runs.bytes+f.past.nodes.bytes+f.past.alerts.bytes
		f.past = past{}
		f.last = nil
		for _, e := range f.services {
			e.pin = nil
		}
		f.mu.Unlock()
		without := heap()
		b.ReportMetric((with-without)/1024, "KiB")
		b.ReportMetric(float64(reckoned)/1024, "KiB-reckoned")
		b.ReportMetric(float64(n), "states")
		runtime.KeepAlive(f)
	}
}

// fullPast is a big fleet in which tasks have failed and been replaced until nothing more of the past is kept.
func fullPast(b *testing.B) (*Fleet, time.Time) {
	b.Helper()
	now := noon
	f, w := New(func() time.Time { return now }, SwarmName), bigWorld()
	f.Fold(sources.Change{World: w})
	f.Snapshot()
	for i := range 12000 {
		now = now.Add(time.Second)
		n := i % 1000
		tasks := slices.Clone(w.Tasks[n*10 : n*10+10])
		t := &tasks[i%10]
		t.ID, t.Created, t.Since = fmt.Sprint("again-", i), now, now
		switch i / 1000 % 3 {
		case 0:
			t.State, t.Err = sources.TaskFailed, "task: non-zero exit (137): OOM killed"
		case 1:
			t.State, t.Err = sources.TaskPending, "no suitable node (insufficient resources on 50 nodes)"
		}
		if i%40 == 0 {
			nodes := slices.Clone(w.Nodes)
			nodes[i/40%50].State = []string{"down", "ready"}[i/40%2]
			f.Fold(sources.Change{Nodes: nodes})
		}
		f.Fold(sources.Change{TasksOf: []string{w.Services[n].ID}, Tasks: tasks})
		f.Snapshot()
	}
	return f, now
}
