package incident

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"quarterdeck/sources"
	"quarterdeck/sources/fleet"
)

// alertsQuery is what [sources.Rulebook].Fired stands on.
const alertsQuery = `ALERTS{alertstate="firing"}`

// Bounds of what is one firing of an alert.
const (
	// spellSlack is how far apart two sources may date one beginning: Prometheus says it on a step of time, and Alertmanager keeps the rule's own.
	spellSlack = time.Minute
	// flapGap is up to how long an alert may be quiet between two firings that are told of as one that comes and goes.
	flapGap = 5 * time.Minute
	// alertsTold bounds the alerts that the section on the detection tells of one by one.
	alertsTold = 5
)

// spell is a time for which an alert fired, or fired again and again. Its Ends is zero where it still fires, or fired at the report's end.
type spell struct {
	sources.Alert
	live          bool // it fires now
	source, query string
	times         int  // how often it fired
	noticed       bool // the incident was noticed by it
}

// readAlerts takes in what fires, what the console saw fire, and what has fired as Prometheus has it. Each firing is there once, with one
// beginning: that of the source that knows it best.
func (g *gatherer) readAlerts(ctx context.Context) {
	var all []spell
	snap := g.Deck.Fleet.Snapshot()
	for _, a := range snap.Alerts {
		if a.State != sources.Pending {
			all = append(all, spell{Alert: a, live: true, source: snap.AlertsBy(), query: "quarterdeck alerts"})
		}
	}
	all = seen(snap, all)
	if g.x != nil {
		all = append(all, noticed(g.x, all)...)
	}
	exact := len(all)
	if book, ok := g.Metrics.(sources.Rulebook); ok {
		fired, err := book.Fired(ctx, sources.Window{Start: g.r.Since, End: g.r.Until})
		if err != nil {
			g.gap(fleet.PrometheusName, "alerts that are over", why(err))
		}
		for i := range fired {
			f := spell{Alert: fired[i], source: fleet.PrometheusName, query: alertsQuery[:len(alertsQuery)-1] + fmt.Sprintf(",alertname=%q}", fired[i].Name)}
			if k := sameSpell(all[:exact], &f.Alert); k >= 0 {
				all[k].complete(&f)
			} else {
				all = append(all, f)
			}
		}
	}
	g.spells = flapping(all)
}

// readRules reads what the alerting rules ask for: what none asks for is proposed where it would have told.
func (g *gatherer) readRules(ctx context.Context) {
	if g.Metrics == nil {
		return
	}
	list, err := g.Metrics.Rules(ctx)
	if err != nil {
		g.gap(fleet.PrometheusName, "what the rules ask for", why(err))
		return
	}
	g.rules = slices.DeleteFunc(list, func(r sources.Rule) bool { return !r.Alerting })
	g.rulesRead = true
}

// seen adds what the console saw fire and end, which it knows to the moment.
func seen(snap *fleet.Snapshot, all []spell) []spell {
	for i := range snap.History {
		h := &snap.History[i]
		same := func(since time.Time) int {
			return slices.IndexFunc(all, func(s spell) bool { return s.Fingerprint == h.Ref && s.Since.Equal(since) })
		}
		switch h.Kind {
		case fleet.AlertFiring:
			if same(h.Time) < 0 {
				name, summary, _ := strings.Cut(h.Text, ": ")
				all = append(all, spell{Alert: sources.Alert{Fingerprint: h.Ref, Name: name, Service: h.Service, Since: h.Time, Summary: summary, State: sources.Firing}, source: h.Source, query: "quarterdeck alerts"})
			}
		case fleet.AlertResolved:
			if k := same(h.Began); k >= 0 && !all[k].live {
				all[k].Ends = h.Time
			}
		}
	}
	return all
}

// noticed is the firing that an incident was noticed by, where no other source has it: its moment was written down. Where one has it and dates it a little
// differently, what was written down counts, so that a report has one time of it.
func noticed(x *Incident, all []spell) []spell {
	name, source, ok := strings.Cut(strings.TrimPrefix(x.Detected.By, "alert "), " (")
	if !ok || !strings.HasPrefix(x.Detected.By, "alert ") {
		return nil
	}
	best, near := -1, spellSlack
	for i := range all {
		s := &all[i]
		if d := s.Since.Sub(x.Detected.At).Abs(); s.Name == name && d <= near && (s.Service == "" || d == 0 || x.About(s.Service)) {
			best, near = i, d
		}
	}
	if best >= 0 {
		all[best].Since = x.Detected.At
		return nil
	}
	return []spell{{Alert: sources.Alert{Name: name, Since: x.Detected.At, State: sources.Firing}, source: strings.TrimSuffix(source, ")"), query: "quarterdeck alerts", noticed: true}}
}

