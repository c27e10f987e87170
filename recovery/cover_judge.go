package recovery

import (
	"cmp"
	"fmt"
	"time"
)

// judge tells how a service with a policy stands, and the one thing that is most wrong.
func (w *coverer) judge(c *Coverage) {
	p := &c.Policy
	switch n := unreadable(w.contents, snapshotsDir, c.Service); {
	case !p.Usable():
		c.State, c.Problem, c.Set = CoverBadPolicy, p.Why(), p.label(true)
	case w.contents == nil:
		c.State, c.Problem = CoverUnknown, w.why
	case c.Newest == nil && n > 0:
		c.State, c.Problem = CoverUnknown, fmt.Sprintf("%s of its snapshots cannot be read: look into %s%s/ of the object store", plural(n, "record"), snapshotsDir, c.Service)
	case c.Newest == nil:
		c.State, c.Problem = CoverNone, w.whyNone(c)
	case c.Age > p.MaxAge && !w.contents.Read.IsZero() && w.contents.Read.Sub(c.Newest.Taken) <= p.MaxAge:
		c.State, c.Problem = CoverUnknown, "it was fresh when the catalogue was last read, and there may be a newer one: "+w.why
	case c.Age > p.MaxAge:
		c.State = CoverLate
		c.Problem = fmt.Sprintf("the newest snapshot is %s old, and may be %s: is the agent running? `quarterdeck backup %s` makes one now", SpanText(c.Age.Truncate(time.Minute)), SpanText(p.MaxAge), c.Service)
	default:
		c.State = CoverFresh
		w.lesser(c)
	}
}

// whyNone is why there is no snapshot of what the policy asks for.
func (w *coverer) whyNone(c *Coverage) string {
	do := fmt.Sprintf("`quarterdeck backup %s` makes one now", c.Service)
	list := w.contents.Snapshots[c.Service]
	for i := range list {
		switch s := &list[i]; {
		case s.Origin == Safety:
		case !c.Policy.wants(s):
			return "there are snapshots, but none of what the policy names now: " + do
		case s.Taken.After(w.now.Add(clockSlack)):
			return "the only snapshots are dated in the future: set the clock of " + cmp.Or(s.Node, "the node that made them")
		}
	}
	return "no snapshot has been made: " + do
}

// lesser names what else is wrong with a service whose newest snapshot is fresh.
func (w *coverer) lesser(c *Coverage) {
	n := len(c.Sizes)
	switch {
	case c.DrillState == DrillFailed:
		c.Problem = drillWord(c.Drill) + " failed: " + cmp.Or(c.Drill.Reason, "no reason is recorded")
	case n > 1 && c.Sizes[n-1].V < shrunk*c.Sizes[n-2].V:
		c.Problem = "the newest snapshot holds less than half of the one before: look what is missing before keep forgets the older ones"
	case !c.Newest.Verified:
		c.Problem = "the newest snapshot could not be read back when it was made: `quarterdeck drill " + c.Service + "` tells what it is worth"
	case !c.Next.IsZero() && w.now.Sub(c.Next) > dueSlack:
		c.Problem = "a backup was due " + SpanText(w.now.Sub(c.Next).Truncate(time.Minute)) + " ago and did not come: is the agent running?"
	case c.DrillState == DrillNever:
		c.Problem = "no drill has shown that it can be restored: `quarterdeck drill " + c.Service + "`"
	case c.DrillState == DrillOverdue:
		c.Problem = "the last drill is " + SpanText(c.DrillAge.Truncate(24*time.Hour)) + " old: `quarterdeck drill " + c.Service + "`"
	case c.DrillState == DrillSlow:
		c.Problem = fmt.Sprintf("%s took %s, and may take %s: make it smaller, or set what is true", drillWord(c.Drill), SpanText(c.Drill.Took().Round(time.Second)), SpanText(c.Policy.RTO))
		c.Set = LabelRTO
	case len(c.Policy.Problems) > 0:
		c.Problem, c.Set = c.Policy.Problems[0].String(), c.Policy.label(false)
	}
}

func drillWord(d *Drill) string {
	if d.Real {
		return "the last restore"
	}
	return "the last drill"
}

// label is what the first problem, or the first that is fatal, asks to be set, as NAME=VALUE; "": nothing.
func (p *Policy) label(fatal bool) string {
	for _, x := range p.Problems {
		if x.Set != "" && (x.Fatal || !fatal) {
			return clip(x.Label + "=" + x.Set)
		}
	}
	return ""
}

// Took is RTO as a span of time, Lost RPO. A record may say anything: what is out of all bounds is 0.
func (d *Drill) Took() time.Duration { return seconds(d.RTO) }

// Lost is how much of the newest data was lost, as a span of time.
func (d *Drill) Lost() time.Duration { return seconds(d.RPO) }

// Short is as much of the snapshot's id as people read and type. A record may say anything: it is to be made harmless.
func (d *Drill) Short() string { return d.Snapshot[:min(len(d.Snapshot), 8)] }

func seconds(s float64) time.Duration {
	if !(s >= 0 && s < 1e9) {
		return 0
	}
	return time.Duration(s * float64(time.Second))
}
