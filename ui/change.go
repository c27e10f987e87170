package ui

import (
	"fmt"
	"time"

	tea "charm.land/bubbletea/v2"

	"quarterdeck/actions"
	"quarterdeck/sources/fleet"
)

// moment is what a change is looked for by. The zero value: the newest one.
type moment struct {
	at     time.Time
	before bool   // the newest that began before at; else the one that began nearest to it
	run    string // the one that a run has made
	what   string // that happened then, in words
}

// farAway is from which distance on a change is said to be another one than the one that was asked for.
const farAway = 2 * time.Minute

// momentOf is the change that a row of the timeline is, or that came before what it tells of.
func momentOf(h *fleet.Happening) moment {
	w := moment{at: h.Time, run: h.Run, what: h.Kind}
	switch h.Kind {
	case fleet.DeployStarted, fleet.DeployDone, fleet.DeployPaused, fleet.RolledBack, fleet.Scaled, fleet.Created:
	case fleet.ActionBegun, fleet.ActionEnded:
		w.what = "run"
	default:
		w.before = true
	}
	return w
}

// pickChange is the state that a moment is about, -1: none that is known. Who asks what went wrong wants the change that failed, and not the
// swarm's taking it back. The states must have been judged.
func pickChange(states []actions.State, w moment) int {
	i := nearestChange(states, w)
	if i >= 0 && w.run == "" && tookBack(states, i) {
		return i + 1
	}
	return i
}

func nearestChange(states []actions.State, w moment) int {
	if w.run != "" {
		for i := range states {
			if states[i].Run == w.run {
				return i
			}
		}
	}
	if w.at.IsZero() {
		return 0
	}
	best := -1
	for i := range states {
		s := &states[i]
		switch {
		case s.Since.IsZero() || i+1 == len(states) && len(states) > 1:
			continue // nothing is known from before it
		case w.before && !s.Since.After(w.at.Add(engineSlack)):
			return i
		case !w.before && (best < 0 || s.Since.Sub(w.at).Abs() < states[best].Since.Sub(w.at).Abs()):
			best = i
		}
	}
	return best
}

// tookBack tells whether a state is the swarm's own rollback of the one before it, which had failed.
func tookBack(states []actions.State, i int) bool {
	return i+2 < len(states) && states[i].Run == "" && states[i+1].Bad != "" && states[i].Spec == states[i+2].Spec
}

// changeBox tells what one change of a service was, and offers to go back to before it.
type changeBox struct {
	why string // as that of a historyBox

	service    string
	when       moment
	generation uint64
	states     []actions.State
	index      int // into states; -1: none is known
	err        error
	loaded     bool
	back       bool // b was pressed before it was read: over a slow link keys come ahead
	diffs      *diffs
	scroll     scroller
	tall, over int
}

// openChange shows what a change of a service was.
func (m *Model) openChange(service string, w moment) tea.Cmd {
	b := &changeBox{service: service, when: w, diffs: newDiffs(), generation: 1}
	m.overlay = b
	return m.readStates(b, service, b.generation)
}

func (b *changeBox) applyStates(m *Model, msg historyMsg) tea.Cmd {
	if msg.generation != b.generation {
		return nil
	}
	b.loaded, b.err, b.states, b.index = true, msg.err, msg.states, -1
	if msg.err == nil {
		m.judge(b.service, b.states)
		b.index = pickChange(b.states, b.when)
	}
	if b.back {
		b.back = false
		return tea.Batch(b.ask(m), b.goBack(m))
	}
	return b.ask(m)
}

// goBack plans the way back to before the change.
func (b *changeBox) goBack(m *Model) tea.Cmd {
	switch {
	case !b.loaded:
		b.back = true
		return nil
	case !b.known():
		return m.say("nothing is known of what was before: there is no way back")
	}
	return m.requestRollback(b.service, b.why, actions.RollbackOptions{To: b.states[b.index+1].Spec, WithReplicas: b.scaled()})
}

func (b *changeBox) wake(m *Model) tea.Cmd {
	m.judge(b.service, b.states)
	return nil
}

// known tells whether there is a change to be shown: a state, and one before it.
func (b *changeBox) known() bool { return b.index >= 0 && b.index+1 < len(b.states) }

func (b *changeBox) pair() diffPair {
	if !b.known() {
		return diffPair{}
	}
	return diffPair{before: b.states[b.index+1].Spec, after: b.states[b.index].Spec}
}

func (b *changeBox) ask(m *Model) tea.Cmd { return b.diffs.ask(m, b.pair()) }

func (b *changeBox) title() string {
	t := "what changed: " + inLine(b.service)
	if b.known() {
		t += fmt.Sprintf(" · change %d of %d", len(b.states)-1-b.index, len(b.states)-1)
	}
	return t
}

func (b *changeBox) paste(string) {}
func (b *changeBox) size(m *Model) (int, int) {
	w := boxWidth(m)
	return w, min(m.h-4, max(len(b.page(m, w).lines)+len(boxHints(m, w, areaChange).lines)+1, 16))
}

func (b *changeBox) lines(m *Model, w, h int) []string {
	foot := boxHints(m, w, areaChange)
	b.tall = max(h-len(foot.lines)-1, 1)
	p := b.page(m, w)
	b.over = max(len(p.lines)-b.tall, 0)
	b.scroll.at = min(b.scroll.at, b.over)
	out := p.window(b.scroll.at, b.tall)
	return append(append(out, moreLine(m, b.over-b.scroll.at, w)), foot.lines...)[:h]
}

