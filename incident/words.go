package incident

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// words fill in the sections that are read: what is known is said, and what somebody has noted is added to it.
func (g *gatherer) words() {
	r := g.r
	g.title()
	if none := (Span{Reason: "no incident was declared for this time"}); g.x == nil {
		r.Times = Times{none, none, none, none}
	} else {
		r.Times = TimesOf(g.x, r.Fixes)
	}
	r.Users = g.users()
	g.alignEvidence()
	r.Summary = append(g.notes(ForSummary), g.summary()...)
	r.Impact = append(g.notes(ForImpact), g.impact()...)
	r.CauseNotes = g.notes(ForCause)
	r.Trigger = append(g.notes(ForTrigger), g.trigger()...)
	r.Resolution = append(g.notes(ForResolution), g.resolution()...)
	r.Detection = append(g.notes(ForDetection), g.detection()...)
	r.Actions, r.Lessons = g.notes(ForAction), g.notes(ForLesson)
	if g.x != nil {
		impact := g.x.Impact
		impact.Source = r.Start.Source
		for _, m := range []struct {
			name string
			Moment
		}{{"impact", impact}, {"detected", g.x.Detected}, {"started", g.x.Started}, {"acknowledged", g.x.Acknowledged}, {"mitigated", MitigatedBy(g.x, r.Fixes)}, {"resolved", g.x.Resolved}} {
			if m.Known() {
				r.Phases = append(r.Phases, PhaseAt{m.name, m.At.UTC(), m.By, m.Source})
			}
		}
	}
}

func (g *gatherer) title() {
	r := g.r
	if g.x == nil {
		r.Title, r.Status = "what happened", "no incident was declared for this time"
		if len(r.Services) > 0 {
			r.Title += " to " + strings.Join(r.Services, ", ")
		}
		return
	}
	x := g.x
	r.ID, r.Title, r.Severity, r.Owner = x.ID, g.redact("notes", x.Title), orElse(x.Severity, g.severity), x.Owner
	r.Status = string(x.State)
	mitigated := MitigatedBy(x, r.Fixes)
	switch {
	case x.Resolved.Known():
		r.Status += " at " + stamp(x.Resolved.At) + " by " + x.Resolved.By
	case mitigated.Known():
		r.Status = string(Mitigated) + " at " + stamp(mitigated.At) + " by " + mitigated.words()
	case x.Acknowledged.Known():
		r.Status += " since " + stamp(x.Acknowledged.At) + " by " + x.Acknowledged.By
	default:
		r.Status += " since " + stamp(x.Started.At)
	}
	if x.Reopened > 0 {
		r.Status += ", reopened " + times(x.Reopened)
	}
}

// notes are what somebody has noted for a section, with who and when.
func (g *gatherer) notes(s Section) []string {
	var out []string
	if g.x == nil {
		return out
	}
	for _, e := range g.x.Notes(s) {
		out = append(out, fmt.Sprintf("%s (%s, %s)", g.redact("notes", e.Text), e.Actor, clockOf(e.At)))
	}
	return out
}

// summary is the incident in a few sentences, each from something that is known.
func (g *gatherer) summary() []string {
	r := g.r
	var out []string
	if g.x != nil {
		what := r.Title
		if names := slices.Concat(r.Nodes, r.Services); len(names) > 0 && !slices.ContainsFunc(names, func(n string) bool { return strings.Contains(what, n) }) {
			what = orElse(strings.Join(r.Nodes, ", "), strings.Join(r.Services, ", ")) + ": " + what
		}
		text := fmt.Sprintf("%s, declared at %s UTC by %s", what, clockOf(g.x.Started.At), g.x.Started.By)
		if g.x.Resolved.Known() {
			text += fmt.Sprintf(", resolved at %s UTC", clockOf(g.x.Resolved.At))
			if s := r.Times.Resolve.Seconds; s != nil {
				text += ", " + longSeconds(*s) + " after the impact began"
			}
		}
		out = append(out, text+".")
	}
	if len(r.Nodes) > 0 && len(r.Services) > 0 {
		out = append(out, fmt.Sprintf("%s had tasks on %s: %s.", count(len(r.Services), "service"), strings.Join(r.Nodes, ", "), strings.Join(r.Services, ", ")))
	}
	out = append(out, g.userSummary()...)
	if len(r.Causes) > 0 {
		c := &r.Causes[0]
		out = append(out, fmt.Sprintf("Likeliest cause: %s (%s, %.0f %% sure).", c.Title, c.ID, 100*c.Confidence))
	}
	if m := lastGood(r.Fixes); m != nil {
		out = append(out, fmt.Sprintf("%s of %s by %s ended well at %s UTC.", m.Action, m.Target, m.Actor, clockOf(*m.Ended)))
	}
	return out
}

