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

// readAlerts takes in what fires, from Alertmanager, and what has fired, from Prometheus.
func (g *gatherer) readAlerts(ctx context.Context) {
	var all []sources.Alert
	for _, a := range g.Deck.Fleet.Snapshot().Alerts {
		if a.State != sources.Pending {
			all = append(all, a)
		}
	}
	known := len(all)
	if book, ok := g.Metrics.(sources.Rulebook); ok {
		fired, err := book.Fired(ctx, sources.Window{Start: g.r.Since, End: g.r.Until})
		if err != nil {
			g.gap(fleet.PrometheusName, "alerts that are over", why(err))
		}
		for _, f := range fired {
			if !slices.ContainsFunc(all[:known], func(a sources.Alert) bool { return sameAlert(&a, &f) }) {
				all = append(all, f)
			}
		}
	}
	for i := range all {
		g.alert(&all[i], i < known)
	}
}

// sameAlert tells whether two sources tell of one alert: Prometheus says it on a step of time, and Alertmanager keeps the rule's own beginning.
func sameAlert(a, b *sources.Alert) bool {
	return a.Name == b.Name && a.Service == b.Service && b.Ends.IsZero() && (b.Since.IsZero() || b.Since.Sub(a.Since).Abs() < 2*time.Minute)
}

// seenAlert is an alert of what the incident is not of; live: it fires now.
type seenAlert struct {
	sources.Alert
	live bool
}

func (g *gatherer) alert(a *sources.Alert, live bool) {
	own := g.about(a.Service) && (a.Service != "" || len(g.r.Services)+len(g.r.Nodes) == 0) || slices.ContainsFunc(g.r.Nodes, func(n string) bool { return g.alertsOf(a, n) })
	if !own {
		g.others = append(g.others, seenAlert{*a, live})
		return
	}
	g.alertRows(a, live, false)
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
	names := []string{node}
	nodes := g.Deck.Fleet.Snapshot().Nodes
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
func (g *gatherer) alertRows(a *sources.Alert, live, also bool) {
	name := alertName(a)
	if a.Severity != "" && (g.severity == "" || g.severityAlso && !also) { // nobody has said how bad it is: as its own alerts have it, else others'
		g.severity, g.severityAlso = a.Severity+", as alert "+joinedOf(a)+" has it", also
	}
	text := joined(name+" fires", g.redact("alerts", a.Summary))
	source, query := g.Deck.Fleet.Snapshot().AlertsBy(), "quarterdeck alerts"
	if !live {
		source, query = fleet.PrometheusName, alertsQuery[:len(alertsQuery)-1]+fmt.Sprintf(",alertname=%q}", a.Name)
	}
	if !a.Since.IsZero() {
		g.row(Row{Time: a.Since, Source: source, Kind: "alert", Service: a.Service, Text: text, Query: query, Confidence: Recorded, Bad: true, Also: also})
		if !also && len(g.r.Services)+len(g.r.Nodes) > 0 {
			g.propose(Proposal{At: a.Since, Text: "alert " + name + " fires", Source: source, Query: query})
		}
	}
	if !a.Ends.IsZero() && !live {
		g.row(Row{Time: a.Ends, Source: source, Kind: "alert", Service: a.Service, Text: name + " is over", Query: query, Confidence: Recorded, Also: also})
	}
}
