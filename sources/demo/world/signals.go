package world

import (
	"math"

	"github.com/moby/moby/api/types/swarm"
)

// The disk of each node.
const (
	diskSize = 100 << 30
	diskUsed = 0.42
)

// Signals is the figures of one service as functions of time, fixed at the moment it was made.
type Signals struct {
	Name, ID, Stack string
	Routed          bool
	Profile         Profile
	shape           Shape
	effects         []Effect
	cpu, requests   *Curve
	codes           map[string]*Curve
	buckets         []*Curve
	latency         *Curve
}

// Buckets are Traefik's default bounds of its duration histograms, in seconds.
var Buckets = []float64{0.1, 0.3, 1.2, 5}

// Figures is a consistent copy of what metrics are made from.
type Figures struct {
	Now          float64
	Services     map[string]*Signals // by name, those that are gone included while their containers are on record
	Boxes        []Container
	Nodes        []NodeFigures
	Counts       map[swarm.TaskState]int
	Certificates []Certificate
}

// NodeFigures is a node as its exporter sees it.
type NodeFigures struct {
	ID, Name, Addr  string
	Manager, Leader bool
	Cores           float64
	Memory          float64
	Down            []Span
	Frozen          []Span // its engine alone
	Effects         []Effect
	Hash            float64
}

// Figures copies what metrics of [from, to], Unix seconds, are made from.
func (w *World) Figures(from, to float64) *Figures {
	now := w.settle()
	w.mu.RLock()
	defer w.mu.RUnlock()
	f := &Figures{Now: seconds(now), Services: map[string]*Signals{}, Counts: map[swarm.TaskState]int{}, Certificates: w.certificates}
	add := func(s *Service) {
		if f.Services[s.Spec.Name] == nil {
			f.Services[s.Spec.Name] = &Signals{Name: s.Spec.Name, ID: s.ID, Stack: s.Spec.Labels["com.docker.stack.namespace"], Routed: s.Profile.Routed, Profile: s.Profile, shape: s.shape, effects: s.effects}
		}
	}
	for _, s := range w.services {
		add(s)
	}
	for _, c := range w.containers {
		if c.Start <= to && c.End >= from {
			f.Boxes = append(f.Boxes, *c)
			add(c.owner)
		}
	}
	for _, n := range w.nodes {
		f.Nodes = append(f.Nodes, n.figures())
	}
	for _, t := range w.tasks {
		f.Counts[t.Status.State]++
	}
	return f
}

func (n *Node) figures() NodeFigures {
	return NodeFigures{
		ID: n.ID, Name: n.Description.Hostname, Addr: n.Status.Addr, Manager: n.Spec.Role == swarm.NodeRoleManager, Leader: n.ManagerStatus != nil && n.ManagerStatus.Leader,
		Cores: float64(n.Description.Resources.NanoCPUs) / 1e9, Memory: float64(n.Description.Resources.MemoryBytes), Down: n.Down, Frozen: n.Frozen, Effects: n.effects, Hash: unit(hashText(n.ID)),
	}
}

// CPU is the curve of CPU seconds that one container of scale 1 uses.
func (s *Signals) CPU() *Curve {
	if s.cpu == nil {
		s.cpu = newCurve(s.shape, s.effects, func(at float64) float64 { return s.Profile.CPU * factor(s.effects, CPU, at) })
	}
	return s.cpu
}

// Requests is the curve of requests to the whole service, counted per task of it.
func (s *Signals) Requests() *Curve {
	if s.requests == nil {
		s.requests = newCurve(s.shape, s.effects, func(at float64) float64 { return s.Profile.Requests * factor(s.effects, Rate, at) })
	}
	return s.requests
}

