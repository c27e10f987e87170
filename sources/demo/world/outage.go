package world

import (
	"time"

	"github.com/moby/moby/api/types/swarm"
)

// outage is what it costs that nothing of a service runs.
type outage struct{ ends []func() }

// call is a service's need of another one: the share of its requests that fail without it, and what it then says.
type call struct {
	caller string
	errors float64
	words  string
}

// calls are who needs whom on the platform of twelve, by whom.
var calls = map[string][]call{
	"shop_store":    {{"shop_api", 0.45, "store: dial tcp: lookup store on 127.0.0.11:53: no such host"}, {"shop_web", 0.3, "api: 502 Bad Gateway"}},
	"shop_cache":    {{"shop_cart", 0.5, "cache: dial tcp: lookup cache on 127.0.0.11:53: no such host"}, {"shop_api", 0.06, "cache: dial tcp: lookup cache on 127.0.0.11:53: no such host"}, {"batch_worker", 0.6, "queue: dial tcp: lookup cache on 127.0.0.11:53: no such host"}},
	"shop_api":      {{"shop_web", 0.9, "api: dial tcp: lookup api on 127.0.0.11:53: no such host"}},
	"shop_cart":     {{"shop_web", 0.12, "cart: dial tcp: lookup cart on 127.0.0.11:53: no such host"}},
	"shop_payments": {{"shop_cart", 0.08, "payments: dial tcp: lookup payments on 127.0.0.11:53: no such host"}},
}

// outageAfter is how long nothing of a service runs before anybody feels it: a connection or two is kept.
const outageAfter = 2 * time.Second

// lookAfter begins and ends a service's outage with its last and first running task.
func (w *World) lookAfter(s *Service) {
	if s.Spec.Mode.Replicated == nil || s.Profile.Requests == 0 && (w.big || len(calls[s.Spec.Name]) == 0) {
		return
	}
	runs := s.serves()
	switch {
	case runs && s.dark != nil:
		for _, end := range s.dark.ends {
			end()
		}
		s.dark = nil
	case !runs && s.dark == nil:
		d := &outage{}
		s.dark = d
		w.after(outageAfter, func() {
			if s.dark == d {
				w.darken(s, d)
			}
		})
	}
}

func (s *Service) serves() bool {
	for _, tasks := range s.slots {
		for _, t := range tasks {
			if t.Status.State == swarm.TaskStateRunning && (t.node == nil || t.node.Status.State == swarm.NodeStateReady) {
				return true
			}
		}
	}
	return false
}

// darken lets a service's proxy answer for it, with 503 (Traefik's allowEmptyServices), and its callers fail.
func (w *World) darken(s *Service, d *outage) {
	if s.Profile.Requests > 0 {
		d.ends = append(d.ends, w.effectOf(s, Effect{Signal: Dark, Value: 1}))
	}
	if w.big {
		return
	}
	for _, c := range calls[s.Spec.Name] {
		if up, err := w.find(c.caller); err == nil {
			d.ends = append(d.ends, w.effectOf(up, Effect{Signal: Errors, Value: c.errors}), w.effectOf(up, Effect{Signal: Words, Note: c.words}))
		}
	}
}
