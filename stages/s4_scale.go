package stages

import (
	"fmt"

	"quarterdeck/capacity"
	"quarterdeck/sources"
	"quarterdeck/sources/fleet"
)

var capacityHeadroom = &Check{
	ID: "capacity-headroom", Stage: 4,
	Question: "does all that runs fit when a node is lost?",
	Why:      "The tasks of a lost node need a place at the very moment that the rest has more to do. What does not fit stays pending, and the loss of one machine becomes an outage.",
	Threshold: func(*Settings) string {
		return "what runs on any one node finds a place on the others; room for one more task is a warning; none fails"
	},
	Fix: "add a node, or take reservations down to what is used (9)",
	judge: func(e *Evidence, _ *Settings) Finding {
		const evidence = "quarterdeck capacity: each node's tasks placed on the others by the scheduler's rules"
		if e.Fleet == nil || len(e.Fleet.Nodes) == 0 {
			return e.noNodes(evidence)
		}
		var freeBytes, freeCPU int64
		var up []*fleet.Node
		for i := range e.Fleet.Nodes {
			if n := &e.Fleet.Nodes[i]; n.Up() && n.Availability == "active" {
				up = append(up, n)
				freeBytes += max(n.MemoryBytes-n.ReservedBytes, 0)
				freeCPU += max(n.NanoCPUs-n.ReservedNanoCPUs, 0)
			}
		}
		reserves := false
		for _, v := range e.services() {
			reserves = reserves || v.Resources.ReserveBytes > 0 || v.Resources.ReserveNanoCPUs > 0
		}
		switch {
		case !reserves:
			return unknown(evidence, "no service reserves anything, so nobody can say what fits: set deploy.resources.reservations")
		case len(up) < 2:
			return Finding{State: Fail, Evidence: evidence, Value: count(len(up), "node") + ": there is nowhere to go"}
		}
		f := Finding{State: Pass, Evidence: evidence, Value: fmt.Sprintf("each of %s could be lost", count(len(up), "node"))}
		tied := map[string]bool{}
		for _, n := range up {
			homeless := 0
			first := ""
			for _, m := range capacity.Lose(e.Fleet, n.ID).Stuck {
				if m.Pinned { // it is its constraints that keep it, and no room would help
					tied[m.Service] = true
					continue
				}
				if homeless += m.Tasks - m.Placed; first == "" {
					first = m.Service + ": " + m.Why
				}
			}
			if homeless > 0 {
				f.Subjects = append(f.Subjects, Subject{Name: n.Name, State: Warn, Says: count(homeless, "task") + " of it would find no place; " + first})
			}
		}
		if len(f.Subjects) > 0 {
			f.State, f.Value = Warn, fmt.Sprintf("%d of %s could be lost", len(up)-len(f.Subjects), count(len(up), "node"))
		}
		if len(tied) > 0 {
			f.Value += fmt.Sprintf("; %s may run on one node alone, by constraints", count(len(tied), "service"))
		}
		if freeBytes <= 0 || freeCPU <= 0 {
			f.State, f.Value = Fail, "all is reserved"
		}
		return f
	},
}

var autoscalePolicy = &Check{
	ID: "autoscale-policy", Stage: 4,
	Question: "does every service that could be scaled have a policy, and reservations?",
	Why:      "A spike comes faster than a person. Bounds that were thought about by day are what lets a machine act at night.",
	Threshold: func(*Settings) string {
		return "labels qd.autoscale and reservations on all; mode recommend is a warning; none fails"
	},
	Fix: "set qd.autoscale.enable, .min, .max and .cpu on the deploy labels, and deploy.resources.reservations",
	judge: func(e *Evidence, _ *Settings) Finding {
		f, _ := e.each("docker service inspect SERVICE: Spec.Labels qd.autoscale.*, Spec.TaskTemplate.Resources.Reservations", func(v *fleet.Service) *Subject {
			if v.Mode != sources.Replicated || len(v.Mounts) > 0 || v.Labels["qd.autoscale.enable"] == "false" {
				return nil // its data, or its operator, ties it to a number
			}
			switch {
			case v.Labels["qd.autoscale.enable"] != "true":
				return &Subject{State: Fail, Says: "no policy, and no word that it needs none", Set: "qd.autoscale.enable=true, or =false"}
			case v.Resources.ReserveNanoCPUs == 0:
				return &Subject{State: Fail, Says: "it reserves no CPU, so its use of it has no measure", Set: "resources: {reservations: {cpus: \"0.1\"}}"}
			case v.Labels["qd.autoscale.mode"] == "recommend":
				return &Subject{State: Warn, Says: "it is only recommended what to do", Set: "qd.autoscale.mode=enforce"}
			}
			return nil
		})
		return f
	},
}
