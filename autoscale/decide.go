package autoscale

import (
	"math"
	"time"
)

// State is what a service is at a moment, as far as decisions need it. It is a value.
type State struct {
	// Replicas are those asked for, Running those that run; Pending are tasks that no node has yet.
	Replicas, Running, Pending int
	// Before are the replicas before the last change of the spec, which was made at Updated; 0: not known.
	Before  int
	Updated time.Time
	// Deployed is when what runs was deployed; zero: long ago.
	Deployed time.Time
	// CPU (cores) and Memory (bytes) are what each task has reserved.
	CPU, Memory float64
	// Skip says why it is not scaled at all; "": it is.
	Skip Skip
	// Why is that in words.
	Why string
}

// Limit is what keeps a decision from what the metrics ask for. The words are the contract's (COMMANDS.md, autoscale).
type Limit string

// The limits. Free: nothing does.
const (
	Free       Limit = ""
	AtMax      Limit = "max"
	AtMin      Limit = "min"
	NoCapacity Limit = "capacity"
	ByStep     Limit = "step"    // as many as may come or go in a minute
	ByWindow   Limit = "window"  // a larger recommendation of the last minutes
	BySamples  Limit = "samples" // a second sample is waited for
	ByMissing  Limit = "missing" // a metric could not be read
	ByWarmUp   Limit = "warm-up"
	ByFlaps    Limit = "flapping"
	Skipped    Limit = "skipped"
)

// Input is all that a decision is made of. Samples are those of the policy's metrics, in their order; Room takes so many more tasks of the service and
// tells how many of them have a place, and why the others have none; nil: there is room for all.
type Input struct {
	Policy  *Policy
	State   State
	Samples []Sample
	History History
	Room    func(more int) (placed int, why string)
	Now     time.Time
}

// Decision is how many replicas a service should have now, and why. It is a value.
type Decision struct {
	Service string
	ID      string
	Mode    Mode
	Skip    Skip
	// Current are the replicas asked for now, Recommended how many should be. Wanted is what the metrics ask for, before any bound.
	Current, Recommended, Wanted int
	Limit                        Limit
	// Min and Max are the bounds that hold now.
	Min, Max int
	// Metric is the one that decides; nil: none does. Value and Target are its own, as Metric.Target has it; Value is NaN where it was not measured.
	Metric        *Metric
	Value, Target float64
	// Reason is the decision in a sentence. It may quote names of the swarm: untrusted.
	Reason string
	At     time.Time
}

// Changes tells whether something is to be done.
func (d *Decision) Changes() bool { return d.Recommended != d.Current }

// weighed is what all metrics together ask for.
type weighed struct {
	want    int
	metric  *Metric
	value   float64
	at      time.Time // of the sample that asks for most
	missing string    // the first metric that could not be read, and why
	some    bool      // one could
}

// weigh takes the largest of what the metrics ask for. Where one cannot be read nothing is taken away; others may still ask for more (HPA, "Algorithm details").
func weigh(in *Input) weighed {
	w := weighed{want: in.State.Replicas, value: math.NaN()}
	for i := range in.Policy.Metrics {
		m := &in.Policy.Metrics[i]
		s := Sample{Missing: "it was not asked for"}
		if i < len(in.Samples) {
			s = in.Samples[i]
		}
		reserve := in.State.CPU
		if m.Kind == Memory {
			reserve = in.State.Memory
		}
		p := propose(m, &s, in.State.Replicas, in.State.Running, reserve)
		switch {
		case p.missing != "":
			if w.missing == "" {
				w.missing = m.Title() + " is not known: " + p.missing
			}
			if w.metric == nil {
				w.metric = m
			}
		case !w.some || p.want > w.want || p.want == w.want && p.value/m.Target > w.value/w.metric.Target:
			w.want, w.metric, w.value, w.at, w.some = p.want, m, p.value, s.At, true
		}
	}
	return w
}

