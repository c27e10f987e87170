package stages

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"quarterdeck/sources/fleet"
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
		const evidence = "scrape and evaluation interval, `for` of the critical rules, and 30 s for group_wait (Alertmanager's default); and the incidents of the record"
		byRules, slow := e.detection()
		if byRules == 0 && e.Detect.Incidents == 0 {
			return unknown(evidence, e.reason("prometheus", "there is no critical rule, and no incident whose beginning is known"))
		}
		slowest := max(byRules, e.Detect.Measured)
		f := Finding{State: Pass, Evidence: evidence}
		var parts []string
		if byRules > 0 {
			parts = append(parts, fmt.Sprintf("%s by the slowest critical rule, %s", inMinutes(byRules), slow))
		}
		if e.Detect.Incidents > 0 {
			parts = append(parts, fmt.Sprintf("%s in %s", inMinutes(e.Detect.Measured), count(e.Detect.Incidents, "incident")))
		}
		f.Value = strings.Join(parts, "; ")
		switch {
		case slowest >= s.DetectWarn:
			f.State = Fail
		case slowest >= s.DetectPass:
			f.State = Warn
		}
		return f
	},
}

// groupWait is how long Alertmanager waits for more of a group before it notifies, where its route does not say otherwise
// (prometheus.io, Alertmanager, "Configuration": group_wait).
const groupWait = 30 * time.Second

// detection is how long the slowest critical rule takes from what it sees to a notification, and its name; 0: there is none. What is measured is as old as
// one scrape, a rule sees it one evaluation later, waits for its `for`, which ends at an evaluation, and Alertmanager waits for its group.
func (e *Evidence) detection() (longest time.Duration, name string) {
	var scrape time.Duration
	for i := range e.Targets {
		scrape = max(scrape, e.Targets[i].Every)
	}
	for i := range e.Rules {
		r := &e.Rules[i]
		if !r.Alerting || r.Severity != "critical" {
			continue
		}
		if d := scrape + r.Every + r.For + groupWait; d > longest {
			longest, name = d, r.Name
		}
	}
	return longest, name
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
			f.Value = fmt.Sprintf("%d out of reach", len(f.Subjects))
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
	ID: "dashboard-per-service", Stage: 2, Stack: "observe",
	Question:  "has every service a dashboard?",
	Why:       "In an incident nobody has the time to make one. What is on it is what the team has learnt about the service.",
	Threshold: func(*Settings) string { return "at least one each; none fails" },
	Fix:       "give a dashboard in Grafana the service's name as its tag, its title or its folder; one with a variable for the service the tag " + everyService,
	judge: func(e *Evidence, _ *Settings) Finding {
		const evidence = "GET /api/search?type=dash-db of Grafana: tags, titles and folders"
		if e.Dashboards == nil {
			return unknown(evidence, e.reason(grafanaName, "Grafana's dashboards are not read"))
		}
		named, all := map[string]bool{}, false
		for i := range e.Dashboards {
			d := &e.Dashboards[i]
			all = all || slices.Contains(d.Tags, everyService)
			for _, w := range append([]string{d.Title, d.Folder}, d.Tags...) {
				named[strings.ToLower(w)] = true
			}
		}
		f, _ := e.each(evidence, func(v *fleet.Service) *Subject {
			if all || named[strings.ToLower(v.Name)] {
				return nil
			}
			return &Subject{State: Fail, Says: "no dashboard has its name as a tag, a title or a folder", Set: "tag " + v.Name}
		})
		return f
	},
}

// everyService is the tag of a dashboard that shows any service, by a variable.
const everyService = "every-service"

func inMinutes(d time.Duration) string {
	if d < time.Minute {
		return fmt.Sprintf("%.0f s", d.Seconds())
	}
	return fmt.Sprintf("%.1f min", d.Minutes())
}
