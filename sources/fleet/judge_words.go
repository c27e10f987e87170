package fleet

import (
	"fmt"

	"quarterdeck/sources"
)

// trouble is the worst thing that explains missing tasks; "" where they are just on their way.
func (c *court) trouble() string {
	missing := c.v.Running < c.goal
	switch {
	case len(c.loops) > 0:
		return c.loopText()
	case c.blocked != nil && (c.blocked.State == "new" || c.blocked.State == sources.TaskPending || c.blocked.NodeID == ""):
		return "cannot be placed: " + oneLine(c.blocked.Err)
	case c.blocked != nil:
		return "cannot start: " + oneLine(c.blocked.Err)
	case c.v.Failures > 0 && missing:
		return fmt.Sprintf("%d failed in %s: %s", c.v.Failures, shortDuration(FailureWindow), taskError(c.last))
	case c.stranded > 0 && missing:
		return fmt.Sprintf("%d on a node that is down", c.stranded)
	case c.waiting > 0 && c.overdue:
		return fmt.Sprintf("%d waiting for over %s", c.waiting, shortDuration(StartPatience))
	}
	return ""
}

func (c *court) loopText() string {
	p := c.loops[0]
	what := "crash loop: %s failed %d times in %s: %s"
	switch {
	case p.rejected:
		what = "cannot start: %s rejected %d times in %s: %s"
	case p.last.State == sources.TaskComplete:
		what = "restarts again and again: %s ended %d times in %s: %s"
	}
	text := fmt.Sprintf(what, c.placeName(p), p.failures, shortDuration(FailureWindow), taskError(p.last))
	if more := len(c.loops) - 1; more > 0 {
		text += fmt.Sprintf(" (and %d more)", more)
	}
	return text
}

func (c *court) placeName(p *place) string {
	node := p.node
	if n := c.nodes.byID[p.node]; n != nil {
		node = n.Name
	}
	return slotName(c.s.Name, p.slot, node)
}
