package world

import (
	"slices"
	"strings"
	"time"

	"github.com/moby/moby/api/types/swarm"
)

func badDeploy(w *World, in *incident) error {
	rollsBack := func(s *Service) bool {
		return runs(s) && s.Spec.UpdateConfig != nil && s.Spec.UpdateConfig.FailureAction == swarm.UpdateFailureActionRollback
	}
	s, err := w.subject(in, rollsBack, "shop_api", "shop_web")
	if err != nil {
		return err
	}
	ref, _, _ := strings.Cut(s.Spec.TaskTemplate.ContainerSpec.Image, "@")
	w.saying(in, s, Effect{Signal: Errors, Value: 0.08}, Effect{Signal: Latency, Value: 1.8})
	w.after(90*time.Second, func() { // the rollback ends what users saw, and the incident with it
		if !in.ended {
			_ = w.stopScenario(in.name)
		}
	})
	return w.deploy(s, ref[:strings.LastIndexByte(ref, ':')]+":2.32.0-bad")
}

// sickDeploy is the deploy that no health check finds: what is wrong shows in the answers and in the diff.
func sickDeploy(w *World, in *incident) error {
	s, err := w.subject(in, runs, "shop_api", "shop_web")
	if err != nil {
		return err
	}
	spec := cloned(&s.Spec)
	before := s.Spec.TaskTemplate.ContainerSpec
	box := spec.TaskTemplate.ContainerSpec
	ref, _, _ := strings.Cut(box.Image, "@")
	ref = ref[:strings.LastIndexByte(ref, ':')] + ":2.32.0"
	bad := ref + "@" + digestOf(ref)
	box.Image = bad
	box.Env = append(box.Env, "DB_POOL_SIZE=4", "DB_POOL_TIMEOUT=250ms")
	if err := w.apply(s, spec); err != nil {
		return err
	}
	w.saying(in, s, Effect{Signal: Errors, Value: 0.22}, Effect{Signal: Latency, Value: 2.4}, Effect{Signal: Words, Note: "store: no connection within 250ms (pool exhausted: 4 of 4 in use)"})
	in.undo = append(in.undo, func() {
		if w.services[s.ID] == s && s.Spec.TaskTemplate.ContainerSpec.Image == bad { // nobody has taken it back
			back := s.Spec
			back.TaskTemplate.ContainerSpec = before
			if err := w.apply(s, back); err != nil {
				w.log.Warn("take the deploy back", "err", err)
			}
		}
	})
	in.over = func() bool {
		return w.services[s.ID] != s || s.Spec.TaskTemplate.ContainerSpec.Image != bad &&
			!slices.ContainsFunc(w.wanted(s), func(key slotKey) bool {
				t := s.live(key)
				return t != nil && t.Spec.ContainerSpec.Image == bad
			})
	}
	return nil
}

func desiredZero(w *World, in *incident) error {
	s, err := w.subject(in, runs, "shop_cart", "shop_payments")
	if err != nil {
		return err
	}
	had := *s.Spec.Mode.Replicated.Replicas
	return w.changeSpec(in, s,
		func(spec *swarm.ServiceSpec) { spec.Mode.Replicated.Replicas = new(uint64) },
		func(spec *swarm.ServiceSpec) bool { return *spec.Mode.Replicated.Replicas == 0 },
		func(spec, _ *swarm.ServiceSpec) { spec.Mode.Replicated.Replicas = &had })
}
