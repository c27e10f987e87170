package ui

import (
	"slices"
	"time"

	"charm.land/bubbles/v2/key"
	tea "charm.land/bubbletea/v2"

	"quarterdeck/sources"
	"quarterdeck/sources/fleet"
	"quarterdeck/ui/plain"
)

// toast is a note in the last line that goes away by itself.
type toast struct {
	text       string
	generation uint64
}

func (m *Model) say(text string) tea.Cmd {
	m.toast.text = text
	m.toast.generation++
	generation := m.toast.generation
	return tea.Tick(ToastTime, func(time.Time) tea.Msg { return toastExpiredMsg{generation} })
}

func (t *toast) expire(generation uint64) {
	if generation == t.generation {
		t.text = ""
	}
}

// lastLine is the input line, a note, or the keys that mean something now.
func (m *Model) lastLine() string {
	switch {
	case m.prompt != nil:
		p := *m.prompt
		const hint = "  enter keeps, esc takes back"
		p.input.SetWidth(max(m.w-len(hint)-2, 10)) // and the prompt, and the cursor
		return fitStyled(p.input.View()+m.st.Muted.Render(hint), m.w)
	case m.toast.text == "" && m.editingQuery() && m.overlay == nil:
		return m.queryHints()
	case m.toast.text != "":
		return m.st.Accent.Render(plain.Fit(" "+m.toast.text, m.w))
	}
	if _, ok := m.overlay.(*causesBox); ok { // the keys of what is below it mean nothing now
		return m.st.Muted.Render(plain.Fit(" the keys that help stand in the box; ? lists all of them, esc closes it", m.w))
	}
	if m.overlay != nil {
		return m.st.Muted.Render(plain.Fit(" "+inLine(m.overlay.title())+": its keys stand in the box, esc leaves it", m.w))
	}
	var ps []piece
	ps = append(ps, piece{text: " ", style: m.st.Text})
	hints := m.whenHints()
	for _, h := range m.withIncident(hintsFor(m.areas()...)) {
		if !slices.ContainsFunc(hints, func(said key.Help) bool { return said.Key == h.Key }) {
			hints = append(hints, h)
		}
	}
	for i, h := range hints {
		rank := i + 1
		if i >= len(hints)-2 {
			rank = 0 // they lead to all the others
		}
		ps = append(ps, piece{text: h.Key, style: m.st.HintKey, drop: rank}, piece{text: " " + h.Desc + "  ", style: m.st.HintDesc, drop: rank})
	}
	return fitPieces(ps, nil, m.w)
}

// withIncident puts the key of the incident among the hints, behind that of the causes, where one is open or something is in trouble: it is then
// what comes after the why. The last two stay the last.
func (m *Model) withIncident(hints []key.Help) []key.Help {
	word := ""
	switch {
	case m.o.Incidents == nil || slices.ContainsFunc(hints, func(h key.Help) bool { return h.Key == incidentKey }):
		return hints
	case len(m.ongoing()) > 0:
		word = "incident"
	case m.inTrouble() && !m.readOnly():
		word = "start an incident"
		if m.w < 120 {
			word = "incident"
		}
	default:
		return hints
	}
	at := slices.IndexFunc(hints, func(h key.Help) bool { return h.Key == "i" }) + 1
	if at == 0 {
		at = max(len(hints)-2, 0)
	}
	return slices.Insert(slices.Clone(hints), at, key.Help{Key: incidentKey, Desc: word})
}

// incidentKey is the key of actIncident.
const incidentKey = "I"

// inTrouble tells whether a service is to be looked at (a deploy that answers with errors is healthy for the swarm), a node is lost, or an alert fires that nobody
// has silenced.
func (m *Model) inTrouble() bool {
	return slices.ContainsFunc(m.snap.Services, func(s *fleet.Service) bool { return !s.NotYet && inTrouble(m.snap, s) }) ||
		slices.ContainsFunc(m.snap.Nodes, func(n fleet.Node) bool { return n.State == "down" }) ||
		slices.ContainsFunc(m.snap.Alerts, func(a sources.Alert) bool { return a.State == sources.Firing })
}
