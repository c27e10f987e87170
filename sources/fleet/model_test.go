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

// ocean is a model of a swarm: what a source would read of it at any moment.
type ocean struct {
	t        *rapid.T
	now      time.Time
	version  uint64
	nodes    []sources.Node
	services map[string]*sources.Service
	tasks    map[string][]sources.Task
	last     int
}

func newOcean(t *rapid.T) *ocean {
	o := &ocean{t: t, now: noon, services: map[string]*sources.Service{}, tasks: map[string][]sources.Task{}}
	for i := range rapid.IntRange(1, 4).Draw(t, "nodes") {
		o.nodes = append(o.nodes, node(fmt.Sprint("n", i)))
	}
	return o
}

func pick[T any](t *rapid.T, label string, from ...T) T {
	return rapid.SampledFrom(from).Draw(t, label)
}

func (o *ocean) id() string {
	ids := make([]string, 0, len(o.services))
	for id := range o.services {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	if len(ids) == 0 {
		o.t.Skip("no service")
	}
	return pick(o.t, "service", ids...)
}

func (o *ocean) create() string {
	o.last++
	o.version++
	id := fmt.Sprint("s", o.last)
	o.services[id] = &sources.Service{ID: id, Name: pick(o.t, "name", "web", "api", "db", "job", "agent") + fmt.Sprint(o.last), Stack: pick(o.t, "stack", "", "shop", "mon"),
		Mode: pick(o.t, "mode", sources.Replicated, sources.Replicated, sources.Global, sources.ReplicatedJob, sources.GlobalJob), Desired: rapid.IntRange(0, 4).Draw(o.t, "desired"),
		Generation: "g1", Version: o.version, Created: o.now, Updated: o.now, Resources: sources.Resources{ReserveBytes: 1 << 20, ReserveNanoCPUs: 1e8},
		Restart: sources.RestartPolicy{Condition: pick(o.t, "restart", "", "any", "none", "on-failure")}}
	return id
}

func (o *ocean) change(id string) {
	s := o.services[id]
	o.version++
	s.Version, s.Updated = o.version, o.now
	switch pick(o.t, "what", "scale", "deploy", "state", "limit") {
	case "scale":
		s.Desired = rapid.IntRange(0, 4).Draw(o.t, "desired")
	case "deploy":
		s.Generation, s.UpdateState, s.UpdateStarted = fmt.Sprint("g", o.version), "updating", o.now
	case "state":
		s.UpdateState, s.UpdateMessage = pick(o.t, "state", "", "updating", "paused", "completed", "rollback_started", "rollback_completed", "rollback_paused"), "words"
	case "limit":
		s.Constraints = pick(o.t, "constraints", nil, []string{"node.role==worker"}, []string{"node.id==n0"}, []string{"node.role==manager"})
	}
}

func (o *ocean) stir(id string) {
	s, list := o.services[id], o.tasks[id]
	if len(list) == 0 || rapid.Bool().Draw(o.t, "new task") {
		o.last++
		slot := rapid.IntRange(1, 4).Draw(o.t, "slot")
		if s.Mode == sources.Global || s.Mode == sources.GlobalJob {
			slot = 0
		}
		o.tasks[id] = append(slices.Clone(list), sources.Task{ID: fmt.Sprint("t", o.last), ServiceID: id, Slot: slot, NodeID: pick(o.t, "on", o.nodes...).ID,
			Generation: s.Generation, State: sources.TaskPreparing, Desired: sources.TaskRunning, Created: o.now, Since: o.now})
		return
	}
	list = slices.Clone(list)
	x := &list[rapid.IntRange(0, len(list)-1).Draw(o.t, "task")]
	if rapid.IntRange(0, 9).Draw(o.t, "forget") == 0 {
		o.tasks[id] = slices.DeleteFunc(list, func(t sources.Task) bool { return t.ID == x.ID })
		return
	}
	x.State = pick(o.t, "state", sources.TaskRunning, sources.TaskRunning, sources.TaskFailed, sources.TaskRejected, sources.TaskComplete, sources.TaskShutdown, sources.TaskPending)
	x.Desired = pick(o.t, "wanted", sources.TaskRunning, sources.TaskRunning, sources.TaskShutdown)
	x.Err = pick(o.t, "err", "", "", "no suitable node", "exit 1\nand more")
	x.Since = o.now
	o.tasks[id] = list
}

func (o *ocean) moveNode() {
	o.nodes = slices.Clone(o.nodes)
	n := &o.nodes[rapid.IntRange(0, len(o.nodes)-1).Draw(o.t, "node")]
	switch pick(o.t, "how", "state", "availability", "role", "label", "engine") {
	case "state":
		n.State = pick(o.t, "state", "ready", "down", "unknown", "disconnected")
	case "availability":
		n.Availability = pick(o.t, "availability", "active", "pause", "drain")
	case "role":
		n.Role, n.Reachability = pick(o.t, "role", "worker", "manager"), "reachable"
	case "label":
		n.Labels = map[string]string{"zone": pick(o.t, "zone", "a", "b")}
	case "engine":
		n.EngineLabels = map[string]string{"gpu": pick(o.t, "gpu", "yes", "no")}
	}
}

func (o *ocean) world() *sources.World {
	w := &sources.World{At: o.now, Nodes: slices.Clone(o.nodes)}
	for id, s := range o.services {
		w.Services = append(w.Services, *s)
		w.Tasks = append(w.Tasks, o.tasks[id]...)
	}
	return w
}

// dump is all of a snapshot that follows from the state of the world alone, or with all, everything in it.
func dump(s *Snapshot, all bool) string {
	var b strings.Builder
	for _, v := range s.Services {
		x := *v
		if !all {
			x.HealthSince, x.seen = time.Time{}, time.Time{}
		}
		fmt.Fprintf(&b, "%+v\n", x)
	}
	nodes := slices.Clone(s.Nodes)
	for i := range nodes {
		nodes[i].seen, nodes[i].first = time.Time{}, false
	}
	fmt.Fprintf(&b, "%+v\n%+v\n", nodes, s.Counts)
	if all {
		fmt.Fprintf(&b, "%d %v %v %+v %+v %+v %+v %+v %+v %v", s.Seq, s.At, s.Listed, s.Sources, s.Alerts, s.Networks, s.Secrets, s.Configs, s.History, s.index)
	}
	return b.String()
}

// A stream of changes leads to the same picture as reading the world whole at its end; a picture that was handed
// out never changes; and what a picture counts adds up.
func TestStreamEqualsWorld(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		o := newOcean(t)
		clock := func() time.Time { return o.now }
		f := New(clock, SwarmName, PrometheusName)
		f.Fold(sources.Change{World: o.world()})
		var kept *Snapshot
		var was string
		t.Repeat(map[string]func(*rapid.T){
			"create": func(t *rapid.T) {
				o.t = t
				id := o.create()
				if rapid.Bool().Draw(t, "tasks first") {
					o.stir(id)
					f.Fold(sources.Change{At: o.now, TasksOf: []string{id}, Tasks: slices.Clone(o.tasks[id])})
				}
				f.Fold(sources.Change{At: o.now, Services: []sources.Service{*o.services[id]}})
			},
			"change": func(t *rapid.T) {
				o.t = t
				id := o.id()
				o.change(id)
				f.Fold(sources.Change{At: o.now, Services: []sources.Service{*o.services[id]}})
			},
			"tasks": func(t *rapid.T) {
				o.t = t
				id := o.id()
				o.stir(id)
				f.Fold(sources.Change{At: o.now, TasksOf: []string{id}, Tasks: slices.Clone(o.tasks[id])})
			},
			"remove": func(t *rapid.T) {
				o.t = t
				id := o.id()
				delete(o.services, id)
				delete(o.tasks, id)
				f.Fold(sources.Change{At: o.now, Removed: []string{id}})
			},
			"node": func(t *rapid.T) {
				o.t = t
				o.moveNode()
				f.Fold(sources.Change{At: o.now, Nodes: slices.Clone(o.nodes)})
			},
			"world": func(*rapid.T) { f.Fold(sources.Change{World: o.world()}) },
			"later": func(t *rapid.T) {
				o.now = o.now.Add(time.Duration(rapid.IntRange(1, 400).Draw(t, "seconds")) * time.Second)
			},
			"alerts": func(t *rapid.T) {
				f.SetAlerts([]sources.Alert{{Name: "A", Service: pick(t, "of", "web1", "api2"), State: pick(t, "state", sources.Firing, sources.Pending), Since: o.now}})
			},
			"keep": func(*rapid.T) { kept = f.Snapshot(); was = dump(kept, true) },
			"": func(t *rapid.T) {
				if kept != nil && dump(kept, true) != was {
					t.Fatalf("a snapshot that was handed out has changed:\n%s\nwas\n%s", dump(kept, true), was)
				}
				s := f.Snapshot()
				checkSnapshot(t, s, o.now)
				whole := New(clock)
				whole.SetAlerts(s.Alerts)
				whole.Fold(sources.Change{World: o.world()})
				if got, want := dump(s, false), dump(whole.Snapshot(), false); got != want {
					t.Fatalf("the stream shows\n%s\nthe world is\n%s", got, want)
				}
				if due := f.Due(); !due.IsZero() && !due.After(o.now) {
					t.Fatalf("due %v is not after now, %v", due, o.now)
				}
			},
		})
	})
}

