package fleet

import (
	"math"
	"reflect"
	"sort"
	"strings"
	"sync"
	"time"

	"quarterdeck/sources"
)

// Fleet folds what the sources say into snapshots. Safe for concurrent use: sources fold from
// their goroutines, readers take snapshots from theirs. The zero value is not usable; see New.
type Fleet struct {
	now func() time.Time

	mu       sync.Mutex
	seq      uint64
	changed  bool
	last     *Snapshot
	listed   time.Time
	engine   sources.EngineInfo
	nodes    []sources.Node
	services map[string]*entry // by service id
	networks []sources.Network
	secrets  []sources.Reference
	configs  []sources.Reference
	alerts   []sources.Alert
	states   map[string]sources.Status
	order    []string
	usage    map[string]map[string][]sources.Point // cpu, memory: by service name
	rates    map[string]float64
	nodeUse  map[string]sources.Usage // cpu, memory: by node name
	history  history

	wake chan struct{}
}

// entry is what is held of one service.
type entry struct {
	service sources.Service
	tasks   []sources.Task
	seen    map[string]time.Time // when a running task was first seen so
	built   *Service
	dirty   bool
	since   time.Time
}

// New makes an empty fleet; order names its sources in the order in which they are shown.
func New(now func() time.Time, order ...string) *Fleet {
	if now == nil {
		now = time.Now
	}
	f := &Fleet{now: now, services: map[string]*entry{}, states: map[string]sources.Status{},
		usage: map[string]map[string][]sources.Point{}, nodeUse: map[string]sources.Usage{},
		order: order, wake: make(chan struct{}, 1)}
	for _, name := range order {
		f.states[name] = sources.Status{Name: name, State: sources.Connecting, Since: now()}
	}
	return f
}

// Changed is signalled when a new snapshot differs from the last one taken. Many changes make one signal.
func (f *Fleet) Changed() <-chan struct{} { return f.wake }

// touch marks that the next snapshot differs. Callers hold mu.
func (f *Fleet) touch() {
	f.changed = true
	select {
	case f.wake <- struct{}{}:
	default:
	}
}

// Fold takes a piece of news of the swarm in.
func (f *Fleet) Fold(c sources.Change) {
	f.mu.Lock()
	defer f.mu.Unlock()
	at := c.At
	if at.IsZero() {
		at = f.now()
	}
	if c.World != nil {
		f.foldWorld(c.World)
	}
	if c.Nodes != nil {
		f.foldNodes(c.Nodes, at)
	}
	for i := range c.Services {
		f.foldService(&c.Services[i], at)
	}
	for _, id := range c.Removed {
		f.remove(id, at)
	}
	if len(c.TasksOf) > 0 {
		byService := groupTasks(c.Tasks)
		for _, id := range c.TasksOf {
			f.foldTasks(id, byService[id])
		}
	}
	f.foldNames(c.Networks, c.Secrets, c.Configs)
	if c.Event != nil {
		f.foldEvent(c.Event)
	}
	if c.Status != nil {
		f.setStatus(*c.Status)
	}
}

func groupTasks(tasks []sources.Task) map[string][]sources.Task {
	by := map[string][]sources.Task{}
	for _, t := range tasks {
		by[t.ServiceID] = append(by[t.ServiceID], t)
	}
	return by
}

func (f *Fleet) foldWorld(w *sources.World) {
	first := f.listed.IsZero()
	f.listed = w.At
	f.engine = w.Engine
	f.foldNodes(w.Nodes, w.At)
	here := map[string]bool{}
	byService := groupTasks(w.Tasks)
	for i := range w.Services {
		here[w.Services[i].ID] = true
		f.foldService(&w.Services[i], w.At)
	}
	for id := range f.services {
		if !here[id] {
			f.remove(id, w.At)
			continue
		}
		f.foldTasks(id, byService[id])
	}
	f.foldNames(w.Networks, w.Secrets, w.Configs)
	if first {
		f.touch()
	}
}

func (f *Fleet) foldNames(networks []sources.Network, secrets, configs []sources.Reference) {
	if networks != nil && !reflect.DeepEqual(networks, f.networks) {
		f.networks = networks
		f.touch()
	}
	if secrets != nil && !reflect.DeepEqual(secrets, f.secrets) {
		f.secrets = secrets
		f.touch()
	}
	if configs != nil && !reflect.DeepEqual(configs, f.configs) {
		f.configs = configs
		f.touch()
	}
}

