package diagnosis

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"quarterdeck/sources"
	"quarterdeck/sources/fleet"
)

// noNode is how the scheduler begins when no node suits: the reasons follow in brackets, the one that rules out most nodes first
// (swarmkit, manager/scheduler/pipeline.go, Explain).
const noNode = "no suitable node"

// noNodeFor picks the tasks that no node suits, where a reason is the one that rules out most nodes, or the only one.
func (s *Scene) noNodeFor(reason string) []sources.Task {
	var out []sources.Task
	for _, t := range s.waiting() {
		_, why, found := strings.Cut(t.Err, noNode)
		if !found {
			continue
		}
		first, _, _ := strings.Cut(why, ";")
		if has(first, reason) {
			out = append(out, t)
		}
	}
	return out
}

// constraintUnsatisfied: no node meets what the service asks of its nodes.
func constraintUnsatisfied(s *Scene, _ *Wide) *Cause {
	stuck := s.noNodeFor("scheduling constraints not satisfied")
	word := "placement constraints"
	if len(stuck) == 0 {
		if stuck = s.noNodeFor("unsupported platform"); len(stuck) > 0 {
			word = "platform"
		} else if stuck = s.noNodeFor("max replicas per node"); len(stuck) > 0 {
			word = "maximum of replicas per node"
		} else if stuck = s.noNodeFor("missing plugin"); len(stuck) > 0 {
			word = "plugins"
		} else {
			return nil
		}
	}
	c := &Cause{Title: "no node meets its " + word, Grade: Signature, Confidence: 0.95, Why: "the scheduler says so in words"}
	c.shows(s, stuck)
	lost := s.lostLabels()
	c.names(s, lost)
	for _, row := range s.matrix() {
		c.proves(fleet.SwarmName, "docker service inspect "+s.Service.Name, s.At, "%s", row)
	}
	for i := range s.Snap.Nodes {
		if n := &s.Snap.Nodes[i]; !n.Up() || n.Availability != "active" {
			c.proves(fleet.SwarmName, "docker node ls", n.Updated, "node %s is %s, availability %s", n.Name, n.State, n.Availability)
		}
	}
	c.step("see what was changed, the constraints too", "change", s.Service.Name)
	c.step("see the nodes and their labels", "nodes", "")
	c.mendConstraint(s, "", lost)
	return c
}

// mendConstraint adds the commands that let a node meet the constraints again, or take a constraint away: of those that no node meets. What a node has
// lost is put back on it; node is one that met them before, "": none is known.
func (c *Cause) mendConstraint(s *Scene, node string, lost []lostLabel) {
	c.putBack(lost)
	for _, text := range s.Service.Constraints {
		one := s.Service.Service
		one.Constraints, one.Platforms = []string{text}, nil
		if slices.ContainsFunc(s.Snap.Nodes, func(n fleet.Node) bool { return fleet.Allows(&one, &n.Node) }) {
			continue
		}
		known := slices.ContainsFunc(lost, func(l lostLabel) bool { return l.constraint == text })
		if label, value, equal, ok := labelOf(text); ok && equal && !known && len(s.Snap.Nodes) > 0 {
			c.outside("give a node the label", "docker node update --label-add %s %s", shell(label+"="+value), shell(orWord(node, s.Snap.Nodes[0].Name)))
		}
		c.outside("or drop the constraint", "docker service update --constraint-rm %s %s", shell(text), s.Service.Name)
	}
}

// matrix tells of each constraint which nodes meet it.
func (s *Scene) matrix() []string {
	var out []string
	for _, text := range s.Service.Constraints {
		var yes, no []string
		one := s.Service.Service
		one.Constraints, one.Platforms = []string{text}, nil
		for i := range s.Snap.Nodes {
			n := &s.Snap.Nodes[i]
			if fleet.Allows(&one, &n.Node) {
				yes = append(yes, n.Name)
			} else {
				no = append(no, n.Name)
			}
		}
		out = append(out, fmt.Sprintf("constraint %s: met by %s, not by %s", text, orWord(strings.Join(yes, ", "), "no node"), orWord(strings.Join(no, ", "), "none")))
	}
	return out
}

