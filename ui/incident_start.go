package ui

import (
	"slices"
	"strings"

	"charm.land/bubbles/v2/textinput"
	tea "charm.land/bubbletea/v2"

	"quarterdeck/incident"
	"quarterdeck/sources/fleet"
	"quarterdeck/ui/plain"
)

// momentList offers moments at which the impact may have begun: not said, the evidence, and the moment that the console looks at.
type momentList struct {
	rows    []momentRow
	index   int
	loading bool
	gaps    []incident.Gap
	err     error
}

type momentRow struct {
	moment incident.Moment
	text   string
	before bool // a change before it, not the impact
}

// newMoments begins with what is known without asking anybody.
func newMoments(m *Model) momentList {
	l := momentList{loading: true, rows: []momentRow{{text: "not set yet"}}}
	if !m.when.live() {
		at := m.when.moment(m.o.Now())
		l.rows = append(l.rows, momentRow{moment: incident.Moment{At: at}, text: "the moment under the cursor"})
	}
	return l
}

// apply takes the evidence in. The first is chosen, where nobody has chosen yet: it is shown with who says so, and enter takes it.
func (l *momentList) apply(msg evidenceMsg) {
	l.loading, l.gaps, l.err = false, msg.gaps, msg.err
	first := incident.First(msg.proposed)
	for i := range msg.proposed {
		p := &msg.proposed[i]
		row := momentRow{moment: incident.Moment{At: p.At, By: p.Source + ": " + p.Text, Query: p.Query}, text: p.Source + ": " + p.Text, before: p.Before}
		l.rows = append(l.rows, row)
		if l.index == 0 && p == first {
			l.index = len(l.rows) - 1
		}
	}
}

func (l *momentList) move(by int) { l.index = min(max(l.index+by, 0), len(l.rows)-1) }

func (l *momentList) chosen() incident.Moment { return l.rows[l.index].moment }

func (l *momentList) draw(m *Model, p *page) {
	p.add(m.st.Text, "When did the impact begin?")
	for i, r := range l.rows {
		when := "–"
		if r.moment.Known() {
			when = m.clock(r.moment.At)
		}
		text := plain.Fit(when, 13) + inLine(r.text)
		if r.before {
			text = plain.Fit(when, 13) + "(before it) " + inLine(strings.Replace(r.text, " before it:", ":", 1))
		}
		sign, style := "  ", m.st.Text
		if i == l.index {
			sign, style = m.st.Signs.Cursor+" ", m.st.Selection
		}
		p.drawn(style.Render(plain.Fit(sign+text, p.w)))
	}
	switch {
	case l.loading:
		p.add(m.st.Muted, m.st.Signs.Updating+" looking for evidence"+m.st.Signs.Ellipsis)
	case l.err != nil:
		text, _ := errorWords(l.err)
		p.sign(m.st.Warn, m.st.Signs.Warning, "no evidence could be looked for: "+text)
	case len(l.rows) == 1:
		p.add(m.st.Muted, "no evidence says when: look at the moment on a chart first, or set it later (t)")
	}
	for _, g := range l.gaps {
		p.sign(m.st.Muted, m.st.Signs.Unknown, "could not look: "+g.Source+", "+g.What)
	}
}

// incidentStartBox asks what is wrong, and when it began.
type incidentStartBox struct {
	opening  incident.Opening
	input    textinput.Model
	typed    bool // somebody has changed the title
	moments  momentList
	complain string
	busy     bool

	generation uint64 // of what it is of
}

// startIncident opens the box: what is known without asking anybody is in it at once, the rest comes.
func (m *Model) startIncident(also bool) tea.Cmd {
	if cmd, no := m.noDesk(); no {
		return cmd
	}
	if m.readOnly() {
		return m.say("read-only: no incident is written from here")
	}
	opening := incident.Opening{Also: also}
	if n := m.snap.Node(m.nodes.selected()); m.view == viewNodes && n != nil && !n.Up() {
		opening.Nodes = []string{n.Name}
	} else if opening.Services = m.worstTargets(); len(opening.Services) == 0 && !m.inTrouble() {
		return m.say("an incident is about a service or a node: none is selected, and none is unwell")
	}
	opening.Anything = len(opening.Nodes) == 0 && len(opening.Services) <= 1
	b := &incidentStartBox{opening: opening, input: newInput(m.st, "what is wrong: ")}
	m.overlay = b
	return b.ask(m)
}

// ask fills in what is known of what the incident is of, and looks for when it began.
func (b *incidentStartBox) ask(m *Model) tea.Cmd {
	b.generation++
	b.moments = newMoments(m)
	desk, opening := m.o.Incidents, b.opening
	ctx, cancel := m.queryContext()
	msg := evidenceMsg{box: b, generation: b.generation}
	return func() tea.Msg {
		defer cancel()
		msg.opening = desk.Prefill(ctx, opening)
		msg.proposed, msg.gaps, msg.err = desk.Evidence(ctx, msg.opening)
		return msg
	}
}

