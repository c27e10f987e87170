package incident

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"quarterdeck/actions"
	"quarterdeck/sources/fleet"
)

// finish puts together what was gathered.
func (g *gatherer) finish() {
	r := g.r
	g.readPatterns()
	g.sortParts()
	g.markOutside()
	g.sortRows()
	g.people()
	g.words()
	g.proposeItems()
	g.listQueries()
	for x, n := range g.redacted {
		x.Count = n
		r.Redactions = append(r.Redactions, x)
	}
	slices.SortFunc(r.Redactions, func(a, b Redaction) int { return cmp.Or(cmp.Compare(a.Where, b.Where), cmp.Compare(a.Kind, b.Kind)) })
	slices.SortFunc(r.Gaps, func(a, b Gap) int { return cmp.Or(cmp.Compare(a.Source, b.Source), cmp.Compare(a.What, b.What)) })
	r.fill()
}

// fill makes empty lists of those that are not there: JSON has no null for a list.
func (r *Report) fill() {
	for _, p := range []*[]string{&r.Services, &r.Nodes, &r.Authors, &r.Summary, &r.Impact, &r.CauseNotes, &r.Trigger, &r.Resolution, &r.Detection, &r.Actions, &r.Lessons} {
		*p = append([]string{}, *p...)
	}
	r.Start.Proposed = append([]Proposal{}, r.Start.Proposed...)
	r.Causes, r.Looked, r.Fixes = append([]Cause{}, r.Causes...), append([]Look{}, r.Looked...), append([]Mitigation{}, r.Fixes...)
	r.Timeline, r.Charts, r.Lines, r.Deploys = append([]Row{}, r.Timeline...), append([]Chart{}, r.Charts...), append([]Lines{}, r.Lines...), append([]Deploy{}, r.Deploys...)
	r.Queries, r.Redactions, r.Gaps = append([]Query{}, r.Queries...), append([]Redaction{}, r.Redactions...), append([]Gap{}, r.Gaps...)
	r.Phases, r.Also, r.Users, r.Proposed = append([]PhaseAt{}, r.Phases...), append([]Affected{}, r.Also...), append([]UserImpact{}, r.Users...), append([]ActionItem{}, r.Proposed...)
	for i := range r.Charts {
		r.Charts[i].Points = append([]Sample{}, r.Charts[i].Points...)
	}
}

// readHistory takes in what the fleet has seen. What runs and incidents did is told by their own record.
func (g *gatherer) readHistory() {
	snap := g.Deck.Fleet.Snapshot()
	for i := range snap.History {
		if h := &snap.History[i]; between(h.Time, g.r.Since, g.r.Until) && g.concerns(h) {
			g.mine = append(g.mine, *h)
			g.proposeOf(h)
		}
	}
}

// historyRows put it on the timeline, once the window is known: deaths within it are no row with those outside, for they are counted.
func (g *gatherer) historyRows() {
	parts := map[string][]fleet.Happening{}
	for i := range g.mine {
		where := ""
		if g.mine[i].Kind == fleet.TaskDied {
			where = g.outside(g.mine[i].Time)
		}
		parts[where] = append(parts[where], g.mine[i])
	}
	for _, part := range parts {
		for _, o := range fleet.Timeline(part) {
			g.occurrence(&o, false)
		}
	}
}

// concerns tells whether what the fleet saw is for the report and not told by a record of its own.
func (g *gatherer) concerns(h *fleet.Happening) bool {
	if toldElsewhere(h.Kind) {
		return false
	}
	if h.Kind == fleet.NodeChanged || h.Kind == fleet.SourceChanged {
		return true
	}
	return h.Service != "" && g.about(h.Service)
}

// toldElsewhere tells whether things of a kind are told of by a record of their own: runs, incidents, alerts.
func toldElsewhere(kind string) bool {
	switch kind {
	case fleet.ActionBegun, fleet.ActionEnded, fleet.IncidentPhase, fleet.AlertFiring, fleet.AlertResolved:
		return true
	}
	return false
}

// occurrence is a row of the fleet's timeline: many of a kind are one.
func (g *gatherer) occurrence(o *fleet.Occurrence, also bool) {
	text := o.Text
	if o.Node != "" && !strings.Contains(text, o.Node) {
		text = o.Node + ": " + text
	}
	if o.Outcome != "" {
		text += ", " + o.Outcome
	}
	switch {
	case o.Count > 1 && o.Kind == fleet.TaskDied:
		text = fmt.Sprintf("%d times: %s, the last at %s", o.Count, text, clockOf(o.Last))
	case o.Count > 1 && o.Last.After(o.Time):
		text += ", the last at " + clockOf(o.Last)
	case o.End.After(o.Time):
		text += " at " + clockOf(o.End)
	}
	source := strings.Join(o.Sources, ", ")
	row := Row{Time: o.Time, Source: source, Kind: o.Kind, Service: o.Service, Actor: o.Actor, Text: g.redact("timeline", text), Query: proofOf(o.Kind, source, o.Service), Confidence: Recorded, Bad: o.Bad, Also: also, count: o.Count}
	if source == "fleet" { // our own verdict, by our own rule
		row.Confidence = Inferred
	}
	g.row(row)
}