func (f *Fleet) foldNodes(nodes []sources.Node, at time.Time) {
	if reflect.DeepEqual(nodes, f.nodes) {
		return
	}
	old := map[string]*sources.Node{}
	for i := range f.nodes {
		old[f.nodes[i].ID] = &f.nodes[i]
	}
	for i := range nodes {
		for _, h := range nodeHappenings(old[nodes[i].ID], &nodes[i], at) {
			f.history.add(h)
		}
	}
	f.nodes = nodes
	for _, e := range f.services { // eligibility and stranded tasks may differ now
		e.dirty = true
	}
	f.touch()
}

func (f *Fleet) foldService(s *sources.Service, at time.Time) {
	e := f.services[s.ID]
	if e == nil {
		e = &entry{seen: map[string]time.Time{}}
		f.services[s.ID] = e
		for _, h := range serviceHappenings(nil, s, at) {
			f.history.add(h)
		}
	} else {
		if e.service.Version == s.Version && reflect.DeepEqual(&e.service, s) {
			return
		}
		for _, h := range serviceHappenings(&e.service, s, at) {
			f.history.add(h)
		}
	}
	e.service = *s
	e.dirty = true
	f.touch()
}

func (f *Fleet) remove(id string, at time.Time) {
	e := f.services[id]
	if e == nil {
		return
	}
	delete(f.services, id)
	f.history.add(Happening{Time: at, Kind: Removed, Service: e.service.Name, Text: e.service.Image, Source: "swarm"})
	f.touch()
}

func (f *Fleet) foldTasks(id string, tasks []sources.Task) {
	e := f.services[id]
	if e == nil {
		return
	}
	sort.SliceStable(tasks, func(i, j int) bool { return taskBefore(&tasks[i], &tasks[j]) })
	if len(tasks) == len(e.tasks) {
		same := true
		for i := range tasks {
			if tasks[i] != e.tasks[i] {
				same = false
				break
			}
		}
		if same {
			return
		}
	}
	now := f.now()
	known := make(map[string]sources.TaskState, len(e.tasks))
	for i := range e.tasks {
		known[e.tasks[i].ID] = e.tasks[i].State
	}
	seen := make(map[string]time.Time, len(tasks))
	for i := range tasks {
		t := &tasks[i]
		if t.State == sources.TaskRunning {
			seen[t.ID] = e.seen[t.ID]
			if seen[t.ID].IsZero() {
				seen[t.ID] = now
			}
		}
		if (t.State == sources.TaskFailed || t.State == sources.TaskRejected) && known[t.ID] != t.State {
			f.history.add(taskHappening(&e.service, t, f.nodeName(t.NodeID)))
		}
	}
	e.tasks, e.seen, e.dirty = tasks, seen, true
	f.touch()
}

// taskBefore orders tasks by slot, then node, then the newest first.
func taskBefore(a, b *sources.Task) bool {
	if a.Slot != b.Slot {
		return a.Slot < b.Slot
	}
	if a.Slot == 0 && a.NodeID != b.NodeID {
		return a.NodeID < b.NodeID
	}
	if !a.Created.Equal(b.Created) {
		return a.Created.After(b.Created)
	}
	return a.ID < b.ID
}

func (f *Fleet) nodeName(id string) string {
	for i := range f.nodes {
		if f.nodes[i].ID == id {
			return f.nodes[i].Name
		}
	}
	return ""
}

// foldEvent keeps the events that no object's change tells.
func (f *Fleet) foldEvent(e *sources.Event) {
	switch e.Type {
	case "network", "secret", "config":
		if f.history.add(Happening{Time: e.Time, Kind: OtherHappening, Text: e.Type + " " + e.Name + " " + e.Action, Source: "swarm"}) {
			f.touch()
		}
	}
}

// SetStatus takes a source's state in.
func (f *Fleet) SetStatus(s sources.Status) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.setStatus(s)
}

