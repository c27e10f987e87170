package ui

import (
	"fmt"
	"time"

	tea "charm.land/bubbletea/v2"

	"quarterdeck/actions"
	"quarterdeck/ui/plain"
	"quarterdeck/ui/theme"
)

// recordBox is the record of one run: what it changed, its steps, its verdict.
type recordBox struct {
	id         string
	run        actions.RunRecord
	changes    []actions.ServiceFields
	err        error
	loaded     bool
	seen       actions.TeamRun // as it was when the record was read
	scroll     scroller
	tall, over int
}

// openRecord shows the record of a run.
func (m *Model) openRecord(id string) tea.Cmd {
	if cmd, no := m.noDeck(); no {
		return cmd
	}
	b := &recordBox{id: id, seen: m.teamRun(id)}
	m.overlay = b
	return b.read(m)
}

func (b *recordBox) read(m *Model) tea.Cmd {
	deck, id := m.o.Deck, b.id
	ctx, cancel := m.queryContext()
	return func() tea.Msg {
		defer cancel()
		run, err := deck.Find(ctx, id)
		msg := recordMsg{box: b, run: run, err: err}
		if err == nil {
			msg.changes = deck.ChangesOf(&run)
		}
		return msg
	}
}

func (b *recordBox) apply(msg recordMsg) {
	if msg.err != nil && b.loaded && b.err == nil {
		return // what is shown is better than nothing
	}
	b.run, b.changes, b.err, b.loaded = msg.run, msg.changes, msg.err, true
}

// wake reads the record again when the run has gone on.
func (b *recordBox) wake(m *Model) tea.Cmd {
	if now := m.teamRun(b.id); now != b.seen {
		b.seen = now
		return b.read(m)
	}
	return nil
}

// teamRun is a run as the team's record has it; the zero value: it is not known.
func (m *Model) teamRun(id string) actions.TeamRun {
	for i := range m.team {
		if m.team[i].Run == id {
			return m.team[i]
		}
	}
	return actions.TeamRun{}
}

func (b *recordBox) title() string { return "run " + inLine(b.id) }
func (b *recordBox) paste(string)  {}
func (b *recordBox) size(m *Model) (int, int) {
	w := boxWidth(m)
	return w, min(m.h-4, max(len(b.page(m, w).lines)+len(boxHints(m, w, areaRecord).lines)+1, 16))
}

func (b *recordBox) lines(m *Model, w, h int) []string {
	foot := boxHints(m, w, areaRecord)
	b.tall = max(h-len(foot.lines)-1, 1)
	p := b.page(m, w)
	b.over = max(len(p.lines)-b.tall, 0)
	b.scroll.at = min(b.scroll.at, b.over)
	out := p.window(b.scroll.at, b.tall)
	return append(append(out, moreLine(m, b.over-b.scroll.at, w)), foot.lines...)[:h]
}

// moreLine says how many lines are below what is shown, and the key that shows them.
func moreLine(m *Model, left, w int) string {
	if left <= 0 {
		return plain.Fit("", w)
	}
	return m.st.Muted.Render(plain.Fit(fmt.Sprintf("%s %s: pgdn", m.st.Signs.DownArrow, count(left, "more line")), w))
}

// resultSign is how a run's result is shown.
func (m *Model) resultSign(result string) (sign, word string, style theme.Style) {
	switch result {
	case "":
		return m.st.Signs.Updating, "under way", m.st.Updating
	case actions.ResultDone, actions.ResultNothing:
		return m.st.Signs.OK, result, m.st.OK
	case actions.ResultInterrupted:
		return m.st.Signs.Warning, result, m.st.Warn
	}
	return m.st.Signs.Down, result, m.st.Error
}

func (b *recordBox) page(m *Model, w int) *page {
	p := &page{w: w}
	switch {
	case !b.loaded:
		p.add(m.st.Muted, "reading the record"+m.st.Signs.Ellipsis)
	case b.err != nil:
		b.withoutRecord(m, p)
	default:
		b.whole(m, p)
	}
	return p
}

// withoutRecord tells what is known of a run whose record could not be read.
func (b *recordBox) withoutRecord(m *Model, p *page) {
	if t := &b.seen; t.Run != "" {
		sign, word, style := m.resultSign(t.Result)
		p.sign(style, sign, word+": "+t.Action+" "+t.Target+", by "+t.Actor+" on "+t.Host+", begun "+m.clock(t.Began))
		if t.Reason != "" {
			p.add(m.st.Text, t.Reason)
		}
		p.gap()
	}
	text, next := errorWords(b.err)
	p.sign(m.st.Warn, m.st.Signs.Warning, "its record could not be read: "+text)
	if next != "" {
		p.add(m.st.Text, next)
	}
}

