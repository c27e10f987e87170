package fleet

import (
	"fmt"
	"strings"
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
	// StartPatience is how long tasks may be on their way without an error before that is a fault.
	StartPatience = time.Minute
)

// Verdict is what is known of a service's health, and why.
type Verdict struct {
	Health Health
	// Reason is one line; "" where all is well.
	Reason string
	// Want is how many tasks should run: replicas, or the eligible nodes of a global service.
	Want int
	// Running counts tasks that really run on a node that is up; Well those of them that
	// also run the desired generation and have been stable for the window.
	Running, Well int
	// Failures counts the tasks of the desired generation that failed within FailureWindow.
	Failures int
	// Due is when the verdict may change by time alone; zero: never.
	Due time.Time
}

// Nodes is what a verdict needs of the nodes.
type Nodes struct {
	list []sources.Node
	down map[string]bool
}

// NewNodes indexes nodes for Judge.
func NewNodes(list []sources.Node) Nodes {
	n := Nodes{list: list, down: map[string]bool{}}
	for _, x := range list {
		if x.State == "down" || x.State == "disconnected" {
			n.down[x.ID] = true
		}
	}
	return n
}

// Judge decides a service's health from its tasks. It is pure: the same arguments give the same
// verdict. seen tells when a task was first seen running, for clocks that differ; it may be nil.
//
// The rules: a task counts when it runs at the desired generation on a node that is up, for the
// stability window; a global service wants one task on each eligible node; failed tasks of older
// generations, or from before FailureWindow, are history; an update that was rolled back has
// failed, whatever runs now (OPERATIONS.md, "Updates").
func Judge(s *sources.Service, tasks []sources.Task, nodes Nodes, seen func(id string) time.Time, now time.Time) Verdict {
	c := &court{s: s, nodes: nodes, now: now, seen: seen, window: window(s)}
	c.want()
	if s.Mode.Job() {
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
	seen   func(string) time.Time
	window time.Duration

	v        Verdict
	matching int // nodes that meet the constraints, up or not

	outdated   int // running, but not the desired generation
	stranded   int // say they run, on a node that is down
	young      int // running and right, not yet stable
	waiting    int // on their way
	waitingOld bool
	flapping   string // a slot that fails again and again
	lastErr    string // newest error of the desired generation that is still news
	lastErrAt  time.Time
	pendingErr string // why a task cannot be placed
}

func (c *court) want() {
	switch c.s.Mode {
	case sources.Global, sources.GlobalJob:
		for i := range c.nodes.list {
			n := &c.nodes.list[i]
			if !matches(n, c.s.Constraints) || !platformFits(n, c.s.Platforms) {
				continue
			}
			c.matching++
			if n.State == "ready" && n.Availability != "drain" {
				c.v.Want++
			}
		}
	default:
		c.v.Want = c.s.Desired
	}
}

func (c *court) current(t *sources.Task) bool {
	return t.Generation == "" || c.s.Generation == "" || t.Generation == c.s.Generation
}

// age is how long a task has run: by the node's clock or by ours, whichever is longer.
func (c *court) age(t *sources.Task) time.Duration {
	a := c.now.Sub(t.Since)
	if c.seen != nil {
		if first := c.seen(t.ID); !first.IsZero() {
			a = max(a, c.now.Sub(first))
		}
	}
	return max(a, 0)
}

func (c *court) due(in time.Duration) {
	at := c.now.Add(in)
	if c.v.Due.IsZero() || at.Before(c.v.Due) {
		c.v.Due = at
	}
}

type slotKey struct {
	slot int
	node string
}

func keyOf(t *sources.Task) slotKey {
	if t.Slot == 0 {
		return slotKey{node: t.NodeID}
	}
	return slotKey{slot: t.Slot}
}

// count sorts the tasks out.
func (c *court) count(tasks []sources.Task) {
	failed := map[slotKey]int{}
	for i := range tasks {
		t := &tasks[i]
		if (t.State == sources.TaskFailed || t.State == sources.TaskRejected) && c.current(t) {
			c.countFailure(t, failed)
		}
	}
	for i := range tasks {
		t := &tasks[i]
		if t.Desired != sources.TaskRunning && t.Desired != "ready" {
			continue
		}
		switch {
		case t.State == sources.TaskRunning && c.nodes.down[t.NodeID]:
			c.stranded++
		case t.State == sources.TaskRunning:
			c.countRunning(t, failed[keyOf(t)])
		case !t.State.Ended():
			c.countWaiting(t)
		}
	}
}

func (c *court) countFailure(t *sources.Task, failed map[slotKey]int) {
	old := c.now.Sub(t.Since)
	if old >= FailureWindow {
		return
	}
	c.due(FailureWindow - old)
	c.v.Failures++
	failed[keyOf(t)]++
	if t.Since.After(c.lastErrAt) {
		c.lastErrAt, c.lastErr = t.Since, taskError(t)
	}
}

func (c *court) countRunning(t *sources.Task, failures int) {
	c.v.Running++
	if !c.current(t) {
		c.outdated++
		return
	}
	age := c.age(t)
	if failures >= FlapFailures && age < FlapCalm {
		c.flapping = slotName(c.s, t)
		c.due(FlapCalm - age)
		return
	}
	if age < c.window {
		c.young++
		c.due(c.window - age)
		return
	}
	c.v.Well++
}

func (c *court) countWaiting(t *sources.Task) {
	c.waiting++
	if t.Err != "" && c.pendingErr == "" {
		c.pendingErr = t.Err
	}
	if age := c.now.Sub(t.Created); age >= StartPatience {
		c.waitingOld = true
	} else {
		c.due(StartPatience - age)
	}
}

// decide turns the counts into a verdict.
func (c *court) decide() Verdict {
	if c.v.Want == 0 {
		return c.decideNone()
	}
	trouble := c.trouble()
	switch c.s.UpdateState {
	case "paused":
		return c.bad("update paused: " + c.s.UpdateMessage)
	case "rollback_paused":
		return c.bad("rollback paused: " + c.s.UpdateMessage)
	case "updating", "rollback_started":
		if c.v.Running == 0 && trouble != "" {
			return c.end(Down, trouble)
		}
		return c.end(Updating, c.progress(trouble))
	}
	switch {
	case c.v.Running == 0 && (trouble != "" || c.stale()):
		return c.end(Down, orElse(trouble, "no task runs"))
	case c.v.Running == 0:
		return c.end(Updating, fmt.Sprintf("starting, 0/%d run", c.v.Want))
	case c.v.Well < c.v.Want && trouble != "":
		return c.end(Degraded, trouble)
	case c.v.Well < c.v.Want && c.outdated > 0 && c.young+c.waiting == 0:
		return c.end(Degraded, fmt.Sprintf("%d of %d run an older version", c.outdated, c.v.Want))
	case c.v.Well < c.v.Want && c.young+c.waiting+c.outdated > 0:
		return c.end(Updating, fmt.Sprintf("stabilising, %d/%d stable", c.v.Well, c.v.Want))
	case c.v.Well < c.v.Want && c.stale():
		return c.end(Degraded, fmt.Sprintf("%d/%d run", c.v.Running, c.v.Want))
	case c.v.Well < c.v.Want:
		return c.end(Updating, fmt.Sprintf("starting, %d/%d run", c.v.Running, c.v.Want))
	case c.s.UpdateState == "rollback_completed":
		return c.bad("the last update failed and was rolled back: " + c.s.UpdateMessage)
	}
	return c.end(Healthy, "")
}

// decideNone is for a service that wants no task: that is not a fault unless its nodes are down.
func (c *court) decideNone() Verdict {
	switch {
	case c.s.Mode != sources.Global:
		return c.end(Idle, "scaled to 0")
	case len(c.nodes.list) == 0:
		return c.end(Unknown, "the nodes could not be read")
	case c.matching > 0:
		return c.end(Down, fmt.Sprintf("none of its %d eligible nodes is up", c.matching))
	}
	return c.end(Idle, "no node meets its constraints")
}

// stale tells whether the service has had time enough to do better than it does.
func (c *court) stale() bool {
	changed := c.s.Updated
	if c.s.Created.After(changed) {
		changed = c.s.Created
	}
	left := StartPatience - c.now.Sub(changed)
	if left <= 0 || c.waitingOld {
		return true
	}
	c.due(left)
	return false
}

// trouble is the worst thing that explains missing tasks; "" where they are just on their way.
func (c *court) trouble() string {
	switch {
	case c.flapping != "":
		return fmt.Sprintf("crash loop: %s failed %d times in %s: %s", c.flapping, c.v.Failures, shortDuration(FailureWindow), c.lastErr)
	case c.pendingErr != "":
		return "cannot be placed: " + c.pendingErr
	case c.v.Failures > 0 && c.v.Well < c.v.Want && c.v.Running < c.v.Want:
		return fmt.Sprintf("%d failed in %s: %s", c.v.Failures, shortDuration(FailureWindow), c.lastErr)
	case c.stranded > 0 && c.v.Running < c.v.Want:
		return fmt.Sprintf("%d on a node that is down", c.stranded)
	case c.waiting > 0 && c.waitingOld:
		return fmt.Sprintf("%d waiting for over %s", c.waiting, shortDuration(StartPatience))
	}
	return ""
}

func (c *court) progress(trouble string) string {
	word := "updating"
	if c.s.UpdateState == "rollback_started" {
		word = "rolling back"
	}
	line := fmt.Sprintf("%s, %d/%d done", word, min(c.v.Well+c.young, c.v.Want), c.v.Want)
	if trouble != "" {
		line += "; " + trouble
	}
	return line
}

// bad is degraded, or down where nothing runs.
func (c *court) bad(reason string) Verdict {
	reason = strings.TrimSuffix(reason, ": ")
	if c.v.Running == 0 {
		return c.end(Down, reason)
	}
	return c.end(Degraded, reason)
}

func (c *court) end(h Health, reason string) Verdict {
	c.v.Health, c.v.Reason = h, reason
	if h == Idle {
		c.v.Due = time.Time{}
	}
	return c.v
}

// judgeJob is for services whose tasks are meant to end: well is what has completed.
func (c *court) judgeJob(tasks []sources.Task) Verdict {
	var done, running, failed int
	for i := range tasks {
		t := &tasks[i]
		if t.JobIteration != c.s.JobIteration {
			continue
		}
		switch t.State {
		case sources.TaskComplete:
			done++
		case sources.TaskRunning:
			running++
		case sources.TaskFailed, sources.TaskRejected:
			failed++
			if t.Since.After(c.lastErrAt) {
				c.lastErrAt, c.lastErr = t.Since, taskError(t)
			}
		}
	}
	c.v.Running, c.v.Well, c.v.Failures = running, done, failed
	switch {
	case c.v.Want == 0:
		return c.end(Idle, "asks for no run")
	case done >= c.v.Want:
		return c.end(Healthy, "")
	case running > 0 && failed == 0:
		return c.end(Updating, fmt.Sprintf("job running, %d/%d done", done, c.v.Want))
	case running > 0:
		return c.end(Degraded, fmt.Sprintf("job running, %d/%d done, %d failed: %s", done, c.v.Want, failed, c.lastErr))
	case failed > 0:
		return c.end(Down, fmt.Sprintf("job failed, %d/%d done: %s", done, c.v.Want, c.lastErr))
	case c.stale():
		return c.end(Degraded, fmt.Sprintf("job does not start, %d/%d done", done, c.v.Want))
	}
	return c.end(Updating, fmt.Sprintf("job starting, %d/%d done", done, c.v.Want))
}

func taskError(t *sources.Task) string {
	if t.Err != "" {
		return t.Err
	}
	if t.ExitCode != 0 {
		return fmt.Sprintf("exit %d", t.ExitCode)
	}
	return orElse(t.Message, string(t.State))
}

// slotName is how people name a task: web.3, or agent on node2's id where there is no slot.
func slotName(s *sources.Service, t *sources.Task) string {
	if t.Slot > 0 {
		return fmt.Sprintf("%s.%d", s.Name, t.Slot)
	}
	return s.Name
}

func orElse(s, other string) string {
	if s == "" {
		return other
	}
	return s
}

// shortDuration drops the zero parts: 5m, not 5m0s.
func shortDuration(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}
