package world

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
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
	failed   map[string]bool      // slots whose new task failed within the monitor time
	since    map[string]time.Time // task id -> when it was made
	waiting  map[string]func()    // task id -> what follows when it runs or fails
	ended    bool
}

// Update gives a service a new spec. version must be the present one.
func (w *World) Update(ref string, version uint64, spec swarm.ServiceSpec) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	s, err := w.find(ref)
	if err != nil {
		return err
	}
	if version != s.Version.Index {
		return ErrSequence
	}
	return w.apply(s, spec)
}

// Rollback is POST update?rollback=previous.
func (w *World) Rollback(ref string, version uint64) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	s, err := w.find(ref)
	if err != nil {
		return err
	}
	if version != s.Version.Index {
		return ErrSequence
	}
	if s.PreviousSpec == nil {
		return fmt.Errorf("rpc error: code = FailedPrecondition desc = service %s does not have a previous spec: %w", s.ID, ErrInvalid)
	}
	w.rollBack(s, "manually requested rollback")
	return nil
}

func (w *World) apply(s *Service, spec swarm.ServiceSpec) error {
	if err := w.check(s, &spec); err != nil {
		return err
	}
	old := s.Spec
	s.PreviousSpec, s.Spec = &old, spec
	s.Endpoint = endpointOf(w, &spec)
	changed := !reflect.DeepEqual(old.TaskTemplate, spec.TaskTemplate)
	if changed {
		s.prevGen = s.gen
		s.lastGen++
		s.gen = s.lastGen
		if broken(spec.TaskTemplate.ContainerSpec.Image) {
			s.bad[spec.TaskTemplate.ContainerSpec.Image] = true
		}
	}
	s.UpdateStatus = nil
	w.bump(&s.Meta)
	w.event(events.ServiceEventType, events.ActionUpdate, s.ID, changes(&old, &spec))
	w.reconcile(s)
	if changed {
		w.roll(s, false, "update in progress")
	}
	return nil
}

// check is what the engine refuses.
func (w *World) check(s *Service, spec *swarm.ServiceSpec) error {
	switch {
	case spec.TaskTemplate.ContainerSpec == nil || spec.TaskTemplate.ContainerSpec.Image == "":
		return fmt.Errorf("rpc error: code = InvalidArgument desc = ContainerSpec: image reference must be provided: %w", ErrInvalid)
	case s != nil && spec.Name != s.Spec.Name:
		return fmt.Errorf("rpc error: code = Unimplemented desc = renaming services is not supported: %w", ErrInvalid)
	case s != nil && (spec.Mode.Global == nil) != (s.Spec.Mode.Global == nil):
		return fmt.Errorf("rpc error: code = Unimplemented desc = service mode change is not allowed: %w", ErrInvalid)
	case spec.Mode.Replicated != nil && spec.Mode.Replicated.Replicas != nil && *spec.Mode.Replicated.Replicas > 100_000:
		return fmt.Errorf("rpc error: code = InvalidArgument desc = the demo runs at most 100,000 replicas: %w", ErrInvalid)
	}
	return nil
}

func changes(old, spec *swarm.ServiceSpec) map[string]string {
	a := map[string]string{"name": spec.Name}
	if x, y := old.TaskTemplate.ContainerSpec.Image, spec.TaskTemplate.ContainerSpec.Image; x != y {
		a["image.old"], a["image.new"] = x, y
	}
	if x, y := old.Mode.Replicated, spec.Mode.Replicated; x != nil && y != nil && x.Replicas != nil && y.Replicas != nil && *x.Replicas != *y.Replicas {
		a["replicas.old"], a["replicas.new"] = fmt.Sprint(*x.Replicas), fmt.Sprint(*y.Replicas)
	}
	return a
}

// mark sets a service's update state and tells of it.
func (w *World) mark(s *Service, state swarm.UpdateState, message string, done bool) {
	attrs := map[string]string{"name": s.Spec.Name, "updatestate.new": string(state)}
	next := swarm.UpdateStatus{State: state, Message: message}
	if s.UpdateStatus != nil {
		attrs["updatestate.old"] = string(s.UpdateStatus.State)
		next.StartedAt = s.UpdateStatus.StartedAt
	}
	now := w.now().UTC()
	if state == swarm.UpdateStateUpdating || state == swarm.UpdateStateRollbackStarted || next.StartedAt == nil {
		next.StartedAt = &now
	}
	if done {
		next.CompletedAt = &now
	}
	s.UpdateStatus = &next
	w.bump(&s.Meta)
	w.event(events.ServiceEventType, events.ActionUpdate, s.ID, attrs)
}