func (b *recordBox) whole(m *Model, p *page) {
	r := &b.run
	sign, word, style := m.resultSign(r.Result)
	p.sign(style, sign, r.Action+" "+r.Target+": "+word)
	when := "began " + m.clock(r.Began)
	if !r.Ended.IsZero() {
		when += ", took " + shortly(r.Ended.Sub(r.Began))
	}
	p.add(m.st.Muted, when+", by "+r.Actor+" on "+r.Host)
	for _, x := range []struct{ head, text string }{{"why: ", r.Why}, {"came to: ", r.Reason}, {"takes back run ", r.Of}} {
		if x.text != "" {
			p.add(m.st.Text, x.head+x.text)
		}
	}
	if r.UndoneBy != "" {
		p.sign(m.st.Warn, m.st.Signs.Warning, "taken back by run "+r.UndoneBy)
	}
	for i := range b.changes {
		p.gap()
		p.add(m.st.Title, b.changes[i].Service)
		p.fieldsOf(m, b.changes[i].Fields)
	}
	for _, text := range r.Warnings() {
		p.sign(m.st.Warn, m.st.Signs.Warning, "warning: "+text)
	}
	p.gap()
	for _, s := range r.StepReports() {
		p.step(m, &s)
	}
	p.verdict(m, r.Verdict())
}

// step is one step with its time.
func (p *page) step(m *Model, s *actions.StepReport) {
	sign, style := m.st.Signs.Updating, m.st.Updating
	took := "begun"
	switch s.State {
	case "done":
		sign, style = m.st.Signs.OK, m.st.OK
	case "failed":
		sign, style = m.st.Signs.Down, m.st.Error
	}
	if s.Took > 0 {
		took = shortly(time.Duration(s.Took * float64(time.Second)))
	} else if s.State != "started" {
		took = "at once"
	}
	p.drawn(style.Render(sign+" ") + m.st.Muted.Render(m.clock(s.Started)) + m.st.Text.Render(plain.Fit("  "+inLine(s.Name), max(p.w-24, 8))) + m.st.Muted.Render(align(took, 12, true)))
	if s.Detail != "" {
		p.hang(style, "    ", s.Detail)
	}
}

// verdict is the proof.
func (p *page) verdict(m *Model, v *actions.VerifyReport) {
	p.gap()
	if v == nil {
		p.add(m.st.Muted, "nothing was verified")
		return
	}
	if v.Converged {
		p.sign(m.st.OK, m.st.Signs.OK, fmt.Sprintf("proven: it stayed well for %s", shortly(time.Duration(v.StableFor*float64(time.Second)))))
	} else {
		p.sign(m.st.Error, m.st.Signs.Down, "not proven: it did not come to what was asked for")
	}
	for i := range v.Checks {
		c := &v.Checks[i]
		sign, style := m.st.Signs.OK, m.st.OK
		if !c.OK {
			sign, style = m.st.Signs.Down, m.st.Error
		}
		p.sign(style, "  "+sign, c.Service+" "+c.Name+": "+c.Detail)
	}
}

func (b *recordBox) key(m *Model, k tea.KeyPressMsg) (tea.Cmd, bool) {
	switch a := lookup(k, areaRecord, areaList); a {
	case actBack, actQuit:
		return nil, true
	case actLeave:
		return m.quit(), false
	case actUndo:
		if !b.loaded || b.err != nil {
			return m.say("its record is not known here: take it back where it was made"), false
		}
		if b.run.Elsewhere {
			return m.say(shortName(b.run.Actor) + "'s run is in the journal of another machine: d and b go back to before it"), false
		}
		return m.requestUndo(b.id, b.run.Action+" "+b.run.Target), false
	case actHistory, actChange:
		names := b.run.Services()
		if len(names) == 0 {
			return m.say("this run is about no service"), false
		}
		if a == actHistory {
			return m.openHistory(names[0], time.Time{}, b), false
		}
		return m.openChange(names[0], moment{at: b.run.Began, run: b.id, what: "run"}), false
	default:
		b.scroll.handle(a, b.over, b.tall)
	}
	return nil, false
}
