package stages

import (
	"time"

	"quarterdeck/sources/fleet"
)

// restartDelayMost is how long a task that has ended may stay away before another is started.
const restartDelayMost = 30 * time.Second

var restartPolicy = &Check{
	ID: "restart-policy", Stage: 1,
	Question: "is every task that dies replaced, and soon?",
	Why:      "A restart condition of none turns the first crash into an outage that lasts until somebody looks. A delay of minutes does the same, a little shorter.",
	Threshold: func(*Settings) string {
		return "condition any or on-failure without a bound on attempts, delay at most 30 s, for all"
	},
	Fix: "set `deploy.restart_policy` in the service's stack file",
	judge: func(e *Evidence, _ *Settings) Finding {
		f, _ := e.each("docker service inspect SERVICE: Spec.TaskTemplate.RestartPolicy", func(v *fleet.Service) *Subject {
			r := v.Restart
			switch {
			case r.Condition == "none":
				return &Subject{State: Fail, Says: "a task that dies is not replaced", Set: "restart_policy: {condition: any}"}
			case r.MaxAttempts > 0 && r.Window == 0:
				return &Subject{State: Fail, Says: "after some failures it is not started again, ever", Set: "restart_policy: {condition: any}, without max_attempts or with a window"}
			case r.Delay > restartDelayMost:
				return &Subject{State: Fail, Says: "a task that dies is away for " + r.Delay.String(), Set: "restart_policy: {delay: 5s}"}
			}
			return nil
		})
		return f
	},
}