// proofOf is the command that shows what the swarm says.
func proofOf(kind, source, service string) string {
	switch {
	case kind == fleet.TaskDied, kind == fleet.TaskStarted:
		return "docker service ps --no-trunc " + service
	case source == fleet.SwarmName && service != "":
		return "docker service inspect --pretty " + service
	case kind == fleet.NodeChanged:
		return "docker node ls"
	case kind == fleet.SourceChanged:
		return "quarterdeck doctor"
	}
	return "quarterdeck status"
}

// proposeOf makes a proposal of a verdict that became bad and of a task that died.
func (g *gatherer) proposeOf(h *fleet.Happening) {
	if len(g.r.Services)+len(g.r.Nodes) == 0 || !h.Bad {
		return
	}
	switch h.Kind {
	case fleet.NodeChanged:
		if slices.Contains(g.r.Nodes, h.Node) {
			g.propose(Proposal{At: h.Time, Text: "node " + h.Node + " is " + g.redact("timeline", h.Text), Source: fleet.SwarmName, Query: "docker node ls"})
		}
	case fleet.HealthChanged:
		g.propose(Proposal{At: h.Time, Text: h.Service + " " + h.Text, Source: "quarterdeck's verdict on the swarm's tasks", Query: "quarterdeck status"})
	case fleet.TaskDied:
		g.propose(Proposal{At: h.Time, Text: "task failed: " + g.redact("timeline", h.Text), Source: fleet.SwarmName, Query: proofOf(h.Kind, h.Source, h.Service)})
	}
}

// changeRows put the changes of specs on the timeline that no run of ours made.
func (g *gatherer) changeRows() {
	for i := range g.r.Deploys {
		d := &g.r.Deploys[i]
		if d.Run == "" {
			g.row(Row{Time: d.At, Source: fleet.SwarmName, Kind: "change", Service: d.Service, Text: "spec changed: " + d.words(), Query: "quarterdeck journal --specs " + d.Service, Confidence: Recorded})
		}
	}
}

// words name the fields that a change has changed.
func (d *Deploy) words() string {
	var out []string
	for _, f := range d.Fields {
		out = append(out, f.Field)
		if len(out) == 4 && len(d.Fields) > 4 {
			out = append(out, fmt.Sprintf("and %d more", len(d.Fields)-4))
			break
		}
	}
	return strings.Join(out, ", ")
}

// readEntries takes in what people wrote: of the incident, or of those that are about the services.
func (g *gatherer) readEntries() {
	list := []Incident{}
	if g.x != nil {
		list = append(list, *g.x)
	} else {
		for _, x := range g.All() {
			if len(g.r.Services) == 0 || x.About(g.r.Services...) {
				list = append(list, x)
			}
		}
	}
	for i := range list {
		for j := range list[i].Entries {
			e := &list[i].Entries[j]
			text := joined(phaseWord(e.Phase), g.redact("notes", cmp.Or(e.title, e.Text)))
			if e.Section != "" {
				text = string(e.Section) + " " + text
			}
			if e.Idle {
				text += " (it was so already)"
			}
			if late := e.Written.Sub(e.At); late > 2*time.Minute {
				text += " (written down at " + clockOf(e.Written) + ")"
			}
			g.row(Row{Time: e.At, Source: "journal", Kind: "incident", Service: list[i].Of(), Actor: e.Actor, Text: text, Query: cmp.Or(e.Query, "quarterdeck journal --run "+e.id), Confidence: Said, Bad: e.Phase == Start, run: e.id})
			if e.masked > 0 {
				g.redacted[Redaction{Kind: "credential in a note, masked as it was written", Where: "notes"}] += e.masked
			}
		}
	}
}

// startOf is when the impact began, as somebody has set it; beside it stands what the evidence proposes.
func (g *gatherer) startOf() {
	s := &g.r.Start
	g.causeBegins()
	slices.SortStableFunc(g.proposals, func(a, b Proposal) int { return a.At.Compare(b.At) })
	seen := map[string]bool{} // the first of each kind of evidence
	for _, p := range g.proposals {
		kind, _, _ := strings.Cut(p.Text, " ")
		if k := p.Source + "\x00" + kind; !seen[k] || p.Sure {
			seen[k] = true
			s.Proposed = append(s.Proposed, p)
		}
	}
	g.changeBefore()
	if g.x == nil {
		s.Reason = "no incident was declared for this time"
		return
	}
	if m := g.x.Impact; m.Known() {
		at := m.At.UTC()
		s.At, s.By, s.Source = &at, m.By, m.Source
		return
	}
	s.Reason = noImpact
}

