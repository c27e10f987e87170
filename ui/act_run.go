package ui

import (
	"errors"
	"fmt"
	"sync"
	"time"

	tea "charm.land/bubbletea/v2"

	"quarterdeck/actions"
)

// runsKept is how many runs of this session are kept to be looked at.
const runsKept = 50

// leaveWithin is how long the end of the console waits for the runs to write down that nobody watches them any more.
const leaveWithin = 3 * time.Second

// runEntry is a run of this session, as it was when it was looked at last.
type runEntry struct {
	asking
	run      *actions.Running
	progress actions.Progress
	at       time.Time // of the progress
	ended    bool
	report   actions.Report
	err      error
	read     bool // the verdict was on the screen
}

// start begins the run of a plan that was confirmed.
func (m *Model) start(b *planBox) tea.Cmd {
	deck, ctx, plan, a := m.o.Deck, m.hands.ctx, b.plan, b.confirm.approval()
	b.reason = a.Reason
	return m.begin(b, b.asking, func() (*actions.Running, error) { return deck.Start(ctx, plan, a, m.hands.wake) })
}

// begin has a run begun in a command.
func (m *Model) begin(box overlay, a asking, begin func() (*actions.Running, error)) tea.Cmd {
	ctx := m.hands.ctx
	return func() tea.Msg {
		if ctx.Err() != nil { // the console is left: nothing begins any more
			return nil
		}
		run, err := begin()
		return runStartedMsg{box: box, asking: a, run: run, err: err}
	}
}

// wake has the next frame show the runs' progress. It never blocks.
func (h *hands) wake() {
	select {
	case h.news <- struct{}{}:
	default:
	}
}

// applyRunStarted shows the run, or why it was refused.
func (m *Model) applyRunStarted(msg runStartedMsg) tea.Cmd {
	here := m.overlay == msg.box
	if msg.err != nil {
		return m.refused(msg, here)
	}
	e := &runEntry{asking: msg.asking, run: msg.run, progress: msg.run.Progress(), at: m.o.Now()}
	m.hands.add(e)
	m.forgetOpen(e.progress.Run, e.progress.Plan.Of)
	if here {
		m.overlay = newProgressBox(m, e)
	}
	return func() tea.Msg {
		report, err := msg.run.Report()
		return runEndedMsg{e, report, err}
	}
}

func (m *Model) refused(msg runStartedMsg, here bool) tea.Cmd {
	var c *actions.Conflict
	if errors.As(msg.err, &c) && msg.plan != nil && here {
		return m.askAgain(msg.asking, c)
	}
	if here {
		var back overlay // the form, with what was typed in it
		if b, ok := msg.box.(*planBox); ok {
			back = b.under
		}
		m.overlay = newErrorBox(msg.what, msg.err, back)
		return nil
	}
	text, _ := errorWords(msg.err)
	return m.say(inLine(msg.what + ": " + text))
}

// askAgain makes a plan anew that somebody else's change came before: nothing is forced over it.
func (m *Model) askAgain(a asking, c *actions.Conflict) tea.Cmd {
	a.note = "somebody else changed " + c.Service + ": look again"
	for i, what := range c.Changed {
		if i == 0 {
			a.note = "somebody else changed " + c.Service + " (" + what
		} else {
			a.note += ", " + what
		}
		if i == len(c.Changed)-1 {
			a.note += "): look again"
		}
	}
	m.overlay = nil
	return m.request(a)
}

func (h *hands) add(e *runEntry) {
	h.runs = append(h.runs, e)
	for i := 0; len(h.runs) > runsKept && i < len(h.runs); {
		if h.runs[i].ended {
			h.runs = append(h.runs[:i:i], h.runs[i+1:]...)
		} else {
			i++
		}
	}
}

// look takes the progress of the runs that go on.
func (h *hands) look(now time.Time) {
	for _, e := range h.runs {
		if !e.ended {
			e.progress, e.at = e.run.Progress(), now
		}
	}
}

// active are the runs that go on.
func (h *hands) active() []*runEntry {
	var out []*runEntry
	for _, e := range h.runs {
		if !e.ended {
			out = append(out, e)
		}
	}
	return out
}

