package ui

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	tea "charm.land/bubbletea/v2"

	"quarterdeck/actions"
)

// lookForOpen asks the journal for runs that were interrupted and that no living program executes; offer: they are shown at once.
func (m *Model) lookForOpen(offer bool) tea.Cmd {
	deck := m.o.Deck
	if deck == nil {
		return nil
	}
	ctx, cancel := m.queryContext()
	return func() tea.Msg {
		defer cancel()
		runs, err := deck.Unfinished()
		msg := openRunsMsg{err: err, offer: offer}
		for _, r := range runs {
			s, serr := deck.Stand(ctx, r)
			if serr != nil {
				s.Run, s.NoFinish = r, serr.Error()
				err = errors.Join(err, serr)
			}
			msg.runs = append(msg.runs, s)
		}
		return msg
	}
}

// lookAtStart looks for interrupted runs once the swarm is known.
func (m *Model) lookAtStart() tea.Cmd {
	if m.hands.looked || m.o.Deck == nil || !m.snap.Ready() {
		return nil
	}
	m.hands.looked = true
	return tea.Batch(m.lookForOpen(true), m.lookForForeign(true))
}

func (m *Model) applyOpenRuns(msg openRunsMsg) tea.Cmd {
	if msg.err != nil {
		return m.say("the journal cannot be read for interrupted runs: " + inLine(msg.err.Error()))
	}
	m.hands.open = msg.runs
	switch {
	case len(msg.runs) == 0 || !msg.offer:
		return nil
	case m.overlay != nil || m.prompt != nil:
		return m.say(count(len(msg.runs), "run") + " unfinished · R shows it")
	}
	m.overlay = newOpenBox(m, msg.runs[0])
	return nil
}

// forgetOpen takes runs off that are in hand again, or are being taken back.
func (m *Model) forgetOpen(ids ...string) {
	m.hands.foreign = slices.DeleteFunc(m.hands.foreign, func(f foreignRun) bool { return slices.Contains(ids, f.Run.ID) })
	m.hands.open = slices.DeleteFunc(m.hands.open, func(s actions.Standing) bool { return slices.Contains(ids, s.Run.ID) })
}

// openBox offers what can be done about a run that was interrupted.
type openBox struct {
	at      actions.Standing
	grace   grace
	choice  choice
	finish  bool // is being asked
	leave   bool // is being asked
	back    bool // is being asked: of another machine's run, which becomes this one's by it
	started bool
}

// asked tells whether a question is open.
func (b *openBox) asked() bool { return b.finish || b.leave || b.back }

func newOpenBox(m *Model, s actions.Standing) *openBox {
	b := &openBox{at: s}
	b.grace.restart(m.o.Now())
	return b
}

func (b *openBox) title() string {
	what := "interrupted: "
	if b.at.Run.Elsewhere { // it may be under way there
		what = "on " + inLine(b.at.Run.Host) + ": "
	}
	return what + inLine(b.at.Run.Action) + " " + b.target()
}
func (b *openBox) paste(string) {}

func (b *openBox) target() string {
	return about(strings.Split(b.at.Run.Target, ","))
}

func (b *openBox) page(m *Model, w int) *page {
	p := &page{w: w}
	r := &b.at.Run
	who := ""
	if r.Actor != "" {
		who = ", begun by " + r.Actor + " on " + r.Host
	}
	switch f := m.foreignRun(r.ID); {
	case !r.Elsewhere:
		p.add(m.st.Text, "Run "+r.ID+who+" at "+m.clock(r.Began)+", has no end, and no program executes it.")
	case f != nil && f.life == lifeSeen:
		p.add(m.st.Text, "Run "+r.ID+who+" at "+m.clock(r.Began)+", is under way there: its lock in the swarm changes. Watch it there.")
	case f != nil && f.life == lifeNone:
		p.add(m.st.Text, "Run "+r.ID+who+" at "+m.clock(r.Began)+", has no end. Its lock in the swarm has not changed, or was let go of: no program executes it, on any machine.")
	default:
		p.add(m.st.Text, "Run "+r.ID+who+" at "+m.clock(r.Began)+", has no end. It is being looked whether it is under way there: that takes up to 35 s.")
	}
	if r.Why != "" {
		p.add(m.st.Muted, "why: "+r.Why)
	}
	if b.at.Step != "" {
		is := "It stopped"
		if !b.free(m) {
			is = "It is"
		}
		p.add(m.st.Text, fmt.Sprintf("%s at step %d of %d: %s.", is, b.at.Done+1, b.at.Of, b.at.Step))
	}
	p.gap()
	for i := range b.at.Services {
		b.service(m, p, &b.at.Services[i])
	}
	if b.at.NoFinish != "" {
		p.sign(m.st.Warn, m.st.Signs.Warning, "it cannot be finished: "+b.at.NoFinish)
	}
	p.gap()
	b.offers(m, p)
	return p
}

func (b *openBox) service(m *Model, p *page, s *actions.ServiceStanding) {
	health := s.Health
	reason := s.Reason
	if v := m.snap.Service(s.Service); v != nil { // as of now
		health, reason = string(v.Health), v.Reason
	}
	sign, word, style := m.st.Health(health)
	text := s.Service + ": " + s.State + ", " + word
	if strings.HasPrefix(reason, word) {
		text = s.Service + ": " + s.State + ", " + reason
	} else if reason != "" {
		text += ": " + reason
	}
	p.sign(style, sign, text)
}

