package fleet

import (
	"reflect"
	"slices"
	"sync"
	"time"

	"quarterdeck/sources"
)

// Fleet folds what the sources say into snapshots. Safe for concurrent use: sources fold from
// their goroutines, readers take snapshots from theirs. What is handed to it belongs to it: its
// slices and maps must not be changed afterwards. The zero value is not usable; see New.
type Fleet struct {
	now func() time.Time

	mu         sync.Mutex
	seq        uint64
	changed    bool
	last       *Snapshot
	listed     time.Time
	engine     sources.EngineInfo
	unread     bool // the endpoint does not allow the tasks to be read
	nodes      []sources.Node
	judged     Nodes             // nodes, as Judge wants them
	services   map[string]*entry // by service id
	sorted     []*entry          // as shown; nil: to be sorted anew
	index      map[string]int    // name and id to position in sorted; shared with snapshots, never changed
	early      map[string][]sources.Task
	wakes      []chan struct{} // of Subscribe
	networks   []sources.Network
	secrets    []sources.Reference
	configs    []sources.Reference
	alerts     []sources.Alert
	silences   []sources.Silence
	silenced   map[string]bool // ids of silences that were active; nil: they were never read
	firing     map[string]int  // alerts that fire, by service name
	states     map[string]sources.Status
	order      []string
	usage      map[string]usage // cpu, memory
	rates      map[string]float64
	lines      map[string]float64
	usual      usuals
	ratesBy    string // the source of rates
	alertsFrom alertsFrom
	nodeUse    map[string]sources.Usage // cpu, memory: by node name
	nodeHeard  map[string]time.Time     // by node name: when its exporter's figures were read last
	nodeQuiet  map[string]bool          // by node name: they come no more, and those of others do
	history    history
	past       past
	nodeSeen   map[string]time.Time // by node id: since when its state is as it is
	nodesFrom  time.Time            // when nodes were seen first

	wake chan struct{}
}

// entry is what is held of one service.
type entry struct {
	service sources.Service
	updated time.Time // service.Updated by our clock
	looked  time.Time // when service was last read
	tasks   []sources.Task
	fixed   []sources.Task // tasks by our clock, see byOurClock
	read    time.Time      // when tasks were last read; zero: never
	built   *Service
	loads   []load
	judge   bool // the verdict may differ now
	figures bool // what it uses differs now
	since   time.Time
	pin     *pinned // the settings that states before this one share
}

// New makes an empty fleet; order names its sources in the order in which they are shown.
func New(now func() time.Time, order ...string) *Fleet {
	if now == nil {
		now = time.Now
	}
	f := &Fleet{now: now, services: map[string]*entry{}, early: map[string][]sources.Task{},
		states: map[string]sources.Status{}, firing: map[string]int{}, usage: map[string]usage{},
		nodeUse: map[string]sources.Usage{}, nodeHeard: map[string]time.Time{}, nodeQuiet: map[string]bool{}, order: slices.Clone(order), wake: make(chan struct{}, 1)}
	for _, name := range order {
		f.states[name] = sources.Status{Name: name, State: sources.Connecting, Since: now()}
	}
	return f
}

// Changed is signalled when a new snapshot differs from the last one taken. Many changes make one signal.
func (f *Fleet) Changed() <-chan struct{} { return f.wake }

// Subscribe gives a signal of its own to one more reader, as Changed is for the first. stop ends it.
func (f *Fleet) Subscribe() (changed <-chan struct{}, stop func()) {
	c := make(chan struct{}, 1)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.wakes = append(f.wakes, c)
	return c, func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.wakes = slices.DeleteFunc(f.wakes, func(x chan struct{}) bool { return x == c })
	}
}