// failed are the runs whose bad end nobody has looked at.
func (h *hands) failed() []*runEntry {
	var out []*runEntry
	for _, e := range h.runs {
		if e.ended && !e.read && !e.well() {
			out = append(out, e)
		}
	}
	return out
}

func (e *runEntry) well() bool {
	return e.report.Result == actions.ResultDone || e.report.Result == actions.ResultNothing
}

// applyRunEnded tells of a run's end: in its own box where that is open, else in a note.
func (m *Model) applyRunEnded(msg runEndedMsg) tea.Cmd {
	e := msg.entry
	e.progress, e.at = e.run.Progress(), m.o.Now()
	e.ended, e.report, e.err = true, msg.report, msg.err
	if m.view == viewStages { // what was done here is to be seen here
		m.o.Stages.Refresh()
	}
	m.o.Scaling.Refresh() // what was recommended was about the replicas before
	box, open := m.overlay.(*progressBox)
	e.read = open && box.entry == e
	var look tea.Cmd
	if e.report.Result == actions.ResultInterrupted && m.hands.ctx.Err() == nil {
		look = m.lookForOpen(false)
	}
	var c *actions.Conflict
	if errors.As(msg.err, &c) && e.plan != nil && (e.read || m.overlay == nil) {
		e.read = true
		return tea.Batch(look, m.askAgain(e.asking, c))
	}
	if e.read {
		return look
	}
	sign, text, _ := m.verdict(e)
	return tea.Batch(look, m.say(inLine(fmt.Sprintf("%s %s: %s · R shows it", sign, e.progress.Title, text))))
}

// leave ends the watching of all runs, and waits a while for that to be written down. What the swarm was told goes on.
func (m *Model) leave() {
	var active []*actions.Running
	if m.o.Deck != nil {
		active = m.o.Deck.Active() // before their context ends, and they with it
	}
	m.hands.end()
	var wg sync.WaitGroup
	for _, r := range active {
		wg.Go(r.Leave)
	}
	done := make(chan struct{})
	go func() { wg.Wait(); close(done) }()
	select {
	case <-done:
	case <-time.After(leaveWithin):
	}
}

// quit ends the console. While runs go on it asks first.
func (m *Model) quit() tea.Cmd {
	if _, asked := m.overlay.(*quitBox); asked || len(m.hands.active()) == 0 {
		return tea.Quit
	}
	b := &quitBox{under: m.overlay}
	b.grace.restart(m.o.Now())
	m.overlay = b
	return nil
}

// quitBox asks whether the console shall be left while runs go on.
type quitBox struct {
	under  overlay
	choice choice
	grace  grace
}

func (b *quitBox) title() string { return "quit?" }
func (b *quitBox) paste(string)  {}

func (b *quitBox) page(m *Model, w int) *page {
	p := &page{w: w}
	active := m.hands.active()
	p.add(m.st.Title, count(len(active), "run")+" under way:")
	for i, e := range active {
		if i == 5 {
			p.add(m.st.Muted, fmt.Sprintf("  and %d more", len(active)-i))
			break
		}
		p.sign(m.st.Updating, "  "+m.st.Signs.Updating, e.progress.Title)
	}
	p.gap()
	p.add(m.st.Text, "The swarm goes on with what it was told. Nobody will watch it: the verdict is missing, and the next start offers to resume or to take back.")
	p.gap()
	p.drawn(b.choice.draw(m.st, "Stay", "Quit"))
	p.hints(m, "tab y", "choose", "enter", "takes", "esc", "stays", "ctrl+c", "quits at once")
	return p
}

func (b *quitBox) size(m *Model) (int, int) {
	w := boxWidth(m)
	return w, len(b.page(m, w).lines)
}

func (b *quitBox) lines(m *Model, w, h int) []string { return b.page(m, w).exactly(h) }

func (b *quitBox) key(m *Model, k tea.KeyPressMsg) (tea.Cmd, bool) {
	switch s := k.String(); {
	case s == "ctrl+c":
		return tea.Quit, false
	case s == "esc" || s == "q":
		m.overlay = b.under
	case !b.grace.tooEarly(m.o.Now()):
		switch b.choice.key(s, false) {
		case answerYes:
			return tea.Quit, false
		case answerNo:
			m.overlay = b.under
		}
	}
	return nil, false
}