// impact is what the figures say of who was hit: the worst value of what a user feels, and where it came from.
func (g *gatherer) impact() []string {
	r := g.r
	var out []string
	switch {
	case r.Start.At != nil:
		text := fmt.Sprintf("Began at %s UTC, set by %s", clockOf(*r.Start.At), r.Start.By)
		if r.Start.Source != aPerson && r.Start.Source != r.Start.By {
			text += " from: " + r.Start.Source
		}
		out = append(out, text+".")
	case g.x != nil:
		out = append(out, "When it began: unavailable, "+noImpact+". See the evidence below.")
	}
	if text := g.lasted(); text != "" {
		out = append(out, text)
	}
	out = append(out, g.userWords()...)
	for i := range r.Charts {
		if text := r.Charts[i].errorLines(r.Window); text != "" {
			out = append(out, text)
		}
	}
	for i := range g.deaths {
		out = append(out, g.deaths[i].words())
	}
	for i := range r.Also {
		a := &r.Also[i]
		out = append(out, fmt.Sprintf("Also in trouble: %s, from %s UTC on: %s.", a.Service, clockOf(a.Since), strings.Join(a.Why, "; ")))
	}
	return out
}

// lasted is how long users were hit: until it was mitigated, else until it was resolved; "" where one of the two ends is not known.
func (g *gatherer) lasted() string {
	if g.x == nil || g.r.Start.At == nil {
		return ""
	}
	end, how := MitigatedBy(g.x, g.r.Fixes), "mitigated"
	if r := g.x.Resolved; r.Known() && (!end.Known() || r.At.Before(end.At)) {
		end, how = r, "resolved"
	}
	if !end.Known() || !end.At.After(*g.r.Start.At) {
		return ""
	}
	return fmt.Sprintf("Lasted %s, until it was %s.", long(took(*g.r.Start.At, end.At)), how)
}

// errorLines says how many error lines a step had at worst within the window, and how many are usual; "" of another figure, and where there are none.
func (c *Chart) errorLines(w Window) string {
	at, v, ok := c.worstIn(w)
	if c.Name != errorLines || !ok || v < floorOf(errorLines) {
		return ""
	}
	text := fmt.Sprintf("%s: %s error lines in %s at worst (%s UTC)", c.Service, figure(v, c.Unit), longSeconds(c.Step), clockOf(at))
	if m, ok := c.usual(w); ok {
		text += ", usually " + figure(m, c.Unit)
	}
	return text + "."
}

// bounds are the least, the greatest and the last sample; nil: there is none.
func (c *Chart) bounds() (least, most, last *Sample) {
	for i := range c.Points {
		p := &c.Points[i]
		if p.V == nil {
			continue
		}
		if least == nil || *p.V < *least.V {
			least = p
		}
		if most == nil || *p.V > *most.V {
			most = p
		}
		last = p
	}
	return least, most, last
}

// trigger is what set it off: the change that the likeliest cause names, else the last change before the first evidence, else what the
// orchestrator says came first.
func (g *gatherer) trigger() []string {
	c := g.top()
	if c != nil && c.Change != nil {
		d := g.deployOf(c.Change)
		return []string{fmt.Sprintf("%s was changed at %s UTC %s: %s. The likeliest cause names it (%s, %.0f %% sure).", d.Service, clockOf(d.At), d.byWhom(), d.words(), c.ID, 100*c.Confidence)}
	}
	var out []string
	if c != nil && c.sure() && c.lostLabel() != nil {
		p := c.lostLabel()
		return []string{fmt.Sprintf("%s UTC: %s.", clockOf(*p.At), p.Text)}
	}
	if c != nil && c.sure() {
		out = append(out, fmt.Sprintf("%s, at %s UTC (%s). What brought that about is not known: the cause names no change.", c.words(), clockOf(*c.Since), c.ID))
	}
	for _, p := range g.r.Start.Proposed {
		if !p.Before {
			continue
		}
		for i := range g.r.Deploys {
			if d := &g.r.Deploys[i]; d.At.Equal(p.At) {
				return append(out, fmt.Sprintf("%s was changed at %s UTC %s: %s. It came before the first evidence; that it brought it about is not proven by that.", d.Service, clockOf(d.At), d.byWhom(), d.words()))
			}
		}
	}
	return out
}

// lostLabel is the evidence that a node's label was changed, seen as it happened, where the cause is that; nil: it is not, or nobody saw it.
func (c *Cause) lostLabel() *Proof {
	for i := range c.Evidence {
		if p := &c.Evidence[i]; p.At != nil && strings.HasPrefix(p.Text, "the label ") && strings.HasPrefix(p.Query, "docker node inspect ") {
			return p
		}
	}
	return nil
}

