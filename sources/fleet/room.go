package fleet

import (
	"fmt"
	"sort"
	"strings"

	"quarterdeck/sources"
)

// Room is what the nodes have free, as the scheduler reckons: their resources less the reservations of the tasks on them
// (swarmkit, manager/scheduler/nodeinfo.go). Placing takes from it, so that many services together are reckoned together. Not safe for concurrent use.
type Room struct {
	nodes []space
}

type space struct {
	node      *sources.Node
	cpu       int64 // NanoCPUs free
	memory    int64 // bytes free
	byService map[string]int
	hostPorts map[string]string // "tcp/8080" to the service that has it
}

// RoomOf is the room that the nodes of a snapshot have.
func RoomOf(snap *Snapshot) *Room {
	r := &Room{nodes: make([]space, len(snap.Nodes))}
	at := make(map[string]*space, len(snap.Nodes))
	for i := range snap.Nodes {
		n := &snap.Nodes[i]
		r.nodes[i] = space{node: &n.Node, cpu: n.NanoCPUs - n.ReservedNanoCPUs, memory: n.MemoryBytes - n.ReservedBytes,
			byService: map[string]int{}, hostPorts: map[string]string{}}
		at[n.ID] = &r.nodes[i]
	}
	for _, s := range snap.Services {
		ports := hostPorts(&s.Service)
		if s.MaxPerNode == 0 && len(ports) == 0 {
			continue
		}
		for i := range s.Tasks {
			t := &s.Tasks[i]
			n := at[t.NodeID]
			if n == nil || t.State.Ended() || t.Desired.Ended() {
				continue
			}
			n.byService[s.ID]++
			for _, p := range ports {
				n.hostPorts[p] = s.Name
			}
		}
	}
	return r
}

func hostPorts(s *sources.Service) []string {
	var out []string
	for _, p := range s.Ports {
		if p.Mode == "host" && p.Published > 0 {
			out = append(out, fmt.Sprintf("%s/%d", p.Protocol, p.Published))
		}
	}
	return out
}

// Place puts n more tasks of a service on the nodes, the emptiest first, and gives how many found a place and why the others did not.
func (r *Room) Place(s *sources.Service, n int) (placed int, why string) {
	if n <= 0 {
		return 0, ""
	}
	var allowed []*space // by what tasks do not change
	for i := range r.nodes {
		if x := &r.nodes[i]; WhyNot(s, x.node) == "" {
			allowed = append(allowed, x)
		}
	}
	ports := hostPorts(s)
	for ; placed < n; placed++ {
		var best *space
		for _, x := range allowed {
			if !x.fits(s, ports) {
				continue
			}
			if best == nil || x.byService[s.ID] < best.byService[s.ID] || x.byService[s.ID] == best.byService[s.ID] && x.memory > best.memory {
				best = x
			}
		}
		if best == nil {
			return placed, r.whyNone(s)
		}
		best.take(s, ports)
	}
	return placed, ""
}

// whyNone says why no node takes one more.
func (r *Room) whyNone(s *sources.Service) string {
	reasons := map[string]string{}
	for i := range r.nodes {
		reasons[r.nodes[i].node.Name] = r.nodes[i].whyNot(s)
	}
	return reasonText(reasons)
}

// fits tells whether one more fits on a node that its service allows.
func (x *space) fits(s *sources.Service, ports []string) bool {
	if s.Resources.ReserveNanoCPUs > x.cpu || s.Resources.ReserveBytes > x.memory || s.MaxPerNode > 0 && x.byService[s.ID] >= s.MaxPerNode {
		return false
	}
	for _, p := range ports {
		if x.hostPorts[p] != "" {
			return false
		}
	}
	return true
}

func (x *space) whyNot(s *sources.Service) string {
	if why := WhyNot(s, x.node); why != "" {
		return why
	}
	if cpu := s.Resources.ReserveNanoCPUs; cpu > x.cpu {
		return fmt.Sprintf("has %s of a core free, %s are reserved a task", cores(x.cpu), cores(cpu))
	}
	if memory := s.Resources.ReserveBytes; memory > x.memory {
		return fmt.Sprintf("has %s of memory free, %s are reserved a task", mebibytes(x.memory), mebibytes(memory))
	}
	if s.MaxPerNode > 0 && x.byService[s.ID] >= s.MaxPerNode {
		return fmt.Sprintf("has its %d replicas, the most for a node", s.MaxPerNode)
	}
	for _, p := range hostPorts(s) {
		if by := x.hostPorts[p]; by != "" {
			return "has its port " + p + " taken by " + by
		}
	}
	return ""
}

func (x *space) take(s *sources.Service, ports []string) {
	x.cpu -= s.Resources.ReserveNanoCPUs
	x.memory -= s.Resources.ReserveBytes
	x.byService[s.ID]++
	for _, p := range ports {
		x.hostPorts[p] = s.Name
	}
}

// reasonsShown bounds how many nodes a reason names.
const reasonsShown = 4

// reasonText joins the nodes that have the same reason.
func reasonText(reasons map[string]string) string {
	if len(reasons) == 0 {
		return "there is no node"
	}
	by := map[string][]string{}
	for node, why := range reasons {
		by[why] = append(by[why], node)
	}
	var parts []string
	for why, nodes := range by {
		sort.Strings(nodes)
		if more := len(nodes) - reasonsShown; more > 0 {
			nodes = append(nodes[:reasonsShown:reasonsShown], fmt.Sprintf("and %d more", more))
		}
		parts = append(parts, strings.Join(nodes, ", ")+" "+why)
	}
	sort.Strings(parts)
	return strings.Join(parts, "; ")
}

func cores(nano int64) string { return fmt.Sprintf("%.2g", float64(max(nano, 0))/1e9) }

func mebibytes(b int64) string { return fmt.Sprintf("%d MiB", max(b, 0)>>20) }