// askWhom asks what the incident is of: what is proposed stands there to be changed.
func (b *incidentStartBox) askWhom(m *Model) {
	names := slices.Concat(b.opening.Nodes, b.opening.Services)
	box := newAsk(m, "what the incident is of", "> ", strings.Join(names, " "), []string{"Services, stacks or nodes, with spaces between."}, func(m *Model, text string) (tea.Cmd, string) {
		o := incident.Opening{Also: b.opening.Also}
		for _, name := range strings.FieldsFunc(text, func(r rune) bool { return r == ' ' || r == ',' }) {
			switch {
			case nodeNamed(m.snap, name) != nil:
				o.Nodes = append(o.Nodes, name)
			case m.snap.Service(name) != nil || slices.ContainsFunc(m.snap.Services, func(s *fleet.Service) bool { return s.Stack == name }):
				o.Services = append(o.Services, name)
			default:
				return nil, inLine(name) + ": no service, stack or node is called so"
			}
		}
		if len(o.Services)+len(o.Nodes) == 0 {
			return nil, "name a service, a stack or a node"
		}
		b.opening = o
		m.overlay = b
		return b.ask(m), ""
	})
	box.under = b
	m.overlay = box
}

func (b *incidentStartBox) applyEvidence(_ *Model, msg evidenceMsg) {
	if msg.generation != b.generation {
		return
	}
	b.moments.apply(msg)
	if !b.typed {
		b.input.SetValue(inLine(msg.opening.Title))
		b.input.CursorEnd()
	}
	title := b.opening.Title
	b.opening = msg.opening
	b.opening.Title = title
}

func (b *incidentStartBox) title() string { return "start an incident" }
func (b *incidentStartBox) paste(text string) {
	pasteInto(&b.input, text)
	b.typed, b.complain = true, ""
}

func (b *incidentStartBox) page(m *Model, w int) *page {
	p := &page{w: w}
	text := "of " + strings.Join(b.opening.Services, ", ")
	if len(b.opening.Services) == 0 {
		text = "of what the likeliest cause is about" + m.st.Signs.Ellipsis
	}
	if len(b.opening.Nodes) > 0 {
		text = "of node " + strings.Join(b.opening.Nodes, ", ")
	}
	if b.opening.Severity != "" {
		text += ", " + b.opening.Severity
	}
	if n := len(b.opening.Services); n > 0 && len(b.opening.Nodes) > 0 {
		text += "; " + count(n, "service") + " had tasks there: " + strings.Join(b.opening.Services, ", ")
	}
	if b.opening.Also {
		text += ", beside those that are open"
	}
	p.add(m.st.Title, text)
	b.input.SetWidth(max(w-len(b.input.Prompt)-2, 8))
	p.drawn(b.input.View())
	if title := b.input.Value(); plain.Width(title) > b.input.Width() { // the line shows where the cursor is: the whole stands below
		p.add(m.st.Muted, title)
	}
	p.gap()
	b.moments.draw(m, p)
	if b.complain != "" {
		p.sign(m.st.Warn, m.st.Signs.Warning, b.complain)
	} else {
		p.gap()
	}
	p.hints(m, "enter", "starts it", "↑ ↓", "another moment", "ctrl+t", "of what", "esc", "back")
	return p
}

func (b *incidentStartBox) size(m *Model) (int, int) {
	w := boxWidth(m)
	return w, len(b.page(m, w).lines)
}

func (b *incidentStartBox) lines(m *Model, w, h int) []string {
	p := b.page(m, w)
	if over := len(p.lines) - h; over > 0 { // the keys stay
		return append(p.lines[:h-1:h-1], p.lines[len(p.lines)-1])
	}
	return p.exactly(h)
}

func (b *incidentStartBox) key(m *Model, k tea.KeyPressMsg) (tea.Cmd, bool) {
	switch k.String() {
	case "esc", "ctrl+c":
		return nil, true
	case "up", "shift+tab":
		b.moments.move(-1)
	case "down", "tab":
		b.moments.move(1)
	case "ctrl+t":
		b.askWhom(m)
	case "enter":
		return b.start(m), false
	default:
		before := b.input.Value()
		b.input, _ = b.input.Update(k)
		b.typed = b.typed || b.input.Value() != before
		b.complain = ""
	}
	return nil, false
}

func (b *incidentStartBox) start(m *Model) tea.Cmd {
	o := b.opening
	if o.Title = strings.TrimSpace(b.input.Value()); o.Title == "" {
		b.complain = "say in a few words what is wrong"
		return nil
	}
	if len(o.Services)+len(o.Nodes) == 0 {
		b.complain = "no cause names what it is of: ctrl+t does"
		return nil
	}
	if b.busy {
		return nil
	}
	b.busy = true
	if row := b.moments.rows[b.moments.index]; row.moment.Known() {
		o.Impact = row.moment
	}
	desk := m.o.Incidents
	return func() tea.Msg {
		x, err := desk.Start(o)
		return incidentMsg{incident: x, err: err, said: "incident started: a acknowledges it, e writes its report"}
	}
}
