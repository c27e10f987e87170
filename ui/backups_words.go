package ui

import (
	"fmt"
	"strings"
	"time"

	"quarterdeck/recovery"
	"quarterdeck/sources"
	"quarterdeck/ui/chart"
	"quarterdeck/ui/plain"
	"quarterdeck/ui/theme"
)

// coverStyle is how a state of coverage is shown.
func coverStyle(st theme.Styles, s recovery.CoverState) (sign string, style theme.Style) {
	switch s {
	case recovery.CoverFresh:
		return st.Signs.OK, st.OK
	case recovery.CoverLate:
		return st.Signs.Degraded, st.Warn
	case recovery.CoverNone, recovery.CoverNotCovered:
		return st.Signs.Down, st.Error
	case recovery.CoverBadPolicy:
		return st.Signs.Faulty, st.Error
	case recovery.CoverExempt:
		return st.Signs.Idle, st.Idle
	}
	return st.Signs.Unknown, st.Unknown
}

// drillStyle is the same of a drill; the word says what the age does not.
func drillStyle(st theme.Styles, s recovery.DrillState) (sign, word string, style theme.Style) {
	switch s {
	case recovery.DrillOK:
		return st.Signs.OK, "", st.OK
	case recovery.DrillFailed:
		return st.Signs.Down, "failed", st.Error
	case recovery.DrillSlow:
		return st.Signs.Degraded, "slow", st.Warn
	case recovery.DrillOverdue:
		return st.Signs.Degraded, "overdue", st.Warn
	case recovery.DrillNever:
		return st.Signs.Degraded, "never", st.Warn
	case recovery.DrillNone:
		return "", "", st.Muted
	}
	return st.Signs.Unknown, "", st.Unknown
}

// bytesWord is a number of bytes, without a space.
func bytesWord(n int64) string { return number(float64(n), "bytes") }

// brief is a span in one word of at most six cells: "40s", "4m10s", "26h", "3d".
func brief(d time.Duration) string {
	d = max(d, 0).Round(time.Second)
	if d >= 48*time.Hour {
		return chart.Age(d)
	}
	if d >= time.Hour {
		d = d.Truncate(time.Minute)
	}
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// keepWord is a rule of keep in few cells: "7d 4w 6m".
func keepWord(k recovery.Keep) string {
	var out []string
	for _, f := range []struct {
		n    int
		unit string
	}{{k.Last, ""}, {k.Hourly, "h"}, {k.Daily, "d"}, {k.Weekly, "w"}, {k.Monthly, "m"}, {k.Yearly, "y"}} {
		if f.n > 0 {
			out = append(out, fmt.Sprint(f.n)+f.unit)
		}
	}
	return strings.Join(out, " ")
}

// nextWord is when a backup is due.
func nextWord(next, now time.Time) string {
	switch {
	case next.IsZero():
		return "–"
	case next.After(now):
		return "in " + calmBrief(next.Sub(now))
	}
	return "due " + calmBrief(now.Sub(next))
}

// calmBrief is a span in whole minutes: "12m", "1h59m", "26h", "3d".
func calmBrief(d time.Duration) string {
	if d < time.Minute {
		return "<1m"
	}
	return brief(d.Truncate(time.Minute))
}

// sizeTrend is a sparkline of sizes, a column a snapshot, from nothing to the largest.
func sizeTrend(st theme.Styles, sizes []sources.Point, w int) string {
	n := min(len(sizes), w)
	if n < 2 {
		return strings.Repeat(" ", w)
	}
	start := time.Unix(0, 0)
	even := make([]sources.Point, n) // the times do not matter here
	for i, p := range sizes[len(sizes)-n:] {
		even[i] = sources.Point{T: start.Add(time.Duration(i)*time.Second + 500*time.Millisecond), V: p.V}
	}
	return st.Spark.Render(plain.Fit(chart.Spark(even, start, start.Add(time.Duration(n)*time.Second), n, 0, st.ASCII), w))
}
