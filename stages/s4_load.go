package stages

import (
	"fmt"
	"strconv"

	"quarterdeck/sources/fleet"
)

// Labels that declare how a service is scaled (STAGES.md, the last paragraph).
const (
	labelScale    = "qd.autoscale.enable"
	labelScaleMax = "qd.autoscale.max"
)

var timeAtMax = &Check{
	ID: "time-at-max", Stage: 4,
	Question: "have services room above them, most of the day?",
	Why:      "At its maximum a service takes no more load, whatever decides. Hours there mean that the bound was set for a smaller day.",
	Threshold: func(s *Settings) string {
		return fmt.Sprintf("at the maximum of replicas for less than %.0f%% of the last day; under %.0f%% is a warning", 100*s.AtMaxPass, 100*s.AtMaxWarn)
	},
	Fix: "raise qd.autoscale.max where the nodes hold it (9)",
	judge: func(e *Evidence, s *Settings) Finding {
		const evidence = "tasks of each service over the last day, as the container metrics have them, against its label " + labelScaleMax
		if e.Fleet == nil || e.Fleet.Listed.IsZero() {
			return unknown(evidence, e.reason(fleet.SwarmName, "the swarm has not been read"))
		}
		f, judged := Finding{Evidence: evidence}, 0
		for _, v := range e.services() {
			most, err := strconv.Atoi(v.Labels[labelScaleMax])
			if v.Labels[labelScale] != "true" || err != nil || most < 1 {
				continue
			}
			judged++
			if e.Counts == nil {
				return unknown(evidence, e.reason(fleet.PrometheusName, "Prometheus has not told how many tasks there were"))
			}
			share, ok := atLeast(e.Counts[v.Name], float64(most))
			if !ok {
				f.Subjects = append(f.Subjects, Subject{Name: v.Name, State: Unknown, Says: "no container metrics of it"})
				continue
			}
			x := Subject{Name: v.Name, Says: fmt.Sprintf("%.0f%% of the day at its maximum of %d", 100*share, most), Set: fmt.Sprintf("%s=%d", labelScaleMax, most+most/2+1)}
			switch {
			case share >= s.AtMaxWarn:
				x.State = Fail
			case share >= s.AtMaxPass:
				x.State = Warn
			default:
				continue
			}
			f.Subjects = append(f.Subjects, x)
		}
		if judged == 0 {
			return notApplicable(evidence, "no service has a policy with a maximum: see autoscale-policy")
		}
		f.State, f.Value = worst(f.Subjects), fmt.Sprintf("%d of %s", judged-len(f.Subjects), count(judged, "service"))
		return f
	},
}

// atLeast is the share of a series' points that are not under a bound.
func atLeast(points []float64, bound float64) (share float64, ok bool) {
	if len(points) == 0 {
		return 0, false
	}
	n := 0
	for _, v := range points {
		if v >= bound {
			n++
		}
	}
	return float64(n) / float64(len(points)), true
}

var autoscalerAlive = &Check{
	ID: "autoscaler-alive", Stage: 4,
	Question:  "does what scales the services still run?",
	Why:       "Policies that nothing reads scale nothing. An autoscaler that died on Friday is found out by Monday's users.",
	Threshold: func(*Settings) string { return "a heartbeat in the last 2 intervals; 5 is a warning" },
	Fix:       "quarterdeck autoscale run as a service on a manager, scraped by Prometheus (docs/autoscale.md)",
	judge: func(e *Evidence, _ *Settings) Finding {
		const evidence = heartbeatQuery
		if e.Fleet == nil || e.Fleet.Listed.IsZero() {
			return unknown(evidence, e.reason(fleet.SwarmName, "the swarm has not been read"))
		}
		policies := 0
		for _, v := range e.services() {
			if v.Labels[labelScale] == "true" {
				policies++
			}
		}
		switch {
		case policies == 0:
			return notApplicable(evidence, "no service has a policy")
		case e.Beats == nil && e.Up == nil:
			return unknown(evidence, e.reason(fleet.PrometheusName, "Prometheus was not asked"))
		case e.Beats == nil:
			return Finding{State: Fail, Evidence: evidence, Value: fmt.Sprintf("%s with a policy, and no autoscaler's heartbeat in an hour", count(policies, "service"))}
		}
		f := Finding{State: Pass, Evidence: evidence, Value: fmt.Sprintf("decided %.1f intervals ago", *e.Beats)}
		switch {
		case *e.Beats > beatsWarn:
			f.State = Fail
		case *e.Beats > beatsPass:
			f.State = Warn
		}
		return f
	},
}

// beatsPass and beatsWarn are how many of its intervals an autoscaler may be silent, with the time that a scrape takes to be seen.
const (
	beatsPass = 2
	beatsWarn = 5
)

var teamNotBottleneck = &Check{
	ID: "team-not-bottleneck", Stage: 4, Attested: 90,
	Question:  "does nobody wait for the infrastructure's team?",
	Why:       "Ten times the traffic with the same team works only where the others serve themselves. A queue of tickets is the sign that they cannot.",
	Threshold: func(*Settings) string { return "a person's word, for 90 days" },
	Fix:       "quarterdeck attest team-not-bottleneck --note TEXT",
}
