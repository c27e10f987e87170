package ui

import (
	"slices"

	tea "charm.land/bubbletea/v2"

	"quarterdeck/sources/fleet"
)

// evidence goes from a row of the timeline to what proves it, at the moment at which it happened.
func (m *Model) evidence() tea.Cmd {
	if m.timeline.selected() == beganRow {
		return m.say(inLine(m.timeline.past.before(m)))
	}
	o, part := m.selectedOccurrence()
	h := m.selectedHappening()
	if o == nil || h == nil {
		return nil
	}
	if part == nil && o.Kind == fleet.TaskDied && o.Count > 1 { // of many the last
		h = o.Parts[len(o.Parts)-1]
	}
	m.when.set(h.Time, m.o.Now())
	m.timeline.followed = m.when.generation // it is here already
	switch h.Kind {
	case fleet.DeployStarted, fleet.DeployDone, fleet.DeployPaused, fleet.RolledBack, fleet.Scaled, fleet.Created:
		return m.changeEvidence(h)
	case fleet.IncidentPhase:
		return m.openIncidentOf(h.Run)
	case fleet.ActionBegun, fleet.ActionEnded:
		return m.openRecord(h.Run)
	case fleet.TaskDied, fleet.TaskStarted:
		return m.taskEvidence(h)
	case fleet.AlertFiring, fleet.AlertResolved:
		return m.alertEvidence(h)
	case fleet.SilenceBegun, fleet.SilenceEnded:
		return m.silenceEvidence(h)
	case fleet.NodeChanged:
		return m.nodeEvidence(h)
	case fleet.SourceChanged:
		return m.sourceEvidence(h)
	case fleet.CheckTurned:
		return m.stageEvidence(h)
	case fleet.SnapshotTaken, fleet.Drilled, fleet.Restored:
		return m.backupEvidence(h)
	}
	if h.Run != "" {
		return m.openRecord(h.Run)
	}
	if m.snap.Service(h.Service) != nil {
		return m.goTo(h.Service, h.Node, h.Time)
	}
	m.overlay = m.happeningNote(h)
	return nil
}

// changeEvidence is the difference of the specs; of a service that is gone, the record of the run.
func (m *Model) changeEvidence(h *fleet.Happening) tea.Cmd {
	if cmd, no := m.noDeck(); no {
		return cmd
	}
	switch {
	case m.snap.Service(h.Service) != nil:
		return m.openChange(h.Service, momentOf(h))
	case h.Run != "":
		return m.openRecord(h.Run)
	}
	return m.say(inLine(h.Service) + " does not run any more: what it was is in the journal alone")
}

// taskEvidence is the task among those of its service; of one that died its last lines.
func (m *Model) taskEvidence(h *fleet.Happening) tea.Cmd {
	v := m.snap.Service(h.Service)
	if v == nil {
		return m.say(inLine(h.Service) + " does not run any more")
	}
	cmd := m.goTo(h.Service, h.Node, h.Time)
	m.tasks.arrange(m.snap)
	if !m.tasks.selectID(h.Ref) {
		return tea.Batch(cmd, m.say("Swarm has forgotten that task (it keeps five a slot): its lines are in the logs at that moment"))
	}
	if h.Kind == fleet.TaskDied {
		return tea.Batch(cmd, m.lastLines())
	}
	return cmd
}

// alertEvidence is the alert where it is active, or else its service at that moment.
func (m *Model) alertEvidence(h *fleet.Happening) tea.Cmd {
	for i := range m.snap.Alerts {
		a := &m.snap.Alerts[i]
		if a.Fingerprint == h.Ref && h.Ref != "" && h.Kind == fleet.AlertFiring && !a.Since.After(h.Time.Add(h.Within)) {
			m.open(viewAlerts)
			m.alerts.filter = ""
			m.arrangeAlerts()
			m.alerts.selectID(alertID(a))
			return nil
		}
	}
	if m.snap.Service(h.Service) == nil {
		m.overlay = m.happeningNote(h)
		return nil
	}
	return m.goTo(h.Service, h.Node, h.Time)
}

func (m *Model) silenceEvidence(h *fleet.Happening) tea.Cmd {
	if m.silence(h.Ref) != nil {
		m.open(viewAlerts)
		m.alerts.filter = ""
		m.arrangeAlerts()
		m.alerts.selectID(silenceRow + h.Ref)
		return nil
	}
	if h.Run != "" {
		return m.openRecord(h.Run)
	}
	m.overlay = m.happeningNote(h)
	return nil
}

func (m *Model) nodeEvidence(h *fleet.Happening) tea.Cmd {
	n := m.nodeNamed(h.Node)
	if n == nil {
		return m.say("node " + inLine(h.Node) + " is not of this swarm any more")
	}
	m.open(viewNodes)
	m.nodes.selectID(n.ID)
	return nil
}

// sourceEvidence is a source's state, as doctor tells it.
func (m *Model) sourceEvidence(h *fleet.Happening) tea.Cmd {
	s := m.snap.Source(h.Source)
	b := &noteBox{head: "source " + h.Source}
	b.parts = append(b.parts, notePart{m.clock(h.Time) + ": " + h.Text, h.Bad})
	now := "now " + string(s.State)
	if !s.Since.IsZero() {
		now += " since " + m.clock(s.Since)
	}
	if s.Address != "" {
		now += ", at " + s.Address
	}
	b.parts = append(b.parts, notePart{now, !s.OK()})
	if s.Detail != "" {
		b.parts = append(b.parts, notePart{s.Detail, false})
	}
	if !s.Fresh.IsZero() {
		b.parts = append(b.parts, notePart{"last heard of at " + m.clock(s.Fresh), false})
	}
	b.parts = append(b.parts, notePart{"quarterdeck doctor tells what each source allows, and what is missing", false})
	m.overlay = b
	return nil
}

// happeningNote is all that is known of something that leads nowhere.
func (m *Model) happeningNote(h *fleet.Happening) *noteBox {
	b := &noteBox{head: h.Kind + " at " + m.clock(h.Time)}
	b.parts = append(b.parts, notePart{h.Text, h.Bad})
	o, _ := m.selectedOccurrence()
	if o == nil {
		return b
	}
	for _, x := range o.Parts {
		if text := x.Source + ", " + m.clock(x.Time) + ": " + x.Text; !slices.ContainsFunc(b.parts, func(p notePart) bool { return p.text == text }) {
			b.parts = append(b.parts, notePart{text, false})
		}
	}
	return b
}
