package stages

import (
	"fmt"

	"quarterdeck/sources/fleet"
)

var logsPerService = &Check{
	ID: "logs-per-service", Stage: 2, Stack: "observe",
	Question: "do the logs of every service arrive?",
	Why:      "A service whose lines do not arrive is found by logging in to its node, and a dead task's lines go with it. It is noticed on the night that they are needed.",
	Threshold: func(s *Settings) string {
		return fmt.Sprintf("every service had a line in the last hour; a warning from %.0f%% on", 100*s.LoggedWarn)
	},
	Fix: "set `logging: {driver: loki}` in the stack file, or let Alloy read the engine's logs",
	judge: func(e *Evidence, s *Settings) Finding {
		const evidence = `sum by (swarm_service) (count_over_time({swarm_service=~".+"}[1h]))`
		if e.Logged == nil {
			return unknown(evidence, e.reason("loki", "Loki was not asked"))
		}
		f, good := e.each(evidence, func(v *fleet.Service) *Subject {
			switch {
			case e.Logged[v.Name] > 0:
				return nil
			case e.Now.Sub(v.Created) < settling:
				return nil // it has hardly begun
			}
			return &Subject{State: Fail, Says: "no line in the last hour (log driver " + or(v.LogDriver, "of the engine") + ")"}
		})
		if f.State == Fail && good >= s.LoggedWarn {
			f.State = Warn
		}
		return f
	},
}
