package diagnosis

import "quarterdeck/sources/fleet"

// bindWords are the engine's for a path of the host that is not there.
var bindWords = []string{"invalid bind mount source", "bind source path does not exist", `invalid mount config for type "bind"`}

// bindMissing: a path of the host that is to be mounted is not there on that node.
func bindMissing(s *Scene, _ *Wide) *Cause {
	said := s.said(bindWords...)
	if len(said) == 0 {
		return nil
	}
	c := &Cause{Title: "a path that it mounts is not on the node", Grade: Signature, Confidence: 0.95, Why: "the engine says so in words"}
	c.shows(s, said)
	for _, m := range s.Service.Mounts {
		if m.Type == "bind" {
			c.proves(fleet.SwarmName, "docker service inspect "+s.Service.Name, s.At, "it mounts %s of the host at %s", m.Source, m.Target)
		}
	}
	if n := s.nodes(said); n != "" {
		c.proves(fleet.SwarmName, s.tasksQuery(), said[0].Since, "it was tried on %s", n)
	}
	c.step("create the path on the node, or pin the service to one that has it", "nodes", s.node(said[0].NodeID))
	c.step("see what was changed about its mounts", "change", s.Service.Name)
	return c
}
