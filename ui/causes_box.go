package ui

import (
	"fmt"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"quarterdeck/diagnosis"
	"quarterdeck/sources/fleet"
	"quarterdeck/ui/plain"
	"quarterdeck/ui/theme"
)

// causesBox is an investigation: the causes ranked, and of the one under the cursor the proof, what speaks against it, and what to do next.
type causesBox struct {
	q          inquest
	list       list
	scroll     scroller
	tall, over int
	back       []diagnosis.Question // where esc goes
}

// openCauses looks into the selected service, or, where it is well, into all that is not.
func (m *Model) openCauses() tea.Cmd {
	if m.o.Doctor == nil {
		return m.say("there is nothing here that could look for causes")
	}
	b := &causesBox{}
	m.overlay = b
	question := diagnosis.Question{At: m.when.at}
	if name := m.subject(); m.snap.Service(name) != nil && m.worthAsking(name) {
		question.Service = name
	}
	if a := &m.causes; a.known && a.question == question { // it stands beside the service already
		b.q.report, b.q.known = a.report, true
		b.q.question = question
	}
	return b.ask(m, question)
}

// worthAsking tells whether the question is about the one service: where nothing else is bad, or it is bad itself, or one looks at it alone.
func (m *Model) worthAsking(name string) bool {
	v := m.snap.Service(name)
	return v.Health == fleet.Down || v.Health == fleet.Degraded || m.view != viewOverview || m.snap.Counts.Bad() == 0
}

func (b *causesBox) ask(m *Model, question diagnosis.Question) tea.Cmd {
	b.list, b.scroll = list{}, scroller{}
	return b.q.start(m, question)
}

func (b *causesBox) title() string {
	what := "all that is not well"
	if s := b.q.question.Service; s != "" {
		what = inLine(s)
	}
	return "why: " + what
}

func (b *causesBox) paste(string)             {}
func (b *causesBox) size(m *Model) (int, int) { return min(m.w-4, 132), m.h - 4 }

func (b *causesBox) lines(m *Model, w, h int) []string {
	foot := boxHints(m, w, areaCauses)
	causes := b.q.report.Causes
	ids := make([]string, len(causes))
	for i := range causes {
		ids[i] = causes[i].Service + causes[i].Node + ":" + causes[i].ID
	}
	b.list.setRows(ids)
	shown := min(len(causes), max(h/4, 1))
	b.list.setHeight(shown)
	out := []string{b.headLine(m, w)}
	for i := b.list.offset; i < min(b.list.offset+shown, len(causes)); i++ {
		out = append(out, b.row(m, &causes[i], i == b.list.index, w))
	}
	out = append(out, m.st.Border.Render(strings.Repeat(m.st.Signs.Rule, w)))
	b.tall = max(h-len(out)-1-len(foot.lines), 1)
	p := b.page(m, w)
	b.over = max(len(p.lines)-b.tall, 0)
	b.scroll.at = min(b.scroll.at, b.over)
	out = append(out, p.window(b.scroll.at, b.tall)...)
	out = append(append(out, moreLine(m, b.over-b.scroll.at, w)), foot.lines...)
	return out[:min(h, len(out))]
}

// headLine tells how far the investigation is, and what could not be looked at.
func (b *causesBox) headLine(m *Model, w int) string {
	r := &b.q.report
	var text string
	style := m.st.Muted
	switch {
	case b.q.err != nil:
		text, style = inLine(b.q.err.Error()), m.st.Error
	case !b.q.known:
		text = "looking" + m.st.Signs.Ellipsis
	case len(r.Causes) == 0 && r.Done:
		text = "nothing found that explains trouble, in what could be looked at"
	case len(r.Causes) == 0:
		text = "nothing yet; logs and metrics are being asked" + m.st.Signs.Ellipsis
	default:
		text = count(len(r.Causes), "cause") + ", the likeliest first"
	}
	if b.q.known && b.q.err == nil {
		text += fmt.Sprintf(" · as of %s, %.1f s", m.clock(r.At), r.Took.Seconds())
		if b.q.running {
			text += ", still asking" + m.st.Signs.Ellipsis
		}
	}
	for _, l := range r.Looked {
		if r.Done && l.State != "looked" {
			style = m.st.Warn
			text += " · " + inLine(l.Source) + " " + l.State
		}
	}
	return style.Render(plain.Fit(text, w))
}

