package capacity

import (
	"fmt"
	"slices"
	"strings"

	"quarterdeck/sources"
	"quarterdeck/sources/fleet"
)

// Share is one resource of a node: in cores, or in bytes.
type Share struct {
	Total, Reserved float64
	// Limits is what all tasks together may use at most; 0 with Unlimited: nothing bounds them. Unlimited counts the tasks without a limit.
	Limits    float64
	Unlimited int
	Used      float64 // NaN: not known
}

// Node is what a node has and what its tasks have taken of it.
type Node struct {
	*fleet.Node
	// Places: the scheduler may put tasks there.
	Places      bool
	CPU, Memory Share
	Tasks       int
}

// Nodes are the nodes of a snapshot, in its order.
func Nodes(s *fleet.Snapshot) []Node {
	out := make([]Node, len(s.Nodes))
	at := make(map[string]*Node, len(s.Nodes))
	for i := range s.Nodes {
		n := &s.Nodes[i]
		out[i] = Node{Node: n, Places: n.Up() && n.Availability == "active",
			CPU:    Share{Total: float64(n.NanoCPUs) / 1e9, Reserved: float64(n.ReservedNanoCPUs) / 1e9, Used: n.CPUUsed},
			Memory: Share{Total: float64(n.MemoryBytes), Reserved: float64(n.ReservedBytes), Used: n.MemoryUsed}}
		at[n.ID] = &out[i]
	}
	for _, v := range s.Services {
		for i := range v.Tasks {
			n := at[v.Tasks[i].NodeID]
			if n == nil || !alive(&v.Tasks[i]) {
				continue
			}
			n.Tasks++
			n.CPU.bound(float64(v.Resources.LimitNanoCPUs) / 1e9)
			n.Memory.bound(float64(v.Resources.LimitBytes))
		}
	}
	return out
}

func (s *Share) bound(limit float64) {
	if limit <= 0 {
		s.Unlimited++
		return
	}
	s.Limits += limit
}

// alive tells whether a task holds its place.
func alive(t *sources.Task) bool { return !t.State.Ended() && !t.Desired.Ended() }

// Move is what becomes of a service's tasks on a node that is lost.
type Move struct {
	Service string
	Tasks   int
	Placed  int
	On      map[string]int // by node
	Why     string         // why not all find a place; "": they do
	// Pinned: no other node is one that its constraints and its platform allow, whatever is free.
	Pinned bool
	// Volumes are the volumes on the node that the tasks would leave behind: a local volume does not move.
	Volumes []string
}

// Loss is what would become of a swarm without one of its nodes.
type Loss struct {
	Node string
	// Tasks are those of replicated services on it, Placed how many would run elsewhere. Global counts tasks of global services: they end with the node.
	Tasks, Placed, Global int
	// Stuck are the services that would lack tasks, those that lack the most first; Moves are all that move.
	Stuck []Move
	Moves []Move
	// Quorum is what the loss does to the managers; "": nothing.
	Quorum string
}

// Fits tells whether all that runs on the node would run without it, and the swarm could still be steered.
func (l *Loss) Fits() bool { return l.Placed == l.Tasks && l.Quorum == "" }

// Lose reckons what would become of the swarm without a node. Services are placed in the order of their names, each task where the
// scheduler would put it; what the orchestrator does at the same time for others is not foreseen.
func Lose(s *fleet.Snapshot, id string) Loss {
	l := Loss{}
	n := s.Node(id)
	if n == nil {
		return l
	}
	l.Node, l.Quorum = n.Name, quorumWithout(s, n)
	room := fleet.RoomOf(s)
	room.Without(id)
	services := slices.Clone(s.Services)
	slices.SortStableFunc(services, func(a, b *fleet.Service) int { return strings.Compare(a.Name, b.Name) })
	for _, v := range services {
		tasks := 0
		for i := range v.Tasks {
			if v.Tasks[i].NodeID == id && alive(&v.Tasks[i]) {
				tasks++
			}
		}
		if v.Mode == sources.Global || v.Mode == sources.GlobalJob {
			l.Global += tasks
			continue
		}
		if tasks == 0 {
			continue
		}
		m := Move{Service: v.Name, Tasks: tasks, Volumes: localVolumes(&v.Service)}
		m.On, m.Placed, m.Why = room.PlaceOn(&v.Service, tasks)
		m.Pinned = m.Placed == 0 && pinned(s, &v.Service, id)
		l.Tasks += tasks
		l.Placed += m.Placed
		l.Moves = append(l.Moves, m)
		if m.Placed < m.Tasks {
			l.Stuck = append(l.Stuck, m)
		}
	}
	slices.SortStableFunc(l.Stuck, func(a, b Move) int { return (b.Tasks - b.Placed) - (a.Tasks - a.Placed) })
	return l
}

// pinned tells whether a service may run on no other node that is there, be it full or drained.
func pinned(s *fleet.Snapshot, v *sources.Service, id string) bool {
	for i := range s.Nodes {
		n := s.Nodes[i].Node
		n.State, n.Availability = "ready", "active"
		if n.ID != id && fleet.WhyNot(v, &n) == "" {
			return false
		}
	}
	return true
}

// localVolumes are the named volumes of a service; which driver keeps them is not in its spec, so a driver of a network's storage is named as well.
func localVolumes(s *sources.Service) []string {
	var out []string
	for _, m := range s.Mounts {
		if m.Type == "volume" && m.Source != "" {
			out = append(out, m.Source)
		}
	}
	return out
}

// quorumWithout says what the managers cannot do without a node: more than half of them must answer (https://docs.docker.com/engine/swarm/raft/).
func quorumWithout(s *fleet.Snapshot, lost *fleet.Node) string {
	managers, left := 0, 0
	for i := range s.Nodes {
		n := &s.Nodes[i]
		if n.Role != "manager" {
			continue
		}
		managers++
		if n.ID != lost.ID && n.Reachability == "reachable" {
			left++
		}
	}
	if lost.Role != "manager" || left > managers/2 {
		return ""
	}
	return "its managers would have no majority: what runs goes on, and nothing can be changed or replaced"
}

// Demote says why a manager cannot become a worker: of the managers that are left more than half must answer, or the swarm could not be changed any more (swarmkit,
// manager/controlapi/node.go, UpdateNode). left counts those; "": it can.
func Demote(s *fleet.Snapshot, id string) (left int, why string) {
	answer := 0
	for i := range s.Nodes {
		if n := &s.Nodes[i]; n.Role == "manager" && n.ID != id {
			left++
			if n.Reachability == "reachable" {
				answer++
			}
		}
	}
	switch {
	case left == 0:
		why = "it is the last manager"
	case answer <= left/2:
		why = fmt.Sprintf("of the %d managers that would be left only %d answer, which is no majority", left, answer)
	}
	return left, why
}

// MostMore bounds how many more replicas are tried.
const MostMore = 1000

// More is how many more tasks of a service the nodes hold, MostMore at most, and why not more.
func More(s *fleet.Snapshot, v *fleet.Service) (n int, why string) {
	n, why = fleet.RoomOf(s).Place(&v.Service, MostMore)
	if n == MostMore && v.Resources.ReserveNanoCPUs == 0 && v.Resources.ReserveBytes == 0 {
		why = "it reserves nothing, so nothing bounds it: set deploy.resources.reservations"
	}
	return n, why
}