func (b *changeBox) page(m *Model, w int) *page {
	p := &page{w: w}
	switch {
	case !b.loaded:
		p.add(m.st.Muted, "reading the history of "+b.service+m.st.Signs.Ellipsis)
		return p
	case b.err != nil:
		text, next := errorWords(b.err)
		p.sign(m.st.Error, m.st.Signs.Down, text)
		if next != "" {
			p.add(m.st.Text, next)
		}
		return p
	case !b.known():
		p.add(m.st.Text, b.whyNone(m))
		return p
	}
	b.lead(m, p)
	p.stateHead(m, b.states, b.index)
	p.gap()
	p.add(m.st.Accent, "it changed")
	p.answerOf(m, b.diffs, b.pair())
	p.gap()
	before := &b.states[b.index+1]
	if b.index > 0 && b.states[0].Spec == before.Spec {
		p.sign(m.st.OK, m.st.Signs.OK, "it has been taken back: what was wanted before it is wanted now")
		return p
	}
	p.add(m.st.Muted, "b goes back to before it: "+shortState(before.Image))
	if before.Bad != "" {
		p.sign(m.st.Warn, m.st.Signs.Warning, "but that failed: "+before.Bad)
	}
	return p
}

// lead tells how the change lies to what was asked about.
func (b *changeBox) lead(m *Model, p *page) {
	s, w := &b.states[b.index], b.when
	apart := s.Since.Sub(w.at)
	switch {
	case w.at.IsZero() || w.run != "" && s.Run == w.run || s.Since.IsZero():
		return
	case w.before && apart <= 0:
		p.add(m.st.Muted, fmt.Sprintf("the last change before %s (%s), %s earlier", m.clock(w.at), w.what, shortly(-apart)))
	case apart.Abs() > farAway:
		p.sign(m.st.Warn, m.st.Signs.Warning, fmt.Sprintf("no state is known of %s (%s): this is the change nearest to it, %s away", m.clock(w.at), w.what, shortly(apart.Abs())))
	default:
		return
	}
	p.gap()
}

// whyNone says why there is no change to be shown.
func (b *changeBox) whyNone(m *Model) string {
	if len(b.states) < 2 {
		text := "no change of it is known: the history is kept from when a console first saw it, and the engine remembers no earlier state"
		if len(b.states) == 1 && !b.states[0].Since.IsZero() {
			text += "; what is wanted now is wanted since " + m.clock(b.states[0].Since)
		}
		return text
	}
	return fmt.Sprintf("no change from before %s (%s) is known: enter shows the history", m.clock(b.when.at), b.when.what)
}

func (b *changeBox) key(m *Model, k tea.KeyPressMsg) (tea.Cmd, bool) {
	switch a := lookup(k, areaChange, areaList); a {
	case actBack, actQuit:
		return nil, true
	case actLeave:
		return m.quit(), false
	case actHistory:
		return b.goBack(m), false
	case actUndo:
		return b.undo(m), false
	case actEnter:
		at := time.Time{}
		if b.index >= 0 && b.index < len(b.states) {
			at = b.states[b.index].Since
		}
		return m.openHistory(b.service, at, b), false
	case actOpenLogs, actOpenMetrics:
		return b.leaveFor(m, a), true
	case actOlder, actNewer:
		return b.step(m, a == actOlder), false
	default:
		b.scroll.handle(a, b.over, b.tall)
	}
	return nil, false
}

// scaled tells whether the change was of the number of replicas, too.
func (b *changeBox) scaled() bool {
	before, after := b.states[b.index+1].Replicas, b.states[b.index].Replicas
	return before != nil && after != nil && *before != *after
}

// undo plans to take the run back that made the change.
func (b *changeBox) undo(m *Model) tea.Cmd {
	if !b.known() {
		return m.say("no change is known that could be taken back")
	}
	s := &b.states[b.index]
	switch {
	case s.Run == "" && s.Actor != "":
		return m.say(shortName(s.Actor) + "'s run is in another machine's journal: b goes back to before it")
	case s.Run == "":
		return m.say("no run of this record made it: b goes back to before it")
	}
	return m.requestUndo(s.Run, s.Action+" "+b.service)
}

// step goes to the next older or newer change.
func (b *changeBox) step(m *Model, older bool) tea.Cmd {
	to := b.index - 1
	if older {
		to = b.index + 1
	}
	if to < 0 || to+1 >= len(b.states) {
		return m.say("no further change is known")
	}
	b.index, b.when, b.scroll.at = to, moment{}, 0
	return b.ask(m)
}

// leaveFor goes to the service's logs or metrics; the charts go to the moment of the change.
func (b *changeBox) leaveFor(m *Model, a act) tea.Cmd {
	m.gotoService(b.service)
	if a == actOpenLogs {
		m.open(viewLogs)
		return nil
	}
	m.open(viewMetrics)
	at := b.when.at
	if b.known() && at.IsZero() {
		at = b.states[b.index].Since
	}
	return m.showAt(at)
}

// showAt puts the shared moment to where something happened.
func (m *Model) showAt(at time.Time) tea.Cmd {
	if at.IsZero() {
		return nil
	}
	m.when.set(at, m.o.Now())
	return m.arrange()
}
