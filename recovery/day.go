package recovery

import (
	"fmt"
	"regexp"
	"slices"
	"time"
)

// DayState is how far a drill of a DR day is.
type DayState string

// The states of a DR day's drills.
const (
	DayWaiting DayState = "waiting"
	DayStarted DayState = "started"
	DayOK      DayState = "ok"
	DayFailed  DayState = "failed"
)

// Day is the record of a DR day: a drill of each service of a stack, one after the other. It is written before the first and after each, so that one that was
// interrupted tells which were done.
type Day struct {
	Run   string    `json:"run"`
	Stack string    `json:"stack"`
	Actor string    `json:"actor,omitempty"`
	Began time.Time `json:"began"`
	// Ended is zero until it has come to its end.
	Ended time.Time `json:"ended,omitzero"`
	// At is the moment whose state was brought back; zero: the newest.
	At time.Time `json:"at,omitzero"`
	// Drills are in the order in which they are done, which is that of the services' dependencies.
	Drills []DayDrill `json:"drills"`
	// Left are the services of the stack that were not tried, and why.
	Left []DayLeft `json:"left"`
}

// DayDrill is one service of a DR day.
type DayDrill struct {
	Service string   `json:"service"`
	Engine  Engine   `json:"engine"`
	State   DayState `json:"state"`
	// Run is the drill's own run; "": it was not begun.
	Run      string    `json:"run,omitempty"`
	Snapshot string    `json:"snapshot"`
	Taken    time.Time `json:"taken"`
	Allowed  float64   `json:"allowed"` // the policy's rto, in seconds
	Reason   string    `json:"reason,omitempty"`
	// Drill is its record; nil: it did not come to one.
	Drill *Drill `json:"drill,omitempty"`
}

// DayLeft is a service that was not tried. Exempt: its labels say that it has nothing to be saved.
type DayLeft struct {
	Service string `json:"service"`
	Why     string `json:"why"`
	Exempt  bool   `json:"exempt,omitempty"`
}

func (d *Day) key() string { return daysDir + d.Stack + "/" + d.Run + ".json" }

// stackName is what a stack may be called so that its name can be a key's part (docker stack deploy allows no other).
var stackName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$`)

// IsStack tells whether a name can be a stack's.
func IsStack(name string) bool { return stackName.MatchString(name) }

// Completed is the day with what the drills' own records say of those that nobody wrote down as ended: whoever did it may have died.
func (d Day) Completed(c *Contents) Day {
	if c == nil {
		return d
	}
	d.Drills = slices.Clone(d.Drills)
	for i := range d.Drills {
		x := &d.Drills[i]
		if x.State != DayStarted || x.Run == "" {
			continue
		}
		for _, r := range c.Drills[x.Service] {
			if r.Run == x.Run {
				x.take(&r)
			}
		}
	}
	return d
}

// take makes a drill's record part of the day.
func (x *DayDrill) take(r *Drill) {
	x.Drill, x.State, x.Reason = r, DayOK, r.Reason
	if !r.OK {
		x.State = DayFailed
	}
}

// Record tells the day of a drill that has ended: of its record, or why there is none.
func (x *DayDrill) Record(r *Drill, why string) {
	if r != nil {
		x.take(r)
		return
	}
	x.State, x.Reason = DayFailed, why
}

// Slow tells whether it came back, and took longer than its policy allows.
func (x *DayDrill) Slow() bool { return x.Drill != nil && x.Drill.OK && x.Drill.RTO > x.Allowed }

// Count is how many of the drills have come back.
func (d *Day) Count() (ok, all int) {
	for i := range d.Drills {
		if d.Drills[i].State == DayOK {
			ok++
		}
	}
	return ok, len(d.Drills)
}

// Took is how long the restores took, one after the other: what the stack would have taken to come back. Those that failed are not in it.
func (d *Day) Took() time.Duration {
	var sum time.Duration
	for i := range d.Drills {
		if x := d.Drills[i].Drill; x != nil && x.OK {
			sum += x.Took()
		}
	}
	return sum
}

// Uncovered are the services that were left, though nothing says that they have nothing to be saved.
func (d *Day) Uncovered() []DayLeft {
	var out []DayLeft
	for _, x := range d.Left {
		if !x.Exempt {
			out = append(out, x)
		}
	}
	return out
}

// Verdict is what came of it, in a sentence.
func (d *Day) Verdict() string {
	ok, all := d.Count()
	text := fmt.Sprintf("%d of %s came back", ok, plural(all, "service"))
	if took := d.Took(); ok > 0 {
		text += " in " + SpanText(took.Round(time.Second))
	}
	slow := 0
	for i := range d.Drills {
		if d.Drills[i].Slow() {
			slow++
		}
	}
	if slow > 0 {
		text += fmt.Sprintf(", %d slower than allowed", slow)
	}
	if n := len(d.Uncovered()); n > 0 {
		text += ", " + plural(n, "service") + " not covered"
	}
	if d.Ended.IsZero() {
		text += "; it did not come to its end"
	}
	return text
}