// causeBegins proposes the beginnings of causes that are sure: what the orchestrator says in words is an earlier sign than what users feel.
func (g *gatherer) causeBegins() {
	for i := range g.r.Causes {
		c := &g.r.Causes[i]
		if !c.sure() || !between(*c.Since, g.r.Since, g.r.Until) || c.Service != "" && !g.about(c.Service) {
			continue
		}
		if c.Change != nil && !c.Since.After(c.Change.At) { // the change itself is no impact yet
			continue
		}
		source, query := c.origin()
		g.propose(Proposal{At: *c.Since, Text: c.words() + " (" + c.ID + ")", Source: source, Query: query, Sure: true})
	}
}

// markOutside marks what is bad and what is evidence, where it lies outside the time in which users were hit.
func (g *gatherer) markOutside() {
	for i := range g.rows {
		if x := &g.rows[i]; x.Bad && x.Kind != "incident" {
			x.Outside = g.outside(x.Time)
		}
	}
	for i := range g.r.Causes {
		c := &g.r.Causes[i]
		for _, list := range [][]Proof{c.Evidence, c.Against} {
			for j := range list {
				if at := list[j].At; at != nil && (c.Change == nil || !at.Equal(c.Change.At)) {
					list[j].Outside = g.outside(*at)
				}
			}
		}
	}
}

// changeBefore adds the last change before the first evidence.
func (g *gatherer) changeBefore() {
	s := &g.r.Start
	var onset time.Time
	switch {
	case g.x != nil && g.x.Impact.Known():
		onset = g.x.Impact.At
	case First(s.Proposed) != nil:
		onset = First(s.Proposed).At
	case g.x != nil:
		onset = g.begin()
	default:
		return
	}
	for i := len(g.r.Deploys) - 1; i >= 0; i-- {
		d := &g.r.Deploys[i]
		if d.At.After(onset.Add(patternSlack)) || onset.Sub(d.At) > lookBack {
			continue
		}
		s.Proposed = slices.Insert(s.Proposed, 0, Proposal{At: d.At, Text: "change of " + d.Service + " before it: " + d.words(), Source: fleet.SwarmName, Query: "quarterdeck journal --specs " + d.Service, Before: true})
		return
	}
}

// sortParts brings what came from several goroutines into the order of services.
func (g *gatherer) sortParts() {
	order := append([]string{errorLines}, keyFigures...)
	for _, s := range g.r.Services {
		list := g.charts[s]
		slices.SortStableFunc(list, func(a, b Chart) int { return cmp.Compare(slices.Index(order, a.Name), slices.Index(order, b.Name)) })
		g.r.Charts = append(g.r.Charts, list...)
		if l, ok := g.lines[s]; ok {
			g.r.Lines = append(g.r.Lines, l)
		}
	}
}

func (g *gatherer) sortRows() {
	slices.SortStableFunc(g.rows, func(a, b Row) int {
		return cmp.Or(a.Time.Compare(b.Time), cmp.Compare(a.Source, b.Source), cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Text, b.Text))
	})
	g.rows = slices.CompactFunc(g.rows, func(a, b Row) bool {
		return a.Time.Equal(b.Time) && a.Kind == b.Kind && a.Service == b.Service && a.Text == b.Text
	})
	if n := len(g.rows) - maxRows; n > 0 {
		g.rows = g.shorten(n)
		g.gap("report", count(n, "row")+" of the timeline", fmt.Sprintf("a report has at most %d rows: those in the middle of many of a kind are left out", maxRows))
	}
	g.r.Timeline = g.rows
}

// shorten leaves n rows out, those of the commonest kind first, from the middle on: how it began and how it ended is kept.
func (g *gatherer) shorten(n int) []Row {
	for ; n > 0; n-- {
		count := map[string]int{}
		for i := range g.rows {
			count[g.rows[i].Kind]++
		}
		most := ""
		for k, c := range count {
			if c > count[most] || c == count[most] && k < most {
				most = k
			}
		}
		middle := count[most] / 2
		g.rows = slices.DeleteFunc(g.rows, func(x Row) bool {
			if x.Kind != most {
				return false
			}
			middle--
			return middle == -1
		})
	}
	return g.rows
}

// people are who wrote and who acted, in the order in which they came.
func (g *gatherer) people() {
	for i := range g.r.Timeline {
		if a := g.r.Timeline[i].Actor; a != "" && !slices.Contains(g.r.Authors, a) {
			g.r.Authors = append(g.r.Authors, a)
		}
	}
	if !slices.Contains(g.r.Authors, g.r.By) && g.r.By != "" {
		g.r.Authors = append(g.r.Authors, g.r.By)
	}
}

// lastGood is the last run on the services that went well.
func lastGood(runs []Mitigation) *Mitigation {
	for i := len(runs) - 1; i >= 0; i-- {
		if runs[i].Result == actions.ResultDone {
			return &runs[i]
		}
	}
	return nil
}
