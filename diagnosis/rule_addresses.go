package diagnosis

import (
	"fmt"
	"math"
	"net/netip"
	"slices"
	"time"

	"quarterdeck/sources"
	"quarterdeck/sources/fleet"
)

// stuckNew is how long a task may be new before that is strange: the allocator gives it its addresses at once.
const stuckNew = 10 * time.Second

// defaultRoom is how many addresses an overlay network has for tasks that is made without a subnet: a /24 of the swarm's pool.
const defaultRoom = 253

// addressesExhausted: tasks that stay new, because their network attachments are missing: the subnet has no address left. The orchestrator says
// nothing then.
func addressesExhausted(s *Scene, _ *Wide) *Cause {
	var stuck []sources.Task
	for _, t := range s.waiting() {
		if (t.State == "new" || has(t.Err+t.Message, "could not find an available ip", "network attachment", "no available addresses", "ip pool")) && s.At.Sub(t.Created) > stuckNew {
			stuck = append(stuck, t)
		}
	}
	if said := s.said("missing network attachments", "ip addresses may be exhausted"); len(said) > 0 {
		c := &Cause{Title: "its network has no address left", Grade: Signature, Confidence: 0.95, Why: "the engine says so in words"}
		c.shows(s, said)
		c.aboutNetworks(s)
		return c
	}
	if len(stuck) == 0 {
		return nil
	}
	c := &Cause{Title: "its network has no address left", Grade: Scope, Confidence: 0.45, Why: "its tasks stay new and are never assigned, which is what a network without addresses makes"}
	c.shows(s, stuck)
	if c.aboutNetworks(s) {
		c.Confidence, c.Grade = 0.92, Signature
		c.Why = "its tasks stay new, and its network has at most as many addresses as are taken"
	}
	return c
}

// aboutNetworks tells how many addresses the service's networks have, and tells whether one of them has none left.
func (c *Cause) aboutNetworks(s *Scene) (full bool) {
	var small []string
	for i := range s.Snap.Networks {
		n := &s.Snap.Networks[i]
		if !slices.Contains(s.Service.Networks, n.ID) && !slices.Contains(s.Service.Networks, n.Name) {
			continue
		}
		room, used := capacity(n), s.attached(n)
		if room == 0 {
			continue
		}
		full = full || used >= room
		if used >= room && room < defaultRoom {
			small = append(small, n.Name)
		}
		c.proves(fleet.SwarmName, "docker network inspect -v "+n.Name, s.At, "network %s (%s) has %d addresses, and at least %d are taken or wanted", n.Name, n.Subnets[0], room, used)
	}
	if s.Service.Desired > 1 {
		c.step("scale it down to what the network holds", "scale", s.Service.Name)
	}
	c.step("see its tasks", "tasks", s.Service.Name)
	c.step("see what was changed", "change", s.Service.Name)
	for _, name := range small {
		c.outside(fmt.Sprintf("or move it to a network with %d addresses", defaultRoom), "docker network create --driver overlay --attachable %s && docker service update --network-add %s --network-rm %s %s",
			shell(name+"-large"), shell(name+"-large"), shell(name), s.Service.Name)
	}
	return full
}

// capacity is how many addresses a network has for tasks: less the network's own, the broadcast and the gateway. 0: not known.
func capacity(n *sources.Network) int {
	total := 0
	for _, subnet := range n.Subnets {
		p, err := netip.ParsePrefix(subnet)
		if err != nil || !p.Addr().Is4() {
			return 0
		}
		total += int(math.Exp2(float64(32-p.Bits()))) - 3
	}
	return max(total, 0)
}

// attached counts at least how many addresses of a network are taken or wanted: one a task, one a service with a virtual address, and one for
// each node's own endpoint (libnetwork's load balancer) where tasks run.
func (s *Scene) attached(n *sources.Network) int {
	count := 0
	nodes := map[string]bool{}
	for _, v := range s.Snap.Services {
		if !slices.Contains(v.Networks, n.ID) && !slices.Contains(v.Networks, n.Name) {
			continue
		}
		for i := range v.Tasks {
			t := &v.Tasks[i]
			if t.Desired == sources.TaskRunning && !t.State.Ended() {
				count++
				if t.NodeID != "" {
					nodes[t.NodeID] = true
				}
			}
		}
	}
	return count + len(nodes)
}