// top is the likeliest cause that is believed more than not; nil: there is none.
func (g *gatherer) top() *Cause {
	if len(g.r.Causes) == 0 || g.r.Causes[0].Confidence < 0.5 {
		return nil
	}
	return &g.r.Causes[0]
}

// sameChange is how far apart the record and a cause may date one change.
const sameChange = 10 * time.Second

// deployOf is a change as the record has it, which knows who made it; else as the cause tells of it.
func (g *gatherer) deployOf(c *Deploy) *Deploy {
	for i := range g.r.Deploys {
		if d := &g.r.Deploys[i]; d.Service == c.Service && (c.Run != "" && d.Run == c.Run || d.At.Sub(c.At).Abs() < sameChange) {
			return d
		}
	}
	return c
}

// byWhom says who made a change.
func (d *Deploy) byWhom() string {
	switch {
	case d.Actor == "":
		return "by somebody whom the swarm does not name"
	case d.Run == "":
		return "by " + d.Actor
	}
	return "by " + d.Actor + " (run " + d.Run + ")"
}

func (g *gatherer) resolution() []string {
	r := g.r
	var out []string
	for i := range r.Fixes {
		m := &r.Fixes[i]
		text := fmt.Sprintf("%s UTC: %s of %s by %s: %s", clockOf(m.Began), m.Action, m.Target, m.Actor, orElse(m.Result, "has no end yet"))
		switch {
		case m.Converged != nil && *m.Converged:
			text += ", proven stable"
		case m.Converged != nil:
			text += ", not proven"
		}
		if m.Why != "" {
			text += "; why: " + m.Why
		}
		out = append(out, text+" (run "+m.Run+").")
	}
	if g.x == nil {
		return out
	}
	for _, e := range g.x.Entries {
		if (e.Phase == Mitigate || e.Phase == Resolve || e.Phase == Reopen) && !e.Idle {
			text := fmt.Sprintf("%s UTC: %s by %s", clockOf(e.At), phaseWord(e.Phase), e.Actor)
			out = append(out, joined(text, g.redact("notes", e.Text))+".")
		}
	}
	return out
}

func (g *gatherer) detection() []string {
	if g.x == nil {
		return nil
	}
	d := g.x.Detected
	text := fmt.Sprintf("Noticed at %s UTC by %s", clockOf(d.At), d.By)
	if later := took(d.At, g.x.Started.At); later > 0 {
		text += fmt.Sprintf("; the incident was declared %s later by %s", long(later), g.x.Started.By)
	}
	out := []string{text + "."}
	alerts := g.alertWords()
	out = append(out, alerts...)
	switch {
	case len(alerts) > 0:
	case g.Alerts == nil && g.Metrics == nil:
		out = append(out, "Whether an alert fired is not known: neither Alertmanager nor Prometheus is configured.")
	case slices.ContainsFunc(g.r.Gaps, func(x Gap) bool { return strings.Contains(x.What, "alerts") }):
		out = append(out, "Whether an alert fired is not known: see the gaps.")
	default:
		out = append(out, "No alert fired for "+strings.Join(slices.Concat(g.r.Nodes, g.r.Services), ", ")+" in this time.")
	}
	if len(g.earlier) > 0 {
		out = append(out, "Fired before it already, so not of it as far as is known: "+strings.Join(g.earlier, "; ")+".")
	}
	return out
}

// stamp is a moment with its date, UTC.
func stamp(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05") }

// long is a length of time for people.
func long(d time.Duration) string {
	if d >= time.Minute {
		d = d.Round(time.Second)
	} else {
		d = d.Round(100 * time.Millisecond)
	}
	text := d.String()
	text = strings.TrimSuffix(text, "m0s") + map[bool]string{true: "m"}[strings.HasSuffix(text, "m0s")]
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

// longSeconds is a number of seconds for people.
func longSeconds(s float64) string { return long(time.Duration(s * float64(time.Second))) }

// clip bounds a text, in runes.
func clip(s string, most int) string {
	if r := []rune(s); len(r) > most {
		return string(r[:most-1]) + "…"
	}
	return s
}

// clipMiddle bounds a text, in runes: what is left out is from its middle, a third from its beginning on, for the reason of an error stands at the end.
func clipMiddle(s string, most int) string {
	r := []rune(s)
	if len(r) <= most {
		return s
	}
	head := most / 3
	return string(r[:head]) + "…" + string(r[len(r)-(most-head-1):])
}

// times is how often something was.
func times(n int) string {
	if n == 1 {
		return "once"
	}
	return fmt.Sprintf("%d times", n)
}
