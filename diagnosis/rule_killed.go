package diagnosis

// killed: a task ended by a signal that neither a health check nor, as far as can be seen, the memory limit explains: somebody or something has
// killed it from outside. It is no id of OPERATIONS.md's table: exit 137 alone would else be called a lack of memory, and be wrong.
func killed(s *Scene, wide *Wide) *Cause {
	dead := s.since(sigkilled)
	if len(dead) == 0 {
		return nil
	}
	ratio, query := s.memoryShare()
	c := &Cause{Title: "killed from outside", Grade: Signature, Confidence: 0.4}
	c.shows(s, dead)
	c.Why = "exit 137 is SIGKILL, and no health check failed; whether it was for memory could not be seen"
	if ratio < nearLimit { // false where it is not known
		c.Confidence = 0.75
		c.Why = "exit 137 is SIGKILL, no health check failed, and memory was far from the limit"
		c.proves("prometheus", query, dead[0].Since, "memory was at %.0f%% of the limit at most", 100*ratio)
	}
	if n := s.node(dead[0].NodeID); wide != nil && wide.OOMKills[n] > 0 && !elsewhere(wide.OOMKills[n], ratio, len(dead)) {
		c.Confidence = 0.3
		c.objects("prometheus", oomQuery, "the kernel of %s has killed for memory in this time", s.node(dead[0].NodeID))
	}
	if s.Service.Running >= s.Service.Want {
		c.objects("swarm", s.tasksQuery(), "it was replaced, and as many run as should")
	}
	c.step("see the node and what runs on it", "nodes", s.node(dead[0].NodeID))
	c.step("see its lines, the last before each end", "logs", s.Service.Name)
	c.outside("on "+s.node(dead[0].NodeID)+" see whether the kernel did it, and who was there", "journalctl -k --since '-15 min' | grep -i 'killed process'; last -n 5")
	return c
}
