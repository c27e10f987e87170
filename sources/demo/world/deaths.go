package world

import (
	"time"

	"github.com/moby/moby/api/types/events"
	"github.com/moby/moby/api/types/swarm"
)

func crashLoop(w *World, in *incident) error {
	s, err := w.subject(in, runs, "shop_payments")
	if err != nil {
		return err
	}
	s.crash = true
	for _, t := range w.atWork(s) {
		w.then(t, w.between(100*time.Millisecond, time.Second), func() { w.crash(t) })
	}
	in.over = w.reconfigured(s)
	in.undo = append(in.undo, func() { s.crash = false })
	w.saying(in, s, Effect{Signal: Errors, Value: 0.6})
	return nil
}

// oom is a leak that fills the limit in half a minute; the kernel reclaims what it can for as long again.
func oom(w *World, in *incident) error {
	s, err := w.subject(in, runs, "shop_cart")
	if err != nil {
		return err
	}
	limit, image := 192.0*mib, s.Spec.TaskTemplate.ContainerSpec.Image
	if l := limitsOf(s); l != nil && l.MemoryBytes > 0 {
		limit = float64(l.MemoryBytes)
	}
	leak := limit / 25
	w.saying(in, s, Effect{Signal: Leak, Value: leak}, Effect{Signal: Words, Value: 0.02, Note: "cannot allocate 8388608 bytes"})
	kill := func(t *Task) {
		left := max((limit-s.Profile.Memory*t.box.scale*0.9)/leak, 5) + 40*spread(mix(t.box.hash+31), 0.1)
		w.then(t, time.Duration(left*float64(time.Second)), func() {
			if s.onRun != nil {
				w.say(t.box, Warn, fields{"ts", clock(w.now().UnixNano()), "level", "warn", "msg", "heap is near the limit", "limit", int(limit)}.in(s.Profile.Format))
				t.box.OOM = true
				w.boxEvent(events.ActionOOM, t, nil)
				w.fail(t, 137)
			}
		})
	}
	s.onRun = kill
	for _, t := range w.atWork(s) {
		kill(t)
	}
	in.over = func() bool {
		l := limitsOf(s)
		return w.services[s.ID] != s || l == nil || float64(l.MemoryBytes) >= 1.5*limit || l.MemoryBytes == 0 || s.Spec.TaskTemplate.ContainerSpec.Image != image
	}
	in.undo = append(in.undo, func() { s.onRun = nil })
	return nil
}

func limitsOf(s *Service) *swarm.Limit {
	if r := s.Spec.TaskTemplate.Resources; r != nil {
		return r.Limits
	}
	return nil
}

// taskKilled is `docker kill` of one container after another: what the task says of it is what it says of a kill for
// memory.
func taskKilled(w *World, in *incident) error {
	s, err := w.subject(in, runs, "shop_web")
	if err != nil {
		return err
	}
	turn := 0
	w.every(in, 2*time.Second, func() time.Duration { return 20 * time.Second }, func() {
		all := w.atWork(s)
		if len(all) == 0 {
			return
		}
		t := all[turn%len(all)]
		turn++
		w.boxEvent(events.ActionKill, t, map[string]string{"signal": "9"})
		w.fail(t, 137)
	})
	return nil
}

// changeSpec updates the subject's spec as somebody would who errs. bad tells a spec that still has the fault from one
// that has not, and mend takes it out of one.
func (w *World) changeSpec(in *incident, s *Service, change func(spec *swarm.ServiceSpec), bad func(spec *swarm.ServiceSpec) bool, mend func(spec, before *swarm.ServiceSpec)) error {
	before, spec := s.Spec, cloned(&s.Spec)
	change(&spec)
	in.over = func() bool { return w.services[s.ID] != s || !bad(&s.Spec) }
	in.undo = append(in.undo, func() {
		if in.over() {
			return
		}
		back := cloned(&s.Spec)
		mend(&back, &before)
		if err := w.apply(s, back); err != nil {
			w.log.Warn("take a change back", "scenario", in.name, "err", err)
		}
	})
	return w.apply(s, spec)
}

func exitsCleanly(w *World, in *incident) error {
	s, err := w.subject(in, stopsFirst, "batch_worker", "shop_cart")
	if err != nil {
		return err
	}
	return w.changeSpec(in, s,
		func(spec *swarm.ServiceSpec) {
			spec.TaskTemplate.ContainerSpec.Args = append(spec.TaskTemplate.ContainerSpec.Args, onceFlag)
		},
		func(spec *swarm.ServiceSpec) bool { return once(spec.TaskTemplate.ContainerSpec) },
		func(spec, before *swarm.ServiceSpec) {
			spec.TaskTemplate.ContainerSpec.Args = before.TaskTemplate.ContainerSpec.Args
		})
}

func healthcheckFailing(w *World, in *incident) error {
	s, err := w.subject(in, func(s *Service) bool { return stopsFirst(s) && s.Spec.TaskTemplate.ContainerSpec.Healthcheck != nil }, "shop_cart", "shop_cache")
	if err != nil {
		return err
	}
	return w.changeSpec(in, s,
		func(spec *swarm.ServiceSpec) {
			spec.TaskTemplate.ContainerSpec.Healthcheck.Test = []string{"CMD-SHELL", "wget -q -O- http://127.0.0.1:9090/healthz || exit 1"}
		},
		func(spec *swarm.ServiceSpec) bool { return sick(spec.TaskTemplate.ContainerSpec) },
		func(spec, before *swarm.ServiceSpec) {
			spec.TaskTemplate.ContainerSpec.Healthcheck = before.TaskTemplate.ContainerSpec.Healthcheck
		})
}
