package world

import (
	"fmt"
	"time"

	"github.com/moby/moby/api/types/events"
	"github.com/moby/moby/api/types/swarm"
)

// updater is one rolling update, as swarmkit's manager/orchestrator/update does it.
type updater struct {
	w        *World
	s        *Service
	config   swarm.UpdateConfig
	rollback bool
	queue    []slotKey
	total    int
	busy     int
	failures int
	since    map[string]time.Time // a new task's id -> when it ran; zero until then
	waiting  map[string]func()    // a new task's id -> what follows when it runs or fails
	ended    bool
}

// changed stores a service and tells of it: one event, which names what differs from old, as the engine's
// daemon/events.go does.
func (w *World) changed(s *Service, old *swarm.Service) {
	w.bump(&s.Meta)
	a := map[string]string{"name": s.Spec.Name}
	if x, y := old.Spec.TaskTemplate.ContainerSpec.Image, s.Spec.TaskTemplate.ContainerSpec.Image; x != y {
		a["image.old"], a["image.new"] = x, y
	}
	if x, y := old.Spec.Mode.Replicated, s.Spec.Mode.Replicated; x != nil && y != nil && x.Replicas != nil && y.Replicas != nil && *x.Replicas != *y.Replicas {
		a["replicas.old"], a["replicas.new"] = fmt.Sprint(*x.Replicas), fmt.Sprint(*y.Replicas)
	}
	if s.UpdateStatus != nil && (old.UpdateStatus == nil || old.UpdateStatus.State != s.UpdateStatus.State) {
		a["updatestate.new"] = string(s.UpdateStatus.State)
		if old.UpdateStatus != nil {
			a["updatestate.old"] = string(old.UpdateStatus.State)
		}
	}
	w.event(events.ServiceEventType, events.ActionUpdate, s.ID, a)
}

// mark sets a service's update state and tells of it. An update that begins has a new start; all that follows keeps it.
func (w *World) mark(s *Service, state swarm.UpdateState, message string, done bool) {
	old := s.Service
	s.UpdateStatus = w.stateOf(s, state, message)
	if done {
		now := w.now().UTC()
		s.UpdateStatus.CompletedAt = &now
	}
	w.changed(s, &old)
}

func (w *World) stateOf(s *Service, state swarm.UpdateState, message string) *swarm.UpdateStatus {
	now := w.now().UTC()
	next := &swarm.UpdateStatus{State: state, Message: message, StartedAt: &now}
	if s.UpdateStatus != nil {
		next.StartedAt = s.UpdateStatus.StartedAt
	}
	return next
}

// begin starts a rolling update a moment after it was asked for: till then, as on a real manager, the service has its
// new spec and no update state. What was under way before ends at once.
func (w *World) begin(s *Service) {
	if s.updater != nil {
		s.updater.ended = true
		s.updater = nil
	}
	s.asked++
	asked := s.asked
	w.after(w.between(40*time.Millisecond, 160*time.Millisecond), func() {
		if s.asked == asked && w.services[s.ID] == s {
			w.roll(s)
		}
	})
}

// roll starts the rolling update of the slots that are not of the present generation alone. Where there is none,
// nothing begins.
func (w *World) roll(s *Service) {
	if s.updater != nil {
		s.updater.ended = true
		s.updater = nil
	}
	rollback := s.UpdateStatus != nil && s.UpdateStatus.State == swarm.UpdateStateRollbackStarted
	u := &updater{w: w, s: s, rollback: rollback, config: configOf(s, rollback), since: map[string]time.Time{}, waiting: map[string]func(){}}
	for _, key := range w.wanted(s) {
		if u.dirty(key) {
			u.queue = append(u.queue, key)
		}
	}
	s.updater = u
	if len(u.queue) == 0 {
		s.updater = nil
		if rollback {
			u.complete()
		}
		return
	}
	if s.UpdateStatus == nil {
		w.mark(s, swarm.UpdateStateUpdating, "update in progress", false)
	}
	u.total = len(u.queue)
	workers := int(u.config.Parallelism) //nolint:gosec // small
	if workers == 0 {
		workers = u.total
	}
	for range min(workers, u.total) {
		u.busy++
		u.next()
	}
}

func configOf(s *Service, rollback bool) swarm.UpdateConfig {
	c := s.Spec.UpdateConfig
	if rollback {
		c = s.Spec.RollbackConfig
	}
	if c == nil {
		return swarm.UpdateConfig{Parallelism: 1, FailureAction: swarm.UpdateFailureActionPause, Monitor: 5 * time.Second, Order: swarm.UpdateOrderStopFirst}
	}
	config := *c
	if config.Monitor == 0 {
		config.Monitor = 5 * time.Second
	}
	return config
}

// dirty tells whether a slot has another task than one of the present generation.
func (u *updater) dirty(key slotKey) bool {
	tasks := u.s.lives(key)
	return len(tasks) > 1 || len(tasks) == 1 && tasks[0].spec != u.s.gen
}

