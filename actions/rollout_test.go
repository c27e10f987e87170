package actions

import (
	"strings"
	"testing"
	"time"

	"quarterdeck/sources"
	"quarterdeck/sources/fleet"
)

// stage is a swarm of one service that is told what to be, and a clock that is moved by hand.
type stage struct {
	fleet *fleet.Fleet
	now   time.Time
	state sources.State
	s     sources.Service
	tasks []sources.Task
	gone  bool
	watcher
}

const (
	older = "generation-1"
	newer = "generation-2"
)

// newStage has two replicas that run what was before, and a change to the newer generation that the swarm has just taken.
func newStage() *stage {
	x := &stage{now: time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC), state: sources.Live}
	x.fleet = fleet.New(func() time.Time { return x.now }, fleet.SwarmName)
	x.s = sources.Service{ID: "s1", Name: "web", Mode: sources.Replicated, Desired: 2, Generation: newer, Version: 20, Created: x.now.Add(-time.Hour), Updated: x.now, Update: sources.UpdatePolicy{Monitor: 5 * time.Second}}
	for i := range 2 {
		x.tasks = append(x.tasks, sources.Task{ID: "old" + string(rune('1'+i)), ServiceID: "s1", NodeID: "n1", Slot: i + 1, Generation: older, State: sources.TaskRunning, Desired: sources.TaskRunning, Created: x.now.Add(-time.Hour), Since: x.now.Add(-time.Hour)})
	}
	x.watcher = watcher{applied: applied{change: &Change{Service: "web", ID: "s1", Policy: x.s.Update}, at: x.now, version: 20, generation: newer, desired: 2, mode: sources.Replicated}, deadline: 3 * time.Minute}
	return x
}

// task gives a slot a task of the newer generation; the older one ends, unless it is kept.
func (x *stage) task(slot int, state sources.TaskState, why string) {
	for i := range x.tasks {
		if t := &x.tasks[i]; t.Slot == slot && !t.State.Ended() {
			t.Desired, t.State, t.Since = sources.TaskShutdown, sources.TaskShutdown, x.now
		}
	}
	t := sources.Task{ID: "new" + string(rune('0'+len(x.tasks))), ServiceID: "s1", NodeID: "n1", Slot: slot, Generation: newer, State: state, Desired: sources.TaskRunning, Created: x.now, Since: x.now, Err: why}
	if state.Ended() {
		t.Desired = sources.TaskShutdown
	}
	if state == sources.TaskPending {
		t.NodeID = ""
	}
	x.tasks = append(x.tasks, t)
}

func (x *stage) look() Rollout {
	st := sources.Status{Name: fleet.SwarmName, State: x.state, Since: x.now, Fresh: x.now, Detail: "no route to host"}
	w := &sources.World{At: x.now, Engine: sources.EngineInfo{ClusterID: "c"}, Nodes: []sources.Node{{ID: "n1", Name: "node1", State: "ready", Availability: "active"}}, Services: []sources.Service{x.s}, Tasks: x.tasks}
	if x.gone {
		w.Services, w.Tasks = nil, nil
	}
	c := sources.Change{At: x.now, Status: &st}
	if x.state == sources.Live {
		c.World = w
	}
	x.fleet.Fold(c)
	return x.watcher.look(x.fleet.Snapshot(), x.now)
}

// act is one thing that happens, some time after the one before, and what is said of the rollout then.
type act struct {
	after  time.Duration
	happen func(*stage)
	state  RolloutState
	says   string // part of the reason
}

func running(x *stage) { x.task(1, sources.TaskRunning, ""); x.task(2, sources.TaskRunning, "") }
func update(state string) func(*stage) {
	return func(x *stage) {
		x.s.UpdateState, x.s.UpdateMessage, x.s.Version = state, "update "+state, x.s.Version+1
	}
}

func both(fs ...func(*stage)) func(*stage) {
	return func(x *stage) {
		for _, f := range fs {
			f(x)
		}
	}
}

func fails(slot int, state sources.TaskState, why string) func(*stage) {
	return func(x *stage) { x.task(slot, state, why) }
}