// causeStyle is by how sure it is; the figure says the same without colour.
func (m *Model) causeStyle(c *diagnosis.Cause) theme.Style {
	switch {
	case c.EffectOf != "":
		return m.st.Muted
	case c.Confidence >= diagnosis.Confident:
		return m.st.Error
	case c.Confidence >= 0.5:
		return m.st.Warn
	}
	return m.st.Text
}

func (b *causesBox) row(m *Model, c *diagnosis.Cause, selected bool, w int) string {
	on := c.Service
	if on == "" {
		on = c.Node
	}
	text := fmt.Sprintf(" %s %s  %s", sure(c), plain.Fit(inLine(on), min(28, w/4)), inLine(c.Title))
	if c.EffectOf != "" {
		text += "  (an effect of " + inLine(c.EffectOf) + ")"
	}
	id := " " + c.ID + " "
	line := plain.Fit(text, max(w-plain.Width(id), 8))
	if selected {
		return m.st.Selection.Render(line + id)
	}
	return m.causeStyle(c).Render(line) + m.st.Muted.Render(id)
}

// selected is the cause under the cursor; nil: there is none.
func (b *causesBox) selected() *diagnosis.Cause {
	if i := b.list.index; i >= 0 && i < len(b.q.report.Causes) {
		return &b.q.report.Causes[i]
	}
	return nil
}

func (b *causesBox) page(m *Model, w int) *page {
	p := &page{w: w}
	c := b.selected()
	if c != nil {
		b.aboutCause(m, p, c)
		p.gap()
	}
	if !b.q.known {
		return p
	}
	p.add(m.st.Title, "looked at")
	for _, l := range b.q.report.Looked {
		style, sign := m.st.Muted, m.st.Signs.OK
		if l.State != "looked" {
			style, sign = m.st.Warn, m.st.Signs.Warning
		}
		text := l.Source + " " + l.State
		if l.Detail != "" {
			text += ": " + l.Detail
		}
		p.sign(style, " "+sign, text)
	}
	if n := len(b.q.report.Left); n > 0 {
		p.sign(m.st.Warn, " "+m.st.Signs.Warning, fmt.Sprintf("%s not looked at closely, there are too many at once: %s", count(n, "service"), strings.Join(b.q.report.Left, ", ")))
	}
	return p
}

func (b *causesBox) aboutCause(m *Model, p *page, c *diagnosis.Cause) {
	p.sign(m.causeStyle(c), sure(c)+" sure:", c.Why)
	if !c.Since.IsZero() {
		p.add(m.st.Muted, "since "+m.clock(c.Since)+", "+age(c.Since, b.q.report.At)+" ago")
	}
	if c.EffectOf != "" {
		p.add(m.st.Text, "it follows from "+c.EffectOf)
	}
	if len(c.Next) > 0 {
		p.gap()
		p.add(m.st.Title, "next")
	}
	for i := range c.Next {
		s := &c.Next[i]
		p.hang(m.st.Accent, " "+plain.Fit(nextKey(s), 6), s.Text)
	}
	p.gap()
	p.add(m.st.Title, "evidence")
	for i := range c.Evidence {
		b.proof(m, p, m.st.Signs.OK, m.st.Text, c.Evidence, i)
	}
	for i := range c.Against {
		b.proof(m, p, m.st.Signs.Warning+" against it:", m.st.Warn, c.Against, i)
	}
	for _, e := range c.Effects {
		p.sign(m.st.Muted, " "+m.st.Signs.Updating, "brings about: "+e)
	}
}

// proof is one piece of evidence, and below it the question that shows the same: once for those that follow each other.
func (b *causesBox) proof(m *Model, p *page, sign string, style theme.Style, list []diagnosis.Proof, i int) {
	x := &list[i]
	when := ""
	if !x.At.IsZero() {
		when = m.clock(x.At) + "  "
	}
	p.sign(style, " "+sign, when+x.Text)
	if x.Query != "" && (i+1 == len(list) || list[i+1].Query != x.Query) {
		p.hang(m.st.Muted, "   "+x.Source+": ", x.Query)
	}
}

func (b *causesBox) key(m *Model, k tea.KeyPressMsg) (tea.Cmd, bool) {
	switch a := lookup(k, areaCauses, areaList); a {
	case actBack, actQuit:
		if n := len(b.back); n > 0 {
			question := b.back[n-1]
			b.back = b.back[:n-1]
			return b.ask(m, question), false
		}
		b.q.stop()
		return nil, true
	case actLeave:
		return m.quit(), false
	case actUp, actDown, actTop, actBottom:
		if b.list.handle(a) {
			b.scroll = scroller{}
		}
		return nil, false
	case actFlip:
		return b.flip(m), false
	case actRefresh:
		return b.q.start(m, b.q.question), false
	case actSave, actCopy:
		return b.keep(m, a), false
	case actEnter:
		return b.first(m)
	default:
		if step := b.stepOf(a); step != "" {
			return b.do(m, step)
		}
		b.scroll.handle(a, b.over, b.tall)
	}
	return nil, false
}

