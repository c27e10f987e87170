package stages

import (
	"slices"
	"strings"

	"quarterdeck/sources/fleet"
)

var metricsPerService = &Check{
	ID: "metrics-per-service", Stage: 2, Stack: "observe",
	Question:  "does every service have figures of CPU, memory, network and disk?",
	Why:       "A leak, a throttled process and a full disk are seen in these four before users feel them. A service without them is one whose trouble begins in the dark.",
	Threshold: func(*Settings) string { return "every service has all four; one that is missing fails" },
	Fix:       "run cAdvisor as a global service, and let Prometheus scrape it",
	judge: func(e *Evidence, _ *Settings) Finding {
		const evidence = "count by (container_label_com_docker_swarm_service_name) (container_last_seen), and the like of each kind"
		if e.Measured == nil {
			return unknown(evidence, e.reason("prometheus", "Prometheus was not asked"))
		}
		var none []string
		for _, kind := range MeasuredKinds {
			if len(e.Measured[kind]) == 0 {
				none = append(none, kind)
			}
		}
		if len(none) == len(MeasuredKinds) {
			return unknown(evidence, "no container's figures carry the name of a service: cAdvisor must see the containers' labels (--whitelisted_container_labels, or store_container_labels)")
		}
		f, _ := e.each(evidence, func(v *fleet.Service) *Subject {
			var missing []string
			for _, kind := range MeasuredKinds {
				if e.Measured[kind][v.Name] == 0 && !slices.Contains(none, kind) {
					missing = append(missing, kind)
				}
			}
			if len(missing) == 0 || v.Running == 0 || e.Now.Sub(v.Created) < settling {
				return nil
			}
			return &Subject{State: Fail, Says: "no " + strings.Join(missing, ", ")}
		})
		for _, kind := range none {
			f.State = Fail
			f.Subjects = append(f.Subjects, Subject{Name: kind, State: Fail, Says: "there is no such figure of any service: see cAdvisor's --disable_metrics"})
		}
		return f
	},
}