var rollouts = map[string][]act{
	"goes well": {
		{0, nil, RolloutRolling, ""},
		{time.Second, both(update("updating"), fails(1, sources.TaskStarting, "")), RolloutRolling, ""},
		{time.Second, fails(1, sources.TaskRunning, ""), RolloutRolling, ""},
		{time.Second, fails(2, sources.TaskRunning, ""), RolloutRolling, ""},
		{time.Second, update("completed"), RolloutSettling, ""},
		{3900 * time.Millisecond, nil, RolloutSettling, ""},
		{200 * time.Millisecond, nil, RolloutDone, ""},
	},
	"not seen yet": {
		{0, func(x *stage) { x.s.Version, x.s.Generation = 19, older }, RolloutWaiting, "not seen yet"},
		{3*time.Minute - time.Second, nil, RolloutWaiting, "not seen yet"},
		{2 * time.Second, nil, RolloutFailed, "no progress for 3m"},
	},
	"well at once, but the swarm may not have begun": {
		{0, func(x *stage) { x.s.Generation, x.generation = older, older }, RolloutSettling, ""},
		{4 * time.Second, nil, RolloutSettling, ""},
		{time.Second, nil, RolloutDone, ""},
	},
	"another spec's task is still to be stopped": {
		{0, func(x *stage) {
			x.s.Generation, x.generation = older, older
			x.tasks = append(x.tasks, sources.Task{ID: "bad", ServiceID: "s1", NodeID: "n1", Slot: 1, Generation: newer, State: sources.TaskStarting, Desired: sources.TaskRunning, Created: x.now, Since: x.now})
		}, RolloutRolling, ""},
		{6 * time.Second, nil, RolloutRolling, "still to be stopped"},
		{time.Second, func(x *stage) { x.tasks[2].Desired = sources.TaskShutdown }, RolloutDone, ""},
	},
	"paused": {
		{time.Second, both(update("updating"), fails(1, sources.TaskFailed, "task: non-zero exit (1)")), RolloutRolling, ""},
		{time.Second, update("paused"), RolloutFailed, "update paused: task: non-zero exit (1)"},
		{time.Hour, both(update("completed"), running), RolloutFailed, "update paused"}, // a verdict stays
	},
	"paused, and the task is seen later": {
		{time.Second, update("paused"), RolloutRolling, "update paused"},
		{time.Second, fails(1, sources.TaskRejected, "No such image: x"), RolloutFailed, "update paused: No such image: x"},
	},
	"paused, and the task is never seen": {
		{time.Second, update("paused"), RolloutRolling, ""},
		{2 * time.Second, nil, RolloutFailed, "update paused"},
	},
	"rolled back": {
		{time.Second, both(update("updating"), fails(1, sources.TaskFailed, "task: non-zero exit (1)")), RolloutRolling, ""},
		{time.Second, func(x *stage) { update("rollback_started")(x); x.s.Generation = older }, RolloutBack, "update rollback_started: task: non-zero exit (1)"},
		{time.Second, update("rollback_completed"), RolloutBack, "update rollback_started: task: non-zero exit (1)"}, // said too soon
		{time.Second, func(x *stage) {
			x.task(1, sources.TaskRunning, "")
			x.tasks[len(x.tasks)-1].Generation = older
		}, RolloutBack, ""},
		{4900 * time.Millisecond, nil, RolloutBack, ""},
		{200 * time.Millisecond, nil, RolloutRolledBack, "update rollback_started: task: non-zero exit (1)"},
	},
	"rolled back, and the engine forgets it": {
		{time.Second, both(update("updating"), fails(1, sources.TaskFailed, "boom")), RolloutRolling, ""},
		{time.Second, func(x *stage) { update("rollback_started")(x); x.s.Generation = older }, RolloutBack, "boom"},
		{time.Second, func(x *stage) {
			update("completed")(x)
			x.task(1, sources.TaskRunning, "")
			x.tasks[len(x.tasks)-1].Generation = older
		}, RolloutRolling, ""},
		{6 * time.Second, nil, RolloutRolledBack, "update rollback_started: boom"},
	},
	"rolled back, and not well again": {
		{time.Second, both(update("rollback_started"), fails(1, sources.TaskFailed, "boom"), func(x *stage) { x.s.Generation = older }), RolloutBack, "boom"},
		{time.Second, update("rollback_completed"), RolloutBack, "boom"},
		{3 * time.Minute, nil, RolloutFailed, "no progress for 3m"},
	},
	"the rollback fails as well": {
		{time.Second, both(update("rollback_paused"), fails(1, sources.TaskFailed, "boom")), RolloutFailed, "that failed as well"},
	},
	"overtaken by a spec": {
		{time.Second, func(x *stage) { x.s.Generation = "generation-3"; x.s.Version = 22 }, RolloutOvertaken, "changed what it runs"},
	},
	"overtaken by a scaling": {
		{time.Second, func(x *stage) { x.s.Desired = 7; x.s.Version = 22 }, RolloutOvertaken, "scaled it to 7"},
	},
	"removed": {
		{time.Second, nil, RolloutRolling, ""},
		{time.Second, func(x *stage) { x.gone = true }, RolloutOvertaken, "the service was removed"},
	},
	"nobody can look, and then again": {
		{time.Second, both(update("updating"), fails(1, sources.TaskStarting, "")), RolloutRolling, ""},
		{time.Second, func(x *stage) { x.state = sources.Reconnecting }, RolloutWaiting, "could not look: no route to host"},
		{2 * time.Minute, nil, RolloutWaiting, "could not look"},
		{30 * time.Second, func(x *stage) { x.state = sources.Live }, RolloutRolling, ""},
		{2 * time.Minute, nil, RolloutRolling, ""}, // the time in the dark does not count
		{2 * time.Minute, nil, RolloutFailed, "no progress for"},
	},
	"nobody can look for too long": {
		{time.Second, func(x *stage) { x.state = sources.Reconnecting }, RolloutWaiting, "could not look"},
		{3*time.Minute + time.Second, nil, RolloutUnseen, "could not look"},
	},
	"no node": {
		{time.Second, both(update("updating"), fails(1, sources.TaskPending, "no suitable node (insufficient resources on 1 node)")), RolloutRolling, ""},
		{BlockedDeadline - time.Second, nil, RolloutRolling, ""},
		{2 * time.Second, nil, RolloutFailed, "no suitable node (insufficient resources on 1 node)"},
	},
	"no node for a moment": {
		{time.Second, both(update("updating"), fails(1, sources.TaskPending, "no suitable node (insufficient resources on 1 node)")), RolloutRolling, ""},
		{BlockedDeadline - time.Second, fails(1, sources.TaskRunning, ""), RolloutRolling, ""},
		{BlockedDeadline, nil, RolloutRolling, ""},
	},
	"a crash loop without an update": {
		{time.Second, both(update("completed"), running), RolloutSettling, ""},
		{time.Second, both(fails(1, sources.TaskFailed, "exit 1"), fails(1, sources.TaskFailed, "exit 1"), fails(1, sources.TaskFailed, "exit 1"), fails(1, sources.TaskStarting, "")), RolloutRolling, "crash loop"},
		{LoopDeadline - time.Second, nil, RolloutRolling, "crash loop"},
		{2 * time.Second, nil, RolloutFailed, "crash loop"},
	},
	"a crash loop from before": {
		{0, func(x *stage) {
			x.now = x.now.Add(-time.Minute)
			fails(1, sources.TaskFailed, "exit 1")(x)
			fails(1, sources.TaskFailed, "exit 1")(x)
			x.now = x.now.Add(time.Minute)
			running(x)
		}, RolloutRolling, "crash loop"},
		{LoopDeadline + time.Second, nil, RolloutRolling, "crash loop"},
		{fleet.FlapCalm - LoopDeadline, nil, RolloutDone, ""},
	},
	"an image is pulled": {
		{time.Second, both(update("updating"), fails(1, sources.TaskPreparing, "")), RolloutRolling, ""},
		{PullDeadline - 2*time.Second, nil, RolloutRolling, ""},
		{3 * time.Second, nil, RolloutFailed, "an image is still being pulled"},
	},
	"a long delay between tasks": {
		{0, func(x *stage) {
			x.change.Policy.Delay = 5 * time.Minute
			update("updating")(x)
			x.task(1, sources.TaskRunning, "")
		}, RolloutRolling, ""},
		{9 * time.Minute, nil, RolloutRolling, ""}, // the first is well by now
		{10 * time.Minute, nil, RolloutRolling, ""},
		{time.Minute, nil, RolloutFailed, "no progress for 11m"},
	},
	"to nothing": {
		{time.Second, func(x *stage) {
			x.s.Desired, x.desired, x.s.Generation, x.generation, x.s.Version = 0, 0, older, older, 21
			for i := range x.tasks {
				x.tasks[i].Desired = sources.TaskRemove
			}
		}, RolloutRolling, ""},
		{time.Second, func(x *stage) { x.tasks[0].State = sources.TaskShutdown }, RolloutRolling, ""},
		{time.Second, func(x *stage) { x.tasks = nil }, RolloutDone, ""},
	},
}

