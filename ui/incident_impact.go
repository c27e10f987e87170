package ui

import (
	tea "charm.land/bubbletea/v2"

	"quarterdeck/incident"
)

// impactBox asks when an incident's impact began.
type impactBox struct {
	id      string
	under   *incidentBox
	moments momentList
}

// askImpact opens it.
func (m *Model) askImpact(x *incident.Incident, under *incidentBox) tea.Cmd {
	b := &impactBox{id: x.ID, under: under, moments: newMoments(m)}
	m.overlay = b
	desk, of := m.o.Incidents, *x
	ctx, cancel := m.queryContext()
	return func() tea.Msg {
		defer cancel()
		msg := evidenceMsg{box: b}
		msg.proposed, msg.err = desk.EvidenceOf(ctx, &of)
		return msg
	}
}

func (b *impactBox) applyEvidence(m *Model, msg evidenceMsg) { b.moments.apply(m, msg) }
func (b *impactBox) title() string                           { return "when the impact began" }
func (b *impactBox) paste(string)                            {}

func (b *impactBox) page(m *Model, w int) *page {
	p := &page{w: w}
	b.moments.draw(m, p)
	p.gap()
	p.hints(m, "enter", "sets it", "↑ ↓", "another", "e", "another time", "esc", "back")
	return p
}

func (b *impactBox) size(m *Model) (int, int) {
	w := boxWidth(m)
	return w, len(b.page(m, w).lines)
}

func (b *impactBox) lines(m *Model, w, h int) []string {
	p := b.page(m, w)
	if over := len(p.lines) - h; over > 0 {
		return append(p.lines[:h-1:h-1], p.lines[len(p.lines)-1])
	}
	return p.exactly(h)
}

func (b *impactBox) key(m *Model, k tea.KeyPressMsg) (tea.Cmd, bool) {
	switch s := k.String(); s {
	case "esc", "ctrl+c":
		m.overlay = b.under
	case "enter":
		at := b.moments.chosen()
		if wait := b.moments.wait(m); wait != "" {
			return m.say(wait), false
		}
		if !at.Known() {
			return m.say("choose a moment, or e types one"), false
		}
		m.overlay = b.under
		return m.writePhase(b.id, incident.Entry{Phase: incident.Impact, At: at.At, By: at.By, Query: at.Query}, "the impact's beginning is set"), false
	case "e":
		id := b.id
		m.overlay = b.under.ask(m, "when the impact began", "", []string{"So long ago (15m, 2h), a time of day (08:00), or a date with a time (2006-01-02 15:04:05)."}, func(m *Model, text string) (tea.Cmd, string) {
			at, err := parseSince(text, m.o.Now(), m.o.Location)
			if err != nil {
				return nil, err.Error()
			}
			return m.writePhase(id, incident.Entry{Phase: incident.Impact, At: at}, "the impact's beginning is set"), ""
		})
	case "up", "k", "shift+tab":
		b.moments.move(-1)
	case "down", "j", "tab":
		b.moments.move(1)
	}
	return nil, false
}
