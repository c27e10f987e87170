package stages

import (
	"strings"

	"quarterdeck/sources/fleet"
)

var logAgentSupported = &Check{
	ID: "log-agent-supported", Stage: 2, Stack: "observe",
	Question:  "is what ships the logs still maintained?",
	Why:       "Promtail is at its end of life since March 2026: nobody mends it any more. Alloy reads the same files and Docker's own stream, and the Docker driver for Loki is part of Loki.",
	Threshold: func(*Settings) string { return "Alloy, or Loki's Docker driver; Promtail is a warning; none fails" },
	Fix:       "put Alloy in the place of Promtail (alloy convert reads its configuration)",
	judge: func(e *Evidence, _ *Settings) Finding {
		const evidence = "docker service ls: images named alloy or promtail; Spec.TaskTemplate.LogDriver of the services"
		if e.Fleet == nil || e.Fleet.Listed.IsZero() {
			return unknown(evidence, e.reason(fleet.SwarmName, "the swarm has not been read"))
		}
		alloy, promtail, driver := 0, 0, 0
		for _, v := range e.services() {
			name := v.Image[strings.LastIndex(v.Image, "/")+1:]
			switch {
			case strings.HasPrefix(name, "alloy"):
				alloy++
			case strings.HasPrefix(name, "promtail"):
				promtail++
			case strings.Contains(v.LogDriver, "loki"):
				driver++
			}
		}
		f := Finding{Evidence: evidence}
		switch {
		case promtail > 0:
			f.State, f.Value = Warn, "Promtail"
		case alloy > 0:
			f.State, f.Value = Pass, "Alloy"
		case driver > 0:
			f.State, f.Value = Pass, "Loki's Docker driver, in "+count(driver, "service")
		case len(e.Logged) > 0:
			f.State, f.Reason, f.Value = Unknown, "lines arrive, and no service of the swarm is seen that ships them: it may run beside the swarm", "not in the swarm"
		default:
			f.State, f.Value = Fail, "none"
		}
		return f
	},
}
