package stages

import "fmt"

var managerQuorum = &Check{
	ID: "manager-quorum", Stage: 1,
	Question: "does the swarm survive the loss of a manager?",
	Why:      "With one manager its loss is the swarm's: nothing can be deployed, scaled or moved until it is back. An even number survives no more than the odd one below it, and is easier to split.",
	Threshold: func(*Settings) string {
		return "an odd number, at least 3, all reachable; one manager is a warning; an unreachable one fails"
	},
	Fix: "`P` on a worker in the nodes (9); quarterdeck node promote NODE",
	judge: func(e *Evidence, _ *Settings) Finding {
		const evidence = "docker node ls: ManagerStatus"
		if e.Fleet == nil || len(e.Fleet.Nodes) == 0 {
			return e.noNodes(evidence)
		}
		managers, f := 0, Finding{Evidence: evidence, State: Pass}
		for i := range e.Fleet.Nodes {
			n := &e.Fleet.Nodes[i]
			if n.Role != "manager" {
				continue
			}
			managers++
			if n.Reachability != "reachable" {
				f.Subjects = append(f.Subjects, Subject{Name: n.Name, State: Fail, Says: "it is " + or(n.Reachability, "not reachable")})
			}
		}
		f.Value = fmt.Sprintf("%d managers, %d reachable", managers, managers-len(f.Subjects))
		switch {
		case len(f.Subjects) > 0:
			f.State = Fail
		case managers == 1:
			f.State, f.Value = Warn, "1 manager"
		case managers%2 == 0 || managers < 3:
			f.State = Warn
		}
		return f
	},
}
