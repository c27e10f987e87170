package ui

import (
	"fmt"
	"slices"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"quarterdeck/actions"
	"quarterdeck/sources"
	"quarterdeck/sources/fleet"
	"quarterdeck/ui/plain"
)

// Looking back: a service's history (history.go), what a change was (change.go), a run's record (record.go) and the handover
// (handover.go). All of it is read by commands; the answers come here.

// historyMsg is sent when the states of a service were read.
type historyMsg struct {
	box        stateBox
	generation uint64
	states     []actions.State
	err        error
}

// diffMsg is sent when two states were compared.
type diffMsg struct {
	of     *diffs
	pair   diffPair
	answer diffAnswer
}

// recordMsg is sent when a run's record was read.
type recordMsg struct {
	box     *recordBox
	run     actions.RunRecord
	changes []actions.ServiceFields
	err     error
}

// handoverMsg is sent when the handover was written, or could not be.
type handoverMsg struct {
	box  *readingBox
	text string
	err  error
}

// stateBox is a box about the states of a service.
type stateBox interface {
	overlay
	applyStates(m *Model, msg historyMsg) tea.Cmd
}

// handleLook takes the answers to what was looked up.
func (m *Model) handleLook(msg tea.Msg) tea.Cmd {
	switch msg := msg.(type) {
	case historyMsg:
		return msg.box.applyStates(m, msg)
	case diffMsg:
		msg.of.known[msg.pair] = msg.answer
	case recordMsg:
		msg.box.apply(msg)
	case compareMsg:
		return m.applyCompare(msg)
	case handoverMsg:
		msg.box.apply(msg)
	case ruleMsg:
		msg.box.apply(msg)
	case pastMsg:
		m.applyPast(msg)
	case diffsMsg:
		m.applyDiffs(msg)
	}
	return nil
}

// waker is a box that has something new to ask when the fleet has changed.
type waker interface{ wake(m *Model) tea.Cmd }

// wakeLook takes in what the fleet's change means for what is looked back at.
func (m *Model) wakeLook() tea.Cmd {
	if m.o.Deck != nil {
		m.team = m.o.Deck.Team()
		m.lookAtIncidents()
	}
	if b, ok := m.overlay.(waker); ok {
		return b.wake(m)
	}
	return nil
}

// doLook does what a key means that looks back.
func (m *Model) doLook(a act) tea.Cmd {
	if cmd, no := m.noDeck(); no {
		return cmd
	}
	if a == actHandover {
		return m.askHandover()
	}
	if a == actHistory && len(m.services.marks) > 0 && (m.view == viewOverview || m.view == viewServices) {
		return m.rollbackMarked()
	}
	service, at := m.subject(), moment{}
	if h := m.selectedHappening(); h != nil {
		at = momentOf(h)
	} else if al := m.selectedAlert(); m.view == viewAlerts && al != nil {
		at = moment{at: al.Since, before: true, what: "alert " + al.Name}
	} else if c := m.when.at; !c.IsZero() {
		at = moment{at: c, before: true, what: "the moment"}
	}
	if service == "" || m.snap.Service(service) == nil {
		return m.say("this is about no service that runs here")
	}
	if a == actHistory {
		return m.openHistory(service, time.Time{}, nil)
	}
	return m.openChange(service, at)
}

// rollbackMarked plans the way back of the marked services, which must be of one stack: in the order in which they depend on each other.
func (m *Model) rollbackMarked() tea.Cmd {
	marked := m.services.chosen()
	stack := ""
	for i, name := range marked {
		v := m.snap.Service(name)
		switch {
		case v == nil || v.Stack == "":
			return m.say(inLine(name) + " is of no stack: take its mark off, and b goes back with one alone")
		case i > 0 && v.Stack != stack:
			return m.say("the marked services are of more than one stack: one goes back at a time")
		}
		stack = v.Stack
	}
	if len(marked) == 1 {
		return m.openHistory(marked[0], time.Time{}, nil)
	}
	return m.requestStackRollback(stack, marked)
}

// diffPair are two states by their specs' hashes. back: the second as it would be gone back to from the first, with its number of
// replicas or without.
type diffPair struct {
	before, after  string
	back, replicas bool
}

// diffAnswer is what differs between two states, masked.
type diffAnswer struct {
	fields []sources.FieldChange
	notes  []string
	err    error
}

// diffs are the comparisons that a box has asked for. What is not in known was not answered yet.
type diffs struct{ known, asked map[diffPair]diffAnswer }

func newDiffs() *diffs {
	return &diffs{known: map[diffPair]diffAnswer{}, asked: map[diffPair]diffAnswer{}}
}

// ask compares two states in a command, once.
func (d *diffs) ask(m *Model, p diffPair) tea.Cmd {
	if _, asked := d.asked[p]; asked || p.before == "" || p.after == "" {
		return nil
	}
	d.asked[p] = diffAnswer{}
	deck := m.o.Deck
	return func() tea.Msg { return diffMsg{d, p, compare(deck, p)} }
}

