package ui

import (
	"strings"

	tea "charm.land/bubbletea/v2"

	"quarterdeck/sources/fleet"
	"quarterdeck/ui/plain"
)

// The cursor stays where somebody has put it. What is worse elsewhere is told of, with the key that goes there.

// mostUrgent is the most urgent service; nil: none is in trouble.
func mostUrgent(s *fleet.Snapshot) *fleet.Service {
	var out *fleet.Service
	for _, v := range s.Services {
		if !v.NotYet && inTrouble(s, v) && (out == nil || urgency(s, v) < urgency(s, out)) {
			out = v
		}
	}
	return out
}

// worse is the most urgent service, where that is more urgent than the one under the cursor; nil: there is none.
func (m *Model) worse() *fleet.Service {
	s := m.then()
	w := mostUrgent(s)
	if w == nil || !m.when.live() {
		return nil
	}
	if here := s.Service(m.services.selected()); here != nil && urgency(s, here) <= urgency(s, w) {
		return nil
	}
	return w
}

// toWorst puts the cursor on the most urgent service, and takes off what hides it.
func (m *Model) toWorst() tea.Cmd {
	w := mostUrgent(m.then())
	if w == nil {
		return m.say("no service is in trouble")
	}
	if !m.services.selectID(w.Name) {
		m.services.filter, m.services.onlyBad = "", false
		m.services.arrange(m.then(), m.o.Now())
		m.services.selectID(w.Name)
	}
	return nil
}

// servicesLines draws the service table with its title, in which stands what is worse than the service under the cursor.
func (m *Model) servicesLines(r rect, focused, wide bool) []string {
	title := m.services.title(m)
	lines := m.paneLines(title, r, focused, m.services.lines(m, r.w, r.h-1, focused, wide))
	v := m.worse()
	if v == nil || !m.services.pinned {
		return lines
	}
	sign, word, style := m.st.Health(string(v.Health))
	switch urgency(m.then(), v) {
	case urgentHit, urgentLook:
		sign, word = m.st.Signs.Look, "needs a look"
		style = m.st.Warn
	}
	words := sign + " " + inLine(v.Name) + " " + word + ": W goes there"
	room := r.w - 8 - plain.Width(title)
	if plain.Width(words) > room {
		words = sign + " " + inLine(v.Name) + ": W"
	}
	if plain.Width(words) > room {
		words = sign + " worse: W"
	}
	used := 3 + plain.Width(title) + 1 + plain.Width(words) + 1
	if used > r.w {
		return lines
	}
	rule := m.st.Border
	if focused {
		rule = m.st.BorderFocused
	}
	lines[0] = m.titleStart(title, focused) + style.Render(words) + " " + rule.Render(strings.Repeat(m.st.Signs.Rule, r.w-used))
	return lines
}
