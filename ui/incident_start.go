package ui

import (
	"strings"

	"charm.land/bubbles/v2/textinput"
	tea "charm.land/bubbletea/v2"

	"quarterdeck/incident"
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
	} else if opening.Services = m.worstTargets(); len(opening.Services) == 0 {
		return m.say("an incident is about a service or a node: none is selected, and none is unwell")
	}
	opening.Anything = len(opening.Services) == 1
	b := &incidentStartBox{opening: opening, input: newInput(m.st, "what is wrong: "), moments: newMoments(m)}
	m.overlay = b
	desk := m.o.Incidents
	ctx, cancel := m.queryContext()
	return func() tea.Msg {
		defer cancel()
		msg := evidenceMsg{box: b}
		msg.opening = desk.Prefill(ctx, opening)
		msg.proposed, msg.gaps, msg.err = desk.Evidence(ctx, msg.opening)
		return msg
	}
}

func (b *incidentStartBox) applyEvidence(_ *Model, msg evidenceMsg) {
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
	p.hints(m, "enter", "starts it", "↑ ↓", "another moment", "esc", "back")
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

func (b *impactBox) applyEvidence(_ *Model, msg evidenceMsg) { b.moments.apply(msg) }
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
