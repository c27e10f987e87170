package incident

import (
	"fmt"
	"slices"
	"time"
)

// What a report tells in several places is reckoned once: how far a figure went up and what was usual, when a change was made, and what a piece of evidence
// says of a figure that is drawn as well.

// rise is where a figure went up, as its chart has it.
type rise struct {
	chart Chart
	at    time.Time // exact to its first line, where it counts lines
}

// rose notes that a chart's figure went up, and proposes it as the beginning. What it says is reckoned again once the window is known (tellRises).
func (g *gatherer) rose(c *Chart, at time.Time) {
	x := &rise{chart: *c, at: at.UTC()}
	g.propose(Proposal{At: at, Text: x.words(Window{}), Source: c.Source, Query: c.Query, end: c.rise.end, rise: x})
	g.mu.Lock()
	defer g.mu.Unlock()
	g.rises = append(g.rises, x)
}

// roseIn tells whether the chart's rise is of a window.
func (c *Chart) roseIn(w Window) bool {
	return c.rise != nil && !c.rise.end.Before(w.From.Add(-lead)) && !c.rise.at.After(w.To)
}

// words tell from what to what it rose: within a window to the worst of the window, as is said of the impact.
func (x *rise) words(w Window) string {
	c, base, top := &x.chart, x.chart.rise.base, x.chart.rise.top
	if c.roseIn(w) {
		if _, v, ok := c.worstIn(w); ok {
			top = v
		}
	}
	if c.Name == errorLines {
		return fmt.Sprintf("error lines of %s go from %s to %s in %s", c.Service, figure(base, c.Unit), figure(top, c.Unit), longSeconds(c.Step))
	}
	return fmt.Sprintf("the ratio of errors of %s goes from %s to %s", c.Service, figure(base, c.Unit), figure(top, c.Unit))
}

// tellRises has all that is said of where figures went up say the same, now that the window is known: on the timeline, among the evidence of the
// beginning, and where somebody has taken such evidence for the beginning, when the figure was not at its worst yet.
func (g *gatherer) tellRises() {
	s, w := &g.r.Start, g.r.Window
	for _, x := range g.rises {
		c, text := &x.chart, x.words(w)
		g.row(Row{Time: x.at, Source: c.Source, Kind: "errors", Service: c.Service, Text: text, Query: c.Query, Confidence: Inferred, Bad: true})
		for i := range s.Proposed {
			if s.Proposed[i].rise == x {
				s.Proposed[i].Text = text
			}
		}
		if s.At != nil && g.x.Impact.Query == c.Query && x.at.Sub(*s.At).Abs() <= patternSlack {
			s.Source = c.Source + ": " + text
		}
	}
	g.r.Window = g.window() // its beginning is said in the same words
}

// alignChanges dates the changes that causes name as the record of the specs has them.
func (g *gatherer) alignChanges() {
	for i := range g.r.Causes {
		c := &g.r.Causes[i]
		if c.Change == nil {
			continue
		}
		d := g.deployOf(c.Change)
		if d == c.Change || d.At.Equal(c.Change.At) {
			continue
		}
		was, now := *c.Change, *c.Change // what was kept with the incident is never changed
		now.At = d.At
		c.Change = &now
		for j := range c.Evidence {
			if p := &c.Evidence[j]; p.At != nil && p.At.Equal(was.At) {
				p.At = &now.At
			}
		}
	}
}

// alignEvidence has what causes say of figures that are drawn, too, say what the report says of them: the worst within the window, and what is usual.
// The diagnosis has looked earlier, and at the middle of what there was by then.
func (g *gatherer) alignEvidence() {
	for i := range g.r.Causes {
		c := &g.r.Causes[i]
		for j := range c.Evidence {
			p := &c.Evidence[j]
			k := slices.IndexFunc(g.r.Charts, func(x Chart) bool { return x.Service == c.Service && x.Query == p.Query && x.isEvidence() })
			if k < 0 || p.Outside != "" || p.At == nil {
				continue
			}
			if text := g.r.Charts[k].evidence(g.r.Window); text != "" {
				p.Text = text
			}
			if x := slices.IndexFunc(g.rises, func(x *rise) bool { return x.chart.Service == c.Service && x.chart.Query == p.Query }); x >= 0 {
				p.At = &g.rises[x].at
			}
		}
	}
}

// besides says where the greatest sample lies, where that is not within the window, and what was the greatest within it; "": it is there, or as great.
func (c *Chart) besides(w Window, most *Sample) string {
	side := w.side(most.T)
	at, v, ok := c.worstIn(w)
	if side == "" || !ok || c.figure(v) == c.figure(*most.V) {
		return ""
	}
	return fmt.Sprintf(" (%s the impact; in it %s at %s)", side, c.figure(v), clockOf(at))
}

// isEvidence tells whether causes tell of the figure.
func (c *Chart) isEvidence() bool {
	return c.Name == "errors" || c.Name == "p95" || c.Name == errorLines
}

// evidence says what a figure was at worst within a window, and what is usual; "" where that is not known.
func (c *Chart) evidence(w Window) string {
	at, v, ok := c.worstIn(w)
	if !ok {
		return ""
	}
	name := map[string]string{"errors": "the ratio of errors", "p95": "95th percentile of the answer's time", errorLines: "error lines in " + longSeconds(c.Step)}[c.Name]
	text := fmt.Sprintf("%s: %s at worst (%s UTC)", name, c.figure(v), clockOf(at))
	if m, ok := c.usual(w); ok {
		text += ", usually " + c.figure(m)
	}
	return text
}
