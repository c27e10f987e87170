package fleet

import (
	"slices"

	"quarterdeck/sources"
)

// Stray tells whether an alert is about a service that the swarm does not have, or not any more: rules keep their last series for minutes, and a
// Prometheus may serve several swarms. It is false while the swarm has not been read.
func (s *Snapshot) Stray(a *sources.Alert) bool {
	return a.Service != "" && s.Ready() && s.Service(a.Service) == nil
}

// straysLast puts alerts that are about what the swarm does not have behind those that are about what it has; each half stays in its order. The list is
// shared, and not changed.
func (s *Snapshot) straysLast() {
	stray := func(a sources.Alert) bool { return s.Stray(&a) }
	if !slices.ContainsFunc(s.Alerts, stray) {
		return
	}
	out := make([]sources.Alert, 0, len(s.Alerts))
	for _, want := range []bool{false, true} {
		for i := range s.Alerts {
			if stray(s.Alerts[i]) == want {
				out = append(out, s.Alerts[i])
			}
		}
	}
	s.Alerts = out
}
