package fleet

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"quarterdeck/sources"
)

// shown is what a picture shows of services, nodes and alerts, by name. In it are only those that are there.
func shown(s *Snapshot) map[string]string {
	out := map[string]string{}
	for _, v := range s.Services {
		if !v.NotYet {
			ids := make([]string, 0, len(v.Tasks))
			for i := range v.Tasks {
				ids = append(ids, v.Tasks[i].ID)
			}
			slices.Sort(ids)
			out["service "+v.ID] = fmt.Sprint(v.Name, v.Health, v.Reason, v.Run(), v.Image, v.UpdateState, v.Desired, v.HealthSince.UnixNano(), ids)
		}
	}
	for i := range s.Nodes {
		n := &s.Nodes[i]
		out["node "+n.ID] = fmt.Sprint(n.State, n.Availability, n.Role, n.Reachability, n.Labels, n.EngineLabels, n.LabelsToday)
	}
	for i := range s.Alerts {
		a := &s.Alerts[i]
		out["alert "+a.Name+string(a.State)] = fmt.Sprint(a.Service, a.Since.UnixNano())
	}
	return out
}

// stirOcean does one thing to a swarm and tells the fleet of it, or not at once: facts come in any order.
func stirOcean(t *rapid.T, o *ocean, f *Fleet) {
	switch pick(t, "what", "create", "change", "tasks", "tasks", "remove", "node", "world", "alerts") {
	case "create":
		id := o.create()
		f.Fold(sources.Change{Services: []sources.Service{*o.services[id]}})
	case "change":
		if len(o.services) > 0 {
			id := o.id()
			o.change(id)
			f.Fold(sources.Change{Services: []sources.Service{*o.services[id]}})
		}
	case "tasks":
		if len(o.services) > 0 {
			id := o.id()
			o.stir(id)
			f.Fold(sources.Change{TasksOf: []string{id}, Tasks: slices.Clone(o.tasks[id])})
		}
	case "remove":
		if len(o.services) > 0 {
			id := o.id()
			delete(o.services, id)
			delete(o.tasks, id)
			f.Fold(sources.Change{Removed: []string{id}})
		}
	case "node":
		o.moveNode()
		f.Fold(sources.Change{Nodes: slices.Clone(o.nodes)})
	case "world":
		f.Fold(sources.Change{World: o.world()})
	case "alerts":
		f.SetAlerts([]sources.Alert{{Name: "A", Service: pick(t, "of", "web1", "api2"), State: pick(t, "state", sources.Firing, sources.Pending), Since: o.now}})
	}
}

// TestThenIsWhatWasShown: whatever happens in whatever order, the picture of a moment that is made later is the one that was shown then.
func TestThenIsWhatWasShown(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		o := newOcean(t)
		f := New(func() time.Time { return o.now }, SwarmName)
		f.Fold(sources.Change{World: o.world()})
		var moments []*Snapshot
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			for range rapid.IntRange(0, 3).Draw(t, "at once") {
				o.t = t
				stirOcean(t, o, f)
			}
			moments = append(moments, f.Snapshot())
			o.now = o.now.Add(time.Duration(rapid.IntRange(1, 90).Draw(t, "seconds")) * time.Second)
		}
		f.touch()
		last := f.Snapshot()
		for _, was := range moments {
			then := last.Then(was.At)
			if !then.Past && !then.At.Equal(was.At) {
				t.Fatalf("at %s it gives the picture of %s", was.At, then.At)
			}
			got, want := shown(then), shown(was)
			for k := range got {
				if got[k] != want[k] {
					t.Fatalf("at %s %s is\n%s\nand was\n%s", was.At, k, got[k], want[k])
				}
			}
			for k := range want {
				if _, ok := got[k]; !ok {
					t.Fatalf("at %s %s is not there, and was %s", was.At, k, want[k])
				}
			}
			if c := then.Counts; c.Services != was.Counts.Services || c.Down != was.Counts.Down || c.NodesUp != was.Counts.NodesUp || c.Firing != was.Counts.Firing {
				t.Fatalf("at %s counts are %+v and were %+v", was.At, c, was.Counts)
			}
		}
	})
}

