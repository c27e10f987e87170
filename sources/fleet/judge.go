package fleet

import (
	"fmt"
	"time"

	"quarterdeck/sources"
)

// Rules of time that a verdict stands on.
const (
	// DefaultWindow is how long a task must have run before it counts as stable where the service sets no
	// monitor time: swarmkit's default of 5 s (api/defaults/service.go, Update.Monitor).
	DefaultWindow = 5 * time.Second
	// MaxWindow bounds the window: a monitor of an hour must not hide a service that runs.
	MaxWindow = 2 * time.Minute
	// FailureWindow is how far back a failed task is news. Older ones are history.
	FailureWindow = 5 * time.Minute
	// FlapFailures in one slot within FailureWindow make it a loop, until its task has run for FlapCalm.
	FlapFailures = 2
	// FlapCalm is how long a slot that failed repeatedly must run before it is trusted again.
	FlapCalm = time.Minute
	// StartPatience is how long tasks may be on their way without an error before that is a fault, and
	// how long after a change of its spec a service may lack tasks.
	StartPatience = time.Minute
	// StuckAfter is how long an update may go without a new task that runs, beyond the delay and the monitor time that it sets itself.
	StuckAfter = 2 * time.Minute
)

// Verdict is what is known of a service's health, and why.
type Verdict struct {
	Health Health
	// Reason is one line; "" where all is well. It quotes the orchestrator: untrusted.
	Reason string
	// Want is how many places should be filled: replicas, or the eligible nodes of a global service.
	Want int
	// Running counts places (slots, or a global service's nodes) with a task that really runs on a node
	// that is up; Well those of them whose task also runs the desired generation and has been stable
	// for the window. Of a job, Well counts the tasks that have completed instead.
	Running, Well int
	// Failures counts the tasks of the desired generation that failed within FailureWindow; of a job,
	// within its run.
	Failures int
	// Unread: the tasks could not be read, so Running and Well are not known.
	Unread bool
	// Due is when the verdict may change by time alone, after now; zero: never.
	Due time.Time
}

// Run is how many run of how many should: 2/3, or ?/3 where the tasks could not be read.
func (v Verdict) Run() string {
	if v.Unread {
		return fmt.Sprintf("?/%d", v.Want)
	}
	return fmt.Sprintf("%d/%d", v.Running, v.Want)
}

// Nodes is what a verdict needs of the nodes.
type Nodes struct {
	list []sources.Node
	byID map[string]*sources.Node
}

// NewNodes indexes nodes for Judge; list must not change afterwards.
func NewNodes(list []sources.Node) Nodes {
	n := Nodes{list: list, byID: make(map[string]*sources.Node, len(list))}
	for i := range list {
		n.byID[list[i].ID] = &list[i]
	}
	return n
}

// down tells whether what is said to run on a node cannot be believed. A node whose state is "unknown" (after a
// change of leader) is not down: its tasks go on, and swarmkit counts it as well (orchestrator.InvalidNode).
func (n Nodes) down(id string) bool {
	x := n.byID[id]
	return x != nil && isDown(x)
}

func isDown(n *sources.Node) bool { return n.State == "down" || n.State == "disconnected" }

// Judge decides a service's health from its tasks. It is pure: the same arguments give the same
// verdict, in whatever order the tasks come. Times in the arguments are by one clock, now's (the
// fleet corrects those of other machines before).
//
// The rules: a place counts when its task runs at the desired generation on a node that is up, for
// the stability window; a global service wants one task on each eligible node; failed tasks of older
// generations, or from before FailureWindow, are history; an update that was rolled back has
// failed, whatever runs now (OPERATIONS.md, "Updates").
func Judge(s *sources.Service, tasks []sources.Task, nodes Nodes, now time.Time) Verdict {
	c := &court{s: s, nodes: nodes, now: now, window: window(s)}
	c.want(tasks)
	switch {
	case s.Labels[sources.LabelRun] != "":
		return c.judgeRun(tasks)
	case s.Mode.Job():
		return c.judgeJob(tasks)
	}
	c.count(tasks)
	return c.decide()
}

func window(s *sources.Service) time.Duration {
	w := s.Update.Monitor
	if w <= 0 {
		w = DefaultWindow
	}
	return min(w, MaxWindow)
}

// court is one judgement's state.
type court struct {
	s      *sources.Service
	nodes  Nodes
	now    time.Time
	window time.Duration

	v        Verdict
	eligible map[string]bool // a global service's nodes
	down     int             // nodes that meet the constraints, and are down
	set      int             // nodes that meet the constraints, and are drained or paused

	goal     int       // Want less the places that ran to their end for good
	right    int       // places whose running task is of the desired generation
	outdated int       // places that run, but only an older generation
	stranded int       // tasks that say they run, on a node that is down
	waiting  int       // tasks on their way
	progress time.Time // when a task of the desired generation began to run last
	overdue  bool
	loops    []*place // places that fail again and again, the worst first
	last     *sources.Task
	blocked  *sources.Task // a task on its way with an error
}

