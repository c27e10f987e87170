package ui

import (
	"fmt"
	"slices"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"quarterdeck/sources/fleet"
)

// sort of things that happen, by which the timeline can be narrowed.
type happeningSort struct {
	name  string
	kinds []string
}

// happeningSorts are the chips, in their order. What is of none of these kinds is of the last.
var happeningSorts = []happeningSort{
	{"deploys", []string{fleet.DeployStarted, fleet.DeployDone, fleet.DeployPaused, fleet.RolledBack, fleet.Scaled, fleet.Created, fleet.Removed}},
	{"incidents", []string{fleet.IncidentPhase}},
	{"actions", []string{fleet.ActionBegun, fleet.ActionEnded}},
	{"alerts", []string{fleet.AlertFiring, fleet.AlertResolved}},
	{"silences", []string{fleet.SilenceBegun, fleet.SilenceEnded}},
	{"deaths", []string{fleet.TaskDied}},
	{"starts", []string{fleet.TaskStarted}},
	{"health", []string{fleet.HealthChanged}},
	{"nodes", []string{fleet.NodeChanged}},
	{"sources", []string{fleet.SourceChanged}},
	{"marks", []string{fleet.Annotated}},
	{"other", nil},
}

// sortOf is the index of the chip that a kind is of.
func sortOf(kind string) int {
	for i := range happeningSorts {
		if slices.Contains(happeningSorts[i].kinds, kind) {
			return i
		}
	}
	return len(happeningSorts) - 1
}

// beganRow is the id of the row that tells from when on the console has looked itself.
const beganRow = "\x00began"

// timelinePane is the list of what happened, made of what the fleet remembers and of what was read of earlier.
type timelinePane struct {
	listPane
	hidden   [16]bool        // by sort
	only     bool            // of the selected service alone
	service  string          // which that is, as long as only is set
	open     map[string]bool // folds that are open
	rows     []fleet.Occurrence
	counts   [16]int // by sort, without the filters
	from     madeOf
	shown    shownBy
	byID     map[string]timelineRow
	followed uint64 // the shared time's generation that the cursor has gone to
	past     pastEvents
	diffs    deployDiffs
}

// madeOf is what rows were made of: while it is the same, they are too.
type madeOf struct {
	first *fleet.Happening
	n     int
	past  uint64
}

// shownBy is what the list was made of.
type shownBy struct {
	madeOf
	filter, service string
	hidden          [16]bool
	only            bool
	folds           int
}

// timelineRow is a row of the list: one thing, or one of those that were folded into one.
type timelineRow struct {
	of   *fleet.Occurrence
	part *fleet.Happening // nil: the whole
}

// arrangeTimeline makes the rows, the newest first. Where the shared moment was moved, the cursor goes to what happened last before it.
func (m *Model) arrangeTimeline() {
	t := &m.timeline
	m.makeOccurrences() // the strip and the charts draw them too
	if m.view != viewTimeline {
		return
	}
	by := shownBy{t.from, t.filter, "", t.hidden, t.only, len(t.open)}
	if t.only {
		by.service = t.service
	}
	if by == t.shown {
		m.followMoment()
		return
	}
	t.shown = by
	t.byID = make(map[string]timelineRow, len(t.rows))
	ids := make([]string, 0, len(t.rows)+1)
	needle := strings.ToLower(t.filter)
	divided := m.opened.IsZero()
	for i := len(t.rows) - 1; i >= 0; i-- {
		o := &t.rows[i]
		if !divided && o.Time.Before(m.opened) {
			ids, divided = append(ids, beganRow), true
		}
		if t.hidden[sortOf(o.Kind)] || by.only && !aboutService(o, by.service) || needle != "" && !strings.Contains(strings.ToLower(occurrenceText(o)), needle) {
			continue
		}
		ids = append(ids, o.ID)
		t.byID[o.ID] = timelineRow{of: o}
		if t.open[o.ID] {
			for k := len(o.Parts) - 1; k >= 0; k-- {
				id := fmt.Sprint(o.ID, "\x00", k)
				ids = append(ids, id)
				t.byID[id] = timelineRow{o, o.Parts[k]}
			}
		}
	}
	if !divided {
		ids = append(ids, beganRow)
	}
	if (t.index == 0 || t.index == 1 && t.ids[0] == beganRow) && len(ids) > 0 && m.when.live() {
		t.cursor = ids[0] // a list of news shows the newest
		if ids[0] == beganRow && len(ids) > 1 {
			t.cursor = ids[1]
		}
	}
	t.setRows(ids)
	m.followMoment()
}

