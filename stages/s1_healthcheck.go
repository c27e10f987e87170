package stages

import (
	"fmt"

	"quarterdeck/sources/fleet"
)

var svcHealthcheck = &Check{
	ID: "svc-healthcheck", Stage: 1,
	Question: "does every service have a health check?",
	Why:      "Without one the swarm takes a process for a service: a task that hangs keeps its users, and an update goes on over tasks that serve nobody. With one both are seen in seconds.",
	Threshold: func(s *Settings) string {
		return fmt.Sprintf("all; a warning from %.0f%% on", 100*s.HealthcheckWarn)
	},
	Fix: "set `healthcheck:` in the service's stack file",
	judge: func(e *Evidence, s *Settings) Finding {
		f, good := e.each("docker service inspect SERVICE: Spec.TaskTemplate.ContainerSpec.Healthcheck; of an image's own, its config in the registry", func(v *fleet.Service) *Subject {
			switch {
			case v.Healthcheck == "none":
				return &Subject{State: Fail, Says: "its health check is switched off"}
			case v.Healthcheck != "":
				return nil
			}
			x, missing := e.fact(v)
			switch {
			case missing != nil:
				return &Subject{State: Unknown, Says: "its spec has none, and its image may: " + missing.Says}
			case x.Healthcheck:
				return nil
			case x.Found && !x.Read:
				return &Subject{State: Unknown, Says: "its spec has none, and its image, which may, was not looked at yet"}
			case !x.Found:
				return &Subject{State: Unknown, Says: "its spec has none, and its registry has not the image any more, which may"}
			}
			return &Subject{State: Fail, Says: "neither its spec nor its image has one", Set: `healthcheck: {test: ["CMD", "/app/healthcheck"], interval: 10s, timeout: 3s, retries: 3}`}
		})
		if f.State == Fail && good >= s.HealthcheckWarn {
			f.State = Warn
		}
		return f
	},
}
