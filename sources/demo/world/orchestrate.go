package world

import (
	"slices"
	"strings"
	"time"

	"github.com/moby/moby/api/types/events"
	"github.com/moby/moby/api/types/swarm"
)

// taskHistory is swarmkit's TaskHistoryRetentionLimit: tasks kept a slot, the live one among them.
const taskHistory = 5

func (w *World) newTask(s *Service, key slotKey) *Task {
	now := w.now().UTC()
	t := &Task{service: s, spec: s.gen}
	t.ID = w.nextID()
	t.CreatedAt = now
	w.bump(&t.Meta)
	t.ServiceID, t.Slot, t.NodeID = s.ID, key.slot, key.node
	t.Spec = s.Spec.TaskTemplate
	t.Labels = map[string]string{}
	t.DesiredState = swarm.TaskStateRunning
	t.Status = swarm.TaskStatus{State: swarm.TaskStateNew, Timestamp: now, Message: "created"}
	w.tasks[t.ID] = t
	name := key.String()
	s.slots[name] = append(s.slots[name], t)
	w.trim(s, name)
	return t
}

// trim drops the oldest ended tasks of a slot past the history's limit.
func (w *World) trim(s *Service, slot string) {
	tasks := s.slots[slot]
	for i := 0; len(tasks) > taskHistory && i < len(tasks); {
		if !ended(tasks[i].Status.State) {
			i++
			continue
		}
		delete(w.tasks, tasks[i].ID)
		tasks = slices.Delete(slices.Clone(tasks), i, i+1)
	}
	s.slots[slot] = tasks
}

func ended(s swarm.TaskState) bool {
	switch s {
	case swarm.TaskStateComplete, swarm.TaskStateShutdown, swarm.TaskStateFailed, swarm.TaskStateRejected, swarm.TaskStateRemove, swarm.TaskStateOrphaned:
		return true
	}
	return false
}

// set moves a task to a state with the engine's own words.
func (w *World) set(t *Task, state swarm.TaskState, message, err string) {
	status := swarm.TaskStatus{State: state, Timestamp: w.now().UTC(), Message: message, Err: err, ContainerStatus: t.Status.ContainerStatus}
	t.Status = status
	t.step++
	w.bump(&t.Meta)
	w.lookAfter(t.service)
}

// then goes on with a task after a time, unless something else happened to it meanwhile.
func (w *World) then(t *Task, d time.Duration, do func()) {
	step := t.step
	w.after(d, func() {
		if t.step == step && w.tasks[t.ID] == t && (t.node == nil || t.node.Status.State == swarm.NodeStateReady) {
			do()
		}
	})
}

// launch takes a new task on its way: new, pending, assigned, accepted, preparing, ready, starting, running.
func (w *World) launch(t *Task) {
	w.then(t, w.between(10*time.Millisecond, 60*time.Millisecond), func() {
		if !ended(t.DesiredState) && !w.address(t) { // the allocator comes back to it, and says nothing
			w.then(t, time.Second, func() { w.launch(t) })
			return
		}
		w.set(t, swarm.TaskStatePending, "pending task scheduling", "")
		w.assign(t)
	})
}

func (w *World) assign(t *Task) {
	if ended(t.DesiredState) {
		w.set(t, swarm.TaskStateShutdown, "shutdown", "")
		return
	}
	w.place(t)
	if t.node == nil {
		why := w.unplaceable(t)
		if t.Status.Err != why {
			w.set(t, swarm.TaskStatePending, "pending task scheduling", why)
		}
		w.then(t, 2*time.Second, func() { w.assign(t) })
		return
	}
	w.set(t, swarm.TaskStateAssigned, "scheduler assigned task to node", "")
	w.then(t, w.between(30*time.Millisecond, 120*time.Millisecond), func() {
		w.set(t, swarm.TaskStateAccepted, "accepted", "")
		w.then(t, 30*time.Millisecond, func() {
			w.set(t, swarm.TaskStatePreparing, "preparing", "")
			w.then(t, time.Duration(float64(t.service.Profile.Prepare)*spread(mix(w.turn), 0.3)), func() { w.prepared(t) })
		})
	})
}

