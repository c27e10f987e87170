package incident

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"quarterdeck/sources/fleet"
)

// mostItems bounds what is proposed to be done.
const mostItems = 12

// lateAlert is from when on an alert is late: most rules look at a minute or two of figures.
const lateAlert = 2 * time.Minute

// proposeItems proposes what to do so that it does not come again, or is told sooner: what the causes' services lack (measures.go), an alert where
// none told in time, what a deploy did not notice, and what could not be looked at. Nobody has decided on any of it.
func (g *gatherer) proposeItems() {
	g.itemsOfCauses()
	g.itemOfAlerts()
	g.itemOfDeploy()
	g.itemsOfGaps()
	r := g.r
	r.Proposed = r.Proposed[:min(len(r.Proposed), mostItems)]
}

func (g *gatherer) item(text, from, query string) {
	x := ActionItem{Text: text, From: from, Query: query}
	if !slices.ContainsFunc(g.r.Proposed, func(o ActionItem) bool { return o.Text == text }) {
		g.r.Proposed = append(g.r.Proposed, x)
	}
}

// itemOfAlerts proposes an alert on what told first, where no alert told, or one only after that.
func (g *gatherer) itemOfAlerts() {
	first := g.firstProposed()
	if first == nil || g.Alerts == nil && g.Metrics == nil || slices.ContainsFunc(g.r.Gaps, func(x Gap) bool { return strings.Contains(x.What, "alerts") }) {
		return
	}
	i := slices.IndexFunc(g.r.Timeline, func(x Row) bool { return x.Kind == "alert" && x.Bad && !x.Also })
	if i < 0 {
		g.item("add an alert: none fired for "+g.of(), "the first sign, at "+clockOf(first.At)+": "+first.Text, first.Query)
		return
	}
	if a := &g.r.Timeline[i]; a.Time.Sub(first.At) > lateAlert {
		name, _, _ := strings.Cut(a.Text, " fires")
		g.item(fmt.Sprintf("add an alert that tells sooner: the first one, %s, fired %s after the first sign", name, long(took(first.At, a.Time))), "the first sign, at "+clockOf(first.At)+": "+first.Text, first.Query)
	}
}

// of is what the report is of, in words.
func (g *gatherer) of() string {
	return orElse(strings.Join(slices.Concat(g.r.Nodes, g.r.Services), ", "), "any service")
}

// itemOfDeploy: the swarm called the deploy done that the likeliest cause names, although it failed its users.
func (g *gatherer) itemOfDeploy() {
	c := g.top()
	if c == nil || c.Change == nil || c.ID != "bad-deploy" || g.Deck == nil {
		return
	}
	snap := g.Deck.Fleet.Snapshot()
	for i := range snap.History {
		h := &snap.History[i]
		if h.Kind != fleet.DeployDone || h.Service != c.Service || h.Time.Before(c.Change.At) || slices.ContainsFunc(g.r.Fixes, func(m Mitigation) bool { return !m.Began.After(h.Time) }) {
			continue
		}
		g.item("have the health check of "+c.Service+" fail on what failed here, so that the swarm takes such a deploy back by itself",
			fmt.Sprintf("the swarm called the deploy done at %s, with its users hit from %s on", clockOf(h.Time), clockOf(g.r.Window.From)), "docker service inspect --pretty "+c.Service)
		return
	}
}

// itemsOfGaps: what was missing on the way.
func (g *gatherer) itemsOfGaps() {
	var unmeasured []string
	reason := ""
	for i := range g.r.Users {
		if u := &g.r.Users[i]; !u.Also && u.Failed == nil && u.Reason != "" && g.routes(u.Service) {
			if unmeasured = append(unmeasured, u.Service); reason == "" {
				reason = u.Reason
			}
		}
	}
	if len(unmeasured) > 0 {
		g.item("have the requests to "+strings.Join(unmeasured, ", ")+" counted, by the proxy or by themselves: how many failed is not known", firstClause(reason), "")
	}
	for _, x := range g.r.Gaps {
		if x.Reason == notConfigured {
			g.item("connect "+x.Source+": without it "+x.What+" are not known", "the gaps of this report", "")
		}
	}
}

// routes tells whether a proxy sends requests to a service.
func (g *gatherer) routes(service string) bool {
	s := g.Deck.Fleet.Snapshot().Service(service)
	return s != nil && routed(s)
}
