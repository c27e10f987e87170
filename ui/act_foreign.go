package ui

import (
	"context"
	"errors"
	"slices"
	"time"

	tea "charm.land/bubbletea/v2"

	"quarterdeck/actions"
)

// life is what is known of whether somebody executes another machine's run.
type life int

const (
	lifeUnknown life = iota // it is being looked
	lifeSeen
	lifeNone
)

// foreignRun is a recovery that another machine has begun.
type foreignRun struct {
	actions.Standing
	life life
}

// foreignMsg is sent when the swarm's locks were read, and again when it is known whether somebody executes the runs that they tell of.
type foreignMsg struct {
	runs  []foreignRun
	err   error
	offer bool // at the start: one that nobody executes is offered at once
	known bool // whether somebody executes them
}

// foreignAgainMsg is sent when runs that are under way elsewhere are to be looked for again: they may have ended, or whoever executes them may have died.
type foreignAgainMsg struct{}

// foreignAgain is between two looks at such runs.
const foreignAgain = 20 * time.Second

// lookForForeign asks the swarm's locks for recoveries that other machines have begun.
func (m *Model) lookForForeign(offer bool) tea.Cmd {
	deck := m.o.Deck
	if deck == nil || m.hands.watching {
		return nil
	}
	m.hands.watching = true
	ctx, cancel := m.queryContext()
	return func() tea.Msg {
		defer cancel()
		runs, err := deck.Foreign(ctx)
		msg := foreignMsg{err: err, offer: offer}
		for _, r := range runs {
			s, serr := deck.Stand(ctx, r)
			if serr != nil {
				s.Run, s.NoFinish = r, serr.Error()
			}
			msg.runs = append(msg.runs, foreignRun{Standing: s})
		}
		return msg
	}
}

// watchForeign looks whether somebody executes the runs, all at once. It ends with the console.
func (m *Model) watchForeign(runs []foreignRun, offer bool) tea.Cmd {
	deck, ctx := m.o.Deck, m.hands.ctx
	runs = slices.Clone(runs)
	return func() tea.Msg {
		type seen struct {
			at           int
			alive, ended bool
			err          error
		}
		all := make(chan seen, len(runs))
		for i := range runs {
			go func() {
				alive, ended, err := deck.Alive(ctx, &runs[i].Run)
				all <- seen{i, alive, ended, err}
			}()
		}
		msg := foreignMsg{offer: offer, known: true}
		gone := map[string]bool{}
		for range runs {
			x := <-all
			switch {
			case x.err != nil:
				msg.err = x.err
			case x.ended:
				gone[runs[x.at].Run.ID] = true
			case x.alive:
				runs[x.at].life = lifeSeen
			default:
				runs[x.at].life = lifeNone
			}
		}
		msg.runs = slices.DeleteFunc(runs, func(f foreignRun) bool { return gone[f.Run.ID] })
		return msg
	}
}

// applyForeign takes what is known of other machines' runs, and offers one that nobody executes.
func (m *Model) applyForeign(msg foreignMsg) tea.Cmd {
	switch {
	case errors.Is(msg.err, context.Canceled): // the console is left
		return nil
	case msg.err != nil:
		m.hands.watching = false
		return m.say("the swarm's locks cannot be read for runs of other machines: " + inLine(msg.err.Error()))
	case !msg.known && len(msg.runs) == 0:
		m.hands.watching, m.hands.foreign = false, nil
		return nil
	case !msg.known:
		for i := range msg.runs { // what was known stays until it is known anew
			if f := m.foreignRun(msg.runs[i].Run.ID); f != nil {
				msg.runs[i].life = f.life
			}
		}
		m.hands.foreign = msg.runs
		return m.watchForeign(msg.runs, msg.offer)
	}
	m.hands.watching, m.hands.foreign = false, msg.runs
	var again tea.Cmd
	if slices.ContainsFunc(msg.runs, func(f foreignRun) bool { return f.life == lifeSeen }) {
		again = tea.Tick(foreignAgain, func(time.Time) tea.Msg { return foreignAgainMsg{} })
	}
	dead := slices.IndexFunc(msg.runs, func(f foreignRun) bool { return f.life == lifeNone })
	switch {
	case dead < 0 || !msg.offer:
		return again
	case m.overlay != nil || m.prompt != nil:
		return tea.Batch(again, m.say("a run of "+inLine(msg.runs[dead].Run.Host)+" is unfinished, and nobody executes it · R shows it"))
	}
	m.overlay = newOpenBox(m, msg.runs[dead].Standing)
	return again
}

// foreignRun is another machine's run by its id; nil: there is none.
func (m *Model) foreignRun(id string) *foreignRun {
	for i := range m.hands.foreign {
		if m.hands.foreign[i].Run.ID == id {
			return &m.hands.foreign[i]
		}
	}
	return nil
}

// deadForeign counts those that nobody executes.
func (m *Model) deadForeign() int {
	n := 0
	for i := range m.hands.foreign {
		if m.hands.foreign[i].life == lifeNone {
			n++
		}
	}
	return n
}

// undoOfForeign makes another machine's run this one's, and plans to take it back.
func undoOfForeign(run actions.RunRecord) planFunc {
	return func(ctx context.Context, d *actions.Deck) (*actions.Plan, error) {
		own, err := d.Adopt(ctx, run)
		if err != nil {
			return nil, err
		}
		return d.PlanUndo(ctx, own.ID)
	}
}
