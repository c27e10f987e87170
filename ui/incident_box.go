package ui

import (
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"quarterdeck/actions"
	"quarterdeck/incident"
	"quarterdeck/sources/fleet"
	"quarterdeck/ui/plain"
)

// incidentBox shows an incident: where it stands, how long what took, what was done, and all that was written.
type incidentBox struct {
	id         string
	scroll     scroller
	tall, over int
}

func (b *incidentBox) title() string { return "incident " + inLine(b.id) }
func (b *incidentBox) paste(string)  {}
func (b *incidentBox) size(m *Model) (int, int) {
	w := boxWidth(m)
	return w, min(m.h-4, max(len(b.page(m, w).lines)+len(b.foot(m, w).lines)+1, 18))
}

// foot are the keys that mean something in the incident's state.
func (b *incidentBox) foot(m *Model, w int) *page { return boxHints(m, w, areaIncident) }

func (b *incidentBox) lines(m *Model, w, h int) []string {
	foot := b.foot(m, w)
	b.tall = max(h-len(foot.lines)-1, 1)
	p := b.page(m, w)
	b.over = max(len(p.lines)-b.tall, 0)
	b.scroll.at = min(b.scroll.at, b.over)
	out := p.window(b.scroll.at, b.tall)
	return append(append(out, moreLine(m, b.over-b.scroll.at, w)), foot.lines...)[:h]
}

func (b *incidentBox) page(m *Model, w int) *page {
	p := &page{w: w}
	x := m.incidentByID(b.id)
	if x == nil {
		p.add(m.st.Muted, "this incident is not known here any more")
		return p
	}
	p.incidentHead(m, x)
	fixes := incident.Fixes(x, m.team)
	p.gap()
	p.incidentTimes(m, x, fixes)
	if len(fixes) > 0 {
		p.gap()
		p.add(m.st.Title, "runs on its services meanwhile")
		for i := range fixes {
			f := &fixes[i]
			sign, word, style := m.resultSign(f.Result)
			p.sign(style, sign, m.clock(f.Began)+"  "+f.Action+" "+f.Target+" by "+shortName(f.Actor)+": "+word)
		}
	}
	p.gap()
	p.add(m.st.Title, "what was written")
	for i := range x.Entries {
		p.incidentEntry(m, &x.Entries[i])
	}
	return p
}

// incidentHead is what it is about, and where it and its services stand.
func (p *page) incidentHead(m *Model, x *incident.Incident) {
	p.add(m.st.Title, x.Title)
	state := m.stateOf(x)
	sign, style := m.incidentSign(state)
	text := string(state)
	switch {
	case state == incident.Resolved:
		text += " " + m.clock(x.Resolved.At) + " by " + shortName(x.Resolved.By)
	case x.Owner == "":
		text += " for " + shortly(m.now().Sub(x.Started.At)) + ", nobody has acknowledged it: a"
	default:
		text += " for " + shortly(m.now().Sub(m.stateSince(x))) + ", " + shortName(x.Owner) + " looks after it"
	}
	if x.Severity != "" {
		text += ", " + x.Severity
	}
	p.sign(style, sign, text)
	for _, name := range x.Nodes {
		p.incidentNode(m, name)
	}
	for _, name := range x.Services {
		s := m.snap.Service(name)
		if s == nil {
			p.sign(m.st.Muted, m.st.Signs.Unknown, name+": not in the swarm now")
			continue
		}
		sign, word, style := m.st.Health(string(s.Health))
		text := name + ": " + word + " " + s.Run()
		if s.Reason != "" {
			text += ", " + s.Reason
		}
		if s.Firing > 0 {
			text += ", " + count(s.Firing, "alert") + " firing"
		}
		p.sign(style, sign, text)
	}
}

// incidentNode is where a node that an incident is of stands.
func (p *page) incidentNode(m *Model, name string) {
	n := nodeNamed(m.snap, name)
	switch {
	case n == nil:
		p.sign(m.st.Muted, m.st.Signs.Unknown, "node "+name+": not in the swarm now")
	case n.Up():
		p.sign(m.st.OK, m.st.Signs.OK, "node "+name+": "+n.State)
	default:
		p.sign(m.st.Error, m.st.Signs.Critical, strings.TrimSuffix("node "+name+": "+n.State+", "+n.Message, ", "))
	}
}

func nodeNamed(snap *fleet.Snapshot, name string) *fleet.Node {
	for i := range snap.Nodes {
		if snap.Nodes[i].Name == name {
			return &snap.Nodes[i]
		}
	}
	return nil
}

// incidentTimes are how long it took from one phase to the next. What is not known says why.
func (p *page) incidentTimes(m *Model, x *incident.Incident, fixes []incident.Mitigation) {
	if x.Impact.Known() {
		text := "impact began " + m.clock(x.Impact.At) + ", set by " + shortName(x.Impact.By)
		if x.Impact.Source != "" && x.Impact.Source != "a person" {
			text += ": " + x.Impact.Source
		}
		p.add(m.st.Text, text)
	} else {
		p.sign(m.st.Warn, m.st.Signs.Warning, "nobody has set when the impact began: t")
	}
	t := incident.TimesOf(x, fixes)
	for _, s := range []struct {
		what string
		span incident.Span
		end  incident.Moment
	}{{"detected", t.Detect, x.Detected}, {"acknowledged", t.Acknowledge, x.Acknowledged}, {"mitigated", t.Mitigate, incident.MitigatedBy(x, fixes)}, {"resolved", t.Resolve, x.Resolved}} {
		value, style := "not known: "+s.span.Reason, m.st.Muted
		if !s.end.Known() && x.Ongoing() {
			value = "not yet: " + s.span.Reason
		}
		if s.span.Seconds != nil {
			value, style = "after "+shortly(time.Duration(*s.span.Seconds*float64(time.Second)))+", by "+s.span.By, m.st.Text
		}
		p.hang(style, plain.Fit(s.what, 14), value)
	}
}

