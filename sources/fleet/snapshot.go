package fleet

import (
	"time"

	"quarterdeck/sources"
)

// Health is the verdict on a service. The words are those of the status command.
type Health string

// The verdicts, and their order of urgency (see Health.Rank).
const (
	Down     Health = "down"
	Degraded Health = "degraded"
	Updating Health = "updating"
	Unknown  Health = "unknown"
	Healthy  Health = "healthy"
	Idle     Health = "idle"
)

// Rank orders verdicts by urgency, the worst first from 0.
func (h Health) Rank() int {
	switch h {
	case Down:
		return 0
	case Degraded:
		return 1
	case Updating:
		return 2
	case Unknown:
		return 3
	case Healthy:
		return 4
	}
	return 5
}

// Service is a service as judged, with its tasks and what it uses. Never changed after it is built.
type Service struct {
	sources.Service
	Verdict
	// HealthSince is when Health last changed, as far as this process saw; zero: since before it looked.
	HealthSince time.Time
	// Tasks are all tasks that the orchestrator still knows, the newest of a slot first.
	Tasks []sources.Task
	// CPU (cores) and Memory (bytes) are the last half hour, a point a minute; nil: not known.
	CPU, Memory []sources.Point
	// CPUNow (cores), MemoryNow (bytes), ErrorRate and LineRate (error lines, and lines of any level, a second) are NaN where not known.
	// They are the last that were read: as fresh as Snapshot.UsageStatus and Snapshot.RateStatus say.
	CPUNow, MemoryNow, ErrorRate, LineRate float64
	// Unusual is what of these stands out.
	Unusual Unusual
	// Firing counts the alerts that fire for it.
	Firing int
	// NotYet: at the past moment of the snapshot it was not there. It is counted nowhere.
	NotYet bool

	seen time.Time // since when it shows this state
}

// Node is a machine with what runs on it.
type Node struct {
	sources.Node
	// Running counts tasks that run there; Stranded those that are said to, while the node is down.
	Running, Stranded int
	// ReservedNanoCPUs and ReservedBytes are what the tasks there have reserved.
	ReservedNanoCPUs, ReservedBytes int64
	// CPUUsed (cores) and MemoryUsed (bytes) are NaN where not known.
	CPUUsed, MemoryUsed float64
	// Heard is when its exporter's figures were read last, where they come no more while those of other nodes do; else zero.
	Heard time.Time
	// LabelsToday: in a picture of a past moment, what the node was then is not known: its role, its labels and its engine's are today's.
	LabelsToday bool

	seen  time.Time // since when it is in this state
	first bool      // it was in this state when it was seen first
}

// Up tells whether the node can run tasks now.
func (n Node) Up() bool { return n.State == "ready" }

// SeenDown is since when a node is not up: as this process saw it, else when the engine last changed its record of it, which is then at the latest.
// Zero: it is up.
func (n Node) SeenDown() time.Time {
	if n.Up() {
		return time.Time{}
	}
	if n.first && !n.Updated.IsZero() && n.Updated.Before(n.seen) {
		return n.Updated
	}
	return n.seen
}

// Counts sums a snapshot up.
type Counts struct {
	Services                                         int
	Healthy, Updating, Degraded, Down, Idle, Unknown int
	Tasks, Running                                   int
	NodesUp, Nodes, Managers, ManagersUp             int
	Firing, Pending                                  int
}

// Bad tells how many services need a look.
func (c Counts) Bad() int { return c.Degraded + c.Down }

// Snapshot is the fleet at one moment. It is immutable: share it freely between goroutines.
type Snapshot struct {
	// Seq rises with each snapshot that differs from the one before.
	Seq uint64
	// At is when it was built.
	At time.Time
	// Listed is when the swarm was last read whole; zero: never.
	Listed   time.Time
	Engine   sources.EngineInfo
	Nodes    []Node
	Services []*Service // by stack, then name
	Alerts   []sources.Alert
	// Silences are those that are active or to come; nil: they could not be read.
	Silences []sources.Silence
	Sources  []sources.Status // in a fixed order
	Networks []sources.Network
	Secrets  []sources.Reference
	Configs  []sources.Reference
	// History is what happened, the newest last; bounded by HistoryCap.
	History []Happening
	Counts  Counts

	// Past: it is of a moment that is over, At; see Then.
	Past bool
	// KnownSince is from when on the states of services and nodes are known; zero: the swarm was not read yet.
	KnownSince time.Time
	// TasksSince is from when on all tasks are known; those of before that the orchestrator has forgotten are not.
	TasksSince time.Time
	// AlertsSince is from when on all alerts are known; of before, those that still fire.
	AlertsSince time.Time

	past       past
	index      map[string]int // service's name and id to its position
	ratesBy    string
	alertsFrom alertsFrom
}

// Service finds a service by name or id; nil: there is none.
func (s *Snapshot) Service(nameOrID string) *Service {
	if s == nil {
		return nil
	}
	if i, ok := s.index[nameOrID]; ok {
		return s.Services[i]
	}
	return nil
}

// Node finds a node by id; nil: there is none.
func (s *Snapshot) Node(id string) *Node {
	if s != nil {
		for i := range s.Nodes {
			if s.Nodes[i].ID == id {
				return &s.Nodes[i]
			}
		}
	}
	return nil
}

// Source finds a source's state; its State is Absent where the source is not known.
func (s *Snapshot) Source(name string) sources.Status {
	if s != nil {
		for _, st := range s.Sources {
			if st.Name == name {
				return st
			}
		}
	}
	return sources.Status{Name: name, State: sources.Absent}
}

// UsageStatus is the state of the source that CPU and memory figures (of services and nodes) come
// from. Where it is not OK, the figures are as old as its Fresh, and must be shown so. While it is OK,
// Fresh may lag behind: a fresher date alone makes no new snapshot.
func (s *Snapshot) UsageStatus() sources.Status { return s.Source(PrometheusName) }

// RateStatus is the state of the source that error rates come from; see UsageStatus.
func (s *Snapshot) RateStatus() sources.Status {
	if s == nil {
		return sources.Status{Name: LokiName, State: sources.Absent}
	}
	return s.Source(s.ratesBy)
}

// Watched is from when on the states of services and nodes were seen to change; zero: the swarm was not read yet.
func (s *Snapshot) Watched() time.Time {
	if s == nil {
		return time.Time{}
	}
	return s.past.knownSince()
}

// Ready tells whether the swarm was read at least once.
func (s *Snapshot) Ready() bool { return s != nil && !s.Listed.IsZero() }

// Slot is what one slot (or, of a global service, one node) holds: the current task and its dead ones.
type Slot struct {
	Number int
	NodeID string
	Tasks  []sources.Task // the newest first
}

// Slots groups a service's tasks by slot, or by node where it is global; the order is that of Tasks.
func (s *Service) Slots() []Slot {
	index := map[slotKey]int{}
	var out []Slot
	for _, t := range s.Tasks {
		k := keyOf(&t)
		i, ok := index[k]
		if !ok {
			i = len(out)
			index[k] = i
			out = append(out, Slot{Number: t.Slot, NodeID: t.NodeID})
		}
		out[i].Tasks = append(out[i].Tasks, t)
	}
	return out
}