// TestPastIsBounded tells thousands of long reasons: the bytes stay below their bound, and what was let go is said to be not known.
func TestPastIsBounded(t *testing.T) {
	f, now := at(noon, SwarmName)
	f.Fold(shop())
	f.Snapshot()
	for i := range 4000 {
		*now = now.Add(time.Second)
		x := all()
		x[0].State, x[0].Err = sources.TaskPending, fmt.Sprint("no suitable node ", i, strings.Repeat(" because", 60))
		x[0].ID = fmt.Sprint("task-", i)
		f.Fold(sources.Change{TasksOf: []string{"web"}, Tasks: x})
		f.Snapshot()
	}
	s := f.Snapshot()
	for what, r := range map[string][2]int{"services": {s.past.services.bytes, pastServiceBytes}, "tasks": {s.past.tasks.bytes, pastTaskBytes}, "runs": {s.past.runs.bytes, pastTaskBytes / 4}} {
		if r[0] > r[1] || r[0] < 0 {
			t.Errorf("%s take %d bytes of %d", what, r[0], r[1])
		}
	}
	sum := 0
	pins := map[*pinned]int{}
	for i := range s.past.services.list {
		x := &s.past.services.list[i]
		sum += costOfService(x)
		pins[x.spec]++
	}
	for p, n := range pins {
		sum += p.bytes
		if p.users != n {
			t.Errorf("settings with %d users are counted as %d", n, p.users)
		}
	}
	if sum != s.past.services.bytes {
		t.Errorf("the states take %d bytes, counted %d", sum, s.past.services.bytes)
	}
	then := s.Then(noon.Add(time.Minute))
	if then.KnownSince.IsZero() || !then.KnownSince.After(noon.Add(time.Minute)) {
		t.Fatalf("known since %s, after so much was let go", then.KnownSince)
	}
	if v := then.Service("web"); v.Health != Unknown || v.Reason != NotLooked || !v.Unread {
		t.Fatalf("what was let go is told as %s, %q", v.Health, v.Reason)
	}
	if v := then.Service("db"); v.Health == Unknown { // it has not changed: nothing of it was let go
		t.Fatalf("db is %s: %s", v.Health, v.Reason)
	}
	if v := s.Then(now.Add(-time.Minute)).Service("web"); !strings.Contains(v.Reason, "no suitable node 3940") && !strings.Contains(v.Reason, "no suitable node 3939") {
		t.Fatalf("a minute ago it was: %.80s", v.Reason)
	}
}

func TestThenOfTasks(t *testing.T) {
	f, now := at(noon, SwarmName)
	f.Fold(shop())
	f.Snapshot()
	step := func(by time.Duration, tasks []sources.Task) {
		*now = now.Add(by)
		f.Fold(sources.Change{TasksOf: []string{"web"}, Tasks: tasks})
		f.Snapshot()
	}
	x := task(1, "n1")
	x.ID, x.State, x.Created, x.Since = "life", sources.TaskPreparing, noon.Add(10*time.Second), noon.Add(10*time.Second)
	step(10*time.Second, []sources.Task{x})
	run := x
	run.State, run.Since, run.Container = sources.TaskRunning, noon.Add(20*time.Second), "c1"
	step(10*time.Second, []sources.Task{run})
	dead := run
	dead.State, dead.Since, dead.Err, dead.ExitCode = sources.TaskFailed, noon.Add(50*time.Second), "exit 7", 7
	step(30*time.Second, []sources.Task{dead})
	old := task(2, "n2")
	old.ID, old.State, old.Created, old.Since, old.Container, old.ExitCode = "before", sources.TaskFailed, noon.Add(-time.Hour), noon.Add(40*time.Second), "c2", 1
	step(time.Second, []sources.Task{dead, old})
	step(5*time.Minute, nil) // the orchestrator forgets
	s := f.Snapshot()
	state := func(seconds int, id string) string {
		for _, x := range s.Then(noon.Add(time.Duration(seconds) * time.Second)).Service("web").Tasks {
			if x.ID == id {
				return fmt.Sprint(x.State, " ", x.ExitCode)
			}
		}
		return "none"
	}
	for _, c := range []struct {
		at   int
		id   string
		want string
	}{{5, "life", "none"}, {15, "life", "preparing 0"}, {30, "life", "running 0"}, {55, "life", "failed 7"}, {200, "life", "failed 7"},
		{30, "before", "not ended 0"}, {45, "before", "failed 1"}, {400, "life", "none"}} {
		if got := state(c.at, c.id); got != c.want {
			t.Errorf("%s after %d s: %s, want %s", c.id, c.at, got, c.want)
		}
	}
	if n := s.Then(noon.Add(30 * time.Second)).Node("n1"); n == nil || n.Running != 1 {
		t.Errorf("n1 is %+v", n)
	}
}

// TestThenBeforeItLooked: of what was before the first look the settings are told, where they have not been changed since.
func TestThenBeforeItLooked(t *testing.T) {
	f, now := at(noon, SwarmName)
	old, recent, made := *web(), *web(), *web()
	old.ID, old.Name, old.Updated, old.Created = "old", "old", ago(3*time.Hour), ago(4*time.Hour)
	recent.ID, recent.Name, recent.Updated, recent.Created = "new", "new", ago(time.Minute), ago(4*time.Hour)
	made.ID, made.Name, made.Updated, made.Created = "made", "made", ago(time.Minute), ago(time.Minute)
	f.Fold(world([]*sources.Service{&old, &recent, &made}, nil, node("n1")))
	f.Snapshot()
	*now = now.Add(time.Minute)
	f.touch()
	s := f.Snapshot().Then(ago(time.Hour))
	if !s.Past || !s.KnownSince.Equal(noon) || s.Counts.Services != 2 || s.Counts.Unknown != 2 {
		t.Fatalf("known since %s, %+v", s.KnownSince, s.Counts)
	}
	if v := s.Service("old"); v.Health != Unknown || v.Image == "" || v.Reason != NotLooked {
		t.Errorf("old: %s %q %q", v.Health, v.Image, v.Reason)
	}
	if v := s.Service("new"); v.Image != "" {
		t.Errorf("recent had %q then, as if it were known", v.Image)
	}
	if v := s.Service("made"); !v.NotYet {
		t.Errorf("made: %s", v.Health)
	}
	if n := s.Nodes; len(n) != 1 || n[0].State != string(Unknown) {
		t.Errorf("nodes: %+v", n)
	}
	if live := f.Snapshot(); live.Then(noon.Add(time.Hour)) != live {
		t.Error("a moment to come is not now")
	}
}

