package fleet

import (
	"math"
	"sort"
	"time"

	"quarterdeck/sources"
)

// Snapshot is the picture as of now. Where nothing changed since the last call it is the same pointer.
func (f *Fleet) Snapshot() *Snapshot {
	f.mu.Lock()
	defer f.mu.Unlock()
	now := f.now()
	f.judgeDue(now)
	if f.last != nil && !f.changed {
		return f.last
	}
	f.changed = false
	f.seq++
	s := &Snapshot{Seq: f.seq, At: now, Listed: f.listed, Engine: f.engine, Alerts: f.alerts,
		Networks: f.networks, Secrets: f.secrets, Configs: f.configs,
		Services: make([]*Service, 0, len(f.services)),
		byName:   make(map[string]*Service, len(f.services)), byID: make(map[string]*Service, len(f.services))}
	f.buildServices(s, now)
	f.buildNodes(s)
	for _, name := range f.order {
		s.Sources = append(s.Sources, f.states[name])
	}
	s.History = f.history.list
	f.count(s)
	f.last = s
	return s
}

// Due is when a verdict may change by time alone; zero: only news can change one.
func (f *Fleet) Due() time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	var due time.Time
	for _, e := range f.services {
		if e.built != nil && !e.built.Due.IsZero() && (due.IsZero() || e.built.Due.Before(due)) {
			due = e.built.Due
		}
	}
	return due
}

func (f *Fleet) judgeDue(now time.Time) {
	for _, e := range f.services {
		if e.built != nil && !e.dirty && !e.built.Due.IsZero() && !now.Before(e.built.Due) {
			e.dirty = true
			f.changed = true
		}
	}
}

func (f *Fleet) buildServices(s *Snapshot, now time.Time) {
	nodes := NewNodes(f.nodes)
	firing := map[string]int{}
	for i := range f.alerts {
		if f.alerts[i].State == sources.Firing {
			firing[f.alerts[i].Service]++
		}
	}
	for _, e := range f.services {
		if e.dirty || e.built == nil {
			f.buildService(e, nodes, firing[e.service.Name], now)
		}
		s.Services = append(s.Services, e.built)
		s.byName[e.built.Name] = e.built
		s.byID[e.built.ID] = e.built
	}
	sort.Slice(s.Services, func(i, j int) bool {
		a, b := s.Services[i], s.Services[j]
		if a.Stack != b.Stack {
			return a.Stack < b.Stack
		}
		return a.Name < b.Name
	})
}

func (f *Fleet) buildService(e *entry, nodes Nodes, firing int, now time.Time) {
	v := Judge(&e.service, e.tasks, nodes, func(id string) time.Time { return e.seen[id] }, now)
	b := &Service{Service: e.service, Verdict: v, Tasks: e.tasks, Firing: firing}
	if old := e.built; old != nil && old.Health != v.Health {
		e.since = now
		if old.Health != Unknown {
			bad := v.Health == Down || v.Health == Degraded
			f.history.add(Happening{Time: now, Kind: HealthChanged, Service: e.service.Name,
				Text: string(old.Health) + " → " + string(v.Health) + reasonTail(v.Reason), Source: "fleet", Bad: bad})
		}
	}
	b.HealthSince = e.since
	b.CPU, b.CPUNow = f.figureOf("cpu", e.service.Name)
	b.Memory, b.MemoryNow = f.figureOf("memory", e.service.Name)
	b.ErrorRate = math.NaN()
	if f.rates != nil {
		b.ErrorRate = f.rates[e.service.Name]
	}
	e.built, e.dirty = b, false
}

func reasonTail(reason string) string {
	if reason == "" {
		return ""
	}
	return ": " + reason
}

func (f *Fleet) buildNodes(s *Snapshot) {
	s.nodeID = make(map[string]int, len(f.nodes))
	s.Nodes = make([]Node, len(f.nodes))
	for i := range f.nodes {
		n := &s.Nodes[i]
		n.Node, n.CPUUsed, n.MemoryUsed = f.nodes[i], math.NaN(), math.NaN()
		if v, ok := f.nodeUse["cpu"][n.Name]; ok {
			n.CPUUsed = v
		}
		if v, ok := f.nodeUse["memory"][n.Name]; ok {
			n.MemoryUsed = v
		}
	}
	sort.Slice(s.Nodes, func(i, j int) bool { return s.Nodes[i].Name < s.Nodes[j].Name })
	for i := range s.Nodes {
		s.nodeID[s.Nodes[i].ID] = i
	}
	for _, v := range s.Services {
		for i := range v.Tasks {
			t := &v.Tasks[i]
			at, ok := s.nodeID[t.NodeID]
			if !ok || t.State.Ended() {
				continue
			}
			n := &s.Nodes[at]
			n.ReservedNanoCPUs += v.Resources.ReserveNanoCPUs
			n.ReservedBytes += v.Resources.ReserveBytes
			if t.State == sources.TaskRunning {
				n.Running++
			}
		}
	}
}

func (f *Fleet) count(s *Snapshot) {
	c := &s.Counts
	c.Services, c.Nodes = len(s.Services), len(s.Nodes)
	for _, v := range s.Services {
		switch v.Health {
		case Healthy:
			c.Healthy++
		case Updating:
			c.Updating++
		case Degraded:
			c.Degraded++
		case Down:
			c.Down++
		case Idle:
			c.Idle++
		default:
			c.Unknown++
		}
		c.Running += v.Running
		c.Tasks += len(v.Tasks)
	}
	for i := range s.Nodes {
		n := &s.Nodes[i]
		if n.Up() {
			c.NodesUp++
		}
		if n.Role == "manager" {
			c.Managers++
			if n.Reachability == "reachable" {
				c.ManagersUp++
			}
		}
	}
	for i := range s.Alerts {
		switch s.Alerts[i].State {
		case sources.Firing:
			c.Firing++
		case sources.Pending:
			c.Pending++
		}
	}
}