// entryWords are the phases as the box has them.
var entryWords = map[incident.Phase]string{incident.Start: "started", incident.Note: "note", incident.Impact: "impact", incident.Acknowledge: "acknowledged", incident.Mitigate: "mitigated",
	incident.Resolve: "resolved", incident.Reopen: "reopened"}

func (p *page) incidentEntry(m *Model, e *incident.Entry) {
	style := m.st.Text
	switch e.Phase {
	case incident.Start, incident.Reopen:
		style = m.st.Error
	case incident.Acknowledge, incident.Mitigate, incident.Resolve:
		style = m.st.OK
	}
	word := entryWords[e.Phase]
	if e.Section != "" {
		word = string(e.Section)
	}
	text := e.Text
	if e.Phase == incident.Impact {
		text = "began " + m.clock(e.At) + " " + e.By
	}
	if e.Idle {
		text = strings.TrimSpace(text + " (it was so already)")
	}
	at := e.At
	if e.Phase == incident.Impact {
		at = e.Written
	}
	p.hang(style, plain.Fit(m.clock(at), 13)+plain.Fit(word, 14)+plain.Fit(shortName(e.Actor), 11)+" ", text)
}

func (b *incidentBox) key(m *Model, k tea.KeyPressMsg) (tea.Cmd, bool) {
	x := m.incidentByID(b.id)
	a := lookup(k, areaIncident, areaList)
	switch a {
	case actBack, actQuit, actIncident:
		return nil, true
	case actLeave:
		return m.quit(), false
	case actIncidentList:
		m.overlay = &incidentsBox{}
		return nil, false
	case actIncidentNew:
		return m.startIncident(true), false
	}
	if x == nil {
		return nil, false
	}
	switch a {
	case actIncidentReport:
		return m.openReport(x, b), false
	case actNote, actAcknowledge, actMitigate, actResolve, actImpact, actReopen:
		if m.readOnly() {
			return m.say("read-only: nothing is written from here"), false
		}
		return b.write(m, x, a), false
	}
	b.scroll.handle(a, b.over, b.tall)
	return nil, false
}

// write asks for what a phase needs, and writes it.
func (b *incidentBox) write(m *Model, x *incident.Incident, a act) tea.Cmd {
	id := x.ID
	switch a {
	case actNote:
		m.overlay = b.ask(m, "note", "", []string{"It stands on the timeline. One that begins with a section's name and a colon is for that part of the report: summary, impact, cause, trigger, resolution, detection, action, lesson."},
			func(m *Model, text string) (tea.Cmd, string) {
				of, words := incident.SplitNote(text)
				if words == "" {
					return nil, "say something"
				}
				return m.writePhase(id, incident.Entry{Phase: incident.Note, Text: words, Section: of}, "noted"), ""
			})
	case actAcknowledge:
		if x.Owner == m.o.Deck.Policy.Actor {
			return m.say("you look after it already")
		}
		return m.writePhase(id, incident.Entry{Phase: incident.Acknowledge}, "acknowledged: you look after it")
	case actMitigate:
		m.overlay = b.ask(m, "mitigated: users are not hit any more", b.lastFix(m, x), []string{"What has helped?"}, func(m *Model, text string) (tea.Cmd, string) {
			return m.writePhase(id, incident.Entry{Phase: incident.Mitigate, Text: text}, "mitigated"), ""
		})
	case actResolve:
		m.overlay = newResolveBox(m, x, b)
	case actImpact:
		return m.askImpact(x, b)
	case actReopen:
		m.overlay = b.ask(m, "reopen: it is not over after all", "", []string{"Why?"}, func(m *Model, text string) (tea.Cmd, string) {
			return m.writePhase(id, incident.Entry{Phase: incident.Reopen, Text: text}, "reopened"), ""
		})
	}
	return nil
}

// ask asks for a line, and comes back to the incident; where the line could not be written it is asked for again, as it was typed.
func (b *incidentBox) ask(m *Model, head, value string, words []string, take func(*Model, string) (tea.Cmd, string)) *askBox {
	var box *askBox
	box = newAsk(m, head, "> ", value, words, func(m *Model, text string) (tea.Cmd, string) {
		cmd, complain := take(m, text)
		if complain != "" {
			return nil, complain
		}
		m.overlay = b
		return func() tea.Msg {
			msg := cmd()
			if x, ok := msg.(incidentMsg); ok {
				x.from = box
				return x
			}
			return msg
		}, ""
	})
	box.under = b
	return box
}

// lastFix is the last run that went well, in words.
func (b *incidentBox) lastFix(m *Model, x *incident.Incident) string {
	fixes := incident.Fixes(x, m.team)
	for i := len(fixes) - 1; i >= 0; i-- {
		if f := &fixes[i]; f.Result == actions.ResultDone {
			return inLine(f.Action + " of " + f.Target + " (run " + f.Run + ")")
		}
	}
	return ""
}