// sameSpell finds the firing that Prometheus tells of as well: of one alert, begun at about the same time, and not over before it. -1: none.
func sameSpell(list []spell, f *sources.Alert) int {
	best, near := -1, spellSlack
	for i := range list {
		s := &list[i]
		if s.Name != f.Name || s.Service != f.Service && s.Service != "" || s.Fingerprint != "" && f.Fingerprint != "" && s.Labels != nil && s.Fingerprint != f.Fingerprint && !sameLabels(s.Labels, f.Labels) {
			continue
		}
		if f.Since.IsZero() { // it fired before the window already
			if f.Ends.IsZero() && s.live {
				return i
			}
			continue
		}
		if d := f.Since.Sub(s.Since).Abs(); d <= near && (f.Ends.IsZero() || f.Ends.After(s.Since)) {
			best, near = i, d
		}
	}
	return best
}

// sameLabels tells whether two sources' labels are of one alert: Prometheus' external labels and Alertmanager's own come on top.
func sameLabels(a, b map[string]string) bool {
	for k, v := range a {
		if w, ok := b[k]; ok && w != v {
			return false
		}
	}
	return true
}

// complete adds what Prometheus alone knows: its labels, and when it was over.
func (s *spell) complete(f *spell) {
	if s.Labels == nil {
		s.Labels, s.Fingerprint = f.Labels, orElse(s.Fingerprint, f.Fingerprint)
	}
	s.Service, s.Severity = orElse(s.Service, f.Service), orElse(s.Severity, f.Severity)
	if s.Ends.IsZero() && !s.live {
		s.Ends = f.Ends
	}
	if !s.live {
		s.query = f.query // what fires no more is not among what Alertmanager lists
	}
}

// flapping makes one of the firings of an alert that follow close upon each other.
func flapping(all []spell) []spell {
	slices.SortStableFunc(all, func(a, b spell) int { return a.Since.Compare(b.Since) })
	var out []spell
	for _, s := range all {
		i := slices.IndexFunc(out, func(o spell) bool {
			return o.Name == s.Name && o.Service == s.Service && sameLabels(o.Labels, s.Labels) && !o.Since.IsZero() && !o.Ends.IsZero() && s.Since.Sub(o.Ends) < flapGap
		})
		if i < 0 {
			s.times = 1
			if s.live {
				s.Ends = time.Time{} // Alertmanager's is when it would forget it
			}
			out = append(out, s)
			continue
		}
		o := &out[i]
		o.times++
		o.Summary, o.live, o.noticed, o.Ends = orElse(o.Summary, s.Summary), o.live || s.live, o.noticed || s.noticed, s.Ends
		if s.live {
			o.Ends = time.Time{}
		}
	}
	return out
}

// placeAlerts puts the alerts of what the incident is of on the timeline, and keeps the others for what else was in trouble. The causes are known by then.
func (g *gatherer) placeAlerts() {
	for i := range g.spells {
		if s := &g.spells[i]; s.noticed || g.owns(&s.Alert) {
			g.alertRows(s, false)
			g.own = append(g.own, *s)
		} else {
			g.others = append(g.others, *s)
		}
	}
}

// owns tells whether an alert is of what the incident is of: of one of its services or nodes, or, where it names no service, of the node that a
// likely cause is about: a full disk hits services, and its alert knows the node alone.
func (g *gatherer) owns(a *sources.Alert) bool {
	r := g.r
	return len(r.Services)+len(r.Nodes) == 0 || ownAlert(g.Deck.Fleet.Snapshot(), a, r.Services, r.Nodes, r.Causes)
}

func ownAlert(snap *fleet.Snapshot, a *sources.Alert, services, nodes []string, causes []Cause) bool {
	return a.Service != "" && slices.Contains(services, a.Service) || slices.ContainsFunc(nodes, func(n string) bool { return alertOfNode(snap, a, n) }) ||
		slices.ContainsFunc(causes, func(c Cause) bool {
			return a.Service == "" && c.Node != "" && c.Confidence >= believed && alertOfNode(snap, a, c.Node)
		})
}

