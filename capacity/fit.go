package capacity

import (
	"fmt"
	"math"
	"slices"

	"quarterdeck/sources"
	"quarterdeck/sources/fleet"
)

const (
	// stepNanoCPUs and stepBytes are what a reservation that fits is a multiple of, always the next above: a hundredth of a core, and 4 MiB.
	stepNanoCPUs = int64(1e7)
	stepBytes    = int64(4 << 20)
	// offBy is by how much a reservation may be off and counts as one that fits.
	offBy = 0.1
)

// Fit is what a task of a service would reserve to fit what it uses: p95 and a fifth above it, never more than its limit. A resource that it does not reserve stays so, and one
// that is off by less than a tenth is left as it is.
type Fit struct {
	Service                  string
	BeforeNanoCPUs, NanoCPUs int64
	BeforeBytes, Bytes       int64
	// Saves is what that would save an hour, by the tasks of now; negative: it costs more. NaN: no node has a price.
	Saves float64
	// Why says why the reservations are left as they are; "": they are not.
	Why string

	fits bool // and that is why
}

// Fits tells whether the reservations are left because they fit.
func (f *Fit) Fits() bool { return f.fits }

// Spares tells whether it would save something: by the prices or, without any, because less of one resource is reserved and more of none.
func (f *Fit) Spares() bool {
	if !math.IsNaN(f.Saves) {
		return f.Saves > 0
	}
	return f.NanoCPUs <= f.BeforeNanoCPUs && f.Bytes <= f.BeforeBytes && (f.NanoCPUs < f.BeforeNanoCPUs || f.Bytes < f.BeforeBytes)
}

// Fits reckons what the services' reservations would be, the most that is saved first.
func Fits(s *fleet.Snapshot, h *History) []Fit {
	r, _ := averageRate(s)
	out := make([]Fit, 0, len(s.Services))
	for _, v := range s.Services {
		t := trendOf(nil, h.End)
		t.fit(&v.Service, pointsOf(&v.Service, h, r), r)
		out = append(out, fitOf(v, &t, r))
	}
	slices.SortStableFunc(out, func(x, y Fit) int { return dearest(x.Saves, y.Saves) })
	return out
}

func fitOf(v *fleet.Service, t *Trend, r rate) Fit {
	x := &v.Resources
	f := Fit{Service: v.Name, BeforeNanoCPUs: x.ReserveNanoCPUs, NanoCPUs: x.ReserveNanoCPUs, BeforeBytes: x.ReserveBytes, Bytes: x.ReserveBytes}
	switch {
	case v.Mode.Job():
		f.Why = "it is a job: it does not use the same all the time"
	case x.ReserveNanoCPUs == 0 && x.ReserveBytes == 0:
		f.Why = "it reserves nothing: what it is to reserve is said once in its stack file (deploy.resources.reservations)"
	case math.IsNaN(t.FitCores) || math.IsNaN(t.FitBytes):
		f.Why = fmt.Sprintf("what it used is known of fewer than %d hours", leastTrend)
	default:
		f.NanoCPUs = f.to("CPU", x.ReserveNanoCPUs, x.LimitNanoCPUs, t.FitCores*1e9, stepNanoCPUs)
		f.Bytes = f.to("memory", x.ReserveBytes, x.LimitBytes, t.FitBytes, stepBytes)
	}
	if f.Why != "" {
		f.NanoCPUs, f.Bytes = f.BeforeNanoCPUs, f.BeforeBytes
	} else if f.NanoCPUs == f.BeforeNanoCPUs && f.Bytes == f.BeforeBytes {
		f.Why, f.fits = "its reservations fit what it uses", true
	}
	tasks := 0
	for i := range v.Tasks {
		if v.Tasks[i].NodeID != "" && alive(&v.Tasks[i]) {
			tasks++
		}
	}
	f.Saves = float64(tasks) * (float64(f.BeforeNanoCPUs-f.NanoCPUs)/1e9*r.core + float64(f.BeforeBytes-f.Bytes)*r.byte)
	return f
}

// to is one resource's reservation that fits what is used.
func (f *Fit) to(name string, now, limit int64, uses float64, step int64) int64 {
	if now == 0 || math.Abs(uses/float64(now)-1) < offBy {
		return now
	}
	const inexact = 1e-6 // of a step: what a product of decimal fractions may be above the true one
	fit := max(int64(math.Ceil(uses/float64(step)-inexact)), 1) * step
	if limit <= 0 || fit <= limit {
		return fit
	}
	if uses <= float64(limit) { // only the step is above it
		return limit
	}
	f.Why = fmt.Sprintf("its %s would have to be reserved above its limit (p95 and a fifth above it): raise the limit first", name)
	return now
}

// Resized is the service with the reservations of a fit, for the placement of one more.
func (f *Fit) Resized(s *sources.Service) *sources.Service {
	out := *s
	out.Resources.ReserveNanoCPUs, out.Resources.ReserveBytes = f.NanoCPUs, f.Bytes
	return &out
}
