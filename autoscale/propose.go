package autoscale

import (
	"fmt"
	"math"
	"time"
)

// tolerance is how far from its target a metric may be before anything is done (HPA: --horizontal-pod-autoscaler-tolerance).
const tolerance = 0.1

// Sample is what was measured of one metric of a service. It is a value.
type Sample struct {
	// Value is of all tasks together: cores, bytes, or what the query answers.
	Value float64
	// Tasks is how many tasks the value is of; of a query it is not used.
	Tasks int
	// At is when it was measured.
	At time.Time
	// Missing says why there is no value; "": there is one.
	Missing string
}

// proposal is how many replicas one metric asks for.
type proposal struct {
	want int
	// value is what is held against the target: a share of the reservation, or the query's value as the target has it.
	value float64
	// missing says why the metric asks for nothing; "": it asks.
	missing string
}

// propose is the HPA's formula for one metric: n is how many replicas are asked for, running how many run, reserve what each has reserved.
func propose(m *Metric, s *Sample, n, running int, reserve float64) proposal {
	switch {
	case s.Missing != "":
		return proposal{missing: s.Missing}
	case math.IsNaN(s.Value) || math.IsInf(s.Value, 0) || s.Value < 0:
		return proposal{missing: fmt.Sprintf("%s is %v, which is no amount", m.Title(), s.Value)}
	case m.Kind == Query:
		return proposeQuery(m, s.Value, n, running)
	case reserve <= 0:
		return proposal{missing: "no " + m.Title() + " is reserved"}
	case s.Tasks <= 0:
		return proposal{missing: "no task of it is measured"}
	}
	return proposeResource(m.Target, s.Value/reserve, s.Tasks, n, running)
}

// proposeResource follows GetResourceReplicas of the HPA's controller: used is the use of all measured tasks in reservations of one. A task that runs and is not measured counts, on
// the way down, as one that uses all that it has reserved, or the target where that is more; on the way up as one that uses nothing, and so does one that does not run yet.
func proposeResource(target, used float64, measured, n, running int) proposal {
	running = min(max(running, 0), n)
	unready, missing := n-running, max(running-measured, 0)
	average := used / float64(measured)
	p := proposal{want: n, value: average}
	ratio := average / target
	counted := min(measured, n)
	if missing == 0 && !(unready > 0 && ratio > 1) {
		if !near(ratio) {
			p.want = ceil(ratio * float64(counted))
		}
		return p
	}
	total, sum := counted, average*float64(counted)
	if ratio < 1 {
		total, sum = total+missing, sum+float64(missing)*max(1, target)
	} else if ratio > 1 {
		total += missing + unready
	}
	again := sum / float64(total) / target
	want := ceil(again * float64(total))
	turned := ratio < 1 && (again > 1 || want > n) || ratio > 1 && (again < 1 || want < n)
	if !near(again) && !turned {
		p.want = want
	}
	return p
}

// proposeQuery is the HPA's for object and external metrics: a value for all is a ratio, one for each replica is shared. Of a ratio above 1 those count that run: what does not run yet
// has not helped yet.
func proposeQuery(m *Metric, v float64, n, running int) proposal {
	if m.Each {
		p := proposal{want: n, value: v / float64(n)}
		if !near(p.value / m.Target) {
			p.want = ceil(v / m.Target)
		}
		return p
	}
	p := proposal{want: n, value: v}
	switch ratio := v / m.Target; {
	case near(ratio):
	case ratio > 1:
		p.want = max(n, ceil(ratio*float64(min(max(running, 0), n))))
	default:
		p.want = ceil(ratio * float64(n))
	}
	return p
}

func near(ratio float64) bool { return math.Abs(ratio-1) <= tolerance+1e-9 }

// ceil rounds up, but for what is above a whole number by the error of floating point alone. It is bounded: what a metric asks for may be anything.
func ceil(v float64) int { return int(math.Ceil(math.Min(v, 10*MostReplicas) - 1e-9)) }
