package stages

import (
	"fmt"

	"quarterdeck/sources"
	"quarterdeck/sources/fleet"
)

// keeps tells whether a service has data of its own: a volume that outlives its tasks.
func keeps(v *fleet.Service) bool {
	for i := range v.Mounts {
		if m := &v.Mounts[i]; m.Type == "volume" && m.Source != "" && !m.ReadOnly {
			return true
		}
	}
	return false
}

var zeroDowntimeUpdate = &Check{
	ID: "zero-downtime-update", Stage: 1,
	Question: "does an update leave somebody who serves, and go back by itself when it fails?",
	Why:      "The engine's default stops the old task before it starts the new one, and pauses half-way when that fails. Start-first with rollback and two replicas turns a bad deploy into one that nobody notices.",
	Threshold: func(*Settings) string {
		return "start-first, failure action rollback, at least 2 replicas; pause is a warning; stop-first with 1 replica fails, but for one that keeps data in a volume, of which start-first is a warning"
	},
	Fix: "set `deploy.update_config` and `replicas` in the service's stack file",
	judge: func(e *Evidence, _ *Settings) Finding {
		f, _ := e.each("docker service inspect SERVICE: Spec.UpdateConfig.Order, .FailureAction, Spec.Mode", func(v *fleet.Service) *Subject {
			u := v.Update
			single := v.Mode == sources.Replicated && v.Desired < 2
			switch {
			case single && keeps(v): // two tasks at once would write to one volume: it stops first, and that is right
				return lonely(u)
			case u.Order != "start-first" && single:
				return &Subject{State: Fail, Says: "one replica that is stopped before the next is started: each deploy is an outage", Set: "update_config: {order: start-first, failure_action: rollback}"}
			case u.FailureAction != "rollback":
				return &Subject{State: Warn, Says: fmt.Sprintf("a deploy that fails is left half-way (failure action %s)", or(u.FailureAction, "pause")), Set: "update_config: {failure_action: rollback}"}
			case single:
				return &Subject{State: Warn, Says: "one replica: when its node fails nobody serves until it runs elsewhere", Set: "replicas: 2"}
			case v.Mode == sources.Replicated && u.Order != "start-first":
				return &Subject{State: Warn, Says: "stop-first: a replica less serves during each deploy", Set: "update_config: {order: start-first}"}
			}
			return nil
		})
		return f
	},
}

// lonely is what keeps the update settings of a service from passing whose one task has data of its own.
func lonely(u sources.UpdatePolicy) *Subject {
	switch {
	case u.Order == "start-first":
		return &Subject{State: Warn, Says: "each deploy starts its second task on the volume that the first still writes to", Set: "update_config: {order: stop-first}"}
	case u.FailureAction == "continue":
		return &Subject{State: Fail, Says: "a deploy that fails goes on, and nobody serves", Set: "update_config: {failure_action: rollback}"}
	}
	return nil
}
