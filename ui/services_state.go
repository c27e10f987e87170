package ui

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/charmbracelet/x/ansi"

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
	if v.DesiredBefore > 0 {
		return true
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

// What urgency gives to those that the swarm does not call ill, and that are to be looked at all the same.
var (
	urgentBad  = max(fleet.Down.Rank(), fleet.Degraded.Rank())
	urgentHit  = urgentBad + 1 // an alert fires for it, or it was stopped
	urgentLook = urgentBad + 2 // a figure of it is out of the ordinary
)

// urgency orders services, the worst first from 0: those whose users are hit although the swarm calls them well come behind those that it does not.
func urgency(s *fleet.Snapshot, v *fleet.Service) int {
	switch r := v.Health.Rank(); {
	case r <= urgentBad:
		return r
	case v.Firing > 0 || stopped(s, v):
		return urgentHit
	case v.Unusual.Any():
		return urgentLook
	default:
		return r + 2
	}
}

// inTrouble tells whether a service is to be looked at, whatever the swarm calls it.
func inTrouble(s *fleet.Snapshot, v *fleet.Service) bool { return urgency(s, v) <= urgentLook }

// needLook counts the services that are to be looked at although the swarm calls them something else than down or degraded, by what it calls them.
func needLook(s *fleet.Snapshot) (n int, by map[fleet.Health]int) {
	for _, v := range s.Services {
		if u := urgency(s, v); !v.NotYet && u > urgentBad && u <= urgentLook {
			if n++; by == nil {
				by = map[fleet.Health]int{}
			}
			by[v.Health]++
		}
	}
	return n, by
}

// unusualWords are what of a service's figures is out of the ordinary, with what is usual. Harmless.
func unusualWords(v *fleet.Service) []string {
	var out []string
	u := v.Unusual
	if u.Errors {
		out = append(out, rate(v.ErrorRate)+" error lines/s, usually "+rate(u.UsualErrors))
	}
	if u.Memory {
		out = append(out, "memory "+number(v.MemoryNow, "bytes")+", near its limit: "+eachLimit(v, number(float64(v.Resources.LimitBytes), "bytes")))
	}
	if u.CPU {
		out = append(out, "CPU "+number(v.CPUNow, "cores")+", near its limit: "+eachLimit(v, number(float64(v.Resources.LimitNanoCPUs)/1e9, "cores")))
	}
	if u.Lines {
		out = append(out, "writes "+rate(v.LineRate)+" lines/s, usually "+rate(u.UsualLines))
	}
	return out
}

func eachLimit(v *fleet.Service, limit string) string {
	if v.Running > 1 {
		return fmt.Sprintf("%d × %s", v.Running, limit)
	}
	return limit
}

// strikingCells marks the figures that are out of the ordinary.
func strikingCells(st theme.Styles, v *fleet.Service, cells []cell, widths []int) {
	u := &v.Unusual
	for _, x := range [...]struct {
		at      int
		strikes bool
	}{{colCPU, u.CPU}, {colMemory, u.Memory}, {colErrors, u.Errors}, {colLines, u.Lines}} {
		if x.strikes {
			cells[x.at] = striking(st, cells[x.at], widths[x.at])
		}
	}
}

// striking marks a figure that is out of the ordinary, by a sign and a colour: where both have no room the unit gives way.
func striking(st theme.Styles, c cell, w int) cell {
	text := st.Signs.Look + c.text
	if plain.Width(text) > w {
		text = st.Signs.Look + strings.TrimSuffix(c.text, "iB")
	}
	if plain.Width(text) > w { // 12.34 cores
		text = ansi.Truncate(text, w, "")
	}
	return cell{text: text, style: st.Warn}
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
		if tail := " " + st.Signs.Look; v.Unusual.Any() && plain.Width(c.text+tail) <= w {
			c.text += tail
			if urgency(s, v) == urgentLook {
				c.style = st.Warn
			}
		}
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
	for _, words := range unusualWords(v) {
		text = strings.TrimPrefix(text+"; "+words, "; ")
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
