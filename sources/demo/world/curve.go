package world

import (
	"math"
	"slices"
	"time"
)

// wave is one term of a shape: amplitude, angular frequency in 1/s, phase.
type wave struct{ a, w, p float64 }

// Shape is how busy something is over time, about 1 on the mean of a day and never below 0.1.
// It is a sum of sines, so that its integral is exact and cheap: counters need it.
type Shape struct{ waves []wave }

// newShape has a day (peak at 14:00 UTC), an hour and a half, and small noise down to two minutes.
func newShape(h uint64) Shape {
	turn := func(i uint64) float64 { return 2 * math.Pi * unit(mix(h+i)) }
	day := 2 * math.Pi / 86400
	return Shape{waves: []wave{
		{0.45, day, -day*14*3600 + math.Pi/2 + 0.3*(unit(mix(h))-0.5)},
		{0.12, 2 * math.Pi / 5400, turn(1)},
		{0.08, 2 * math.Pi / 760, turn(2)},
		{0.06, 2 * math.Pi / 113, turn(3)},
	}}
}

// epoch keeps the integrals small, so that float64 holds a counter to the milli-unit.
const epoch = 1_767_225_600 // 2026-01-01T00:00:00Z

// at is the shape at t, in Unix seconds.
func (s Shape) at(t float64) float64 {
	t -= epoch
	v := 1.0
	for _, w := range s.waves {
		v += w.a * math.Sin(w.w*t+w.p)
	}
	return v
}

// integral is the shape's integral from the epoch to t.
func (s Shape) integral(t float64) float64 {
	t -= epoch
	v := t
	for _, w := range s.waves {
		v -= w.a / w.w * math.Cos(w.w*t+w.p)
	}
	return v
}

// Effect changes one signal of a service (or of a node) for a time.
type Effect struct {
	Signal   Signal
	From, To float64 // Unix seconds; To is +Inf while it lasts
	Value    float64
	Note     string // for Words and Phrase: the line
	Level    Level  // for Phrase
}

// Signal names what an effect changes.
type Signal uint8

// The signals. Factors multiply, the others add.
const (
	CPU      Signal = iota // factor
	Rate                   // factor on requests
	Errors                 // share of requests that fail with 5xx, added
	Latency                // factor
	Logs                   // factor on the number of lines
	Leak                   // bytes a second that each container's memory grows, added
	Words                  // Value is the share of error lines that take Note's text
	Fill                   // of a node's disk: bytes a second, added
	Throttle               // share of CFS periods that are throttled, added
	Dark                   // share of requests that the proxy answers with 503, since it has nobody to ask
	Phrase                 // Value is the share of lines that are Note, at Level
)

// Curve is the integral of a shape times weights that are constant between bounds.
type Curve struct {
	shape  Shape
	bounds []float64 // rising; weight i holds from bounds[i-1] to bounds[i]
	weight []float64 // len(bounds)+1
	prefix []float64 // integral up to bounds[i-1], from the epoch
}

// At is the integral at t, in Unix seconds, from an arbitrary but fixed origin.
func (c *Curve) At(t float64) float64 {
	if len(c.bounds) == 0 {
		return c.weight[0] * c.shape.integral(t)
	}
	i, _ := slices.BinarySearch(c.bounds, t)
	v := c.prefix[i]
	if i == 0 {
		return v + c.weight[0]*c.shape.integral(t)
	}
	return v + c.weight[i]*(c.shape.integral(t)-c.shape.integral(c.bounds[i-1]))
}

// newCurve builds a curve of weight(state of the effects), piecewise between the effects' ends.
func newCurve(shape Shape, effects []Effect, weight func(at float64) float64) *Curve {
	c := &Curve{shape: shape}
	for _, e := range effects {
		c.bounds = append(c.bounds, e.From)
		if !math.IsInf(e.To, 1) {
			c.bounds = append(c.bounds, e.To)
		}
	}
	slices.Sort(c.bounds)
	c.bounds = slices.Compact(c.bounds)
	c.weight = append(c.weight, weight(math.Inf(-1)))
	c.prefix = append(c.prefix, 0)
	sum := 0.0
	for i, b := range c.bounds {
		if i == 0 {
			sum = c.weight[0] * shape.integral(b)
		} else {
			sum += c.weight[i] * (shape.integral(b) - shape.integral(c.bounds[i-1]))
		}
		c.prefix = append(c.prefix, sum)
		c.weight = append(c.weight, weight(b))
	}
	return c
}

// factor is the product of the values of one signal's effects at a moment.
func factor(effects []Effect, s Signal, at float64) float64 {
	f := 1.0
	for i := range effects {
		if e := &effects[i]; e.Signal == s && e.From <= at && at < e.To {
			f *= e.Value
		}
	}
	return f
}

// added is the sum of the values of one signal's effects at a moment.
func added(effects []Effect, s Signal, at float64) float64 {
	f := 0.0
	for i := range effects {
		if e := &effects[i]; e.Signal == s && e.From <= at && at < e.To {
			f += e.Value
		}
	}
	return f
}

// grown is the integral of one signal's added values between two moments.
func grown(effects []Effect, s Signal, from, to float64) float64 {
	f := 0.0
	for i := range effects {
		if e := &effects[i]; e.Signal == s {
			if a, b := max(from, e.From), min(to, e.To); b > a {
				f += e.Value * (b - a)
			}
		}
	}
	return f
}

func seconds(t time.Time) float64 { return float64(t.UnixNano()) / 1e9 }