// live tells whether the orchestrator wants this task to run (ready: it waits for its turn).
func live(t *sources.Task) bool { return t.Desired == sources.TaskRunning || t.Desired == "ready" }

func (c *court) want(tasks []sources.Task) {
	if c.s.Mode != sources.Global && c.s.Mode != sources.GlobalJob {
		c.v.Want = c.s.Desired
		return
	}
	here := map[string]bool{}
	for i := range tasks {
		if live(&tasks[i]) && !tasks[i].State.Ended() {
			here[tasks[i].NodeID] = true
		}
	}
	c.eligible = map[string]bool{}
	where := placementOf(c.s)
	for i := range c.nodes.list {
		n := &c.nodes.list[i]
		switch {
		case !where.allows(n):
		case n.Availability == "drain":
			c.set++
		case isDown(n):
			c.down++
		case n.Availability == "pause" && !here[n.ID]: // it keeps its task and gets no new one (orchestrator/global)
			c.set++
		default:
			c.eligible[n.ID] = true
		}
	}
	c.v.Want = len(c.eligible)
}

func (c *court) current(t *sources.Task) bool {
	return t.Generation == "" || c.s.Generation == "" || t.Generation == c.s.Generation
}

func (c *court) due(in time.Duration) {
	at := c.now.Add(in)
	if c.v.Due.IsZero() || at.Before(c.v.Due) {
		c.v.Due = at
	}
}

// newer orders tasks by a moment, and by id where that is the same.
func newer(t, than *sources.Task, at func(*sources.Task) time.Time) bool {
	if than == nil {
		return true
	}
	if x := at(t).Compare(at(than)); x != 0 {
		return x > 0
	}
	return t.ID > than.ID
}

func since(t *sources.Task) time.Time { return t.Since }

func created(t *sources.Task) time.Time { return t.Created }

// decide turns the counts into a verdict.
func (c *court) decide() Verdict {
	switch {
	case c.v.Want == 0:
		return c.decideNone()
	case c.goal == 0:
		return c.end(Idle, "ran to its end, and is not started again")
	}
	trouble := c.trouble()
	switch c.s.UpdateState {
	case "paused":
		return c.bad(joined("update paused", c.s.UpdateMessage, trouble))
	case "rollback_paused":
		return c.bad(joined("rollback paused", c.s.UpdateMessage, trouble))
	case "updating", "rollback_started":
		return c.decideUpdating(trouble)
	}
	switch {
	case c.v.Running == 0 && (trouble != "" || !c.recent()):
		return c.end(Down, orElse(trouble, "no task runs"+c.coming()))
	case c.v.Well >= c.goal && c.s.UpdateState == "rollback_completed":
		return c.bad(joined("the last update failed and was rolled back", c.s.UpdateMessage, ""))
	case c.v.Well >= c.goal:
		return c.end(Healthy, "")
	case trouble != "":
		return c.end(Degraded, trouble)
	case c.v.Running < c.goal && c.recent():
		return c.end(Updating, fmt.Sprintf("starting, %d/%d run", c.v.Running, c.v.Want))
	case c.v.Running < c.goal:
		return c.end(Degraded, fmt.Sprintf("%d/%d run%s", c.v.Running, c.v.Want, c.coming()))
	case c.outdated > 0 && c.right == c.v.Well && c.waiting == 0 && !c.recent():
		return c.end(Degraded, fmt.Sprintf("%d of %d run an older version", c.outdated, c.v.Want))
	}
	return c.end(Updating, fmt.Sprintf("stabilising, %d/%d stable", c.v.Well, c.v.Want))
}

// decideNone is for a service that wants no task: that is not a fault unless its nodes are down.
func (c *court) decideNone() Verdict {
	switch {
	case c.s.Mode != sources.Global && c.s.Mode != sources.GlobalJob:
		return c.end(Idle, "scaled to 0")
	case len(c.nodes.list) == 0:
		return c.end(Unknown, "the nodes could not be read")
	case c.down > 0:
		return c.end(Down, fmt.Sprintf("none of its %d eligible nodes is up", c.down+c.set))
	case c.set > 0:
		return c.end(Idle, fmt.Sprintf("its %d eligible nodes are drained or paused", c.set))
	}
	return c.end(Idle, "no node meets its constraints")
}

// recent tells whether the service was changed so recently that missing tasks may just be on their way.
func (c *court) recent() bool {
	changed := c.s.Updated
	if c.s.Created.After(changed) {
		changed = c.s.Created
	}
	left := StartPatience - c.now.Sub(changed)
	if left <= 0 {
		return false
	}
	c.due(left)
	return true
}

func (c *court) coming() string {
	if c.waiting == 0 {
		return ""
	}
	return fmt.Sprintf(", %d on the way", c.waiting)
}

// bad is degraded, or down where nothing runs.
func (c *court) bad(reason string) Verdict {
	if c.v.Running == 0 {
		return c.end(Down, reason)
	}
	return c.end(Degraded, reason)
}

func (c *court) end(h Health, reason string) Verdict {
	c.v.Health, c.v.Reason = h, reason
	return c.v
}
