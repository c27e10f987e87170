package ui

import (
	"context"
	"strconv"
	"time"

	tea "charm.land/bubbletea/v2"

	"quarterdeck/actions"
)

// historyBox is the history of a service: its states, and what differs between them.
type historyBox struct {
	service    string
	at         time.Time // where the cursor begins: the state that began then; zero: the one before now's
	under      overlay
	why        string // what going back is for, where a cause led here; somebody may say something else
	generation uint64
	version    uint64 // of the service, when it was read last

	list     list
	states   []actions.State
	err      error
	loaded   bool
	back     bool   // what going back would change is shown, and not what the state changed
	replicas bool   // the number of replicas goes back too
	mark     string // the row that is compared with; "" : none
	diffs    *diffs
	scroll   scroller
	tall     int // lines of the diff's pane, as drawn last
	over     int // and by how much it is longer
}

// openHistory shows the history of a service, with the cursor on the state that began at a moment; zero: on the one before what is wanted now, with
// what going back to it would change.
func (m *Model) openHistory(service string, at time.Time, under overlay) tea.Cmd {
	if cmd, no := m.noDeck(); no {
		return cmd
	}
	b := &historyBox{service: service, at: at, under: under, diffs: newDiffs()}
	m.overlay = b
	return b.read(m)
}

// read asks for the states anew.
func (b *historyBox) read(m *Model) tea.Cmd {
	b.generation++
	if v := m.snap.Service(b.service); v != nil {
		b.version = v.Version
	}
	return m.readStates(b, b.service, b.generation)
}

// readStates reads the states of a service in a command.
func (m *Model) readStates(b stateBox, service string, generation uint64) tea.Cmd {
	deck := m.o.Deck
	ctx, cancel := m.queryContext()
	return func() tea.Msg {
		defer cancel()
		_, states, err := deck.States(ctx, service)
		return historyMsg{box: b, generation: generation, states: states, err: err}
	}
}

func (b *historyBox) wake(m *Model) tea.Cmd {
	m.judge(b.service, b.states)
	if v := m.snap.Service(b.service); v != nil && v.Version != b.version {
		return b.read(m)
	}
	return nil
}

func (b *historyBox) applyStates(m *Model, msg historyMsg) tea.Cmd {
	if msg.generation != b.generation {
		return nil
	}
	first := !b.loaded
	b.loaded, b.err = true, msg.err
	if msg.err != nil {
		return nil
	}
	b.states = msg.states
	m.judge(b.service, b.states)
	ids := make([]string, len(b.states))
	for i := range b.states { // counted from the oldest: a new one leaves the others' ids alone
		ids[i] = strconv.Itoa(len(b.states) - i)
	}
	b.list.setRows(ids)
	if first {
		if b.at.IsZero() && len(b.states) > 1 {
			b.list.moveTo(1)
			b.back = true
		}
		for i := range b.states {
			if !b.at.IsZero() && b.states[i].Since.Equal(b.at) {
				b.list.moveTo(i)
			}
		}
	}
	return b.ask(m)
}

// selected is the index of the state under the cursor, -1 where there is none.
func (b *historyBox) selected() int {
	if b.list.index < len(b.states) {
		return b.list.index
	}
	return -1
}

// marked is the index of the marked state, -1 where there is none.
func (b *historyBox) marked() int {
	for i := range b.states {
		if b.mark != "" && b.list.ids[i] == b.mark {
			return i
		}
	}
	return -1
}

// pair is what is compared now, and what that is called.
func (b *historyBox) pair() (p diffPair, what string) {
	i := b.selected()
	if i < 0 {
		return p, ""
	}
	if k := b.marked(); k >= 0 && k != i {
		older, newer := max(i, k), min(i, k)
		return diffPair{before: b.states[older].Spec, after: b.states[newer].Spec}, "from the older to the newer of the two"
	}
	if b.back {
		return diffPair{before: b.states[0].Spec, after: b.states[i].Spec, back: true, replicas: b.replicas}, "what going back to it would change"
	}
	if i+1 < len(b.states) {
		return diffPair{before: b.states[i+1].Spec, after: b.states[i].Spec}, "what this state changed"
	}
	return p, "what this state changed"
}

func (b *historyBox) ask(m *Model) tea.Cmd {
	p, _ := b.pair()
	return b.diffs.ask(m, p)
}

func (b *historyBox) title() string {
	t := "history of " + inLine(b.service)
	if n := len(b.states); n > 0 {
		t += " · " + count(n, "state")
	}
	return t
}

func (b *historyBox) paste(string)             {}
func (b *historyBox) size(m *Model) (w, h int) { return m.w - 4, m.h - 4 }
func (b *historyBox) close(m *Model) (tea.Cmd, bool) {
	m.overlay = b.under
	return nil, false
}

func (b *historyBox) key(m *Model, k tea.KeyPressMsg) (tea.Cmd, bool) {
	a := lookup(k, areaHistory, areaList)
	switch a {
	case actBack, actQuit:
		return b.close(m)
	case actLeave:
		return m.quit(), false
	case actEnter:
		return b.goBack(m), false
	case actFlip:
		b.back, b.mark = !b.back, ""
	case actCompare:
		b.compare()
	case actReplicas:
		b.replicas = !b.replicas
		b.back = true
	case actScrollUp:
		b.scroll.at = max(b.scroll.at-max(b.tall/2, 1), 0)
		return nil, false
	case actScrollDown:
		b.scroll.at = min(b.scroll.at+max(b.tall/2, 1), max(b.over, 0))
		return nil, false
	default:
		if !b.list.handle(a) {
			return nil, false
		}
	}
	b.scroll.at = 0
	return b.ask(m), false
}

// compare marks the state under the cursor, or takes the mark off it.
func (b *historyBox) compare() {
	if b.selected() < 0 {
		return
	}
	if id := b.list.selected(); b.mark == id {
		b.mark = ""
	} else {
		b.mark = id
	}
}

// goBack plans the way back to the state under the cursor.
func (b *historyBox) goBack(m *Model) tea.Cmd {
	i := b.selected()
	switch {
	case i < 0:
		return nil
	case i == 0:
		return m.say("it runs already: go down to an earlier state")
	}
	return m.requestRollback(b.service, b.why, actions.RollbackOptions{To: b.states[i].Spec, WithReplicas: b.replicas})
}

// requestRollback plans the way of a service back. why stands as its reason until somebody says another; where a reason is asked of everybody it
// must be a person's.
func (m *Model) requestRollback(service, why string, o actions.RollbackOptions) tea.Cmd {
	return m.requestPlan("roll back "+inLine(service), func(ctx context.Context, d *actions.Deck) (*actions.Plan, error) {
		p, err := d.PlanRollback(ctx, service, o)
		if err == nil && p.Reason == "" && !d.Policy.NeedReason {
			p.Reason = why
		}
		return p, err
	})
}

// requestStackRollback plans the way back of a stack's services, or of some of them, to before its last deploy.
func (m *Model) requestStackRollback(stack string, only []string) tea.Cmd {
	what := "roll back stack " + inLine(stack)
	if only != nil {
		what = "roll back " + count(len(only), "service") + " of " + inLine(stack)
	}
	return m.requestPlan(what, func(ctx context.Context, d *actions.Deck) (*actions.Plan, error) {
		return d.PlanRollbackStack(ctx, stack, actions.RollbackOptions{Only: only})
	})
}
