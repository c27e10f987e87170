package ui

import (
	"cmp"
	"math"
	"slices"
	"strconv"
	"time"

	"quarterdeck/sources"
	"quarterdeck/sources/fleet"
	"quarterdeck/ui/plain"
	"quarterdeck/ui/theme"
)

// How a service's row stands: what the swarm says of it, and whether its users are hit although that is well.

// stoppedWithin is how far back a service that was scaled to 0 is news: the time that the console shows at its start.
const stoppedWithin = time.Hour

// stopped tells a service of which somebody wants no task since a short while ago: it ran until then, as its figures or the fleet's history tell.
func stopped(s *fleet.Snapshot, v *fleet.Service) bool {
	if v.Health != fleet.Idle || v.Mode != sources.Replicated || v.Desired != 0 || s.At.Sub(v.Updated) > stoppedWithin {
		return false
	}
	if slices.ContainsFunc(v.CPU, func(p sources.Point) bool { return !math.IsNaN(p.V) }) {
		return true
	}
	return slices.ContainsFunc(s.History, func(h fleet.Happening) bool {
		return h.Kind == fleet.Scaled && h.Service == v.Name && s.At.Sub(h.Time) <= stoppedWithin && !h.Time.After(s.At)
	})
}

// stoppedWords are how a service that was scaled to 0 just now is shown.
func stoppedWords(st theme.Styles) (sign, word string, style theme.Style) {
	return st.Signs.Warning, "set to 0", st.Warn
}

// urgency orders services, the worst first from 0: those whose users are hit although the swarm calls them well come behind those that it does not.
func urgency(s *fleet.Snapshot, v *fleet.Service) int {
	bad := max(fleet.Down.Rank(), fleet.Degraded.Rank())
	switch r := v.Health.Rank(); {
	case r <= bad:
		return r
	case v.Firing > 0 || stopped(s, v):
		return bad + 1
	default:
		return r + 1
	}
}

// inTrouble tells whether a service is to be looked at, whatever the swarm calls it.
func inTrouble(s *fleet.Snapshot, v *fleet.Service) bool {
	return urgency(s, v) <= max(fleet.Down.Rank(), fleet.Degraded.Rank())+1
}

// firingFor are the alerts that fire for a service, the worst first.
func firingFor(st theme.Styles, s *fleet.Snapshot, v *fleet.Service) []*sources.Alert {
	if v.Firing == 0 {
		return nil
	}
	var out []*sources.Alert
	for i := range s.Alerts {
		if a := &s.Alerts[i]; a.Service == v.Name && a.State == sources.Firing {
			out = append(out, a)
		}
	}
	grade := func(a *sources.Alert) int {
		switch sign, _, _ := st.Severity(a.Severity); sign {
		case st.Signs.Critical:
			return 0
		case st.Signs.Warning:
			return 1
		}
		return 2
	}
	slices.SortStableFunc(out, func(a, b *sources.Alert) int { return cmp.Or(grade(a)-grade(b), a.Since.Compare(b.Since)) })
	return out
}

// stateCell is the swarm's word, and behind it the sign and number of the alerts that fire: where it runs and fails its users the row says both.
func stateCell(st theme.Styles, s *fleet.Snapshot, v *fleet.Service, w int) cell {
	sign, word, style := st.Health(string(v.Health))
	if stopped(s, v) {
		sign, word, style = stoppedWords(st)
	}
	c := cell{text: sign + " " + word, style: style}
	alerts := firingFor(st, s, v)
	if len(alerts) == 0 {
		return c
	}
	mark, _, hit := st.Severity(alerts[0].Severity)
	if v.Health != fleet.Down && v.Health != fleet.Degraded {
		c.style = hit
	}
	for _, tail := range []string{" " + mark + strconv.Itoa(len(alerts)), " " + mark, mark} {
		if plain.Width(c.text)+plain.Width(tail) <= w {
			c.text += tail
			break
		}
	}
	return c
}

// whyOf is why a service stands as it does, and the worst alert that fires for it. Not harmless.
func (m *Model) whyOf(v *fleet.Service) string {
	text := m.reasonOf(v)
	then := m.then()
	if stopped(then, v) {
		text = "set to 0 replicas " + age(v.Updated, then.At) + " ago"
	}
	alerts := firingFor(m.st, then, v)
	if len(alerts) == 0 {
		return text
	}
	a := alerts[0]
	alert := a.Name + " fires"
	if a.Summary != "" {
		alert += ": " + a.Summary
	}
	if n := len(alerts) - 1; n > 0 {
		alert += " (and " + count(n, "more alert") + ")"
	}
	if text != "" {
		text += "; "
	}
	return text + alert
}
