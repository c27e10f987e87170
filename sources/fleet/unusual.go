package fleet

import (
	"context"
	"math"
	"time"

	"quarterdeck/sources"
)

// What of a service's figures is out of the ordinary: measured against its limits, and against what its logs were an hour to half an hour ago.

// The rules of what stands out. The table marks by them and the diagnosis asks closer by them, so that both call the same thing unusual.
const (
	// BurstFactor and BurstRise: lines of any level stand out at that many times the usual, and that many a second more.
	BurstFactor = 5
	BurstRise   = 5.0
	// ErrorsFactor and ErrorsRise are the same of error lines: one line in twenty seconds more.
	ErrorsFactor = 3
	ErrorsRise   = 0.05
	// NearLimit is the part of its limit from which on memory or CPU is marked.
	NearLimit = 0.9
)

// What is marked stays so until it is clearly over: a row that is at the threshold must not come and go.
const (
	calmer     = 0.6 // of the factor and the rise
	calmMemory = 0.85
	calmCPU    = 0.8
)

// UsualSpan ended UsualEnd ago: the lines of then are what is usual. It lies so far back that what has gone on for half an hour is not its own
// measure. It is read once at the start and then every usualPeriod, two queries whatever the number of services.
const (
	UsualSpan   = 30 * time.Minute
	UsualEnd    = 30 * time.Minute
	usualPeriod = 10 * time.Minute
	usualAgain  = time.Minute // after a failure
	// startsTalking is how long after the start of a task its many lines are none of a burst: what starts has much to say.
	startsTalking = LineWindow + time.Minute
)

// Burst tells whether a service writes many times its usual lines; both are lines a second.
func Burst(now, usual float64) bool { return now >= usual+BurstRise && now >= BurstFactor*usual }

// ErrorsJumped tells whether a service's error lines are more than usual; both are lines a second.
func ErrorsJumped(now, usual float64) bool {
	return now > usual+ErrorsRise && now > ErrorsFactor*usual
}

// Unusual is which of a service's figures are out of the ordinary. The zero value: none is, or what is ordinary is not known.
type Unusual struct {
	// Errors and Lines stand far above what is usual of this service, which is UsualErrors and UsualLines a second.
	Errors, Lines           bool
	UsualErrors, UsualLines float64
	// CPU and Memory are near the limits of its tasks, all together.
	CPU, Memory bool
}

// Any tells whether there is something to be looked at.
func (u Unusual) Any() bool { return u.Errors || u.Lines || u.CPU || u.Memory }

// usuals are lines a second by service in the time that is taken for usual; nil: not known.
type usuals struct {
	errors, lines map[string]float64
	from          time.Time
}

// usual is what a service wrote then; false: nobody knows, or there was no such service yet.
func (u *usuals) usual(by map[string]float64, s *sources.Service) (float64, bool) {
	if len(by) == 0 || s.Created.After(u.from) { // nothing of anybody: nothing is kept of then
		return 0, false
	}
	return by[s.Name], true
}

// unusual judges a service's figures; was is what they were found to be before.
func (u *usuals) unusual(v *Service, was Unusual, now time.Time) Unusual {
	var out Unusual
	if usual, known := u.usual(u.errors, &v.Service); known && v.ErrorRate > 0 {
		out.Errors = ErrorsJumped(v.ErrorRate, usual) || was.Errors && v.ErrorRate > usual+calmer*ErrorsRise && v.ErrorRate > calmer*ErrorsFactor*usual
		if out.Errors {
			out.UsualErrors = usual
		}
	}
	if usual, known := u.usual(u.lines, &v.Service); known && v.LineRate > 0 && !justStarted(v, now) {
		out.Lines = Burst(v.LineRate, usual) || was.Lines && v.LineRate > usual+calmer*BurstRise && v.LineRate > calmer*BurstFactor*usual
		if out.Lines {
			out.UsualLines = usual
		}
	}
	tasks := float64(runningTasks(v))
	near := func(now float64, limit, calm float64, was bool) bool {
		return limit > 0 && tasks > 0 && !math.IsNaN(now) && (now >= NearLimit*limit*tasks || was && now >= calm*limit*tasks)
	}
	out.Memory = near(v.MemoryNow, float64(v.Resources.LimitBytes), calmMemory, was.Memory)
	out.CPU = near(v.CPUNow, float64(v.Resources.LimitNanoCPUs)/1e9, calmCPU, was.CPU)
	return out
}

// runningTasks counts what uses something: during an update that is more than there are places.
func runningTasks(v *Service) int {
	n := 0
	for i := range v.Tasks {
		if v.Tasks[i].State == sources.TaskRunning {
			n++
		}
	}
	return n
}

func justStarted(v *Service, now time.Time) bool {
	for i := range v.Tasks {
		if t := &v.Tasks[i]; t.State == sources.TaskRunning && now.Sub(t.Since) < startsTalking {
			return true
		}
	}
	return false
}

// SetUsual takes in what the services wrote in the UsualSpan from a moment on: error lines, and lines of any level, a second; nil: not known.
func (f *Fleet) SetUsual(errors, lines map[string]float64, from time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.usual = usuals{errors: errors, lines: lines, from: from}
	now := f.now()
	for _, e := range f.services {
		if e.built != nil && f.usual.unusual(e.built, e.built.Unusual, now) != e.built.Unusual {
			e.figures = true
			f.touch()
		}
	}
}

// keepUsual reads what is usual until ctx ends. What cannot be read is not known: nothing is marked for it.
func (f *Fleet) keepUsual(ctx context.Context, logs sources.Logs) {
	for wait := time.Duration(0); sleep(ctx, wait); {
		wait = usualPeriod
		end := f.now().Add(-UsualEnd)
		lines, err := logs.LineRates(ctx, end, UsualSpan)
		var errors map[string]float64
		if err == nil {
			errors, err = logs.Rates(ctx, end, UsualSpan)
		}
		switch {
		case sources.KindOf(err) == sources.NotFound: // it cannot count
			return
		case err != nil:
			wait = usualAgain
		default:
			f.SetUsual(errors, lines, end.Add(-UsualSpan))
		}
	}
}