func (b *openBox) offers(m *Model, p *page) {
	switch {
	case b.started:
		p.add(m.st.Updating, m.st.Signs.Updating+" it goes on"+m.st.Signs.Ellipsis)
	case b.finish:
		p.add(m.st.Text, fmt.Sprintf("Do the %s that are left?", count(b.at.Of-b.at.Done, "step")))
		p.drawn(b.choice.draw(m.st, "No", "Yes"))
		p.hints(m, "tab y", "choose", "enter", "takes", "esc", "no")
	case b.back:
		p.add(m.st.Text, "Take it over from "+b.at.Run.Host+", and put back what was saved? The plan is shown before anything is done.")
		p.drawn(b.choice.draw(m.st, "No", "Yes"))
		p.hints(m, "tab y", "choose", "enter", "takes", "esc", "no")
	case b.leave:
		p.add(m.st.Text, "Leave it as it is? Nothing is changed; the run ends as interrupted, and its services are free again.")
		p.drawn(b.choice.draw(m.st, "No", "Yes"))
		p.hints(m, "tab y", "choose", "enter", "takes", "esc", "no")
	case !b.free(m):
		p.hints(m, "esc", "later")
	case b.at.NoFinish != "":
		p.hints(m, b.leavable("t", "take back")...)
	case b.at.AllMade:
		p.hints(m, b.leavable("w", "watch: all is changed, the verdict is missing", "t", "take back")...)
	default:
		p.hints(m, b.leavable("f", "finish", "t", "take back")...)
	}
}

// leavable are hints with those that end the box; a run that cannot be left as it is is not offered that.
func (b *openBox) leavable(hints ...string) []string {
	if b.at.NoLeave == "" {
		hints = append(hints, "x", "leave it as it is")
	}
	return append(hints, "esc", "later")
}

// free tells whether the run can be taken in hand: another machine's once it is known that nobody there does.
func (b *openBox) free(m *Model) bool {
	f := m.foreignRun(b.at.Run.ID)
	return !b.at.Run.Elsewhere || f != nil && f.life == lifeNone
}

func (b *openBox) size(m *Model) (int, int) {
	w := boxWidth(m)
	return w, len(b.page(m, w).lines)
}

func (b *openBox) lines(m *Model, w, h int) []string {
	p := b.page(m, w)
	if over := len(p.lines) - h; over > 0 { // the offers stay in sight
		tail := page{w: w}
		b.offers(m, &tail)
		keep := max(h-len(tail.lines), 0)
		return append(p.window(0, keep), tail.lines...)[:h]
	}
	return p.exactly(h)
}

func (b *openBox) key(m *Model, k tea.KeyPressMsg) (tea.Cmd, bool) {
	s := k.String()
	switch {
	case b.started:
		return nil, false
	case s == "esc" || s == "ctrl+c":
		if b.asked() {
			b.finish, b.leave, b.back = false, false, false
			return nil, false
		}
		return nil, true
	case b.grace.tooEarly(m.o.Now()):
		return nil, false
	case b.asked():
		switch b.choice.key(s, false) {
		case answerYes:
			switch {
			case b.leave:
				b.started = true
				return m.abandon(b.at.Run), false
			case b.back:
				return m.requestPlan("take back "+inLine(b.at.Run.Action)+" "+b.target(), undoOfForeign(b.at.Run)), false
			}
			return b.resume(m), false
		case answerNo:
			b.finish, b.leave, b.back = false, false, false
		}
		return nil, false
	case !b.free(m):
		return nil, false
	}
	return b.offered(m, s), false
}

// offered does what was chosen of the offers.
func (b *openBox) offered(m *Model, s string) tea.Cmd {
	switch s {
	case "w":
		if b.at.NoFinish == "" && b.at.AllMade {
			return b.resume(m)
		}
	case "f":
		if b.at.NoFinish == "" && !b.at.AllMade {
			b.finish, b.choice = true, choice{}
			b.grace.restart(m.o.Now())
		}
	case "x":
		if b.at.NoLeave == "" {
			b.leave, b.choice = true, choice{}
			b.grace.restart(m.o.Now())
		}
	case "t":
		if b.at.Run.Elsewhere {
			b.back, b.choice = true, choice{}
			b.grace.restart(m.o.Now())
			return nil
		}
		return m.requestUndo(b.at.Run.ID, b.at.Run.Action+" "+b.target())
	}
	return nil
}

// leftMsg is sent when an interrupted run was ended as it is, or could not be.
type leftMsg struct {
	run string
	err error
}

// abandon ends an interrupted run as it is.
func (m *Model) abandon(r actions.RunRecord) tea.Cmd {
	deck := m.o.Deck
	return func() tea.Msg { return leftMsg{run: r.ID, err: deck.Abandon(r, "from the console")} }
}

func (m *Model) applyLeft(msg leftMsg) tea.Cmd {
	box, shown := m.overlay.(*openBox)
	if msg.err != nil {
		if shown && box.at.Run.ID == msg.run {
			box.started, box.leave = false, false
		}
		return m.say(inLine(msg.err.Error()))
	}
	if shown && box.at.Run.ID == msg.run {
		m.overlay = nil
	}
	m.forgetOpen(msg.run)
	return m.say("run " + inLine(msg.run) + " is left as it is")
}

// resume goes on with the run. That nobody else does is seen to by the journal.
func (b *openBox) resume(m *Model) tea.Cmd {
	b.started = true
	deck, ctx, at := m.o.Deck, m.hands.ctx, b.at
	return m.begin(b, asking{what: "resume " + inLine(at.Run.Action) + " " + b.target()}, func() (*actions.Running, error) {
		if at.Run.Elsewhere {
			own, err := deck.Adopt(ctx, at.Run)
			if err != nil {
				return nil, err
			}
			if at, err = deck.Stand(ctx, own); err != nil {
				return nil, err
			}
		}
		return deck.Resume(ctx, at, m.hands.wake)
	})
}
