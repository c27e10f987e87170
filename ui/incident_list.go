package ui

import (
	tea "charm.land/bubbletea/v2"

	"quarterdeck/ui/plain"
)

// incidentsBox lists the incidents that are known.
type incidentsBox struct{ list list }

func (b *incidentsBox) title() string { return "incidents" }
func (b *incidentsBox) paste(string)  {}
func (b *incidentsBox) size(m *Model) (w, h int) {
	return boxWidth(m), min(max(len(m.incidents)+4, 8), 24)
}

func (b *incidentsBox) lines(m *Model, w, h int) []string {
	ids := make([]string, len(m.incidents))
	for i := range m.incidents {
		ids[i] = m.incidents[i].ID
	}
	b.list.setRows(ids)
	p, foot := &page{w: w}, &page{w: w}
	foot.gap()
	foot.hints(m, "enter", "shows it", "N", "starts one", "esc", "back")
	room := max(h-len(foot.lines), 1)
	b.list.setHeight(room)
	switch {
	case len(ids) > 0:
	case m.heard.Asking:
		p.add(m.st.Muted, "no incident is in this machine's record; the team's is still being read"+m.st.Signs.Ellipsis)
	case m.heard.Err != nil:
		p.add(m.st.Muted, "no incident is in this machine's record; the team's could not be read: N starts one")
	default:
		p.add(m.st.Muted, "no incident is recorded: N starts one")
	}
	for i := b.list.offset; i < len(ids) && i < b.list.offset+room; i++ {
		x := &m.incidents[i]
		state := m.stateOf(x)
		sign, style := m.incidentSign(state)
		text := sign + " " + plain.Fit(m.clock(x.Started.At), 13) + plain.Fit(string(state), 13) + plain.Fit(inLine(x.Of()), 18) + " " + inLine(x.Title)
		if i == b.list.index {
			style = m.st.Selection
		}
		p.drawn(style.Render(plain.Fit(text, w)))
	}
	return append(p.exactly(room), foot.lines...)[:h]
}

func (b *incidentsBox) key(m *Model, k tea.KeyPressMsg) (tea.Cmd, bool) {
	switch k.String() {
	case "ctrl+c":
		return m.quit(), false
	case "esc", "q", "I":
		return nil, true
	case "N":
		return m.startIncident(true), false
	case "enter":
		if id := b.list.selected(); id != "" {
			m.overlay = &incidentBox{id: id}
		}
	default:
		b.list.handle(lookup(k, areaList))
	}
	return nil, false
}
