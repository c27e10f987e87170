package diagnosis

import (
	"fmt"
	"slices"
	"strings"

	"quarterdeck/sources"
	"quarterdeck/sources/fleet"
)

// errorsAfterDependency: it runs, but fails or is slow, and something that it needs is not well.
func errorsAfterDependency(s *Scene, wide *Wide) *Cause {
	if s.Service.Running == 0 && len(s.since(crashed)) == 0 {
		return nil
	}
	trouble := wide.errorsJumped(s.Service.Name) || s.Logs != nil && s.Logs.Jump.Found || s.Metrics != nil && len(s.Metrics.jumps()) > 0 || len(s.since(crashed)) > 0
	if !trouble {
		return nil
	}
	var best *Cause
	for _, l := range s.DependsOn {
		d := s.Snap.Service(l.Service)
		if d == nil {
			continue
		}
		c := s.after(d, l, wide)
		if c != nil && (best == nil || c.Confidence > best.Confidence) {
			best = c
		}
	}
	return best
}

// after weighs one dependency.
func (s *Scene) after(d *fleet.Service, l Link, wide *Wide) *Cause {
	c := &Cause{Title: "its errors come from " + d.Name, Grade: Scope, Confidence: 0.3, of: d.Name}
	ill, source, query := "", fleet.SwarmName, "docker service ps --no-trunc "+d.Name
	switch {
	case d.Health == fleet.Down || d.Health == fleet.Degraded:
		ill = fmt.Sprintf("%s is %s: %s", d.Name, d.Health, d.Reason)
		c.Confidence += 0.3
	case d.Health == fleet.Idle && d.Want == 0:
		ill = d.Name + " is scaled to 0"
		query = "docker service inspect " + d.Name
		c.Confidence += 0.3
	case wide.errorsJumped(d.Name):
		ill = fmt.Sprintf("%s has more error lines than usual: %.2f a second, before %.2f", d.Name, wide.ErrorsNow[d.Name], wide.ErrorsBefore[d.Name])
		source, query = wide.errorsProof(d.Name)
		c.Confidence += 0.2
	case d.Firing > 0:
		ill = d.Name + " has alerts that fire"
		source, query = s.Snap.AlertsBy(), ""
		c.Confidence += 0.15
	}
	named := s.naming(d)
	if s.well() && !goesOn(named, s.At) { // it was so, and is over
		named = nil
	}
	if ill == "" && len(named) == 0 {
		return nil
	}
	if ill != "" {
		c.proves(source, query, s.At, "%s", ill)
	}
	if !l.Learnt {
		c.proves("journal", "", s.At, "it needs %s: %s", d.Name, l.How)
	}
	if len(named) > 0 {
		c.Confidence += 0.3
		e := named[len(named)-1]
		c.proves(s.Logs.Source, s.Logs.ErrorsQuery, e.Time, "%d of its error lines name it, the last: %s", len(named), clip(e.Line, 240))
	}
	switch {
	case ill == "":
		c.objects(fleet.SwarmName, query, "as the swarm sees it %s is well", d.Name)
		c.Why = fmt.Sprintf("it runs, its errors rose, and %d of its error lines name %s", len(named), d.Name)
	case len(named) > 0:
		c.Why = fmt.Sprintf("it runs, its errors rose, %d of its error lines name %s, and that is not well", len(named), d.Name)
	default:
		c.Why = fmt.Sprintf("it runs, its errors rose, and what it needs is not well (%s)", l.How)
	}
	if d := s.changeBefore(s.inStep(s.Onset)); d != nil && !scaledOnly(d) {
		c.Confidence -= 0.15
		c.objects(fleet.SwarmName, "", "it was itself changed just before: %s", d.Text)
	}
	c.step("look at "+d.Name, "investigate", d.Name)
	c.step("see its lines", "logs", s.Service.Name)
	return c
}

// naming are the error lines that name another service: as a host, or in full.
func (s *Scene) naming(d *fleet.Service) []sources.Entry {
	if s.Logs == nil {
		return nil
	}
	out := slices.Clone(s.Logs.names[d.Name])
	for _, e := range s.Logs.ownLines() {
		if e.Level >= sources.LevelError && mentions(e.Line, d.Name) {
			out = append(out, e)
		}
	}
	slices.SortStableFunc(out, func(a, b sources.Entry) int { return a.Time.Compare(b.Time) })
	return out
}

// mentions tells whether a line has a name as a host or a word of its own: api:8080, //api/, "api".
func mentions(line, name string) bool {
	for at := 0; ; {
		i := strings.Index(line[at:], name)
		if i < 0 {
			return false
		}
		start, end := at+i, at+i+len(name)
		if !inName(line, start-1) && !inName(line, end) {
			return true
		}
		at = end
	}
}

func inName(line string, i int) bool {
	if i < 0 || i >= len(line) {
		return false
	}
	c := line[i]
	return c == '_' || c == '-' || c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'z'
}
