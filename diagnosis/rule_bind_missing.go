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
	c.step("see what was changed, its mounts too", "change", s.Service.Name)
	c.step("see the node that it was tried on", "nodes", s.node(said[0].NodeID))
	for _, m := range s.Service.Mounts {
		if m.Type == "bind" && has(said[0].Err, m.Source) {
			c.outside("put it where it is missing, from a node that has it; on "+orWord(s.nodes(said), "each node"), "sudo ls -ld %s", shell(m.Source))
		}
	}
	for i := range s.Tasks {
		if t := &s.Tasks[i]; t.NodeID != "" && t.Container != "" && !has(t.Err, bindWords...) {
			c.outside("or pin it to a node where it has run", "docker service update --constraint-add %s %s", shell("node.hostname=="+s.node(t.NodeID)), s.Service.Name)
			break
		}
	}
	return c
}
