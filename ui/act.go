package ui

import (
	"context"
	"errors"
	"time"

	tea "charm.land/bubbletea/v2"

	"quarterdeck/actions"
	"quarterdeck/sources"
)

// The hands of the console. A key asks for a plan (requestPlan), the plan is shown and confirmed (act_plan.go, act_confirm.go), a run
// begins (act_run.go) and is watched (act_progress.go). Whatever reads or writes is done by commands.

// slowPlan is how long a plan may take before it is said that it is being made.
const slowPlan = 150 * time.Millisecond

// hands is what the console knows of its runs. The context is that of the runs: it ends with the console.
type hands struct {
	ctx  context.Context
	end  context.CancelFunc
	news chan struct{} // signalled when a run's progress differs

	runs   []*runEntry        // of this session, the oldest first
	open   []actions.Standing // interrupted runs of earlier processes
	looked bool               // for such runs
	// foreign are the recoveries that other machines have begun, as the swarm's locks tell of them; watching: it is being looked whether somebody executes them.
	foreign  []foreignRun
	watching bool
}

func newHands() hands {
	ctx, end := context.WithCancel(context.Background())
	return hands{ctx: ctx, end: end, news: make(chan struct{}, 1)}
}

// planFunc makes a plan, by reading alone.
type planFunc = func(ctx context.Context, d *actions.Deck) (*actions.Plan, error)

// asking is what a plan is asked for, to ask once more.
type asking struct {
	what string
	plan planFunc
	note string // what is said above the plan: why it is asked again
	// reason is what somebody has typed for the plan before: it is not asked for twice.
	reason string
	// step, where set, asks for one more or one less of the same.
	step func(m *Model, by int) tea.Cmd
	// needs, where set, asks for the first of so many things that a stack needs and nobody has given; the plan is refused for them else.
	needs func(m *Model, first actions.StackNeed, of int)
}

// requestPlan makes a plan in a command and shows it, to be confirmed. what is said where it cannot be made: "redeploy shop_web". While
// it is made keys do nothing, but esc gives it up.
func (m *Model) requestPlan(what string, plan planFunc) tea.Cmd {
	return m.request(asking{what: what, plan: plan})
}

func (m *Model) request(a asking) tea.Cmd {
	if cmd, no := m.noDeck(); no {
		return cmd
	}
	if a.reason == "" {
		a.reason = reasonIn(m.overlay)
	}
	ctx, cancel := m.queryContext()
	box := &planningBox{asking: a, under: under(m.overlay), cancel: cancel}
	m.overlay = box
	deck := m.o.Deck
	return tea.Batch(func() tea.Msg {
		defer cancel()
		p, err := a.plan(ctx, deck)
		return planMsg{box, p, err}
	}, tea.Tick(slowPlan, func(time.Time) tea.Msg { return planSlowMsg{box} }))
}

// reasonIn is the reason that was typed for a plan, where another of the same takes its place: one replica more.
func reasonIn(o overlay) string {
	switch b := o.(type) {
	case *planningBox:
		return b.reason
	case *planBox:
		return b.confirm.reason.Value()
	}
	return ""
}

// noDeck says why nothing can be done, where that is so.
func (m *Model) noDeck() (tea.Cmd, bool) {
	switch {
	case m.o.Deck != nil:
		return nil, false
	case m.o.NoDeck != nil:
		return m.say("nothing can be done here: " + inLine(m.o.NoDeck.Error())), true
	}
	return m.say("nothing can be done here: this console only looks"), true
}

// readOnly tells whether plans can only be looked at.
func (m *Model) readOnly() bool {
	return m.o.ReadOnly || m.o.Deck != nil && m.o.Deck.Policy.ReadOnly
}

// under is the box that is come back to when a plan is closed.
func under(o overlay) overlay {
	switch b := o.(type) {
	case *planningBox:
		return b.under
	case *planBox:
		return b.under
	case *progressBox, *noteBox, *paletteBox:
		return nil
	}
	return o
}

// applyPlan shows a plan that was made, if it is still waited for.
func (m *Model) applyPlan(msg planMsg) tea.Cmd {
	if m.overlay != msg.box {
		return nil
	}
	if msg.err != nil {
		m.overlay = newErrorBox(msg.box.what, msg.err, msg.box.under)
		return nil
	}
	if st := msg.plan.Stack; msg.box.needs != nil && st != nil && len(st.Needs) > 0 && !m.readOnly() {
		msg.box.needs(m, st.Needs[0], len(st.Needs))
		return nil
	}
	m.overlay = newPlanBox(m, msg.box.asking, msg.plan, msg.box.under)
	if m.readOnly() {
		return m.say("read-only: the plan can be looked at, and no more")
	}
	return nil
}