// makeOccurrences joins what the fleet remembers with what was read of earlier.
func (m *Model) makeOccurrences() {
	t := &m.timeline
	h := m.snap.History
	from := madeOf{n: len(h), past: t.past.version}
	if len(h) > 0 {
		from.first = &h[0]
	}
	if from == t.from && t.rows != nil {
		return
	}
	t.from = from
	if len(t.past.list) > 0 {
		h = append(slices.Clip(slices.Clone(t.past.list)), h...)
	}
	t.rows, t.counts = fleet.Timeline(h), [16]int{}
	for i := range t.rows {
		t.counts[sortOf(t.rows[i].Kind)]++
	}
}

// followMoment brings the cursor to the shared moment, once for each time that it is moved.
func (m *Model) followMoment() {
	t := &m.timeline
	if m.when.generation == t.followed {
		return
	}
	t.followed = m.when.generation
	if m.when.live() {
		t.moveTo(0)
		return
	}
	for i, id := range t.ids {
		if r, ok := t.byID[id]; ok && r.part == nil && !r.of.Time.After(m.when.at) {
			t.moveTo(i)
			return
		}
	}
}

func aboutService(o *fleet.Occurrence, service string) bool {
	if o.Service == service {
		return true
	}
	return slices.ContainsFunc(o.Parts, func(h *fleet.Happening) bool {
		return h.Service == service || slices.Contains(strings.Split(h.Target, ","), service)
	})
}

// occurrenceText is what the filter looks at.
func occurrenceText(o *fleet.Occurrence) string {
	return strings.Join(append([]string{o.Kind, o.Service, o.Node, o.Text, o.Outcome, o.Actor}, o.Sources...), " ")
}

// selectedOccurrence is the row under the timeline's cursor, and the part of it where that has one; nil: none, or another view.
func (m *Model) selectedOccurrence() (*fleet.Occurrence, *fleet.Happening) {
	if m.view != viewTimeline {
		return nil, nil
	}
	r := m.timeline.byID[m.timeline.selected()]
	return r.of, r.part
}

// selectedHappening is the same as one happening; nil: none, or another view.
func (m *Model) selectedHappening() *fleet.Happening {
	o, part := m.selectedOccurrence()
	switch {
	case part != nil:
		return part
	case o == nil:
		return nil
	}
	return &fleet.Happening{Time: o.Time, Kind: o.Kind, Service: o.Service, Node: o.Node, Text: o.Text, Bad: o.Bad, Run: o.Run, Ref: o.Ref, Actor: o.Actor}
}

// timelineLines is the list of what happened, the newest first.
func (m *Model) timelineLines(r rect) []string {
	t := &m.timeline
	title := t.title("timeline", len(t.rows))
	if t.only {
		title += " · only " + inLine(t.service) + " (a: all)"
	}
	if words := t.past.words(m); words != "" {
		title += " · " + words
	}
	if who, what := m.othersWords(); who != "" {
		title += " · " + m.st.Signs.Updating + " " + who + ": " + what
	}
	lines := []string{m.titleLine(title, r.w, true), m.chipsLine(r.w)}
	foot := m.timelineFoot(r.h)
	h := r.h - len(lines) - foot
	if len(t.byID) == 0 {
		why := "nothing has happened yet that a source told of"
		if len(t.rows) > 0 {
			why = "nothing matches: esc takes the filter off, T shows all kinds, a all services"
		}
		return append(lines, emptyLines(m.st, why, r.w, h)...)
	}
	least := 26
	if r.w >= 100 {
		least = 46
	}
	cols := []column{{title: "TIME", width: 12}, {title: "WHAT", width: 14}, {title: "SERVICE", width: 20, drop: 1}, {title: "NODE", width: 10, drop: 4},
		{title: "", width: least, flex: true}, {title: "SOURCES", width: 23, drop: 3}}
	lines = append(lines, t.draw(m.st, cols, r.w, h, true, func(id string, widths []int) []cell {
		if id == beganRow {
			return m.beganCells()
		}
		return m.timelineCells(t.byID[id], widths[3] == 0)
	})...)
	return append(lines, m.timelineDetail(r.w, foot)...)
}

// timelineFoot is how many lines are for the selected row in full.
func (m *Model) timelineFoot(h int) int {
	if h < 14 || len(m.timeline.byID) == 0 {
		return 0
	}
	return 4
}

