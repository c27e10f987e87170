package world

import (
	"strings"
	"time"

	"github.com/moby/moby/api/types/mount"
	"github.com/moby/moby/api/types/swarm"
)

func imageMissing(w *World, in *incident) error {
	s, err := w.subject(in, stopsFirst, "batch_worker", "shop_cart")
	if err != nil {
		return err
	}
	ref, _, _ := strings.Cut(s.Spec.TaskTemplate.ContainerSpec.Image, "@")
	in.over = func() bool { return w.services[s.ID] != s || !missing(s.Spec.TaskTemplate.ContainerSpec.Image) }
	in.undo = append(in.undo, func() {
		if s.PreviousSpec != nil && !in.over() {
			w.rollBack(s, "manually requested rollback", true)
		}
	})
	return w.deploy(s, ref[:strings.LastIndexByte(ref, ':')]+":missing-1.5.0")
}

func startFailed(w *World, in *incident) error {
	s, err := w.subject(in, stopsFirst, "shop_cart", "batch_worker")
	if err != nil {
		return err
	}
	_, short, _ := strings.Cut(s.Spec.Name, "_")
	return w.changeSpec(in, s,
		func(spec *swarm.ServiceSpec) {
			spec.TaskTemplate.ContainerSpec.Command = []string{"/app/" + short + "-server"}
		},
		func(spec *swarm.ServiceSpec) bool { return noProgram(spec.TaskTemplate.ContainerSpec) != "" },
		func(spec, before *swarm.ServiceSpec) {
			spec.TaskTemplate.ContainerSpec.Command = before.TaskTemplate.ContainerSpec.Command
		})
}

func bindMissing(w *World, in *incident) error {
	s, err := w.subject(in, stopsFirst, "shop_cache", "shop_cart", "batch_worker")
	if err != nil {
		return err
	}
	_, short, _ := strings.Cut(s.Spec.Name, "_")
	file := "/srv/" + short + "/" + short + ".conf"
	return w.changeSpec(in, s,
		func(spec *swarm.ServiceSpec) {
			box := spec.TaskTemplate.ContainerSpec
			box.Mounts = append(box.Mounts, mount.Mount{Type: mount.TypeBind, Source: file, Target: "/etc/" + short + ".conf", ReadOnly: true})
		},
		func(spec *swarm.ServiceSpec) bool { return noSource(spec.TaskTemplate.ContainerSpec) != "" },
		func(spec, before *swarm.ServiceSpec) {
			spec.TaskTemplate.ContainerSpec.Mounts = before.TaskTemplate.ContainerSpec.Mounts
		})
}

// secretMissing is the one way to a missing secret: a rollback is not checked as an update is, and a secret that only
// the previous spec refers to can be removed (swarmkit manager/controlapi: UpdateService, RemoveSecret).
func secretMissing(w *World, in *incident) error {
	s, err := w.subject(in, stopsFirst, "batch_worker", "shop_cart")
	if err != nil {
		return err
	}
	before := cloned(&s.Spec)
	var now swarm.ServiceSpec
	var old string
	for _, version := range []string{"v1", "v2"} {
		m := w.foundSecret(s, s.Spec.Name+"_token_"+version)
		now = cloned(&before)
		box := now.TaskTemplate.ContainerSpec
		box.Secrets = append(box.Secrets, &swarm.SecretReference{SecretID: m.id, SecretName: m.Name, File: &swarm.SecretReferenceFileTarget{Name: "token", UID: "0", GID: "0", Mode: 0o400}})
		if version == "v1" {
			old = m.id
		}
		if err := w.apply(s, now); err != nil {
			return err
		}
	}
	lacks := func() bool { return w.absent(s.Spec.TaskTemplate.ContainerSpec) != "" }
	in.undo = append(in.undo, func() {
		if w.services[s.ID] == s && lacks() {
			if err := w.apply(s, now); err != nil {
				w.log.Warn("give the secret that is there", "err", err)
			}
		}
	})
	rolled := false
	w.after(5*time.Second, func() {
		if in.ended || w.services[s.ID] != s || s.PreviousSpec == nil || !same(s.Spec, now) {
			rolled = true // somebody has other plans
			return
		}
		w.forgetSecret(old)
		w.rollBack(s, "manually requested rollback", true)
		rolled = true
	})
	in.over = func() bool { return rolled && (w.services[s.ID] != s || !lacks()) }
	return nil
}

// spareAddresses is how many tasks too many the scenario asks for.
const spareAddresses = 4

func addressesExhausted(w *World, in *incident) error {
	s, err := w.subject(in, runs, "batch_worker", "shop_cart")
	if err != nil {
		return err
	}
	had := *s.Spec.Mode.Replicated.Replicas
	n, detach := w.joinSmall(s)
	in.undo = append(in.undo, detach)
	tasks := w.fits(n)
	return w.changeSpec(in, s,
		func(spec *swarm.ServiceSpec) {
			more := uint64(tasks + spareAddresses) //nolint:gosec // small
			spec.Mode.Replicated.Replicas = &more
		},
		func(spec *swarm.ServiceSpec) bool { return *spec.Mode.Replicated.Replicas > uint64(tasks) }, //nolint:gosec // small
		func(spec, _ *swarm.ServiceSpec) { spec.Mode.Replicated.Replicas = &had })
}