// next brings one slot to the present generation and comes again when that has settled.
func (u *updater) next() {
	if u.ended {
		return
	}
	if len(u.queue) == 0 {
		if u.busy--; u.busy == 0 {
			u.watch()
		}
		return
	}
	key := u.queue[0]
	u.queue = u.queue[1:]
	settled := func() { u.w.after(u.config.Delay, u.next) }
	others, clean := u.sort(key)
	if clean != nil {
		u.stopAll(others, func() { u.w.promote(clean) })
		settled()
		return
	}
	t := u.w.newTask(u.s, key)
	t.DesiredState = swarm.TaskStateReady
	u.since[t.ID] = time.Time{}
	u.w.launch(t)
	if u.config.Order == swarm.UpdateOrderStartFirst {
		u.waiting[t.ID] = func() {
			if t.Status.State == swarm.TaskStateRunning {
				u.stopAll(others, nil)
			}
			settled()
		}
		u.w.promote(t)
		return
	}
	u.waiting[t.ID] = settled
	u.stopAll(others, func() { u.w.promote(t) })
}

// sort splits a slot's tasks into one of the present generation, the one that is meant to run first, and the others.
func (u *updater) sort(key slotKey) (others []*Task, clean *Task) {
	for _, t := range u.s.lives(key) {
		if t.spec == u.s.gen && (clean == nil || clean.DesiredState != swarm.TaskStateRunning) {
			if clean != nil {
				others = append(others, clean)
			}
			clean = t
			continue
		}
		others = append(others, t)
	}
	return others, clean
}

// stopAll shuts tasks down; done, if not nil, runs when the last has stopped.
func (u *updater) stopAll(tasks []*Task, done func()) {
	left := len(tasks)
	if left == 0 && done != nil {
		done()
	}
	for _, t := range tasks {
		u.w.stop(t, swarm.TaskStateShutdown, func() {
			if left--; left == 0 && done != nil {
				done()
			}
		})
	}
}

func (u *updater) release(t *Task) {
	if follow := u.waiting[t.ID]; follow != nil {
		delete(u.waiting, t.ID)
		follow()
	}
}

func (u *updater) onRunning(t *Task) {
	if _, ours := u.since[t.ID]; ours && !u.ended {
		u.since[t.ID] = u.w.now()
		u.release(t)
	}
}

// onFailed counts a failure of one of the update's own tasks, before it ran or within the monitor time after, and acts
// on it. What replaces a failed task is not the update's own.
func (u *updater) onFailed(t *Task) {
	at, ours := u.since[t.ID]
	if u.ended || !ours {
		return
	}
	delete(u.since, t.ID)
	if at.IsZero() || u.w.now().Sub(at) <= u.config.Monitor {
		u.failures++
	}
	if float32(u.failures)/float32(u.total) > u.config.MaxFailureRatio {
		switch u.config.FailureAction {
		case swarm.UpdateFailureActionPause:
			u.pause("update paused due to failure or early termination of task " + t.ID)
			return
		case swarm.UpdateFailureActionRollback:
			if u.rollback { // never roll back a rollback
				u.pause("rollback paused due to failure or early termination of task " + t.ID)
				return
			}
			if u.s.PreviousSpec != nil {
				u.w.rollBack(u.s, "update rolled back due to failure or early termination of task "+t.ID, false)
				return
			}
		}
	}
	u.release(t)
}

func (u *updater) pause(message string) {
	u.ended = true
	u.s.updater = nil
	state := swarm.UpdateStatePaused
	if u.rollback {
		state = swarm.UpdateStateRollbackPaused
	}
	u.w.mark(u.s, state, message, false)
}

// watch waits for late failures before the update is called complete.
func (u *updater) watch() {
	monitor := u.config.Monitor
	if u.config.Delay >= monitor {
		monitor = u.config.Delay + time.Second
	}
	u.w.after(monitor, func() {
		if !u.ended {
			u.s.updater = nil
			u.complete()
		}
	})
}

func (u *updater) complete() {
	u.ended = true
	if u.rollback {
		u.w.mark(u.s, swarm.UpdateStateRollbackCompleted, "rollback completed", true)
		return
	}
	u.w.mark(u.s, swarm.UpdateStateCompleted, "update completed", true)
}

// rollBack returns to the previous spec. Asked for by hand, the two change places and the update has a new start; by
// itself, the spec that failed is forgotten.
func (w *World) rollBack(s *Service, message string, byHand bool) {
	s.asked++
	old := s.Service
	failed := s.Spec
	s.Spec, s.PreviousSpec = *s.PreviousSpec, nil
	s.gen, s.prevGen = s.prevGen, s.gen
	if byHand {
		s.PreviousSpec, s.UpdateStatus = &failed, nil
	}
	s.UpdateStatus = w.stateOf(s, swarm.UpdateStateRollbackStarted, message)
	s.Endpoint = endpointOf(w, &s.Spec)
	w.changed(s, &old)
	w.reconcile(s)
	w.roll(s)
}
