package stages

import (
	"fmt"
	"time"
)

var mttd = &Check{
	ID: "mttd", Stage: 2,
	Question: "is trouble noticed in minutes?",
	Why:      "Until an alert fires users are the monitoring. The time is what the rules' own waits add up to, or what the incidents of the past have shown, whichever is worse.",
	Threshold: func(s *Settings) string {
		return fmt.Sprintf("under %s; under %s is a warning", inMinutes(s.DetectPass), inMinutes(s.DetectWarn))
	},
	Fix: "shorten `for:` of the critical rules, the evaluation interval, or group_wait",
	judge: func(e *Evidence, s *Settings) Finding {
		const evidence = "scrape and evaluation interval, `for` of the critical rules, group_wait; and the incidents of the record"
		if e.Detect.Rules == 0 && e.Detect.Incidents == 0 {
			return unknown(evidence, e.reason("prometheus", "neither the rules nor an incident tell"))
		}
		slowest := max(e.Detect.Rules, e.Detect.Measured)
		f := Finding{State: Pass, Evidence: evidence, Value: "by the rules " + inMinutes(e.Detect.Rules)}
		if e.Detect.Incidents > 0 {
			f.Value += fmt.Sprintf("; in %s it took %s", count(e.Detect.Incidents, "incident"), inMinutes(e.Detect.Measured))
		}
		switch {
		case slowest >= s.DetectWarn:
			f.State = Fail
		case slowest >= s.DetectPass:
			f.State = Warn
		}
		return f
	},
}

var noShellNeeded = &Check{
	ID: "no-shell-needed", Stage: 2,
	Question:  "can every node and service be seen without a shell?",
	Why:       "What can only be seen on a server is seen by the one who has the key to it, at the moment that they are awake. The three sources together must know every node and every service.",
	Threshold: func(*Settings) string { return "swarm, logs and metrics know all; any that one does not know fails" },
	Fix:       "see logs-per-service, metrics-per-service and targets-up",
	judge: func(e *Evidence, s *Settings) Finding {
		const evidence = "what the swarm, Loki and Prometheus know, beside each other"
		parts := []Finding{logsPerService.judge(e, s), metricsPerService.judge(e, s)}
		f := Finding{Evidence: evidence, State: Pass, Value: "all"}
		seen := map[string]bool{}
		for _, p := range parts {
			if p.State == Unknown {
				return unknown(evidence, p.Reason)
			}
			for _, x := range p.Subjects {
				if !seen[x.Name] {
					seen[x.Name] = true
					f.Subjects = append(f.Subjects, x)
				}
			}
		}
		for i := range e.Fleet.Nodes {
			n := &e.Fleet.Nodes[i]
			if n.Up() && n.MemoryUsed != n.MemoryUsed { // NaN: no figure
				f.Subjects = append(f.Subjects, Subject{Name: n.Name, State: Fail, Says: "no figures of it come"})
			}
		}
		if f.State = worst(f.Subjects); f.State != Pass {
			f.Value = "not of " + count(len(f.Subjects), "thing")
		}
		return f
	},
}

var dashboardHabit = &Check{
	ID: "dashboard-habit", Stage: 2, Attested: 30,
	Question:  "does the team look before it is called?",
	Why:       "A dashboard that nobody opens tells nobody anything. Looking once a day is how a slow change is seen before it is an incident.",
	Threshold: func(*Settings) string { return "a person's word, for 30 days" },
	Fix:       "quarterdeck attest dashboard-habit --note TEXT",
}

var dashboardPerService = &Check{
	ID: "dashboard-per-service", Stage: 2,
	Question:  "has every service a dashboard?",
	Why:       "In an incident nobody has the time to make one. What is on it is what the team has learnt about the service.",
	Threshold: func(*Settings) string { return "at least one each; none fails" },
	Fix:       "tag a dashboard in Grafana with the service's name",
	judge: func(*Evidence, *Settings) Finding {
		return unknown("GET /api/search?tag=SERVICE of Grafana", "Grafana's dashboards are not read")
	},
}

func inMinutes(d time.Duration) string {
	if d < time.Minute {
		return fmt.Sprintf("%.0f s", d.Seconds())
	}
	return fmt.Sprintf("%.1f min", d.Minutes())
}
