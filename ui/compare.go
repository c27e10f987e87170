package ui

import (
	"time"

	tea "charm.land/bubbletea/v2"

	"quarterdeck/actions"
	"quarterdeck/sources"
	"quarterdeck/sources/fleet"
)

const (
	// compareLeast is how far apart two moments lie at least: a window of less has too few samples.
	compareLeast = 30 * time.Second
	// aroundMost bounds the windows around two moments.
	aroundMost = 30 * time.Minute
)

// compareBox compares a service before and after: what it used, what it said, what happened, what was changed.
type compareBox struct {
	service    string
	a, b       time.Time // a is before b
	around     bool      // windows around both; else from a to b, against as long before a
	before     sources.Window
	after      sources.Window
	generation uint64
	until      time.Time // what was known then of what happened

	metrics  compared[[]metricRow]
	counts   compared[levelCounts]
	patterns compared[patternNews]
	between  []fleet.Occurrence
	states   compared[[2]*actions.State]
	diffs    *diffs

	scroll     scroller
	tall, over int
}

// compared is an answer that is awaited.
type compared[T any] struct {
	done bool
	of   T
	err  error
}

// compareMsg is sent when a part of a comparison was answered.
type compareMsg struct {
	box        *compareBox
	generation uint64
	take       func(*compareBox)
}

func (m *Model) openCompare(service string, a, b time.Time) tea.Cmd {
	if b.Before(a) {
		a, b = b, a
	}
	box := &compareBox{service: service, a: a, b: b, until: m.o.Now(), diffs: newDiffs()}
	m.overlay = box
	return box.ask(m)
}

// windows are the two stretches that are compared, equally long.
func (b *compareBox) windows() (before, after sources.Window) {
	if !b.around {
		length := b.b.Sub(b.a)
		return sources.Window{Start: b.a.Add(-length), End: b.a}, sources.Window{Start: b.a, End: b.b}
	}
	half := min(b.b.Sub(b.a), aroundMost) / 2
	// What is after now is not there: both windows are as long as the second can be.
	late := min(half, max(b.until.Sub(b.b), 0))
	return sources.Window{Start: b.a.Add(-half), End: b.a.Add(late)}, sources.Window{Start: b.b.Add(-half), End: b.b.Add(late)}
}

// ask reads everything anew, each part by a command of its own.
func (b *compareBox) ask(m *Model) tea.Cmd {
	b.generation++
	b.before, b.after = b.windows()
	b.metrics, b.counts, b.patterns = compared[[]metricRow]{}, compared[levelCounts]{}, compared[patternNews]{}
	b.between = nil
	for i := range m.timeline.rows {
		if o := &m.timeline.rows[i]; concerns(o, b.service) && !o.Time.After(b.b) {
			if n, last := untilOf(o, b.b); n > 0 && !last.Before(b.a) {
				b.between = append(b.between, *o)
			}
		}
	}
	cmds := []tea.Cmd{b.askMetrics(m), b.askLines(m), b.askPatterns(m)}
	if !b.states.done {
		cmds = append(cmds, b.askStates(m))
	}
	return tea.Batch(cmds...)
}

// answer is the message that hands a part over.
func (b *compareBox) answer(generation uint64, take func(*compareBox)) tea.Msg {
	return compareMsg{b, generation, take}
}

// applyCompare takes a part in, unless it is of windows that were left.
func (m *Model) applyCompare(msg compareMsg) tea.Cmd {
	if msg.generation != msg.box.generation {
		return nil
	}
	msg.take(msg.box)
	return msg.box.askDiff(m)
}

func (b *compareBox) askStates(m *Model) tea.Cmd {
	deck, generation, service := m.o.Deck, b.generation, b.service
	if deck == nil {
		b.states = compared[[2]*actions.State]{done: true, err: m.o.NoDeck}
		return nil
	}
	return func() tea.Msg {
		ctx, cancel := m.queryContext()
		defer cancel()
		_, states, err := deck.States(ctx, service)
		return b.answer(generation, func(b *compareBox) {
			b.states = compared[[2]*actions.State]{done: true, err: err, of: [2]*actions.State{stateAt(states, b.a), stateAt(states, b.b)}}
		})
	}
}

// stateAt is the state that was wanted at a moment; nil: none is known. States come with the newest first.
func stateAt(states []actions.State, at time.Time) *actions.State {
	for i := range states {
		if !states[i].Since.After(at) {
			return &states[i]
		}
	}
	return nil
}

// pair are the settings that were wanted at the two moments.
func (b *compareBox) pair() diffPair {
	first, last := b.states.of[0], b.states.of[1]
	if first == nil || last == nil {
		return diffPair{}
	}
	return diffPair{before: first.Spec, after: last.Spec}
}

func (b *compareBox) askDiff(m *Model) tea.Cmd {
	p := b.pair()
	if p.before == p.after {
		return nil
	}
	return b.diffs.ask(m, p)
}

func (b *compareBox) key(m *Model, k tea.KeyPressMsg) (tea.Cmd, bool) {
	switch a := lookup(k, areaCompare, areaList); a {
	case actBack, actQuit:
		return nil, true
	case actLeave:
		return m.quit(), false
	case actFlip:
		b.around = !b.around
		b.scroll.at = 0
		return b.ask(m), false
	case actCompareA, actCompareB:
		at := b.a
		if a == actCompareB {
			at = b.b
		}
		m.gotoService(b.service)
		m.when.set(at, m.o.Now())
		return nil, true
	case actChange:
		return m.openChange(b.service, moment{at: b.b, before: true, what: "B"}), false
	default:
		b.scroll.handle(a, b.over, b.tall)
	}
	return nil, false
}
