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

// incidentStartBox asks what is wrong, and when it began.
type incidentStartBox struct {
	opening  incident.Opening
	input    textinput.Model
	offer    string // the title where none is typed: beside the line, so that it never comes among what is typed
	looking  bool   // for the offer and what it is of
	moments  momentList
	complain string
	busy     bool
	alone    bool // it is to be started although colleagues could not be heard

	generation uint64 // of what it is of
}

// openingMsg is sent when an incident's start was filled in with what is known.
type openingMsg struct {
	box        *incidentStartBox
	opening    incident.Opening
	generation uint64
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
	} else if opening.Services = m.worstTargets(); !m.snap.Ready() {
		return m.say("the swarm was not listed yet: what an incident could be of is not known")
	} else if len(opening.Services) == 0 && !m.inTrouble() {
		return m.say("an incident is about a service or a node: none is selected, and none is unwell")
	}
	opening.Anything = len(opening.Nodes) == 0 && len(opening.Services) <= 1
	b := &incidentStartBox{opening: opening, input: newInput(m.st, "what is wrong: ")}
	m.overlay = b
	return b.ask(m)
}

// ask fills in what is known of what the incident is of; when it began is looked for after that, for it depends on it.
func (b *incidentStartBox) ask(m *Model) tea.Cmd {
	b.generation++
	b.looking, b.complain = true, ""
	b.moments = newMoments(m)
	desk := m.o.Incidents
	ctx, cancel := m.queryContext()
	msg := openingMsg{box: b, opening: b.opening, generation: b.generation}
	return func() tea.Msg {
		defer cancel()
		msg.opening = desk.Prefill(ctx, msg.opening)
		return msg
	}
}

// applyOpening takes in what it is of and what title it may have, and looks for when that began.
func (b *incidentStartBox) applyOpening(m *Model, msg openingMsg) tea.Cmd {
	if msg.generation != b.generation {
		return nil
	}
	b.looking, b.complain, b.offer = false, "", inLine(msg.opening.Title)
	b.opening = msg.opening
	b.opening.Title = ""
	desk := m.o.Incidents
	ctx, cancel := m.queryContext()
	found := evidenceMsg{box: b, generation: b.generation}
	return func() tea.Msg {
		defer cancel()
		found.proposed, found.gaps, found.err = desk.Evidence(ctx, msg.opening)
		return found
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

func (b *incidentStartBox) applyEvidence(m *Model, msg evidenceMsg) {
	if msg.generation == b.generation {
		b.moments.apply(m, msg)
		b.complain = ""
	}
}

func (b *incidentStartBox) title() string { return "start an incident" }
func (b *incidentStartBox) paste(text string) {
	pasteInto(&b.input, text)
	b.complain = ""
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
	if b.looking {
		p.add(m.st.Muted, m.st.Signs.Updating+" looking what else it is of"+m.st.Signs.Ellipsis)
	}
	b.others(m, p)
	b.titleLine(m, p)
	p.gap()
	b.moments.draw(m, p)
	if b.complain != "" {
		p.sign(m.st.Warn, m.st.Signs.Warning, b.complain)
	} else {
		p.gap()
	}
	hints := []string{"enter", "starts it", "↑ ↓", "moment", "ctrl+t", "of what", "esc", "back"}
	if b.input.Value() == "" && b.offer != "" {
		hints = slices.Insert(hints, 2, "right", "title")
	}
	p.hints(m, hints...)
	return p
}

// others tells of an incident that is open of the same, and whether colleagues may have one that is not known here.
func (b *incidentStartBox) others(m *Model, p *page) {
	if x := m.openFor(&b.opening); x != nil && !b.opening.Also {
		p.sign(m.st.Warn, m.st.Signs.Warning, "open of it already: "+x.Title+", started "+m.clock(x.Started.At)+" by "+shortName(x.Started.By))
	}
	switch {
	case m.heard.Asking:
		p.add(m.st.Muted, m.st.Signs.Updating+" looking whether a colleague has one open"+m.st.Signs.Ellipsis)
	case m.heard.Err != nil:
		text, _ := errorWords(m.heard.Err)
		p.sign(m.st.Muted, m.st.Signs.Unknown, "whether a colleague has one open is not known: "+text)
	}
}

// held tells whether it is not started, or not yet, for what others have open, and says why.
func (b *incidentStartBox) held(m *Model) bool {
	switch x := m.openFor(&b.opening); {
	case x != nil && !b.opening.Also:
		b.complain = "incident " + x.ID + " is open of it: esc, then I shows it, and N there starts another one"
	case m.heard.Asking:
		b.complain = "it is still being looked whether a colleague has one open: enter starts it once that is known"
	case m.heard.Err != nil && !b.alone:
		b.alone = true
		b.complain = "a colleague may have one open that is not known here: enter again starts it all the same"
	default:
		return false
	}
	return true
}

// titleLine is the title that is typed, else the one that is offered, which enter takes.
func (b *incidentStartBox) titleLine(m *Model, p *page) {
	room := max(p.w-len(b.input.Prompt)-2, 8)
	b.input.SetWidth(room)
	title := b.input.Value()
	if title == "" {
		b.input.SetWidth(0) // as wide as it is: the cursor alone
		title = b.offer
		offer := title
		if b.looking {
			offer = "looking" + m.st.Signs.Ellipsis
		}
		p.drawn(b.input.View() + m.st.Muted.Render(plain.Clip(offer, room-1)))
	} else {
		p.drawn(b.input.View())
	}
	if plain.Width(title) > room-1 { // the line shows where the cursor is: the whole stands below
		p.add(m.st.Muted, title)
	}
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
		b.complain = ""
	case "down", "tab":
		b.moments.move(1)
		b.complain = ""
	case "ctrl+t":
		b.askWhom(m)
	case "enter":
		return b.start(m), false
	case "right", "end", "ctrl+e":
		if b.input.Value() == "" {
			b.input.SetValue(b.offer)
		}
		b.input, _ = b.input.Update(k)
	default:
		b.input, _ = b.input.Update(k)
		b.complain = ""
	}
	return nil, false
}

func (b *incidentStartBox) start(m *Model) tea.Cmd {
	o := b.opening
	if o.Title = strings.TrimSpace(b.input.Value()); o.Title == "" {
		o.Title = b.offer
	}
	switch wait := b.moments.wait(m); {
	case b.busy:
		return nil
	case b.looking:
		b.complain = "what it is of is still being looked for: enter starts it once that stands here"
	case o.Title == "":
		b.complain = "say in a few words what is wrong"
	case len(o.Services)+len(o.Nodes) == 0:
		b.complain = "no cause names what it is of: ctrl+t does"
	case wait != "":
		b.complain = wait
	case b.held(m):
	default:
		b.busy, b.complain = true, ""
	}
	if !b.busy {
		return nil
	}
	if row := b.moments.rows[b.moments.index]; row.moment.Known() {
		o.Impact = row.moment
	}
	desk := m.o.Incidents
	return func() tea.Msg {
		x, err := desk.Start(o)
		return incidentMsg{incident: x, err: err, said: "incident started: a acknowledges it, e writes its report", from: b}
	}
}
