package diagnosis

import (
	"quarterdeck/sources"
	"quarterdeck/sources/fleet"
)

// enforced are the tasks that were ended because their node no longer met the constraints.
func (s *Scene) enforced() []sources.Task {
	var out []sources.Task
	for i := range s.Tasks {
		if t := &s.Tasks[i]; has(t.Err+" "+t.Message, "assigned node no longer meets constraints", "no longer meets constraint") && (s.recent(t.Since) || !s.well()) {
			out = append(out, *t)
		}
	}
	return out
}

// labelChanged: a task was ended because its node no longer meets the constraints (swarmkit, orchestrator/constraintenforcer).
func labelChanged(s *Scene, _ *Wide) *Cause {
	hit := s.enforced()
	if len(hit) == 0 {
		return nil
	}
	c := &Cause{Title: "a node no longer meets its constraints", Grade: Signature, Confidence: 0.95, Why: "the orchestrator says so in words: a label or the role of the node was changed"}
	c.shows(s, hit)
	lost := s.lostLabels()
	if !c.names(s, lost) {
		if n := s.Snap.Node(hit[0].NodeID); n != nil {
			c.proves(fleet.SwarmName, "docker node inspect "+n.Name, n.Updated, "node %s was changed at that time", n.Name)
		}
	}
	for _, row := range s.matrix() {
		c.proves(fleet.SwarmName, "docker service inspect "+s.Service.Name, s.At, "%s", row)
	}
	c.step("see the node and its labels", "nodes", s.node(hit[0].NodeID))
	c.mendConstraint(s, s.node(hit[0].NodeID), lost)
	return c
}