func checkSnapshot(t *rapid.T, s *Snapshot, now time.Time) {
	c := s.Counts
	if sum := c.Healthy + c.Updating + c.Degraded + c.Down + c.Idle + c.Unknown; sum != c.Services || c.Services != len(s.Services) {
		t.Fatalf("counts do not add up: %+v of %d services", c, len(s.Services))
	}
	running, reserved := 0, int64(0)
	for i, v := range s.Services {
		if s.Service(v.ID) != v || s.Service(v.Name) != v {
			t.Fatalf("%s cannot be found", v.Name)
		}
		if i > 0 && (s.Services[i-1].Stack > v.Stack || s.Services[i-1].Stack == v.Stack && s.Services[i-1].Name > v.Name) {
			t.Fatalf("%s is out of order", v.Name)
		}
		running += v.Running
		checkVerdict(t, v, now)
		for j := range v.Tasks {
			if x := &v.Tasks[j]; !x.State.Ended() {
				reserved += v.Resources.ReserveBytes
			}
		}
	}
	if running != c.Running {
		t.Fatalf("%d run, counted %d", running, c.Running)
	}
	for i := range s.Nodes {
		reserved -= s.Nodes[i].ReservedBytes
		if n := &s.Nodes[i]; !n.Up() && n.State != "unknown" && n.Running > 0 {
			t.Fatalf("%d run on %s, which is %s", n.Running, n.Name, n.State)
		}
	}
	if reserved != 0 {
		t.Fatalf("%d bytes reserved on no node", reserved)
	}
	for i := 1; i < len(s.History); i++ {
		if s.History[i].Time.Before(s.History[i-1].Time) {
			t.Fatalf("history out of order at %d", i)
		}
	}
}

