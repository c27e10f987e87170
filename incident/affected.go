package incident

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"quarterdeck/sources"
	"quarterdeck/sources/fleet"
)

// lead is how long before the window's beginning something still is of it: its beginning is exact to a step of a figure, and what brings
// trouble about shows a little before those who feel it.
const lead = time.Minute

// begun finds when users were hit, and what else was in trouble then.
func (g *gatherer) begun() {
	g.readHistory()
	g.changeRows()
	g.readEntries()
	g.keptCauses()
	for _, s := range g.asked() {
		g.addCauses(s)
	}
	g.sortCauses()
	g.placeAlerts()
	g.alignChanges()
	g.startOf()
	g.r.Window = g.window()
	g.tellRises()
	g.historyRows()
	g.causeRows()
	g.namedChanges()
	g.findAlso()
	g.countDeaths()
}

// window is from when the impact began (as set, else as first proposed, else as the incident began) until it was mitigated, else resolved, else
// as far as the report reaches.
func (g *gatherer) window() Window {
	r := g.r
	w := Window{From: r.Since, To: r.Until, By: "the time that was asked for"}
	switch at := g.firstProposed(); {
	case r.Start.At != nil:
		w.From, w.By = *r.Start.At, "set by "+r.Start.By
	case at != nil:
		w.From, w.By = at.At, at.Source+": "+at.Text
	case g.x != nil:
		w.From, w.By = g.begin(), "when it was noticed"
	}
	if g.x != nil {
		for _, m := range []Moment{g.x.Resolved, MitigatedBy(g.x, r.Fixes)} {
			if m.Known() && m.At.After(w.From) && m.At.Before(w.To) {
				w.To = m.At
			}
		}
	}
	w.From, w.To = w.From.UTC(), w.To.UTC()
	return w
}

// firstProposed is the earliest evidence of the impact itself.
func (g *gatherer) firstProposed() *Proposal { return First(g.r.Start.Proposed) }

// outside tells on which side of the report's window a moment lies; "": within, or there is no window.
func (g *gatherer) outside(at time.Time) string { return g.r.Window.side(at) }

// side tells on which side of a window a moment lies; "": within, or there is no window.
func (w Window) side(at time.Time) string {
	switch {
	case at.IsZero() || w.To.IsZero():
		return ""
	case at.Before(w.From.Add(-lead)):
		return "before"
	case at.After(w.To.Add(lead)):
		return "after"
	}
	return ""
}

// findAlso names what else was in trouble within the window: whose alerts fired, what the fleet saw go bad, what is not well now, and what the
// diagnosis names. A report about all services has nothing else.
func (g *gatherer) findAlso() {
	r := g.r
	if len(r.Services)+len(r.Nodes) == 0 {
		return
	}
	for i := range g.others {
		g.otherAlert(&g.others[i])
	}
	g.otherHistory()
	snap := g.Deck.Fleet.Snapshot()
	if snap.Ready() && r.Made.Sub(r.Window.To) < lead {
		for _, s := range snap.Services {
			if s.Health == fleet.Down || s.Health == fleet.Degraded {
				g.also(s.Name, s.HealthSince, joined("is "+string(s.Health), g.redact("also", s.Reason)))
			}
		}
	}
	for i := range r.Causes {
		if c := &r.Causes[i]; c.Service != "" && c.Confidence >= 0.4 {
			g.also(c.Service, c.At, fmt.Sprintf("the diagnosis: %s (%s)", c.Title, c.ID))
		}
	}
	slices.SortStableFunc(r.Also, func(a, b Affected) int {
		return cmp.Or(a.Since.Compare(b.Since), strings.Compare(a.Service, b.Service))
	})
	if n := len(r.Also) - maxServices; n > 0 {
		g.gap("report", count(n, "more service")+" in trouble", fmt.Sprintf("a report names at most %d beside its own", maxServices))
		r.Also = r.Also[:maxServices]
	}
}

// otherAlert takes in an alert of what the incident is not of, where it began to fire in the window. One that fired before is said once.
func (g *gatherer) otherAlert(a *spell) {
	w := g.r.Window
	if a.Since.After(w.To) || !a.Ends.IsZero() && a.Ends.Before(w.From) {
		return
	}
	if a.Since.Before(w.From.Add(-lead)) {
		since := ""
		if !a.Since.IsZero() {
			since = " since " + stamp(a.Since)
		}
		text := alertName(&a.Alert) + since
		if a.Service != "" {
			text += " for " + a.Service
		}
		if !slices.Contains(g.earlier, text) {
			g.earlier = append(g.earlier, text)
		}
		return
	}
	g.alertRows(a, true)
	if a.Service != "" {
		g.also(a.Service, a.Since, "alert "+alertName(&a.Alert)+" fired at "+clockOf(a.Since))
	}
}