// Codes are the curves of requests by status code.
func (s *Signals) Codes() map[string]*Curve {
	if s.codes == nil {
		share := func(of func(errs float64) float64) *Curve {
			return newCurve(s.shape, s.effects, func(at float64) float64 {
				errs := min(s.Profile.Errors+added(s.effects, Errors, at), 0.95)
				return s.Profile.Requests * factor(s.effects, Rate, at) * of(errs) * (1 - min(added(s.effects, Dark, at), 1))
			})
		}
		s.codes = map[string]*Curve{
			"200": share(func(e float64) float64 { return (1 - e) * 0.97 }),
			"404": share(func(e float64) float64 { return (1 - e) * 0.03 }),
			"500": share(func(e float64) float64 { return e * 0.7 }),
			"502": share(func(e float64) float64 { return e * 0.3 }),
			"503": newCurve(s.shape, s.effects, func(at float64) float64 {
				return s.Profile.Requests * factor(s.effects, Rate, at) * min(added(s.effects, Dark, at), 1)
			}),
		}
	}
	return s.codes
}

// Durations are the curves of requests by band: up to the first of Buckets, between two, past the last.
func (s *Signals) Durations() []*Curve {
	if s.buckets == nil {
		for k := range len(Buckets) + 1 {
			s.buckets = append(s.buckets, newCurve(s.shape, s.effects, func(at float64) float64 {
				median := s.Profile.Median * factor(s.effects, Latency, at)
				below := func(k int) float64 {
					switch {
					case k < 0:
						return 0
					case k == len(Buckets):
						return 1
					}
					return phi((math.Log(Buckets[k]) - math.Log(median)) / s.Profile.Sigma)
				}
				return s.Profile.Requests * factor(s.effects, Rate, at) * (below(k) - below(k-1))
			}))
		}
	}
	return s.buckets
}

// Latency is the curve of seconds spent in requests.
func (s *Signals) Latency() *Curve {
	if s.latency == nil {
		s.latency = newCurve(s.shape, s.effects, func(at float64) float64 {
			mean := s.Profile.Median * factor(s.effects, Latency, at) * math.Exp(s.Profile.Sigma*s.Profile.Sigma/2)
			return s.Profile.Requests * factor(s.effects, Rate, at) * mean
		})
	}
	return s.latency
}

// Scale is how much busier than its fellows a container is, about 1.
func (c *Container) Scale() float64 { return c.scale }

// Hash is stable noise of the container, in [0, 1).
func (c *Container) Hash() float64 { return unit(c.hash) }

// Memory is a container's working set in bytes at t.
func (s *Signals) Memory(c *Container, t float64) float64 {
	v := s.Profile.Memory * c.scale * (0.88 + 0.06*s.shape.at(t) + 0.04*math.Sin(t/97+6*unit(c.hash)))
	if age := t - c.Start; age < 30 {
		v *= 0.5 + age/60
	}
	v += grown(s.effects, Leak, c.Start, t)
	if c.Limit > 0 {
		v = min(v, float64(c.Limit)*0.998)
	}
	return v
}

// Throttled is the share of CPU periods in which a container is throttled, at t.
func (s *Signals) Throttled(c *Container, t float64) float64 {
	if c.Cores == 0 {
		return 0
	}
	use := s.Profile.CPU * c.scale * s.shape.at(t) * factor(s.effects, CPU, t) / c.Cores
	return min(max((use-0.4)*0.8, 0.002*use)+added(s.effects, Throttle, t), 0.95)
}

// DiskFree is the bytes that are left on a node's disk at t.
func (n *NodeFigures) DiskFree(t float64) float64 {
	used := diskSize*(diskUsed+0.1*n.Hash) + math.Mod(t, 86400)*4000 + grown(n.Effects, Fill, 0, t)
	return max(diskSize-used, 0)
}

// DiskSize is the size of a node's disk in bytes.
func (n *NodeFigures) DiskSize() float64 { return diskSize }

// Up tells whether the node answered at t.
func (n *NodeFigures) Up(t float64) bool { return !within(n.Down, t) }

// EngineUp tells whether the node's engine answered at t.
func (n *NodeFigures) EngineUp(t float64) bool { return n.Up(t) && !within(n.Frozen, t) }

func within(spans []Span, t float64) bool {
	for _, d := range spans {
		if t >= d.From && t < d.To {
			return true
		}
	}
	return false
}
