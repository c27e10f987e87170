package fleet

import (
	"cmp"
	"slices"
	"time"

	"quarterdeck/sources"
)

// place is a slot, or a node of a global service.
type place struct {
	slot     int
	node     string
	failures int           // and ends of what is to run for ever
	rejected bool          // the newest failure was before anything ran
	last     *sources.Task // newest of failures
	newest   *sources.Task
	running  bool
	waiting  bool
	age      time.Duration // of the oldest running task of the desired generation; < 0: there is none
}

// count sorts the tasks out by place, then the places.
func (c *court) count(tasks []sources.Task) {
	places := make([]place, 0, len(tasks)) // never grows: loops point into it
	for i := range tasks {
		t := &tasks[i]
		k := keyOf(t)
		at := len(places) - 1 // tasks come sorted from the fleet: the last place is the likely one
		for at >= 0 && (places[at].slot != k.slot || places[at].node != k.node) {
			at--
		}
		if at < 0 {
			at = len(places)
			places = append(places, place{slot: k.slot, node: k.node, age: -1})
		}
		c.countTask(t, &places[at])
	}
	c.goal = c.v.Want
	for i := range places {
		c.countPlace(&places[i])
	}
	slices.SortFunc(c.loops, func(a, b *place) int {
		return cmp.Or(b.failures-a.failures, a.slot-b.slot, cmp.Compare(a.node, b.node))
	})
	c.goal = max(c.goal, 0)
}

func (c *court) countTask(t *sources.Task, p *place) {
	if newer(t, p.newest, created) {
		p.newest = t
	}
	if (t.State == sources.TaskFailed || t.State == sources.TaskRejected) && c.current(t) {
		c.countFailure(t, p)
		return
	}
	if t.State == sources.TaskComplete && c.current(t) && !c.s.Mode.Job() && !c.endsOnce() {
		c.countEnd(t, p)
		return
	}
	if !live(t) || t.State.Ended() {
		return
	}
	switch {
	case t.State != sources.TaskRunning:
		c.countWaiting(t, p)
	case c.nodes.down(t.NodeID):
		c.stranded++
	case c.eligible != nil && !c.eligible[t.NodeID]: // it is on its way out
	default:
		p.running = true
		if c.current(t) {
			p.age = max(p.age, c.now.Sub(t.Since), 0)
			if t.Since.After(c.progress) {
				c.progress = t.Since
			}
		}
	}
}

func (c *court) countFailure(t *sources.Task, p *place) {
	old := c.now.Sub(t.Since)
	if old >= FailureWindow {
		return
	}
	c.due(FailureWindow - old)
	c.v.Failures++
	p.failures++
	if newer(t, p.last, since) {
		p.last, p.rejected = t, t.State == sources.TaskRejected
	}
	if newer(t, c.last, since) {
		c.last = t
	}
}

// countEnd counts a task that ended well though it is to run for ever: told to stop by a failing health check, or of itself. It is no failure, but its
// place is not calm either.
func (c *court) countEnd(t *sources.Task, p *place) {
	old := c.now.Sub(t.Since)
	if old >= FailureWindow {
		return
	}
	c.due(FailureWindow - old)
	p.failures++
	if newer(t, p.last, since) {
		p.last, p.rejected = t, false
	}
}

func (c *court) countWaiting(t *sources.Task, p *place) {
	p.waiting = true
	c.waiting++
	if t.Err != "" && newer(t, c.blocked, created) {
		c.blocked = t
	}
	if age := c.now.Sub(t.Created); age >= StartPatience {
		c.overdue = true
	} else {
		c.due(StartPatience - age)
	}
}

func (c *court) countPlace(p *place) {
	if p.running {
		c.v.Running++
	}
	loop := p.failures >= FlapFailures && (p.running || p.waiting) && p.age < FlapCalm
	if loop {
		c.loops = append(c.loops, p)
	}
	switch {
	case p.age >= 0:
		c.right++
		need := c.window
		if loop {
			need = FlapCalm
		}
		if p.age >= need {
			c.v.Well++
		} else {
			c.due(need - p.age)
		}
	case p.running:
		c.outdated++
	case !p.waiting && c.ranToEnd(p.newest):
		c.goal--
	}
}

// endsOnce tells whether a task that ends well is not started again.
func (c *court) endsOnce() bool {
	return c.s.Restart.Condition == "none" || c.s.Restart.Condition == "on-failure"
}

// ranToEnd tells whether a place is empty because its task ended well and is not to be started again.
func (c *court) ranToEnd(t *sources.Task) bool {
	return c.endsOnce() && t.State == sources.TaskComplete && c.current(t)
}
