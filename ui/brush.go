package ui

import (
	"time"

	tea "charm.land/bubbletea/v2"
)

// brush is the first of two moments that are to be compared.
type brush struct{ a time.Time }

// doBrush sets the first moment; the second time it compares with the one that is looked at, and the same moment takes it off again.
func (m *Model) doBrush() tea.Cmd {
	at, a := m.when.moment(m.o.Now()), m.brush.a
	switch {
	case a.IsZero():
		m.brush.a = at
		return m.say("A is " + m.clock(at) + ": go to another moment (< > or a row of the timeline) and press . to compare")
	case a.Equal(at):
		m.brush.a = time.Time{}
		return m.say("A is taken off")
	case at.Sub(a).Abs() < compareLeast:
		return m.say("A is " + m.clock(a) + ": a moment at least " + shortly(compareLeast) + " away can be compared with it")
	}
	service := m.subject()
	if service == "" {
		return m.say("no service is selected that could be compared")
	}
	m.brush.a = time.Time{}
	return m.openCompare(service, a, at)
}