func checkVerdict(t *rapid.T, v *Service, now time.Time) {
	if !v.Mode.Job() && v.Well > v.Running || v.Running < 0 || v.Want < 0 {
		t.Fatalf("%s: %d well of %d running of %d", v.Name, v.Well, v.Running, v.Want)
	}
	if !v.Due.IsZero() && !v.Due.After(now) {
		t.Fatalf("%s: due %v, now %v", v.Name, v.Due, now)
	}
	if (v.Health == Healthy) != (v.Reason == "") || strings.ContainsAny(v.Reason, "\n\r") {
		t.Fatalf("%s is %s because %q", v.Name, v.Health, v.Reason)
	}
	if v.Health == Healthy && v.Restart.Condition != "none" && v.Restart.Condition != "on-failure" && v.Well < v.Want {
		t.Fatalf("%s is healthy with %d of %d", v.Name, v.Well, v.Want)
	}
}

// A verdict on tasks dated by clocks that are wrong in either direction is sound, is the same each time,
// and comes to rest: what is due is after now, and after the last due moment nothing changes any more.
func TestAnyClock(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		o := newOcean(t)
		for range rapid.IntRange(1, 4).Draw(t, "services") {
			id := o.create()
			for range rapid.IntRange(0, 6).Draw(t, "tasks") {
				o.stir(id)
			}
			for i := range o.tasks[id] {
				x := &o.tasks[id][i]
				x.Since = noon.Add(time.Duration(rapid.IntRange(-7200, 7200).Draw(t, "since")) * time.Second)
				x.Created = noon.Add(time.Duration(rapid.IntRange(-7200, 7200).Draw(t, "created")) * time.Second)
			}
		}
		f := New(func() time.Time { return o.now })
		f.Fold(sources.Change{World: o.world()})
		for range 50 {
			s := f.Snapshot()
			checkSnapshot(t, s, o.now)
			for _, v := range s.Services {
				e := f.services[v.ID]
				if again := f.verdict(e, s.At); again != v.Verdict {
					t.Fatalf("judged again: %+v, was %+v", again, v.Verdict)
				}
			}
			due := f.Due()
			if due.IsZero() {
				return
			}
			if due.Sub(o.now) > FailureWindow {
				t.Fatalf("due only in %v: a clock ahead of ours is believed", due.Sub(o.now))
			}
			o.now = due
		}
		t.Fatalf("verdicts do not come to rest")
	})
}