// Owns tells whether an alert is of what the incident is of: of its services and nodes, or of the node of a likely cause that was kept with it.
func (x *Incident) Owns(snap *fleet.Snapshot, a *sources.Alert) bool {
	if ownAlert(snap, a, x.Services, x.Nodes, nil) {
		return true
	}
	return slices.ContainsFunc(x.Entries, func(e Entry) bool { return ownAlert(snap, a, nil, nil, e.causes) })
}

// joinedOf is an alert and what it is of.
func joinedOf(a *sources.Alert) string {
	if a.Service == "" {
		return a.Name
	}
	return a.Name + " of " + a.Service
}

// alertName is an alert with how bad it is.
func alertName(a *sources.Alert) string {
	if a.Severity == "" {
		return a.Name
	}
	return a.Name + " (" + a.Severity + ")"
}

// alertsOf tells whether an alert is of a node: a label of it is the node's name or address, with or without a port.
func (g *gatherer) alertsOf(a *sources.Alert, node string) bool {
	return alertOfNode(g.Deck.Fleet.Snapshot(), a, node)
}

func alertOfNode(snap *fleet.Snapshot, a *sources.Alert, node string) bool {
	names := []string{node}
	nodes := snap.Nodes
	for i := range nodes {
		if nodes[i].Name == node && nodes[i].Addr != "" {
			names = append(names, nodes[i].Addr)
		}
	}
	for _, v := range a.Labels {
		host, _, _ := strings.Cut(v, ":")
		if slices.Contains(names, v) || slices.Contains(names, host) {
			return true
		}
	}
	return false
}

// alertRows puts an alert on the timeline; also: it is not of what the incident is of, so its beginning proposes nothing.
func (g *gatherer) alertRows(a *spell, also bool) {
	name := alertName(&a.Alert)
	if a.Severity != "" && (g.severity == "" || g.severityAlso && !also) { // nobody has said how bad it is: as its own alerts have it, else others'
		g.severity, g.severityAlso = a.Severity+", as alert "+joinedOf(&a.Alert)+" has it", also
	}
	text := joined(name+" fires", g.redact("alerts", a.Summary))
	if !a.Since.IsZero() {
		g.row(Row{Time: a.Since, Source: a.source, Kind: "alert", Service: a.Service, Text: text, Query: a.query, Confidence: Recorded, Bad: true, Also: also})
		if !also && len(g.r.Services)+len(g.r.Nodes) > 0 {
			g.propose(Proposal{At: a.Since, Text: "alert " + name + " fires", Source: a.source, Query: a.query})
		}
	}
	if !a.Ends.IsZero() {
		text := name + " is over"
		if a.times > 1 {
			text += ": it fired " + times(a.times)
		}
		g.row(Row{Time: a.Ends, Source: a.source, Kind: "resolved", Service: a.Service, Text: text, Query: a.query, Confidence: Recorded, Also: also})
	}
}

// alertWords tell of the alerts of what the incident is of: when each fired, how long after the impact began, and when it was over.
func (g *gatherer) alertWords() []string {
	var out []string
	w := g.r.Window
	for i := range g.own {
		a := &g.own[i]
		if a.Since.IsZero() || !between(a.Since, g.r.Since, g.r.Until) {
			continue
		}
		if len(out) == alertsTold {
			return append(out, "More alerts are on the timeline.")
		}
		text := fmt.Sprintf("Alert %s fired at %s UTC", alertName(&a.Alert), clockOf(a.Since))
		if a.Service != "" && !slices.Equal(g.r.Services, []string{a.Service}) {
			text = fmt.Sprintf("Alert %s of %s fired at %s UTC", alertName(&a.Alert), a.Service, clockOf(a.Since))
		}
		switch after := took(w.From, a.Since); {
		case g.r.Start.At == nil:
		case a.Since.After(w.To) && w.To.Before(g.r.Until):
			text += ", after users were hit"
		case after < 0:
			text += ", " + long(-after) + " before the impact began"
		default:
			text += ", " + long(after) + " after the impact began"
		}
		switch {
		case a.Ends.IsZero() || a.Ends.After(g.r.Until):
			text += "; it still fired at " + clockOf(g.r.Until)
		case a.times > 1:
			text += fmt.Sprintf("; it came and went %s, and was over at %s", times(a.times), clockOf(a.Ends))
		default:
			text += "; it was over at " + clockOf(a.Ends)
		}
		out = append(out, text+".")
	}
	return out
}