// timelineDetail is the selected row in full, in exactly h lines.
func (m *Model) timelineDetail(w, h int) []string {
	if h == 0 {
		return nil
	}
	p := &page{w: w - 2}
	if m.timeline.selected() == beganRow {
		p.add(m.st.Muted, m.timeline.past.before(m))
	} else if o, part := m.selectedOccurrence(); part != nil {
		p.add(m.st.Text, part.Source+": "+part.Text)
	} else if o != nil {
		sign, style := m.kindStyle(o.Kind, o.Bad)
		what := strings.Join(strings.Fields(strings.Join([]string{o.Kind, o.Service, o.Node}, " ")), " ")
		if words := m.occurrenceWords(o); words != "" {
			what += ": " + words
		}
		p.sign(style, sign, what)
		p.add(m.st.Muted, m.clock(o.Time)+" · told by "+strings.Join(o.Sources, ", "))
	}
	lines := []string{m.st.Border.Render(strings.Repeat(m.st.Signs.Rule, w))}
	for _, l := range p.exactly(h - 1) {
		lines = append(lines, " "+l+" ")
	}
	return lines
}

// chipsLine are the kinds with how many there are; those that are hidden are said to be.
func (m *Model) chipsLine(w int) string {
	t := &m.timeline
	ps := []piece{{text: " ", style: m.st.Text}}
	for i, s := range happeningSorts {
		if t.counts[i] == 0 {
			continue
		}
		text, style := fmt.Sprintf("%s %d  ", s.name, t.counts[i]), m.st.Text
		if t.hidden[i] {
			text, style = fmt.Sprintf("-%s %d  ", s.name, t.counts[i]), m.st.Faint
		}
		ps = append(ps, piece{text: text, style: style, drop: i + 1})
	}
	return fitPieces(ps, nil, w)
}

func (m *Model) timelineCells(r timelineRow, noNode bool) []cell {
	if r.of == nil {
		return make([]cell, 6)
	}
	if r.part != nil {
		sign, style := m.kindStyle(r.part.Kind, r.part.Bad)
		return []cell{{text: "  " + m.clock(r.part.Time), style: m.st.Muted}, {text: "  " + sign + " " + r.part.Kind, style: style}, {text: r.part.Service, style: m.st.Muted},
			{text: r.part.Node, style: m.st.Muted}, {text: r.part.Text, style: m.st.Muted}, {text: r.part.Source, style: m.st.Muted}}
	}
	o := r.of
	text := m.occurrenceWords(o)
	if noNode && o.Node != "" && o.Service != "" {
		text += " on " + o.Node
	} else if noNode && o.Node != "" {
		text = o.Node + ": " + text
	}
	sign, style := m.kindStyle(o.Kind, o.Bad)
	return []cell{{text: m.clock(o.Time), style: m.st.Muted}, {text: sign + " " + o.Kind, style: style}, {text: o.Service, style: m.st.Text},
		{text: o.Node, style: m.st.Text}, {text: text, style: m.st.Text}, {text: strings.Join(o.Sources, " "), style: m.st.Muted}}
}

// occurrenceWords are a row in a line: what it was, what came of it, by whom, and how often.
func (m *Model) occurrenceWords(o *fleet.Occurrence) string {
	text := m.rowWords(o)
	if o.Count < 2 {
		return text
	}
	fold := "+"
	if m.timeline.open[o.ID] {
		fold = "-"
	}
	if o.Kind == fleet.TaskDied {
		return fmt.Sprintf("%s ×%d %s, last at %s", fold, o.Count, text, m.clock(o.Last))
	}
	return fold + " " + text
}

// rowWords are occurrenceWords without how often it was.
func (m *Model) rowWords(o *fleet.Occurrence) string {
	text := o.Text
	switch happeningSorts[sortOf(o.Kind)].name {
	case "deploys":
		images := strings.Split(text, " → ")
		for i := range images {
			images[i] = shortImage(images[i])
		}
		text = strings.Join(images, " "+m.st.Signs.Right+" ")
		if d := m.timeline.diffs.short[o.ID]; d != "" {
			text = d
		} else if o.Kind == fleet.RolledBack {
			text = withoutRolledBack(text)
		}
		if o.Actor != "" {
			text += " · by " + shortName(o.Actor)
		}
	case "deaths":
		text = strings.Replace(text, "task: ", "", 1) // so Swarm begins what the row says already
	case "silences":
		if o.Actor != "" {
			text = shortName(o.Actor) + ": " + text
		}
	}
	if outcome := m.outcomeWords(o); outcome != "" {
		text += " " + m.st.Signs.Right + " " + outcome
	}
	if o.Within >= time.Minute {
		text += " (within " + shortly(o.Within) + ")"
	}
	return text
}