// TestThenOfLabels: a past moment has a node's labels and role of then, where the console was looking; before that it has today's, and says so.
func TestThenOfLabels(t *testing.T) {
	f, now := at(noon, SwarmName)
	labelled := func(role string, labels, engine map[string]string) sources.Node {
		return node("n1", func(n *sources.Node) {
			n.Created, n.Role, n.Labels, n.EngineLabels = ago(time.Hour), role, labels, engine
		})
	}
	tell := func(n sources.Node) {
		f.Fold(sources.Change{At: *now, Nodes: []sources.Node{n}})
		f.Snapshot()
		*now = now.Add(time.Minute)
	}
	tell(labelled("worker", map[string]string{"zone": "a", "disk": "ssd"}, map[string]string{"gpu": "no"}))
	tell(labelled("worker", map[string]string{"zone": "b"}, map[string]string{"gpu": "no"}))
	tell(labelled("worker", map[string]string{"zone": "b"}, map[string]string{"gpu": "yes"}))
	tell(labelled("manager", nil, map[string]string{"gpu": "yes"}))
	f.touch()
	s := f.Snapshot()
	for _, c := range []struct {
		after  time.Duration
		labels string
		today  bool
	}{
		{-time.Minute, "manager map[] map[gpu:yes]", true},
		{0, "worker map[disk:ssd zone:a] map[gpu:no]", false},
		{59 * time.Second, "worker map[disk:ssd zone:a] map[gpu:no]", false},
		{time.Minute, "worker map[zone:b] map[gpu:no]", false},
		{2 * time.Minute, "worker map[zone:b] map[gpu:yes]", false},
		{3 * time.Minute, "manager map[] map[gpu:yes]", false},
	} {
		n := s.Then(noon.Add(c.after)).Node("n1")
		if n == nil {
			t.Fatalf("after %s the node is not there", c.after)
		}
		if got := fmt.Sprint(n.Role, " ", n.Labels, " ", n.EngineLabels); got != c.labels || n.LabelsToday != c.today {
			t.Errorf("after %s it is %q, today's: %t; want %q, %t", c.after, got, n.LabelsToday, c.labels, c.today)
		}
	}
	if n := s.Node("n1"); n.LabelsToday {
		t.Error("now is not a past moment")
	}
}

// TestThenByTasks: of the time before the first look the tasks that are still known prove what they can, and no more.
func TestThenByTasks(t *testing.T) {
	f, now := at(noon, SwarmName)
	two := func(name string) *sources.Service {
		s := *web(replicas(2))
		s.ID, s.Name, s.Created, s.Updated = name, name, ago(5*time.Hour), ago(4*time.Hour)
		return &s
	}
	of := func(service, id string, slot int, state sources.TaskState, created, since time.Duration) sources.Task {
		x := task(slot, "n1")
		x.ID, x.ServiceID, x.State, x.Created, x.Since, x.Container = id, service, state, ago(created), ago(since), "c-"+id
		if state == sources.TaskFailed {
			x.Desired, x.Err, x.ExitCode = sources.TaskShutdown, "task: non-zero exit (1)", 1
		}
		return x
	}
	f.Fold(world([]*sources.Service{two("well"), two("loop"), two("lost")}, []sources.Task{
		of("well", "w1", 1, sources.TaskRunning, 4*time.Hour, 4*time.Hour), of("well", "w2", 2, sources.TaskRunning, 4*time.Hour, 4*time.Hour),
		of("loop", "l1", 1, sources.TaskRunning, 4*time.Hour, 4*time.Hour), of("loop", "a", 2, sources.TaskFailed, 64*time.Minute, 63*time.Minute),
		of("loop", "b", 2, sources.TaskFailed, 62*time.Minute, 61*time.Minute), of("loop", "c", 2, sources.TaskFailed, 60*time.Minute+30*time.Second, 58*time.Minute),
		of("lost", "x", 1, sources.TaskRunning, time.Minute, time.Minute),
	}, node("n1")))
	f.Snapshot()
	*now = now.Add(time.Minute)
	f.touch()
	s := f.Snapshot().Then(ago(time.Hour))
	for name, want := range map[string]string{"well": "healthy 2/2 by its tasks", "loop": "degraded 2/2 by its tasks: crash loop: loop.2 failed 2 times in 5m: task: non-zero exit (1)",
		"lost": "unknown ?/2 " + NotLooked} {
		v := s.Service(name)
		if got := fmt.Sprint(v.Health, " ", v.Run(), " ", v.Reason); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
}
