package chart

import (
	"math"
	"strconv"
	"time"
)

// span is a y axis: from lo at the lowest dot to hi at the highest, with a tick each step.
type span struct{ lo, hi, step float64 }

// most bounds values, so that no difference of two overflows.
const most = 1e300

// newSpan rounds a range out to whole steps, at most n of them.
func newSpan(lo, hi float64, n int, unit string) span {
	if size := math.Max(math.Abs(lo), math.Abs(hi)); hi-lo <= size*1e-9 || hi-lo < 1e-290 {
		switch {
		case size < 1e-290:
			lo, hi = 0, 1
		case lo > 0:
			lo, hi = lo-size*0.1, hi+size*0.1
		default:
			lo, hi = lo-size*0.1, math.Max(hi, 0)
		}
	}
	step := niceStep((hi-lo)/float64(n), unit)
	for range 8 { // rounding both ends out may add up to two steps
		l, h := math.Floor(lo/step)*step, math.Ceil(hi/step)*step
		if h-l <= step*(float64(n)+0.5) {
			return span{l, h, step}
		}
		step = niceStep(step*1.01, unit)
	}
	return span{lo, hi, hi - lo}
}

// niceStep is the smallest step for people that is not below v: 1, 2 or 5 and zeros; for bytes a power of two,
// as limits are; for seconds also parts of an hour.
func niceStep(v float64, unit string) float64 {
	switch unit {
	case "bytes", "bytes/s":
		if v <= 1 {
			return 1
		}
		return math.Exp2(math.Ceil(math.Log2(v) - 1e-9))
	case "s":
		for _, s := range []float64{10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 14400, 21600, 43200, 86400} {
			if v > 5 && v <= s {
				return s
			}
		}
	case "ratio":
		return niceStep(v*100, "1") / 100
	}
	mag := math.Pow(10, math.Floor(math.Log10(v)))
	for _, m := range []float64{1, 2, 5, 10} {
		if v <= m*mag*(1+1e-9) {
			return m * mag
		}
	}
	return 10 * mag
}

// ticks are the axis' values, the highest first.
func (s span) ticks() []float64 {
	n := int(math.Round((s.hi - s.lo) / s.step))
	out := make([]float64, 0, n+1)
	for i := n; i >= 0; i-- {
		v := s.lo + float64(i)*s.step
		if math.Abs(v) < s.step*1e-6 {
			v = 0
		}
		out = append(out, v)
	}
	return out
}

// label is a tick's text, short: "0.5", "40%", "512MiB", "1.5k"; a rate's "/s" is left to the legend. All of an
// axis have one prefix, but bytes: 512MiB and 1GiB stand on one axis.
func (s span) label(v float64, unit string) string {
	if v == 0 {
		return "0"
	}
	big := math.Max(math.Abs(s.lo), math.Abs(s.hi))
	var factor float64
	var sign string
	switch unit {
	case "bytes", "bytes/s":
		factor, sign = pick(v, binary)
		if math.Abs(v) < 1e6*factor {
			return trimZeros(strconv.FormatFloat(v/factor, 'f', s.places(factor), 64)) + sign
		}
	case "cores", "1/s":
		factor, sign = pick(big, decimal)
	default:
		factor, sign = scale(big, unit)
	}
	if big/factor >= 1e6 || s.step/factor < 1e-4 {
		return strconv.FormatFloat(v/factor, 'g', 3, 64) + sign
	}
	return strconv.FormatFloat(v/factor, 'f', s.places(factor), 64) + sign // with its zeros: 0.5 and 1.0
}

// places is how many digits after the point tell the ticks apart, at most 4.
func (s span) places(factor float64) int {
	n := 0
	for p := s.step / factor; n < 4 && math.Abs(p-math.Round(p)) > 1e-6; n++ {
		p *= 10
	}
	return n
}

// dot is the dot row (0: top) of a value on a plot of rows dots.
func (s span) dot(v float64, rows int) int {
	y := int(math.Round((s.hi - v) / (s.hi - s.lo) * float64(rows-1)))
	return min(max(y, 0), rows-1)
}

// stamp is a label on the time axis.
type stamp struct {
	at   time.Time
	text string
}

var timeSteps = []time.Duration{
	time.Second, 2 * time.Second, 5 * time.Second, 10 * time.Second, 15 * time.Second, 30 * time.Second,
	time.Minute, 2 * time.Minute, 5 * time.Minute, 10 * time.Minute, 15 * time.Minute, 30 * time.Minute,
	time.Hour, 2 * time.Hour, 3 * time.Hour, 6 * time.Hour, 12 * time.Hour,
}

const day = 24 * time.Hour

// stamps are times that a clock shows whole, so far apart that their labels have two cells between them.
func stamps(start, end time.Time, width int, loc *time.Location) []stamp {
	length := end.Sub(start)
	if length <= 0 || width < 5 {
		return nil
	}
	room := func(step time.Duration, cells int) bool {
		return float64(step)/float64(length)*float64(width) >= float64(cells+2)
	}
	for _, step := range timeSteps {
		layout := "15:04"
		if step < time.Minute {
			layout = "15:04:05"
		}
		if room(step, len(layout)) {
			return clockStamps(start, end, step, layout, loc)
		}
	}
	for _, days := range []int{1, 2, 7, 14, 28, 91, 182, 364, 1820, 18200} {
		if room(time.Duration(days)*day, 6) {
			return dayStamps(start, end, days, loc)
		}
	}
	return nil
}

func clockStamps(start, end time.Time, step time.Duration, layout string, loc *time.Location) []stamp {
	var out []stamp
	_, offset := start.In(loc).Zone()
	shift := time.Duration(offset) * time.Second
	at := start.Add(shift).Truncate(step).Add(-shift).In(loc) // whole on the wall's clock; Truncate counts in UTC
	for ; !at.After(end); at = at.Add(step) {
		if at.Before(start) {
			continue
		}
		text := at.Format(layout)
		if at.Hour() == 0 && at.Minute() == 0 && at.Second() == 0 && step >= time.Minute {
			text = at.Format("Jan 2")
		}
		out = append(out, stamp{at, text})
	}
	return out
}

func dayStamps(start, end time.Time, days int, loc *time.Location) []stamp {
	var out []stamp
	s := start.In(loc)
	first := time.Date(s.Year(), s.Month(), s.Day(), 0, 0, 0, 0, loc)
	layout := "Jan 2"
	if days > 300 {
		layout = "2006"
	}
	for i := 0; len(out) < 1000; i += days {
		at := first.AddDate(0, 0, i) // by the calendar: days of 23 and 25 hours stay whole
		if at.After(end) {
			break
		}
		if !at.Before(start) {
			out = append(out, stamp{at, at.Format(layout)})
		}
	}
	return out
}