// roll starts the rolling update of all slots that are not of the present generation.
func (w *World) roll(s *Service, rollback bool, message string) {
	if s.updater != nil {
		s.updater.ended = true
		s.updater = nil
	}
	u := &updater{w: w, s: s, rollback: rollback, failed: map[string]bool{}, since: map[string]time.Time{}, waiting: map[string]func(){}}
	u.config = swarm.UpdateConfig{Parallelism: 1, FailureAction: swarm.UpdateFailureActionPause, Monitor: 5 * time.Second, Order: swarm.UpdateOrderStopFirst}
	c := s.Spec.UpdateConfig
	if rollback {
		c = s.Spec.RollbackConfig
	}
	if c != nil {
		u.config = *c
	}
	if u.config.Monitor == 0 {
		u.config.Monitor = 5 * time.Second
	}
	for _, key := range w.wanted(s) {
		if t := s.live(key); t == nil || t.spec != s.gen {
			u.queue = append(u.queue, key)
		}
	}
	u.total = max(len(u.queue), 1)
	s.updater = u
	state := swarm.UpdateStateUpdating
	if rollback {
		state = swarm.UpdateStateRollbackStarted
	}
	w.mark(s, state, message, false)
	workers := int(u.config.Parallelism) //nolint:gosec // small
	if workers == 0 {
		workers = len(u.queue)
	}
	for range min(workers, len(u.queue)) {
		u.busy++
		u.next()
	}
	if u.busy == 0 {
		w.after(u.config.Monitor, u.finish)
	}
}

// next replaces one slot's task and comes again when that has settled.
func (u *updater) next() {
	if u.ended {
		return
	}
	if len(u.queue) == 0 {
		if u.busy--; u.busy == 0 {
			u.w.after(u.config.Monitor, u.finish)
		}
		return
	}
	key := u.queue[0]
	u.queue = u.queue[1:]
	old := u.s.live(key)
	settled := func() { u.w.after(u.config.Delay, u.next) }
	make1 := func(follow func()) {
		if u.ended {
			return
		}
		t := u.w.newTask(u.s, key)
		u.since[t.ID] = u.w.now()
		u.waiting[t.ID] = follow
		u.w.launch(t)
	}
	switch {
	case old == nil:
		make1(settled)
	case u.config.Order == swarm.UpdateOrderStartFirst:
		make1(func() {
			if t := u.s.live(key); t != nil && t != old && t.Status.State == swarm.TaskStateRunning {
				u.w.stop(old, swarm.TaskStateShutdown, nil)
			}
			settled()
		})
	default:
		u.w.stop(old, swarm.TaskStateShutdown, func() { make1(settled) })
	}
}

func (u *updater) release(t *Task) {
	if follow := u.waiting[t.ID]; follow != nil {
		delete(u.waiting, t.ID)
		follow()
	}
}

func (u *updater) onRunning(t *Task) {
	if !u.ended {
		u.release(t)
	}
}

// onFailed counts a failure of a new task within the monitor time and acts on it.
func (u *updater) onFailed(t *Task) {
	at, ours := u.since[t.ID]
	if u.ended || t.spec != u.s.gen {
		return
	}
	if ours && u.w.now().Sub(at) > u.config.Monitor+u.s.Profile.Prepare+u.s.Profile.StartTime {
		return
	}
	u.failed[t.slotName()] = true
	if float32(len(u.failed))/float32(u.total) > u.config.MaxFailureRatio {
		switch {
		case u.config.FailureAction == swarm.UpdateFailureActionRollback && !u.rollback && u.s.PreviousSpec != nil:
			u.ended = true
			u.w.rollBack(u.s, "update rolled back due to failure or early termination of task "+t.ID)
			return
		case u.config.FailureAction != swarm.UpdateFailureActionContinue:
			u.pause(t.ID)
			return
		}
	}
	u.release(t)
}

func (u *updater) pause(task string) {
	u.ended = true
	u.s.updater = nil
	if u.rollback {
		u.w.mark(u.s, swarm.UpdateStateRollbackPaused, "rollback paused due to failure or early termination of task "+task, false)
		return
	}
	u.w.mark(u.s, swarm.UpdateStatePaused, "update paused due to failure or early termination of task "+task, false)
}

func (u *updater) finish() {
	if u.ended {
		return
	}
	u.ended = true
	u.s.updater = nil
	if u.rollback {
		u.w.mark(u.s, swarm.UpdateStateRollbackCompleted, "rollback completed", true)
		return
	}
	u.w.mark(u.s, swarm.UpdateStateCompleted, "update completed", true)
}