// outcomeWords are what came of a row, and how long it took, without what its kind says already.
func (m *Model) outcomeWords(o *fleet.Occurrence) string {
	took := ""
	if !o.End.IsZero() && o.End.After(o.Time) {
		took = shortly(o.End.Sub(o.Time))
	}
	if o.Kind == fleet.RolledBack {
		why := strings.TrimPrefix(strings.TrimPrefix(o.Outcome, fleet.RolledBack), ": ")
		if why = withoutRolledBack(why); why == "rollback completed" {
			why = ""
		}
		switch {
		case took != "" && why != "":
			return "back after " + took + ": " + why
		case took != "":
			return "back after " + took
		}
		return why
	}
	if o.Outcome != "" && took != "" {
		return o.Outcome + " in " + took
	}
	return o.Outcome
}

// withoutRolledBack is what the swarm says of a rollback, without that it was one.
func withoutRolledBack(text string) string {
	if text == "update rolled back" {
		return ""
	}
	return strings.TrimPrefix(text, "update rolled back ")
}

// beganCells are the row that parts what the console has seen itself from what others tell of before.
func (m *Model) beganCells() []cell {
	return []cell{{text: m.clock(m.opened), style: m.st.Muted}, {text: m.st.Signs.Rule + m.st.Signs.Rule + " opened", style: m.st.Accent}, {}, {},
		{text: m.timeline.past.before(m), style: m.st.Muted}, {}}
}

// doInTimeline does what a key means in the timeline alone.
func (m *Model) doInTimeline(a act) tea.Cmd {
	t := &m.timeline
	switch a {
	case actKinds:
		m.overlay = &kindsBox{}
	case actFold:
		o, _ := m.selectedOccurrence()
		if o == nil || len(o.Parts) < 2 {
			return m.say("nothing is folded here")
		}
		m.toggleFold(o.ID)
	case actOnlyService:
		if t.only {
			t.only = false
			return nil
		}
		name := m.happeningService()
		if m.snap.Service(name) == nil {
			name = m.services.selected()
		}
		if name == "" {
			return m.say("no service is selected")
		}
		t.only, t.service = true, name
	}
	return nil
}

func (m *Model) toggleFold(id string) {
	t := &m.timeline
	open := make(map[string]bool, len(t.open)+1)
	for k := range t.open {
		open[k] = true
	}
	if open[id] {
		delete(open, id)
		t.cursor = id
	} else {
		open[id] = true
	}
	t.open = open
	t.shown = shownBy{}
}

// kindsBox switches kinds of happenings on and off.
type kindsBox struct{ list list }

func (b *kindsBox) title() string          { return "what the timeline shows" }
func (b *kindsBox) paste(string)           {}
func (b *kindsBox) size(*Model) (int, int) { return 46, len(happeningSorts) + 2 }

func (b *kindsBox) lines(m *Model, w, h int) []string {
	p := &page{w: w}
	ids := make([]string, len(happeningSorts))
	for i, s := range happeningSorts {
		ids[i] = s.name
		box := "[x] "
		if m.timeline.hidden[i] {
			box = "[ ] "
		}
		text := fmt.Sprintf(" %s%-10s %5d", box, s.name, m.timeline.counts[i])
		switch {
		case i == b.list.index:
			p.drawn(m.st.Selection.Render(text + strings.Repeat(" ", max(w-len(text), 0))))
		case m.timeline.hidden[i]:
			p.drawn(m.st.Muted.Render(text))
		default:
			p.drawn(m.st.Text.Render(text))
		}
	}
	b.list.setRows(ids)
	p.gap()
	p.hints(m, "space", "on, off", "o", "only this", "a", "all", "esc", "done")
	return p.window(max(min(b.list.index-h/2, len(p.lines)-h), 0), h)
}

func (b *kindsBox) key(m *Model, k tea.KeyPressMsg) (tea.Cmd, bool) {
	hidden, n := &m.timeline.hidden, len(happeningSorts)
	switch k.String() {
	case "esc", "T", "q", "enter":
		return nil, true
	case "ctrl+c":
		return m.quit(), false
	case "space", "x":
		hidden[b.list.index] = !hidden[b.list.index]
	case "o":
		for i := range n {
			hidden[i] = i != b.list.index
		}
	case "a":
		*hidden = [16]bool{}
	default:
		l := list{ids: make([]string, n), index: b.list.index, height: n}
		if l.handle(lookup(k, areaList)) {
			b.list.index = l.index
		}
	}
	return nil, false
}
