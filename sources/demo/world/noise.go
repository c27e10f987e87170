package world

import (
	"slices"
	"strings"
	"time"

	"github.com/moby/moby/api/types/swarm"
)

// noise is what a healthy platform does all day, and what a diagnosis must not take for a cause: failures of hours ago
// that were got over, deploys of others, warnings that have always been there, a certificate of an old name that nobody looks after and that has weeks left.
func noise(w *World, in *incident) error {
	const forgotten = "old.shop.example"
	w.serveCertificate(forgotten, seconds(w.now()), seconds(w.now())+18*day)
	in.undo = append(in.undo, func() { w.serveCertificate(forgotten, seconds(w.now()), seconds(w.now())+90*day) })
	for i, name := range []string{"platform_loki", "shop_web", "batch_worker"} {
		if s, err := w.subject(&incident{}, runs, name); err == nil {
			w.failedBefore(s, time.Duration(50+95*i)*time.Minute, []int{1, 2, 137}[i])
		}
	}
	w.every(in, 6*time.Second, func() time.Duration { return w.between(100*time.Second, 4*time.Minute) }, func() { w.deployElsewhere() })
	w.every(in, 12*time.Second, func() time.Duration { return w.between(25*time.Second, 70*time.Second) }, func() {
		if s := w.bystander(func(s *Service) bool { return runs(s) && s.Profile.Format != "plain" }); s != nil {
			w.warn(s, 15+w.rng.IntN(40))
		}
	})
	return nil
}

// bystander is a service that no incident is about, drawn from the seed, or nil.
func (w *World) bystander(fit func(*Service) bool) *Service {
	all := slices.DeleteFunc(w.sorted(), func(s *Service) bool { return !fit(s) || w.touched(s) || s.updater != nil || s.crash })
	if len(all) == 0 {
		return nil
	}
	return all[w.rng.IntN(len(all))]
}

// deployElsewhere deploys a service that is no part of any incident, and on which no other one depends.
func (w *World) deployElsewhere() {
	s := w.bystander(func(s *Service) bool {
		u := s.Spec.UpdateConfig
		return s.Spec.Mode.Replicated != nil && len(s.effects) == 0 && (w.big || strings.HasPrefix(s.Spec.Name, "platform_") || u != nil && u.Order == swarm.UpdateOrderStartFirst)
	})
	if s == nil {
		return
	}
	ref, _, _ := strings.Cut(s.Spec.TaskTemplate.ContainerSpec.Image, "@")
	if i := strings.LastIndexByte(ref, '.'); i > 0 {
		if err := w.deploy(s, ref[:i+1]+itoa(1+w.rng.IntN(60))); err != nil {
			w.log.Warn("deploy", "err", err)
		}
	}
}

// failedBefore puts a task into a service's history that failed a while ago and was replaced by the one that runs.
func (w *World) failedBefore(s *Service, ago time.Duration, code int) {
	tasks := w.atWork(s)
	if len(tasks) == 0 {
		return
	}
	now := tasks[len(tasks)-1]
	at := w.now().Add(-ago)
	if seconds(at) < now.box.Start+60 { // it has not been there for as long
		return
	}
	t := &Task{service: s, spec: s.gen, node: now.node}
	t.Task = now.Task
	t.ID = w.nextID()
	t.UpdatedAt = at.UTC()
	t.DesiredState = swarm.TaskStateShutdown
	w.openBox(t, time.Unix(0, int64(now.box.Start*1e9)))
	t.box.End, t.box.ExitCode = seconds(at), code
	t.Status = swarm.TaskStatus{
		State: swarm.TaskStateFailed, Timestamp: at.UTC(), Message: "started", Err: "task: non-zero exit (" + itoa(code) + ")",
		ContainerStatus: &swarm.ContainerStatus{ContainerID: t.box.ID, ExitCode: code},
	}
	w.tasks[t.ID] = t
	slot := now.slotName()
	s.slots[slot] = append([]*Task{t}, s.slots[slot]...)
	w.trim(s, slot)
	// The one that runs has been there since.
	next := at.Add(7 * time.Second)
	now.CreatedAt, now.UpdatedAt, now.Status.Timestamp = at.UTC(), next.UTC(), next.UTC()
	now.box.Start = seconds(next)
}

// warn lets one of a service's containers write warnings of the kinds that it always writes.
func (w *World) warn(s *Service, lines int) {
	tasks := w.atWork(s)
	if len(tasks) == 0 {
		return
	}
	box := *tasks[w.rng.IntN(len(tasks))].box
	seed, first := w.rng.Uint64(), w.now().UnixNano()-int64(lines)*int64(3*time.Millisecond)
	at := func(i int) Line {
		return Line{T: first + int64(i)*int64(3*time.Millisecond), Box: &box, Level: Warn, seed: mix(seed + uint64(i))} //nolint:gosec // a hash
	}
	w.keep(&batch{box: &box, n: lines, at: at, first: first, last: first + int64(lines-1)*int64(3*time.Millisecond), bytes: 256})
}