func (w *World) prepared(t *Task) {
	image := t.Spec.ContainerSpec.Image
	if missing(image) {
		ref, _, _ := strings.Cut(image, "@")
		w.end(t, swarm.TaskStateRejected, "preparing", "No such image: "+ref, nil)
		return
	}
	if path := noSource(t.Spec.ContainerSpec); path != "" {
		w.end(t, swarm.TaskStateRejected, "preparing", "invalid mount config for type \"bind\": bind source path does not exist: "+path, nil)
		return
	}
	w.set(t, swarm.TaskStateReady, "prepared", "")
	if t.DesiredState == swarm.TaskStateRunning {
		w.start(t)
	}
}

// start makes the container of a prepared task.
func (w *World) start(t *Task) {
	w.openBox(t, w.now())
	t.Status.ContainerStatus = &swarm.ContainerStatus{ContainerID: t.box.ID, PID: 2000 + int(t.box.hash%30000)}
	w.set(t, swarm.TaskStateStarting, "starting", "")
	w.boxEvent(events.ActionCreate, t, nil)
	s := t.service
	if why, code := w.unstartable(t.Spec.ContainerSpec); why != "" {
		w.then(t, w.between(100*time.Millisecond, 300*time.Millisecond), func() { w.end(t, swarm.TaskStateFailed, "starting", why, &code) })
		return
	}
	w.boxEvent(events.ActionStart, t, nil)
	if s.crash || broken(t.Spec.ContainerSpec.Image) {
		w.doom(t)
		return
	}
	if t.box.Sick {
		w.ail(t)
		return
	}
	w.then(t, time.Duration(float64(s.Profile.StartTime)*spread(mix(t.box.hash+9), 0.25)), func() { w.running(t) })
}

func (w *World) running(t *Task) {
	w.set(t, swarm.TaskStateRunning, "started", "")
	if t.box.Checked {
		w.boxEvent(events.ActionHealthStatusHealthy, t, nil)
	}
	if t.service.onRun != nil {
		t.service.onRun(t)
	}
	if u := t.service.updater; u != nil {
		u.onRunning(t)
	}
	if t.Status.State != swarm.TaskStateRunning {
		return
	}
	if j := w.jobOf(t.Spec.ContainerSpec); j != nil {
		w.work(t, j)
	} else if once(t.Spec.ContainerSpec) {
		w.finish(t)
	}
}

// crash ends a container with its last words on stderr.
func (w *World) crash(t *Task) {
	w.lastWords(t)
	w.fail(t, 1)
}

// doom lets a container crash by itself shortly after its start. One with a health check never gets past starting.
func (w *World) doom(t *Task) {
	begin := func(d time.Duration) { w.then(t, d, func() { w.crash(t) }) }
	if t.box.Checked {
		begin(w.between(900*time.Millisecond, 2200*time.Millisecond)) // it never gets healthy
		return
	}
	w.then(t, 400*time.Millisecond, func() {
		w.running(t)
		begin(w.between(1500*time.Millisecond, 4*time.Second))
	})
}

// patience is the longest that the demo waits for a health check that never passes, whatever its spec says.
const patience = 8 * time.Second

// ail lets a container run unhealthy in its starting state until the agent gives it up: it is killed, since it does
// not end by itself when it is asked to.
func (w *World) ail(t *Task) {
	wait := patience
	if h := t.Spec.ContainerSpec.Healthcheck; h != nil && h.Interval > 0 && h.Retries > 0 {
		wait = min(wait, h.StartPeriod+time.Duration(h.Retries)*h.Interval)
	}
	w.then(t, wait, func() {
		w.boxEvent(events.ActionHealthStatusUnhealthy, t, nil)
		w.boxEvent(events.ActionKill, t, map[string]string{"signal": "15"})
		w.end(t, swarm.TaskStateFailed, t.Status.Message, "task: non-zero exit (137): dockerexec: unhealthy container", exit(137))
	})
}

func exit(code int) *int { return &code }

// fail ends a task whose container has ended with an error. As in swarmkit's agent, the message stays that of the last
// step that went well ("starting", "started"), and nothing tells an out-of-memory kill but its code, 137.
func (w *World) fail(t *Task, code int) {
	w.end(t, swarm.TaskStateFailed, t.Status.Message, "task: non-zero exit ("+itoa(code)+")", &code)
}

