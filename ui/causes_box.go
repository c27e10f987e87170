package ui

import (
	"fmt"
	"time"

	tea "charm.land/bubbletea/v2"

	"quarterdeck/diagnosis"
	"quarterdeck/ui/plain"
)

// causesBox is an investigation: the causes ranked, what is not well without one, and of the row under the cursor the proof, what speaks against it,
// and what to do next.
type causesBox struct {
	q          inquest
	because    string // why the question is the one it is
	from       string // the service that it was opened on; "": none
	list       list
	rows       map[string]causeRow // by the list's ids
	moved      time.Time           // when the cursor was moved last; zero: never
	ordered    time.Time           // the moment of the report that the rows' order is of
	kept       bool                // the rows keep an older order
	asked      uint64              // the fleet's snapshot that the question was asked of
	known      map[diagnosis.Question]diagnosis.Report
	scroll     scroller
	tall, over int
	copied     int                  // how many of the row's commands were copied
	back       []diagnosis.Question // where esc goes after enter has led on
}

// boxAgain is how often an open box looks again by itself, where the fleet has changed meanwhile.
const boxAgain = 10 * time.Second

// openCauses looks into what is selected, or, where that is no service, into all that is not well.
func (m *Model) openCauses() tea.Cmd {
	if m.o.Doctor == nil {
		return m.say("there is nothing here that could look for causes")
	}
	name, because := m.causeSubject()
	b := &causesBox{because: because, from: name, known: map[diagnosis.Question]diagnosis.Report{}}
	m.overlay = b
	question := diagnosis.Question{Service: name, At: m.when.at}
	if a := &m.causes; a.known && a.question == question { // it stands beside the service already
		b.known[question] = a.report
	}
	return b.ask(m, question)
}

// causeSubject is the service that the question is about, and why it is that one; "": all.
func (m *Model) causeSubject() (name, because string) {
	name = m.subject()
	if m.view == viewNodes {
		return "", "here no service is selected"
	}
	if m.snap.Service(name) == nil {
		return "", map[view]string{viewAlerts: "the alert names no service", viewTimeline: "the row names no service"}[m.view]
	}
	switch m.view {
	case viewAlerts:
		return name, "the alert's service"
	case viewTimeline:
		return name, "the row's service"
	}
	return name, "the selected service"
}

// ask asks another question. What is known of it already stands there meanwhile.
func (b *causesBox) ask(m *Model, question diagnosis.Question) tea.Cmd {
	b.list, b.scroll, b.moved = list{}, scroller{}, time.Time{}
	if b.q.known && b.q.report.Done {
		b.known[b.q.question] = b.q.report
	}
	b.q.question = question
	b.q.report, b.q.known = b.known[question]
	cmd := b.start(m)
	b.arrange(m.o.Now())
	return cmd
}

func (b *causesBox) start(m *Model) tea.Cmd {
	if m.snap != nil {
		b.asked = m.snap.Seq
	}
	return b.q.start(m, b.q.question)
}

// wantBox keeps an open box's rows in line with what is known, and looks again where that is old.
func (m *Model) wantBox() tea.Cmd {
	b, ok := m.overlay.(*causesBox)
	if !ok {
		return nil
	}
	now := m.o.Now()
	b.arrange(now)
	if b.q.running || !b.q.question.At.IsZero() || m.snap == nil || m.snap.Seq == b.asked || now.Sub(b.q.ended) < boxAgain {
		return nil
	}
	return b.start(m)
}

func (b *causesBox) title() string {
	what := "all that is not well"
	if s := b.q.question.Service; s != "" {
		what = inLine(s)
	}
	if b.because != "" {
		what += " · " + b.because
	}
	return "why: " + what
}

func (b *causesBox) paste(string)             {}
func (b *causesBox) size(m *Model) (int, int) { return m.w, m.h - 4 }

// bare: its lines are the screen's own, without a frame beside them, so that a command can be taken with the mouse.
func (b *causesBox) bare() {}

