package fleet

import (
	"math"
	"slices"
	"time"

	"quarterdeck/sources"
)

// Snapshot is the picture as of now. Where nothing changed since the last call it is the same pointer.
// What did not change is shared with the snapshot before: the cost is that of what changed, and a
// pointer a service.
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
	s := &Snapshot{Seq: f.seq, At: now, Listed: f.listed, Engine: f.engine, Alerts: f.alerts, Silences: f.silences,
		Networks: f.networks, Secrets: f.secrets, Configs: f.configs,
		Services: make([]*Service, len(f.services)), Sources: make([]sources.Status, len(f.order)), ratesBy: orElse(f.ratesBy, LokiName), alertsFrom: f.alertsFrom}
	f.sort()
	s.index = f.index
	for i, e := range f.sorted {
		if e.built == nil || e.judge || e.figures {
			f.build(e, now)
		}
		s.Services[i] = e.built
	}
	f.buildNodes(s)
	for i, name := range f.order {
		s.Sources[i] = f.states[name]
	}
	if f.past.since.IsZero() && s.Ready() {
		f.past.since = now
	}
	s.past = f.past
	f.history.settle()
	s.History = f.history.list
	s.straysLast()
	s.Counts = count(s)
	f.last = s
	return s
}

func (f *Fleet) sort() {
	if f.sorted != nil {
		return
	}
	f.sorted = make([]*entry, 0, len(f.services))
	for _, e := range f.services {
		f.sorted = append(f.sorted, e)
	}
	slices.SortFunc(f.sorted, entryOrder)
	f.index = make(map[string]int, 2*len(f.sorted))
	for i, e := range f.sorted {
		f.index[e.service.ID] = i
	}
	for i, e := range f.sorted {
		f.index[e.service.Name] = i
	}
}

// Due is when a verdict may change by time alone; zero: only news, or the next snapshot, can change one.
func (f *Fleet) Due() time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	var due time.Time
	for _, e := range f.services {
		if e.built != nil && !e.judge && !e.built.Due.IsZero() && (due.IsZero() || e.built.Due.Before(due)) {
			due = e.built.Due
		}
	}
	return due
}

// judgeDue marks the verdicts that time has overtaken, and tells whether there is one.
func (f *Fleet) judgeDue(now time.Time) bool {
	found := false
	for _, e := range f.services {
		if e.built != nil && !e.judge && !e.built.Due.IsZero() && !now.Before(e.built.Due) {
			e.judge, f.changed, found = true, true, true
		}
	}
	return found
}

// verdict judges with the dates moved to our clock.
func (f *Fleet) verdict(e *entry, now time.Time) Verdict {
	s := &e.service
	if !s.Updated.Equal(e.updated) || s.Created.After(e.updated) {
		moved := *s
		moved.Updated, moved.Created = e.updated, e.updated
		s = &moved
	}
	v := Judge(s, e.fixed, f.judged, now)
	if f.unread { // 'could not look' is not 'nothing there'
		return Verdict{Health: Unknown, Reason: "its tasks cannot be read: the endpoint does not allow it", Want: v.Want, Unread: true}
	}
	return v
}

func (f *Fleet) build(e *entry, now time.Time) {
	b := &Service{Service: e.service, Tasks: e.tasks, Firing: f.firing[e.service.Name], ErrorRate: math.NaN(), LineRate: math.NaN()}
	old := e.built
	if old == nil || e.judge {
		b.Verdict = f.verdict(e, now)
		e.loads = f.loadsOf(e)
	} else {
		b.Verdict = old.Verdict
	}
	if old != nil && old.Health != b.Health {
		e.since = now
		if old.Health != Unknown {
			bad := b.Health == Down || b.Health == Degraded
			f.history.add(Happening{Time: now, Kind: HealthChanged, Service: b.Name,
				Text: joined(string(old.Health)+" → "+string(b.Health), b.Reason, ""), Source: "fleet", Bad: bad})
		}
	}
	b.HealthSince = e.since
	switch {
	case old == nil:
		b.seen = now
	case sameState(old, b):
		b.seen = old.seen
	default:
		f.endService(e, now)
		b.seen = now
	}
	b.CPU, b.CPUNow = f.usage["cpu"].of(b.Name)
	b.Memory, b.MemoryNow = f.usage["memory"].of(b.Name)
	if b.Running == 0 && !b.Unread { // the last figures of what is gone are none of now
		b.CPUNow, b.MemoryNow = math.NaN(), math.NaN()
	}
	if f.rates != nil {
		b.ErrorRate = f.rates[b.Name]
	}
	if f.lines != nil {
		b.LineRate = f.lines[b.Name]
	}
	var was Unusual
	if old != nil {
		was = old.Unusual
	}
	b.Unusual = f.usual.unusual(b, was, now)
	e.built, e.judge, e.figures = b, false, false
}

// load is what a service's tasks take of one node.
type load struct {
	node        int // position in Fleet.nodes
	tasks, runs int
}

// loadsOf counts a service's tasks by node. All services are judged, and so counted, anew when the nodes change.
func (f *Fleet) loadsOf(e *entry) []load {
	var out []load
	for i := range e.tasks {
		t := &e.tasks[i]
		if t.NodeID == "" || t.State.Ended() {
			continue
		}
		at, known := slices.BinarySearchFunc(f.nodes, f.nodeName(t.NodeID), func(n sources.Node, name string) int {
			return nodeOrder(n, sources.Node{Name: name, ID: t.NodeID})
		})
		if !known {
			continue
		}
		j := slices.IndexFunc(out, func(l load) bool { return l.node == at })
		if j < 0 {
			j = len(out)
			out = append(out, load{node: at})
		}
		out[j].tasks++
		if t.State == sources.TaskRunning {
			out[j].runs++
		}
	}
	return out
}

func (f *Fleet) buildNodes(s *Snapshot) {
	s.Nodes = make([]Node, len(f.nodes))
	for i := range f.nodes {
		n := &s.Nodes[i]
		n.Node, n.CPUUsed, n.MemoryUsed = f.nodes[i], math.NaN(), math.NaN()
		n.seen = f.nodeSeen[n.ID]
		n.first = !n.seen.After(f.nodesFrom)
		if f.nodeQuiet[n.Name] {
			n.Heard = f.nodeHeard[n.Name]
		}
		if v, ok := f.nodeUse["cpu"][n.Name]; ok {
			n.CPUUsed = v
		}
		if v, ok := f.nodeUse["memory"][n.Name]; ok {
			n.MemoryUsed = v
		}
	}
	for _, e := range f.sorted {
		r := &e.service.Resources
		for _, l := range e.loads {
			n := &s.Nodes[l.node]
			n.ReservedNanoCPUs += int64(l.tasks) * r.ReserveNanoCPUs
			n.ReservedBytes += int64(l.tasks) * r.ReserveBytes
			n.Running += l.runs
		}
	}
	for i := range s.Nodes {
		if n := &s.Nodes[i]; isDown(&n.Node) {
			n.Running, n.Stranded = 0, n.Running
		}
	}
}

func count(s *Snapshot) Counts {
	c := Counts{Services: len(s.Services), Nodes: len(s.Nodes)}
	by := map[Health]*int{Healthy: &c.Healthy, Updating: &c.Updating, Degraded: &c.Degraded, Down: &c.Down, Idle: &c.Idle, Unknown: &c.Unknown}
	for _, v := range s.Services {
		if v.NotYet {
			c.Services--
			continue
		}
		*by[v.Health]++
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
	return c
}
