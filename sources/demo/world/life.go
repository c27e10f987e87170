package world

import (
	"slices"
	"strings"
	"time"
)

// anyService is one that is deployed now and then.
func (w *World) anyService() *Service {
	names := []string{"shop_web", "shop_api", "shop_cart", "shop_payments", "batch_worker"}
	if w.big {
		all := w.sorted()
		return all[w.rng.IntN(len(all))]
	}
	s, _ := w.find(names[w.rng.IntN(len(names))])
	return s
}

// liveByItself lets deploys and now and then an incident happen.
func (w *World) liveByItself() {
	var deploy, incident func()
	deploy = func() {
		if s := w.anyService(); s != nil && s.updater == nil && !s.crash && !w.touched(s) {
			ref, _, _ := strings.Cut(s.Spec.TaskTemplate.ContainerSpec.Image, "@")
			if i := strings.LastIndexByte(ref, '.'); i > 0 {
				if err := w.deploy(s, ref[:i+1]+itoa(1+w.rng.IntN(60))); err != nil {
					w.log.Warn("deploy", "err", err)
				}
			}
		}
		w.after(w.between(6*time.Minute, 15*time.Minute), deploy)
	}
	incident = func() {
		all := slices.DeleteFunc(scripts(), func(s script) bool { return s.Cause == "" })
		one := all[w.rng.IntN(len(all))]
		lasts := w.between(3*time.Minute, 6*time.Minute)
		if w.incident[one.Name] == nil { // else somebody rehearses it: it is theirs to end
			if err := w.startScenario(one.Name); err != nil {
				w.log.Warn("incident", "name", one.Name, "err", err)
			}
			ours := w.incident[one.Name]
			w.after(lasts, func() {
				if ours != nil && w.incident[one.Name] == ours {
					_ = w.stopScenario(one.Name)
				}
			})
		}
		w.after(w.between(20*time.Minute, 40*time.Minute), incident)
	}
	w.after(w.between(90*time.Second, 4*time.Minute), deploy)
	w.after(w.between(12*time.Minute, 20*time.Minute), incident)
}