func TestRollout(t *testing.T) {
	for name, acts := range rollouts {
		t.Run(name, func(t *testing.T) {
			x := newStage()
			for i, a := range acts {
				x.now = x.now.Add(a.after)
				if a.happen != nil {
					a.happen(x)
				}
				r := x.look()
				if r.State != a.state || !strings.Contains(r.Reason, a.says) {
					t.Fatalf("act %d: %s %q (%d of %d, %d well), want %s %q", i, r.State, r.Reason, r.Fresh, r.Want, r.Well, a.state, a.says)
				}
				if x.last.State != r.State || x.last.Reason != r.Reason {
					t.Fatalf("act %d: it is remembered as %s %q", i, x.last.State, x.last.Reason)
				}
			}
		})
	}
}

// Old stands beside new, the failures of the newer one are counted, and the time left is by the service's own history.
func TestRolloutSlots(t *testing.T) {
	x := newStage()
	x.change.Usually = time.Minute
	update("updating")(x)
	x.now = x.now.Add(10 * time.Second)
	for _, state := range []sources.TaskState{sources.TaskFailed, sources.TaskFailed, sources.TaskRunning} {
		x.task(1, state, "exit 1")
		x.now = x.now.Add(time.Second)
	}
	r := x.look()
	if len(r.Slots) != 2 || r.Fresh != 1 || r.Want != 2 || r.Left != 47*time.Second {
		t.Fatalf("%+v", r)
	}
	one, two := r.Slots[0], r.Slots[1]
	if one.Failures != 2 || one.Failed == nil || one.New == nil || one.New.State != sources.TaskRunning || one.Old == nil || one.Node != "node1" {
		t.Errorf("%+v", one)
	}
	if two.New != nil || two.Old == nil || two.Old.ID != "old2" || two.Failures != 0 {
		t.Errorf("%+v", two)
	}
	x.now = x.now.Add(time.Hour)
	x.task(1, sources.TaskRunning, "")
	if r := x.look(); r.Left < time.Second && !r.State.Ended() {
		t.Errorf("%s is left", r.Left)
	}
}
