package stages

import (
	"fmt"
	"strconv"

	"quarterdeck/sources/fleet"
)

// Labels that declare how a service is scaled, and what a node costs (STAGES.md, the last paragraph).
const (
	labelScale    = "qd.autoscale.enable"
	labelScaleMax = "qd.autoscale.max"
	labelPrice    = "qd.price.hour"
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
	Fix:       "see whether what scales your services runs; Quarterdeck has no autoscaler yet",
	judge: func(e *Evidence, _ *Settings) Finding {
		const evidence = "the autoscaler's heartbeat"
		if e.Fleet == nil || e.Fleet.Listed.IsZero() {
			return unknown(evidence, e.reason(fleet.SwarmName, "the swarm has not been read"))
		}
		for _, v := range e.services() {
			if v.Labels[labelScale] == "true" {
				return unknown(evidence, v.Name+" has a policy, and no autoscaler's heartbeat is read")
			}
		}
		return notApplicable(evidence, "no service has a policy")
	},
}

var costPerService = &Check{
	ID: "cost-per-service", Stage: 4,
	Question:  "is it known what each service costs?",
	Why:       "What has no price is never made smaller. A figure for each service turns 'the cloud is dear' into one decision.",
	Threshold: func(*Settings) string { return "every node that runs tasks has a price; one without fails" },
	Fix:       "docker node update --label-add " + labelPrice + "=0.12 NODE",
	judge: func(e *Evidence, _ *Settings) Finding {
		const evidence = "docker node inspect NODE: Spec.Labels " + labelPrice
		if e.Fleet == nil || len(e.Fleet.Nodes) == 0 {
			return unknown(evidence, e.reason(fleet.SwarmName, "the swarm has not been read"))
		}
		f := Finding{Evidence: evidence}
		for i := range e.Fleet.Nodes {
			n := &e.Fleet.Nodes[i]
			if p, err := strconv.ParseFloat(n.Labels[labelPrice], 64); err != nil || p < 0 || p != p {
				f.Subjects = append(f.Subjects, Subject{Name: n.Name, State: Fail, Says: "what an hour of it costs is not known, so what runs on it has no cost", Set: labelPrice + "=0.12"})
			}
		}
		f.State = worst(f.Subjects)
		f.Value = fmt.Sprintf("%d of %s have a price", len(e.Fleet.Nodes)-len(f.Subjects), count(len(e.Fleet.Nodes), "node"))
		return f
	},
}

var costAnomaly = &Check{
	ID: "cost-anomaly", Stage: 4,
	Question:  "did a day's cost rise out of the ordinary?",
	Why:       "A forgotten replica costs until somebody reads the bill. Against its own week the rise is seen on the day that it begins.",
	Threshold: func(*Settings) string { return "under +30% of the median of 7 days; under +50% is a warning" },
	Fix:       "see what grew: replicas, reservations, a node (9)",
	judge: func(*Evidence, *Settings) Finding {
		return unknown("the day's mean against the median of 7 days", "what services cost is not followed over time")
	},
}

var newServiceTime = &Check{
	ID: "new-service-time", Stage: 4, Attested: 180,
	Question: "does a new service take less than two hours, from the first commit until it runs?",
	Why:      "Where a new service takes a week, what belongs apart is put together. Two hours are a template, a pipeline and nobody to ask.",
	Threshold: func(*Settings) string {
		return "a person's word that the last one took less than 2 hours, for 180 days"
	},
	Fix: "quarterdeck attest new-service-time --note TEXT",
}

var teamNotBottleneck = &Check{
	ID: "team-not-bottleneck", Stage: 4, Attested: 90,
	Question:  "does nobody wait for the infrastructure's team?",
	Why:       "Ten times the traffic with the same team works only where the others serve themselves. A queue of tickets is the sign that they cannot.",
	Threshold: func(*Settings) string { return "a person's word, for 90 days" },
	Fix:       "quarterdeck attest team-not-bottleneck --note TEXT",
}
