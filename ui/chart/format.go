package chart

import (
	"math"
	"strconv"
	"time"

	"quarterdeck/ui/plain"
)

// prefix is a unit's multiple and its sign.
type prefix struct {
	factor float64
	sign   string
}

var (
	decimal = []prefix{{1, ""}, {1e3, "k"}, {1e6, "M"}, {1e9, "G"}, {1e12, "T"}, {1e15, "P"}, {1e18, "E"}}
	binary  = []prefix{{1, "B"}, {1 << 10, "KiB"}, {1 << 20, "MiB"}, {1 << 30, "GiB"}, {1 << 40, "TiB"}, {1 << 50, "PiB"}, {1 << 60, "EiB"}}
	seconds = []prefix{{1e-9, "ns"}, {1e-6, "µs"}, {1e-3, "ms"}, {1, "s"}, {60, "min"}, {3600, "h"}, {86400, "d"}}
)

// Humanize is a value for people: "1.2 cores", "512 MiB", "3.4 k/s", "84 %", "12 ms". Two or three digits count.
// NaN is "–". unit is as in Spec.Unit; another one is put behind the number.
func Humanize(v float64, unit string) string {
	switch {
	case math.IsNaN(v):
		return "–"
	case math.IsInf(v, 1):
		return "∞"
	case math.IsInf(v, -1):
		return "-∞"
	}
	factor, sign := scale(v, unit)
	text := digits(v / factor)
	if again, bigger := scale(roundTo(v/factor)*factor, unit); again > factor { // 1023.9 KiB is 1 MiB
		text, sign = digits(v/again), bigger
	}
	if sign == "" {
		return text
	}
	return text + " " + sign
}

// scale is what a value is divided by, and the unit that it then has.
func scale(v float64, unit string) (factor float64, sign string) {
	switch unit {
	case "bytes":
		return pick(v, binary)
	case "bytes/s":
		f, s := pick(v, binary)
		return f, s + "/s"
	case "ratio":
		return 0.01, "%"
	case "1/s":
		f, s := pick(v, decimal)
		return f, s + "/s"
	case "s":
		return pickTime(v)
	case "ms":
		f, s := pickTime(v / 1000)
		return f * 1000, s
	case "1", "":
		return pick(v, decimal)
	case "cores":
		return 1, "cores"
	}
	f, s := pick(v, decimal)
	return f, s + plain.LineN(unit, 16)
}

func pick(v float64, from []prefix) (float64, string) {
	v = math.Abs(v)
	at := from[0]
	for _, p := range from[1:] {
		if v < p.factor {
			break
		}
		at = p
	}
	return at.factor, at.sign
}

// pickTime keeps seconds up to two minutes: "90 s" reads better than "1.5 min".
func pickTime(v float64) (float64, string) {
	if a := math.Abs(v); a == 0 || (a >= 1 && a < 120) {
		return 1, "s"
	}
	return pick(v, seconds)
}

func decimals(v float64) int {
	switch a := math.Abs(v); {
	case a == 0 || a >= 9.95:
		return 0
	case a >= 0.995:
		return 1
	case a >= 0.0995:
		return 2
	case a >= 0.00995:
		return 3
	}
	return 4
}

func roundTo(v float64) float64 {
	p := math.Pow10(decimals(v))
	return math.Round(v*p) / p
}

func digits(v float64) string {
	a := math.Abs(v)
	if a >= 1e6 || (a > 0 && a < 0.0001) {
		return strconv.FormatFloat(v, 'g', 2, 64)
	}
	return trimZeros(strconv.FormatFloat(v, 'f', decimals(v), 64))
}

// trimZeros takes a fraction's last zeros off, and the sign of a zero.
func trimZeros(s string) string {
	dot := false
	for _, c := range s {
		dot = dot || c == '.'
	}
	for dot && s[len(s)-1] == '0' {
		s = s[:len(s)-1]
	}
	if dot && s[len(s)-1] == '.' {
		s = s[:len(s)-1]
	}
	if s == "-0" {
		return "0"
	}
	return s
}

// Age is a duration in one unit, rounded down: "3s", "12m", "4h", "2d", "5w", "3y". A negative one is "0s".
func Age(d time.Duration) string {
	const day = 24 * time.Hour
	for _, u := range []struct {
		from, unit time.Duration
		sign       string
	}{{365 * day, 365 * day, "y"}, {14 * day, 7 * day, "w"}, {2 * day, day, "d"}, {2 * time.Hour, time.Hour, "h"}, {2 * time.Minute, time.Minute, "m"}} {
		if d >= u.from {
			return strconv.FormatInt(int64(d/u.unit), 10) + u.sign
		}
	}
	return strconv.FormatInt(int64(max(d, 0)/time.Second), 10) + "s"
}