// flip goes between the one service and all.
func (b *causesBox) flip(m *Model) tea.Cmd {
	question := diagnosis.Question{At: b.q.question.At}
	if b.q.question.Service == "" {
		c := b.selected()
		if c == nil || c.Service == "" {
			return m.say("choose a cause that is about a service")
		}
		question.Service = c.Service
	}
	b.back = append(b.back, b.q.question)
	return b.ask(m, question)
}

// keep copies or saves the report as Markdown.
func (b *causesBox) keep(m *Model, a act) tea.Cmd {
	if !b.q.known {
		return m.say("there is nothing yet to be kept")
	}
	text := b.q.report.Markdown()
	if a == actCopy {
		return tea.Batch(tea.SetClipboard(plain.Text(text)), m.say("copied as Markdown"))
	}
	name := "quarterdeck-why-" + safeName(b.q.question.Service, "all") + "-" + m.o.Now().UTC().Format("20060102-150405") + ".md"
	return m.saveText(name, text)
}

// stepOf is the action that a key means in the box.
func (b *causesBox) stepOf(a act) string {
	switch a {
	case actTasks:
		return "tasks"
	case actOpenLogs:
		return "logs"
	case actOpenMetrics:
		return "metrics"
	case actChange:
		return "change"
	case actHistory:
		return "rollback"
	case actUndo:
		return "undo"
	case actScale:
		return "scale"
	case actRedeploy:
		return "redeploy"
	case actNodes:
		return "nodes"
	case actAlerts:
		return "alerts"
	}
	return ""
}

// first does the first step of the cause under the cursor that is done here.
func (b *causesBox) first(m *Model) (tea.Cmd, bool) {
	c := b.selected()
	if c == nil {
		return nil, false
	}
	for i := range c.Next {
		if s := &c.Next[i]; s.Action == "investigate" {
			b.back = append(b.back, b.q.question)
			return b.ask(m, diagnosis.Question{Service: s.On, At: b.q.question.At}), false
		} else if s.Action != "" {
			return b.do(m, s.Action)
		}
	}
	return m.say("what is to be done about it is not done from here"), false
}

// do opens or begins what a step names, on the service of the cause under the cursor.
func (b *causesBox) do(m *Model, action string) (tea.Cmd, bool) {
	c := b.selected()
	service, since := b.q.question.Service, time.Time{}
	if c != nil {
		since = c.Since
		if c.Service != "" {
			service = c.Service
		}
	}
	if action == "nodes" || action == "alerts" {
		b.q.stop()
		m.open(map[string]view{"nodes": viewNodes, "alerts": viewAlerts}[action])
		if action == "nodes" && c != nil {
			m.selectNode(c)
		}
		return nil, true
	}
	if m.snap.Service(service) == nil {
		return m.say("this is about no service that runs here"), false
	}
	switch action {
	case "change":
		return m.openChange(service, moment{}), false
	case "rollback":
		return m.openHistory(service, time.Time{}, b), false
	}
	b.q.stop()
	m.overlay = nil
	m.gotoService(service)
	switch action {
	case "tasks":
		return m.enter(), true
	case "logs", "metrics":
		if !since.IsZero() && m.now().Sub(since) < maxBack {
			m.when.set(since, m.o.Now())
		}
		m.open(map[string]view{"logs": viewLogs, "metrics": viewMetrics}[action])
		return nil, true
	case "undo":
		return m.doAct(actUndo), true
	case "scale":
		return m.doAct(actScale), true
	}
	return m.doAct(actRedeploy), true
}

// maxBack is how far back a cause's beginning is gone to: before that the record is thin.
const maxBack = 7 * 24 * time.Hour

// selectNode puts the nodes' cursor on what a cause is about.
func (m *Model) selectNode(c *diagnosis.Cause) {
	name := c.Node
	for i := range c.Next {
		if name == "" && c.Next[i].Action == "nodes" {
			name = c.Next[i].On
		}
	}
	for i := range m.snap.Nodes {
		if n := &m.snap.Nodes[i]; n.Name == name {
			m.arrangeLists()
			m.nodes.selectID(n.ID)
		}
	}
}
