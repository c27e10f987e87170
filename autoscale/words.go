package autoscale

import (
	"fmt"
	"math"
	"strconv"
	"time"

	"quarterdeck/recovery"
)

// sentence is the decision's reason: "CPU 84% of target 60%, 4 -> 6, held by max 6".
func (t *turn) sentence() string {
	d := t.d
	out := measured(d)
	switch {
	case d.Changes():
		out += fmt.Sprintf(", %d -> %d", d.Current, d.Recommended)
	case d.Limit == Free && t.w.some:
		out += fmt.Sprintf(", %d stay: that is near enough", d.Current)
	default:
		out += fmt.Sprintf(", %d stay", d.Current)
	}
	if rest := t.rest(); rest != "" {
		out += ", " + rest
	}
	if d.Limit != ByMissing && t.w.missing != "" && t.w.some {
		out += "; " + t.w.missing
	}
	return out
}

// rest is what holds the decision.
func (t *turn) rest() string {
	d, s := t.d, &t.in.State
	switch d.Limit {
	case AtMax:
		return fmt.Sprintf("held by max %d", t.hi)
	case AtMin:
		if t.hours != "" {
			return fmt.Sprintf("held by min %d of the hours %q", t.lo, t.hours)
		}
		return fmt.Sprintf("held by min %d", t.lo)
	case NoCapacity:
		return "no more have a place: " + t.why
	case ByStep:
		if t.asked > d.Current {
			return fmt.Sprintf("on the way to %d by at most %d a minute", t.asked, Step(s.Replicas-t.h.added()))
		}
		return fmt.Sprintf("on the way to %d by one a minute", max(t.h.largest(), t.lo))
	case ByWindow:
		return fmt.Sprintf("%d would do now, but the last %d minutes asked for %d", t.asked, int(Window.Minutes()), t.h.largest())
	case BySamples:
		return fmt.Sprintf("%d if the next sample says so too", t.asked)
	case ByMissing:
		return t.w.missing + ", so nothing is taken away"
	case ByWarmUp:
		return fmt.Sprintf("deployed %s ago: what is measured counts after %s", t.in.Now.Sub(s.Deployed).Round(time.Second), t.in.Policy.WarmUp)
	case ByFlaps:
		return fmt.Sprintf("it went to and fro %d times in an hour: nothing is taken away until %s", len(t.h.turned), t.why)
	}
	return ""
}

// measured is what the deciding metric says: "CPU 84% of target 60%".
func measured(d *Decision) string {
	m := d.Metric
	if m == nil {
		return "no metric"
	}
	value := "?"
	if !math.IsNaN(d.Value) {
		value = amount(m, d.Value)
	}
	text := fmt.Sprintf("%s %s of target %s", m.Title(), value, amount(m, m.Target))
	if m.Each {
		text += " a replica"
	}
	return text
}

// TargetText is a metric's target for people: "CPU 60%", "query requests 100 a replica".
func (m *Metric) TargetText() string {
	text := m.Title() + " " + amount(m, m.Target)
	if m.Each {
		text += " a replica"
	}
	return text
}

// Text is the policy in a line: "2 to 8 replicas, CPU 60%, at least 4 in \"0 8 * * 1-5 for 10h min 4\"". It quotes labels: untrusted.
func (p *Policy) Text() string {
	text := fmt.Sprintf("%d to %d replicas", p.Min, p.Max)
	for i := range p.Metrics {
		text += ", " + p.Metrics[i].TargetText()
	}
	for i := range p.Hours {
		text += fmt.Sprintf(", at least %d in %q", p.Hours[i].Min, p.Hours[i].Text)
	}
	if p.WarmUp != DefaultWarmUp {
		text += ", warm-up " + recovery.SpanText(p.WarmUp)
	}
	return text
}

func amount(m *Metric, v float64) string {
	if m.Kind == Query {
		return strconv.FormatFloat(v, 'g', 3, 64)
	}
	return strconv.FormatFloat(math.Round(100*v), 'f', -1, 64) + "%"
}