// Decide is the algorithm. It gives the history for the next decision too, which is to be made of it whether or not this one is carried out.
func Decide(in *Input) (Decision, History) {
	s := &in.State
	lo, hi, hours := in.Policy.Bounds(in.Now)
	d := Decision{Mode: in.Policy.Mode, Current: s.Replicas, Recommended: s.Replicas, Wanted: s.Replicas, Min: lo, Max: hi, Value: math.NaN(), At: in.Now}
	if s.Skip != Counts {
		d.Skip, d.Limit, d.Reason = s.Skip, Skipped, s.Why
		return d, begin(s.Replicas, in.Now)
	}
	h := in.History.follow(s, in.Now)
	w := weigh(in)
	if w.metric != nil {
		d.Metric, d.Value, d.Target = w.metric, w.value, w.metric.Target
	}
	d.Wanted = w.want
	asked := min(max(w.want, lo), hi)
	if w.missing != "" && asked < s.Replicas {
		asked = s.Replicas // of what was not measured nothing is taken away, not even what is above the maximum
	}
	warm := s.Deployed.Add(in.Policy.WarmUp)
	if in.Now.Before(warm) && !s.Deployed.IsZero() {
		asked = max(s.Replicas, lo)
	}
	h.recommended = append(h.recommended, recommendation{in.Now, asked})
	t := turn{in: in, h: &h, w: &w, d: &d, lo: lo, hi: hi, hours: hours, asked: asked}
	switch {
	case in.Now.Before(warm) && !s.Deployed.IsZero() && s.Replicas >= lo:
		d.Limit = ByWarmUp
		h.rose = recommendation{}
	case asked > s.Replicas:
		t.up()
	default:
		h.rose = recommendation{}
		t.down()
	}
	d.Reason = t.sentence()
	h.asked = d.Recommended
	return d, h
}

// turn is one decision on its way.
type turn struct {
	in     *Input
	h      *History
	w      *weighed
	d      *Decision
	lo, hi int
	hours  string // what raises lo
	asked  int
	why    string // what has no place, and until when
}

// up goes up: at once to the minimum, else after two samples and by the step, as far as there is room.
func (t *turn) up() {
	n, d := t.in.State.Replicas, t.d
	to, limit := t.asked, Free
	if t.w.want > t.hi {
		limit = AtMax
	}
	if second := t.second(); !second {
		to, limit = n, BySamples
	} else if most := n + max(0, Step(n-t.h.added())-t.h.added()); to > most {
		to, limit = most, ByStep
	}
	if to < t.lo { // the minimum was promised, and needs no measurement
		to, limit = t.lo, AtMin
	}
	if more := to - n; more > 0 && t.in.Room != nil {
		if placed, why := t.in.Room(more + t.in.State.Pending); placed < more+t.in.State.Pending {
			to, limit, t.why = n+max(0, placed-t.in.State.Pending), NoCapacity, why
		}
	}
	d.Recommended, d.Limit = to, limit
}

// second tells whether this sample is the second in a row that asks for more; it then asks for no more than the first did as well.
func (t *turn) second() bool {
	first := t.h.rose
	if !first.at.IsZero() && !t.w.at.After(first.at) {
		return false // the same sample again
	}
	t.h.rose = recommendation{t.w.at, t.asked}
	if first.at.IsZero() || first.n <= t.in.State.Replicas {
		return false
	}
	t.asked = min(t.asked, first.n)
	return true
}

// Step is how many replicas may come within a minute where there were n (OPERATIONS.md: "up by max(2, 50%) a minute").
func Step(n int) int { return max(2, (n+1)/2) }

// down goes down by one a minute to the largest recommendation of the window, and never below the minimum.
func (t *turn) down() {
	n, d := t.in.State.Replicas, t.d
	d.Limit = Free
	if t.w.missing != "" && (t.w.want < n || !t.w.some || n > t.hi) {
		d.Limit = ByMissing
		return
	}
	if t.asked == n {
		if t.w.want < t.lo && n == t.lo {
			d.Limit = AtMin
		} else if t.w.want > t.hi {
			d.Limit = AtMax
		}
		return
	}
	to := max(t.h.largest(), t.lo)
	switch until := t.h.flapping(t.in.Now); {
	case to >= n:
		d.Limit = ByWindow
		return
	case !until.IsZero():
		d.Limit, t.why = ByFlaps, until.UTC().Format("15:04Z")
		return
	case t.h.removed() > 0:
		d.Limit = ByStep
		return
	}
	d.Recommended = n - 1
	switch {
	case to < n-1:
		d.Limit = ByStep
	case t.w.want < t.lo && n-1 == t.lo:
		d.Limit = AtMin
	}
}