func (b *causesBox) key(m *Model, k tea.KeyPressMsg) (tea.Cmd, bool) {
	switch a := lookup(k, areaCauses, areaList); a {
	case actBack, actQuit:
		if n := len(b.back); n > 0 {
			question := b.back[n-1]
			b.back = b.back[:n-1]
			b.because = ""
			return b.ask(m, question), false
		}
		b.q.stop()
		return nil, true
	case actLeave:
		return m.quit(), false
	case actHelp:
		m.overlay = newHelpOver(b, areaCauses)
	case actUp, actDown, actTop, actBottom:
		b.moved = m.o.Now()
		if b.list.handle(a) {
			b.scroll, b.copied = scroller{}, 0
		}
	case actFlip:
		return b.flip(m), false
	case actRefresh:
		return b.start(m), false
	case actCopy:
		return b.copyCommand(m), false
	case actSave, actCopyAll:
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

// flip goes between the one service and all. It is no step on the way: esc then closes the box.
func (b *causesBox) flip(m *Model) tea.Cmd {
	question := diagnosis.Question{At: b.q.question.At}
	because := "all services, nodes and alerts"
	if b.q.question.Service == "" {
		because = "the row's service"
		r, _ := b.selected()
		if r.id != "" {
			question.Service = r.service()
		}
		if question.Service == "" {
			question.Service, because = b.from, "the selected service"
		}
		if question.Service == "" {
			return m.say("choose a row that is about a service")
		}
	}
	b.back, b.because = nil, because
	return b.ask(m, question)
}

// leadOn asks about another service; esc comes back.
func (b *causesBox) leadOn(m *Model, service string) tea.Cmd {
	b.back = append(b.back, b.q.question)
	b.because = "esc: back to where enter led on from"
	return b.ask(m, diagnosis.Question{Service: service, At: b.q.question.At})
}

// copyCommand copies the next of the commands that the cause under the cursor names, in turn.
func (b *causesBox) copyCommand(m *Model) tea.Cmd {
	commands := commandsOf(b.cause())
	if len(commands) == 0 {
		return m.say("it names no command; C copies all of this as Markdown")
	}
	if b.copied >= len(commands) {
		b.copied = 0
	}
	command := commands[b.copied]
	b.copied++
	said := "copied: " + inLine(command)
	if len(commands) > 1 {
		said = fmt.Sprintf("copied %d of %d: %s", b.copied, len(commands), inLine(command))
	}
	return tea.Batch(tea.SetClipboard(plain.Text(command)), m.say(said))
}

// commandsOf are the commands that a cause names, in its order.
func commandsOf(c *diagnosis.Cause) []string {
	var out []string
	if c == nil {
		return nil
	}
	for i := range c.Next {
		if s := c.Next[i].Command; s != "" {
			out = append(out, s)
		}
	}
	return out
}

// keep copies or saves the report as Markdown.
func (b *causesBox) keep(m *Model, a act) tea.Cmd {
	if !b.q.known {
		return m.say("there is nothing yet to be kept")
	}
	text := b.q.report.Markdown()
	if a == actCopyAll {
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

// first does the first step of the row under the cursor that is done here.
func (b *causesBox) first(m *Model) (tea.Cmd, bool) {
	r, ok := b.selected()
	switch {
	case !ok && b.q.question.Service != "" && len(b.q.report.Elsewhere) > 0:
		return b.flip(m), false
	case !ok:
		return nil, false
	case r.cause == nil && r.trouble.Service != "" && r.trouble.Service != b.q.question.Service:
		return b.leadOn(m, r.trouble.Service), false
	case r.cause == nil && r.trouble.Kind == diagnosis.TroubledNode:
		return b.do(m, "nodes")
	case r.cause == nil && r.trouble.Alert == "":
		return b.do(m, "tasks")
	case r.cause == nil:
		return b.do(m, "alerts")
	}
	for i := range r.cause.Next {
		if s := &r.cause.Next[i]; s.Action == "investigate" {
			return b.leadOn(m, s.On), false
		} else if s.Action != "" {
			return b.do(m, s.Action)
		}
	}
	return m.say("what is to be done about it is not done from here"), false
}

// do opens or begins what a step names, on the service of the cause under the cursor.
func (b *causesBox) do(m *Model, action string) (tea.Cmd, bool) {
	c := b.cause()
	service, since := b.q.question.Service, time.Time{}
	if r, ok := b.selected(); ok {
		since = r.since()
		if s := r.service(); s != "" {
			service = s
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
		cmd := m.openChange(service, moment{})
		if x, ok := m.overlay.(*changeBox); ok {
			x.why = whyOf(c, service)
		}
		return cmd, false
	case "rollback":
		cmd := m.openHistory(service, time.Time{}, b)
		if h, ok := m.overlay.(*historyBox); ok {
			h.why = whyOf(c, service)
		}
		return cmd, false
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
		if pair, ok := causePairs[causeID(c)]; ok && action == "metrics" {
			m.metrics.lead, m.metrics.scroll = leadCharts{service, pair}, 0
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

// whyOf is a cause of a service as the reason for what is done about it; "": it is of another, or there is none.
func whyOf(c *diagnosis.Cause, service string) string {
	if c == nil || c.Service != service {
		return ""
	}
	return fmt.Sprintf("%s (%s, %.0f %% sure)", inLine(c.Title), c.ID, 100*c.Confidence)
}

// causeID is the id of a cause; "": there is none.
func causeID(c *diagnosis.Cause) string {
	if c == nil {
		return ""
	}
	return c.ID
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
