package fleet

import (
	"math"
	"slices"
	"time"

	"quarterdeck/sources"
)

// TaskNotEnded is the state of a task at a past moment where all that is known is that it was made before and ended later.
const TaskNotEnded sources.TaskState = "not ended"

// NotLooked is the reason of an Unknown that is for want of a look at that time.
const NotLooked = "not known: the console was not looking then"

// Then is the fleet as it was at a moment: states, nodes, tasks and alerts as the fleet saw them, CPU and memory as far as the
// sparklines reach. What was not looked at then says so: a service before KnownSince is Unknown, with the reason. The
// history is the whole one; the sources' states are today's. Where nobody was looking, tasks that are still known prove what they can (ByTasks). A moment that is not before s.At gives s itself. It costs
// what making a snapshot anew costs; it is pure.
func (s *Snapshot) Then(at time.Time) *Snapshot {
	if s == nil || !at.Before(s.At) {
		return s
	}
	c := &recall{s: s, at: at, known: s.past.knownSince(), ran: map[string]span{}}
	out := &Snapshot{Seq: s.Seq, At: at, Listed: s.Listed, Engine: s.Engine, Sources: s.Sources, Networks: s.Networks, Secrets: s.Secrets, Configs: s.Configs,
		History: s.History, ratesBy: s.ratesBy, alertsFrom: s.alertsFrom, Past: true, KnownSince: c.known,
		TasksSince: latest(s.past.since, s.past.tasks.lost), AlertsSince: latest(s.past.since, s.past.alerts.lost), past: s.past}
	out.Alerts = c.alerts()
	out.Nodes = c.nodes()
	c.judgedBy(out.Nodes)
	out.Services = c.services(out.Alerts)
	out.index = make(map[string]int, 2*len(out.Services))
	for i, v := range out.Services {
		out.index[v.ID] = i
	}
	for i, v := range out.Services {
		out.index[v.Name] = i
	}
	c.place(out)
	out.Counts = count(out)
	return out
}

// recall makes one past picture.
type recall struct {
	s      *Snapshot
	at     time.Time
	known  time.Time
	ran    map[string]span           // when tasks ran that run no more, by id
	gone   map[string][]sources.Task // tasks that the orchestrator has forgotten, by service
	judged Nodes                     // as the verdict by tasks wants them
	were   map[string]*pastService   // the states of then that have ended since, by service
}

func (c *recall) alerts() []sources.Alert {
	var out []sources.Alert
	for i := range c.s.Alerts {
		if a := c.s.Alerts[i]; !a.Since.After(c.at) {
			out = append(out, a)
		}
	}
	ended := endedAfter(c.s.past.alerts.list, (*pastAlert).end, c.at)
	for i := range ended {
		if ended[i].holds(c.at) {
			out = append(out, ended[i].alert)
		}
	}
	slices.SortStableFunc(out, alertOrder)
	return out
}

func (c *recall) nodes() []Node {
	var out []Node
	add := func(n *sources.Node) {
		out = append(out, Node{Node: *n, CPUUsed: math.NaN(), MemoryUsed: math.NaN()})
	}
	were := map[string]bool{}
	ended := endedAfter(c.s.past.nodes.list, (*pastNode).end, c.at)
	for i := range ended {
		if x := &ended[i]; x.holds(c.at) && !were[x.node.ID] {
			were[x.node.ID] = true
			add(&x.node)
		}
	}
	for i := range c.s.Nodes {
		n := &c.s.Nodes[i]
		switch {
		case were[n.ID] || n.Created.After(c.at):
		case !c.at.Before(n.seen):
			add(&n.Node)
		default:
			x := n.Node
			x.State, x.Availability, x.Reachability, x.Message, x.Leader = string(Unknown), string(Unknown), "", NotLooked, false
			add(&x)
			out[len(out)-1].LabelsToday = true
		}
	}
	slices.SortFunc(out, func(a, b Node) int { return nodeOrder(a.Node, b.Node) })
	return out
}

// judgedBy takes the nodes of then for the verdict by tasks, and today's where those of then are not known.
func (c *recall) judgedBy(then []Node) {
	nodes := make([]sources.Node, 0, len(then))
	for i := range then {
		n := &then[i]
		if n.LabelsToday {
			n = c.s.Node(n.ID)
		}
		nodes = append(nodes, n.Node)
	}
	c.judged = NewNodes(nodes)
}