// rollBack returns to the previous spec, which is then no longer known.
func (w *World) rollBack(s *Service, message string) {
	old := s.Spec
	s.Spec, s.PreviousSpec = *s.PreviousSpec, nil
	s.gen = s.prevGen
	s.Endpoint = endpointOf(w, &s.Spec)
	w.bump(&s.Meta)
	w.event(events.ServiceEventType, events.ActionUpdate, s.ID, changes(&old, &s.Spec))
	// A start-first update that failed has left the old tasks at work beside the failing new ones.
	for _, tasks := range s.slots {
		for _, t := range slices.Clone(tasks) {
			if t.spec != s.gen && t.spec == s.lastGen && w.other(t) {
				w.stop(t, swarm.TaskStateShutdown, nil)
			}
		}
	}
	w.reconcile(s)
	w.roll(s, true, message)
}

// other tells whether a slot has another task that is meant to run and is of the present generation.
func (w *World) other(t *Task) bool {
	if ended(t.DesiredState) {
		return false
	}
	for _, o := range t.service.slots[t.slotName()] {
		if o != t && o.spec == t.service.gen && o.DesiredState == swarm.TaskStateRunning {
			return true
		}
	}
	return false
}

// Deploy updates a service's image, as `docker service update --image` does. A tag with "bad" or
// "broken" in it crashes, one that begins with "missing" cannot be pulled.
func (w *World) Deploy(ref, image string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	s, err := w.find(ref)
	if err != nil {
		return err
	}
	return w.deploy(s, image)
}

func (w *World) deploy(s *Service, image string) error {
	spec := s.Spec
	box := *spec.TaskTemplate.ContainerSpec
	if !strings.Contains(image, "@") && !missing(image) {
		image += "@" + digestOf(image)
	}
	if box.Image == image {
		spec.TaskTemplate.ForceUpdate++
	}
	box.Image = image
	spec.TaskTemplate.ContainerSpec = &box
	return w.apply(s, spec)
}

// Create makes a new service and returns its id.
func (w *World) Create(spec swarm.ServiceSpec) (string, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.check(nil, &spec); err != nil {
		return "", err
	}
	for _, s := range w.services {
		if s.Spec.Name == spec.Name {
			return "", fmt.Errorf("rpc error: code = AlreadyExists desc = name conflicts with an existing object: service %s already exists: %w", spec.Name, ErrConflict)
		}
	}
	if spec.Mode.Replicated == nil && spec.Mode.Global == nil && spec.Mode.ReplicatedJob == nil {
		one := uint64(1)
		spec.Mode.Replicated = &swarm.ReplicatedService{Replicas: &one}
	}
	s := &Service{slots: map[string][]*Task{}, bad: map[string]bool{}, gen: 1, lastGen: 1, hash: hashText(spec.Name) ^ w.seed}
	s.Profile = Profile{Kind: "go", Format: "logfmt", Errors: 0.001, Median: 0.05, Sigma: 0.5, CPU: 0.05, Memory: 40 * mib, Lines: 0.2, Prepare: 500 * time.Millisecond, StartTime: time.Second}
	s.shape = newShape(s.hash)
	s.ID = w.nextID()
	s.CreatedAt = w.now().UTC()
	s.Spec = spec
	s.Endpoint = endpointOf(w, &spec)
	if broken(spec.TaskTemplate.ContainerSpec.Image) {
		s.bad[spec.TaskTemplate.ContainerSpec.Image] = true
	}
	w.bump(&s.Meta)
	w.services[s.ID] = s
	w.event(events.ServiceEventType, events.ActionCreate, s.ID, map[string]string{"name": spec.Name})
	w.reconcile(s)
	return s.ID, nil
}

// Remove takes a service and its tasks away.
func (w *World) Remove(ref string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	s, err := w.find(ref)
	if err != nil {
		return err
	}
	if s.updater != nil {
		s.updater.ended = true
	}
	delete(w.services, s.ID)
	for _, tasks := range s.slots {
		for _, t := range slices.Clone(tasks) {
			w.stop(t, swarm.TaskStateRemove, nil)
		}
	}
	w.event(events.ServiceEventType, events.ActionRemove, s.ID, map[string]string{"name": s.Spec.Name})
	return nil
}

// CrashLoop makes a service's containers crash shortly after their start, or lets them live again.
func (w *World) CrashLoop(ref string, on bool) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	s, err := w.find(ref)
	if err != nil {
		return err
	}
	s.crash = on
	if !on {
		return nil
	}
	for _, key := range w.wanted(s) {
		if t := s.live(key); t != nil && t.Status.State == swarm.TaskStateRunning {
			w.then(t, w.between(200*time.Millisecond, 2*time.Second), func() {
				w.lastWords(t)
				w.end(t, swarm.TaskStateFailed, "started", "task: non-zero exit (1)", exit(1))
			})
		}
	}
	return nil
}
