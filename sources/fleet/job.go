package fleet

import (
	"fmt"

	"quarterdeck/sources"
)

// judgeJob is for services whose tasks are meant to end. Tasks of older runs do not count.
func (c *court) judgeJob(tasks []sources.Task) Verdict {
	done, running := map[slotKey]bool{}, map[slotKey]bool{}
	for i := range tasks {
		t := &tasks[i]
		if t.JobIteration != c.s.JobIteration {
			continue
		}
		switch {
		case t.State == sources.TaskComplete:
			done[keyOf(t)] = true
		case t.State == sources.TaskFailed, t.State == sources.TaskRejected:
			c.v.Failures++
			if newer(t, c.last, since) {
				c.last = t
			}
		case t.State.Ended():
		case t.State != sources.TaskRunning:
			c.countWaiting(t, &place{})
		case c.nodes.down(t.NodeID):
			c.stranded++
		default:
			running[keyOf(t)] = true
		}
	}
	c.v.Running, c.v.Well = len(running), len(done)
	if c.eligible != nil {
		c.wantDone(done)
	}
	return c.decideJob()
}

// wantDone adds the nodes on which a global job has completed, and which are not eligible any more.
func (c *court) wantDone(done map[slotKey]bool) {
	for k := range done {
		if !c.eligible[k.node] {
			c.v.Want++
		}
	}
}

func (c *court) decideJob() Verdict {
	far := fmt.Sprintf("%d/%d done", c.v.Well, c.v.Want)
	failed := ""
	if c.v.Failures > 0 {
		failed = fmt.Sprintf("%d failed: %s", c.v.Failures, taskError(c.last))
	}
	switch {
	case c.v.Want == 0 && c.eligible != nil:
		return c.decideNone()
	case c.v.Want == 0:
		return c.end(Idle, "asks for no run")
	case c.v.Well >= c.v.Want:
		return c.end(Healthy, "")
	case c.v.Running > 0 && failed == "":
		return c.end(Updating, "job running, "+far)
	case c.v.Running > 0:
		return c.end(Degraded, "job running, "+far+", "+failed)
	case c.stranded > 0:
		return c.end(Down, fmt.Sprintf("job on a node that is down, %s", far))
	case c.blocked != nil:
		return c.end(Degraded, joined("job does not start, "+far, c.blocked.Err, failed))
	case c.waiting > 0 && failed != "":
		return c.end(Degraded, "job is tried again, "+far+", "+failed)
	case failed != "":
		return c.end(Down, "job failed, "+far+", "+failed)
	case c.overdue, c.waiting == 0 && !c.recent():
		return c.end(Degraded, "job does not start, "+far)
	}
	return c.end(Updating, "job starting, "+far)
}

// judgeRun is for what a run has made for itself: a job's container, a copy of a service. What came of it is the run's to tell, and the run takes it away: it is
// under way, or over, and never what makes the platform ill.
func (c *court) judgeRun(tasks []sources.Task) Verdict {
	of := "of run " + c.s.Labels[sources.LabelRun]
	var last *sources.Task
	for i := range tasks {
		if newer(&tasks[i], last, created) {
			last = &tasks[i]
		}
	}
	switch {
	case c.v.Want == 0:
		return c.end(Idle, of+", scaled to 0")
	case last == nil:
		return c.end(Updating, of+", starting")
	case last.State.Ended():
		return c.end(Idle, of+", ended")
	case last.State != sources.TaskRunning:
		return c.end(Updating, joined(of+", starting", last.Err, ""))
	}
	c.v.Running, c.v.Well = 1, 1
	return c.end(Healthy, of+", at work")
}