// insufficientResources: what the service reserves is free on no node that it may run on.
func insufficientResources(s *Scene, _ *Wide) *Cause {
	stuck := s.noNodeFor("insufficient resources")
	if len(stuck) == 0 {
		return nil
	}
	r := s.Service.Resources
	c := &Cause{Title: "no node has enough left of what it reserves", Grade: Signature, Confidence: 0.95, Why: "the scheduler says so in words"}
	c.shows(s, stuck)
	c.proves(fleet.SwarmName, "docker service inspect "+s.Service.Name, s.At, "each task reserves %.2f cores and %s", float64(r.ReserveNanoCPUs)/1e9, bytesWords(r.ReserveBytes))
	nodes := slices.Clone(s.Snap.Nodes)
	for i := range nodes[:min(len(nodes), 5)] {
		n := &nodes[i]
		c.proves(fleet.SwarmName, "docker node inspect "+n.Name, s.At, "%s has %.2f of %.2f cores and %s of %s not reserved", n.Name,
			float64(n.NanoCPUs-n.ReservedNanoCPUs)/1e9, float64(n.NanoCPUs)/1e9, bytesWords(n.MemoryBytes-n.ReservedBytes), bytesWords(n.MemoryBytes))
	}
	c.step("see what was changed, the reservation too", "change", s.Service.Name)
	c.step("see the nodes and what is reserved on each", "nodes", "")
	if s.Service.Desired > 1 {
		c.step("scale it down to what fits", "scale", s.Service.Name)
	}
	cpus, memory := s.largestFree()
	if field, was := s.reservedBefore(); was != "" {
		c.outside("or lower the reservation to what it was", "docker service update --%s %s %s", field, was, s.Service.Name)
	} else if r.ReserveBytes > memory && memory > 0 {
		c.outside("lower the reservation to what the emptiest node has", "docker service update --reserve-memory %dM %s", memory>>20, s.Service.Name)
	} else if r.ReserveNanoCPUs > cpus && cpus > 0 {
		c.outside("lower the reservation to what the emptiest node has", "docker service update --reserve-cpu %.2f %s", float64(cpus)/1e9, s.Service.Name)
	}
	return c
}

// reservedBefore is what the newest change of a reservation has raised, in the docker command's words; "": none is known.
func (s *Scene) reservedBefore() (field, was string) {
	for i := range s.Changes {
		for k := range s.Changes[i].Fields {
			f := &s.Changes[i].Fields[k]
			n, err := strconv.ParseInt(fmt.Sprint(f.Before), 10, 64)
			switch {
			case f.Field != "reserve-memory" && f.Field != "reserve-cpu":
				continue
			case f.Before == nil || err != nil:
				return f.Field, "0"
			case f.Field == "reserve-memory":
				return f.Field, strconv.FormatInt(n, 10) + "b"
			}
			return f.Field, fmt.Sprintf("%.2f", float64(n)/1e9)
		}
	}
	return "", ""
}

// largestFree is the most that a node has not reserved.
func (s *Scene) largestFree() (nanoCPUs, bytes int64) {
	for i := range s.Snap.Nodes {
		if n := &s.Snap.Nodes[i]; n.Up() && n.Availability == "active" {
			nanoCPUs, bytes = max(nanoCPUs, n.NanoCPUs-n.ReservedNanoCPUs), max(bytes, n.MemoryBytes-n.ReservedBytes)
		}
	}
	return nanoCPUs, bytes
}

// portWords are the scheduler's and the engine's for a port of the host that is taken.
var portWords = []string{"host-mode port already in use", "port is already allocated", "address already in use", "failed programming external connectivity"}

// portConflict: the port of the host is taken on all nodes that are left.
func portConflict(s *Scene, _ *Wide) *Cause {
	said := s.noNodeFor("host-mode port already in use")
	if len(said) == 0 {
		said = s.said(portWords[1:]...)
		said = slices.DeleteFunc(said, func(t sources.Task) bool { return has(t.Err, noNode) })
	}
	if len(said) == 0 {
		return nil
	}
	c := &Cause{Title: "its port on the host is taken", Grade: Signature, Confidence: 0.95, Why: "the scheduler or the engine says so in words"}
	c.shows(s, said)
	own := 0
	for _, p := range s.Service.Ports {
		if p.Mode != "host" || p.Published == 0 {
			continue
		}
		own++
		holder := s.holder(p)
		c.proves(fleet.SwarmName, "docker service ls", s.At, "port %d/%s on the host: %s", p.Published, p.Protocol, holder)
	}
	if own > 0 && s.Service.Want > len(s.Snap.Nodes) {
		c.proves(fleet.SwarmName, "", s.At, "%d replicas want the same port, and there are %d nodes", s.Service.Want, len(s.Snap.Nodes))
	}
	c.step("see what was changed, its ports too", "change", s.Service.Name)
	c.step("see the nodes and what runs on them", "nodes", "")
	for _, p := range s.Service.Ports {
		if p.Mode == "host" && p.Published > 0 {
			c.outside("on a node see who holds it", "sudo ss -lntup 'sport = :%d'; docker ps --filter publish=%d", p.Published, p.Published)
			break
		}
	}
	if s.Service.Update.Order == "start-first" {
		c.proves(fleet.SwarmName, "docker service inspect "+s.Service.Name, s.At, "its update order is start-first: the new task wants the port while the old one holds it")
	}
	return c
}

// holder names the services that publish a port of the host.
func (s *Scene) holder(p sources.Port) string {
	var names []string
	for _, v := range s.Snap.Services {
		if v.Name == s.Service.Name {
			continue
		}
		for _, o := range v.Ports {
			if o.Published == p.Published && o.Protocol == p.Protocol {
				names = append(names, fmt.Sprintf("%s publishes it (%s)", v.Name, o.Mode))
			}
		}
	}
	if len(names) == 0 {
		return "no other service publishes it: a task of its own, or a program outside Swarm, holds it"
	}
	return strings.Join(names, ", ")
}