// handleAct takes the answers to what the hands have asked for.
func (m *Model) handleAct(msg tea.Msg) tea.Cmd {
	switch msg := msg.(type) {
	case planMsg:
		return m.applyPlan(msg)
	case planSlowMsg:
		msg.box.slow = true
	case runStartedMsg:
		return m.applyRunStarted(msg)
	case runEndedMsg:
		return m.applyRunEnded(msg)
	case openRunsMsg:
		return m.applyOpenRuns(msg)
	case foreignMsg:
		return m.applyForeign(msg)
	case foreignAgainMsg:
		return m.lookForForeign(false)
	case leftMsg:
		return m.applyLeft(msg)
	case scaleSettleMsg:
		return msg.box.settled(m, msg.generation)
	case scalePlanMsg:
		msg.box.apply(msg)
	case tagsMsg:
		msg.box.apply(msg)
	case lookedMsg:
		return m.applyLooked(msg)
	case valuesMsg:
		return m.applyValues(msg)
	case deliveryMsg:
		msg.box.apply(msg)
	}
	return nil
}

// planningBox waits for a plan. It is drawn only when that takes long, and what is typed meanwhile means nothing.
type planningBox struct {
	asking
	under  overlay
	cancel context.CancelFunc
	slow   bool
}

func (b *planningBox) title() string { return "planning" }
func (b *planningBox) paste(string)  {}

func (b *planningBox) size(*Model) (int, int) {
	if !b.slow {
		return 0, 0
	}
	return 60, 2
}

func (b *planningBox) lines(m *Model, w, h int) []string {
	p := page{w: w}
	p.add(m.st.Text, m.st.Signs.Updating+" "+b.what+m.st.Signs.Ellipsis)
	p.hints(m, "esc", "gives up")
	return p.exactly(h)
}

func (b *planningBox) key(m *Model, k tea.KeyPressMsg) (tea.Cmd, bool) {
	switch s := k.String(); {
	case s == "esc" || s == "ctrl+c":
		b.cancel()
		m.overlay = b.under
	case b.step != nil && (s == "+" || s == "="):
		b.cancel()
		return b.step(m, 1), false
	case b.step != nil && s == "-":
		b.cancel()
		return b.step(m, -1), false
	}
	return nil, false
}

// noteBox says something that must be read: why a thing could not be done.
type noteBox struct {
	head  string
	parts []notePart
	under overlay
}

type notePart struct {
	text string
	bad  bool
}

// newErrorBox says why something failed, and what can be done about it.
func newErrorBox(what string, err error, under overlay) *noteBox {
	b := &noteBox{head: what, under: under}
	text, next := errorWords(err)
	b.parts = append(b.parts, notePart{text, true})
	if next != "" {
		b.parts = append(b.parts, notePart{next, false})
	}
	return b
}

// errorWords are an error for people: what is wrong, and what to do next.
func errorWords(err error) (text, next string) {
	var busy *actions.Busy
	var src *sources.Error
	switch {
	case errors.As(err, &busy):
		return busy.Service + " is in the hands of another run, " + busy.Run + ", that has no end yet", "R shows it: watch it, finish it or take it back first"
	case errors.Is(err, actions.ErrReadOnly):
		return "read-only: nothing is changed from here", "start it without --read-only, QUARTERDECK_READ_ONLY and the context's read-only"
	case errors.As(err, &src) && src.Next != "":
		bare := *src
		bare.Next = ""
		if err == error(src) { //nolint:errorlint // only where nothing was said around it
			return bare.Error(), src.Next
		}
	}
	return err.Error(), ""
}

func (b *noteBox) title() string { return inLine(b.head) }
func (b *noteBox) paste(string)  {}

func (b *noteBox) page(m *Model, w int) *page {
	p := &page{w: w}
	for i, part := range b.parts {
		if part.bad {
			p.sign(m.st.Error, m.st.Signs.Down, part.text)
			continue
		}
		if i > 0 {
			p.gap()
		}
		p.add(m.st.Text, part.text)
	}
	p.gap()
	p.hints(m, "enter esc", "close")
	return p
}

func (b *noteBox) size(m *Model) (int, int) {
	w := boxWidth(m)
	return w, len(b.page(m, w).lines)
}

func (b *noteBox) lines(m *Model, w, h int) []string { return b.page(m, w).exactly(h) }

func (b *noteBox) key(m *Model, k tea.KeyPressMsg) (tea.Cmd, bool) {
	switch k.String() {
	case "esc", "enter", "q", "n", "space", "ctrl+c":
		m.overlay = b.under
	case "R":
		return m.openRuns(), false
	}
	return nil, false
}

func undoOf(run string) planFunc {
	return func(ctx context.Context, d *actions.Deck) (*actions.Plan, error) { return d.PlanUndo(ctx, run) }
}

// doAct does what a key of the hands means, with what is marked or under the cursor.
func (m *Model) doAct(a act) tea.Cmd {
	if a == actUndo {
		return m.requestUndo("", "")
	}
	services := m.targets()
	if len(services) == 0 {
		return m.say("this is about no service that runs here")
	}
	switch a {
	case actScale:
		return m.askScale(services)
	case actMore:
		return m.scaleBy(services, 1)
	case actLess:
		return m.scaleBy(services, -1)
	}
	return m.askRedeploy(services)
}

// targets are the services that an action is about: those marked in the table, or the one under the cursor.
func (m *Model) targets() []string {
	if m.view == viewOverview || m.view == viewServices {
		return m.services.chosen()
	}
	if name := m.subject(); m.snap.Service(name) != nil {
		return []string{name}
	}
	return nil
}
