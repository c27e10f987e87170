package ui

import (
	"strconv"
	"strings"

	"charm.land/bubbles/v2/textinput"
	tea "charm.land/bubbletea/v2"

	"quarterdeck/sources"
	"quarterdeck/ui/plain"
)

// units are those that a panel can have.
var units = []string{"1", "1/s", "s", "ratio", "bytes", "bytes/s", "cores"}

// keepBox asks for a panel's name, unit, and for which services it is.
type keepBox struct {
	input          textinput.Model
	query          string
	service, stack string
	unit           int // index into units
	all            bool
	complain       string
}

// keepQuery opens the box that keeps the query by hand as a panel.
func (m *Model) keepQuery() tea.Cmd {
	switch q := m.metrics.query; {
	case q == nil || q.query == "":
		return m.say("K keeps a query as a panel: write one first, with Q")
	case m.o.Keeper == nil:
		return m.say("panels cannot be kept here")
	case q.answer.query == q.query && q.answer.err != nil:
		return m.say("a query that is wrong is no panel: Q puts it right")
	}
	b := &keepBox{input: newInput(m.st, "name: "), query: m.metrics.query.query, service: m.subject()}
	if v := m.snap.Service(b.service); v != nil {
		b.stack = v.Stack
	}
	unit := guessedUnit(b.query)
	for i, u := range units {
		if u == unit {
			b.unit = i
		}
	}
	b.all = b.service == "" || strings.Contains(b.query, "$service") || strings.Contains(b.query, "$stack")
	m.overlay = b
	return nil
}

func (b *keepBox) title() string     { return "keep as a panel" }
func (b *keepBox) paste(text string) { pasteInto(&b.input, text); b.complain = "" }

// panel is what would be kept. For all services the selected one's name becomes $service.
func (b *keepBox) panel() sources.Panel {
	p := sources.Panel{Name: strings.TrimSpace(b.input.Value()), Query: b.query, Unit: units[b.unit], Service: b.service}
	if b.all {
		p.Service = ""
		if b.service != "" {
			p.Query = strings.ReplaceAll(p.Query, strconv.Quote(b.service), `"$service"`)
		}
		if b.stack != "" {
			p.Query = strings.ReplaceAll(p.Query, strconv.Quote(b.stack), `"$stack"`)
		}
	}
	return p
}

func (b *keepBox) page(m *Model, w int) *page {
	p := &page{w: w}
	b.input.SetWidth(max(w-len(b.input.Prompt)-2, 8))
	p.drawn(b.input.View())
	p.gap()
	panel := b.panel()
	p.hang(m.st.Text, "query: ", panel.Query)
	whose := "service " + b.service
	if b.all {
		whose = "all services"
	}
	p.hang(m.st.Text, "for:   ", whose)
	p.hang(m.st.Text, "unit:  ", panel.Unit)
	if b.complain != "" {
		p.sign(m.st.Warn, m.st.Signs.Warning, b.complain)
	} else {
		p.gap()
	}
	p.hints(m, "enter", "keeps it", "tab", "this service or all", "up down", "unit", "esc", "back")
	return p
}

func (b *keepBox) size(m *Model) (int, int) {
	w := boxWidth(m)
	return w, len(b.page(m, w).lines)
}

func (b *keepBox) lines(m *Model, w, h int) []string { return b.page(m, w).exactly(h) }

func (b *keepBox) key(m *Model, k tea.KeyPressMsg) (tea.Cmd, bool) {
	switch k.String() {
	case "esc", "ctrl+c":
		return nil, true
	case "tab":
		b.all = !b.all || b.service == ""
	case "down":
		b.unit = (b.unit + 1) % len(units)
	case "up":
		b.unit = (b.unit + len(units) - 1) % len(units)
	case "enter":
		p := b.panel()
		if p.Name == "" {
			b.complain = "give it a name: it stands above the chart"
			return nil, false
		}
		return m.keepPanel(p), true
	default:
		b.input, _ = b.input.Update(k)
		b.complain = ""
	}
	return nil, false
}

// takeOffBox chooses a panel to take off.
type takeOffBox struct {
	panels []sources.Panel
	list   list
}

// openTakeOff opens the choice of the panels of the shown service.
func (m *Model) openTakeOff() tea.Cmd {
	b := &takeOffBox{}
	service := m.subject()
	for _, p := range m.metrics.panels.kept {
		if p.Service == "" || p.Service == service {
			b.panels = append(b.panels, p)
		}
	}
	switch {
	case m.o.Keeper == nil:
		return m.say("panels cannot be kept here")
	case len(b.panels) == 0:
		return m.say("no panel is kept for this service: Q writes a query, K keeps it")
	}
	ids := make([]string, len(b.panels))
	for i := range ids {
		ids[i] = strconv.Itoa(i)
	}
	b.list.setRows(ids)
	m.overlay = b
	return nil
}

func (b *takeOffBox) title() string { return "take a panel off" }
func (b *takeOffBox) paste(string)  {}

func (b *takeOffBox) size(m *Model) (int, int) { return boxWidth(m), min(len(b.panels), 12) + 2 }

func (b *takeOffBox) lines(m *Model, w, h int) []string {
	p := &page{w: w}
	b.list.setHeight(h - 2)
	for i := b.list.offset; i < len(b.panels) && len(p.lines) < h-2; i++ {
		x := b.panels[i]
		whose := "all services"
		if x.Service != "" {
			whose = x.Service
		}
		text := plain.Fit(" "+plain.Fit(inLine(x.Name), 20)+" "+plain.Fit(inLine(whose), 16)+" "+inLine(x.Query), w)
		style := m.st.Text
		if i == b.list.index {
			style = m.st.Selection
		}
		p.drawn(style.Render(text))
	}
	p.gap()
	p.hints(m, "enter", "takes it off", "esc", "back")
	return p.exactly(h)
}

func (b *takeOffBox) key(m *Model, k tea.KeyPressMsg) (tea.Cmd, bool) {
	if k.String() == "enter" && b.list.index < len(b.panels) {
		return m.takeOffPanel(b.panels[b.list.index]), true
	}
	if b.list.handle(lookup(k, areaList)) {
		return nil, false
	}
	return nil, true
}
