package ui

import (
	"strings"

	tea "charm.land/bubbletea/v2"

	"quarterdeck/incident"
	"quarterdeck/sources"
)

// resolveBox asks whether it is really over, and says what speaks against it.
type resolveBox struct {
	id     string
	under  *incidentBox
	choice choice
	grace  grace
}

func newResolveBox(m *Model, x *incident.Incident, under *incidentBox) *resolveBox {
	b := &resolveBox{id: x.ID, under: under}
	b.grace.restart(m.o.Now())
	return b
}

func (b *resolveBox) title() string { return "resolve" }
func (b *resolveBox) paste(string)  {}

func (b *resolveBox) page(m *Model, w int) *page {
	p := &page{w: w}
	x := m.incidentByID(b.id)
	if x == nil {
		return p
	}
	p.add(m.st.Title, x.Title)
	doubts := m.doubts(x)
	for _, d := range doubts {
		p.sign(m.st.Warn, m.st.Signs.Warning, d)
	}
	if len(doubts) == 0 {
		p.sign(m.st.OK, m.st.Signs.OK, "its services are well and no alert fires for them")
	}
	p.gap()
	p.add(m.st.Text, "Is it over?")
	p.drawn(b.choice.draw(m.st, "No", "Yes, resolved"))
	p.hints(m, "tab y", "choose", "enter", "takes", "n esc", "no")
	return p
}

// doubts are what speaks against its being over.
func (m *Model) doubts(x *incident.Incident) []string {
	var out []string
	for _, name := range x.Nodes {
		if n := nodeNamed(m.snap, name); n != nil && !n.Up() {
			out = append(out, "node "+name+" is "+n.State)
		}
	}
	for _, name := range x.Services {
		s := m.snap.Service(name)
		switch {
		case s == nil:
			out = append(out, name+" is not in the swarm")
		case s.Health.Rank() <= 3: // down, degraded, updating, unknown
			out = append(out, strings.TrimSuffix(name+" is "+string(s.Health)+": "+s.Reason, ": "))
		}
	}
	for i := range m.snap.Alerts {
		if a := &m.snap.Alerts[i]; a.State == sources.Firing && x.Owns(m.snap, a) {
			text := "alert " + a.Name + " fires"
			if a.Service != "" {
				text += " for " + a.Service
			} else if a.Summary != "" {
				text += ": " + a.Summary
			}
			out = append(out, text)
		}
	}
	if st := m.snap.AlertStatus(); !st.OK() {
		out = append(out, "whether an alert fires for it is not known: "+st.Name+" is "+string(st.State))
	}
	if m.stateOf(x) != incident.Mitigated {
		out = append(out, "nobody has said that it was mitigated, and no run on its services went well")
	}
	if !x.Impact.Known() {
		out = append(out, "nobody has set when the impact began: the times to detect, mitigate and resolve stay unavailable until somebody does (t)")
	}
	return out
}

func (b *resolveBox) size(m *Model) (int, int) {
	w := boxWidth(m)
	return w, len(b.page(m, w).lines)
}

func (b *resolveBox) lines(m *Model, w, h int) []string {
	p := b.page(m, w)
	return p.window(max(len(p.lines)-h, 0), h) // the question stays where there is no room for all doubts
}

func (b *resolveBox) key(m *Model, k tea.KeyPressMsg) (tea.Cmd, bool) {
	s := k.String()
	if s == "esc" || s == "ctrl+c" {
		m.overlay = b.under
		return nil, false
	}
	if b.grace.tooEarly(m.o.Now()) {
		return nil, false
	}
	switch b.choice.key(s, false) {
	case answerNo:
		m.overlay = b.under
	case answerYes:
		m.overlay = b.under
		return m.writePhase(b.id, incident.Entry{Phase: incident.Resolve}, "resolved: e writes the report"), false
	}
	return nil, false
}
