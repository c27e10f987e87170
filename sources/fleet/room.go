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
	gone      bool
	tasks     int
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
		for i := range s.Tasks {
			t := &s.Tasks[i]
			n := at[t.NodeID]
			if n == nil || t.State.Ended() || t.Desired.Ended() {
				continue
			}
			n.tasks++
			n.byService[s.ID]++
			for _, p := range ports {
				n.hostPorts[p] = s.Name
			}
		}
	}
	return r
}

// Without takes a node away with all that is on it: what it ran is the caller's to place.
func (r *Room) Without(id string) {
	for i := range r.nodes {
		if r.nodes[i].node.ID == id {
			r.nodes[i].gone = true
		}
	}
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

// Place puts n more tasks of a service on the nodes and gives how many found a place and why the others did not.
func (r *Room) Place(s *sources.Service, n int) (placed int, why string) {
	_, placed, why = r.PlaceOn(s, n)
	return placed, why
}

// PlaceOn is Place that tells on which nodes, by name. Each task goes where the scheduler would put it (swarmkit, manager/scheduler/scheduler.go,
// scheduleNTasksOnSubtree and nodeLess): of the values of each preference that with the fewest of the service's tasks, then the node with the fewest of them, then that
// with the fewest tasks. What it reckons with besides and is not known here: tasks that failed on a node lately.
func (r *Room) PlaceOn(s *sources.Service, n int) (on map[string]int, placed int, why string) {
	if n <= 0 {
		return nil, 0, ""
	}
	where := placementOf(s)
	var allowed []*space // by what tasks do not change
	for i := range r.nodes {
		if x := &r.nodes[i]; !x.gone && where.whyNot(x.node) == "" {
			allowed = append(allowed, x)
		}
	}
	ports := hostPorts(s)
	on = map[string]int{}
	for ; placed < n; placed++ {
		best := choose(s, ports, allowed, s.Preferences)
		if best == nil {
			return on, placed, r.whyNone(s, where)
		}
		best.take(s, ports)
		on[best.node.Name]++
	}
	return on, placed, ""
}

// choose is where the next task goes; nil: nowhere.
func choose(s *sources.Service, ports []string, nodes []*space, preferences []string) *space {
	if len(preferences) == 0 || len(nodes) < 2 {
		var best *space
		for _, x := range nodes {
			if x.fits(s, ports) && (best == nil || x.before(best, s.ID)) {
				best = x
			}
		}
		return best
	}
	var values []string
	branches, count := map[string][]*space{}, map[string]int{}
	for _, x := range nodes {
		v := spreadValue(x.node, preferences[0])
		if branches[v] == nil {
			values = append(values, v)
		}
		branches[v] = append(branches[v], x)
		count[v] += x.byService[s.ID]
	}
	sort.SliceStable(values, func(i, j int) bool { return count[values[i]] < count[values[j]] })
	for _, v := range values {
		if best := choose(s, ports, branches[v], preferences[1:]); best != nil {
			return best
		}
	}
	return nil
}

// before tells whether a task of a service goes here rather than to the other.
func (x *space) before(other *space, service string) bool {
	if a, b := x.byService[service], other.byService[service]; a != b {
		return a < b
	}
	return x.tasks < other.tasks
}

// spreadValue is a node's value of what tasks are spread over; a label that it lacks is the empty value, which is a branch like others.
func spreadValue(n *sources.Node, over string) string {
	if label, ok := strings.CutPrefix(over, "node.labels."); ok {
		return n.Labels[label]
	}
	if label, ok := strings.CutPrefix(over, "engine.labels."); ok {
		return n.EngineLabels[label]
	}
	return ""
}

// whyNone says why no node takes one more.
func (r *Room) whyNone(s *sources.Service, where placement) string {
	reasons := map[string]string{}
	for i := range r.nodes {
		if x := &r.nodes[i]; !x.gone {
			reasons[x.node.Name] = x.whyNot(s, where)
		}
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

func (x *space) whyNot(s *sources.Service, where placement) string {
	if why := where.whyNot(x.node); why != "" {
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
	x.tasks++
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