func (f *Fleet) setStatus(s sources.Status) {
	old, known := f.states[s.Name]
	if !known {
		f.order = append(f.order, s.Name)
	}
	if s.Since.IsZero() || (known && old.State == s.State) {
		s.Since = old.Since
	}
	if s.Since.IsZero() {
		s.Since = f.now()
	}
	if s.Fresh.IsZero() {
		s.Fresh = old.Fresh
	}
	if s.Version == "" {
		s.Version = old.Version
	}
	if s.Address == "" {
		s.Address = old.Address
	}
	f.states[s.Name] = s
	if known && old.State == s.State && old.Detail == s.Detail && old.Lost == s.Lost && old.Version == s.Version {
		return // a fresher date alone is not worth a frame
	}
	if known && old.OK() != s.OK() && old.State != sources.Connecting {
		f.history.add(Happening{Time: f.now(), Kind: SourceChanged, Text: s.Name + " " + string(s.State), Source: s.Name, Bad: !s.OK()})
	}
	f.touch()
}

// SetAlerts takes the whole list of alerts in.
func (f *Fleet) SetAlerts(alerts []sources.Alert) {
	f.mu.Lock()
	defer f.mu.Unlock()
	sort.SliceStable(alerts, func(i, j int) bool { return alertBefore(&alerts[i], &alerts[j]) })
	if reflect.DeepEqual(alerts, f.alerts) {
		return
	}
	now := f.now()
	firing := map[string]bool{}
	for i := range alerts {
		a := &alerts[i]
		if a.State != sources.Firing {
			continue
		}
		firing[alertKey(a)] = true
		f.history.add(Happening{Time: a.Since, Kind: AlertFiring, Service: a.Service, Text: strings.TrimSuffix(a.Name+": "+a.Summary, ": "),
			Source: "alertmanager", Bad: true, key: AlertFiring + "\x00" + alertKey(a) + a.Since.String()})
	}
	for i := range f.alerts {
		a := &f.alerts[i]
		if a.State == sources.Firing && !firing[alertKey(a)] {
			f.history.add(Happening{Time: now, Kind: AlertResolved, Service: a.Service, Text: a.Name, Source: "alertmanager"})
		}
	}
	f.alerts = alerts
	for _, e := range f.services {
		e.dirty = true
	}
	f.touch()
}

func alertKey(a *sources.Alert) string {
	if a.Fingerprint != "" {
		return a.Fingerprint
	}
	return a.Name + "\x00" + a.Service
}

var severityRank = map[string]int{"critical": 0, "error": 1, "warning": 2, "info": 3, "": 4}

func alertBefore(a, b *sources.Alert) bool {
	rank := map[sources.AlertState]int{sources.Firing: 0, sources.Pending: 1, sources.Suppressed: 2}
	if rank[a.State] != rank[b.State] {
		return rank[a.State] < rank[b.State]
	}
	if severityRank[a.Severity] != severityRank[b.Severity] {
		return severityRank[a.Severity] < severityRank[b.Severity]
	}
	if !a.Since.Equal(b.Since) {
		return a.Since.After(b.Since)
	}
	return alertKey(a) < alertKey(b)
}

// SetUsage takes one figure (cpu in cores, memory in bytes) of all services in; nil: not known any more.
func (f *Fleet) SetUsage(figure string, by map[string][]sources.Point) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.usage[figure] = by
	for _, e := range f.services {
		e.dirty = true
	}
	f.touch()
}

// SetRates takes error lines a second by service name in; nil: not known any more.
func (f *Fleet) SetRates(by map[string]float64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if reflect.DeepEqual(by, f.rates) {
		return
	}
	f.rates = by
	for _, e := range f.services {
		e.dirty = true
	}
	f.touch()
}

// SetNodeUsage takes one figure (cpu, memory) of all nodes in, by node name.
func (f *Fleet) SetNodeUsage(figure string, by sources.Usage) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.nodeUse[figure] = by
	f.touch()
}

// Note adds something to the history that no source tells by itself.
func (f *Fleet) Note(h Happening) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.history.add(h) {
		f.touch()
	}
}

// figureOf is a service's points of one figure, and its newest value or NaN.
func (f *Fleet) figureOf(figure, service string) ([]sources.Point, float64) {
	by := f.usage[figure]
	if by == nil {
		return nil, math.NaN()
	}
	p := by[service]
	return p, lastValue(p)
}