func (c *recall) services(alerts []sources.Alert) []*Service {
	c.prepare()
	firing := map[string]int{}
	for i := range alerts {
		if alerts[i].State == sources.Firing {
			firing[alerts[i].Service]++
		}
	}
	out := make([]*Service, 0, len(c.s.Services))
	here := make(map[string]bool, len(c.s.Services))
	all := make([]Service, len(c.s.Services))
	for i, v := range c.s.Services {
		here[v.ID] = true
		c.service(&all[i], v)
		all[i].Firing = firing[v.Name]
		out = append(out, &all[i])
	}
	removed := false
	for id, x := range c.were {
		if !here[id] {
			v := &Service{Service: x.spec.service, Verdict: x.verdict, HealthSince: x.healthy, Firing: firing[x.spec.service.Name], CPUNow: math.NaN(), MemoryNow: math.NaN(),
				ErrorRate: math.NaN(), LineRate: math.NaN(), Tasks: c.tasks(id, nil)}
			out, removed = append(out, v), true
		}
	}
	if removed {
		slices.SortFunc(out, func(a, b *Service) int { return serviceOrder(&a.Service, &b.Service) })
	}
	return out
}

// prepare looks through what was kept, once for all services.
func (c *recall) prepare() {
	c.were, c.gone = map[string]*pastService{}, map[string][]sources.Task{}
	ended := endedAfter(c.s.past.services.list, (*pastService).end, c.at)
	for i := range ended {
		x := &ended[i]
		if id := x.spec.service.ID; x.holds(c.at) && c.were[id] == nil {
			c.were[id] = x
		}
	}
	tasks := endedAfter(c.s.past.tasks.list, (*pastTask).end, c.at)
	for i := range tasks {
		if x := &tasks[i]; x.holds(c.at) {
			c.gone[x.task.ServiceID] = append(c.gone[x.task.ServiceID], x.task)
		}
	}
	for i := range c.s.past.runs.list {
		x := &c.s.past.runs.list[i]
		c.ran[x.id] = x.span
	}
}

// service makes the past state of one that is there today.
func (c *recall) service(out *Service, v *Service) {
	*out = Service{Service: v.Service, Verdict: v.Verdict, HealthSince: v.HealthSince, ErrorRate: math.NaN(), LineRate: math.NaN()}
	out.Due = time.Time{}
	out.CPU, out.CPUNow = pointsUntil(v.CPU, c.at)
	out.Memory, out.MemoryNow = pointsUntil(v.Memory, c.at)
	x := c.were[v.ID]
	switch {
	case x != nil:
		out.Service, out.Verdict, out.HealthSince = x.spec.service, x.verdict, x.healthy
	case !c.at.Before(v.seen):
	case v.Created.After(c.at):
		out.NotYet = true
		out.Verdict, out.HealthSince = Verdict{Health: Unknown, Reason: "not there yet", Unread: true}, time.Time{}
		return
	default:
		out.Tasks = c.tasks(v.ID, v.Tasks)
		if told, ok := c.byTasks(out); ok {
			out.Verdict, out.HealthSince = told, time.Time{}
		} else {
			unknown(out, c.at)
		}
		return
	}
	out.Tasks = c.tasks(v.ID, v.Tasks)
}

// ByTasks begins the reason of a verdict on a time when the console was not looking.
const ByTasks = "by its tasks"

// byTasks judges a service at a time when nobody was looking by the tasks that are still known; false: they prove nothing. Of what
// is forgotten nothing follows, so only two verdicts count: all ran, or some failed. A service that was changed since had other settings.
func (c *recall) byTasks(v *Service) (Verdict, bool) {
	if v.Updated.After(c.at) || v.Mode.Job() || v.UpdateState == "updating" || v.UpdateState == "rollback_started" {
		return Verdict{}, false
	}
	tasks := slices.Clone(v.Tasks)
	for i := range tasks {
		if tasks[i].State == TaskNotEnded { // it had a container
			tasks[i].State = sources.TaskRunning
		}
	}
	told := Judge(&v.Service, tasks, c.judged, c.at)
	told.Due = time.Time{}
	switch {
	case told.Health == Healthy:
		told.Reason = ByTasks
	case told.Health == Idle:
	case told.Failures > 0 && (told.Health == Down || told.Health == Degraded):
		told.Reason = ByTasks + ": " + told.Reason
	default:
		return Verdict{}, false
	}
	return told, true
}

