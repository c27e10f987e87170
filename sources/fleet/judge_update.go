package fleet

import (
	"fmt"
	"time"
)

// decideUpdating: an update that goes on is no fault, one that is stuck is: the updater has no time limit of its own.
func (c *court) decideUpdating(trouble string) Verdict {
	word := "updating"
	if c.s.UpdateState == "rollback_started" {
		word = "rolling back"
	}
	line := joined(fmt.Sprintf("%s, %d/%d done", word, min(c.right, c.v.Want), c.v.Want), "", trouble)
	switch {
	case c.v.Running == 0 && (trouble != "" || c.waiting == 0 && !c.recent()):
		return c.end(Down, line)
	case trouble != "":
		return c.end(Degraded, line)
	}
	if still := c.stuckFor(); still > 0 {
		return c.end(Degraded, fmt.Sprintf("%s, no progress for %s, %d/%d done", word, shortDuration(still), min(c.right, c.v.Want), c.v.Want))
	}
	return c.end(Updating, line)
}

// stuckFor is for how long an update has made no progress, where that is longer than its own delay and monitor time and StuckAfter allow; else 0.
// It is cut to steps: a reason that changes is a state of its own in the fleet's record.
func (c *court) stuckFor() time.Duration {
	last := c.progress
	if c.s.Updated.After(last) {
		last = c.s.Updated
	}
	still := c.now.Sub(last)
	if left := c.s.Update.Delay + c.s.Update.Monitor + StuckAfter - still; left > 0 {
		c.due(left)
		return 0
	}
	step := time.Hour
	switch {
	case still < 10*time.Minute:
		step = time.Minute
	case still < time.Hour:
		step = 10 * time.Minute
	}
	cut := still.Truncate(step)
	c.due(cut + step - still)
	return cut
}
