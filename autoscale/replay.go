package autoscale

import (
	"math"
	"time"
)

// Load is what a service had to do, over time, at moments that are equally far apart. It is a value.
type Load struct {
	Start time.Time
	Step  time.Duration
	// Values are of all replicas together, for each of the policy's metrics in its order: cores, bytes, what a query answered. NaN: it was not measured.
	Values [][]float64
	// Replicas are how many there really were; NaN: not known.
	Replicas []float64
	// CPU (cores) and Memory (bytes) are what a task has reserved.
	CPU, Memory float64
}

// Points is at how many moments it is known.
func (l *Load) Points() int { return len(l.Replicas) }

// at is a series between its moments: halfway between two of them it is halfway.
func (l *Load) at(series []float64, t time.Time) float64 {
	pos := float64(t.Sub(l.Start)) / float64(l.Step)
	i := int(pos)
	switch {
	case pos < 0 || i >= len(series):
		return math.NaN()
	case i == len(series)-1 || pos == float64(i):
		return series[i]
	}
	return series[i] + (pos-float64(i))*(series[i+1]-series[i])
}

// Moment is a replay at one decision.
type Moment struct {
	T time.Time
	// Replicas are what the policy would have had, Real what there were; NaN: not known.
	Replicas int
	Real     float64
	// Of is what the deciding metric is of its target: 1 is on it. NaN: nothing was measured.
	Of float64
	// Decision was made then.
	Decision Decision
}

// Outcome is what a policy would have done.
type Outcome struct {
	Moments []Moment
	// UnderTarget is how long every metric was at its target or below it, within the tolerance; OverTarget how long one was not; Unmeasured how long nothing was
	// measured; AtMax how long there was the greatest number and more was asked for.
	UnderTarget, OverTarget, Unmeasured, AtMax time.Duration
	// TaskHours are replicas times hours; RealTaskHours what it really was, over the time for which that is known, which is RealHours long.
	TaskHours, RealTaskHours float64
	RealHours                time.Duration
	// RealOver is how long the real replicas were over the target.
	RealOver time.Duration
	// Ups and Downs are changes, Flaps turns from one to the other within a quarter of an hour.
	Ups, Downs, Flaps int
	Least, Most       int
}

// startsAfter is how long a replica of a replay takes until it runs: a round.
const startsAfter = Every

// Replay runs the algorithm over a load of the past, as if it had been let loose at its start. Where the load was carried by fewer replicas than it needed, less is measured than was wanted of it, and a
// replay cannot know how much that is.
//
// It assumes what the formula itself assumes: that replicas share the work, so that twice as many have each half of it.
func Replay(p *Policy, l *Load) Outcome {
	out := Outcome{Least: math.MaxInt}
	lo, hi, _ := p.Bounds(l.Start)
	n := lo
	if real := l.at(l.Replicas, l.Start); real >= 1 {
		n = min(max(int(math.Round(real)), lo), hi)
	}
	var h History
	running, last := n, change{}
	end := l.Start.Add(time.Duration(max(l.Points()-1, 0)) * l.Step)
	for t := l.Start; t.Before(end); t = t.Add(Every) {
		real := l.at(l.Replicas, t)
		in := Input{Policy: p, History: h, Now: t, State: State{Replicas: n, Running: running, CPU: l.CPU, Memory: l.Memory}}
		in.Samples = l.samples(p, t, real, running)
		var d Decision
		d, h = Decide(&in)
		out.count(&d, l.ratio(p, t, real, running), l.ratio(p, t, real, int(real)), real)
		running, n = n, d.Recommended // what was asked for a round ago runs by now
		running = min(running, n)
		if by := d.Recommended - d.Current; by != 0 {
			if last.by != 0 && (by > 0) != (last.by > 0) && t.Sub(last.at) < turnWithin {
				out.Flaps++
			}
			last = change{t, by}
		}
	}
	if out.Least == math.MaxInt {
		out.Least = 0
	}
	return out
}

// samples are what would have been measured with so many replicas.
func (l *Load) samples(p *Policy, t time.Time, real float64, running int) []Sample {
	out := make([]Sample, len(p.Metrics))
	for i := range p.Metrics {
		v := l.at(l.Values[i], t)
		m := &p.Metrics[i]
		if m.Kind == Query && !m.Each {
			v *= real / float64(max(running, 1)) // a latency, say, of fewer
		}
		out[i] = Sample{Value: v, Tasks: running, At: t}
		if math.IsNaN(v) {
			out[i] = Sample{Missing: "it was not measured then"}
		}
	}
	return out
}

// ratio is the greatest share of its target that a metric would have had with so many replicas; NaN: none was measured.
func (l *Load) ratio(p *Policy, t time.Time, real float64, replicas int) float64 {
	out := math.NaN()
	if replicas < 1 {
		return out
	}
	for i, s := range l.samples(p, t, real, replicas) {
		m := &p.Metrics[i]
		v := s.Value
		switch {
		case s.Missing != "":
			continue
		case m.Kind == CPU:
			v /= float64(replicas) * l.CPU
		case m.Kind == Memory:
			v /= float64(replicas) * l.Memory
		case m.Each:
			v /= float64(replicas)
		}
		if v /= m.Target; math.IsNaN(out) || v > out {
			out = v
		}
	}
	return out
}

// count takes one decision in, which holds until the next.
func (o *Outcome) count(d *Decision, ratio, realRatio, real float64) {
	o.Moments = append(o.Moments, Moment{T: d.At, Replicas: d.Current, Real: real, Of: ratio, Decision: *d})
	o.Least, o.Most = min(o.Least, d.Current), max(o.Most, d.Current)
	o.TaskHours += float64(d.Current) * Every.Hours()
	if real > 0 {
		o.RealHours += Every
		o.RealTaskHours += real * Every.Hours()
	}
	switch {
	case math.IsNaN(ratio):
		o.Unmeasured += Every
	case ratio > 1 && !near(ratio):
		o.OverTarget += Every
	default:
		o.UnderTarget += Every
	}
	if realRatio > 1 && !near(realRatio) {
		o.RealOver += Every
	}
	if d.Limit == AtMax && d.Current == d.Max {
		o.AtMax += Every
	}
	switch {
	case d.Recommended > d.Current:
		o.Ups++
	case d.Recommended < d.Current:
		o.Downs++
	}
}