// touch marks that the next snapshot differs. Callers hold mu.
func (f *Fleet) touch() {
	f.changed = true
	signal(f.wake)
	for _, c := range f.wakes {
		signal(c)
	}
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// Fold takes a piece of news of the swarm in.
func (f *Fleet) Fold(c sources.Change) {
	f.mu.Lock()
	defer f.mu.Unlock()
	now := f.now()
	at := c.At
	if at.IsZero() {
		at = now
	}
	if c.World != nil {
		f.foldWorld(c.World, at, now)
	}
	if c.Nodes != nil {
		f.foldNodes(c.Nodes, at)
	}
	for i := range c.Services {
		f.foldService(&c.Services[i], at, now)
	}
	for _, id := range c.Removed {
		f.remove(id, at)
	}
	if len(c.TasksOf) > 0 {
		byService := groupTasks(c.Tasks)
		for _, id := range c.TasksOf {
			f.foldTasks(id, byService[id], now)
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

// groupTasks copies tasks into one array, cut by service.
func groupTasks(tasks []sources.Task) map[string][]sources.Task {
	count := map[string]int{}
	for i := range tasks {
		count[tasks[i].ServiceID]++
	}
	all := make([]sources.Task, len(tasks))
	by := make(map[string][]sources.Task, len(count))
	used := 0
	for id, n := range count {
		by[id] = all[used : used : used+n]
		used += n
	}
	for i := range tasks {
		by[tasks[i].ServiceID] = append(by[tasks[i].ServiceID], tasks[i])
	}
	return by
}

func (f *Fleet) foldWorld(w *sources.World, at, now time.Time) {
	if !w.At.IsZero() {
		at = w.At
	}
	if f.listed.IsZero() || f.engine != w.Engine {
		f.touch()
	}
	f.listed, f.engine = at, w.Engine
	if unread := slices.Contains(w.Missing, "tasks"); unread != f.unread {
		f.unread = unread
		for _, e := range f.services {
			e.judge = true
		}
		f.touch()
	}
	f.foldNodes(w.Nodes, at)
	here := make(map[string]bool, len(w.Services))
	byService := groupTasks(w.Tasks)
	for i := range w.Services {
		here[w.Services[i].ID] = true
		f.foldService(&w.Services[i], at, now)
	}
	for id := range f.services {
		if !here[id] {
			f.remove(id, at)
			continue
		}
		f.foldTasks(id, byService[id], now)
	}
	clear(f.early)
	f.foldNames(w.Networks, w.Secrets, w.Configs)
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

func (f *Fleet) foldNodes(list []sources.Node, at time.Time) {
	nodes := slices.Clone(list)
	slices.SortFunc(nodes, nodeOrder)
	if len(nodes) == len(f.nodes) && (len(nodes) == 0 || reflect.DeepEqual(nodes, f.nodes)) {
		return
	}
	for _, h := range nodesHappenings(f.nodes, nodes, at) {
		f.history.add(h)
	}
	if f.nodesFrom.IsZero() {
		f.nodesFrom = f.now()
	}
	f.endNodes(f.nodes, nodes, f.now())
	f.nodes, f.judged = nodes, NewNodes(nodes)
	for _, e := range f.services { // eligibility and stranded tasks may differ now
		e.judge = true
	}
	f.touch()
}

func (f *Fleet) foldService(s *sources.Service, at, now time.Time) {
	e := f.services[s.ID]
	switch {
	case e == nil:
		e = &entry{updated: clamp(s.Updated, time.Time{}, now)}
		f.services[s.ID], f.sorted = e, nil
		for _, h := range serviceHappenings(nil, s, at) {
			f.history.add(h)
		}
	case e.service.Version == s.Version && reflect.DeepEqual(&e.service, s):
		e.looked = now
		return
	default:
		for _, h := range serviceHappenings(&e.service, s, at) {
			f.history.add(h)
		}
		if !e.service.Updated.Equal(s.Updated) {
			e.updated = clamp(s.Updated, e.looked, now)
		}
		if e.service.Name != s.Name || e.service.Stack != s.Stack {
			f.sorted = nil
		}
	}
	e.service, e.looked, e.judge = *s, now, true
	if tasks, ok := f.early[s.ID]; ok {
		delete(f.early, s.ID)
		f.foldTasks(s.ID, tasks, now)
	}
	f.touch()
}

func (f *Fleet) remove(id string, at time.Time) {
	delete(f.early, id)
	e := f.services[id]
	if e == nil {
		return
	}
	f.endService(e, f.now())
	f.endTasks(e.tasks, nil, f.now())
	delete(f.services, id)
	f.sorted = nil
	f.history.add(Happening{Time: at, Kind: Removed, Service: e.service.Name, Text: e.service.Image, Source: SwarmName})
	f.touch()
}

// foldTasks takes the tasks of one service; it sorts them in place.
func (f *Fleet) foldTasks(id string, tasks []sources.Task, now time.Time) {
	e := f.services[id]
	if e == nil { // its service has not been read yet; the next whole listing forgets what never comes
		if len(tasks) > 0 {
			f.early[id] = tasks
		}
		return
	}
	slices.SortFunc(tasks, taskOrder)
	last := e.read
	e.read = now
	if slices.Equal(tasks, e.tasks) {
		return
	}
	known := make(map[string]sources.TaskState, len(e.tasks))
	for i := range e.tasks {
		known[e.tasks[i].ID] = e.tasks[i].State
	}
	for i := range tasks {
		t := &tasks[i]
		if (t.State == sources.TaskFailed || t.State == sources.TaskRejected) && known[t.ID] != t.State {
			f.history.add(taskHappening(&e.service, t, f.nodeName(t.NodeID)))
		}
	}
	for _, h := range taskStarts(&e.service, tasks, known, last.IsZero(), now, f.nodeName) {
		f.history.add(h)
	}
	f.endTasks(e.tasks, tasks, now)
	e.fixed = byOurClock(tasks, e.tasks, e.fixed, last, now)
	e.tasks, e.judge = tasks, true
	f.touch()
}

func (f *Fleet) nodeName(id string) string {
	if n := f.judged.byID[id]; n != nil {
		return n.Name
	}
	return ""
}

// foldEvent keeps the events that no object's change tells.
func (f *Fleet) foldEvent(e *sources.Event) {
	switch e.Type {
	case "network", "secret", "config":
		if f.history.add(Happening{Time: e.Time, Kind: OtherHappening, Text: e.Type + " " + e.Name + " " + e.Action, Source: SwarmName}) {
			f.touch()
		}
	}
}

// SetStatus takes a source's state in. Where State is as it was, Since stays; empty fields stay as they were but Detail and Lost.
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
	switch {
	case known && old.State == s.State:
		s.Since = old.Since
	case s.Since.IsZero():
		s.Since = f.now()
	}
	if s.Fresh.Before(old.Fresh) {
		s.Fresh = old.Fresh
	}
	s.Version, s.Address = orElse(s.Version, old.Version), orElse(s.Address, old.Address)
	f.states[s.Name] = s
	if known && old.State == s.State && old.Detail == s.Detail && old.Lost == s.Lost && old.Version == s.Version && old.Address == s.Address {
		return // a fresher date alone is not worth a frame
	}
	if known && old.OK() != s.OK() && old.State != sources.Connecting && s.State != sources.Absent {
		f.history.add(Happening{Time: f.now(), Kind: SourceChanged, Text: s.Name + " " + string(s.State), Source: s.Name, Bad: !s.OK()})
	}
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