// otherHistory takes in what the fleet saw go bad of other services in the window.
func (g *gatherer) otherHistory() {
	w := g.r.Window
	snap := g.Deck.Fleet.Snapshot()
	var bad []fleet.Happening
	for i := range snap.History {
		h := &snap.History[i]
		if h.Bad && h.Service != "" && !g.about(h.Service) && between(h.Time, w.From.Add(-lead), w.To) && !toldElsewhere(h.Kind) {
			bad = append(bad, *h)
		}
	}
	for _, o := range fleet.Timeline(bad) {
		g.occurrence(&o, true)
		text := strings.TrimSpace(o.Kind + " " + g.redact("also", o.Text))
		switch o.Kind {
		case fleet.HealthChanged:
			text = g.redact("also", o.Text)
		case fleet.TaskDied:
			text = count(max(o.Count, 1), "task") + " failed: " + g.redact("also", o.Text)
		}
		g.also(o.Service, o.Time, text+" at "+clockOf(o.Time))
	}
}

// mostWhy bounds what is said of one service beside those that the incident is of.
const mostWhy = 3

// also notes that a service was in trouble, and why.
func (g *gatherer) also(service string, since time.Time, why string) {
	r := g.r
	if slices.Contains(r.Services, service) || len(r.Services)+len(r.Nodes) == 0 {
		return
	}
	if since.IsZero() {
		since = r.Window.From
	}
	i := slices.IndexFunc(r.Also, func(a Affected) bool { return a.Service == service })
	if i < 0 {
		r.Also = append(r.Also, Affected{Service: service, Since: since.UTC(), Why: []string{why}})
		return
	}
	a := &r.Also[i]
	a.Since = earlier(a.Since, since.UTC())
	if len(a.Why) < mostWhy && !slices.Contains(a.Why, why) {
		a.Why = append(a.Why, why)
	}
}

// causeRows put on the timeline when a cause began that the orchestrator itself tells of, where no row tells of it: nobody may have looked then.
func (g *gatherer) causeRows() {
	for i := range g.r.Causes {
		c := &g.r.Causes[i]
		if !c.sure() || slices.ContainsFunc(g.rows, func(x Row) bool { return x.Bad && x.Time.Sub(*c.Since).Abs() < patternSlack && x.Kind != "incident" }) {
			continue
		}
		source, query := c.origin()
		g.row(Row{Time: *c.Since, Source: source, Kind: "cause", Service: c.Service, Text: c.words() + " (" + c.ID + ")", Query: query, Confidence: Inferred, Bad: true, Also: c.Service != "" && !g.about(c.Service)})
	}
}

// namedChanges takes in the changes of other services that causes name: their spec's diff is of it as well.
func (g *gatherer) namedChanges() {
	for i := range g.r.Causes {
		c := &g.r.Causes[i]
		if c.Change == nil || c.Confidence < 0.5 || g.deployOf(c.Change) != c.Change || len(c.Change.Fields) == 0 {
			continue
		}
		g.r.Deploys = append(g.r.Deploys, *c.Change)
		g.row(Row{Time: c.Change.At, Source: fleet.SwarmName, Kind: "change", Service: c.Service, Actor: c.Change.Actor, Text: "spec changed: " + c.Change.words(), Query: "quarterdeck journal --specs " + c.Service, Confidence: Recorded, Also: !g.about(c.Service)})
	}
	slices.SortStableFunc(g.r.Deploys, func(a, b Deploy) int { return a.At.Compare(b.At) })
}

// deaths is how often tasks of a service failed within the window.
type deaths struct {
	service     string
	n           int
	first, last time.Time
	want        int  // replicas that are wanted; 0: not known, or none
	late        bool // the first that is known came well after the window began: there may have been more
	global      bool
}

// countDeaths counts the tasks of the services that the fleet saw fail within the window, and those that the swarm still remembers.
func (g *gatherer) countDeaths() {
	snap := g.Deck.Fleet.Snapshot()
	for _, name := range g.r.Services {
		d := deaths{service: name}
		for i := range snap.History {
			h := &snap.History[i]
			if h.Kind != fleet.TaskDied || h.Service != name || g.outside(h.Time) != "" || !between(h.Time, g.r.Since, g.r.Until) {
				continue
			}
			if d.n == 0 {
				d.first = h.Time
			}
			d.n, d.last = d.n+1, h.Time
		}
		if s := snap.Service(name); s != nil {
			d.want, d.global = s.Want, s.Mode == sources.Global
		}
		if d.n > 0 {
			d.late = d.first.Sub(g.r.Window.From) > lead
			g.deaths = append(g.deaths, d)
		}
	}
}

// words tell how often, in how long, and of how many that are wanted.
func (d *deaths) words() string {
	text := fmt.Sprintf("%s: a task failed, at %s UTC", d.service, clockOf(d.first))
	if d.n > 1 {
		text = fmt.Sprintf("%s failed %d times in %s", d.service, d.n, long(max(took(d.first, d.last), time.Second)))
	}
	switch {
	case d.global && d.want > 0:
		text += " (a task on each of " + count(d.want, "node") + ")"
	case d.want > 0:
		text += " (" + count(d.want, "replica") + ")"
	}
	if d.late {
		return text + ", and may have before " + clockOf(d.first) + ": the swarm keeps the last five tasks of a slot."
	}
	return text + "."
}

// count is a number of things, the thing in the singular.
func count(n int, thing string) string {
	if n != 1 {
		thing += "s"
	}
	return fmt.Sprintf("%d %s", n, thing)
}