// end ends a task for good and lets the restart policy have its say.
func (w *World) end(t *Task, state swarm.TaskState, message, why string, code *int) {
	if cs := t.Status.ContainerStatus; cs != nil && code != nil {
		t.Status.ContainerStatus = &swarm.ContainerStatus{ContainerID: cs.ContainerID, ExitCode: *code}
	}
	w.set(t, state, message, why)
	w.closeBox(t, code)
	w.release(t)
	meant := t.meant()
	t.DesiredState = swarm.TaskStateShutdown
	if !meant {
		return
	}
	w.restart(t) // comes first: a rollback finds the slot with the replacement in it
	if u := t.service.updater; u != nil {
		u.onFailed(t)
	}
}

func (w *World) closeBox(t *Task, code *int) {
	if t.box == nil || t.box.End < seconds(w.now()) {
		return
	}
	t.box.End = seconds(w.now())
	if code != nil {
		t.box.ExitCode = *code
	}
	status := itoa(t.box.ExitCode)
	w.boxEvent(events.ActionDie, t, map[string]string{"exitCode": status, "execDuration": itoa(int(t.box.End - t.box.Start))})
}

// restart replaces an ended task after the restart delay: until then the new one is desired ready.
func (w *World) restart(old *Task) {
	s, key := old.service, old.key()
	replaced := slices.ContainsFunc(s.lives(key), func(t *Task) bool { return t.spec == s.gen })
	if w.services[s.ID] != s || replaced || !slices.Contains(w.wanted(s), key) {
		return
	}
	delay := 5 * time.Second
	if p := s.Spec.TaskTemplate.RestartPolicy; p != nil {
		if p.Condition == swarm.RestartPolicyConditionNone || p.Condition == swarm.RestartPolicyConditionOnFailure && old.Status.State == swarm.TaskStateComplete {
			return
		}
		if p.Delay != nil {
			delay = *p.Delay
		}
	}
	t := w.newTask(s, key)
	t.DesiredState = swarm.TaskStateReady
	w.launch(t)
	w.after(delay, func() { w.promote(t) })
}

// promote lets a task run that was made ready beforehand.
func (w *World) promote(t *Task) {
	if t.DesiredState != swarm.TaskStateReady {
		return
	}
	t.DesiredState = swarm.TaskStateRunning
	w.bump(&t.Meta)
	if t.Status.State == swarm.TaskStateReady {
		w.start(t)
	}
}

// stop asks a task to shut down; done, if not nil, runs when it has.
func (w *World) stop(t *Task, desired swarm.TaskState, done func()) {
	t.DesiredState = desired
	w.bump(&t.Meta)
	finish := func() {
		if !ended(t.Status.State) && (t.node == nil || t.node.Status.State == swarm.NodeStateReady) {
			w.set(t, swarm.TaskStateShutdown, "shutdown", "")
		}
		w.closeBox(t, exit(0))
		w.release(t)
		if desired == swarm.TaskStateRemove {
			w.forget(t)
		}
		if done != nil {
			done()
		}
	}
	if ended(t.Status.State) || t.box == nil {
		finish()
		return
	}
	if t.node != nil && t.node.Status.State != swarm.NodeStateReady {
		w.release(t) // nobody can stop it: its last known state stays on show
		if done != nil {
			done()
		}
		return
	}
	t.step++
	if t.payload != nil {
		t.payload.interrupt()
	}
	w.boxEvent(events.ActionKill, t, map[string]string{"signal": "15"})
	w.after(w.between(200*time.Millisecond, 900*time.Millisecond), finish)
}

func (w *World) forget(t *Task) {
	delete(w.tasks, t.ID)
	name := t.slotName()
	t.service.slots[name] = slices.DeleteFunc(slices.Clone(t.service.slots[name]), func(o *Task) bool { return o == t })
	if len(t.service.slots[name]) == 0 {
		delete(t.service.slots, name)
	}
}

// reconcile fills the slots that are wanted and empties the others.
func (w *World) reconcile(s *Service) {
	wanted := map[string]bool{}
	for _, key := range w.wanted(s) {
		wanted[key.String()] = true
		if s.live(key) == nil {
			w.launch(w.newTask(s, key))
		}
	}
	for _, name := range s.slotNames() {
		if wanted[name] {
			continue
		}
		for _, t := range slices.Clone(s.slots[name]) {
			if s.Spec.Mode.Global != nil {
				if t.meant() {
					w.stop(t, swarm.TaskStateShutdown, nil)
				}
			} else if t.DesiredState != swarm.TaskStateRemove {
				w.stop(t, swarm.TaskStateRemove, nil)
			}
		}
	}
}