// compare reads two states and tells what differs.
func compare(deck *actions.Deck, p diffPair) diffAnswer {
	if !p.back {
		fields, err := deck.Between(p.before, p.after)
		return diffAnswer{fields: fields, err: err}
	}
	now, err := deck.Spec(p.before)
	if err != nil {
		return diffAnswer{err: err}
	}
	earlier, err := deck.Spec(p.after)
	if err != nil {
		return diffAnswer{err: err}
	}
	var out diffAnswer
	full, changed, lost := earlier.Unmasked(now, nil) // both are masked: a mask stands for its value
	for _, f := range changed {
		out.notes = append(out.notes, f+": today's value stays, for the earlier one was never written down")
	}
	for _, f := range lost {
		out.notes = append(out.notes, f+": its value was never written down and is no longer in force")
	}
	out.fields = sources.Diff(now, sources.Restored(now, full, p.replicas))
	return out
}

// fieldsOf adds fields to a page, below each other.
func (p *page) fieldsOf(m *Model, fields []sources.FieldChange) {
	width := 0
	for i := range fields {
		width = max(width, plain.Width(inLine(fields[i].Field)))
	}
	width = min(width, p.w/3)
	for i := range fields {
		p.field(m, " ", 1, width, &fields[i])
	}
}

// answerOf adds the answer to a comparison, or that it is awaited.
func (p *page) answerOf(m *Model, d *diffs, pair diffPair) {
	a, answered := d.known[pair]
	switch {
	case !answered:
		p.add(m.st.Muted, " reading"+m.st.Signs.Ellipsis)
	case a.err != nil:
		p.sign(m.st.Error, " "+m.st.Signs.Down, "it cannot be compared: "+a.err.Error())
	case len(a.fields) == 0:
		p.add(m.st.Muted, " nothing")
	default:
		p.fieldsOf(m, a.fields)
	}
	for _, n := range a.notes {
		p.sign(m.st.Warn, " "+m.st.Signs.Warning, n)
	}
}

// whoMade is who made a state, in a few words.
func whoMade(states []actions.State, i int) string {
	s := &states[i]
	switch {
	case s.Actor != "":
		return s.Action + ", " + shortName(s.Actor)
	case tookBack(states, i):
		return "the swarm"
	case s.Was == "engine":
		return "before"
	case i == len(states)-1:
		return "as found"
	}
	return "elsewhere"
}

// madeWords are the same as a sentence.
func madeWords(states []actions.State, i int) string {
	s := &states[i]
	switch {
	case s.Run != "":
		return fmt.Sprintf("%s by %s, run %s", s.Action, s.Actor, s.Run)
	case s.Actor != "":
		return fmt.Sprintf("%s by %s, on another machine (the team's record)", s.Action, s.Actor)
	case tookBack(states, i):
		return "the swarm took the state before back by itself"
	case s.Was == "engine":
		return "from before anything that was seen: the engine remembered it"
	case i == len(states)-1:
		return "as it was found when the history began"
	}
	return "no run of this record made it: it was changed elsewhere"
}

// judge completes what this machine's journal knows of states: whether the rollout failed, by what the swarm told of those that no run of ours
// made; and whose run elsewhere made a state, by the team's record.
func (m *Model) judge(service string, states []actions.State) {
	for i := range states {
		if s := &states[i]; s.Bad == "" && s.Was != "engine" && !s.Since.IsZero() {
			s.Bad = m.badWords(service, states, i)
		}
	}
	for i := range states {
		if s := &states[i]; s.Actor == "" && s.Was == "seen" && i+1 < len(states) && !tookBack(states, i) {
			if r := m.teamRunAt(service, s.Since); r != nil {
				s.Actor, s.Action = r.Actor, r.Action
			}
		}
	}
}

// teamRunAt is the run of the team that had a service in hand at a moment; nil: none is known.
func (m *Model) teamRunAt(service string, at time.Time) *actions.TeamRun {
	for i := range m.team {
		r := &m.team[i]
		if slices.Contains(strings.Split(r.Target, ","), service) && !at.Before(r.Began.Add(-engineSlack)) && (r.Ended.IsZero() || !at.After(r.Ended.Add(engineSlack))) {
			return r
		}
	}
	return nil
}

// engineSlack is how far the engine's dates of one and the same change lie apart.
const engineSlack = 5 * time.Second

// badWords are what the swarm told of the rollout to a state, where it failed: it was paused while the state was wanted, or rolled back to the
// state before.
func (m *Model) badWords(service string, states []actions.State, i int) string {
	from := states[i].Since.Add(-engineSlack)
	until, backUntil := time.Time{}, time.Time{}
	back := i > 0 && i+1 < len(states) && states[i-1].Spec == states[i+1].Spec && states[i-1].Run == ""
	if i > 0 {
		until = states[i-1].Since
	}
	if i > 1 {
		backUntil = states[i-2].Since
	}
	within := func(t, end time.Time) bool { return !t.Before(from) && (end.IsZero() || t.Before(end)) }
	for k := range m.snap.History {
		h := &m.snap.History[k]
		switch {
		case h.Service != service:
		case h.Kind == fleet.DeployPaused && within(h.Time, until):
			return "the rollout paused: " + h.Text
		case h.Kind == fleet.RolledBack && back && within(h.Time, backUntil):
			return "the swarm rolled it back: " + h.Text
		}
	}
	return ""
}