// unknown leaves of a service what is known of it all the same: its settings, where they have not been changed since.
func unknown(out *Service, at time.Time) {
	out.Verdict, out.HealthSince = Verdict{Health: Unknown, Reason: NotLooked, Want: out.Want, Unread: true}, time.Time{}
	if out.Updated.After(at) {
		out.Image, out.Digest, out.UpdateState, out.UpdateMessage, out.Constraints = "", "", "", "", nil
		out.Want = out.Desired
	}
}

// pointsUntil are the points up to a moment, and the value then.
func pointsUntil(points []sources.Point, at time.Time) ([]sources.Point, float64) {
	n, _ := slices.BinarySearchFunc(points, at, func(p sources.Point, at time.Time) int {
		if p.T.After(at) {
			return 1
		}
		return -1
	})
	return usage{by: map[string][]sources.Point{"": points[:n:n]}, at: at}.of("")
}

// tasks are a service's tasks at the moment: those of today that were there, in their state of then, and those that are forgotten since.
func (c *recall) tasks(id string, today []sources.Task) []sources.Task {
	if len(c.gone[id]) == 0 && !slices.ContainsFunc(today, func(t sources.Task) bool { return t.Created.After(c.at) || t.Since.After(c.at) }) {
		return today
	}
	var out []sources.Task
	for _, list := range [][]sources.Task{today, c.gone[id]} {
		for i := range list {
			if t := &list[i]; !t.Created.After(c.at) {
				out = append(out, c.task(t))
			}
		}
	}
	if len(c.gone[id]) > 0 {
		slices.SortFunc(out, taskOrder)
	}
	return out
}

// task is a task in its state of then: its last one, where that had begun; else what is known of the time before.
func (c *recall) task(t *sources.Task) sources.Task {
	if !t.Since.After(c.at) {
		return *t
	}
	x := *t
	x.Desired, x.Err, x.ExitCode, x.Message = sources.TaskRunning, "", 0, ""
	ran, known := c.ran[t.ID]
	switch {
	case known && ran.holds(c.at):
		x.State, x.Since = sources.TaskRunning, ran.from
	case known && c.at.Before(ran.from), t.State == sources.TaskRunning, t.Container == "":
		x.State, x.Since = sources.TaskPreparing, t.Created
		x.Message = "on its way"
	case known: // between its run and its end
		x.State, x.Since = sources.TaskRunning, ran.from
	default:
		x.State, x.Since = TaskNotEnded, t.Created
		x.Message = "ended later; since when it ran is not known"
	}
	return x
}

// place counts what ran on the nodes.
func (c *recall) place(out *Snapshot) {
	byID := make(map[string]*Node, len(out.Nodes))
	for i := range out.Nodes {
		byID[out.Nodes[i].ID] = &out.Nodes[i]
	}
	for _, v := range out.Services {
		for i := range v.Tasks {
			t := &v.Tasks[i]
			n := byID[t.NodeID]
			if n == nil || t.State.Ended() {
				continue
			}
			n.ReservedNanoCPUs += v.Resources.ReserveNanoCPUs
			n.ReservedBytes += v.Resources.ReserveBytes
			switch {
			case t.State != sources.TaskRunning && t.State != TaskNotEnded:
			case isDown(&n.Node):
				n.Stranded++
			default:
				n.Running++
			}
		}
	}
}

// Figures are what was used at a moment, as the sources tell it afterwards. A nil map: not known.
type Figures struct {
	CPU, Memory         map[string][]sources.Point // by service: the last points up to the moment, in cores and bytes
	Rates, Lines        map[string]float64         // error lines, and lines of any level, a second, by service
	NodeCPU, NodeMemory sources.Usage              // by node name
}

// SetFigures puts what was used into a picture that Then has made. It must not be shared with anybody yet.
func (s *Snapshot) SetFigures(f Figures) {
	if !s.Past {
		return
	}
	for _, v := range s.Services {
		if v.NotYet {
			continue
		}
		if f.CPU != nil {
			v.CPU, v.CPUNow = usage{f.CPU, s.At}.of(v.Name)
		}
		if f.Memory != nil {
			v.Memory, v.MemoryNow = usage{f.Memory, s.At}.of(v.Name)
		}
		if f.Rates != nil {
			v.ErrorRate = f.Rates[v.Name]
		}
		if f.Lines != nil {
			v.LineRate = f.Lines[v.Name]
		}
	}
	for i := range s.Nodes {
		n := &s.Nodes[i]
		if v, ok := f.NodeCPU[n.Name]; ok {
			n.CPUUsed = v
		}
		if v, ok := f.NodeMemory[n.Name]; ok {
			n.MemoryUsed = v
		}
	}
}
